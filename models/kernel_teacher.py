"""A teacher of another kind: kernel ridge regression on random whitened patches. Its soft labels do not know the face's own label.

A network's scores for the faces it was trained on echo their labels, wrong ones too, and networks of one family err on the same faces.
This teacher has no layers to train: it compares faces by how strongly random patches of the training faces, whitened, answer in each part
of them (Coates, Ng, "The importance of encoding versus training with sparse coding and vector quantization", 2011), both sides alike.
Ridge regression on that kernel has each training face's score without that face in closed form (leave-one-out: y − α / diag K⁻¹).

Writes N x 7 probabilities as .npz, for `train.py --soft`; their temperature and the kernel's width and
ridge are the best for the training faces that are left out. 18 GB of memory; an
allocator that keeps what is freed, as train.py likes it, wants more. kernel-scores.npz is what this gave for FER-2013, in an hour on two
Zen 3 cores.
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
# Random patches of each size, and those that are whitened by. Of the left-out faces 256 have 65.0 % right, 512 64.8 %.
FILTERS, SAMPLE = 512, 120_000
# An answer is the cosine of the whitened patches, beyond this; 0, 0.1, 0.2, 0.3 and 0.4 gave 50, 51, 53, 53 and 51 % on 5,000 faces.
THRESHOLD = 0.25
# Faces whose answers, and whose products with others, are taken at once.
BATCH, STRIP = 64, 4096
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

    def answers(self, faces: torch.Tensor) -> torch.Tensor:
        """N x features: how much of each filter, and of its negative, there is in each part."""
        out = None
        for at in range(0, len(faces), BATCH):
            batch, total = self.sized(faces[at : at + BATCH]), 0
            for view in (batch, batch.flip(3)):
                cosine = F.conv2d(view, self.filters) / self.lengths(view)
                beyond = torch.cat([F.relu(cosine - THRESHOLD), F.relu(-cosine - THRESHOLD)], 1)
                total = total + F.avg_pool2d(beyond, self.part, self.step)
            rows = total.flatten(1).sqrt()
            out = torch.empty(len(faces), rows.shape[1]) if out is None else out
            out[at : at + BATCH] = rows
        return out


def evened(patches: np.ndarray) -> torch.Tensor:
    """Without the face's own brightness and contrast."""
    x = torch.from_numpy(patches.astype(np.float32)).unsqueeze(1)
    return (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 5)


def cosines(sizes: list[Patches], left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Of the answers of two sets of faces, each size counting the same; empty pictures are like nothing."""
    total = torch.zeros(len(left), len(right))
    for size in sizes:
        b = size.answers(right)
        b /= b.norm(dim=1, keepdim=True).clamp_min(1e-5)
        a = b if left is right else size.answers(left)
        if a is not b:
            a /= a.norm(dim=1, keepdim=True).clamp_min(1e-5)
        for at in range(0, len(a), STRIP):
            end = at + STRIP if left is right else len(b)  # of a set with itself the lower half will do
            total[at : at + STRIP, :end].addmm_(a[at : at + STRIP], b[:end].T, alpha=1 / len(sizes))
    if left is right:
        for at in range(0, len(total), STRIP):
            end = at + STRIP
            total[at:end, end:] = total[end:, at:end].T
    return total


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
    args.add_argument("--judge", action="store_true", help="tell the accuracy on val/ as well: a look at it")
    args.add_argument("--out", type=Path, required=True, help="the .npz to write")
    args = args.parse_args()
    torch.manual_seed(SEED)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    faces = Faces.read(args.data / "train")
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
    faces.keep_scores(args.out, soft)


if __name__ == "__main__":
    main()
