"""A second machine: QEMU's model of a Raspberry Pi 3 B, with the Pi's own pin controller and framebuffer.

It has neither virtio nor PCI, so everything comes in the initrd, and the agent speaks over the first serial port (PL011),
the console over the second. The firmware of a real Pi
puts a framebuffer into the device tree; here that node is written by hand, to where QEMU's model has its framebuffer.
"""
import shutil
import tempfile
from pathlib import Path

from .agent import Agent
from .image import Image, pack, run_tool
from .machine import Machine
from .panels import Screen
from .pins import Pins
from .timeline import Timeline

LINES = 54
WIDTH, HEIGHT = 640, 480
# QEMU's bcm2835_fb: video memory in the last 64 MiB of 1 GiB, the picture 1 MiB into it, 16 bits a pixel.
FRAMEBUFFER = 0x3c100000


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
        tree, node = self.folder / "raspi.dtb", f"/chosen/framebuffer@{FRAMEBUFFER:x}"
        shutil.copy(image.raspi_tree, tree)
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
        return tree

    def screen(self) -> Screen:
        target = self.folder / "screen.ppm"
        self.machine.screendump(target)
        return Screen.from_ppm(target.read_bytes())

    def close(self) -> None:
        self.machine.close()
        self._folder.cleanup()
