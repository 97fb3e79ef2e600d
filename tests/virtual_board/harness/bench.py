"""What a scenario is given: the board, marks to hold measured times against, and the register of scenarios."""
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from .board import Board


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


GROUPS = ["harness", "lights", "faults", "stops", "end"]
SCENARIOS: list[Scenario] = []


def scenario(name: str, promise: str, group: str):
    """Registers a function that takes a `Bench` as a scenario."""
    def register(function):
        SCENARIOS.append(Scenario(name, promise, function, group))
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

    def __init__(self, board: Board, sabotage: str | None = None):
        self.board, self.sabotage = board, sabotage
        self.marks: list[str] = []

    @property
    def artefacts(self) -> Path:
        return self.board.artefacts

    def expect(self, truth: bool, what: str) -> None:
        if not truth:
            raise Failed(what)
        self.marks.append(what)

    def within(self, what: str, seconds: float, limit: float) -> None:
        """Notes a measured time and fails when it is over its limit (both on the guest's clock)."""
        text = f"{what} {seconds:.2f} s (limit {limit:g} s)"
        if seconds > limit:
            raise Failed(text)
        self.marks.append(text)

    def carry_out(self, scenario: Scenario) -> Outcome:
        self.marks = []
        began, host = self.board.now(), time.monotonic()
        try:
            scenario.run(self)
            outcome = Outcome(scenario, "PASS")
        except Skipped as why:
            outcome = Outcome(scenario, "SKIP", str(why))
        except Exception as error:  # any error of a scenario is its failure, the others still run
            known = isinstance(error, AssertionError)
            outcome = Outcome(scenario, "FAIL", str(error) if known else traceback.format_exc())
        outcome.marks, outcome.seconds = self.marks, time.monotonic() - host
        outcome.timeline = self.board.timeline.render(began)
        return outcome
