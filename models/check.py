"""Proves train.py on a made-up data set: what it does when stopped and resumed, and what it refuses; then what the tools beside it find.
Two to five minutes.

    make -C models check

Each case is one command line and what it must end with: exit status 0 and the log's epochs, or a refusal that says this.
"""

from __future__ import annotations

import contextlib
import io
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

import copies
import evaluate
import quantize
import train
import vgg
from dataset import Faces

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

    def trained(self, *options: str, size: tuple[str, ...] = QUICK) -> str:
        """What a run that must come to its end said."""
        status, said = self.train(*options, size=size)
        assert status == 0, said
        return said

    def log(self) -> list[dict]:
        return [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()]


def run_and_resume(bench: Bench, *options: str) -> tuple[int, int]:
    """The log's lines after a run, and after the same run resumed."""
    lengths = []
    for more in ((), ("--resume", bench.out / "last.pt")):
        bench.trained(*options, *more)
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
                bench.trained("--epochs", epochs, *options, *resume, size=WHOLE)
            logs.append([{k: line[k] for k in ("epoch", "loss", "val", "lr")} for line in bench.log()])
            shutil.rmtree(bench.out)
        assert len(logs[0]) == 3 and logs[0] == logs[1], logs
    return case


class StepByStep(train.Trainer):
    """Its minutes are over after a step."""

    begun = 0

    def resume(self, path: Path) -> None:
        super().resume(path)
        self.begun = self.step

    def minutes(self) -> float:
        return float(self.step - self.begun)


def the_same_in_pieces(bench: Bench) -> None:
    """Stopped after every step, in an epoch and between two, a run ends with the weights of the one in one go."""
    torch.set_num_threads(1)
    folds, ends = (Faces.read(bench.data / "train"), Faces.read(bench.data / "val")), []
    for kind, minutes in ((train.Trainer, ()), (StepByStep, ("--minutes", "0.5"))):
        args = train.parser("").parse_args([str(bench.data), "--batch", "8", "--epochs", "2", *minutes])
        args.out = bench.root / kind.__name__
        args.out.mkdir()
        torch.manual_seed(args.seed)
        trainer = kind(args)
        train.run(trainer, *folds, args.out)
        while trainer.epoch < args.epochs:
            trainer = kind(args)
            trainer.resume(args.out / "last.pt")
            train.run(trainer, *folds, args.out)
        ends.append(trainer)
    whole, pieces = (end.net.state_dict() for end in ends)
    assert len((bench.root / "StepByStep" / "log.jsonl").read_text().splitlines()) == 6
    assert [name for name in whole if not torch.equal(whole[name], pieces[name])] == []


def minutes_are_the_whole_runs(bench: Bench) -> None:
    """A timed run that has had its minutes does not begin its schedule again."""
    before, after = run_and_resume(bench, "--schedule", "timed", "--minutes", "0.02")
    assert 1 <= before == after, bench.log()


def trains(*options: str) -> Callable[[Bench], None]:
    """One epoch of this recipe comes to its end with a loss that is a number."""
    def case(bench: Bench) -> None:
        bench.trained("--epochs", "1", *options)
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
    bench.trained("--epochs", "1", "--lr", "0.03")
    return "--lr", "0.02", "--resume", bench.out / "last.pt"


def soft_labels(bench: Bench, share: float) -> Path:
    """Scores of the made-up training faces: this for the first class, the rest for the others."""
    faces, path = Faces.read(bench.data / "train"), bench.root / f"{share}.npz"
    rows = np.full((len(faces), len(vgg.CLASSES)), (1 - share) / (len(vgg.CLASSES) - 1), np.float32)
    rows[:, 0] = share
    faces.keep_scores(path, rows)
    return path


def of_other_soft_labels(bench: Bench) -> tuple:
    bench.trained("--epochs", "1", "--soft", soft_labels(bench, 0.5))
    return "--soft", soft_labels(bench, 0.9), "--resume", bench.out / "last.pt"


def soft_labels_of_other_faces(bench: Bench) -> tuple:
    path = soft_labels(bench, 0.5)
    first = bench.data / "train" / "happy" / "0.png"
    first.rename(first.with_name("9.png"))  # the same faces in another order
    return "--soft", path


def soft_labels_without_numbers(bench: Bench) -> tuple:
    return "--soft", soft_labels(bench, float("nan"))


def of_other_shapes(bench: Bench) -> tuple:
    small = vgg.Vgg(0.2, (8, 8, 8, 8), 16)
    save_file({k: v for k, v in small.state_dict().items() if v.dtype.is_floating_point}, bench.root / "small.safetensors")
    bench.trained("--epochs", "1", "--init", bench.root / "small.safetensors")
    return "--resume", bench.out / "last.pt"


def of_other_faces(bench: Bench) -> tuple:
    bench.trained("--epochs", "1")
    shutil.copy(bench.data / "train" / "sad" / "0.png", bench.data / "train" / "fear" / "0.png")
    return "--resume", bench.out / "last.pt"


def over_another_run(bench: Bench) -> tuple:
    for out in (bench.out, bench.root / "other"):
        bench.trained("--epochs", "1", "--out", out)
    return "--resume", bench.out / "last.pt", "--out", bench.root / "other"


def file_of(kept: Callable[[Path], object]) -> Callable[[Bench], tuple]:
    """A last.pt that `kept` has written."""
    def spoil(bench: Bench) -> tuple:
        kept(bench.root / "last.pt")
        return "--resume", bench.root / "last.pt"
    return spoil


def cut_off(path: Path) -> None:
    torch.save({"recipe": "0", "net": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])


def begun_already(bench: Bench) -> tuple:
    bench.trained("--epochs", "1")
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


def class_translated(bench: Bench) -> tuple:
    (bench.data / "val" / "fear").rename(bench.data / "val" / "angst")
    return ()


def no_val(bench: Bench) -> tuple:
    shutil.rmtree(bench.data / "val")
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
    said = bench.trained("--epochs", "1")
    assert "skipped: 1 no picture by name, 1 not 48x48, 1 unreadable" in said, said


def read_alike(bench: Bench) -> None:
    """Calibration picks from what training reads; evaluation takes pictures of any size, and skips what is none."""
    fear, before = bench.data / "train" / "fear", quantize.training_faces(bench.data / "train", 9)
    (fear / "torn.png").write_bytes((fear / "0.png").read_bytes()[:40])
    Image.new("L", (47, 48)).save(fear / "wide.png")
    assert np.array_equal(quantize.training_faces(bench.data / "train", 9), before)
    names, labels, patches = evaluate.faces(bench.data / "train")
    assert len(names) == len(labels) == len(patches) == EACH * len(vgg.CLASSES) + 1 and "fear/wide.png" in names, names
    for read in (lambda: quantize.training_faces(bench.data / "train", 9), lambda: evaluate.faces(bench.data / "train")):
        for path in fear.iterdir():
            path.write_bytes(b"no picture")
        try:
            read()
        except SystemExit as e:
            assert "fear" in str(e) and "no usable picture" in str(e), e
        else:
            raise AssertionError("a class without a picture was taken")


def copies_are_found(bench: Bench) -> None:
    """The same picture, mirrored, shifted, brighter: each is a copy of the one that it was made of. Other faces are none."""
    faces = np.kron(np.random.default_rng(SEED).integers(40, 200, (20, 6, 6)), np.ones((1, 8, 8))).astype(np.uint8)
    shifted = np.roll(faces[3], (3, -4), (0, 1))
    made = {"the same": (faces[0], 0), "mirrored": (faces[1][:, ::-1], 1), "brighter": (faces[2] // 2 + 90, 2), "shifted": (shifted, 3),
            "shifted and mirrored": (shifted[:, ::-1], 3)}
    like, place = copies.nearest(copies.pictures(np.stack([face for face, _ in made.values()])), copies.pictures(faces))
    for name, found, at in zip(made, like.tolist(), place.tolist()):
        assert found > 0.99 and at == made[name][1], (name, found, at)
    others, _ = copies.nearest(copies.pictures(np.stack([faces[0], np.zeros_like(faces[0])])), copies.pictures(faces[1:]))
    assert others.max() < copies.COPY, others


CASES: dict[str, Callable[[Bench], None]] = {
    "a cosine run goes on where it stopped": resumed("--schedule", "cosine", "--epochs", "100"),
    "a plateau run goes on where it stopped": resumed(),
    "a resumed run is the same as one in one go": the_same_in_one_go("--patience", "0"),
    "a narrower network's run goes on where it stopped": the_same_in_one_go("--width", "8", "--hidden", "16"),
    "a network without channels is refused": refused(lambda bench: ("--width", "0"), "--width", "at least 1"),
    "a run stopped after every step is the same as one in one go": the_same_in_pieces,
    "a timed run that is over stays over": minutes_are_the_whole_runs,
    "faces are mixed, and their plain labels": trains("--mixup", "1"),
    "sharpness-aware steps, with layers that stay": trains("--sam", "0.1", "--freeze", "lin1", "block_a"),
    "a checkpoint of another recipe is refused": refused(of_another_rate, "another recipe", "last.pt"),
    "a checkpoint of other soft labels is refused": refused(of_other_soft_labels, "another recipe", "soft"),
    "a run that is there is not begun anew over it": refused(begun_already, "--resume", "--out"),
    "fewer faces than a batch are refused": refused(lambda bench: ("--batch", "29"), "28 faces", "--batch"),
    "a checkpoint of other shapes is refused": refused(of_other_shapes, "other shapes", "last.pt"),
    "a checkpoint of other faces is refused": refused(of_other_faces, "other training faces", "last.pt"),
    "a run is not resumed over another one": refused(over_another_run, "other", "--out"),
    "a rate that is too high is told, not trained on": refused(lambda bench: ("--lr", "1e30", "--steps", "9"), "no number", "--lr"),
    "soft labels of these faces in another order are refused": refused(soft_labels_of_other_faces, "0.5.npz", "order"),
    "soft labels that are no numbers are refused": refused(soft_labels_without_numbers, "nan.npz", "no numbers"),
    "a text file is no soft labels": refused(text_for("--soft"), "notes.txt", "no scores"),
    "soft labels that are not there are named": refused(no_file("--soft"), "nowhere", "no such file"),
    "a text file is no checkpoint": refused(text_for("--resume"), "notes.txt", "last.pt"),
    "an empty file is no checkpoint": refused(file_of(lambda path: path.touch()), "last.pt", "no checkpoint"),
    "a checkpoint that is cut off is none": refused(file_of(cut_off), "last.pt", "no checkpoint"),
    "another program's tensors are no checkpoint": refused(file_of(lambda path: torch.save({"a": 1}, path)), "last.pt", "another recipe"),
    "a checkpoint that is not there is named": refused(no_file("--resume"), "nowhere", "last.pt"),
    "weights of another network are refused": refused(foreign_weights, "other.safetensors", "conv1a"),
    "weights that are not there are named": refused(no_file("--init"), "nowhere", "safetensors"),
    "a text file is no weights": refused(text_for("--init"), "notes.txt", "safetensors"),
    "a missing class is named": refused(class_gone, "class folders missing", "fear"),
    "a class in another language is named": refused(class_renamed, "foreign class folders", "angst"),
    "a class renamed in validation is named": refused(class_translated, "val", "fear", "angst"),
    "validation that is not there is named": refused(no_val, "val", "no such folder"),
    "a class without a usable picture is named": refused(class_empty, "sad", "no usable picture"),
    "unreadable, foreign and wrongly sized pictures are counted": skipped_with_counts,
    "the other tools read faces in the same way": read_alike,
    "a copy is found, mirrored, shifted or brighter": copies_are_found,
}


def main() -> None:
    failed = 0
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as root:
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    case(Bench(Path(root)))
                print(f"ok      {name}", flush=True)
            except (Exception, SystemExit) as e:
                failed += 1
                print(f"FAILED  {name}\n{type(e).__name__}: {e}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    raise SystemExit(min(failed, 1))


if __name__ == "__main__":
    main()
