"""Groups `stops` and `end`: whatever ends moodlight, no light stays on."""
from harness.bench import Bench, scenario
from harness.firmware import COLOUR, LINE


@scenario("sigterm", "SIGTERM: within 1 s all pins are off, the OLED is blank and the exit code is 143", "stops")
def sigterm(bench: Bench):
    board = bench.board
    run = bench.happy_run(bench.lights(spare="fault", oled=True))
    at = run.signal("TERM")
    code = run.wait_exit(15)
    bench.within("ended after", run.job.ended - at, 1.0)
    dark = [edge.at for edge in board.pins.edges(at, LINE["happy"]) if not edge.level]
    bench.expect(bool(dark) and not board.pins.lit(), "all pins are off")
    bench.within("happy LED off after", dark[0] - at, 1.0)
    bench.expect(board.oled().blank(), "the OLED is blank")
    bench.expect(max(board.screen().share_of(colour) for colour in COLOUR.values()) < 0.005, "no mood is left on the screen")
    bench.expect(code == 143, f"exit code {code}")


@scenario("sigkill", "SIGKILL leaves the light; `outputs-off`, as the service calls it, puts all of them out", "stops")
def sigkill(bench: Bench):
    board, firmware = bench.board, bench.firmware
    text = bench.lights(spare="fault", oled=True)
    run = bench.happy_run(text)
    run.signal("KILL")
    run.wait_exit(10)
    board.write("outputs-off.toml", text)
    at = board.note("outputs-off")
    if bench.sabotage != "outputs-off":
        job = firmware.command("outputs-off --board virt --config /share/outputs-off.toml", 30)
        bench.expect(job.code == 0, f"outputs-off ends with 0 {job.output().strip()}")
    board.pins.wait("dark pins", lambda: not board.pins.lit(), 3)
    bench.within("all pins off after", board.now() - at, 3.0)
    bench.expect(board.oled().blank(), "the OLED is blank")


@scenario("panic", "a panic in the thread that captures, that sees or that has the lights: within 1 s all pins are off, the OLED is blank, exit code 1", "stops")
def panic(bench: Bench):
    board = bench.board
    for thread, name in (("capture", "capturing"), ("seeing", "seeing"), ("moodlight", "lights'")):
        run = bench.happy_run(bench.lights(spare="fault", oled=True))
        job = board.agent.start(f"exec break_clock $(cat /run/moodlight-{run.number}.pid) {thread}", 20).wait(30)
        bench.expect(job.code == 0, f"the {name} thread is told that there is no clock: {job.output().strip()}")
        board.timeline.add(job.ended, "hand", f"no clock for the {name} thread")
        code = run.wait_exit(15)
        bench.expect("panicked" in run.log_tail(), f"the {name} thread panicked")
        bench.within(f"ended after the panic of the {name} thread", run.job.ended - job.ended, 1.0)
        bench.expect(not board.pins.lit() and board.oled().blank(), "all pins are off, the OLED is blank")
        bench.expect(code == 1, f"exit code {code}")


@scenario("watchdog-bites", "the thread that sees is stuck: the hardware watchdog resets the board within its time-out", "end")
def watchdog_bites(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    board.agent.run("modprobe i6300esb && while [ ! -c /dev/watchdog0 ]; do sleep 0.05; done")
    run = bench.happy_run(bench.lights(spare="fault", extra='[watchdog]\ndevice = "/dev/watchdog0"\ntimeout_ms = 10000\n'))
    board.agent.run("sleep 12", 20)
    bench.expect(run.alive and board.machine.qmp("query-status")["running"], "12 s of work are no reason to bite")
    board.agent.start(f"freeze_thread $(cat /run/moodlight-{run.number}.pid) seeing 60")
    at = board.note("the seeing thread is stopped")
    bitten = board.now(board.machine.wait_event("WATCHDOG", 30))
    board.timeline.add(bitten, "watchdog", "reset")
    bench.within("reset after", bitten - at, 10.5)
