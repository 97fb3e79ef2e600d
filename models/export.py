"""Writes a trained VGG as ONNX: batch norm folded, linear layers as convolutions, weights stored as f16.

The linear layers become a 3x3 convolution without padding (4608 inputs are the 3x3 map of 512 channels) and two 1x1
convolutions: the numbers are the same, and the static quantiser then gives standard QLinearConv nodes only.
Each weight is an f16 initialiser followed by a Cast to f32, which halves the file; biases stay f32. Readers should
decode the casts once, at load. Folding is done in f64 and rounded to f16 once: the *file's* weights are the model.

Does not decide which weights are good: see train.py.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import vgg

# Old enough for tract 0.23, new enough for per-channel quantisation.
OPSET, IR = 13, 8
EPS = 1e-5
LIMIT = 85_000_000  # bytes; the repository's budget for the f32 file


class Layer(NamedTuple):
    """A convolution of the file; `relu` says whether one follows."""

    name: str
    weight: np.ndarray  # OIHW, f16
    bias: np.ndarray  # f32
    pad: int
    relu: bool


def folded(net: vgg.Vgg) -> list[Layer]:
    """The layers in order."""
    state = {k: v.detach().double().numpy() for k, v in net.state_dict().items()}
    layers = []
    for block in vgg.BLOCKS:
        for i in (1, 2):
            conv, bn = f"conv{i}{block}", f"bn{i}{block}"
            gain = state[f"{bn}.weight"] / np.sqrt(state[f"{bn}.running_var"] + EPS)
            weight = state[f"{conv}.weight"] * gain[:, None, None, None]
            bias = (state[f"{conv}.bias"] - state[f"{bn}.running_mean"]) * gain + state[f"{bn}.bias"]
            layers.append(Layer(conv, weight.astype(np.float16), bias.astype(np.float32), 1, True))
    for name, kernel in (("lin1", 3), ("lin2", 1), ("lin3", 1)):
        weight = state[f"{name}.weight"]
        weight = weight.reshape(weight.shape[0], -1, kernel, kernel)
        bias = state[f"{name}.bias"].astype(np.float32)
        layers.append(Layer(name, weight.astype(np.float16), bias, 0, name != "lin3"))
    return layers


def graph(layers: list[Layer]) -> onnx.ModelProto:
    nodes, constants, x = [], [], "input"
    for name, weight, bias, pad, relu in layers:
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise SystemExit(f"{name}: weights do not fit f16")
        constants += [numpy_helper.from_array(weight, f"{name}.weight.f16"),
                      numpy_helper.from_array(bias, f"{name}.bias")]
        nodes.append(helper.make_node("Cast", [f"{name}.weight.f16"], [f"{name}.weight"], name=f"{name}.decode",
                                      to=TensorProto.FLOAT))
        kernel = list(weight.shape[2:])
        nodes.append(helper.make_node("Conv", [x, f"{name}.weight", f"{name}.bias"], [f"{name}.out"], name=name,
                                      kernel_shape=kernel, pads=[pad] * 4, strides=[1, 1], dilations=[1, 1], group=1))
        x = f"{name}.out"
        if relu:
            nodes.append(helper.make_node("Relu", [x], [f"{name}.relu"], name=f"{name}.relu"))
            x = f"{name}.relu"
        if name.startswith("conv2"):
            nodes.append(helper.make_node("MaxPool", [x], [f"pool{name[-1]}.out"], name=f"pool{name[-1]}",
                                          kernel_shape=[2, 2], strides=[2, 2]))
            x = f"pool{name[-1]}.out"
    nodes.append(helper.make_node("Flatten", [x], ["logits"], name="flatten", axis=1))
    side = vgg.SIDE
    body = helper.make_graph(nodes, "moodlight_vgg",
                             [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, side, side])],
                             [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, len(vgg.CLASSES)])],
                             constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR,
                              producer_name="moodlight")
    helper.set_model_props(model, {"classes": " ".join(vgg.CLASSES)})
    onnx.checker.check_model(model)
    return model


def write(layers: list[Layer], out: str) -> None:
    data = graph(layers).SerializeToString(deterministic=True)
    if len(data) > LIMIT:
        raise SystemExit(f"{out}: {len(data)} bytes, more than the {LIMIT} that the repository allows")
    with open(out, "wb") as file:
        file.write(data)
    print(f"{out}: {len(data)} bytes, sha256 {vgg.sha256(out)}")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("weights", help="safetensors of a trained net")
    args.add_argument("--out", default="vgg-f32.onnx")
    args = args.parse_args()
    write(folded(vgg.load(args.weights)), args.out)


if __name__ == "__main__":
    main()
