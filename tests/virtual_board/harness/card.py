"""An SD card in the virtual board: what `board/image/build virt` made, started as a user starts it, with nobody typing.

The kernel and initrd are those of the card's FAT partition (a real board's firmware reads them there). The second console, hvc0, is
a way to ask the system afterwards how it is; nothing is typed before the first light. To be let in there, a password is laid on the
FAT partition, as an owner would do.
"""
import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path

from .image import MACHINE, Image
from .machine import Machine, MachineError
from .pace import Pace
from .panels import Screen
from .pins import Pins
from .timeline import Timeline
from .webcam import Webcam

# More than the image: the card that it is written to is larger, and the data partition grows into the rest.
LARGER = 256 << 20
# Where the FAT partition begins.
FAT = 1 << 20
PASSWORD = "open sesame"
# The kernel notes when which program began, on the clock that systemd's times are on. That costs nothing that could be measured.
TRACED = "trace_event=sched:sched_process_exec trace_clock=mono"


class Card:
    """A copy of the image that keeps what is written to it from one start to the next."""

    def __init__(self, made: Path, target: Path, size: int | None = None):
        """`size`: the card's, where the slot wants a certain one."""
        self.made, self.file = made, target
        target.unlink(missing_ok=True)
        subprocess.run(["cp", "--sparse=always", next(made.glob("moodlight-*.img")), target], check=True)
        with target.open("r+b") as card:
            card.truncate(size or target.stat().st_size + LARGER)

    def lay(self, name: str, text: str) -> None:
        """A file on the FAT partition, as any computer can put it there."""
        self._mtools("mcopy", "-o", "-", f"::{name}", text=text)

    def on_fat(self) -> list[str]:
        return [line.removeprefix("::/") for line in self._mtools("mdir", "-b", "::").split("\n") if line]

    def _mtools(self, tool: str, *words: str, text: str = "") -> str:
        return subprocess.run([tool, "-i", f"{self.file}@@{FAT}", *words], check=True, input=text, capture_output=True, text=True).stdout

    def shadow(self) -> str:
        """Root's line in the system's file of passwords."""
        said = ""
        for number, part in self._ext4():
            if number == "2":
                said = subprocess.run(["debugfs", "-R", "cat /etc/shadow", part], check=True, capture_output=True, text=True).stdout
            part.unlink()
        return next(line for line in said.split("\n") if line.startswith("root:"))

    def wear_out_data(self) -> None:
        """The data partition's first mebibytes read as zeros: no repair finds a file system there."""
        start = next(start for number, start, _ in self._table() if number == "3")
        with self.file.open("r+b") as card:
            card.seek(int(start) * 512)
            card.write(bytes(8 << 20))

    def _table(self) -> list[tuple[str, str, str]]:
        """Number, start and size (in sectors) of the ext4 partitions."""
        table = subprocess.run(["sfdisk", "--dump", self.file], check=True, capture_output=True, text=True).stdout
        return re.findall(r"img(\d) : start=\s*(\d+), size=\s*(\d+), type=83", table)

    def _ext4(self):
        """Number and a copy of each ext4 partition; whoever asks for one deletes it."""
        for number, start, size in self._table():
            part = self.file.with_suffix(f".p{number}")
            subprocess.run(["dd", f"if={self.file}", f"of={part}", "bs=512", f"skip={start}", f"count={size}", "conv=sparse", "status=none"], check=True)
            yield number, part

    def check(self) -> str:
        """What fsck says about both ext4 partitions, read only; empty when they are clean."""
        said = []
        for number, part in self._ext4():
            # A journal that is still to be replayed is what a power cut leaves; the kernel replays it at the next start.
            subprocess.run(["e2fsck", "-E", "journal_only", "-p", part], capture_output=True)
            done = subprocess.run(["e2fsck", "-f", "-n", part], capture_output=True, text=True)
            if done.returncode != 0:
                said.append(f"partition {number}: {done.stdout[-500:]}")
            part.unlink()
        return "\n".join(said)


class CardMachine(Machine):
    def __init__(self, image: Image, card: Card, log: Path, on_pin):
        self._card = card
        super().__init__(image, card.file.parent, log, on_pin)

    def _command(self, image: Image, share: Path, cameras: int) -> list[str]:
        command = ["nice", "-n", "5", "qemu-system-aarch64", *MACHINE, "-accel", "tcg,tb-size=512", "-nic", "none", "-display", "none",
                   "-no-reboot", "-monitor", "none", "-serial", "stdio", "-dtb", image.device_tree,
                   "-kernel", self._card.made / "vmlinuz", "-initrd", self._card.made / "initrd.img",
                   "-append", f"{(self._card.made / 'cmdline.txt').read_text().strip()} {TRACED}",
                   "-drive", f"file={self._card.file},format=raw,if=none,id=card,cache=writethrough", "-device", "virtio-blk-pci,drive=card",
                   "-qmp", self._server("qmp"), "-qtest", self._server("qtest"), "-qtest-log", "none",
                   "-device", "virtio-serial-pci", "-chardev", f"socket,id=shell,path={self.folder.name}/shell,server=on,wait=off",
                   "-device", "virtconsole,chardev=shell",
                   "-device", "virtio-gpu-pci,xres=640,yres=480", "-device", "qemu-xhci",
                   "-chardev", f"socket,id=usb0,path={self.folder.name}/usb0,server=on,wait=off", "-device", "usb-redir,chardev=usb0,id=camera0"]
        return [str(word) for word in command]

    def pull_the_plug(self) -> None:
        self.process.kill()
        self.process.wait()


class CardBoard:
    """One start of the card, with a webcam that is plugged in from the beginning unless `plugged` is false. Times are seconds since power-on."""

    def __init__(self, image: Image, card: Card, artefacts: Path, name: str, pictures: list[bytes], plugged: bool = True):
        self.artefacts, self._began = artefacts, time.monotonic()
        self.pins = Pins(self.now, Timeline())
        self.machine = CardMachine(image, card, artefacts / f"card-{name}.log", self.pins.on_edge)
        self.pace = self.pins.pace = Pace(self.machine.process.pid)
        self.webcam = Webcam(self.machine.path("usb0"), pictures)
        if plugged:
            self.webcam.plug()
        self._shell: socket.socket | None = None

    def now(self, host: float | None = None) -> float:
        return (host or time.monotonic()) - self._began

    def screen(self) -> Screen:
        target = self.artefacts / "card.ppm"
        self.machine.screendump(target)
        screen = Screen.from_ppm(target.read_bytes())
        target.unlink()
        return screen

    def ask(self, command: str, timeout: float = 120) -> str:
        """What a command prints, as root on the second console; the first one logs in."""
        if self._shell is None:
            self._shell = self.machine.connect("shell")
            self._shell.settimeout(1)
            self._say("")
            self._until(r"login: $", timeout)
            self._say("root")
            self._until(r"assword: $", timeout)
            self._say(PASSWORD)
            self._until(r"[#$] $", timeout)
            self._say("stty -echo cols 500; PS1=; export SYSTEMD_PAGER= SYSTEMD_COLORS=0; bind 'set enable-bracketed-paste off'; echo 'set ''up'")
            self._until(r"set up\n", timeout)
        self.begin(command)
        return plain(self._until(r"the end\n", timeout)).removesuffix("the end\n").strip()

    def start_split(self) -> tuple[float, float, float]:
        """Seconds of this start until the light is on and systemd told so: the kernel's; systemd's, until moodlight's program began, the
        sandbox that it was put into among them; and moodlight's own."""
        kernel = float(re.search(r"([\d.]+)s \(kernel\)", self.ask("systemd-analyze time")).group(1))
        # Not the program's first run: that one reads it ahead.
        of_service = rf" ([\d.]+): sched_process_exec: filename=/usr/bin/moodlight pid={self.ask('systemctl show moodlight -p MainPID --value')} "
        began = float(re.search(of_service, self.ask("cat /sys/kernel/tracing/trace")).group(1))
        ready = int(self.ask("systemctl show moodlight -p ActiveEnterTimestampMonotonic --value")) / 1e6
        return kernel, began - kernel, ready - began

    def begin(self, command: str) -> None:
        """Has a command carried out without waiting for it; somebody is logged in already."""
        self._say(f"{{ {command}; }} 2>&1; echo 'the ''end'")

    def refuses(self, password: str, timeout: float = 60) -> bool:
        """Whether root is not let in with this password."""
        with contextlib.closing(self.machine.connect("shell")) as shell:
            shell.settimeout(1)
            self._shell = shell
            self._say("")
            self._until(r"login: $", timeout)
            self._say("root")
            self._until(r"assword: $", timeout)
            self._say(password)
            said = self._until(r"incorrect|[#$] $", timeout)
            self._until(r"login: $", timeout)
        self._shell = None
        return "incorrect" in said

    def _say(self, line: str) -> None:
        self._shell.sendall(line.encode() + b"\n")

    def _until(self, pattern: str, timeout: float) -> str:
        said, end = "", time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                said += self._shell.recv(65536).decode("utf-8", "replace").replace("\r", "")
            except TimeoutError:
                pass
            if re.search(pattern, said):
                return said
        raise MachineError(f"the second console did not say {pattern} within {timeout:.0f} s, but: {said[-500:]}")

    def pull_the_plug(self) -> None:
        self.machine.pull_the_plug()
        self.close()

    def close(self) -> None:
        if self.webcam.plugged:
            try:
                self.webcam.unplug()
            except OSError:
                pass  # the emulator is gone, and the cable with it
        self.machine.close()


def plain(said: str) -> str:
    """What a terminal showed, without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)


def made_image(root: Path, board: str = "virt") -> Path | None:
    """The folder that board/image/build left for a board, if it did."""
    folder = root / "target/board/image" / board
    return folder if (folder / f"moodlight-{board}.img").is_file() else None
