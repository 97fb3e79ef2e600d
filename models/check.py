"""Proves train.py on a made-up data set: what it does when stopped and resumed, and what it refuses. A minute or two.

    make -C models check

Each case is one command line and what it must end with: exit status 0 and the log's epochs, or a refusal that says this.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import vgg

HERE = Path(__file__).parent
SEED, EACH = 20, 4  # of the made-up faces; pictures of a class in a fold
QUICK = ("--batch", "8", "--steps", "1", "--threads", "1")
# As quick, in whole epochs: three batches each.
WHOLE = ("--batch", "8", "--threads", "1")


def made_up(root: Path) -> Path:
    """A data set of noise: both folds, all seven classes."""
    rng = np.random.default_rng(SEED)
    for fold in ("train", "val"):
        for name in vgg.CLASSES:
            folder = root / fold / name
            folder.mkdir(parents=True)
            for i in range(EACH):
                Image.fromarray(rng.integers(0, 256, (vgg.SIDE, vgg.SIDE), np.uint8)).save(folder / f"{i}.png")
    return root


class Bench:
    """A fresh folder with a data set; `train` runs train.py there."""

    def __init__(self, root: Path):
        self.root, self.data, self.out = root, made_up(root / "data"), root / "out"

    def train(self, *options: str, size: tuple[str, ...] = QUICK) -> tuple[int, str]:
        command = [sys.executable, HERE / "train.py", self.data, "--out", self.out, *size, *options]
        ran = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
        return ran.returncode, ran.stdout + ran.stderr

    def log(self) -> list[dict]:
        return [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()]


def run_and_resume(bench: Bench, *options: str) -> tuple[int, int]:
    """The log's lines after a run, and after the same run resumed."""
    lengths = []
    for more in ((), ("--resume", bench.out / "last.pt")):
        status, said = bench.train(*options, *more)
        assert status == 0, said
        lengths.append(len(bench.log()))
    return lengths[0], lengths[1]


def resumed(*options: str) -> Callable[[Bench], None]:
    """A run cut short goes on with the next epoch, at the rate where it left off."""
    def case(bench: Bench) -> None:
        before, after = run_and_resume(bench, "--minutes", "0.1", *options)
        assert 1 <= before < after, (before, after)
        log = bench.log()
        assert [line["epoch"] for line in log] == list(range(1, len(log) + 1)), log
        assert all(later["lr"] <= earlier["lr"] for earlier, later in zip(log, log[1:])), log
        assert len({line["recipe"] for line in log}) == 1, log
    return case


def the_same_in_one_go(*options: str) -> Callable[[Bench], None]:
    """Two epochs and a third resumed are the three of one run, number for number."""
    def case(bench: Bench) -> None:
        logs = []
        for parts in (("2", "3"), ("3",)):
            for epochs in parts:
                resume = ("--resume", bench.out / "last.pt") if bench.out.exists() else ()
                status, said = bench.train("--epochs", epochs, *options, *resume, size=WHOLE)
                assert status == 0, said
            logs.append([{k: line[k] for k in ("epoch", "loss", "val", "lr")} for line in bench.log()])
            shutil.rmtree(bench.out)
        assert len(logs[0]) == 3 and logs[0] == logs[1], logs
    return case


def minutes_are_the_whole_runs(bench: Bench) -> None:
    """A timed run that has had its minutes does not begin its schedule again."""
    before, after = run_and_resume(bench, "--schedule", "timed", "--minutes", "0.02")
    assert 1 <= before == after, bench.log()


def trains(*options: str) -> Callable[[Bench], None]:
    """One epoch of this recipe comes to its end with a loss that is a number."""
    def case(bench: Bench) -> None:
        status, said = bench.train("--epochs", "1", *options)
        assert status == 0, said
        assert [line["loss"] > 0 for line in bench.log()] == [True], bench.log()
    return case


def refused(spoil: Callable[[Bench], tuple], *words: str) -> Callable[[Bench], None]:
    """What `spoil` leaves behind, with the options that it returns, is refused without a traceback, in `words`."""
    def case(bench: Bench) -> None:
        status, said = bench.train(*spoil(bench))
        assert status == 1 and "Traceback" not in said, said
        assert all(word in said for word in words), said
    return case


def of_another_rate(bench: Bench) -> tuple:
    status, said = bench.train("--epochs", "1", "--lr", "0.03")
    assert status == 0, said
    return "--lr", "0.02", "--resume", bench.out / "last.pt"


def of_other_soft_labels(bench: Bench) -> tuple:
    for name, share in (("a", 0.5), ("b", 0.9)):
        rows = np.full((EACH * len(vgg.CLASSES), len(vgg.CLASSES)), (1 - share) / (len(vgg.CLASSES) - 1), np.float32)
        rows[:, 0] = share
        np.save(bench.root / f"{name}.npy", rows)
    status, said = bench.train("--epochs", "1", "--soft", bench.root / "a.npy")
    assert status == 0, said
    return "--soft", bench.root / "b.npy", "--resume", bench.out / "last.pt"


def begun_already(bench: Bench) -> tuple:
    status, said = bench.train("--epochs", "1")
    assert status == 0, said
    return ()


def foreign_weights(bench: Bench) -> tuple:
    save_file({"encoder.weight": torch.zeros(3, 3)}, bench.root / "other.safetensors")
    return "--init", bench.root / "other.safetensors"


def no_file(option: str) -> Callable[[Bench], tuple]:
    return lambda bench: (option, bench.root / "nowhere")


def text_for(option: str) -> Callable[[Bench], tuple]:
    def spoil(bench: Bench) -> tuple:
        (bench.root / "notes.txt").write_text("not weights\n")
        return option, bench.root / "notes.txt"
    return spoil


def class_gone(bench: Bench) -> tuple:
    shutil.rmtree(bench.data / "train" / "fear")
    return ()


def class_renamed(bench: Bench) -> tuple:
    shutil.copytree(bench.data / "train" / "fear", bench.data / "train" / "angst")
    return ()


def class_empty(bench: Bench) -> tuple:
    for path in (bench.data / "val" / "sad").iterdir():
        path.write_bytes(b"no picture")
    return ()


def skipped_with_counts(bench: Bench) -> None:
    happy = bench.data / "train" / "happy"
    (happy / "torn.png").write_bytes((happy / "0.png").read_bytes()[:40])
    (happy / "notes.txt").write_text("no picture\n")
    Image.new("L", (47, 48)).save(happy / "narrow.png")
    status, said = bench.train("--epochs", "1")
    assert status == 0, said
    assert "skipped: 1 no picture by name, 1 not 48x48, 1 unreadable" in said, said


CASES: dict[str, Callable[[Bench], None]] = {
    "a cosine run goes on where it stopped": resumed("--schedule", "cosine", "--epochs", "100"),
    "a plateau run goes on where it stopped": resumed(),
    "a resumed run is the same as one in one go": the_same_in_one_go("--patience", "0"),
    "a timed run that is over stays over": minutes_are_the_whole_runs,
    "faces are mixed, and their plain labels": trains("--mixup", "1"),
    "sharpness-aware steps, with layers that stay": trains("--sam", "0.1", "--freeze", "lin1", "block_a"),
    "a checkpoint of another recipe is refused": refused(of_another_rate, "another recipe", "last.pt"),
    "a checkpoint of other soft labels is refused": refused(of_other_soft_labels, "another recipe", "soft"),
    "a run that is there is not begun anew over it": refused(begun_already, "--resume", "--out"),
    "fewer faces than a batch are refused": refused(lambda bench: ("--batch", "29"), "28 faces", "--batch"),
    "soft labels that are not there are named": refused(no_file("--soft"), "nowhere", "no such file"),
    "a text file is no checkpoint": refused(text_for("--resume"), "notes.txt", "last.pt"),
    "a checkpoint that is not there is named": refused(no_file("--resume"), "nowhere", "last.pt"),
    "weights of another network are refused": refused(foreign_weights, "other.safetensors", "conv1a"),
    "weights that are not there are named": refused(no_file("--init"), "nowhere", "safetensors"),
    "a text file is no weights": refused(text_for("--init"), "notes.txt", "safetensors"),
    "a missing class is named": refused(class_gone, "class folders missing", "fear"),
    "a class in another language is named": refused(class_renamed, "foreign class folders", "angst"),
    "a class without a usable picture is named": refused(class_empty, "sad", "no usable picture"),
    "unreadable, foreign and wrongly sized pictures are counted": skipped_with_counts,
}


def main() -> None:
    failed = 0
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as root:
            try:
                case(Bench(Path(root)))
                print(f"ok      {name}", flush=True)
            except AssertionError as e:
                failed += 1
                print(f"FAILED  {name}\n{e}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    raise SystemExit(min(failed, 1))


if __name__ == "__main__":
    main()
