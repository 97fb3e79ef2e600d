"""What the whole way from photo to scores gives, without moodlight: tests/data/faces.json.

onnxruntime finds the face (the two steps of tests/calibration/crop.py), Pillow crops and resizes it, PyTorch (f32) and exact
integers (int8) score it. Detectors may differ by a pixel or two (they resize differently), so each score is a range:
the least and greatest over crops whose centre and side are moved by up to `WOBBLE` of the box. The crop is the square
`SCALE` boxes wide whose centre lies `DOWN` box widths below the box's: what crop.py measured, written here once more.

    python tests/goldens/photo_faces.py
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / folder) for folder in ("models", "tests/goldens", "tests/calibration")]
import vgg  # noqa: E402
from crop import detect  # noqa: E402
from evaluate import Folded  # noqa: E402
from exact import Exact  # noqa: E402

PHOTOS = ("happy_astronaut.png", "neutral_stern_grace_hopper.jpg")
SCALE, DOWN = 1.17, -0.10
WOBBLE = 0.03


def crops(box: np.ndarray) -> list[tuple[float, float, float, float]]:
    """The crop and its neighbours, as left, top, right, bottom."""
    x, y, w, h = box
    found = []
    for dx, dy, ds in product((-WOBBLE, 0, WOBBLE), repeat=3):
        side = w * SCALE * (1 + ds)
        cx, cy = x + w / 2 + dx * w, y + h / 2 + (DOWN + dy) * w
        found.append((cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2))
    return found


def patch(photo: Image.Image, corners: tuple[float, float, float, float]) -> np.ndarray:
    crop = photo.crop(tuple(round(v) for v in corners))
    return np.asarray(crop.resize((vgg.SIDE, vgg.SIDE), Image.Resampling.BILINEAR).convert("L"))


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def temperatures() -> dict[str, float]:
    """What the manifest has the logits divided by, per precision."""
    models = tomllib.loads((ROOT / "models/manifest.toml").read_text())["model"]
    return {p: next(m["temperature"] for m in models if m["name"] == f"vgg-{p}") for p in ("f32", "int8")}


def main() -> None:
    f32, int8 = Folded(ROOT / "models/vgg-f32.onnx"), Exact(ROOT / "models/vgg-int8.onnx")
    golden, temperature = {}, temperatures()
    for name in PHOTOS:
        photo = Image.open(ROOT / "tests/data" / name).convert("RGB")
        box = detect(photo.convert("L"))
        x = vgg.normalise(np.stack([patch(photo, c) for c in crops(box)]))
        golden[name] = {"box": [round(float(v), 1) for v in box]}
        for precision, logits in (("f32", f32(x).numpy()), ("int8", int8(x.numpy()))):
            scores = softmax(logits.astype(np.float64) / temperature[precision])
            low, high = np.floor(scores.min(0) * 1000) / 1000, np.ceil(scores.max(0) * 1000) / 1000
            golden[name][precision] = dict(zip(vgg.CLASSES, zip(low.tolist(), high.tolist())))
    text = re.sub(r"\[\s+([^]]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", json.dumps(golden, indent=1))
    (ROOT / "tests/data/faces.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
