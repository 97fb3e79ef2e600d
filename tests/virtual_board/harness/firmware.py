"""moodlight in the guest: handed in, configured, started, watched and stopped; and its twin on the host, for comparisons."""
import json
import os
import shutil
import subprocess
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .agent import Job
from .board import Board
from .image import LINE_NAMES

EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
# Offsets of the lines on the chip.
LINE = {name.lower(): offset for offset, name in enumerate(LINE_NAMES)}
# The word's and the face's colour on a colour screen, as the product's palette promises.
COLOUR = {"angry": 0xe8503a, "disgust": 0x5fae4b, "fear": 0xb07af0, "happy": 0xffd23f, "sad": 0x4a86e8, "surprise": 0x5ee0e6, "neutral": 0xe6e9ef}
HOME = "/run/moodlight"
# What an owner of a very slow board would write; run's head comment says why. Dwell, hold and thresholds stay as they are.
SCAN = 3
EASED = f"[detector]\nscan_ms = {1000 * SCAN}\n[tracker]\nconfirm_ms = 0\nconfirm_sightings = 1\n[decision]\nsmoothing_ms = 0\n"
MODEL_FILES = ["manifest.toml", "vgg-int8.onnx", "vgg-int8.selftest.json", "vgg-compact-int8.onnx", "vgg-compact-int8.selftest.json",
               "vgg-light-int8.onnx", "vgg-light-int8.selftest.json", "blazeface-back.onnx"]


class FirmwareError(RuntimeError):
    """moodlight did not do what the scenario needs; the message ends with its log."""


@dataclass(frozen=True)
class Parts:
    """The files that a run on the board needs."""
    guest: Path
    host: Path
    models: Path
    classifier: str  # the profile's choice

    @classmethod
    def find(cls, root: Path) -> tuple["Parts | None", str]:
        """The parts, or None and what is missing. $MOODLIGHT_AARCH64 and $MOODLIGHT_HOST name other binaries; on the host the tests' own
        will do, since it is only asked for scores."""
        host = next((root / f"target/{kind}/moodlight" for kind in ("release", "debug") if (root / f"target/{kind}/moodlight").exists()),
                    root / "target/release/moodlight")
        parts = cls(Path(os.environ.get("MOODLIGHT_AARCH64", root / "target/board/aarch64/moodlight")).absolute(),
                    Path(os.environ.get("MOODLIGHT_HOST", host)).absolute(), root / "models",
                    tomllib.loads((root / "board/virt.toml").read_text())["model"]["file"])
        wanted = [(parts.guest, "board/build aarch64"), (parts.host, "cargo build --release")]
        wanted += [(parts.models / name, "git checkout models") for name in MODEL_FILES]
        for path, remedy in wanted:
            if not path.exists():
                return None, f"{path} is not there: {remedy}"
        return parts, ""


def config(*, spare: str | None = None, swap: tuple[str, str] | None = None, oled: bool = False, source: str = "v4l2:/dev/video0",
           eased: bool = True, extra: str = "") -> str:
    """A config that wires each emotion to the line of its name and the eighth line to `spare` (`fault` or `mute_button`)."""
    pins = {emotion: emotion.upper() for emotion in EMOTIONS}
    if swap:
        pins[swap[0]], pins[swap[1]] = pins[swap[1]], pins[swap[0]]
    if spare:
        pins[spare] = "SPARE"
    text = "[pins]\n" + "".join(f'{line} = "{name}"\n' for line, name in pins.items())
    text += f'[source]\nsrc = "{source}"\n'
    if eased:
        text += EASED
    if oled:
        text += "[oled]\n"
    return text + extra


class Run:
    """One `moodlight run` in the guest."""

    def __init__(self, firmware: "Firmware", number: int, job: Job):
        self.board, self.number, self.job = firmware.board, number, job
        self.trace, self.log = (firmware.board.share / f"run-{number}.{kind}" for kind in ("trace", "log"))

    @property
    def alive(self) -> bool:
        return not self.job.done.is_set()

    def pid(self) -> int:
        return int(self.board.agent.run(f"cat /run/moodlight-{self.number}.pid").strip())

    def events(self) -> list[dict]:
        """The trace so far; a line that is still being written is left for the next time."""
        if not self.trace.exists():
            return []
        lines = self.trace.read_text(errors="replace").split("\n")[:-1]
        return [json.loads(line) for line in lines if line]

    def wait_event(self, what: str, matches, timeout: float) -> dict:
        end = time.monotonic() + timeout
        while True:
            for event in self.events():
                if matches(event):
                    return event
            if not self.alive:
                raise FirmwareError(f"moodlight ended (code {self.job.code}) before {what}\n{self.log_tail()}")
            if time.monotonic() > end:
                raise FirmwareError(f"no {what} in {timeout:.0f} s\n{self.log_tail()}")
            time.sleep(0.1)

    def wait_started(self, timeout: float = 90) -> "Run":
        """Until the first frame is worked through, or the first fault shown: models are loaded by then."""
        self.wait_event("first frame or fault", lambda e: e["event"] in ("frame", "fault"), timeout)
        return self

    def log_tail(self, length: int = 2500) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"{text[-length:]}{self.job.output()[-length:]}"

    def signal(self, name: str) -> float:
        """Sends a signal; returns when, on the guest's clock."""
        self.board.note(f"SIG{name}", "hand")
        job = self.board.agent.start(f"kill -{name} $(cat /run/moodlight-{self.number}.pid)", 5).wait(10)
        return job.started

    def wait_exit(self, timeout: float = 10) -> int:
        self.job.wait(timeout)
        return self.job.code

    def stop(self) -> None:
        if self.alive:
            self.signal("TERM")
            try:
                self.wait_exit(10)
            except Exception:
                self.signal("KILL")
                self.wait_exit(10)

    def open_files(self) -> list[str]:
        return self.board.agent.run(f"ls -l /proc/$(cat /run/moodlight-{self.number}.pid)/fd | sed -n 's/.* -> //p'").split("\n")[:-1]

    def resident_kib(self) -> int:
        return int(self.board.agent.run(f"sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(cat /run/moodlight-{self.number}.pid)/status"))


class Firmware:
    """moodlight and its models, laid into the guest's memory (not the shared folder: that is slow to run from)."""

    def __init__(self, board: Board, parts: Parts):
        self.board, self.parts = board, parts
        self.runs: list[Run] = []
        self.current: tuple[str, Run] | None = None
        folder = board.share / "moodlight"
        (folder / "models").mkdir(parents=True)
        shutil.copy(parts.guest, folder / "moodlight")
        (folder / "moodlight").chmod(0o755)
        for name in MODEL_FILES:
            shutil.copy(parts.models / name, folder / "models" / name)
        board.agent.run(f"cp -r /share/moodlight {HOME}", 60)

    def command(self, arguments: str, deadline: float = 60) -> Job:
        """Runs another command of moodlight to its end."""
        script = f"cd {HOME}; export MOODLIGHT_MODELS={HOME}/models; exec ./moodlight {arguments}"
        return self.board.agent.start(script, deadline).wait(deadline + 10)

    def start(self, text: str, arguments: str = "", deadline: float = 1500) -> Run:
        """Starts `run` with this config. The caller waits for what it needs."""
        self.stop()
        number = len(self.runs)
        self.board.write(f"run-{number}.toml", text)
        self.board.note(f"moodlight run {arguments}".rstrip(), "hand")
        job = self.board.agent.start(
            f"echo $$ > /run/moodlight-{number}.pid; cd {HOME}; export MOODLIGHT_LOG=debug MOODLIGHT_MODELS={HOME}/models; exec ./moodlight run --board virt --config /share/run-{number}.toml "
            f"--trace /share/run-{number}.trace --trace-frames {arguments} 2>/share/run-{number}.log", deadline)
        run = Run(self, number, job)
        self.runs.append(run)
        self.current = (text, run)
        return run

    def running(self, text: str) -> Run:
        """The run that goes on with this config, or a new one: what starts moodlight anew costs a model load."""
        if self.current and self.current[0] == text and self.current[1].alive:
            return self.current[1]
        return self.start(text, "--best-effort").wait_started()

    def stop(self) -> None:
        if self.current:
            self.current[1].stop()
            self.current = None

    def on_host(self, arguments: list[str], folder: Path) -> str:
        """The same command on the host: what it prints."""
        done = subprocess.run([str(self.parts.host), *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "MOODLIGHT_MODELS": str(self.parts.models)})
        if done.returncode != 0:
            raise FirmwareError(f"host: moodlight {' '.join(arguments)}: {done.stderr[-1000:]}")
        return done.stdout

    def emotion_on_host(self, picture: bytes, least: float = 0.0) -> str:
        """What the host's `classify` says of a picture: an emotion, `no_face`, or `uncertain` where its score is below `least`."""
        file = self.board.artefacts / "picture.jpg"
        file.write_bytes(picture)
        arguments = ["classify", "--json", "--model", self.parts.classifier, str(file)]
        faces = json.loads(self.on_host(arguments, self.board.artefacts))[0]["faces"]
        if not faces:
            return "no_face"
        largest = max(faces, key=lambda face: face["box"][2] * face["box"][3])
        return largest["emotion"] if largest["scores"][largest["emotion"]] >= least else "uncertain"
