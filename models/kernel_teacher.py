"""A teacher of another kind: kernel ridge regression on random whitened patches. Its soft labels do not know the face's own label.

A network's scores for the faces it was trained on echo their labels, wrong ones too, and networks of one family err on the same faces.
This teacher has no layers to train: it compares faces by how strongly random patches of the training faces, whitened, answer in each part
of them (Coates, Ng, "The importance of encoding versus training with sparse coding and vector quantization", 2011), both sides alike.
Ridge regression on that kernel has each training face's score without that face in closed form (leave-one-out: y − α / diag K⁻¹).

Writes an N x 7 f32 .npy in the order in which `dataset.Faces` reads the folder: probabilities, whose temperature and the kernel's width and
ridge are the best for the training faces that are left out. `--mix` averages them with teacher.py's scores. 18 GB of memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import vgg
from dataset import Faces

SEED = 5
# Pictures of both sizes are looked through with patches of this side, in pixels; a picture of half the size sees twice as far.
PATCH = 6
# Per size: how often the picture is halved, the pixels of a part whose answers are averaged, and the way from part to part.
SIZES = ((0, 7, 6), (1, 6, 2))
# Random patches of each size, those that are whitened by, and how many of them are worked through at once.
FILTERS, SAMPLE, GROUP = 256, 120_000, 128
# An answer is the cosine of the whitened patches, beyond this; 0, 0.1, 0.2, 0.3 and 0.4 gave 50, 51, 53, 53 and 51 % on 5,000 faces.
THRESHOLD = 0.25
# Faces whose products with others are taken at once.
STRIP = 4096
# What is tried on SUBSET of the training faces: the kernel exp(width (cosine - 1)), and the ridge.
WIDTHS, RIDGES, SUBSET = (3.0, 6.0, 10.0, 16.0), (0.01, 0.03, 0.1, 0.2), 7000


class Patches:
    """The filters of one size, and what they answer."""

    def __init__(self, faces: torch.Tensor, halved: int, part: int, step: int):
        self.halved, self.part, self.step = halved, part, step
        sample = self.sample(self.sized(faces))
        values, vectors = torch.linalg.eigh((sample.T @ sample / len(sample)).double())
        floor = 0.001 * values.max()  # directions with less are noise
        self.whiten = (vectors @ torch.diag((values + floor).rsqrt()) @ vectors.T).float()
        chosen = (sample @ self.whiten)[torch.randperm(len(sample))[:FILTERS]]
        chosen = chosen / chosen.norm(dim=1, keepdim=True).clamp_min(1e-6) @ self.whiten
        self.filters = (chosen - chosen.mean(1, keepdim=True)).view(-1, 1, PATCH, PATCH)

    def sized(self, faces: torch.Tensor) -> torch.Tensor:
        for _ in range(self.halved):
            faces = F.avg_pool2d(faces, 2)
        return faces

    @staticmethod
    def sample(faces: torch.Tensor) -> torch.Tensor:
        places = faces.shape[-1] - PATCH + 1
        face, top, left = torch.randint(0, len(faces), (SAMPLE,)), *torch.randint(0, places, (2, SAMPLE))
        reach = torch.arange(PATCH)
        cut = faces[face[:, None, None], 0, (top[:, None] + reach)[:, :, None], (left[:, None] + reach)[:, None, :]].flatten(1)
        return cut - cut.mean(1, keepdim=True)

    def lengths(self, faces: torch.Tensor) -> torch.Tensor:
        """Of the whitened patch at each place, and a little, so that flat ones answer nothing."""
        cut = F.unfold(faces, PATCH)
        whitened = torch.einsum("ij,njl->nil", self.whiten, cut - cut.mean(1, keepdim=True))
        side = faces.shape[-1] - PATCH + 1
        return (whitened.norm(dim=1) + 0.1 * PATCH).view(-1, 1, side, side)

    def answers(self, faces: torch.Tensor, first: int) -> torch.Tensor:
        """N x features of the GROUP filters from `first` on: how much of each, and of its negative, there is in each part."""
        filters, rows = self.filters[first : first + GROUP], []
        for batch in faces.split(256):
            batch, total = self.sized(batch), 0
            for view in (batch, batch.flip(3)):
                cosine = F.conv2d(view, filters) / self.lengths(view)
                beyond = torch.cat([F.relu(cosine - THRESHOLD), F.relu(-cosine - THRESHOLD)], 1)
                total = total + F.avg_pool2d(beyond, self.part, self.step)
            rows.append(total.flatten(1).sqrt())
        return torch.cat(rows)


def evened(patches: np.ndarray) -> torch.Tensor:
    """Without the face's own brightness and contrast."""
    x = torch.from_numpy(patches.astype(np.float32)).unsqueeze(1)
    return (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 5)


def cosines(sizes: list[Patches], left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Of the answers of two sets of faces, each size counting the same; empty pictures are like nothing."""
    total = torch.zeros(len(left), len(right))
    for size in sizes:
        product, mine, theirs = torch.zeros(len(left), len(right)), torch.zeros(len(left)), torch.zeros(len(right))
        for first in range(0, FILTERS, GROUP):
            b = size.answers(right, first)
            a = b if left is right else size.answers(left, first)
            for at in range(0, len(a), STRIP):
                end = at + STRIP if left is right else len(b)  # of a set with itself the lower half will do
                product[at : at + STRIP, :end].addmm_(a[at : at + STRIP], b[:end].T)
            mine += a.square().sum(1)
            theirs += b.square().sum(1)
        if left is right:
            product = product.tril_() + product.tril(-1).T
        product /= mine.clamp_min(1e-9).sqrt()[:, None]
        product /= theirs.clamp_min(1e-9).sqrt()
        total += product
    return total / len(sizes)


def left_out(cosine: torch.Tensor, y: torch.Tensor, width: float, ridge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Each face's score without that face, and the weights of the faces for others' scores. Uses `cosine` up."""
    kernel = cosine.sub_(1).mul_(width).exp_().double()
    kernel.diagonal().add_(ridge)
    lower = torch.linalg.cholesky(kernel)
    del kernel
    weights = torch.cholesky_solve(y.double(), lower)
    inverse = torch.cholesky_inverse(lower).diagonal().clone()
    return (y - weights / inverse[:, None]).float(), weights.float()


def temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """What the scores are multiplied by so that their softmax is the likeliest to give the labels."""
    tried = np.arange(1.0, 20.0, 0.25)
    return float(min(tried, key=lambda t: F.cross_entropy(scores * t, labels).item()))


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("data", type=Path, help="folder with train/<class>/")
    args.add_argument("--mix", type=Path, help="teacher.py's .npy of the same faces, to be averaged with")
    args.add_argument("--share", type=float, default=0.5, help="of this teacher in the mixture, 0..1")
    args.add_argument("--judge", action="store_true", help="tell the accuracy on val/ as well: a look at it")
    args.add_argument("--out", type=Path, required=True, help="the .npy to write")
    args = args.parse_args()
    torch.manual_seed(SEED)
    faces = Faces.read(args.data / "train")
    other = np.load(args.mix) if args.mix else None
    if other is not None and other.shape != (len(faces), len(vgg.CLASSES)):
        raise SystemExit(f"{args.mix}: {other.shape} scores for {len(faces)} faces; made from other pictures?")
    x, labels = evened(faces.patches), torch.from_numpy(faces.labels)
    one_hot = F.one_hot(labels, len(vgg.CLASSES)).float()
    prior = one_hot.mean(0)
    sizes = [Patches(x, *size) for size in SIZES]
    cosine = cosines(sizes, x, x)
    few = torch.randperm(len(x))[:SUBSET]
    among = cosine[few][:, few]
    right = lambda scores, of: (scores.argmax(1) == labels[of]).float().mean().item()
    tried = {(width, ridge): right(left_out(among.clone(), one_hot[few] - prior, width, ridge)[0] + prior, few)
             for width in WIDTHS for ridge in RIDGES}
    width, ridge = max(tried, key=tried.get)
    scores, weights = left_out(cosine, one_hot - prior, width, ridge)
    scores += prior
    sharp = temperature(scores, labels)
    soft = F.softmax(scores * sharp, 1).numpy()
    print(f"width {width}, ridge {ridge}, temperature {sharp}: {right(scores, slice(None)):.4f} of the left-out faces as labelled")
    if args.judge:
        val = Faces.read(args.data / "val")
        kernel = cosines(sizes, evened(val.patches), x).sub_(1).mul_(width).exp_()
        hits = (kernel @ weights + prior).argmax(1).numpy() == val.labels
        print(f"{hits.mean():.4f} on validation")
    if other is not None:
        soft = args.share * soft + (1 - args.share) * other
    np.save(args.out, soft.astype(np.float32))


if __name__ == "__main__":
    main()
