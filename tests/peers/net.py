"""The committed classifier files as plain numbers, for the converters: one `Layer` per convolution, in order.

The linear layers are convolutions in the files (3x3 valid and 1x1); `dense` says which those are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


@dataclass
class Layer:
    name: str
    weight: np.ndarray  # OIHW, f32 or i8
    bias: np.ndarray  # f32, or i32 in units of x_scale * w_scale
    pad: int
    pooled: bool = False  # a 2x2 max pool follows
    relu: bool = True
    x_scale: float = 0.0
    x_zero: int = 0
    w_scale: np.ndarray | None = None  # one per output channel
    y_scale: float = 0.0
    y_zero: int = 0

    @property
    def dense(self) -> bool:
        return self.pad == 0


def read(path: Path) -> list[Layer]:
    """The layers of vgg-f32.onnx or vgg-int8.onnx. Refuses what it doesn't know."""
    graph = onnx.load(str(path)).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    layers: list[Layer] = []
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        get = lambda i: constants[node.input[i]]
        if node.op_type == "Cast":
            constants[node.output[0]] = get(0).astype(np.float32)
        elif node.op_type == "Conv":
            layers.append(Layer(node.name, get(1), get(2), attributes["pads"][0], relu=False))
        elif node.op_type == "QLinearConv":
            scales = np.broadcast_to(get(4).reshape(-1), get(3).shape[:1]).astype(np.float32)
            layers.append(Layer(node.name.removesuffix("_quant"), get(3), get(8), attributes["pads"][0],
                                relu=int(get(7)) == 0, x_scale=float(get(1)), x_zero=int(get(2)), w_scale=scales,
                                y_scale=float(get(6)), y_zero=int(get(7))))
        elif node.op_type == "Relu":
            layers[-1].relu = True
        elif node.op_type == "MaxPool":
            layers[-1].pooled = True
        elif node.op_type not in ("Flatten", "QuantizeLinear", "DequantizeLinear"):
            raise SystemExit(f"{path}: {node.op_type} is not known here")
    return layers
