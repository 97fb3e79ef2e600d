"""Makes a compact network from vgg-f32.onnx: the two wide linear layers, 88 % of the bytes, at the rank that they use.

On faces, the 4096 sums of a linear layer move in far fewer directions. Each layer W·x + b becomes U·(V·x) + b', where
the columns of U are the main directions of its sums (before ReLU) over training faces, as many as keep its share `KEPT` of their
variance, rounded up to whole `BLOCK`s. Nothing is trained; the rest of the sums is replaced by its mean, through b'.

Writes an f32 file as export.py does; quantize.py makes its int8 file:

    python compact.py DATA/train --out build/vgg-compact-f32.onnx
    python quantize.py --model build/vgg-compact-f32.onnx --ranges build/compact.json --measure DATA/train \\
        --out vgg-compact-int8.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

import export
import vgg
from quantize import SEED, training_faces

FACES = 4096
# What the second loses reaches the logits undiluted, and it costs less to keep. At the same bytes (ranks 320 and 128 instead of
# 384 and 64) the logits of training faces that the directions were not made of are off by 1.1 % of their spread, not 1.3.
KEPT = {"lin1": 0.989, "lin2": 0.995}
BLOCK = 64  # rows of a dense layer that the kernels compute together


def layers_of(path: str) -> list[export.Layer]:
    """The layers of a file that export.py wrote."""
    model = onnx.load(path)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    rectified = {n.input[0] for n in model.graph.node if n.op_type == "Relu"}
    layers = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight = constants.get(f"{node.name}.weight.f16")
            if weight is None:
                raise SystemExit(f"{path}: node `{node.name}` has no f16 weights of its own name; expected a file of export.py's")
            pads = next(a.ints for a in node.attribute if a.name == "pads")
            layers.append(export.Layer(node.name, weight, constants[f"{node.name}.bias"], pads[0], node.output[0] in rectified))
    return layers


@torch.inference_mode()
def features(layers: list[export.Layer], patches: np.ndarray) -> torch.Tensor:
    """What the last pooling gives, flat."""
    x = vgg.normalise(patches)
    for layer in layers:
        if layer.name.startswith("conv"):
            x = torch.relu(F.conv2d(x, tensor(layer.weight), tensor(layer.bias), padding=layer.pad))
            x = F.max_pool2d(x, 2) if layer.name.startswith("conv2") else x
    return x.flatten(1)


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def evenly(rank: int) -> torch.Tensor:
    """A seeded rotation of the bottleneck's axes. The product of the two layers is the same with any; but along the main directions
    themselves the first value is many times as wide as the last, and one scale of 256 steps for all of them (int8's) loses the last."""
    return torch.linalg.qr(torch.randn(rank, rank, generator=torch.Generator().manual_seed(SEED)))[0]


def split(layer: export.Layer, x: torch.Tensor) -> tuple[list[export.Layer], torch.Tensor]:
    """The layer as two, and what it gives (whole) for `x`."""
    weight, bias = tensor(layer.weight).flatten(1), tensor(layer.bias)
    sums = F.linear(x, weight, bias)
    mean = sums.mean(0)
    spread, directions = torch.linalg.eigh((sums - mean).T @ (sums - mean))
    share = spread.flip(0).cumsum(0) / spread.sum()
    rank = -(-(int((share < KEPT[layer.name]).sum()) + 1) // BLOCK) * BLOCK
    u = directions.flip(1)[:, :rank] @ evenly(rank)
    print(f"{layer.name}: rank {rank} keeps {share[rank - 1]:.4f} of the variance of its {len(weight)} sums")
    down = (u.T @ weight).reshape(rank, *layer.weight.shape[1:])
    rest = bias - mean
    half = lambda t: t.numpy().astype(np.float16)
    parts = [export.Layer(f"{layer.name}.down", half(down), np.zeros(rank, np.float32), layer.pad, False),
             export.Layer(f"{layer.name}.up", half(u[:, :, None, None]), (mean + u @ (u.T @ rest)).numpy(), 0, layer.relu)]
    return parts, torch.relu(sums)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("train", type=Path, help="the training folder: its faces tell the directions")
    args.add_argument("--model", default="vgg-f32.onnx")
    args.add_argument("--out", type=Path, required=True)
    args = args.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    layers = layers_of(args.model)
    patches = training_faces(args.train, FACES)
    x = torch.cat([features(layers, patches[at : at + 128]) for at in range(0, FACES, 128)])
    compact = [layer for layer in layers if layer.name.startswith("conv")]
    for layer in layers:
        if layer.name in ("lin1", "lin2"):
            parts, x = split(layer, x)
            compact += parts
    export.write([*compact, layers[-1]], args.out)


if __name__ == "__main__":
    main()
