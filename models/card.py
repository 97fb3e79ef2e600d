"""Writes the measured tables of README.md from what evaluate.py and calibrate.py printed (experiments.py fills its own).

A table stands between `<!-- NAME -->` and `<!-- end -->`; everything else in the card is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import vgg

CARD = Path(__file__).with_name("README.md")


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def accuracy(e: dict) -> str:
    rows = [f"| | f32 | int8 |\n|---|---|---|\n| accuracy | {percent(e['f32']['accuracy'])} | {percent(e['int8']['accuracy'])} |",
            f"| macro F1 | {e['f32']['macro_f1']:.3f} | {e['int8']['macro_f1']:.3f} |"]
    for name in vgg.CLASSES:
        rows.append(f"| recall {name} | {e['f32']['per_class'][name]:.3f} | {e['int8']['per_class'][name]:.3f} |")
    return "\n".join(rows) + f"\n\n{e['images']} faces; both precisions name the same class on {percent(e['agreement'])} of them."


def confusion(e: dict, precision: str) -> str:
    head = "| truth \\ said | " + " | ".join(vgg.CLASSES) + " |\n|---" + "|---:" * len(vgg.CLASSES) + "|"
    rows = [f"| {name} | " + " | ".join(map(str, row)) + " |" for name, row in zip(vgg.CLASSES, e[precision]["confusion"])]
    return "\n".join([head, *rows])


def calibration(c: dict) -> str:
    rows = ["| | judged half | fitted temperature | ECE at 1 | ECE at it | NLL at 1 | NLL at it | adopted |", "|---" * 8 + "|"]
    for p in c:
        for half, f in zip(("second", "first"), c[p]["folds"]):
            rows.append(f"| {p.removesuffix('.onnx')} | {half} | {f['fitted']:.3f} | {percent(f['ece_before'])} | {percent(f['ece_after'])} | "
                        f"{f['nll_before']:.4f} | {f['nll_after']:.4f} | {c[p]['temperature']:.2f} |")
    return "\n".join(rows)


def costs(c: dict) -> str:
    rows = ["| lowest top score | uncertain | wrong when it speaks |", "|---|---|---|"]
    for line in c["int8"]["costs"]:
        rows.append(f"| {line['threshold']} | {percent(line['uncertain'])} | {percent(line['wrong'])} |")
    line = c["int8"]["defaults"]
    rows.append(f"| the defaults | {percent(line['uncertain'])} | {percent(line['wrong'])} |")
    return "\n".join(rows)


def thresholds(c: dict) -> str:
    fitted, cost = c["int8"]["thresholds"]["fitted"], c["int8"]["thresholds"]["on_the_other_half"]
    rows = ["| " + " | ".join(vgg.CLASSES) + " |", "|---" * len(vgg.CLASSES) + "|",
            "| " + " | ".join(f"{fitted[name]:.2f}" for name in vgg.CLASSES) + " |"]
    return "\n".join(rows) + (f"\n\nFitted on one half of validation and judged on the other (mean of both ways): uncertain on "
                             f"{percent(cost['uncertain'])} of the faces, wrong on {percent(cost['wrong'])} of the rest.")


def fill(tables: dict[str, str]) -> None:
    """Puts each table between its marks."""
    text = CARD.read_text()
    for name, table in tables.items():
        text, found = re.subn(rf"(?s)<!-- {name} -->.*?<!-- end -->",
                              lambda _: f"<!-- {name} -->\n{table}\n<!-- end -->", text)
        if found != 1:
            raise SystemExit(f"{CARD}: {found} places for the table \"{name}\", expected one")
    CARD.write_text(text)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--evaluation", type=Path, required=True)
    args.add_argument("--calibration", type=Path, required=True)
    args = args.parse_args()
    e, c = (json.loads(p.read_text().strip().splitlines()[-1]) for p in (args.evaluation, args.calibration))
    tables = {"accuracy": accuracy(e), "confusion f32": confusion(e, "f32"), "confusion int8": confusion(e, "int8"),
              "calibration": calibration(c), "costs": costs(c), "thresholds": thresholds(c)}
    fill(tables)


if __name__ == "__main__":
    main()
