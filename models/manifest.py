"""Brings manifest.toml up to date with the files beside it: sha256, bytes, and accuracy from evaluate.py's output.

Only these values change; every other line is a person's. `--check` changes nothing and fails when something differs.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import vgg

HERE = Path(__file__).parent


def updated(text: str, folder: Path, accuracy: dict[str, float], temperature: dict[str, float]) -> str:
    """The manifest with each table's measured values replaced."""
    head, *tables = re.split(r"(?m)^(?=\[\[model\]\])", text)
    for i, table in enumerate(tables):
        file = folder / re.search(r'^file = "(.+)"$', table, re.M)[1]
        if file.exists():
            table = re.sub(r'(?m)^sha256 = ".*"$', f'sha256 = "{vgg.sha256(file)}"', table)
            table = re.sub(r"(?m)^bytes = \d+$", f"bytes = {file.stat().st_size}", table)
        for key, value in (("accuracy", accuracy), ("temperature", temperature)):
            if file.name in value:
                table = re.sub(rf"(?m)^{key} = .*$", f"{key} = {round(value[file.name], 4)}", table)
        tables[i] = table
    return head + "".join(tables)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--check", action="store_true")
    args.add_argument("--evaluation", type=Path, help="what evaluate.py printed (JSON)")
    args.add_argument("--calibration", type=Path, help="what calibrate.py printed (JSON)")
    args = args.parse_args()
    path = HERE / "manifest.toml"
    old = path.read_text()
    gone = [name for name in re.findall(r'(?m)^file = "(.+)"$', old) if not (HERE / name).exists()]
    if args.check and gone:
        raise SystemExit(f"manifest.toml lists what is not there: {', '.join(gone)}; restore it, or take its table out")
    last = lambda path: json.loads(path.read_text().strip().splitlines()[-1]) if path else {}
    measured, fitted = last(args.evaluation), last(args.calibration)
    accuracy = {f"vgg-{p}.onnx": measured[p]["accuracy"] for p in ("f32", "int8") if p in measured}
    accuracy |= measured.get("also", {})
    temperature = {name if name.endswith(".onnx") else f"vgg-{name}.onnx": found["temperature"] for name, found in fitted.items()}
    new = updated(old, HERE, accuracy, temperature)
    if args.check and new != old:
        raise SystemExit("manifest.toml does not fit the files beside it; run python manifest.py")
    path.write_text(new)


if __name__ == "__main__":
    main()
