"""How many validation faces have a copy among the training faces, and what the networks' figures are with and without them.

FER-2013 came of an image search, which finds the same photograph more than once. A network that has learned the one by heart knows the
other, which says nothing about a face that it has never seen. Works from what `evaluate.py DATA/val --keep` kept, fills the card's
table of copies, and keeps each face's likeness to the likest training face, so that calibrate.py fits scores on faces without a copy.

Two faces are as like as the correlation of their gray values, so brightness and contrast do not count: the validation face's middle, as it
is or mirrored, at the best of all shifts by up to SHIFT pixels. Only the NEAREST training faces by blocks of BLOCK pixels are compared
so, which misses some that are turned or cut otherwise: the count is a lower bound.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import card
import vgg
from dataset import Faces

BLOCK, NEAREST, SHIFT = 4, 10, 4
MIDDLE = vgg.SIDE - 2 * SHIFT
# From 0.9 on the copy has the face's label nine times in ten; below 0.85 about as often as faces that look alike.
COPY = 0.9
ROWS = ((0.98, 1.0), (0.95, 0.98), (COPY, 0.95), (0.85, COPY), (-1.0, 0.85))
BATCH = 512


def evened(faces: torch.Tensor) -> torch.Tensor:
    """N x pixels, so that products are correlations; an empty picture is like nothing."""
    rows = faces.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1.0)


def nearest(faces: torch.Tensor, among: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each N x 1 x 48 x 48 face (gray, 0..255) the likeness, -1..1, of the likest of `among`, and its place there."""
    like, place = torch.full((len(faces),), -1.0), torch.zeros(len(faces), dtype=torch.long)
    blocks = evened(F.avg_pool2d(among, BLOCK))
    for view in (faces, faces.flip(3)):
        views = evened(F.avg_pool2d(view, BLOCK))
        near = torch.cat([(part @ blocks.T).topk(min(NEAREST, len(among))).indices for part in views.split(BATCH)])
        middle = evened(view[:, :, SHIFT:-SHIFT, SHIFT:-SHIFT])
        for column in near.T:
            candidates = among[column]
            for top in range(2 * SHIFT + 1):
                for left in range(2 * SHIFT + 1):
                    found = (middle * evened(candidates[:, :, top : top + MIDDLE, left : left + MIDDLE])).sum(1)
                    place = torch.where(found > like, column, place)
                    like = torch.maximum(found, like)
    return like, place


def table(like: np.ndarray, copied: np.ndarray, labels: np.ndarray, answers: dict[str, np.ndarray]) -> str:
    """`copied`: the likest training face's label; `answers`: each network's."""
    rows = ["| likeness | faces | the copy has the label | " + " | ".join(f"right: {name}" for name in answers) + " |",
            "|---" * (3 + len(answers)) + "|"]

    def row(title: str, chosen: np.ndarray) -> str:
        share = lambda said: card.percent((said == labels)[chosen].mean()) if chosen.any() else "–"
        count = f"{chosen.sum():,} ({card.percent(chosen.mean())})"
        return " | ".join([f"| {title}", count, *map(share, (copied, *answers.values()))]) + " |"

    for low, high in ROWS:
        title = f"below {high}" if low < 0 else f"from {low}"
        rows.append(row(title, (like >= low) & ((like < high) | (high == 1.0))))
    rows.append(row(f"all from {COPY}: copies", like >= COPY))
    rows.append(row(f"**all below {COPY}: no copy**", like < COPY))
    heart = {name: np.where(like >= COPY, copied, said) for name, said in answers.items()}
    right = ", ".join(f"{name} {card.percent((said == labels).mean())}" for name, said in heart.items())
    return "\n".join(rows) + f"\n\nWho answered each copy with the label of the face it is a copy of, and the rest as the network does, would have: {right}."


def pictures(patches: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(patches).float().unsqueeze(1)


def networks(kept: np.lib.npyio.NpzFile) -> list[str]:
    """Whose logits evaluate.py kept: f32, int8, and the other int8 files by name."""
    return [name for name in kept.files if name not in ("labels", "patches", "names")]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("training", type=Path, help="the training folder, one folder per class")
    args.add_argument("kept", type=Path, help="the .npz of evaluate.py --keep")
    args.add_argument("--out", type=Path, required=True, help="where each kept face's likeness goes, .npy")
    args = args.parse_args()
    train, kept = Faces.read(args.training), np.load(args.kept)
    like, place = nearest(pictures(kept["patches"]), pictures(train.patches))
    np.save(args.out, like.numpy())
    answers = {Path(name).stem: kept[name].argmax(1) for name in networks(kept)}
    card.fill({"copies": table(like.numpy(), train.labels[place.numpy()], kept["labels"], answers)})


if __name__ == "__main__":
    main()
