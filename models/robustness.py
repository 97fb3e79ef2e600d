"""How accuracy falls as pictures get worse: the corruption suite of `moodlight eval --corrupt NAME:LEVEL`, in Python.

The definitions are shared with src/cli/eval/corrupt.rs; both must be changed together. Lengths are relative to the
picture's width; beyond the edge the edge is repeated; values are rounded half up and clipped. Chance is SplitMix64 seeded
with FNV-1a-64 of `NAME:LEVEL:class/file`, the file without its ending, so the same picture is spoilt in the same way
everywhere. Two things may differ by a gray level here and there: the last bit of f32 sums, and JPEG (Pillow's encoder here).
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import vgg

F32 = np.float32
MASK = (1 << 64) - 1
SUITE = {
    "blur": (0.5, 1.0, 1.5, 2.0, 3.0),  # Gaussian, sigma in 48ths of the width
    "noise": (5.0, 10.0, 20.0, 30.0, 45.0),  # Gaussian, sigma in gray levels
    "dark": (0.7, 0.5, 0.35, 0.25, 0.15),  # gray times
    "bright": (1.3, 1.6, 2.0, 2.5, 3.5),  # gray times, clipped
    "jpeg": (50, 30, 20, 12, 6),  # quality
    "rotate": (5.0, 10.0, 15.0, 22.0, 30.0),  # degrees, either way
    "scale": (1.08, 1.15, 1.25, 1.35, 1.5),  # crop too wide or too narrow by
    "offset": (0.03, 0.06, 0.1, 0.15, 0.2),  # crop shifted, widths, any direction
    "occlusion": (0.05, 0.1, 0.15, 0.25, 0.35),  # a square of gray 128 over this share of the area
}


class Chance:
    """SplitMix64, seeded by a text through FNV-1a (64 bits)."""

    def __init__(self, text: str):
        self.state = 0xCBF29CE484222325
        for byte in text.encode():
            self.state = ((self.state ^ byte) * 0x100000001B3) & MASK

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = ((self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def unit(self) -> np.float32:
        return F32(self.next() >> 40) / F32(1 << 24)

    def sign(self) -> np.float32:
        return F32(1) if self.next() >> 63 == 0 else F32(-1)

    def normals(self, count: int) -> np.ndarray:
        """Box and Muller; the second value of each pair is not used."""
        pairs = np.array([(F32(1) - self.unit(), self.unit()) for _ in range(count)], F32)
        return np.sqrt(F32(-2) * np.log(pairs[:, 0])) * np.cos(F32(2 * np.pi) * pairs[:, 1])


def to_gray(values: np.ndarray) -> np.ndarray:
    return np.clip(values + F32(0.5), 0, 255).astype(np.uint8)


def blur(p: np.ndarray, sigma: np.float32) -> np.ndarray:
    """Rows, then columns; radius 3 sigma rounded up; rounded once at the end."""
    radius = int(np.ceil(3 * sigma))
    taps = np.exp(F32(-0.5) * (np.arange(-radius, radius + 1, dtype=F32) / sigma) ** 2).astype(F32)
    taps /= taps.sum()
    x = p.astype(F32)
    for axis in (1, 0):
        pad = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        x = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad, mode="edge"), len(taps), axis) @ taps
    return to_gray(x)


def warp(p: np.ndarray, xx, xy, yx, yy, dx=0.0, dy=0.0) -> np.ndarray:
    """Each pixel is fetched, bilinearly, from (xx·x + xy·y + dx, yx·x + yy·y + dy), measured from the middle."""
    h, w = p.shape
    cx, cy = F32((w - 1) / 2), F32((h - 1) / 2)
    y, x = np.mgrid[:h, :w].astype(F32)
    x, y = x - cx, y - cy
    sx = np.clip(F32(xx) * x + F32(xy) * y + F32(dx) + cx, 0, w - 1).astype(F32)
    sy = np.clip(F32(yx) * x + F32(yy) * y + F32(dy) + cy, 0, h - 1).astype(F32)
    x0, y0 = sx.astype(int), sy.astype(int)
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    fx, fy, q = sx - x0.astype(F32), sy - y0.astype(F32), p.astype(F32)
    row = lambda at: q[at, x0] * (1 - fx) + q[at, x1] * fx
    return to_gray(row(y0) * (1 - fy) + row(y1) * fy)


def through_jpeg(p: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(p).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def occlude(p: np.ndarray, share: float, chance: Chance) -> np.ndarray:
    h, w = p.shape
    side = lambda n: int(np.clip(np.floor(np.sqrt(F32(share)) * F32(n) + F32(0.5)), 1, n))
    place = lambda room: min(int(chance.unit() * F32(room + 1)), room)
    x, y = place(w - side(w)), place(h - side(h))
    out = p.copy()
    out[y : y + side(h), x : x + side(w)] = 128
    return out


def corrupted(p: np.ndarray, name: str, level: int, picture: str) -> np.ndarray:
    """Gray picture `p` spoilt; `picture` is `class/file` without the file's ending and decides what chance decides."""
    chance, amount = Chance(f"{name}:{level}:{picture}"), SUITE[name][level - 1]
    a = F32(amount)
    if name == "blur":
        return blur(p, a * F32(p.shape[1]) / F32(48))
    if name == "noise":
        return to_gray(p + a * chance.normals(p.size).reshape(p.shape))
    if name in ("dark", "bright"):
        return to_gray(p * a)
    if name == "jpeg":
        return through_jpeg(p, amount)
    if name == "rotate":
        turn = np.deg2rad(a * chance.sign())
        return warp(p, np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn))
    if name == "scale":
        s = a if chance.sign() > 0 else F32(1) / a
        return warp(p, s, 0, 0, s)
    if name == "offset":
        turn, reach = chance.unit() * F32(2 * np.pi), a * F32(p.shape[1])
        return warp(p, 1, 0, 0, 1, reach * np.cos(turn), reach * np.sin(turn))
    return occlude(p, amount, chance)


def main() -> None:
    from evaluate import Folded, faces

    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("folder", type=Path)
    args.add_argument("--f32", default="vgg-f32.onnx")
    args.add_argument("--levels", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    args.add_argument("--names", nargs="+", default=list(SUITE), choices=list(SUITE))
    args.add_argument("--limit", type=int, help="a seeded pick of so many pictures")
    args = args.parse_args()
    names, labels, patches = faces(args.folder)
    order = np.random.default_rng(1).permutation(len(names))[: args.limit]
    names, labels, net = [str(Path(names[i]).with_suffix("")) for i in order], labels[order], Folded(args.f32)
    clean = list(patches[order])
    share = lambda patches: float((answers(net, patches) == labels).mean())
    result = {"images": len(names), "clean": share(clean)}
    for name in args.names:
        for level in args.levels:
            spoilt = [corrupted(p, name, level, n) for p, n in zip(clean, names)]
            result[f"{name}:{level}"] = share(spoilt)
            print(f"{name}:{level} {result[f'{name}:{level}']:.4f}", file=sys.stderr, flush=True)
    print(json.dumps(result))


def answers(net, patches: list[np.ndarray]) -> np.ndarray:
    parts = [net(vgg.normalise(np.stack(patches[i : i + 64]))).numpy().argmax(1) for i in range(0, len(patches), 64)]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
