"""3x3 convolutions by Winograd's minimal filtering: training in f32 on CPUs that do not multiply bf16.

`speed_up(net)` gives a net's convolutions the kernels of winograd.cpp, which explains them; torch builds them at first use
(a C++ compiler and the package ninja). Against f64 the results are off by up to 1.1e-5 of the largest value, and there and back a
layer is 2.4 to 3.3 times as fast as torch's own on two Zen 3 cores with AVX2, and was 1.6 to 2.2 times as fast on two Xeon cores with
AVX-512 while the transforms kept to one core: `python winograd.py` measures both.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# The transform of weights for tiles of so many outputs a side; the others are in winograd.cpp.
G = {
    4: ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
    3: ((1 / 2, 0, 0), (-1 / 2, -1 / 2, -1 / 2), (-1 / 6, 1 / 6, -1 / 6), (1 / 6, 1 / 3, 2 / 3), (0, 0, 1)),
}
LANES = 16  # the widest vector of winograd.cpp; layers whose channels fill it fill the narrower one too
# Tiles of one chunk, for each point: enough rows for an efficient product, few enough for a core's cache.
ROWS = 288


def processor() -> str:
    """Of what this CPU can do: torch keeps what it builds, and a home may move to a smaller machine."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        flags = platform.processor()
    return hashlib.sha256(flags.encode()).hexdigest()[:8]


@functools.cache
def kernels():
    from torch.utils.cpp_extension import load

    # Where the packages of a virtual environment that is not activated lie.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    source = Path(__file__).with_name("winograd.cpp")
    return load(f"moodlight_winograd_{processor()}", [str(source)], extra_cflags=["-O3", "-march=native", "-ffast-math", "-fopenmp"])


@functools.cache
def both_sides(tile: int) -> torch.Tensor:
    """GgG' as one matrix: points x 9."""
    g = torch.tensor(G[tile], dtype=torch.float64)
    return torch.kron(g, g).float()


class Convolution(torch.autograd.Function):
    """y = x * weight + bias, 3x3, padding 1."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        outs, ins = weight.shape[:2]
        ctx.tile = 4 if x.shape[-1] % 4 == 0 else 3
        tiles = -(-x.shape[-2] // ctx.tile) * -(-x.shape[-1] // ctx.tile)
        ctx.chunk = max(ROWS // tiles, 1)
        points = (both_sides(ctx.tile) @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, ins, outs)
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, points)
        return getattr(kernels(), f"forward{ctx.tile}")(x, points, bias, ctx.chunk)

    @staticmethod
    def backward(ctx, dy):
        x, points = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        back = getattr(kernels(), f"backward{ctx.tile}")
        dx, sums = back(x, points, dy, ctx.needs_input_grad[0], ctx.chunk)
        dw = (both_sides(ctx.tile).T @ sums.flatten(1)).view(3, 3, *sums.shape[1:]).permute(3, 2, 0, 1)
        return dx, dw, dy.sum((0, 2, 3))


class WinogradConv2d(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Convolution.apply(x, self.weight, self.bias)


def speed_up(net: nn.Module) -> None:
    """The convolutions whose channels fill vectors; in this network all but the first."""
    kernels()
    for layer in net.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size == (3, 3) and layer.in_channels % LANES == layer.out_channels % LANES == 0:
            layer.__class__ = WinogradConv2d


def measured(function, x, w, b, dy) -> tuple[list[torch.Tensor], float]:
    """The results and gradients of one call, and its seconds."""
    leaves = [v.detach().clone(memory_format=torch.preserve_format).requires_grad_() for v in (x, w, b)]
    begin = time.perf_counter()
    y = function(*leaves)
    y.backward(dy)
    return [y.detach(), *(v.grad for v in leaves)], time.perf_counter() - begin


def main() -> None:
    torch.manual_seed(1)
    torchs = lambda x, w, b: F.conv2d(x, w, b, padding=1)
    for ins, outs, side in ((64, 128, 24), (128, 128, 24), (128, 256, 12), (256, 256, 12), (256, 512, 6), (512, 512, 6)):
        x, dy = (torch.randn(128, c, side, side).to(memory_format=torch.channels_last) for c in (ins, outs))
        w, b = torch.randn(outs, ins, 3, 3) * 0.05, torch.randn(outs)
        few = [v.double() for v in (x[:4], w, b, dy[:4])]
        exact, ours = measured(torchs, *few)[0], measured(Convolution.apply, x[:4], w, b, dy[:4])[0]
        error = max(float((o - e).abs().max() / e.abs().max()) for o, e in zip(ours, exact))
        times = [min(measured(f, x, w, b, dy)[1] for _ in range(5)) for f in (torchs, Convolution.apply)]
        print(f"{ins:3} to {outs} channels, {side}x{side}, batch 128: torch {times[0] * 1e3:.0f} ms, winograd {times[1] * 1e3:.0f} ms "
              f"({times[0] / times[1]:.2f} times as fast), largest error {error:.1e}")


if __name__ == "__main__":
    main()
