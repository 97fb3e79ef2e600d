"""Group `card`: the SD card image boots by itself to the light and the page, and no power cut keeps it from doing so again."""
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

from harness.bench import Bench, Skipped, scenario
from harness.card import Card, CardBoard, made_image
from harness.firmware import COLOUR, LINE
from harness.pictures import committed

# From power-on to the first light, seconds of a software-emulated board on a shared machine; a real one needs a tenth.
FIRST_LIGHT = 420


def card_for(bench: Bench, folder: Path) -> Card:
    made = made_image(bench.root)
    if made is None:
        raise Skipped("no image: board/build aarch64, board/deb aarch64, board/image/build virt")
    return Card(made, folder / "card.img")


def start(bench: Bench, card: Card, name: str) -> CardBoard:
    return CardBoard(bench.image, card, bench.artefacts, name, [committed("happy")])


def until_light(board: CardBoard) -> float:
    board.pins.wait("light on the happy pin", lambda: LINE["happy"] in board.pins.lit(), FIRST_LIGHT)
    return board.now()


@scenario("image", "a written card, plugged in: the happy LED and the page with nobody typing; power cuts do not keep it from coming again", "card")
def image(bench: Bench):
    with tempfile.TemporaryDirectory(prefix="vboard-card-") as folder:
        card = card_for(bench, Path(folder))
        first_start(bench, card)
        power_cuts(bench, card, count=5, seed=6)


@scenario("powercut", "50 power cuts at random moments of start and run: it always comes again", "hand")
def powercut(bench: Bench):
    with tempfile.TemporaryDirectory(prefix="vboard-card-") as folder:
        power_cuts(bench, card_for(bench, Path(folder)), count=50, seed=50)


def first_start(bench: Bench, card: Card) -> None:
    board = start(bench, card, "first")
    try:
        light = until_light(board)
        bench.within("from power-on to the first light", light, FIRST_LIGHT)
        bench.expect(board.pins.lit() == {LINE["happy"]}, "the happy LED is lit, alone")
        # The page is drawn after the LED; emulated, that takes a moment.
        end = board.now() + 30
        while (screen := board.screen()).share_of(COLOUR["happy"]) < 0.005 and board.now() < end:
            time.sleep(1)
        screen.save(bench.artefacts / "screen-card.png")
        bench.expect(screen.share_of(COLOUR["happy"]) > 0.005, "the page is on the screen")
        state = board.ask("systemctl is-system-running --wait; systemctl --failed --no-legend --plain | cut -d' ' -f1")
        bench.expect(state.split("\n")[0] == "running", f"systemd says: {state}")
        bench.marks.append(board.ask("systemd-analyze time | head -n 1"))
        bench.marks.append("moodlight's own start: " + board.ask(
            "systemctl show moodlight -p ExecMainStartTimestampMonotonic -p ActiveEnterTimestampMonotonic --value | paste -sd' ' | "
            "awk '{printf \"%.1f s to READY\", ($2 > $1 ? $2 - $1 : $1 - $2) / 1e6}'"))
        root = board.ask("findmnt -no OPTIONS /").split(",")
        bench.expect("ro" in root, "the system is read-only")
        grown = int(board.ask("df --output=size -m /data | tail -n 1"))
        bench.expect(grown > 256, f"the data partition has grown, to {grown} MiB")
        name, identity = board.ask("hostname"), board.ask("cat /etc/machine-id")
        bench.expect(name == f"moodlight-{identity[:6]}", f"it has a name of its own: {name}")
        checks = {c["check"]: c for c in json.loads(board.ask("moodlight doctor --json").splitlines()[-1])}
        bad = [f"{c['check']}: {c['found']}" for c in checks.values() if c["status"] == "fail"]
        bench.expect(not bad, f"doctor finds nothing broken {bad or ''}")
        bench.expect(checks["service"]["status"] == "ok", f"doctor on the service: {checks['service']['found']}")
    finally:
        board.pull_the_plug()
    bench.expect(card.check() == "", f"the file systems are clean after the plug was pulled {card.check()}")


def power_cuts(bench: Bench, card: Card, count: int, seed: int) -> None:
    """Each time: on, off after a random while, on again until it lights."""
    moments = random.Random(seed)
    for number in range(count):
        after = moments.uniform(2, 90)
        board = start(bench, card, "cut")
        try:
            board.machine.process.wait(after)
            raise AssertionError(f"cut {number}: the machine ended by itself:\n{board.machine.console[-1000:]}")
        except subprocess.TimeoutExpired:
            pass
        board.pull_the_plug()
        bad = card.check()
        bench.expect(bad == "", f"cut {number + 1} after {after:.0f} s: the file systems are clean {bad}")
    board = start(bench, card, "after-cuts")
    try:
        bench.within(f"the light after {count} cuts", until_light(board), FIRST_LIGHT)
    finally:
        board.pull_the_plug()
