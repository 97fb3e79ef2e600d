"""What to put where a face's crop reaches beyond the picture: measured on FER-2013 faces with a strip cut off.

    python tests/goldens/edge_padding.py MODEL.onnx FER/val [COUNT]      (onnxruntime, pillow, numpy)

A strip of 10 % and of 20 % of the face is lost at one of its sides, in turn, and filled up by zeros (as PIL's crop does),
by the picture's edge repeated, mirrored, or by the face's mean. Prints the accuracy of each.
"""

import pathlib
import sys

import numpy as np
import onnxruntime as ort
from PIL import Image

CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
FILLS = {"zero": {"mode": "constant"}, "edge": {"mode": "edge"}, "mirror": {"mode": "reflect"}, "mean": {"mode": "mean"}}


def cut_and_fill(face, side, lost, fill):
    kept = [slice(lost, None), slice(None, -lost)][side % 2]
    pad = [(lost, 0), (0, lost)][side % 2]
    axis = side // 2
    index, pads = [slice(None), slice(None)], [(0, 0), (0, 0)]
    index[axis], pads[axis] = kept, pad
    part = face[tuple(index)]
    if fill["mode"] == "mean":
        return np.pad(part, pads, mode="constant", constant_values=int(part.mean()))
    return np.pad(part, pads, **fill)


def main():
    model, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 700
    files = sorted((p.name, p, c) for c in range(7) for p in (folder / CLASSES[c]).iterdir())
    files = files[:: max(1, len(files) // count)]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    net = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = net.get_inputs()[0].name
    faces = [(np.asarray(Image.open(p).convert("L")), c) for _, p, c in files]

    def accuracy(change):
        right = 0
        for i, (face, c) in enumerate(faces):
            x = (change(i, face).astype(np.float32)[None, None] / 255 - 0.5) / 0.5
            right += int(np.argmax(net.run(None, {name: x})[0]) == c)
        return 100 * right / len(faces)

    print(f"{len(faces)} faces, whole: {accuracy(lambda _, f: f):.1f} %")
    for lost in (5, 10):
        for fill, how in FILLS.items():
            print(f"{lost} of 48 pixels lost, {fill}: {accuracy(lambda i, f: cut_and_fill(f, i % 4, lost, how)):.1f} %", flush=True)


if __name__ == "__main__":
    main()
