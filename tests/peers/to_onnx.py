"""The same net as other ONNX dialects: f32 without f16 casts, and int8 as DequantizeLinear -> Conv -> QuantizeLinear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from net import Layer


class Writer:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_", **attributes))
        return name

    def quantise(self, x: str, name: str, scale: float, zero: int) -> str:
        s = self.constant(f"{name}.scale", np.float32(scale))
        z = self.constant(f"{name}.zero", np.uint8(zero))
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, s, z], f"{name}.q"), s, z], f"{name}.dq")

    def save(self, path: Path, inputs: dict[str, list[int]], outputs: dict[str, list[int]]) -> None:
        """Name and shape of each."""
        values = lambda named: [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in named.items()]
        graph = helper.make_graph(self.nodes, path.stem, values(inputs), values(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def save_vgg(w: Writer, x: str, path: Path) -> None:
    w.node("Flatten", [x], "logits", axis=1)
    w.save(path, {"input": [1, 1, 48, 48]}, {"logits": [1, 7]})


def convolution(w: Writer, x: str, layer: Layer, weight: str, bias: str) -> str:
    x = w.node("Conv", [x, weight, bias], f"{layer.name}.conv", pads=[layer.pad] * 4)
    return w.node("Relu", [x], f"{layer.name}.relu") if layer.relu else x


def pooled(w: Writer, x: str, layer: Layer) -> str:
    if not layer.pooled:
        return x
    return w.node("MaxPool", [x], f"{layer.name}.pool", kernel_shape=[2, 2], strides=[2, 2])


def f32(layers: list[Layer], path: Path) -> None:
    w, x = Writer(), "input"
    for layer in layers:
        weight = w.constant(f"{layer.name}.w", layer.weight)
        x = pooled(w, convolution(w, x, layer, weight, w.constant(f"{layer.name}.b", layer.bias)), layer)
    save_vgg(w, x, path)


def qdq(layers: list[Layer], path: Path) -> None:
    w = Writer()
    x = w.quantise("input", "in", layers[0].x_scale, layers[0].x_zero)
    for layer in layers:
        n, channels = layer.name, len(layer.bias)
        weight = w.node("DequantizeLinear", [w.constant(f"{n}.w", layer.weight), w.constant(f"{n}.ws", layer.w_scale),
                                             w.constant(f"{n}.wz", np.zeros(channels, np.int8))], f"{n}.wf", axis=0)
        scales = (np.float32(layer.x_scale) * layer.w_scale).astype(np.float32)
        bias = w.node("DequantizeLinear", [w.constant(f"{n}.b", layer.bias), w.constant(f"{n}.bs", scales),
                                           w.constant(f"{n}.bz", np.zeros(channels, np.int32))], f"{n}.bf", axis=0)
        x = convolution(w, x, layer, weight, bias)
        x = pooled(w, w.quantise(x, n, layer.y_scale, layer.y_zero), layer)
    save_vgg(w, x, path)
