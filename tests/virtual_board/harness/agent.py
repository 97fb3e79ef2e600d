"""The host's side of the guest's agent: commands with deadlines, and the guest's clock.

Times are seconds of the guest's monotonic clock. QEMU's virtual clock runs with the host's while the machine runs, so one offset maps
a host time (of a pin's edge, say) to the guest's; it is measured by asking the guest for its time and halving the way there and back.
"""
import base64
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .machine import Machine, lines


class AgentError(RuntimeError):
    """A command in the guest failed or did not end in time; the message carries its output."""


@dataclass
class Job:
    """One command in the guest. `code`, `started` and `ended` are known once `done` is set."""
    script: str
    out: Path
    done: threading.Event = field(default_factory=threading.Event)
    code: int = -1
    started: float = 0.0
    ended: float = 0.0

    def output(self) -> str:
        return self.out.read_text(errors="replace") if self.out.exists() else ""

    def wait(self, timeout: float) -> "Job":
        if not self.done.wait(timeout):
            raise AgentError(f"still running after {timeout:.0f} s: {self.script}\n{self.output()[-2000:]}")
        return self


class Agent:
    def __init__(self, machine: Machine, share: Path):
        self.machine, self.jobs_folder = machine, share / "jobs"
        self.jobs_folder.mkdir(exist_ok=True)
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._channel = machine.connect("agent")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in lines(self._channel):
            words = line.split()
            if len(words) != 4:
                continue
            if words[0] == "ready":
                self._ready.set()
                continue
            job = self._jobs.get(words[0])
            if job:
                job.code, job.started, job.ended = int(words[1]), float(words[2]), float(words[3])
                job.done.set()

    def wait_ready(self, timeout: float) -> None:
        if not self._ready.wait(timeout):
            raise AgentError(f"the guest is not up after {timeout:.0f} s; console:\n{self.machine.console[-3000:]}")
        self.calibrate()

    def calibrate(self) -> None:
        """Measures the clocks' offset; the error is at most half the shortest of ten answers (and the clock's 10 ms steps)."""
        best = None
        for _ in range(10):
            before = time.monotonic()
            job = self._send("", "clock").wait(10)
            after = time.monotonic()
            if best is None or after - before < best[0]:
                best = (after - before, (before + after) / 2 - (job.started + job.ended) / 2)
        self.clock_error, self.offset = best[0] / 2 + 0.01, best[1]

    def guest_time(self, host: float | None = None) -> float:
        return (time.monotonic() if host is None else host) - self.offset

    def start(self, script: str, deadline: float = 3600) -> Job:
        """Starts a shell script in the guest; it is killed after `deadline` seconds."""
        return self._send(script, f"{deadline:g}")

    def _send(self, script: str, deadline: str) -> Job:
        with self._lock:
            number = f"j{len(self._jobs)}"
            job = self._jobs[number] = Job(script, self.jobs_folder / f"{number}.out")
            encoded = base64.b64encode(script.encode()).decode()
            self._channel.sendall(f"{number} {deadline} {encoded}\n".encode())
        return job

    def run(self, script: str, deadline: float = 30, check: bool = True) -> str:
        """Runs a shell script in the guest and returns what it printed."""
        job = self.start(script, deadline).wait(deadline + 10)
        if check and job.code != 0:
            raise AgentError(f"exit code {job.code}: {script}\n{job.output()[-2000:]}")
        return job.output()
