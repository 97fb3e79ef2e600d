"""The pins as a meter sees them: levels and edges of the PL061's outputs, taken by the emulator, on the guest's clock."""
import threading
import time
from dataclasses import dataclass

from .image import LINE_NAMES
from .pace import Pace


class PinError(AssertionError):
    """The pins did not show what was expected in time; the message says what they showed."""


@dataclass(frozen=True)
class Edge:
    at: float
    line: int
    level: bool


class Pins:
    """Line numbers are the chip's offsets. A line that never changed since power-on is low."""

    def __init__(self, clock, timeline, names=tuple(LINE_NAMES)):
        self._clock, self._timeline, self.names = clock, timeline, names
        self._edges: list[Edge] = []
        self._levels = [False] * len(names)
        self._changed = threading.Condition()
        # How slow the board goes, when somebody watches that: waits last as much longer.
        self.pace: Pace | None = None

    def on_edge(self, line: int, level: bool, host_time: float) -> None:
        """Called by the machine's reader thread."""
        edge = Edge(self._clock(host_time), line, level)
        with self._changed:
            if self._levels[line] == level:
                return
            self._levels[line] = level
            self._edges.append(edge)
            self._changed.notify_all()
        self._timeline.add(edge.at, "pin", f"{self.names[line]} {'on' if level else 'off'}")

    def lit(self) -> frozenset[int]:
        with self._changed:
            return frozenset(line for line, level in enumerate(self._levels) if level)

    def edges(self, since: float, line: int | None = None) -> list[Edge]:
        with self._changed:
            return [edge for edge in self._edges if edge.at >= since and line in (None, edge.line)]

    def levels_at(self, moment: float) -> frozenset[int]:
        levels: dict[int, bool] = {}
        with self._changed:
            for edge in self._edges:
                if edge.at <= moment:
                    levels[edge.line] = edge.level
        return frozenset(line for line, level in levels.items() if level)

    def wait(self, what: str, ready, timeout: float):
        """Waits until `ready()` gives something true and returns it; `ready` may look at `lit()` and `edges()`."""
        began = time.monotonic()
        while True:
            found = ready()
            if found:
                return found
            waited = time.monotonic() - began
            if self.pace.late(waited, timeout) if self.pace else waited >= timeout:
                raise PinError(f"no {what} within {waited:.1f} s; lit: {self.describe()}")
            with self._changed:
                self._changed.wait(0.05)

    def wait_lit(self, lines: set[int], timeout: float, steady: float = 0.0) -> float:
        """Waits until exactly these lines are lit, for at least `steady` seconds; returns since when (guest's clock)."""
        def ready():
            with self._changed:
                last = self._edges[-1].at if self._edges else 0.0
                levels = {line for line, level in enumerate(self._levels) if level}
            since = last if last else self._clock(None)
            return levels == lines and self._clock(None) - since >= steady and (since or 1e-9)
        return self.wait(f"steady light on {[self.names[line] for line in sorted(lines)] or 'no line'}", ready, timeout)

    def describe(self) -> str:
        return ", ".join(self.names[line] for line in sorted(self.lit())) or "none"
