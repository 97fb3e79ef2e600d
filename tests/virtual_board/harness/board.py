"""The virtual board as a whole: boots it, hands moodlight in, and offers its cameras, pins, displays and clock to the scenarios."""
import shutil
import tempfile
import time
from pathlib import Path

from .agent import Agent
from .image import Image
from .machine import Machine
from .pace import Pace
from .panels import Oled, Screen
from .pins import Pins
from .timeline import Timeline
from .webcam import Webcam


class Board:
    """One boot. `artefacts` gets the console's log, screenshots and OLED pictures."""

    def __init__(self, image: Image, artefacts: Path):
        self.artefacts = artefacts
        artefacts.mkdir(parents=True, exist_ok=True)
        self._share = tempfile.TemporaryDirectory(prefix="vboard-share-")
        self.share = Path(self._share.name)
        (self.share / "jobs").mkdir()
        self.timeline = Timeline()
        self.pins = Pins(self.now, self.timeline)
        self.agent: Agent | None = None
        self.machine = Machine(image, self.share, artefacts / "console.log", self.pins.on_edge)
        self.pace = self.pins.pace = Pace(self.machine.process.pid)
        self.agent = Agent(self.machine, self.share)
        self.webcam = Webcam(self.machine.path("usb0"), [])
        self._oled_address: int | None = None

    def now(self, host: float | None = None) -> float:
        """The guest's monotonic clock in seconds."""
        return self.agent.guest_time(host) if self.agent and hasattr(self.agent, "offset") else 0.0

    def wait_ready(self, timeout: float = 180) -> float:
        self.agent.wait_ready(timeout)
        return self.now()

    def note(self, text: str, source: str = "hand") -> float:
        at = self.now()
        self.timeline.add(at, source, text)
        return at

    def give(self, source: Path, name: str) -> str:
        """Puts a file or folder into the shared folder; returns its path in the guest."""
        target = self.share / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
        return f"/share/{name}"

    def write(self, name: str, data: bytes | str) -> str:
        (self.share / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return f"/share/{name}"

    def float_pin(self, line: int) -> None:
        """Makes a line an input again: a PL061 keeps what its last user left, and an output cannot be driven from outside."""
        self.agent.run(f"gpioget gpiochip0 {line}")

    def plug(self) -> float:
        at = self.note("webcam plugged", "usb")
        self.webcam.plug()
        return at

    def unplug(self) -> float:
        at = self.note("webcam unplugged", "usb")
        self.webcam.unplug()
        return at

    def wait_video_node(self, timeout: float, but: str = "") -> str:
        """The first /dev/video node that captures pictures (a webcam has a second one for metadata), other than `but`."""
        script = ("while :; do for node in /dev/video*; do "
                  f"if [ -c $node ] && [ $node != \"{but}\" ] && v4l2-ctl -d $node --get-fmt-video >/dev/null 2>&1; then echo $node; exit; fi; "
                  "done; sleep 0.05; done")
        return self.agent.run(script, timeout).strip()

    def load_vivid(self, frame: bytes) -> str:
        """Loads vivid with its S-Video output looped to its input (PAL, 640×480 YUYV) and feeds it `frame`; returns the capture node."""
        self.write("vivid.frame", frame)
        self.agent.run(
            "modprobe vivid n_devs=1 node_types=0x101 num_inputs=1 input_types=2 num_outputs=1 output_types=0 vid_cap_nr=20 vid_out_nr=30 && "
            "for node in /dev/video20 /dev/video30; do v4l2-ctl -d $node -s pal; done && v4l2-ctl -d /dev/video20 -c loop_video=1,osd_text_mode=2 && "
            "v4l2-ctl -d /dev/video30 --set-fmt-video-out=width=640,height=480,pixelformat=YUYV,field=interlaced && "
            "v4l2-ctl -d /dev/video20 --set-fmt-video=width=640,height=480,pixelformat=YUYV,field=interlaced")
        self.feed_vivid()
        return "/dev/video20"

    def feed_vivid(self) -> None:
        """Begins to feed vivid's output, or begins anew. The picture is read 25 times a second: from memory, not through the shared folder."""
        self.agent.run("killall v4l2-ctl", check=False)
        self.agent.run("cp /share/vivid.frame /run/vivid.frame")
        self.agent.start("exec v4l2-ctl -d /dev/video30 --stream-out-mmap --stream-from=/run/vivid.frame --stream-loop --stream-count=10000000")

    def unload_vivid(self) -> None:
        self.agent.run("killall v4l2-ctl; for i in 1 2 3 4 5 6 7 8 9; do rmmod vivid && exit; sleep 0.2; done; exit 1", 10)

    def tidy(self) -> None:
        """After a scenario that failed: nobody holds a device, nothing is plugged in, the panel is there."""
        self.agent.run("killall sleep v4l2-ctl gpioset; sleep 0.2; rmmod vivid; echo 0 > /sys/module/vssd1306/parameters/absent; "
                       "echo detect > /sys/class/drm/card0-Virtual-1/status", check=False)
        self.webcam.stalled, self.webcam.mangle = False, None
        if self.webcam.plugged:
            self.unplug()
        self.webcam.describe(640, 480)

    def load_oled(self) -> None:
        """Puts the panel on I²C bus 1 and learns where its memory lies."""
        said = self.agent.run("insmod /vssd1306.ko && cat /sys/kernel/debug/vssd1306/physical")
        self._oled_address = int(said.strip(), 16)

    def unload_oled(self) -> None:
        self.agent.run("rmmod vssd1306")
        self._oled_address = None

    def oled(self) -> Oled:
        return Oled.parse(self.machine.read_memory(self._oled_address, Oled.LENGTH))

    def screen(self) -> Screen:
        target = self.artefacts / "screen.ppm"
        self.machine.screendump(target)
        screen = Screen.from_ppm(target.read_bytes())
        target.unlink()
        return screen

    def wait_for(self, what: str, ready, timeout: float, step: float = 0.1):
        """Polls `ready()` until it gives something true; for what cannot wake a waiter (memory, files)."""
        began = time.monotonic()
        while not (found := ready()):
            waited = time.monotonic() - began
            if self.pace.late(waited, timeout):
                raise AssertionError(f"no {what} within {waited:.1f} s")
            time.sleep(step)
        return found

    def close(self) -> None:
        if self.webcam.plugged:
            self.webcam.unplug()
        self.machine.close()
        self._share.cleanup()
