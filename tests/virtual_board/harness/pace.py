"""How much slower the emulated board goes than alone on the machine that the limits were set on.

The guest's clock is the host's, so whatever takes the emulator's cores away makes everything in the guest late. Two things do, and both
are watched while they do it. A slower core (another processor, a neighbour on the other half of the core, a hypervisor that gives its
time to others): a probe of fixed work, a few times a second, less what the probe itself waited for. Other programs before the core: what
the kernel keeps for each of the emulator's threads, time on a core and time ready without one (/proc/PID/task/*/schedstat, Linux'
Documentation/scheduler/sched-stats). Where a kernel does not keep these, only the probe counts.
"""
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# The probe, branches and small tables like the emulator's own work, and its seconds on the machine that the limits were set on, an EPYC
# (Zen 5). Derived: on a Xeon of the fifth generation the probe takes 3.9 ms and a look at a followed face 0.68 s, on the EPYC that look
# took 0.31 s.
PROBE = b"".join(b"%d " % (number * number) for number in range(5500))
PROBE_SECONDS = 0.0018
# Seconds between two samples, and how many are kept: ten minutes.
STEP, KEPT = 0.2, 3000
# Threads that were on a core for less than this share of a window say nothing by their waiting.
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Sample:
    """Seconds: the probe's, and of all the emulator's threads since they began on a core and ready without one."""
    at: float
    probe: float
    on_core: float
    without: float


class Pace:
    """Watches the emulator `pid` from the host until it ends."""

    def __init__(self, pid: int, proc: Path = Path("/proc")):
        self._emulator, self._probe = proc / str(pid) / "task", proc / "thread-self/schedstat"
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        threading.Thread(target=self._watch, daemon=True).start()

    def over(self, seconds: float) -> float:
        """How many times as slow as alone the board went in the last `seconds`; at least 1."""
        return slowness([sample for sample in list(self._samples) if sample.at >= time.monotonic() - seconds - STEP])

    def late(self, waited: float, timeout: float) -> bool:
        """Whether a wait that may last `timeout` seconds at full pace has lasted long enough."""
        return waited >= timeout and waited >= timeout * self.over(waited)

    def _watch(self) -> None:
        while self._emulator.exists():
            self._samples.append(self.sample())
            time.sleep(STEP)

    def sample(self) -> Sample:
        began, waited = time.monotonic(), waits(self._probe)[1]
        zlib.compress(PROBE, 6)
        probe = time.monotonic() - began - (waits(self._probe)[1] - waited)
        try:
            threads = [waits(task / "schedstat") for task in self._emulator.iterdir()]
        except OSError:
            threads = []  # the emulator has just ended
        return Sample(began, probe, sum(on_core for on_core, _ in threads), sum(without for _, without in threads))


def waits(schedstat: Path) -> tuple[float, float]:
    """Seconds that a thread was on a core, and ready without one; zeros once it has ended or where the kernel does not say."""
    try:
        words = schedstat.read_text().split()
    except OSError:
        return 0.0, 0.0
    return int(words[0]) / 1e9, int(words[1]) / 1e9


def slowness(window: list[Sample]) -> float:
    if len(window) < 2:
        return 1.0
    core = median(sample.probe for sample in window) / PROBE_SECONDS
    first, last = window[0], window[-1]
    on_core, without = last.on_core - first.on_core, last.without - first.without
    queue = (on_core + without) / on_core if on_core > LEAST_SHARE * (last.at - first.at) else 1.0
    return max(1.0, max(1.0, core) * queue)
