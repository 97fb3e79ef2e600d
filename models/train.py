"""Trains the emotion network on FER-2013's training folder: the model card's recipe, resumable, made for plain CPUs.

Recipe (the defaults): SGD 0.04 with Nesterov momentum 0.9, batch 128, cross-entropy, weight decay 5e-4, and the rate
divided by ten when validation accuracy has not risen for 3 epochs (ReduceLROnPlateau, max, at least 1e-6). Options
choose a cosine instead (over --epochs, or over --minutes with `timed`), label smoothing, smaller pictures at the start,
averaged weights, sharpness-aware steps, soft labels (teacher.py), augmentation that calms down towards the end, and layers that stay as they
are (a fine-tune of the convolutions alone leaves 88 % of the model file's bytes untouched).

Files in --out: `last.pt` (everything needed to go on), `best.safetensors` (f16, by validation accuracy of the averaged
weights), `log.jsonl` (one line an epoch). A checkpoint of another recipe or other shapes is refused.

Only the training folder trains; validation chooses the epoch, and each look at it is a line of the log.

A third of a step on Linux goes into fresh pages for the activations; an allocator that keeps them gives most of it
back (0.62 s a step to 0.50 s on two Zen 5 cores): `LD_PRELOAD=libtcmalloc_minimal.so.4 python train.py …`. On CPUs that do not
multiply bf16, `--winograd` computes the convolutions in half of torch's time or less (winograd.py).
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import vgg
import winograd
from dataset import Faces, augment

# What makes two runs the same run, beside what the soft labels and the crops are. The rest (minutes, threads) may change on resume.
RECIPE = ("optimiser", "lr", "batch", "epochs", "schedule", "patience", "smoothing", "decay", "drop", "average", "side",
          "seed", "strength", "calm", "freeze", "soft_share", "camera", "crop_share", "mixup", "sam")


def recipe_hash(args: argparse.Namespace, net: vgg.Vgg) -> str:
    shapes = {k: list(v.shape) for k, v in net.state_dict().items()}
    # Where nothing follows them, epochs are only the end.
    shaping = args.schedule == "cosine" or args.schedule == "plateau" and (args.mixup or args.calm < args.strength)
    parts = {k: getattr(args, k) for k in RECIPE if k != "epochs" or shaping}
    parts |= {k: digest(getattr(args, k)) for k in ("crops", "teacher") if getattr(args, k, None)}
    parts |= {"soft": [digest(path) for path in args.soft]} if args.soft else {}
    text = json.dumps([parts, shapes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(path: Path) -> str:
    """Of a file's bytes, or of a folder's names and lengths."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        raise SystemExit(f"{path}: no such file or folder")
    names = sorted(f"{p.relative_to(path)} {p.stat().st_size}" for p in path.glob("*/*"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def has_bf16_units() -> bool:
    """Whether the CPU multiplies bf16 (AMX, or AVX-512's own); elsewhere bf16 is slower than f32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
        return "amx_bf16" in flags or "avx512_bf16" in flags
    except OSError:
        return False


class Trainer:
    """The net, its averaged twin, optimiser, schedule and the counters that a checkpoint holds."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.net = vgg.load(args.init, args.drop) if args.init else self.fresh()
        self.net = self.net.to(memory_format=torch.channels_last)
        if args.winograd:
            winograd.speed_up(self.net)
        self.average = copy.deepcopy(self.net).eval()
        self.still = [m for name in args.freeze for m in self.frozen(name)]
        free = [p for p in self.net.parameters() if p.requires_grad]
        weights, others = [p for p in free if p.ndim > 1], [p for p in free if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": args.decay}, {"params": others, "weight_decay": 0.0}]
        sgd = args.optimiser == "sgd"
        self.optimiser = (torch.optim.SGD(groups, lr=args.lr, momentum=0.9, nesterov=True) if sgd
                          else torch.optim.AdamW(groups, lr=args.lr))
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimiser, "max", 0.1, args.patience, min_lr=1e-6)
        self.hash = recipe_hash(args, self.net)
        # `done`: steps of the epoch under way; `faces`: the digest of those that it trains on.
        self.epoch, self.step, self.best, self.done, self.faces = 0, 0, 0.0, 0, ""
        self.bf16 = has_bf16_units() and not args.winograd
        self.begin = time.monotonic()
        self.moving = [(mine, theirs) for (name, mine), theirs in
                       zip(self.average.state_dict().items(), self.net.state_dict().values())
                       if mine.dtype.is_floating_point and not self.is_frozen(name)]

    def fresh(self) -> vgg.Vgg:
        first = self.args.width
        return vgg.Vgg(self.args.drop, tuple(first << i for i in range(len(vgg.WIDTHS))), self.args.hidden)

    def frozen(self, name: str) -> list[nn.Module]:
        """Takes a linear layer's weight, or all of a block, out of training; returns the modules that stay in eval mode."""
        if name.startswith("lin"):
            self.net.get_submodule(name).weight.requires_grad_(False)
            return []
        modules = [m for n, m in self.net.named_children() if n.startswith(("conv", "bn")) and n[-1] == name[-1]]
        for module in modules:
            module.requires_grad_(False)
        return modules

    def is_frozen(self, tensor: str) -> bool:
        layer, kind = tensor.split(".")
        return layer in self.args.freeze and kind == "weight" or f"block_{layer[-1]}" in self.args.freeze

    def minutes(self) -> float:
        return (time.monotonic() - self.begin) / 60

    def loss(self, x: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """`y` holds class numbers, or a row of probabilities for each face."""
        return F.cross_entropy(logits, y, label_smoothing=self.args.smoothing)

    def save(self, path: Path) -> None:
        state = {"recipe": self.hash, "faces": self.faces, "epoch": self.epoch, "done": self.done, "step": self.step, "best": self.best,
                 "minutes": self.minutes(),
                 "net": self.net.state_dict(), "average": self.average.state_dict(),
                 "optimiser": self.optimiser.state_dict(), "plateau": self.plateau.state_dict()}
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def resume(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True)
        except Exception as e:  # of whatever the file holds instead
            why = (str(e) or type(e).__name__).splitlines()[0]
            raise SystemExit(f"{path}: no checkpoint of train.py ({why}); expected the last.pt that it wrote") from None
        if not isinstance(state, dict) or state.get("recipe") != self.hash:
            found = state.get("recipe") if isinstance(state, dict) else "none"
            raise SystemExit(f"{path}: checkpoint of another recipe or other shapes ({found}, this run is {self.hash}); "
                             f"resume with the options it was started with: {' '.join(RECIPE)} soft crops teacher")
        if state.get("faces", self.faces) != self.faces:
            raise SystemExit(f"{path}: checkpoint of a run on other training faces; resume with the data it was started with")
        for name in ("net", "average", "optimiser", "plateau"):
            getattr(self, name).load_state_dict(state[name])
        self.epoch, self.step, self.best, self.done = state["epoch"], state["step"], state["best"], state.get("done", 0)
        if self.args.schedule == "timed":  # whose minutes are the whole run's
            self.begin -= 60 * state["minutes"]

    def progress(self, steps_per_epoch: int) -> float:
        """0 at the start, 1 at the end of the epochs or, `timed`, of the minutes."""
        done = (self.epoch + self.done / steps_per_epoch) / self.args.epochs
        if self.args.schedule == "timed":
            done = self.minutes() / self.args.minutes
        return min(done, 1.0)

    def set_rate(self, progress: float) -> None:
        if self.args.schedule == "plateau":
            return
        for group in self.optimiser.param_groups:
            group["lr"] = self.args.lr * 0.5 * (1 + math.cos(math.pi * progress))

    def train_step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        self.net.train()
        for module in self.still:
            module.eval()
        x = x.to(memory_format=torch.channels_last)
        if self.args.sam:
            with self.uphill(x, y):
                loss = self.gradients(x, y)
        else:
            loss = self.gradients(x, y)
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self.follow()
        return loss.item()

    def gradients(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            logits = self.net(x)
        loss = self.loss(x, logits.float(), y)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return loss

    @contextlib.contextmanager
    def uphill(self, x: torch.Tensor, y: torch.Tensor) -> Iterator[None]:
        """The weights for the time of a block where the loss is highest nearby: `--sam` along the gradient of the batch's first half
        (Foret et al., "Sharpness-aware minimization for efficiently improving generalization", 2021). Descending from
        there leads to weights whose surroundings are good as well. Batch norm's averages are those of the unmoved weights."""
        half = len(x) // 2
        self.gradients(x[:half], y[:half])
        with torch.no_grad():
            moved = [p for p in self.net.parameters() if p.grad is not None]
            steps = [p.grad for p in moved]
            length = torch.stack(torch._foreach_norm(steps)).norm().item()
            torch._foreach_mul_(steps, self.args.sam / (length + 1e-12))
            torch._foreach_add_(moved, steps)
        norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 0.0
        yield
        for norm in norms:
            norm.momentum = 0.1
        with torch.no_grad():
            torch._foreach_sub_(moved, steps)

    @torch.no_grad()
    def follow(self) -> None:
        """Averaged weights: exponential, warmed up so that early steps do not linger; batch norm's numbers too."""
        keep = min(self.args.average, (1 + self.step) / (10 + self.step))
        for mine, theirs in self.moving:
            mine.lerp_(theirs, 1 - keep)

    @torch.inference_mode()
    def accuracy(self, faces: Faces) -> float:
        hits = 0
        for at in range(0, len(faces), 256):
            x = vgg.normalise(faces.patches[at : at + 256]).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                answers = self.average(x).argmax(1).numpy()
            hits += int((answers == faces.labels[at : at + 256]).sum())
        return hits / len(faces)


def run(trainer: Trainer, train: Faces, val: Faces, out: Path) -> None:
    """Epochs until the recipe or the minutes end; resumed, a broken-off epoch goes on with its next step. What is random in a step is
    settled by the seed, the epoch and the step, so a run in pieces is the same as one in one go."""
    args = trainer.args
    over = lambda: args.minutes and trainer.minutes() > args.minutes
    steps, targets = len(train) // args.batch, targets_of(train, args)
    whole = args.steps is None or args.steps >= steps
    steps = steps if whole else args.steps
    crops = train.seen_by_detector(args.crops) if args.crops else None
    while trainer.epoch < args.epochs and not over():
        order, losses, started = np.random.default_rng([args.seed, trainer.epoch]).permutation(len(train)), [], time.monotonic()
        for i in range(trainer.done, steps):
            rng = np.random.default_rng([args.seed, trainer.epoch, 1 + i])
            torch.manual_seed((args.seed * 10_000 + trainer.epoch) * 10_000 + i)
            progress = trainer.progress(steps)
            trainer.set_rate(progress)
            pick = order[i * args.batch : (i + 1) * args.batch]
            strength = args.strength + (min(args.calm, args.strength) - args.strength) * progress
            patches = train.patches[pick]
            if crops is not None:
                patches = np.where(rng.random((len(pick), 1, 1)) < args.crop_share, crops[pick], patches)
            x = augment(patches, rng, strength, args.side, args.camera)
            y = targets[pick]
            if args.mixup:
                x, y = mixed(x, y, rng, args.mixup * (1 - progress))
            losses.append(trainer.train_step(x, y))
            if not math.isfinite(losses[-1]):
                raise SystemExit(f"epoch {trainer.epoch + 1}, step {i + 1}: the loss is no number any more; choose a lower --lr. "
                                 f"{out / 'last.pt'} is still what was kept before this epoch")
            trainer.done += 1
            if over():
                break
        complete = trainer.done >= steps
        if complete:
            trainer.epoch, trainer.done = trainer.epoch + 1, 0
        report(trainer, val, out, losses, time.monotonic() - started, complete and whole)


def mixed(x: torch.Tensor, y: torch.Tensor, rng: np.random.Generator, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A `share` of the faces with another one over them, 0 to 50 % of it, and the targets likewise (Zhang et al., "mixup:
    beyond empirical risk minimization", 2018): a label learned by heart helps less there."""
    n = len(x)
    over = torch.from_numpy((0.5 * rng.random(n) * (rng.random(n) < share)).astype(np.float32))
    other = torch.from_numpy(rng.permutation(n))
    y = y if y.ndim > 1 else F.one_hot(y, len(vgg.CLASSES)).float()
    return x.lerp(x[other], over.view(n, 1, 1, 1)), y.lerp(y[other], over.view(n, 1))


def targets_of(train: Faces, args: argparse.Namespace) -> torch.Tensor:
    """Class numbers; with --soft, the label's own row mixed with the teachers'."""
    labels = torch.from_numpy(train.labels)
    if not args.soft:
        return labels
    soft = torch.stack([train.scores(path) for path in args.soft]).mean(0)
    return args.soft_share * soft + (1 - args.soft_share) * F.one_hot(labels, len(vgg.CLASSES))


def report(trainer: Trainer, val: Faces, out: Path, losses: list[float], seconds: float, whole: bool) -> None:
    rate = trainer.optimiser.param_groups[0]["lr"]
    accuracy = trainer.accuracy(val)
    if trainer.args.schedule == "plateau" and whole:
        trainer.plateau.step(accuracy)
    line = {"epoch": trainer.epoch, "whole": whole, "steps": trainer.step, "loss": round(float(np.mean(losses)), 4),
            "val": round(accuracy, 4), "lr": rate, "seconds": round(seconds, 1), "bf16": trainer.bf16,
            "recipe": trainer.hash}
    with open(out / "log.jsonl", "a") as log:
        log.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)
    if accuracy > trainer.best:
        trainer.best = accuracy
        weights = {k: v.half().contiguous() for k, v in trainer.average.state_dict().items() if v.dtype.is_floating_point}
        save_file(weights, str(out / "best.tmp"))
        (out / "best.tmp").replace(out / "best.safetensors")
    trainer.save(out / "last.pt")


def parser(about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("data", type=Path, help="folder with train/<class>/ and val/<class>/")
    parser.add_argument("--out", type=Path, help="default: where --resume lies, else build/train")
    parser.add_argument("--init", type=Path, help="safetensors to start from instead of random weights")
    parser.add_argument("--resume", type=Path, help="last.pt of the same recipe")
    parser.add_argument("--minutes", type=float,
                        help="stop after so long, at a step's end; `timed`: the whole run's, resumed or not")
    parser.add_argument("--steps", type=int, help="cut every epoch to so many steps (to prove the script)")
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--optimiser", choices=("sgd", "adam"), default="sgd", help="Nesterov SGD, or Adam (decoupled decay)")
    parser.add_argument("--lr", type=float, default=0.04)
    parser.add_argument("--patience", type=int, default=3, help="epochs without a rise before the plateau rule acts")
    parser.add_argument("--schedule", choices=("plateau", "cosine", "timed"), default="plateau")
    parser.add_argument("--smoothing", type=float, default=0.0, help="label smoothing, 0..1")
    parser.add_argument("--decay", type=float, default=5e-4, help="weight decay of weights; none on biases and norms")
    parser.add_argument("--drop", type=float, default=0.2)
    parser.add_argument("--average", type=float, default=0.998, help="decay of the averaged weights, per step")
    parser.add_argument("--width", type=int, default=vgg.WIDTHS[0], help="channels of the first block, doubled by each after it")
    parser.add_argument("--hidden", type=int, default=vgg.HIDDEN, help="width of the two hidden linear layers")
    parser.add_argument("--side", type=int, default=vgg.SIDE, help="train at this size in pixels")
    parser.add_argument("--strength", type=float, default=1.0, help="of the augmentation, 0..1")
    parser.add_argument("--calm", type=float, default=1.0, help="strength at the end, approached evenly; never above it")
    parser.add_argument("--camera", type=float, default=0.0, help="share of faces seen as a cheap camera sees them, 0..1")
    parser.add_argument("--crops", type=Path, help="the training faces as the detector crops them: "
                        "`moodlight eval DATA/train --detect --patches DIR` writes them")
    parser.add_argument("--crop-share", type=float, default=0.4, help="how often a face is shown so, 0..1")
    parser.add_argument("--mixup", type=float, default=0.0, help="share of faces mixed with another, 0..1, falling evenly to none "
                        "at the end of a cosine or timed run")
    parser.add_argument("--sam", type=float, default=0.0, help="take each gradient where the loss is highest so far from the weights "
                        "(sharpness-aware minimisation, 0.05 to 0.2; a step takes half as long again)")
    parser.add_argument("--freeze", nargs="*", default=[], choices=("lin1", "lin2", *(f"block_{b}" for b in vgg.BLOCKS)),
                        help="layers whose weights stay as they are")
    parser.add_argument("--soft", type=Path, nargs="+", help="the teachers' scores of the training faces (teacher.py, kernel_teacher.py), "
                        "each counting the same")
    parser.add_argument("--soft-share", type=float, default=0.6, help="of the teachers in the target, 0..1")
    parser.add_argument("--winograd", action="store_true", help="convolutions of winograd.py in f32: for CPUs without bf16")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def checked(parser: argparse.ArgumentParser) -> argparse.Namespace:
    args = parser.parse_args()
    if args.init and args.resume:
        parser.error("--init starts anew, --resume goes on: choose one")
    if args.width < 1 or args.hidden < 1:
        raise SystemExit(f"--width {args.width} --hidden {args.hidden}: both must be at least 1")
    args.out = args.out or (args.resume.parent if args.resume else Path("build/train"))
    if args.schedule == "timed" and not args.minutes:
        parser.error("--schedule timed needs --minutes")
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    return args


def start(trainer: Trainer, train: Faces, val: Faces) -> None:
    args = trainer.args
    trainer.faces, there = train.digest(), args.out / "last.pt"
    if args.resume:
        trainer.resume(args.resume)
    if there.exists() and not (args.resume and there.samefile(args.resume)):
        raise SystemExit(f"{args.out}: holds a run already; go on with it (--resume {there}) or choose another --out")
    if len(train) < args.batch:
        raise SystemExit(f"{args.data / 'train'}: {len(train)} faces, fewer than one batch; choose a --batch of {len(train)} at most")
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"recipe {trainer.hash}, {len(train)} faces, {train.notes()}; validation {len(val)}, {val.notes()}", flush=True)
    run(trainer, train, val, args.out)


def main() -> None:
    args = checked(parser(__doc__.splitlines()[0]))
    folds = Faces.read(args.data / "train"), Faces.read(args.data / "val")
    start(Trainer(args), *folds)


if __name__ == "__main__":
    main()
