"""Group `harness`: the board itself, with stand-ins in moodlight's place. If one of these fails, no other verdict counts."""
import time

from harness.bench import Bench, scenario
from harness.image import LINE_NAMES
from harness.pace import PROBE_SECONDS, Sample, slowness
from harness.pictures import committed, gray_yuyv


@scenario("pins-seen-outside", "each line's level in the guest is the level that the meter outside shows", "harness")
def pins_seen_outside(bench: Bench):
    board = bench.board
    for line, name in enumerate(LINE_NAMES):
        began = board.now()
        board.agent.run(f"gpioset $(gpiofind {name})=1; gpioset $(gpiofind {name})=0")
        edges = [(edge.line, edge.level) for edge in board.pins.edges(began)]
        bench.expect(edges == [(line, True), (line, False)], f"{name} went on and off, alone")


@scenario("button-from-outside", "a contact outside is read as a level in the guest", "harness")
def button_from_outside(bench: Bench):
    bench.board.float_pin(7)
    for level in (True, False):
        bench.board.machine.drive_pin(7, level)
        said = bench.board.agent.run("gpioget gpiochip0 7").strip()
        bench.expect(said == str(int(level)), f"the guest reads {int(level)}")


@scenario("oled-memory", "what is written on the I²C bus is in the panel's memory; a panel that is away refuses", "harness")
def oled_memory(bench: Bench):
    board = bench.board
    absent = "/sys/module/vssd1306/parameters/absent"
    try:
        board.agent.run("i2ctransfer -y 1 w3@0x3c 0x00 0x20 0x00; i2ctransfer -y 1 w2@0x3c 0x00 0xaf; i2ctransfer -y 1 w5@0x3c 0x40 0xff 1 2 3")
        panel = board.oled()
        bench.expect(panel.on and panel.picture[:5] == b"\xff\1\2\3\0", "four columns and the switch-on arrived")
        board.agent.run(f"echo 1 > {absent}; ! i2ctransfer -y 1 w2@0x3c 0x00 0xae")
        bench.expect(board.oled().refused == 1 and not board.oled().on, "an absent panel refuses a transfer and has lost its power")
    finally:
        board.agent.run(f"echo 0 > {absent}")


@scenario("webcam-bit-exact", "MJPG frames of the USB webcam arrive byte for byte; unplugging takes the node away", "harness")
def webcam_bit_exact(bench: Bench):
    board = bench.board
    board.webcam.pictures = [committed("happy"), committed("nobody")]
    board.plug()
    node = board.wait_video_node(10)
    board.agent.run(f"v4l2-ctl -d {node} --set-fmt-video=pixelformat=MJPG --stream-mmap --stream-count=6 --stream-to=/share/webcam.mjpg")
    stream = (board.share / "webcam.mjpg").read_bytes()
    bench.expect(all(picture in stream for picture in board.webcam.pictures), "both pictures are in the stream, unchanged")
    began = board.unplug()
    board.agent.run(f"while [ -e {node} ]; do sleep 0.02; done", 10)
    bench.within("node gone after", board.now() - began, 10)  # the kernel's own time, no promise of ours


@scenario("pulled-while-asked", "a webcam pulled while the kernel asks its way through it is there again at the next plug", "harness")
def pulled_while_asked(bench: Bench):
    board = bench.board
    for tenths in range(1, 7):
        board.plug()
        time.sleep(tenths / 10)  # debounce, reset, descriptors, probe: a different one each time
        board.unplug()
        plugged = board.plug()
        board.wait_video_node(90)
        bench.within(f"pulled after 0.{tenths} s: node there after", board.now() - plugged, 4)  # one lost request costs 5 s
        board.unplug()


@scenario("vivid-bit-exact", "YUYV frames fed to vivid's output come back from its capture node bit for bit", "harness")
def vivid_bit_exact(bench: Bench):
    board = bench.board
    frame = gray_yuyv(bytes((x * 255 // 639 + y) & 255 for y in range(480) for x in range(640)))
    camera = board.load_vivid(frame)
    try:
        def looped() -> bool:
            """vivid shows noise until its output has begun: a few frames may pass."""
            board.agent.run(f"v4l2-ctl -d {camera} --stream-mmap --stream-count=4 --stream-to=/share/vivid.yuyv")
            data = (board.share / "vivid.yuyv").read_bytes()
            return frame in [data[at:at + len(frame)] for at in range(0, len(data), len(frame))]
        bench.expect(board.wait_for("frame that is the fed one", looped, 20), "a captured frame is the fed one, bit for bit")
    finally:
        board.unload_vivid()


@scenario("screen-seen", "what the guest's display shows is in the screenshot", "harness")
def screen_seen(bench: Bench):
    board = bench.board
    board.agent.run("head -c $((640*480*4)) /dev/zero | tr '\\000' '\\377' > /dev/fb0")
    time.sleep(0.5)
    colours = board.screen().colours()
    bench.expect(max(colours, key=colours.get) == (255, 255, 255), "a white framebuffer is a white screen")
    board.agent.run("cat /dev/zero > /dev/fb0", check=False)


@scenario("pace", "how slow the board goes is read from the probe and from the emulator's waiting", "harness")
def pace(bench: Bench):
    def window(probe: float, on_core: float, without: float) -> list[Sample]:
        """Ten seconds in which a probe took `probe` times its own, and the emulator's threads ran and waited so many seconds."""
        return [Sample(at, probe * PROBE_SECONDS, on_core * at / 10, without * at / 10) for at in (0.0, 5.0, 10.0)]
    cases = [
        ("alone", window(1, 12, 0), 1.0),
        ("a faster core counts for nothing", window(0.5, 12, 0), 1.0),
        ("a core half as fast", window(2, 12, 0), 2.0),
        ("as long ready as on a core", window(1, 8, 8), 2.0),
        ("both", window(2, 8, 8), 4.0),
        ("an emulator that has hardly run says nothing", window(1, 0.1, 5), 1.0),
        ("no samples yet", [], 1.0),
    ]
    for what, samples, expected in cases:
        found = slowness(samples)
        bench.expect(abs(found - expected) < 1e-9, f"{what}: {found:.2f}")
    bench.marks.append(f"in the last ten seconds: {bench.board.pace.over(10):.2f}")
