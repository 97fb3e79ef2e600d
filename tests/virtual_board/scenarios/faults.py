"""Group `faults`: cables, busy devices and broken streams. A fault is seen within 2 s, the emotion again within 3 s of the device's return."""
from harness.bench import Bench, Skipped, scenario
from harness.firmware import LINE, Run
from harness.pictures import committed

FAULT, RETURN = 2.0, 3.0


def wait_fault(bench: Bench, since: float, limit: float = FAULT) -> None:
    """The fault LED's double flash begins within the limit, and happy is dark."""
    pins = bench.board.pins
    first = pins.wait("flash of the fault LED", lambda: next((e.at for e in pins.edges(since, LINE["spare"]) if e.level), None), limit + 10)
    bench.within("fault LED after", first - since, limit)
    pins.wait("dark happy LED", lambda: LINE["happy"] not in pins.lit(), 2)


def wait_happy(bench: Bench, since: float, limit: float = RETURN) -> None:
    lit = bench.board.pins.wait_lit({LINE["happy"]}, limit + 20, steady=0.7)
    bench.within("happy LED again after", lit - since, limit)


def faulty_run(bench: Bench) -> Run:
    return bench.happy_run(bench.lights(spare="fault", oled=True))


@scenario("replug-other-node", "webcam unplugged in mid-stream: fault; replugged as another node: the emotion again", "faults")
def replug_other_node(bench: Bench):
    board = bench.board
    run = faulty_run(bench)
    before = board.wait_video_node(10)
    # Whoever holds the old node keeps its number taken.
    holder = board.agent.start(f"exec 9<{before}; exec sleep 60")
    try:
        board.agent.run("sleep 0.3")
        wait_fault(bench, board.unplug())
        flash_pattern(bench)
        plugged = board.plug()
        wait_happy(bench, plugged)
        after = [file for file in run.open_files() if file.startswith("/dev/video")]
        bench.expect(len(after) == 1 and before not in after, f"the camera was {before} and is {after}")
    finally:
        board.agent.run("killall sleep", check=False)
        holder.wait(10)
    wait_fault(bench, board.unplug())
    wait_happy(bench, board.plug())
    bench.expect(before in run.open_files(), f"with {before} free again, the camera is there")


def flash_pattern(bench: Bench) -> None:
    """Two flashes of 120 ms, 300 ms apart, every 1.4 s, as the meter sees it (±100 ms: the emulated scheduler's)."""
    pins, began = bench.board.pins, bench.board.now()

    def five_rises():
        rises = [edge.at for edge in pins.edges(began, LINE["spare"]) if edge.level]
        return rises if len(rises) >= 5 else None
    rises = pins.wait("five flashes", five_rises, 8)
    gaps = sorted(later - earlier for earlier, later in zip(rises, rises[1:]))
    short, long = gaps[len(gaps) // 2 - 1], gaps[-1]
    bench.expect(abs(short - 0.3) < 0.1 and abs(long - 1.1) < 0.15, f"double flashes: gaps {', '.join(f'{gap:.2f}' for gap in gaps)} s")


@scenario("never-delivers", "a camera that is there and delivers nothing: fault; it delivers: the emotion", "faults")
def never_delivers(bench: Bench):
    board = bench.board
    faulty_run(bench)
    board.webcam.stalled = True
    wait_fault(bench, board.note("camera stalls", "usb"))
    board.agent.run("sleep 4", 10)
    board.webcam.stalled = False
    wait_happy(bench, board.note("camera delivers", "usb"), RETURN)


@scenario("corrupt-frames", "every other frame cut, empty or garbled: the light stays; all of them: fault; good ones: the emotion", "faults")
def corrupt_frames(bench: Bench):
    board = bench.board
    run = faulty_run(bench)
    kinds = [lambda frame: frame[:len(frame) // 3], lambda frame: frame[:16], lambda frame: b"\xff\xd8" + b"\xa5" * 4000 + b"\xff\xd9",
             lambda frame: frame[:700] + bytes(len(frame) - 700), lambda frame: frame[:2]]

    def every_other(frame: bytes, number: int) -> bytes:
        return kinds[number // 2 % len(kinds)](frame) if number % 2 else frame
    began = board.note("every other frame is corrupt", "usb")
    sent = board.webcam.frames_sent
    board.webcam.mangle = every_other
    board.wait_for("frames", lambda: board.webcam.frames_sent - sent >= 24, 40)
    bench.expect(not board.pins.edges(began), "no LED changed over 24 frames, half of them corrupt")
    board.webcam.mangle = lambda frame, number: kinds[number % len(kinds)](frame)
    wait_fault(bench, board.note("every frame is corrupt", "usb"))
    board.webcam.mangle = None
    wait_happy(bench, board.note("frames are good again", "usb"))
    bench.expect(run.alive, "moodlight runs on")


@scenario("other-format", "the camera comes back with another frame size: the emotion again", "faults")
def other_format(bench: Bench):
    board = bench.board
    faulty_run(bench)
    wait_fault(bench, board.unplug())
    board.agent.run("sleep 1")  # the kernel has its work with the first before the second comes
    board.webcam.describe(320, 240)
    bench.show(committed("happy_small"))
    try:
        wait_happy(bench, board.plug())
    finally:
        board.unplug()
        board.webcam.describe(640, 480)


@scenario("camera-busy", "the camera is in use at start: fault that says so; let go: the emotion", "faults")
def camera_busy(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    bench.ensure_plugged()
    bench.show(committed("happy"))
    node = board.wait_video_node(10)
    user = board.agent.start(f"exec v4l2-ctl -d {node} --set-fmt-video=pixelformat=MJPG --stream-mmap --stream-count=100000 --stream-to=/dev/null")
    board.agent.run("sleep 1")
    run = firmware.start(bench.lights(spare="fault", oled=True), "--best-effort")
    fault = run.wait_event("fault", lambda e: e["event"] == "fault", 90)
    bench.expect(fault["what"] == "camera" and node in fault["detail"], f"the fault names the node: {fault['detail']}")
    wait_fault(bench, board.now(), 3)
    board.agent.run("killall v4l2-ctl")
    user.wait(10)
    # The camera is tried again after at most 5 s (the back-off's longest pause): nobody tells of a camera that was let go.
    wait_happy(bench, board.note("camera let go", "usb"), RETURN + 5)


@scenario("gpio-busy", "a line that another program holds: refused at start, the line and its holder named", "faults")
def gpio_busy(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    bench.ensure_plugged()
    holder = board.agent.start("exec gpioset --mode=signal gpiochip0 4=0")
    board.agent.run("sleep 0.5")
    try:
        run = firmware.start(bench.lights(spare="fault"))
        code = run.wait_exit(90)
        said = run.log_tail()
        bench.expect(code == 1, "exit code 1")
        bench.expect("gpioset" in said and "sad" in said.lower(), f"the message names holder and line: {said.strip().splitlines()[-1]}")
        bench.expect(not board.pins.lit(), "all pins are off")
    finally:
        board.agent.run("killall gpioset")
        holder.wait(10)


@scenario("refused-at-start", "what the board lacks is refused at start with the list of what there is", "faults")
def refused_at_start(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    bench.ensure_plugged()
    node = board.wait_video_node(10)
    metadata = node[:-1] + str(int(node[-1]) + 1)
    plain = bench.lights(spare="fault")
    cases = [
        ("a metadata node", bench.lights(source=f"v4l2:{metadata}"), ["metadata", node]),
        ("a node that is not there", bench.lights(source="v4l2:/dev/video77"), ["/dev/video77", node]),
        ("a line that is not there", plain.replace('"HAPPY"', '"NOPE"'), ["NOPE", "HAPPY"]),
        ("a bus that is not there", plain + '[oled]\nbus = "/dev/i2c-7"\n', ["/dev/i2c-7", "/dev/i2c-1"]),
        ("a mode that the screen lacks", plain + '[screen]\nmode = "643x217"\n', ["643x217", "640x480"]),
        ("a watchdog that is not there", plain + '[watchdog]\ndevice = "/dev/watchdog7"\ntimeout_ms = 10000\n', ["/dev/watchdog7"]),
    ]
    for what, text, words in cases:
        run = firmware.start(text)
        code = run.wait_exit(60)
        said = next((line for line in reversed(run.log.read_text().splitlines()) if line.startswith("moodlight: ")), "")
        bench.expect(code == 1 and all(word in said for word in words), f"{what}: {said}")
        bench.expect(not board.pins.lit(), "all pins are off")


@scenario("oled-away", "the OLED falls off the bus: LEDs go on; it returns blank: the page is on it again", "faults")
def oled_away(bench: Bench):
    board = bench.board
    run = faulty_run(bench)
    absent = "/sys/module/vssd1306/parameters/absent"
    board.agent.run(f"echo 1 > {absent}")
    at = board.note("OLED off the bus", "oled")
    bench.show(committed("nobody"))
    run.wait_event("fault of the OLED", lambda e: e["event"] == "fault" and "i2c" in e["what"].lower() + e["detail"].lower(), 20)
    board.pins.wait("beat of the neutral LED", lambda: [e for e in board.pins.edges(at, LINE["neutral"]) if e.level], 20)
    bench.expect(True, "the LEDs follow while the OLED is away")
    board.agent.run(f"echo 0 > {absent}")
    at = board.note("OLED back, blank", "oled")
    bench.show(committed("happy"))
    board.wait_for("page on the OLED", lambda: not board.oled().blank(), 15)
    bench.within("page on the OLED again after", board.now() - at, 6)


@scenario("hundred-replugs", "a hundred quick replugs leave no file open and no memory behind", "faults")
def hundred_replugs(bench: Bench):
    board = bench.board
    run = faulty_run(bench)
    replug(bench, 5)
    faulty_run(bench)
    files, memory = len(run.open_files()), run.resident_kib()
    replug(bench, 100)
    faulty_run(bench)
    bench.expect(run.alive, "moodlight runs on")
    after, memory_after = len(run.open_files()), run.resident_kib()
    bench.expect(after == files, f"open files: {files} before, {after} after")
    bench.expect(memory_after - memory < 4096, f"resident memory: {memory} KiB before, {memory_after} KiB after")


def replug(bench: Bench, times: int) -> None:
    """Pulls the cable before, while and after the camera is opened: a different moment each time."""
    board = bench.board
    for number in range(times):
        board.webcam.unplug()
        board.agent.run(f"sleep 0.{number % 3}")
        board.webcam.plug()
        board.agent.run(f"sleep 0.{1 + number % 7}")


@scenario("mute-button", "the button closes the camera, the LEDs say so, also after a new start, and again opens it", "faults")
def mute_button(bench: Bench):
    board = bench.board
    bench.firmware.stop()
    board.float_pin(LINE["spare"])
    board.machine.drive_pin(LINE["spare"], True)
    board.agent.run("mkdir -p /var/lib/moodlight")
    text, service = bench.lights(spare="mute_button", oled=True), "--service --best-effort"
    bench.firmware.start(text, service).wait_started()
    run = bench.happy_run(text)
    if "moodlight" not in board.agent.run("gpioinfo gpiochip0 | grep SPARE"):
        raise Skipped("this moodlight does not take the mute button's line")
    began = press(bench)
    board.pins.wait("dark happy LED", lambda: LINE["happy"] not in board.pins.lit(), 5)
    board.wait_for("closed camera", lambda: not [f for f in run.open_files() if f.startswith("/dev/video")], 5)
    bench.within("camera closed and LED changed after the press", board.now() - began, 3)
    triple_flash(bench)
    board.agent.run("sleep 3")
    bench.expect(not [f for f in run.open_files() if f.startswith("/dev/video")], "it stays closed")
    run = bench.firmware.start(text, service)
    run.wait_event("muted", lambda event: event["event"] == "state" and event["to"] == "muted", 90)
    triple_flash(bench)
    bench.expect(not [f for f in run.open_files() if f.startswith("/dev/video")], "a new start leaves it closed")
    wait_happy(bench, press(bench))
    bench.firmware.stop()
    board.agent.run("rm -r /var/lib/moodlight")
    board.float_pin(LINE["spare"])


def triple_flash(bench: Bench) -> None:
    """Muted has a pattern of its own: three flashes of the neutral LED, 240 ms apart (±60 ms: the emulated scheduler's)."""
    pins, began = bench.board.pins, bench.board.now()

    def three_in_a_row():
        rises = [edge.at for edge in pins.edges(began, LINE["neutral"]) if edge.level]
        rows = [rises[i:i + 3] for i in range(len(rises) - 2)]
        return next(([b - a, c - b] for a, b, c in rows if c - a < 1), None)
    gaps = pins.wait("three flashes in a row", three_in_a_row, 10)
    bench.expect(all(abs(gap - 0.24) < 0.06 for gap in gaps), f"triple flash: gaps {', '.join(f'{gap:.2f}' for gap in gaps)} s")
    bench.expect(not pins.edges(began, LINE["angry"]), "it is not shown as a fault")


def press(bench: Bench) -> float:
    """A contact to ground that bounces once and is held for 150 ms."""
    machine, at = bench.board.machine, bench.board.note("button pressed", "button")
    machine.bounce_pin(LINE["spare"], [False, True, False])
    bench.board.agent.run("usleep 150000")
    machine.drive_pin(LINE["spare"], True)
    return at
