"""YuNet's network as published (Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023), with weights of chance.

No package carries its trained file. How long it takes does not depend on what it has learned, so the shape is enough to be timed;
what it would find is another matter. Its 75,856 parameters are the paper's number, which `write` holds it to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from to_onnx import Writer

PARAMETERS = 75_856
STRIDES = (8, 16, 32)
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


class Net(Writer):
    """Numbers what it adds; `parameters` counts as the paper does, batch norm apart from its convolution."""

    def __init__(self):
        super().__init__()
        self.parameters, self.chance = 0, np.random.default_rng(1)

    def add(self, kind: str, inputs: list[str], **attributes) -> str:
        return self.node(kind, inputs, f"n{len(self.nodes)}", **attributes)

    def keep(self, value: np.ndarray) -> str:
        return self.constant(f"c{len(self.constants)}", value)

    def conv(self, x: str, shape: tuple[int, ...], norm: bool, **attributes) -> str:
        """Convolution, with what batch norm folds into, and ReLU where there was one."""
        weight = self.keep((self.chance.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32))
        bias = self.keep(np.zeros(shape[0], np.float32))
        self.parameters += int(np.prod(shape)) + shape[0] * (3 if norm else 1)
        x = self.add("Conv", [x, weight, bias], **attributes)
        return self.add("Relu", [x]) if norm else x

    def unit(self, x: str, inputs: int, outputs: int, norm: bool = True) -> str:
        """1x1 over channels, then 3x3 within each."""
        x = self.conv(x, (outputs, inputs, 1, 1), False)
        return self.conv(x, (outputs, 1, 3, 3), norm, pads=[1] * 4, group=outputs)

    def pool(self, x: str) -> str:
        return self.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])


def write(path: Path, width: int, height: int) -> None:
    net = Net()
    x = net.unit(net.conv("input", (16, 3, 3, 3), True, pads=[1] * 4, strides=[2, 2]), 16, 16)
    x = net.unit(net.unit(net.pool(x), 16, 16), 16, 64)
    levels = []
    for stage in range(4):
        x = net.unit(net.unit(x, 64, 64), 64, 64)
        if stage > 0:
            levels.append(x)
        if stage < 3:
            x = net.pool(x)
    twice = net.keep(np.array([1, 1, 2, 2], np.float32))
    for i in (2, 1, 0):
        levels[i] = net.unit(levels[i], 64, 64)
        if i > 0:
            up = net.add("Resize", [levels[i], "", twice], mode="nearest", nearest_mode="floor",
                          coordinate_transformation_mode="asymmetric")
            levels[i - 1] = net.add("Add", [levels[i - 1], up])
    levels = [net.unit(level, 64, 64) for level in levels]
    outputs = {}
    for kind, channels in HEADS.items():
        shape = net.keep(np.array([1, -1, channels], np.int64))
        for stride, level in zip(STRIDES, levels):
            y = net.add("Transpose", [net.unit(level, 64, channels, norm=False)], perm=[0, 2, 3, 1])
            y = net.add("Reshape", [y, shape])
            y = net.add("Sigmoid", [y]) if kind in ("cls", "obj") else y
            name = net.node("Identity", [y], f"{kind}_{stride}")
            outputs[name] = [1, (width // stride) * (height // stride), channels]
    if net.parameters != PARAMETERS:
        raise AssertionError(f"{net.parameters} parameters, the paper says {PARAMETERS}")
    net.save(path, {"input": [1, 3, height, width]}, outputs)
