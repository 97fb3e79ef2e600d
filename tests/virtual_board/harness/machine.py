"""One QEMU process: its console, its QMP socket and its qtest socket, each read by a thread of its own, each wait with a deadline."""
import base64
import json
import queue
import re
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .image import MACHINE, Image


class MachineError(RuntimeError):
    """QEMU is not there, ended, or did not answer in time; the message carries the console's tail."""


class Machine:
    """A booted virtual board. `on_pin(line, level, host_time)` is called from a reader thread for each change of a PL061 output."""

    def __init__(self, image: Image, share: Path, log: Path, on_pin, cameras: int = 1):
        self.folder = tempfile.TemporaryDirectory(prefix="vboard-")
        self.console, self.events = "", []
        self._console_log = log.open("w")
        self._changed = threading.Condition()
        self._on_pin = on_pin
        self.process = subprocess.Popen(self._command(image, share, cameras), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL)
        self._qmp_replies, self._qtest_replies = queue.Queue(), queue.Queue()
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        self._thread(self._read_console)
        self._qmp, self._qtest = self.connect("qmp"), self.connect("qtest")
        self._thread(self._read_qmp)
        self._thread(self._read_qtest)
        self.qmp("qmp_capabilities")
        self._intercept_pins()

    def _command(self, image: Image, share: Path, cameras: int) -> list[str]:
        command = ["qemu-system-aarch64", *MACHINE, "-accel", "tcg,tb-size=512", "-nic", "none", "-display", "none",
                   "-no-reboot", "-monitor", "none", "-serial", "stdio", "-kernel", image.kernel, "-initrd", image.initrd,
                   "-dtb", image.device_tree,
                   "-append", "console=ttyAMA0 loglevel=4 panic=-1 rdinit=/init vt.global_cursor_default=0",
                   "-qmp", self._server("qmp"), "-qtest", self._server("qtest"), "-qtest-log", "none",
                   "-fsdev", f"local,id=share,path={share},security_model=none",
                   "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
                   "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={self.folder.name}/agent,server=on,wait=off",
                   "-device", "virtserialport,chardev=agent,name=agent",
                   "-device", "virtio-gpu-pci,xres=640,yres=480",
                   "-device", "i6300esb", "-action", "watchdog=pause", "-device", "qemu-xhci"]
        for number in range(cameras):
            command += ["-chardev", f"socket,id=usb{number},path={self.folder.name}/usb{number},server=on,wait=off",
                        "-device", f"usb-redir,chardev=usb{number},id=camera{number}"]
        return [str(word) for word in command]

    def _server(self, name: str) -> str:
        return f"unix:{self.folder.name}/{name},server=on,wait=off"

    def path(self, name: str) -> str:
        return f"{self.folder.name}/{name}"

    def connect(self, name: str, timeout: float = 20) -> socket.socket:
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.process.poll() is None:
            channel = socket.socket(socket.AF_UNIX)
            try:
                channel.connect(self.path(name))
                return channel
            except OSError:
                channel.close()
                time.sleep(0.05)
        raise MachineError(f"no socket {name}; console:\n{self.console[-2000:]}")

    def _thread(self, target) -> None:
        threading.Thread(target=target, daemon=True).start()

    def _read_console(self) -> None:
        for chunk in iter(lambda: self.process.stdout.read1(65536), b""):
            text = chunk.decode("utf-8", "replace").replace("\r", "")
            self._console_log.write(text)
            self._console_log.flush()
            with self._changed:
                self.console += text
                self._changed.notify_all()

    def _read_qmp(self) -> None:
        for line in lines(self._qmp):
            message = json.loads(line)
            if "event" in message:
                with self._changed:
                    self.events.append((time.monotonic(), message["event"], message.get("data")))
                    self._changed.notify_all()
            elif "return" in message or "error" in message:
                self._qmp_replies.put(message)

    def _read_qtest(self) -> None:
        for line in lines(self._qtest):
            words = line.split()
            if words and words[0] == "IRQ":
                self._on_pin(int(words[2]), words[1] == "raise", time.monotonic())
            else:
                self._qtest_replies.put(line.strip())

    def qmp(self, command: str, **arguments):
        self._qmp.sendall((json.dumps({"execute": command, "arguments": arguments}) + "\n").encode())
        reply = self._reply(self._qmp_replies, command)
        if "error" in reply:
            raise MachineError(f"{command}: {reply['error'].get('desc')}")
        return reply["return"]

    def monitor(self, line: str) -> str:
        return self.qmp("human-monitor-command", **{"command-line": line})

    def qtest(self, line: str) -> str:
        self._qtest.sendall((line + "\n").encode())
        reply = self._reply(self._qtest_replies, line)
        if not reply.startswith("OK"):
            raise MachineError(f"qtest {line}: {reply}")
        return reply[2:].strip()

    def _reply(self, replies: queue.Queue, command: str):
        try:
            return replies.get(timeout=60)
        except queue.Empty:
            raise MachineError(f"{command}: no answer in 60 s; console:\n{self.console[-2000:]}") from None

    def _gpio_path(self) -> str:
        found = re.search(r"(/device\[\d+\]) \(pl061\)", self.monitor("info qom-tree"))
        if not found:
            raise MachineError("the machine has no PL061")
        return "/machine/unattached" + found.group(1)

    def _intercept_pins(self) -> None:
        self.gpio = self._gpio_path()
        self.qtest(f"irq_intercept_out {self.gpio}")

    def drive_pin(self, line: int, level: bool) -> None:
        """Drives a line from outside, as a button's contact does."""
        self.qtest(f"set_irq_in {self.gpio} unnamed-gpio-in {line} {int(level)}")

    def bounce_pin(self, line: int, levels: list[bool]) -> None:
        """Several levels in a row, microseconds apart: sent at once, so that a busy host cannot spread them."""
        words = "".join(f"set_irq_in {self.gpio} unnamed-gpio-in {line} {int(level)}\n" for level in levels)
        self._qtest.sendall(words.encode())
        for _ in levels:
            self._reply(self._qtest_replies, "bounce")

    def read_memory(self, address: int, length: int) -> bytes:
        """Guest memory, read without the guest's knowledge."""
        return base64.b64decode(self.qtest(f"b64read {address:#x} {length:#x}"))

    def screendump(self, target: Path) -> None:
        self.qmp("screendump", filename=str(target))

    def wait_event(self, name: str, timeout: float) -> float:
        """Host time at which QEMU told of the event."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for at, event, _ in self.events:
                    if event == name:
                        return at
                if time.monotonic() >= end:
                    raise MachineError(f"no event {name} in {timeout:.0f} s; seen: {[event for _, event, _ in self.events]}")
                self._changed.wait(0.2)

    def close(self) -> None:
        if self.process.poll() is None:
            try:
                self.qmp("quit")
                self.process.wait(5)
            except (MachineError, OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        self._console_log.close()
        self.folder.cleanup()


def lines(channel: socket.socket):
    """Lines until the other side is gone, which is no error here: whoever waits for an answer has a deadline."""
    try:
        yield from channel.makefile("r", errors="replace")
    except OSError:
        return
