"""What was seen, in order, on the guest's clock; printed with each scenario."""
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    at: float
    source: str
    text: str


class Timeline:
    def __init__(self):
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, at: float, source: str, text: str) -> None:
        with self._lock:
            self._entries.append(Entry(at, source, text))

    def since(self, start: float) -> list[Entry]:
        with self._lock:
            return sorted((entry for entry in self._entries if entry.at >= start), key=lambda entry: entry.at)

    def render(self, start: float, limit: int = 40) -> str:
        """The entries since `start`, times relative to it; a long blink is cut in its middle, never silently."""
        entries = self.since(start)
        lines = [f"    {entry.at - start:8.2f} s  {entry.source:<8} {entry.text}" for entry in entries]
        if len(lines) > limit:
            half = limit // 2
            lines = lines[:half] + [f"    … {len(lines) - 2 * half} more …"] + lines[-half:]
        return "\n".join(lines)
