"""Line plots for the model card as SVG: same numbers, same bytes."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt  # noqa: E402

plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "moodlight", "font.family": "sans-serif", "font.size": 9})


def lines(path: Path, series: dict[str, tuple[list[float], list[float]]], x: str, y: str,
          marks: dict[str, float] | None = None, seams: list[float] | None = None, floor: float | None = None) -> None:
    """`series` maps a name to its x and y values (NaN: a gap); `marks` are named horizontal lines, `seams` vertical ones. What lies below
    `floor` is left out."""
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for name, (along, up) in series.items():
        axes.plot(along, up, label=name, linewidth=1.3)
    for name, height in (marks or {}).items():
        axes.axhline(height, color="0.5", linestyle=":", linewidth=1)
        axes.text(axes.get_xlim()[1], height, name, ha="right", va="bottom", color="0.4")
    for at in seams or []:
        axes.axvline(at, color="0.8", linewidth=1)
    if marks:
        axes.margins(y=0.1)  # room for their names
    if floor is not None and axes.get_ylim()[0] < floor:
        axes.set_ylim(bottom=floor)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color="0.93")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    path.write_text(re.sub(r"[ \t]+$", "", path.read_text(), flags=re.M))
