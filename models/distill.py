"""Trains the light variant: the same family, narrower, taught by the full network's answers.

Widths 32, 64, 128, 256 and hidden layers of 768: 120 million multiplications a face and 3.5 million weights, so
the int8 file stays below 4 MiB. The student sees the teacher's softened scores (temperature 3) beside the labels, both
on the same augmented faces. It starts as the teacher's most used half: of each layer the channels with the largest
batch-norm scale times outgoing weights, of each hidden layer the sums with the largest weights on both sides; or,
with `--init`, where an earlier stretch left it. `export.py` and `quantize.py` then make its files as they make the full one's.

Logs and checkpoints as train.py's; --steps cuts epochs to prove the script.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.nn import functional as F

import train
import vgg
from dataset import Faces

WIDTH, HIDDEN = 32, 768
MOST_WEIGHTS, MOST_MACS = 6 * 2**20, 120_000_000
SOFTNESS, TEACHER_SHARE = 3.0, 0.7


def macs(net: vgg.Vgg) -> int:
    """Multiplications of one 48x48 face."""
    side, before, total = vgg.SIDE, 1, 0
    for width in net.widths:
        total += side * side * 9 * (before * width + width * width)
        side, before = side // 2, width
    return total + before * 9 * net.hidden + net.hidden**2 + net.hidden * len(vgg.CLASSES)


def strongest(strength: torch.Tensor, count: int) -> torch.Tensor:
    return strength.topk(count).indices.sort().values


@torch.no_grad()
def inherit(student: vgg.Vgg, teacher: vgg.Vgg) -> None:
    """Fills the student with the teacher's strongest channels, layer by layer."""
    convs = [f"{i}{block}" for block in vgg.BLOCKS for i in (1, 2)]
    kept, areas = torch.arange(1), 9
    for at, name in enumerate(convs):
        mine, theirs = student.get_submodule(f"conv{name}"), teacher.get_submodule(f"conv{name}")
        norm, own = teacher.get_submodule(f"bn{name}"), student.get_submodule(f"bn{name}")
        if at + 1 < len(convs):
            onward = teacher.get_submodule(f"conv{convs[at + 1]}").weight.pow(2).sum((0, 2, 3)).sqrt()
        else:
            onward = teacher.lin1.weight.pow(2).sum(0).view(-1, areas).sum(1).sqrt()
        chosen = strongest(norm.weight.abs() * onward, len(own.weight))
        mine.weight.copy_(theirs.weight[chosen][:, kept])
        mine.bias.copy_(theirs.bias[chosen])
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(own, part).copy_(getattr(norm, part)[chosen])
        kept = chosen
    kept = (kept[:, None] * areas + torch.arange(areas)).flatten()
    for name, after in (("lin1", "lin2"), ("lin2", "lin3"), ("lin3", None)):
        mine, theirs = student.get_submodule(name), teacher.get_submodule(name)
        chosen = torch.arange(len(theirs.bias))
        if after:
            onward = teacher.get_submodule(after).weight.norm(dim=0)
            chosen = strongest(theirs.weight.norm(dim=1) * onward, len(mine.bias))
        mine.weight.copy_(theirs.weight[chosen][:, kept])
        mine.bias.copy_(theirs.bias[chosen])
        kept = chosen


class Student(train.Trainer):
    """A trainer whose loss listens to a teacher as well."""

    def __init__(self, args: argparse.Namespace, teacher: vgg.Vgg):
        self.teacher = teacher.to(memory_format=torch.channels_last)
        super().__init__(args)

    def fresh(self) -> vgg.Vgg:
        net = super().fresh()
        weights = sum(p.numel() for p in net.parameters() if p.ndim > 1)
        if weights > MOST_WEIGHTS or macs(net) > MOST_MACS:
            raise SystemExit(f"{weights} weights, {macs(net)} multiplications: more than a light variant may have")
        inherit(net, self.teacher)
        return net

    def loss(self, x: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            answers = self.teacher(x)
        taught = F.softmax(answers.float() / SOFTNESS, 1)
        soft = F.kl_div(F.log_softmax(logits / SOFTNESS, 1), taught, reduction="batchmean") * SOFTNESS**2
        return TEACHER_SHARE * soft + (1 - TEACHER_SHARE) * super().loss(x, logits, y)


def main() -> None:
    parser = train.parser("Trains the light variant, taught by the full network.")
    parser.set_defaults(width=WIDTH, hidden=HIDDEN)
    parser.add_argument("--teacher", type=Path, required=True, help="safetensors of the full network")
    args = train.checked(parser)
    folds = Faces.read(args.data / "train"), Faces.read(args.data / "val")
    train.start(Student(args, vgg.load(args.teacher)), *folds)


if __name__ == "__main__":
    main()
