"""Fits the temperature that makes scores mean what they say, on one half of validation, and judges it on the other.

Terms: *temperature* T divides the logits before the softmax; *ECE* is the expected calibration error over 15 equal bins
of the top score: the mean distance between score and share of right answers. T changes no decision, only the scores.

Faces with a copy among the training faces (copies.py) have no part in any of this: the network is right about those more often, and
surer, than about whoever will stand before the camera.

Each half is fitted and the other judged; the temperature is adopted only if the mean ECE of the judged halves falls,
else it stays 1. (Label smoothing in training already does most of a temperature's work.)

What the decision's defaults cost (board/moodlight.example.toml) is read off all these faces. With scores that mean what they say, the
cheapest rule believes an answer from 1 - c on, where c is what an undecided look costs beside a wrong one (Chow, "On optimum
recognition error and reject tradeoff", 1970): a threshold of 0.5 says that being wrong is twice as bad as being undecided.

Another choice of thresholds comes from the same scores: for each emotion the lowest score, in steps of 0.05, above which
its answers are wrong at most WRONG of the time. Fitted on one half, their cost is read off the other.

Reads what `evaluate.py --keep` stored. Writes the last line as JSON (for manifest.py and card.py) and, with --plot, a
reliability diagram as SVG. The cost table tells what a threshold on the top score buys: how often the light would stay
uncertain, and how often it would be wrong when it speaks.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np

import copies
import vgg

DEFAULTS = Path(__file__).resolve().parent.parent / "board" / "moodlight.example.toml"
BINS, SEED = 15, 7
THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)
WRONG = 0.25  # of the single frames on which an emotion is believed; smoothing over time then does its part
LOWEST, HIGHEST, STEP, ENOUGH = 0.35, 0.75, 0.05, 20  # the grid, and the fewest answers that tell anything


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    z = logits.astype(np.float64) / temperature
    z = np.exp(z - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    return float(-np.log(softmax(logits, temperature)[np.arange(len(labels)), labels]).mean())


def fit(logits: np.ndarray, labels: np.ndarray) -> float:
    """Golden-section search for the T in 0.2..5 with the smallest negative log-likelihood (it is unimodal in log T)."""
    low, high, ratio = np.log(0.2), np.log(5.0), (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if nll(logits, labels, np.exp(a)) < nll(logits, labels, np.exp(b)):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def reliability(logits: np.ndarray, labels: np.ndarray, temperature: float) -> list[tuple[float, float, int]]:
    """(mean top score, share right, faces) of each bin that has faces."""
    scores = softmax(logits, temperature)
    top, right = scores.max(1), scores.argmax(1) == labels
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    return [(float(top[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum()))
            for b in range(BINS) if (bins == b).any()]


def ece(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    parts = reliability(logits, labels, temperature)
    return sum(n * abs(score - right) for score, right, n in parts) / len(labels)


def costs(logits: np.ndarray, labels: np.ndarray, temperature: float) -> list[dict[str, float]]:
    """For each threshold on the top score: share of faces left uncertain, and share wrong among the others."""
    same = lambda t: np.full(logits.shape[1], t)
    return [{"threshold": t, **cost(logits, labels, temperature, same(t))} for t in THRESHOLDS]


def halves(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(SEED).permutation(len(labels))
    return order[: len(order) // 2], order[len(order) // 2 :]


def thresholds(logits: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """Per class the lowest grid value with at most WRONG wrong answers above it; HIGHEST where none has."""
    scores = softmax(logits, temperature)
    top, said = scores.max(1), scores.argmax(1)
    grid = np.round(np.arange(LOWEST, HIGHEST + STEP / 2, STEP), 2)
    fitted = np.full(scores.shape[1], HIGHEST)
    for c in range(scores.shape[1]):
        for t in grid:
            believed = (said == c) & (top >= t)
            if believed.sum() >= ENOUGH and (labels[believed] != c).mean() <= WRONG:
                fitted[c] = t
                break
    return fitted


def cost(logits: np.ndarray, labels: np.ndarray, temperature: float, fitted: np.ndarray) -> dict[str, float]:
    """Share of faces left uncertain under the thresholds, and share wrong among the others."""
    scores = softmax(logits, temperature)
    top, said = scores.max(1), scores.argmax(1)
    spoken = top >= fitted[said]
    return {"uncertain": float(1 - spoken.mean()), "wrong": float((said != labels)[spoken].mean())}


def decided(logits: np.ndarray, labels: np.ndarray, temperature: float) -> dict:
    """The thresholds of all faces, and what those of each half cost on the other."""
    first, second = halves(labels)
    folds = [cost(logits[b], labels[b], temperature, thresholds(logits[a], labels[a], temperature))
             for a, b in ((first, second), (second, first))]
    mean = {key: float(np.mean([f[key] for f in folds])) for key in folds[0]}
    fitted = thresholds(logits, labels, temperature)
    return {"wrong_at_most": WRONG, "fitted": dict(zip(vgg.CLASSES, fitted.tolist())), "on_the_other_half": mean}


def defaults() -> np.ndarray:
    """The decision's thresholds as they come, one for each class."""
    table = tomllib.loads(DEFAULTS.read_text())["decision"]["thresholds"]
    return np.array([table[name] for name in vgg.CLASSES])


def judged(logits: np.ndarray, labels: np.ndarray) -> dict:
    """Fits each half, judges the other; costs and bins are those of all faces, with the adopted temperature."""
    first, second = halves(labels)
    folds = []
    for fitted, other in ((first, second), (second, first)):
        t, here = fit(logits[fitted], labels[fitted]), (logits[other], labels[other])
        folds.append({"fitted": t, "ece_before": ece(*here, 1.0), "ece_after": ece(*here, t),
                      "nll_before": nll(*here, 1.0), "nll_after": nll(*here, t)})
    mean = lambda key: float(np.mean([f[key] for f in folds]))
    adopted = mean("fitted") if mean("ece_after") < mean("ece_before") else 1.0
    return {"temperature": adopted, "folds": folds, "costs": costs(logits, labels, adopted),
            "defaults": cost(logits, labels, adopted, defaults()),
            "thresholds": decided(logits, labels, adopted),
            "bins_before": reliability(logits, labels, 1.0), "bins_after": reliability(logits, labels, mean("fitted"))}


def plot(result: dict, path: Path) -> None:
    """Reliability at temperature 1 (hollow) and at the fitted one (filled), as a small SVG."""
    side, panels = 260, []
    for i, precision in enumerate(("f32", "int8")):
        dots = []
        for key, fill in (("bins_before", "none"), ("bins_after", "#c33")):
            for score, right, n in result[precision][key]:
                dots.append(f'<circle cx="{score * side:.1f}" cy="{side - right * side:.1f}" r="{1.5 + n ** 0.5 / 4:.1f}" '
                            f'fill="{fill}" stroke="#c33"/>')
        panels.append(f'<g transform="translate({40 + i * (side + 60)} 30)"><rect width="{side}" height="{side}" '
                      f'fill="#fff" stroke="#888"/><path d="M0 {side} L{side} 0" stroke="#bbb"/>{"".join(dots)}'
                      f'<text y="-8">{precision}: right answers (up) over top score (right), 0..1</text></g>')
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * (side + 60) + 20}" height="{side + 50}" '
                    f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
                    f'{"".join(panels)}</svg>\n')


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("kept", type=Path, help="the .npz of evaluate.py --keep")
    args.add_argument("likeness", type=Path, help="the .npy of copies.py --out")
    args.add_argument("--plot", type=Path)
    args = args.parse_args()
    kept, unseen = np.load(args.kept), np.load(args.likeness) < copies.COPY
    if len(unseen) != len(kept["labels"]):
        raise SystemExit(f"{args.likeness}: of {len(unseen)} faces, {args.kept} has {len(kept['labels'])}; run copies.py on it again")
    result = {name: judged(kept[name][unseen], kept["labels"][unseen]) for name in copies.networks(kept)}
    if args.plot:
        plot(result, args.plot)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
