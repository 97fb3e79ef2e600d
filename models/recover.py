"""Puts batch norm back: makes of vgg-f32.onnx weights that training can go on from.

In the ONNX file each batch norm is folded into its convolution. Any split of the two computes the same: here each filter gets
the norm that training left them at (0.5), and the batch norm behind it the mean and variance that its sums have on
augmented training faces, and the scale and shift that undo all that. The result answers as the file does. An int8 file of
quantize.py's is taken as well, where the f32 one is gone: its weights as the numbers that they stand for, so that what
rounding took stays lost.

    python recover.py DATA/train --out build/recovered.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch.nn import functional as F

import compact
import export
import teacher
import vgg
from dataset import augment
from quantize import training_faces

FACES, CHECKED = 2048, 64
# How far a logit may be off: f32 sums in another order; int8 rounds every activation to a step of its scale
# (the committed int8 files: by 0.07, the light one, and 0.14).
WITHIN, WITHIN_INT8 = 1e-2, 0.3
FILTER_NORM = 0.5  # of the network's filters after its first stretch of training: 0.35 to 0.64, by layer


def layers_in_int8(path: str) -> list[export.Layer]:
    """The layers of a file that quantize.py wrote, in the numbers that its integers stand for."""
    model = onnx.load(path)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    layers = []
    for node in (n for n in model.graph.node if n.op_type == "QLinearConv"):
        step, weight, steps, bias = (constants[node.input[i]] for i in (1, 3, 4, 8))
        name = node.input[3].split(".")[0]
        pads = next(a.ints for a in node.attribute if a.name == "pads")
        layers.append(export.Layer(name, weight * steps.reshape(-1, 1, 1, 1), bias * step * steps, pads[0], name != "lin3"))
    return layers


@torch.inference_mode()
def unfolded(layers: list[export.Layer], x: torch.Tensor) -> dict[str, torch.Tensor]:
    """`layers` with batch norms, measured on the faces `x`."""
    state = {}
    for layer in layers:
        weight, bias = compact.tensor(layer.weight), compact.tensor(layer.bias)
        if layer.name.startswith("lin"):
            state |= {f"{layer.name}.weight": weight.flatten(1), f"{layer.name}.bias": bias}
            continue
        norm = layer.name.replace("conv", "bn")
        shrink = FILTER_NORM / weight.flatten(1).norm(dim=1)
        weight = weight * shrink.view(-1, 1, 1, 1)
        sums = F.conv2d(x, weight, padding=layer.pad)
        mean, var = sums.mean((0, 2, 3)), sums.var((0, 2, 3))
        state |= {f"{layer.name}.weight": weight, f"{layer.name}.bias": torch.zeros_like(bias),
                  f"{norm}.weight": (var + export.EPS).sqrt() / shrink, f"{norm}.bias": bias + mean / shrink,
                  f"{norm}.running_mean": mean, f"{norm}.running_var": var}
        x = torch.relu(sums / shrink.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1))
        x = F.max_pool2d(x, 2) if layer.name.startswith("conv2") else x
    return state


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("faces", type=Path, help="FER-2013's training folder, one folder per class")
    args.add_argument("--model", default="vgg-f32.onnx", help="a file that export.py or quantize.py wrote")
    args.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    args = args.parse_args()
    layers, within = compact.layers_of(args.model), WITHIN
    if not layers:
        layers, within = layers_in_int8(args.model), WITHIN_INT8
    if not layers:
        raise SystemExit(f"{args.model}: holds no layers that export.py or quantize.py wrote")
    faces = training_faces(args.faces, FACES)
    state = unfolded(layers, augment(faces, np.random.default_rng(1), 1.0, camera=0.1))
    net = vgg.from_weights(state, 0.0, args.model).eval()
    x = vgg.normalise(faces[:CHECKED])
    with torch.inference_mode():
        off = (net(x) - teacher.of_onnx(args.model)(x)).abs().max().item()
    if not off <= within:  # nor NaN, of a filter that is all zero
        raise SystemExit(f"{args.model}: the recovered net's logits differ by {off:.4f}; is it a file of export.py's or quantize.py's?")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in state.items()}, str(args.out))
    print(f"{args.out}: logits within {off:.1e} of {args.model} on {CHECKED} faces")


if __name__ == "__main__":
    main()
