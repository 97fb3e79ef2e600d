"""Group `doctor`: the doctor on the board: all well, then one thing broken at a time, each named with what to do."""
import json

from harness.bench import Bench, scenario
from harness.firmware import HOME

CONFIG = "/run/doctor.toml"
MODELS = "/run/doctor-models"


def examine(bench: Bench, models: str = MODELS, as_guest: bool = False) -> dict[str, dict]:
    """All checks by name."""
    program = "start-stop-daemon -S -c 1000:1000 -x ./moodlight --" if as_guest else "./moodlight"
    script = f"cd {HOME}; export MOODLIGHT_MODELS={models} MOODLIGHT_STATE=/run/doctor-state; {program} doctor --json --board virt --config {CONFIG}; true"
    said = bench.board.agent.run(script, 120)
    return {check["check"]: check for check in json.loads(said.strip().splitlines()[-1])}


def named(bench: Bench, checks: dict, name: str, status: str, *words: str) -> None:
    check = checks[name]
    text = " ".join([check["found"], check["advice"], *check.get("fix", [])])
    missing = [word for word in words if word not in text]
    bench.expect(check["status"] == status and not missing, f"{name} is {check['status']}: {text[:160]}{f' (without {missing})' if missing else ''}")


@scenario("doctor", "all well; then camera away, line busy, no rights, a flipped bit of the model: each named with its advice", "doctor")
def doctor(bench: Bench):
    board = bench.board
    bench.firmware.stop()
    bench.ensure_plugged()
    bench.show(bench.happy())
    board.wait_video_node(20)
    board.write("doctor.toml", bench.lights(oled=True))
    # The folder with what this board uses, and a manifest that lists no more.
    board.agent.run(f"cp /share/doctor.toml {CONFIG}; rm -rf {MODELS}; cp -r {HOME}/models {MODELS}; mkdir -p /run/doctor-state", 60)

    checks = examine(bench)
    for name in ("camera", "camera_nodes", "pins", "i2c", "display", "models", "self_test", "permissions", "config", "kernel"):
        bench.expect(checks[name]["status"] == "ok", f"{name}: {checks[name]['found'][:140]}")

    board.unplug()
    named(bench, examine(bench), "camera", "fail", "/dev/video0", "lsusb")
    board.plug()
    board.wait_video_node(20)

    holder = board.agent.start("exec gpioset --mode=time --sec=60 gpiochip0 3=0")
    board.agent.run("sleep 0.5")
    named(bench, examine(bench), "pins", "fail", "happy", "gpioset")
    board.agent.run("killall gpioset", check=False)
    holder.wait(10)

    board.agent.run("echo 'guest:x:1000:1000::/:/bin/sh' > /etc/passwd; printf 'root:x:0:\\nvideo:x:44:\\n' > /etc/group; "
                    "chown 0:44 /dev/video0; chmod 660 /dev/video0 /dev/gpiochip0; chmod 755 /run/moodlight /run/doctor-models")
    checks = examine(bench, as_guest=True)
    named(bench, checks, "camera", "fail", "no permission", "usermod -aG video")
    named(bench, checks, "permissions", "warn", "guest may not open", "/dev/video0 (group video)")

    model = f"{bench.firmware.parts.classifier}.onnx"  # the one that is tested: another's flaw is no matter of the self-test
    board.agent.run(f"printf '\\377' | dd of={MODELS}/{model} bs=1 seek=1000000 conv=notrunc 2>/dev/null")
    checks = examine(bench)
    named(bench, checks, "models", "fail", model, "sha256", "reinstall")
    named(bench, checks, "self_test", "fail", "sha256")


@scenario("heat", "nearly too hot, too hot: the doctor says so and what helps; moodlight looks less often before the kernel slows down", "doctor")
def heat(bench: Bench):
    board = bench.board
    bench.firmware.stop()
    bench.ensure_plugged()
    bench.show(bench.happy())
    board.write("doctor.toml", bench.lights())
    board.agent.run(f"cp /share/doctor.toml {CONFIG}; mkdir -p /run/doctor-state; insmod /vthermal.ko")
    try:
        for celsius, status, words in ((45, "ok", ["cpu-thermal", "45.0", "80"]), (77, "warn", ["nearly too hot", "heat sink"]), (85, "fail", ["too hot"])):
            warm(bench, celsius)
            named(bench, examine(bench, models=f"{HOME}/models"), "temperature", status, *words)
        warm(bench, 45)
        bench.firmware.stop()
        run = bench.happy_run(bench.lights(spare="fault"))
        bench.expect(not [e for e in run.events() if e["event"] == "heat"], "at 45 °C every frame is looked at")
        at = warm(bench, 79)
        event = run.wait_event("heat in the trace", lambda e: e["event"] == "heat", 10)
        bench.within("moodlight looks less often after", board.now() - at, 4.0)
        bench.expect(event["frames_per_second"] == 2, f"the trace says so: {event}")
    finally:
        bench.firmware.stop()
        board.agent.run("rmmod vthermal", check=False)


def warm(bench: Bench, celsius: int) -> float:
    bench.board.agent.run(f"echo {celsius * 1000} > /sys/module/vthermal/parameters/millidegrees")
    return bench.board.note(f"{celsius} °C", "heat")
