"""An SD card in the virtual board: what `board/image/build virt` made, started as a user starts it, with nobody typing.

The kernel and initrd are those of the card's FAT partition (a real board's firmware reads them there). The second console, hvc0, is
a way to ask the system afterwards how it is; nothing is typed before the first light.
"""
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .image import MACHINE, Image
from .machine import Machine, MachineError
from .panels import Screen
from .pins import Pins
from .timeline import Timeline
from .webcam import Webcam

# More than the image: the card that it is written to is larger, and the data partition grows into the rest.
LARGER = 256 << 20


class Card:
    """A copy of the image that keeps what is written to it from one start to the next."""

    def __init__(self, made: Path, target: Path):
        self.made, self.file = made, target
        target.unlink(missing_ok=True)
        subprocess.run(["cp", "--sparse=always", made / "moodlight-virt.img", target], check=True)
        with target.open("r+b") as card:
            card.truncate(target.stat().st_size + LARGER)

    def check(self) -> str:
        """What fsck says about both ext4 partitions, read only; empty when they are clean."""
        said = []
        table = subprocess.run(["sfdisk", "--dump", self.file], check=True, capture_output=True, text=True).stdout
        for number, start, size in re.findall(r"img(\d) : start=\s*(\d+), size=\s*(\d+), type=83", table):
            part = self.file.with_suffix(f".p{number}")
            subprocess.run(["dd", f"if={self.file}", f"of={part}", "bs=512", f"skip={start}", f"count={size}", "conv=sparse", "status=none"], check=True)
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
                   "-append", (self._card.made / "cmdline.txt").read_text().strip(),
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
    """One start of the card, with a webcam that is plugged in from the beginning. Times are seconds since power-on."""

    def __init__(self, image: Image, card: Card, artefacts: Path, name: str, pictures: list[bytes]):
        self.artefacts, self._began = artefacts, time.monotonic()
        self.pins = Pins(self.now, Timeline())
        self.machine = CardMachine(image, card, artefacts / f"card-{name}.log", self.pins.on_edge)
        self.webcam = Webcam(self.machine.path("usb0"), pictures)
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
            self._until(r"[#$] $", timeout)
            self._say("stty -echo cols 500; PS1=; export SYSTEMD_PAGER= SYSTEMD_COLORS=0; bind 'set enable-bracketed-paste off'; echo 'set ''up'")
            self._until(r"set up\n", timeout)
        self._say(f"{{ {command}; }} 2>&1; echo 'the ''end'")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._until(r"the end\n", timeout)).removesuffix("the end\n").strip()

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


def made_image(root: Path) -> Path | None:
    """The folder that board/image/build left, if it did."""
    folder = root / "target/board/image/virt"
    return folder if (folder / "moodlight-virt.img").is_file() else None


def room_for(card: Path, target: Path) -> bool:
    return shutil.disk_usage(target).free > 2 * card.stat().st_size
