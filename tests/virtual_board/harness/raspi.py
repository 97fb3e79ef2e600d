"""A second machine: QEMU's model of a Raspberry Pi 3 B, with the Pi's own pin controller and framebuffer.

It has neither virtio nor PCI, so everything comes in the initrd, and the agent speaks over the first serial port (PL011),
the console over the second. The firmware of a real Pi
puts a framebuffer into the device tree; here that node is written by hand, to where QEMU's model has its framebuffer.
"""
import secrets
import shutil
import tempfile
import time
from pathlib import Path

from .agent import Agent
from .card import Card, plain
from .image import RASPI_TREE, Image, pack, run_tool
from .machine import Machine, MachineError
from .panels import Screen
from .pins import Pins
from .timeline import Timeline

LINES = 54
WIDTH, HEIGHT = 640, 480
# QEMU's bcm2835_fb: video memory in the last 64 MiB of 1 GiB, the picture 1 MiB into it, 16 bits a pixel.
FRAMEBUFFER = 0x3c100000


def as_firmware_hands_it_over(source: Path, tree: Path) -> Path:
    """The kernel's device tree, with what a Pi's firmware adds to it and without what the model lacks."""
    node = f"/chosen/framebuffer@{FRAMEBUFFER:x}"
    shutil.copy(source, tree)
    # The Pi's first serial port belongs to its Bluetooth chip, which the model lacks.
    run_tool("fdtput", "-r", tree, "/soc/serial@7e201000/bluetooth")
    run_tool("fdtput", "-c", tree, node)
    for cells in ("#address-cells", "#size-cells"):
        run_tool("fdtput", "-t", "x", tree, "/chosen", cells, "1")
    run_tool("fdtput", tree, "/chosen", "ranges")
    run_tool("fdtput", "-t", "s", tree, node, "compatible", "simple-framebuffer")
    run_tool("fdtput", "-t", "s", tree, node, "format", "r5g6b5")
    for key, value in (("width", WIDTH), ("height", HEIGHT), ("stride", WIDTH * 2)):
        run_tool("fdtput", "-t", "x", tree, node, key, f"{value:x}")
    run_tool("fdtput", "-t", "x", tree, node, "reg", f"{FRAMEBUFFER:x}", f"{WIDTH * HEIGHT * 2:x}")
    run_tool("fdtput", "-t", "x", tree, "/chosen", "rng-seed", *(f"{secrets.randbits(32):x}" for _ in range(16)))
    return tree


def card_on_the_plain_controller(tree: Path) -> Path:
    """The card hangs on the Pi's SDHCI controller, which its Wi-Fi uses otherwise (what the firmware's overlay `mmc` does). On the usual
    one, SDHOST, no start got past udev; that was before the tree had a seed for random numbers, so SDHOST itself may not be to blame."""
    run_tool("fdtput", "-t", "s", tree, "/soc/mmc@7e202000", "status", "disabled")
    run_tool("fdtput", "-r", tree, "/soc/mmc@7e300000/wifi@1")
    for key in ("non-removable", "mmc-pwrseq", "pinctrl-names", "pinctrl-0"):
        run_tool("fdtput", "-d", tree, "/soc/mmc@7e300000", key)
    return tree


class RaspiMachine(Machine):
    def _command(self, image: Image, share: Path, cameras: int) -> list[str]:
        command = ["qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg", "-nic", "none", "-display", "none", "-no-reboot",
                   "-monitor", "none", "-chardev", f"socket,id=agent,path={self.folder.name}/agent,server=on,wait=off",
                   "-serial", "chardev:agent", "-serial", "stdio", "-kernel", image.kernel, "-initrd", image.initrd, "-dtb", image.device_tree,
                   "-append", "console=ttyS1,115200 loglevel=4 panic=-1 rdinit=/init vt.global_cursor_default=0",
                   "-qmp", self._server("qmp"), "-qtest", self._server("qtest"), "-qtest-log", "none"]
        return [str(word) for word in command]

    def _gpio_path(self) -> str:
        return "/machine/soc/peripherals/gpio"


class RaspiBoard:
    """One boot, with the files of `payload` in the guest's /payload."""

    def __init__(self, image: Image, payload: dict[str, Path], artefacts: Path):
        self._folder = tempfile.TemporaryDirectory(prefix="vboard-raspi-")
        self.folder, self.artefacts = Path(self._folder.name), artefacts
        self.timeline = Timeline()
        self.pins = Pins(self.now, self.timeline, [f"GPIO{number}" for number in range(LINES)])
        self.agent: Agent | None = None
        (self.folder / "jobs").mkdir()
        raspi = Image(image.kernel, self._initrd(image, payload), self._device_tree(image), image.raspi_tree, False)
        self.machine = RaspiMachine(raspi, self.folder, artefacts / "raspi-console.log", self.pins.on_edge)
        self.agent = Agent(self.machine, self.folder)

    def now(self, host: float | None = None) -> float:
        return self.agent.guest_time(host) if self.agent and hasattr(self.agent, "offset") else 0.0

    def _initrd(self, image: Image, payload: dict[str, Path]) -> Path:
        root, archive = self.folder / "root", self.folder / "payload.cpio.gz"
        for name, source in payload.items():
            target = root / "payload" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        pack(root, archive)
        whole = self.folder / "initrd.gz"
        whole.write_bytes(image.initrd.read_bytes() + archive.read_bytes())
        return whole

    def _device_tree(self, image: Image) -> Path:
        return as_firmware_hands_it_over(image.raspi_tree, self.folder / "raspi.dtb")

    def screen(self) -> Screen:
        target = self.folder / "screen.ppm"
        self.machine.screendump(target)
        return Screen.from_ppm(target.read_bytes())

    def close(self) -> None:
        self.machine.close()
        self._folder.cleanup()


class RaspiCardMachine(RaspiMachine):
    """The same machine, started from a card in its slot. Kernel, initrd, device tree and command line are the card's; the model has no
    boot ROM that would read them from there."""

    def __init__(self, image: Image, card: Card, log: Path, on_pin):
        self._card = card
        super().__init__(image, card.file.parent, log, on_pin)

    def _command(self, image: Image, share: Path, cameras: int) -> list[str]:
        made = self._card.made
        tree = card_on_the_plain_controller(as_firmware_hands_it_over(made / RASPI_TREE, self._card.file.with_suffix(".dtb")))
        command = ["nice", "-n", "5", "qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,tb-size=512", "-nic", "none", "-display", "none",
                   "-no-reboot", "-monitor", "none", "-serial", "null", "-serial", "stdio", "-kernel", made / "vmlinuz",
                   "-initrd", made / "initrd.img", "-dtb", tree, "-append", (made / "cmdline.txt").read_text().strip(),
                   "-drive", f"file={self._card.file},format=raw,if=sd,cache=writethrough",
                   "-qmp", self._server("qmp"), "-qtest", self._server("qtest"), "-qtest-log", "none"]
        return [str(word) for word in command]


class RaspiCardBoard:
    """One start of a card in the Pi. Times are seconds since power-on."""

    def __init__(self, image: Image, card: Card, artefacts: Path):
        self._began = time.monotonic()
        self.pins = Pins(self.now, Timeline(), [f"GPIO{number}" for number in range(LINES)])
        self.machine = RaspiCardMachine(image, card, artefacts / "card-raspi.log", self.pins.on_edge)

    def now(self, host: float | None = None) -> float:
        return (host or time.monotonic()) - self._began

    def wait_said(self, words: str, timeout: float) -> float:
        """Until the serial line has said so; returns when."""
        end = time.monotonic() + timeout
        while words not in plain(self.machine.console):
            if time.monotonic() > end or self.machine.process.poll() is not None:
                raise MachineError(f"the serial line did not say \"{words}\" within {timeout:.0f} s; console:\n{self.machine.console[-3000:]}")
            time.sleep(0.2)
        return self.now()

    def pull_the_plug(self) -> None:
        self.machine.process.kill()
        self.machine.process.wait()
        self.machine.close()
