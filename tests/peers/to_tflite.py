"""The same net as a TFLite file: int8 with the committed scales (u8 less 128), or f32. Linear layers are FULLY_CONNECTED."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s

from net import Layer

OPERATORS = s.BuiltinOperator
# The versions that know int8.
VERSIONS = {OPERATORS.CONV_2D: 3, OPERATORS.MAX_POOL_2D: 2, OPERATORS.FULLY_CONNECTED: 4, OPERATORS.QUANTIZE: 1,
            OPERATORS.DEQUANTIZE: 2}
TYPES = {np.dtype(np.float32): s.TensorType.FLOAT32, np.dtype(np.int8): s.TensorType.INT8,
         np.dtype(np.int32): s.TensorType.INT32}


class Writer:
    def __init__(self):
        self.graph, self.buffers, self.codes = s.SubGraphT(), [s.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, name: str, shape, dtype, data: np.ndarray | None = None, scale=None, zero=0) -> int:
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), TYPES[np.dtype(dtype)], 0
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            t.buffer = len(self.buffers)
            self.buffers.append(b)
        if scale is not None:
            q = s.QuantizationParametersT()
            q.scale = np.atleast_1d(np.float32(scale)).astype(np.float32)
            q.zeroPoint = np.full(len(q.scale), zero, np.int64)
            t.quantization = q
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def operator(self, kind: int, inputs: list[int], output: int, options_type: int = 0, options=None) -> int:
        if kind not in self.codes:
            self.codes.append(kind)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = self.codes.index(kind), inputs, [output]
        o.builtinOptionsType, o.builtinOptions = options_type, options
        self.graph.operators.append(o)
        return output

    def save(self, x: int, y: int, path: Path) -> None:
        self.graph.inputs, self.graph.outputs = [x], [y]
        model = s.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [self.graph], self.buffers, []
        for kind in self.codes:
            code = s.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), VERSIONS[kind]
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))


def write(layers: list[Layer], path: Path) -> None:
    w, int8 = Writer(), layers[0].w_scale is not None
    entry = x = w.tensor("input", [1, 48, 48, 1], np.float32)
    side, channels = 48, 1
    if int8:
        first = layers[0]
        q = w.tensor("input.q", [1, 48, 48, 1], np.int8, scale=first.x_scale, zero=first.x_zero - 128)
        x = w.operator(OPERATORS.QUANTIZE, [x], q)
    for layer in layers:
        dtype, out = (np.int8 if int8 else np.float32), len(layer.bias)
        quantised = {"scale": layer.y_scale, "zero": layer.y_zero - 128} if int8 else {}
        if layer.dense:
            x = _dense(w, x, layer, dtype, quantised)
            side, channels = 1, out
            continue
        y = w.tensor(layer.name, [1, side, side, out], dtype, **quantised)
        x = w.operator(OPERATORS.CONV_2D, [x, *_weights(w, layer)], y, s.BuiltinOptions.Conv2DOptions, _conv(layer))
        channels = out
        if layer.pooled:
            side //= 2
            y = w.tensor(f"{layer.name}.p", [1, side, side, channels], dtype, **quantised)
            x = w.operator(OPERATORS.MAX_POOL_2D, [x], y, s.BuiltinOptions.Pool2DOptions, _pool())
    if int8:
        x = w.operator(OPERATORS.DEQUANTIZE, [x], w.tensor("logits", [1, 7], np.float32))
    w.save(entry, x, path)


def _dense(w: Writer, x: int, layer: Layer, dtype, quantised) -> int:
    options = s.FullyConnectedOptionsT()
    options.fusedActivationFunction = _activation(layer)
    y = w.tensor(layer.name, [1, len(layer.bias)], dtype, **quantised)
    return w.operator(OPERATORS.FULLY_CONNECTED, [x, *_weights(w, layer)], y,
                      s.BuiltinOptions.FullyConnectedOptions, options)


def _weights(w: Writer, layer: Layer) -> list[int]:
    weight = layer.weight.transpose(0, 2, 3, 1)  # OHWI
    if layer.dense:
        weight = weight.reshape(len(weight), -1)
    scale = {} if layer.w_scale is None else {"scale": layer.w_scale}
    bias = {} if layer.w_scale is None else {"scale": np.float32(layer.x_scale) * layer.w_scale}
    return [w.tensor(f"{layer.name}.w", weight.shape, weight.dtype, weight, **scale),
            w.tensor(f"{layer.name}.b", layer.bias.shape, layer.bias.dtype, layer.bias, **bias)]


def _activation(layer: Layer) -> int:
    # In int8 the output's range begins at zero where a ReLU was.
    relu = layer.relu and layer.w_scale is None
    return s.ActivationFunctionType.RELU if relu else s.ActivationFunctionType.NONE


def _conv(layer: Layer):
    o = s.Conv2DOptionsT()
    o.padding, o.strideH, o.strideW, o.dilationHFactor, o.dilationWFactor = s.Padding.SAME, 1, 1, 1, 1
    o.fusedActivationFunction = _activation(layer)
    return o


def _pool():
    o = s.Pool2DOptionsT()
    o.padding, o.strideH, o.strideW, o.filterHeight, o.filterWidth = s.Padding.VALID, 2, 2, 2, 2
    return o
