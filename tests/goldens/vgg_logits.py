"""Golden logits of the classifier files: f32 by PyTorch, the int8 ones by exact integer arithmetic (exact.py).

Without arguments it writes tests/data/vgg from pictures that may be committed: crops of the four public-domain photos
in tests/data and seeded synthetic patches. With `--fer FOLDER --out FOLDER` it writes the same files from FER-2013
faces, which may not; tests read that folder when MOODLIGHT_GOLDENS names it.

Files, little-endian, N rows each:
    patches.u8   N x 2304   the 48x48 patch, row by row
    f32.f32      N x 7      logits of vgg-f32.onnx; compare within 1e-3
    int8.f32     N x 7      logits of vgg-int8.onnx; compare bit by bit
    compact.f32  N x 7      logits of vgg-compact-int8.onnx; the same
    light.f32    N x 7      logits of vgg-light-int8.onnx; the same
    names.txt    N lines    where each patch comes from
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "models"), str(Path(__file__).parent)]
import vgg  # noqa: E402
from evaluate import Folded, faces  # noqa: E402
from exact import Exact  # noqa: E402

DATA = ROOT / "tests" / "data"
SEED = 48
# The other int8 files, by their goldens' names.
OTHERS = {"compact": "vgg-compact-int8.onnx", "light": "vgg-light-int8.onnx"}
# Square crops (x, y, side) by eye: whole face, tighter, wider, off centre; the last two photos show nobody.
CROPS = {
    "happy_astronaut.png": [(168, 70, 110), (180, 80, 92), (158, 50, 150), (195, 75, 110)],
    "neutral_stern_grace_hopper.jpg": [(190, 120, 200), (215, 150, 150), (170, 90, 240), (230, 130, 200)],
    "coffee.png": [(100, 50, 250)],
    "rocket.jpg": [(250, 100, 200)],
}


def committed() -> list[tuple[str, np.ndarray]]:
    """Photo crops (resized in their own channels, then gray) and synthetic patches."""
    found = []
    for name, crops in CROPS.items():
        for x, y, side in crops:
            with Image.open(DATA / name) as image:
                crop = image.convert("RGB").crop((x, y, x + side, y + side))
            patch = crop.resize((vgg.SIDE, vgg.SIDE), Image.Resampling.BILINEAR).convert("L")
            found.append((f"{name} {x},{y} {side}", np.asarray(patch)))
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[: vgg.SIDE, : vgg.SIDE]
    flat = lambda v: np.full((vgg.SIDE, vgg.SIDE), v, np.uint8)
    found += [("black", flat(0)), ("white", flat(255)), ("level 127", flat(127)), ("level 128", flat(128)),
              ("ramp across", (x * 255 // 47).astype(np.uint8)), ("ramp down", (y * 255 // 47).astype(np.uint8)),
              ("checkers", ((x + y) % 2 * 255).astype(np.uint8)),
              ("one bright pixel", np.where((x == 5) & (y == 41), 255, 0).astype(np.uint8))]
    for i in range(3):
        found.append((f"noise {i}", rng.integers(0, 256, (vgg.SIDE, vgg.SIDE), np.uint8)))
    for i in range(3):  # smooth blobs: a 6x6 field, enlarged
        blobs = Image.fromarray(rng.integers(0, 256, (6, 6), np.uint8)).resize((48, 48), Image.Resampling.BICUBIC)
        found.append((f"blobs {i}", np.asarray(blobs)))
    return found


def from_fer(folder: Path, limit: int | None) -> list[tuple[str, np.ndarray]]:
    """All faces, or a seeded pick of `limit`."""
    names, _, patches = faces(folder)
    pick = range(len(names))
    if limit and limit < len(names):
        pick = sorted(np.random.default_rng(SEED).choice(len(names), limit, replace=False))
    return [(names[i], patches[i]) for i in pick]


def computed(named: list[tuple[str, np.ndarray]], models: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Patches, and the logits of each file."""
    f32 = Folded(models / "vgg-f32.onnx")
    run = {"f32": lambda x: f32(x).numpy()}
    for name, file in {"int8": "vgg-int8.onnx", **OTHERS}.items():
        run[name] = lambda x, exact=Exact(models / file): exact(x.numpy())
    patches, logits = np.stack([p for _, p in named]), {name: [] for name in run}
    for at in range(0, len(patches), 8):
        x = vgg.normalise(patches[at : at + 8])
        for name in run:
            logits[name].append(run[name](x))
        print(f"\r{at + len(x)}/{len(patches)}", end="", flush=True)
    return patches, {name: np.concatenate(rows) for name, rows in logits.items()}


def write(out: Path, names: list[str], patches: np.ndarray, logits: dict[str, np.ndarray]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    patches.tofile(out / "patches.u8")
    for name, rows in logits.items():
        rows.astype("<f4").tofile(out / f"{name}.f32")
    (out / "names.txt").write_text("".join(f"{name}\n" for name in names))
    print(f"\r{out}: {len(names)} patches")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--fer", type=Path, help="a folder of class folders; its faces may not be committed")
    args.add_argument("--kept", type=Path, help="the .npz of models/evaluate.py --also … --keep instead: already computed")
    args.add_argument("--limit", type=int, help="a seeded pick of so many faces")
    args.add_argument("--out", type=Path)
    args.add_argument("--models", type=Path, default=ROOT / "models")
    args = args.parse_args()
    if (args.fer or args.kept) and not args.out:
        raise SystemExit("--fer and --kept need --out FOLDER outside of the repository")
    if args.kept:
        kept = np.load(args.kept)
        if missing := set(OTHERS.values()) - set(kept.files):
            raise SystemExit(f"{args.kept} lacks {' '.join(sorted(missing))}: run evaluate.py with them as --also")
        kinds = {k: k for k in ("names", "patches", "f32", "int8")} | OTHERS
        rows = {kind: kept[key][: args.limit] for kind, key in kinds.items()}
        write(args.out, rows.pop("names"), rows.pop("patches"), rows)
        return
    named = from_fer(args.fer, args.limit) if args.fer else committed()
    write(args.out or DATA / "vgg", [name for name, _ in named], *computed(named, args.models))


if __name__ == "__main__":
    main()
