"""Makes tests/data/qconv: tiny graphs around QLinearConv with inputs and exact outputs, for the int8 engine.

Each case is NAME.onnx (QuantizeLinear → QLinearConv … → DequantizeLinear, f32 in and out as in the real files),
NAME.in.f32 and NAME.out.f32 (little-endian f32, the graph's input and output shapes). Expected values come from exact
integer arithmetic (exact.py); where |w| is at most 63 onnxruntime cannot saturate on any CPU and is compared here too.
Scales of some cases are powers of two, so that the requantised value often lies exactly between two integers: half
away from zero, half up and half to even then give different files.

`vgg_more` is the emotion network in small with two more convolutions and other padding: the graph stays the graph.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from exact import Exact

OUT = Path(__file__).resolve().parent.parent / "data" / "qconv"
F32 = np.float32


class Net:
    """Builds one graph, layer by layer; every layer's scale keeps the sums well inside and outside of u8."""

    def __init__(self, seed: int, channels: int, side: tuple[int, int], zero: int, top: int = 127, ties: bool = False):
        self.rng, self.top, self.ties = np.random.default_rng(seed), top, ties
        self.shape, self.zero = (1, channels, *side), zero
        self.nodes, self.constants, self.count = [], [], 0
        scale = F32(0.03125) if ties else F32(self.rng.uniform(0.01, 0.05))
        self.scale = self.constant("input_scale", scale), scale
        self.zero_name = self.constant("input_zero", np.uint8(zero))
        self.nodes.append(helper.make_node("QuantizeLinear", ["input", "input_scale", "input_zero"], ["q0"]))
        self.at = "q0"

    def constant(self, name: str, value) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def conv(self, out: int, kernel=(3, 3), pads=(1, 1, 1, 1), strides=(1, 1), dilations=(1, 1), group=1,
             zero=0, bias=True, per_tensor=False) -> "Net":
        rng, name, inputs = self.rng, f"c{self.count}", self.channels // group
        w = rng.integers(-self.top, self.top + 1, (out, inputs, *kernel)).astype(np.int8)
        spread = 40 * self.top * np.sqrt(inputs * kernel[0] * kernel[1])
        gain = (90 / spread * rng.uniform(0.5, 2.0, () if per_tensor else out)).astype(F32)
        y_scale = F32(0.0625) if self.ties else F32(rng.uniform(0.02, 0.2))
        if self.ties:
            gain = np.exp2(np.round(np.log2(gain))).astype(F32)
        w_scale = (gain * y_scale / self.scale[1]).astype(F32)
        inputs = [self.at, self.scale[0], self.zero_name, self.constant(f"{name}.w", w),
                  self.constant(f"{name}.ws", w_scale),
                  self.constant(f"{name}.wz", np.zeros(w_scale.shape, np.int8)),
                  self.constant(f"{name}.ys", y_scale), self.constant(f"{name}.yz", np.uint8(zero))]
        if bias:
            inputs.append(self.constant(f"{name}.b", (rng.uniform(-30, 30, out) / gain).astype(np.int32)))
        self.nodes.append(helper.make_node("QLinearConv", inputs, [name], name=name, kernel_shape=list(kernel), group=group,
                                           pads=list(pads), strides=list(strides), dilations=list(dilations)))
        self.at, self.scale, self.zero_name, self.channels = name, (f"{name}.ys", y_scale), f"{name}.yz", out
        self.count += 1
        return self

    def pool(self) -> "Net":
        self.nodes.append(helper.make_node("MaxPool", [self.at], [f"p{self.count}"], kernel_shape=[2, 2], strides=[2, 2]))
        self.at = f"p{self.count}"
        return self

    def flatten(self) -> "Net":
        self.nodes.append(helper.make_node("Flatten", [self.at], ["flat"], axis=1))
        self.at = "flat"
        return self

    @property
    def channels(self) -> int:
        return self._channels if hasattr(self, "_channels") else self.shape[1]

    @channels.setter
    def channels(self, value: int) -> None:
        self._channels = value

    def finish(self) -> tuple[onnx.ModelProto, np.ndarray]:
        """The model with inferred output shape, and an input of which every other value is next to a tie."""
        self.nodes.append(helper.make_node("DequantizeLinear", [self.at, self.scale[0], self.zero_name], ["output"]))
        x = self.rng.uniform(-0.2, 1.2, self.shape) * 255 - self.zero
        x = np.where(self.rng.random(self.shape) < 0.5, np.floor(x) + 0.5, x)
        x = (x.astype(F32) * self.scale_of_input()).astype(F32)
        model = self.model(None)
        shape = Exact(model)(x).shape
        return self.model(shape), x

    def scale_of_input(self) -> np.float32:
        return F32(numpy_helper.to_array(self.constants[0]))

    def model(self, shape) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "case",
                                  [helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)],
                                  [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
                                 producer_name="moodlight")


def cases() -> dict[str, Net]:
    small = lambda seed, c, side=(9, 11), zero=113, **more: Net(seed, c, side, zero, **more)
    return {
        "plain_3x3": small(1, 16).conv(32),
        "first_layer_one_channel": small(2, 1, (48, 48), 128).conv(8),
        "odd_channels": small(3, 3).conv(5).conv(7, zero=19),
        "even_rows_few_columns": small(4, 6, (4, 2)).conv(9),
        "no_padding": small(5, 8).conv(8, pads=(0, 0, 0, 0)),
        "lopsided_padding": small(6, 5, zero=200).conv(6, pads=(2, 0, 1, 3)),
        "padding_of_zero_point_0": small(7, 4, zero=0).conv(8),
        "padding_of_zero_point_255": small(8, 4, zero=255).conv(8, zero=255),
        "stride_2": small(9, 8).conv(10, strides=(2, 2)),
        "stride_2x3_no_bias": small(10, 7).conv(4, strides=(2, 3), bias=False),
        "dilated": small(11, 4).conv(6, dilations=(2, 2), pads=(2, 2, 2, 2)),
        "kernel_5x5": small(12, 3).conv(6, kernel=(5, 5), pads=(2, 2, 2, 2)),
        "kernel_1x1": small(13, 33, (3, 3)).conv(17, kernel=(1, 1), pads=(0, 0, 0, 0)),
        "linear_3x3_valid": small(14, 40, (3, 3), 0).conv(50, pads=(0, 0, 0, 0)).conv(7, (1, 1), (0, 0, 0, 0)).flatten(),
        "grouped": small(15, 8).conv(12, group=4),
        "depthwise": small(16, 6).conv(6, group=6, zero=7),
        "scale_per_tensor": small(17, 8).conv(8, per_tensor=True),
        "ties": small(18, 12, zero=128, ties=True).conv(16, zero=100).conv(16),
        "ties_narrow_weights": small(19, 12, zero=128, ties=True, top=63).conv(16, zero=100).conv(8, zero=3),
        "narrow_weights": small(20, 16, top=63).conv(24).pool().conv(9, zero=60),
        "deep_sums": small(21, 512, (3, 3), 0).conv(24, pads=(0, 0, 0, 0)),
        "vgg_small": vgg_like(Net(22, 1, (48, 48), 128), more=False),
        "vgg_more": vgg_like(Net(23, 1, (48, 48), 128), more=True),
    }


def vgg_like(net: Net, more: bool) -> Net:
    """The real file's shape at 4, 8, 12, 16 channels. `more`: two more convolutions, one of them padded (0, 1, 2, 1)."""
    for block, width in enumerate((4, 8, 12, 16)):
        net.conv(width)
        if more and block == 1:
            net.conv(width, pads=(0, 1, 2, 1)).conv(width)
        net.conv(width).pool()
    return net.conv(20, pads=(0, 0, 0, 0)).conv(20, (1, 1), (0, 0, 0, 0)).conv(7, (1, 1), (0, 0, 0, 0), zero=121).flatten()


def check_with_onnxruntime(name: str, model: onnx.ModelProto, x: np.ndarray, expected: np.ndarray) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    differing = int((session.run(None, {"input": x})[0] != expected).sum())
    if differing:
        raise SystemExit(f"{name}: onnxruntime differs in {differing} of {expected.size} values")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--out", type=Path, default=OUT)
    out = args.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, net in cases().items():
        model, x = net.finish()
        onnx.checker.check_model(model)
        expected = Exact(model)(x)
        if net.top <= 63:
            check_with_onnxruntime(name, model, x, expected)
        (out / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        x.astype("<f4").tofile(out / f"{name}.in.f32")
        expected.astype("<f4").tofile(out / f"{name}.out.f32")
        print(f"{name}: {expected.size} values, {len(np.unique(expected))} different"
              + (", equal to onnxruntime" if net.top <= 63 else ""))


if __name__ == "__main__":
    main()
