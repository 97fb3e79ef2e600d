"""The same net as ncnn's .param and .bin.

ncnn's int8 is symmetric: activations lose their zero point, so values after a ReLU use 0..127 instead of 0..255. The
weights are the committed ones; the arithmetic is as many products of the same width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from net import Layer

INT8 = 0x000D4B38  # ncnn's tag for raw i8 in a .bin


def write(layers: list[Layer], param: Path, bin: Path) -> None:
    lines, blobs, data = [], ["input"], bytearray()
    lines.append("Input input 0 1 input 0=48 1=48 2=1")
    for layer in layers:
        text = _dense(layer) if layer.dense else _convolution(layer)
        kind = "InnerProduct" if layer.dense else "Convolution"
        lines.append(f"{kind} {layer.name} 1 1 {blobs[-1]} {layer.name} {text}")
        blobs.append(layer.name)
        data += _weights(layer)
        if layer.pooled:
            lines.append(f"Pooling {layer.name}.p 1 1 {blobs[-1]} {layer.name}.p 0=0 1=2 2=2 5=1")
            blobs.append(f"{layer.name}.p")
    param.write_text("\n".join(["7767517", f"{len(lines)} {len(blobs)}", *lines]) + "\n")
    bin.write_bytes(bytes(data))


def _common(layer: Layer) -> str:
    return f"8={int(layer.w_scale is not None)} 9={int(layer.relu)}"


def _convolution(layer: Layer) -> str:
    out, _, kernel, _ = layer.weight.shape
    return f"0={out} 1={kernel} 4={layer.pad} 5=1 6={layer.weight.size} {_common(layer)}"


def _dense(layer: Layer) -> str:
    return f"0={len(layer.weight)} 1=1 2={layer.weight.size} {_common(layer)}"


def _weights(layer: Layer) -> bytes:
    if layer.w_scale is None:
        return np.uint32(0).tobytes() + layer.weight.tobytes() + layer.bias.tobytes()
    raw = layer.weight.tobytes()
    raw += bytes(-len(raw) % 4)
    real_bias = (layer.bias * np.float64(layer.x_scale) * layer.w_scale).astype(np.float32)
    activation = 1 / layer.x_scale if layer.x_zero else 127 / (255 * layer.x_scale)
    scales = (1 / layer.w_scale).astype(np.float32).tobytes() + np.float32(activation).tobytes()
    return np.uint32(INT8).tobytes() + raw + real_bias.tobytes() + scales
