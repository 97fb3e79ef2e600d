"""FER-2013 folders in memory, and the augmentation that training sees.

`Faces.read` takes DIR/<class>/*.jpg|png of 48x48 gray pictures. A missing or foreign class folder is refused (a class
name in another language would silently train six classes); unreadable or wrongly sized pictures are skipped and counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

import vgg


PICTURES = (".jpg", ".jpeg", ".png")
# What Pillow raises for a damaged picture; a PNG's broken length is a SyntaxError.
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def check_classes(folder: Path) -> None:
    """Refuses a folder without the seven class folders, or with others: it would silently train or measure fewer."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder; expected train/ and val/ with one folder per class")
    found = {p.name for p in folder.iterdir() if p.is_dir()}
    if missing := set(vgg.CLASSES) - found:
        raise SystemExit(f"{folder}: class folders missing: {sorted(missing)}; found {sorted(found)}, expected the "
                         f"English names {' '.join(vgg.CLASSES)}")
    if foreign := found - set(vgg.CLASSES):
        raise SystemExit(f"{folder}: foreign class folders {sorted(foreign)}; expected {' '.join(vgg.CLASSES)}")


def as_stored(path: Path) -> np.ndarray:
    """The gray pixels of a picture, in its own size."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


@dataclass
class Faces:
    patches: np.ndarray  # N x 48 x 48, u8
    labels: np.ndarray  # N, i64
    names: list[str]  # class/file
    skipped: Counter = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """Of the faces in their order: what is kept for each of them by its place fits no others."""
        return hashlib.sha256(self.patches.tobytes()).hexdigest()[:16]

    def few(self, count: int, seed: int) -> np.ndarray:
        """A seeded pick of patches over all classes, in the order of their names."""
        if len(self) < count:
            raise SystemExit(f"{len(self)} usable faces, {count} needed; {self.notes()}")
        by_name = sorted(range(len(self)), key=self.names.__getitem__)
        pick = np.random.default_rng(seed).choice(len(self), count, replace=False)
        return self.patches[[by_name[i] for i in sorted(pick)]]

    def keep_scores(self, path: Path, scores: np.ndarray) -> None:
        """Writes a teacher's N x 7 probabilities of these faces, f16, as .npz."""
        np.savez_compressed(path, scores=scores.astype(np.float16), faces=self.digest())

    def scores(self, path: Path) -> torch.Tensor:
        """What `keep_scores` wrote, N x 7 f32. Scores of other faces, or of these in another order, are refused."""
        try:
            with np.load(path, allow_pickle=False) as file:
                kept, faces = file["scores"].astype(np.float32), str(file["faces"])
        except Exception as e:  # np.load's own are of a dozen kinds
            raise SystemExit(f"{path}: no scores ({type(e).__name__}: {e}); expected the .npz of a teacher") from None
        if faces != self.digest() or kept.shape != (len(self), len(vgg.CLASSES)):
            raise SystemExit(f"{path}: {len(kept)} scores of other faces, or in another order, than the {len(self)} in the training "
                             "folder (names give the order); have the teacher score these")
        if not np.isfinite(kept).all():
            raise SystemExit(f"{path}: holds scores that are no numbers; have the teacher score the faces again")
        return torch.from_numpy(kept)

    def notes(self) -> str:
        skipped = ", ".join(f"{n} {why}" for why, n in sorted(self.skipped.items())) or "none"
        counts = np.bincount(self.labels, minlength=len(vgg.CLASSES))
        return f"per class {dict(zip(vgg.CLASSES, counts.tolist()))}, skipped: {skipped}"

    @staticmethod
    def read(folder: Path, decode: Callable[[Path], np.ndarray] = as_stored) -> "Faces":
        check_classes(folder)
        patches, labels, names, skipped = [], [], [], Counter()
        for label, name in enumerate(vgg.CLASSES):
            before = len(labels)
            for path in sorted((folder / name).iterdir()):
                patch = read_patch(path, decode, skipped)
                if patch is not None:
                    patches.append(patch)
                    labels.append(label)
                    names.append(f"{name}/{path.name}")
            if len(labels) == before:
                raise SystemExit(f"{folder / name}: no usable picture ({dict(skipped)})")
        return Faces(np.stack(patches), np.array(labels, np.int64), names, skipped)

    def seen_by_detector(self, folder: Path) -> np.ndarray:
        """These faces as `moodlight eval … --detect --patches folder` cropped them; those that it missed as they are."""
        crops, places = Faces.read(folder), {name: i for i, name in enumerate(self.names)}
        print(f"{folder}: {len(crops)} crops, {crops.notes()}", flush=True)
        seen = self.patches.copy()
        for name, patch in zip(crops.names, crops.patches):
            place = places.get(name, places.get(name.removesuffix(".png")))
            if place is None:
                raise SystemExit(f"{folder / name}: no face of that name in the training folder; crops of other pictures?")
            seen[place] = patch
        return seen


def read_patch(path: Path, decode: Callable[[Path], np.ndarray], skipped: Counter) -> np.ndarray | None:
    if path.suffix.lower() not in PICTURES:
        skipped["no picture by name"] += 1
        return None
    try:
        patch = decode(path)
    except UNREADABLE:
        skipped["unreadable"] += 1
        return None
    if patch.shape != (vgg.SIDE, vgg.SIDE):
        skipped["not 48x48"] += 1
        return None
    return patch


def augment(patches: np.ndarray, rng: np.random.Generator, strength: float, side: int = vgg.SIDE,
            camera: float = 0.0) -> torch.Tensor:
    """Flip, ±15° rotation, ±15 % shift, 0.85–1.2 scale, contrast, brightness, erasing; normalised, `side` pixels.

    `strength` 0 leaves the faces alone but for the flip. `camera` is the share of faces that are also seen as a cheap
    camera sees them (each of `seen_badly`'s faults on that share).
    """
    n = len(patches)
    spread = lambda low, high: torch.from_numpy(rng.uniform(low, high, n).astype(np.float32))
    angle, zoom = spread(-15, 15) * strength * np.pi / 180, 1 / (1 + strength * (spread(0.85, 1.2) - 1))
    flip = torch.from_numpy(rng.choice([-1.0, 1.0], n).astype(np.float32))
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = torch.cos(angle) * zoom * flip, -torch.sin(angle) * zoom
    theta[:, 1, 0], theta[:, 1, 1] = torch.sin(angle) * zoom * flip, torch.cos(angle) * zoom
    theta[:, :, 2] = torch.from_numpy(rng.uniform(-0.3, 0.3, (n, 2)).astype(np.float32)) * strength
    grid = F.affine_grid(theta, (n, 1, side, side), align_corners=False)
    x = F.grid_sample(vgg.normalise(patches), grid, padding_mode="border", align_corners=False)
    each = lambda v: v.view(n, 1, 1, 1)
    x = x * each(1 + strength * spread(-0.3, 0.3)) + each(strength * spread(-0.25, 0.25))
    x.clamp_(-1, 1)
    return erased(seen_badly(x, rng, camera) if camera else x, rng, strength)


def seen_badly(x: torch.Tensor, rng: np.random.Generator, share: float) -> torch.Tensor:
    """Under- and over-exposure (gain 0.35 to 2), blur (sigma up to 1.5 pixels in 48), then noise (sigma up to 20 gray
    levels), each on a `share` of the faces: up to the middle level of robustness.py's suite, the rest is for judging.
    """
    n, _, side, _ = x.shape
    amount = lambda: torch.from_numpy((rng.random(n) * (rng.random(n) < share)).astype(np.float32)).view(n, 1, 1, 1)
    exposure, sigma, noise = amount(), amount() * 1.5 * side / 48 + 1e-3, amount() * 20 / 127.5
    stops = torch.where(torch.from_numpy(rng.random(n) < 0.5).view(n, 1, 1, 1), -1.5, 1.0) * exposure
    x = ((x + 1) * torch.exp2(stops) - 1).clamp_(-1, 1)
    reach = torch.arange(-4, 5, dtype=torch.float32).view(1, 1, 1, 9)
    taps = torch.exp(-0.5 * (reach / sigma) ** 2)
    taps = taps / taps.sum(3, keepdim=True)
    x = F.pad(x.view(1, n, side, side), (4, 4, 4, 4), mode="replicate")
    x = F.conv2d(F.conv2d(x, taps, groups=n), taps.view(n, 1, 9, 1), groups=n).view(n, 1, side, side)
    grain = torch.from_numpy(rng.standard_normal(x.shape, np.float32))
    return (x + noise * grain).clamp_(-1, 1)


def erased(x: torch.Tensor, rng: np.random.Generator, strength: float) -> torch.Tensor:
    """A random rectangle of up to a third of each side set to noise, on half of the faces."""
    side = x.shape[-1]
    for i in np.flatnonzero(rng.random(len(x)) < 0.5 * strength):
        h, w = rng.integers(side // 8, side // 3, 2)
        top, left = rng.integers(0, side - h), rng.integers(0, side - w)
        x[i, 0, top : top + h, left : left + w] = torch.from_numpy(rng.uniform(-1, 1, (h, w)).astype(np.float32))
    return x
