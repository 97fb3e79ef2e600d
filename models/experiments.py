"""The model card's experiments again, on a budget: initial rates 0.01 to 0.05, SGD against Adam, the plateau's patience.

A *proxy*: the same family at a quarter of the widths (16 to 128, hidden layers of 256) on 32x32 pictures, from random
weights, all training faces, 12 epochs, weights not averaged. It ranks settings; its accuracies are not the network's.
Adam has rates of its own (0.04 is out of its reach). Each arm differs from the card's (SGD, 0.04, patience 3) in one thing.
Patience tells itself apart only once accuracy has stopped rising for a while: its arms run for 36 epochs, the card's among them.

Results go to experiments.json as they come; arms that are there are not run again, and several calls may run side by side, each with --arms of its own.
`--card` puts them into the model card: experiments.svg, patience.svg for the long arms, and a table of each.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

import card
import plot
import train
from dataset import Faces

HERE = Path(__file__).parent
PROXY = "--width 16 --hidden 256 --side 32 --epochs 12 --average 0".split()
LONG = 36
ARMS = {f"SGD {rate}": {"lr": rate} for rate in (0.01, 0.02, 0.03, 0.04, 0.05)}
ARMS |= {f"Adam {rate}": {"optimiser": "adam", "lr": rate} for rate in (0.0003, 0.001, 0.003)}
ARMS |= {f"SGD 0.04, patience {n}": {"patience": n, "epochs": LONG} for n in (1, 3, 5)}


def run(name: str, settings: dict, folds: tuple[Faces, Faces], out: Path) -> dict:
    """One arm: its accuracy and rate epoch by epoch, and its wall time."""
    args = train.parser("").parse_args(["", *PROXY])
    vars(args).update(settings, out=out / name.replace(" ", "-").replace(",", ""))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "log.jsonl").unlink(missing_ok=True)
    torch.manual_seed(args.seed)
    begin = time.monotonic()
    train.run(train.Trainer(args), *folds, args.out)
    log = [json.loads(line) for line in (args.out / "log.jsonl").read_text().splitlines()]
    return {"val": [line["val"] for line in log], "lr": [line["lr"] for line in log],
            "minutes": round((time.monotonic() - begin) / 60, 1)}


def table(results: dict[str, dict]) -> str:
    rows = ["| arm | best | last | the rate falls after epochs | minutes |", "|---|---|---|---|---|"]
    for name, r in results.items():
        falls = [epoch for epoch, (a, b) in enumerate(zip(r["lr"], r["lr"][1:]), 1) if b < a]
        rows.append(f"| {name} | {100 * max(r['val']):.1f} % | {100 * r['val'][-1]:.1f} % | "
                    f"{', '.join(map(str, falls)) or '–'} | {r['minutes']} |")
    return "\n".join(rows)


def read(kept: Path) -> dict[str, dict]:
    return json.loads(kept.read_text()) if kept.exists() else {}


def draw(results: dict[str, dict], path: Path) -> None:
    series = {name: (list(range(1, len(r["val"]) + 1)), r["val"]) for name, r in results.items()}
    plot.lines(path, series, "epoch", "accuracy on validation")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("data", type=Path, nargs="?", help="folder with train/<class>/ and val/<class>/; none: only print")
    args.add_argument("--out", type=Path, default=Path("build/experiments"), help="for logs and checkpoints")
    args.add_argument("--arms", nargs="*", choices=list(ARMS), default=list(ARMS))
    args.add_argument("--card", action="store_true", help="bring the model card up to date")
    args = args.parse_args()
    kept = HERE / "experiments.json"
    results = read(kept)
    if args.data:
        folds = Faces.read(args.data / "train"), Faces.read(args.data / "val")
        for name in [a for a in args.arms if a not in results]:
            done = {name: run(name, ARMS[name], folds, args.out)}
            results = read(kept) | done
            results = {a: results[a] for a in ARMS if a in results}
            kept.write_text(json.dumps(results) + "\n")
    if args.card:
        for group, is_long in (("experiments", False), ("patience", True)):
            arms = {name: r for name, r in results.items() if ("epochs" in ARMS[name]) == is_long}
            draw(arms, HERE / f"{group}.svg")
            card.fill({group: table(arms)})
    print(table(results))


if __name__ == "__main__":
    main()
