"""The committed training log as a plot: accuracy on validation, epoch by epoch.

Reads log.jsonl files of train.py in the order in which the runs followed each other (each begins where the one before
ended) and writes them, one after the other, to training.jsonl, from which training.svg is drawn; `--name distilling`
does the same for distill.py's, the light variant's. `--go-on` keeps the committed lines and adds the new ones behind them.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import plot

HERE = Path(__file__).parent
CARD = 0.7055  # the accuracy that the architecture's model card states
FLOOR = 0.6  # what random weights begin with would flatten the rest


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def joined(before: list[dict], logs: list[Path]) -> list[dict]:
    """`before` and the lines of all runs, with `run` (0, 1, …) and `at`, the epochs since the first run's start."""
    out, first = list(before), before[-1]["run"] + 1 if before else 0
    for run, path in enumerate(logs, first):
        done = len(out)
        out += [{"run": run, "at": done + i + 1, **line} for i, line in enumerate(read(path))]
    return out


def draw(log: list[dict], path: Path) -> None:
    """A line with a gap between two runs."""
    seams = [b["at"] - 0.5 for a, b in zip(log, log[1:]) if a["run"] != b["run"]]
    points = sorted([(line["at"], line["val"]) for line in log] + [(at, math.nan) for at in seams])
    plot.lines(path, {"validation, averaged weights": tuple(zip(*points))}, "epoch", "accuracy",
               {"the card's 70.55 %": CARD}, seams, FLOOR)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("logs", type=Path, nargs="*", help="log.jsonl of each run; none: draw the committed log again")
    args.add_argument("--name", default="training", help="of both files")
    args.add_argument("--go-on", action="store_true", help="the runs follow those of the committed log")
    args = args.parse_args()
    kept = HERE / f"{args.name}.jsonl"
    if args.logs:
        lines = joined(read(kept) if args.go_on else [], args.logs)
        kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw(read(kept), HERE / f"{args.name}.svg")


if __name__ == "__main__":
    main()
