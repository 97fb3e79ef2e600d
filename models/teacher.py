"""The scores that trained networks give to the training faces, averaged over them and over mirror images: soft labels.

Trained on these beside the labels, a network learns in one look what its teachers need several for, and is not pushed to
learn every wrong label by heart. Writes N x 7 probabilities as .npz, for `train.py --soft`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import train
import vgg
import winograd
from dataset import Faces


Net = Callable[[torch.Tensor], torch.Tensor]


def of_onnx(path: Path) -> Net:
    """An ONNX file in f32 or int8."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # no 16-bit saturation on x86 without VNNI
    session = ort.InferenceSession(str(path), options)
    one = lambda face: torch.from_numpy(session.run(None, {"input": face[None].numpy()})[0])
    return lambda x: torch.cat([one(face) for face in x])


def load(path: Path, fast: bool) -> Net:
    """A network of either kind of file: patches in, logits out; `fast`: with winograd.py's convolutions."""
    if path.suffix == ".onnx":
        return of_onnx(path)
    net = vgg.load(path).to(memory_format=torch.channels_last)
    if fast:
        winograd.speed_up(net)
    return net


@torch.inference_mode()
def scores(nets: list[Net], patches: np.ndarray, bf16: bool) -> torch.Tensor:
    x = vgg.normalise(patches).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        each = [torch.softmax(net(view).float(), 1) for net in nets for view in (x, x.flip(3))]
    return torch.stack(each).mean(0)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("data", type=Path, help="folder with train/<class>/")
    args.add_argument("--weights", type=Path, nargs="+", required=True, help="the teachers: safetensors or .onnx")
    args.add_argument("--winograd", action="store_true", help="as train.py's")
    args.add_argument("--out", type=Path, required=True, help="the .npz to write")
    args = args.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    faces, nets = Faces.read(args.data / "train"), [load(path, args.winograd) for path in args.weights]
    bf16 = train.has_bf16_units() and not args.winograd
    parts = [scores(nets, faces.patches[at : at + 128], bf16) for at in range(0, len(faces), 128)]
    soft = torch.cat(parts).numpy()
    faces.keep_scores(args.out, soft)
    print(f"{args.out}: {len(soft)} faces, {(soft.argmax(1) == faces.labels).mean():.4f} as labelled")


if __name__ == "__main__":
    main()
