"""Runs a QOperator ONNX graph in exact integer arithmetic, rounding as onnxruntime does. Pure numpy.

onnxruntime's own x86 kernels may saturate in a 16-bit step where the CPU lacks VNNI, so they are no reference there.
Here every product sum is exact, then, all in f32 and half to even:

    q = saturate(rint(f32(sum + bias) * f32(f32(x_scale * w_scale) / y_scale)) + y_zero_point)
    QuantizeLinear: saturate(rint(x / scale) + zero_point)      DequantizeLinear: f32(q - zero_point) * scale

Knows the operators of moodlight's int8 files and refuses others; batch, padding, stride, dilation and group are general.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

F32 = np.float32
RANGE = {np.dtype(np.uint8): (0, 255), np.dtype(np.int8): (-128, 127)}


class Exact:
    """`Exact(model)(x)` gives the graph's output; `.tensors` keeps every intermediate when `keep` is set."""

    def __init__(self, model: onnx.ModelProto | str | Path, keep: bool = False):
        model = model if isinstance(model, onnx.ModelProto) else onnx.load(str(model))
        self.graph, self.keep, self.tensors = model.graph, keep, {}
        self.constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        values = dict(self.constants)
        values[self.graph.input[0].name] = x
        for node in self.graph.node:
            operator = OPERATORS.get(node.op_type)
            if operator is None:
                raise ValueError(f"{node.name}: {node.op_type} is not known here")
            inputs = [values[n] if n else None for n in node.input]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = operator(inputs, attributes)
        if self.keep:
            self.tensors = values
        return values[self.graph.output[0].name]


def saturated(value: np.ndarray, zero: np.ndarray) -> np.ndarray:
    low, high = RANGE[zero.dtype]
    return np.clip(value + F32(zero), low, high).astype(zero.dtype)


def quantize(inputs, _) -> np.ndarray:
    x, scale, zero = inputs
    return saturated(np.rint((x / scale).astype(F32)), zero)


def dequantize(inputs, _) -> np.ndarray:
    q, scale, zero = inputs
    return ((q.astype(np.int32) - np.int32(zero)).astype(F32) * scale).astype(F32)


def windows(x: np.ndarray, kernel, attributes) -> np.ndarray:
    """Padded (N C H W) to (N C Ho Wo kh kw) views. Padding is already applied by the caller."""
    stride, dilation = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def padded(x: np.ndarray, attributes, fill) -> np.ndarray:
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError("auto_pad is not known here")
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def accumulate(x: np.ndarray, w: np.ndarray, attributes) -> np.ndarray:
    """Exact sums (N O Ho Wo) of zero-point-free integers. The padding is zero, which is x_zero_point.

    One matrix product per kernel tap, in f32 where no partial sum can reach 2^24, else in f64: both exact.
    """
    groups, (kh, kw) = attributes.get("group", 1), w.shape[2:]
    bound = np.abs(w.astype(np.int64)).sum((1, 2, 3)).max() * np.abs(x.astype(np.int64)).max(initial=0)
    dtype = np.float32 if bound < 2**24 else np.float64
    view = windows(padded(x, attributes, 0).astype(dtype), (kh, kw), attributes)
    n, _, ho, wo = view.shape[:4]
    parts = []
    for xg, wg in zip(np.split(view, groups, 1), np.split(w.astype(dtype), groups, 0)):
        sums = np.zeros((wg.shape[0], n * ho * wo), dtype)
        for i, j in np.ndindex(kh, kw):
            columns = xg[..., i, j].transpose(1, 0, 2, 3).reshape(xg.shape[1], -1)
            sums += np.ascontiguousarray(wg[:, :, i, j]) @ columns
        parts.append(sums.reshape(-1, n, ho, wo).transpose(1, 0, 2, 3))
    return np.concatenate(parts, 1).astype(np.float64)


def qlinear_conv(inputs, attributes) -> np.ndarray:
    x, xs, xz, w, ws, wz, ys, yz = inputs[:8]
    bias = inputs[8] if len(inputs) > 8 and inputs[8] is not None else np.zeros(w.shape[0], np.int32)
    per_channel = lambda v: np.broadcast_to(np.asarray(v).reshape(-1), w.shape[:1])
    x = x.astype(np.int16) - np.int16(xz)
    w = w.astype(np.int16) - per_channel(wz).astype(np.int16)[:, None, None, None]
    sums = accumulate(x, w, attributes) + bias.astype(np.float64)[:, None, None]
    assert np.abs(sums).max(initial=0) < 2**31, "an i32 accumulator would overflow"
    scale = ((F32(xs) * per_channel(ws).astype(F32)).astype(F32) / F32(ys)).astype(F32)
    return saturated(np.rint(sums.astype(F32) * scale[:, None, None]), yz)


def max_pool(inputs, attributes) -> np.ndarray:
    low = RANGE[inputs[0].dtype][0]
    return windows(padded(inputs[0], attributes, low), attributes["kernel_shape"], attributes).max((4, 5))


def flatten(inputs, attributes) -> np.ndarray:
    axis = attributes.get("axis", 1)
    return inputs[0].reshape(int(np.prod(inputs[0].shape[:axis])), -1)


OPERATORS = {"QuantizeLinear": quantize, "DequantizeLinear": dequantize, "QLinearConv": qlinear_conv,
             "MaxPool": max_pool, "Flatten": flatten}
