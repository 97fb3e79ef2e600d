#!/usr/bin/env python3
"""Makes tests/data/blazeface/golden.bin: what onnxruntime computes from models/blazeface-back.onnx.

Three luma planes are cut from the photos of tests/data with Pillow: 256x256, 128x128 and 256x192 (width x height).
For each, the file holds (little endian) width and height as u32, the plane's bytes, then for the 16-pixel and for the
32-pixel grid all logits and all box values as f32. Smaller planes need the same net with its fixed shapes rewritten;
that changes no weight.

    pip install onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 numpy
    python3 tests/calibration/blazeface_golden.py
"""

import io
import struct
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
# Photo, box (left, top, right, bottom), size of the plane
PLANES = [
    ("happy_astronaut.png", (0, 0, 512, 512), (256, 256)),
    ("neutral_stern_grace_hopper.jpg", (60, 40, 460, 440), (128, 128)),
    ("coffee.png", (0, 0, 600, 400), (256, 192)),
]


def session(width, height):
    """The network for another input size: the three places where its file writes shapes down are changed."""
    model = onnx.load(ROOT / "models" / "blazeface-back.onnx")
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value, dims[2].dim_value = height, width
    rows = {512: (height // 16) * (width // 16) * 2, 384: (height // 32) * (width // 32) * 6}
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor).copy()
        if value.dtype != np.int64:
            continue
        if len(value) == 4:  # batch, channels, rows, columns of the zeros that pad a pooled map
            value[2:] = value[2:] * np.array([height, width]) // 256
        elif value[1] in rows:
            value[1] = rows[value[1]]
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    outputs = [o.name for o in model.graph.output]
    del model.graph.value_info[:], model.graph.output[:]
    for name in outputs:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    quiet.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), quiet)


def record(name, box, size):
    photo = Image.open(DATA / name).convert("L").resize(size, Image.Resampling.BILINEAR, box=box)
    plane = np.asarray(photo)
    run = session(*size)
    colour = np.repeat((plane.astype(np.float32) / 127.5 - 1)[None, :, :, None], 3, axis=3)
    outputs = run.run(None, {run.get_inputs()[0].name: colour})
    # Logits before values, the finer grid first: sort by (values per row, -rows).
    logits = sorted((o for o in outputs if o.shape[2] == 1), key=lambda o: -o.shape[1])
    values = sorted((o for o in outputs if o.shape[2] == 16), key=lambda o: -o.shape[1])
    out = io.BytesIO()
    out.write(struct.pack("<II", *size) + plane.tobytes())
    for l, v in zip(logits, values):
        out.write(l.astype("<f4").tobytes() + v.astype("<f4").tobytes())
    return out.getvalue()


if __name__ == "__main__":
    golden = b"".join(record(*plane) for plane in PLANES)
    (DATA / "blazeface").mkdir(exist_ok=True)
    (DATA / "blazeface" / "golden.bin").write_bytes(golden)
    print(f"golden.bin: {len(golden)} bytes")
