"""Accuracy of both model files on a folder of class folders, in Python: the reference for `moodlight eval`.

f32 runs in PyTorch from the file's own weights (no onnxruntime), int8 in exact integer arithmetic (tests/goldens/
exact.py). `--keep FILE.npz` stores labels, patches and logits of all, from which calibrate.py and the goldens work.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

import vgg
from dataset import Faces

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "goldens"))
from exact import Exact  # noqa: E402


class Folded:
    """The f32 file's weights run by PyTorch: batch norm already folded, linear layers as linear layers."""

    def __init__(self, path: str | Path):
        self.constants = {c.name: torch.from_numpy(numpy_helper.to_array(c).astype(np.float32))
                          for c in onnx.load(str(path)).graph.initializer}

    def layer(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self.constants[f"{name}.weight.f16"], self.constants[f"{name}.bias"]

    @torch.inference_mode()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        for block in vgg.BLOCKS:
            for i in (1, 2):
                x = torch.relu(F.conv2d(x, *self.layer(f"conv{i}{block}"), padding=1))
            x = F.max_pool2d(x, 2)
        x = torch.flatten(x, 1)
        for name in ("lin1", "lin2", "lin3"):
            weight, bias = self.layer(name)
            x = F.linear(x, weight.flatten(1), bias)
            x = x if name == "lin3" else torch.relu(x)
        return x


def faces(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names (class/file), labels and patches of the pictures of any size, by class, then name. What is skipped is counted on
    stderr; missing, foreign and empty classes are refused."""
    found = Faces.read(folder, vgg.patch_of)
    if found.skipped:
        print(f"{folder}: skipped {dict(found.skipped)}", file=sys.stderr)
    return found.names, found.labels, found.patches


def scores(labels: np.ndarray, logits: np.ndarray) -> dict:
    """Accuracy, macro F1, recall per class and confusion (row = truth), as `moodlight eval --json` has them."""
    confusion = np.zeros((len(vgg.CLASSES),) * 2, int)
    np.add.at(confusion, (labels, logits.argmax(1)), 1)
    hit, truth, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    f1 = 2 * hit / np.maximum(truth + said, 1)
    return {"accuracy": hit.sum() / truth.sum(), "macro_f1": f1.mean(),
            "per_class": dict(zip(vgg.CLASSES, (hit / np.maximum(truth, 1)).tolist())), "confusion": confusion.tolist()}


def in_integers(file: Path, patches: np.ndarray) -> np.ndarray:
    """Logits of another int8 file, in exact integers."""
    net = Exact(file)
    return np.concatenate([net(vgg.normalise(patches[at : at + 64]).numpy()) for at in range(0, len(patches), 64)])


def logits_of(patches: np.ndarray, labels: np.ndarray, f32: Folded, int8: Exact) -> tuple[np.ndarray, np.ndarray]:
    """Logits of both, with a running count on stderr (the order is shuffled, so early figures are fair)."""
    both, begin = [np.zeros((0, len(vgg.CLASSES)), np.float32)] * 2, time.monotonic()
    for at in range(0, len(patches), 64):
        x = vgg.normalise(patches[at : at + 64])
        both = [np.concatenate([old, new]) for old, new in zip(both, (f32(x).numpy(), int8(x.numpy())))]
        f, q, n = both[0].argmax(1), both[1].argmax(1), len(both[0])
        print(f"\r{n}/{len(patches)} {time.monotonic() - begin:.0f} s: f32 {(f == labels[:n]).mean():.4f} "
              f"int8 {(q == labels[:n]).mean():.4f} agree {(f == q).mean():.4f}", end="", file=sys.stderr, flush=True)
    return both[0], both[1]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("folder", type=Path)
    args.add_argument("--f32", default="vgg-f32.onnx")
    args.add_argument("--int8", default="vgg-int8.onnx")
    args.add_argument("--also", type=Path, nargs="*", default=[], help="other int8 files: of these only the accuracy is told")
    args.add_argument("--limit", type=int, help="a seeded pick of so many pictures")
    args.add_argument("--keep", help="write labels, patches and logits to this .npz")
    args = args.parse_args()
    if taken := {file.name for file in args.also} & {"vgg-f32.onnx", "vgg-int8.onnx"}:
        raise SystemExit(f"--also {' '.join(sorted(taken))}: figures are kept by file name, and this name is another file's; rename it")
    names, labels, patches = faces(args.folder)
    order = np.random.default_rng(1).permutation(len(names))[: args.limit]
    names, labels, patches = [names[i] for i in order], labels[order], patches[order]
    a, b = logits_of(patches, labels, Folded(args.f32), Exact(args.int8))
    also = {file.name: in_integers(file, patches) for file in args.also}
    result = {"images": len(names), "f32": scores(labels, a), "int8": scores(labels, b),
              "agreement": float((a.argmax(1) == b.argmax(1)).mean()),
              "also": {name: float((logits.argmax(1) == labels).mean()) for name, logits in also.items()}}
    if args.keep:
        np.savez(args.keep, labels=labels, patches=patches, f32=a, int8=b, **also,
                 names=np.array(names))
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
