"""What moodlight itself prints for validation: each model plain, mirrored and behind the detector, and the corruption suite.

Runs `moodlight eval` on the folder as it is and fills the card's tables with its figures, so that they are what the commands
print. Nothing but validation is looked at, and nothing is fitted here.

    python product.py DATA/val --moodlight ../target/release/moodlight --before "before the third stretch=OLD/vgg-int8.onnx"
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

import card
import robustness

HERE = Path(__file__).parent
MODELS = ("vgg-int8", "vgg-compact-int8", "vgg-light-int8")
LEVELS = (1, 2, 3, 4, 5)
MIDDLE = 3


class Product:
    def __init__(self, program: Path, folder: Path):
        self.program, self.folder = program, folder

    def eval(self, *options: str) -> dict:
        command = [str(self.program), "eval", str(self.folder), "--precision", "int8", "--json", *options]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"MOODLIGHT_MODELS": str(HERE)})
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def accuracy(self, *options: str) -> float:
        return self.eval(*options)["int8"]["accuracy"]


def ways(product: Product) -> str:
    rows = ["| | one look | `--tta flip` | `--detect`: faces found | right of those found |", "|---" * 5 + "|"]
    for model in MODELS:
        seen = product.eval("--model", model, "--detect")
        figures = (product.accuracy("--model", model), product.accuracy("--model", model, "--tta", "flip"),
                   seen["detection_rate"], seen["int8"]["accuracy"])
        rows.append(" | ".join([f"| {model}", *map(card.percent, figures)]) + " |")
    return "\n".join(rows)


def suite(product: Product, befores: dict[str, str]) -> str:
    """Every kind and level for the board's model; the middle level for the weights before it."""
    head = ["", "clean", *robustness.SUITE]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines = [(f"level {level}", level, "vgg-int8") for level in LEVELS]
    lines += [(f"level {MIDDLE}, {name}", MIDDLE, model) for name, model in befores.items()]
    clean = {model: product.accuracy("--model", model) for model in ("vgg-int8", *befores.values())}
    for title, level, model in lines:
        shares = [clean[model], *(product.accuracy("--model", model, "--corrupt", f"{kind}:{level}") for kind in robustness.SUITE)]
        rows.append(" | ".join([f"| {title}", *(f"{100 * share:.1f}" for share in shares)]) + " |")
    return "\n".join(rows)


def named(text: str) -> tuple[str, str]:
    name, sign, model = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"`{text}`: expected NAME=FILE")
    return name, model


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("folder", type=Path, help="FER-2013's PublicTest, one folder per class")
    args.add_argument("--moodlight", type=Path, required=True, help="the program")
    args.add_argument("--before", type=named, action="append", default=[], help="NAME=FILE: a row for earlier int8 weights")
    args = args.parse_args()
    product = Product(args.moodlight, args.folder)
    card.fill({"ways": ways(product), "suite": suite(product, dict(args.before))})


if __name__ == "__main__":
    main()
