"""What each classifier must give for a few patches: the self-test that moodlight runs before it shows anything.

Writes `<model>.selftest.json` beside each classifier of manifest.toml: patches in hexadecimal, row by row, the logits that
belong to them, and the sha256 of the model file that gave them. Patches and logits are taken from tests/data/vgg, which
tests/goldens/vgg_logits.py makes with PyTorch and exact integer arithmetic, never with moodlight. Run it after that
script and after manifest.py; `--check` writes nothing and fails when a file would change. Needs Python (3.11) alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
GOLDENS = HERE.parent / "tests" / "data" / "vgg"
# A laughing face, a stern one, and noise, which excites every channel. More would cost the start of a small board dearly.
NAMES = ["happy_astronaut.png 168,70 110", "neutral_stern_grace_hopper.jpg 190,120 200", "noise 0"]
# Model → its logits in tests/data/vgg, and how far a logit may be off: int8 is the same to the bit on every processor, f32
# sums in another order.
KNOWN = {"vgg-int8.onnx": ("int8.f32", 0.0), "vgg-compact-int8.onnx": ("compact.f32", 0.0),
         "vgg-light-int8.onnx": ("light.f32", 0.0), "vgg-f32.onnx": ("f32.f32", 1e-3)}
PIXELS, CLASSES = 48 * 48, 7


def cases(logits_file: str) -> list[dict]:
    names = (GOLDENS / "names.txt").read_text().splitlines()
    patches = (GOLDENS / "patches.u8").read_bytes()
    logits = list(struct.iter_unpack(f"<{CLASSES}f", (GOLDENS / logits_file).read_bytes()))
    row = names.index
    return [{"name": n, "logits": logits[row(n)], "patch": patches[row(n) * PIXELS : (row(n) + 1) * PIXELS].hex()}
            for n in NAMES]


def written(model: Path) -> str:
    logits_file, within = KNOWN[model.name]
    head = {"model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(), "within": within}
    rows = ",\n".join(json.dumps(case) for case in cases(logits_file))
    return json.dumps(head)[:-1] + ', "cases": [\n' + rows + "\n]}\n"


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    classifiers = [m for m in tomllib.loads((HERE / "manifest.toml").read_text())["model"] if m["role"] == "classifier"]
    for model in (HERE / m["file"] for m in classifiers):
        if model.name not in KNOWN:
            raise SystemExit(f"{model.name}: nobody made goldens for it; add it to vgg_logits.py and to KNOWN")
        out, text = model.with_suffix(".selftest.json"), written(model)
        if args.check and (not out.exists() or out.read_text() != text):
            raise SystemExit(f"{out.name} does not fit the model beside it; run python selftest.py")
        if not args.check:
            out.write_text(text)


if __name__ == "__main__":
    main()
