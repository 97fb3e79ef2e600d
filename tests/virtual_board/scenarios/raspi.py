"""Group `pi`: the same binary on QEMU's model of a Raspberry Pi 3 B, on the Pi's own pins and framebuffer."""
from pathlib import Path

from harness.bench import Bench, scenario
from harness.firmware import COLOUR, EASED, MODEL_FILES
from harness.pictures import PICTURES
from harness.raspi import RaspiBoard

HAPPY_PIN = 17
PI_CONFIG = (f'[pins]\nhappy = "GPIO{HAPPY_PIN}"\n' + EASED).replace("\n", "\\n")


@scenario("raspberry-pi", "on the Raspberry Pi 3 model the happy LED hangs on GPIO17, by its name, and the page is on the framebuffer", "pi")
def raspberry_pi(bench: Bench):
    parts = bench.firmware.parts
    payload: dict[str, Path] = {"moodlight": parts.guest, "pictures/happy.jpg": PICTURES / "happy.jpg"}
    payload |= {f"models/{name}": parts.models / name for name in MODEL_FILES if name != "vgg-int8.onnx"}
    board = RaspiBoard(bench.image, payload, bench.artefacts)
    try:
        board.agent.wait_ready(180)
        # Only the exit code comes back over the serial line. A level set by gpioset would not do: QEMU's model tells of a change only on
        # a pin that is an output already.
        board.agent.run(f"gpiofind GPIO{HAPPY_PIN} | grep -q ' {HAPPY_PIN}$'")
        bench.expect(True, f"the kernel calls line {HAPPY_PIN} GPIO{HAPPY_PIN}")
        job = board.agent.start("cd /payload; for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6; do cp pictures/happy.jpg pictures/$i$j.jpg; done; done; "
                                f"printf '{PI_CONFIG}' > pi.toml; chmod +x moodlight; exec ./moodlight run --board rpi-zero2w "
                                "--config pi.toml --source 'dir:pictures?fps=1' --realtime --best-effort --duration 60s "
                                "--trace /dev/ttyS1 >/dev/ttyS1 2>&1", 120)
        board.pins.wait("light on the happy pin", lambda: HAPPY_PIN in board.pins.lit(), 60)
        bench.expect(board.pins.lit() == {HAPPY_PIN}, "the happy LED is lit, alone")
        board.agent.run("sleep 1")
        screen = board.screen()
        screen.save(bench.artefacts / "screen-raspberry-pi.png")
        bench.expect(screen.share_of(COLOUR["happy"]) > 0.005, f"the page is on the screen, {screen.width}×{screen.height}")
        board.agent.run("killall moodlight")
        job.wait(15)
        bench.expect(job.code == 143 and not board.pins.lit(), "SIGTERM: all pins off, exit code 143")
    finally:
        board.close()
