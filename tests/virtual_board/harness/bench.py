"""What a scenario is given: the board, marks to hold measured times against, and the register of scenarios."""
import shutil
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from .board import Board
from .firmware import LINE, Firmware, Run, config
from .image import Image
from .pace import Pace
from .pictures import committed


class Failed(AssertionError):
    """A scenario's expectation was not met; the message says what was expected and what was seen."""


class Skipped(Exception):
    """A scenario cannot run here; the message says what it wants."""


@dataclass(frozen=True)
class Scenario:
    name: str
    promise: str
    run: object
    # Scenarios run in this order of groups; within one, in the order of writing. `end` scenarios leave the guest dead.
    group: str
    # Given the repository's root, says what is not here that the scenario wants; empty when it can run.
    wants: object = lambda root: ""


# Faults that are built in by `run --sabotage`, and the scenarios that must notice.
SABOTAGES = {"led": "happy-led", "picture": "happy-led", "outputs-off": "sigkill"}
GROUPS = ["harness", "lights", "faults", "doctor", "stops", "end", "pi", "card", "hand"]
# Run only by name: they want a built card image (`card`), or hours (`hand`).
BY_NAME = ["card", "hand"]
SCENARIOS: list[Scenario] = []
# What lies at most between the end of a measured time and its reading, in seconds: a light that is waited for holds for so long.
JUST_NOW = 1.0


def scenario(name: str, promise: str, group: str, wants=lambda root: ""):
    """Registers a function that takes a `Bench` as a scenario."""
    def register(function):
        SCENARIOS.append(Scenario(name, promise, function, group, wants))
        return function
    return register


@dataclass
class Outcome:
    scenario: Scenario
    verdict: str
    reason: str = ""
    marks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    timeline: str = ""


class Bench:
    """The board and the expectations of the scenario that runs now."""

    def __init__(self, board: Board, image: Image, root: Path, firmware: Firmware | None, missing: str):
        self.board, self.image, self.root = board, image, root
        self._firmware, self._missing = firmware, missing
        # One of SABOTAGES: a fault built into the scenario that must turn it red.
        self.sabotage: str | None = None
        self.marks: list[str] = []

    def set_up(self) -> None:
        """What every scenario finds on the board: the panel on its bus and the display."""
        self.board.load_oled()
        self.board.agent.run("modprobe virtio-gpu; while [ ! -c /dev/fb0 ]; do sleep 0.05; done")

    @property
    def firmware(self) -> Firmware:
        if self._firmware is None:
            raise Skipped(self._missing)
        return self._firmware

    def lights(self, **options) -> str:
        """A config for the board, with its fault built in when that is what is tried."""
        return config(swap=("happy", "sad") if self.sabotage == "led" else None, **options)

    def show(self, *pictures: bytes) -> float:
        """Holds these pictures before the webcam; returns since when."""
        at = self.board.note(f"picture changed ({len(pictures)})", "picture")
        self.board.webcam.pictures = list(pictures)
        return at

    def ensure_plugged(self) -> None:
        webcam = self.board.webcam
        webcam.stalled, webcam.mangle = False, None
        if not webcam.plugged:
            self.board.plug()

    def happy_run(self, text: str, limit: float = 60) -> Run:
        """moodlight runs with this config, sees the happy face and says so: where most faults begin."""
        self.ensure_plugged()
        self.show(self.happy())
        run = self.firmware.running(text)
        self.board.pins.wait_lit({LINE["happy"]}, limit, steady=0.5)
        return run

    def happy(self) -> bytes:
        return committed("nobody" if self.sabotage == "picture" else "happy")

    @property
    def artefacts(self) -> Path:
        return self.board.artefacts

    def expect(self, truth: bool, what: str) -> None:
        if not truth:
            raise Failed(what)
        self.marks.append(what)

    def within(self, what: str, seconds: float, limit: float, pace: Pace | None = None) -> None:
        """Notes a measured time that ended just now, and fails when it is over its limit (both on the guest's clock). The limit is for the
        machine that it was set on, alone; where the board went slower meanwhile, it is as much longer, and the mark says so. `pace`: of a machine
        other than the board."""
        text = f"{what} {seconds:.2f} s (limit {limit:.2f} s)"
        if seconds > limit:
            slower = (pace or self.board.pace).over(seconds + JUST_NOW)
            text += f"; the board went {slower:.2f} times as slow as where that was set, so {limit * slower:.2f} s"
            if seconds > limit * slower:
                raise Failed(text)
        self.marks.append(text)

    def keep_logs(self, name: str) -> None:
        """Log and trace of the scenario's last run, for whoever looks into it later."""
        for file in ((run.log, run.trace) for run in self._firmware.runs[-1:]) if self._firmware else ():
            for path in file:
                if path.exists():
                    shutil.copy(path, self.artefacts / f"{name}{path.suffix}")

    def tidy(self) -> None:
        """One failure must not make the next."""
        if self._firmware:
            self._firmware.stop()
        self.board.tidy()

    def carry_out(self, scenario: Scenario) -> Outcome:
        self.marks = []
        began, host = self.board.now(), time.monotonic()
        try:
            if scenario.group != "harness" and self._firmware is None:
                raise Skipped(self._missing)
            scenario.run(self)
            outcome = Outcome(scenario, "PASS")
        except Skipped as why:
            outcome = Outcome(scenario, "SKIP", str(why))
        except Exception as error:  # any error of a scenario is its failure, the others still run
            known = isinstance(error, AssertionError)
            outcome = Outcome(scenario, "FAIL", str(error) if known else traceback.format_exc())
        if outcome.verdict == "FAIL" and self._firmware and self._firmware.runs:
            outcome.reason += f"\nmoodlight's log: …{self._firmware.runs[-1].log_tail(1500)}"
        self.keep_logs(scenario.name)
        if outcome.verdict == "FAIL" and scenario.group not in ("end", "pi"):
            self.tidy()
        outcome.marks, outcome.seconds = self.marks, time.monotonic() - host
        outcome.timeline = self.board.timeline.render(began)
        return outcome
