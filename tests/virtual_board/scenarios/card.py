"""Group `card`: the SD card image boots by itself to the light and the page, and no power cut keeps it from doing so again."""
import base64
import json
import os
import random
import tempfile
import time
from pathlib import Path

from harness.bench import Bench, Skipped, scenario
from harness.card import PASSWORD, Card, CardBoard, made_image
from harness.firmware import COLOUR, LINE
from harness.pictures import committed
from harness.raspi import RaspiCardBoard

# From power-on to the first light, seconds of a software-emulated board on a shared machine; a real one needs a tenth.
FIRST_LIGHT = 420
# moodlight's part of a start: from its first instruction to the light and READY, seconds on the virtual board.
OWN_START = 1.5
# What systemd says when the service has told it READY.
READY = "Started moodlight.service"
MODELS = "/usr/share/moodlight/models"


def card_for(bench: Bench, folder: Path, board: str = "virt", **options) -> Card:
    made = made_image(bench.root, board)
    if made is None:
        raise Skipped(f"no image: board/build aarch64, board/deb aarch64, board/image/build {board}")
    return Card(made, folder / "card.img", **options)


# A wireless network: what the owner lays on the card, and the other end of it, on a simulated radio of the board's own.
NETWORK = 'ssid="light room"\npsk="a light for a face"\n'
LAID = "country=DE\r\nnetwork={\r\n" + NETWORK.replace("\n", "\r\n") + "}\r\n"
ROUTER = "[Match]\nName=wlan1\n[Network]\nAddress=10.5.5.1/24\nDHCPServer=yes\n"
ACCESS_POINT = "network={\nmode=2\nfrequency=2412\nkey_mgmt=WPA-PSK\n" + NETWORK + "}\n"


def open_console(card: Card) -> None:
    card.lay("console-password.txt", PASSWORD + "\n")


def start(bench: Bench, card: Card, name: str, **options) -> CardBoard:
    return CardBoard(bench.image, card, bench.artefacts, name, [committed("happy")], **options)


def until_light(board: CardBoard) -> float:
    board.pins.wait("light on the happy pin", lambda: LINE["happy"] in board.pins.lit(), FIRST_LIGHT)
    return board.now()


@scenario("image", "a written card, plugged in: the happy LED and the page with nobody typing; power cuts do not keep it from coming again", "card")
def image(bench: Bench):
    with tempfile.TemporaryDirectory(prefix="vboard-card-") as folder:
        card = card_for(bench, Path(folder))
        bench.expect(card.shadow().startswith("root:*:"), "as written, the card lets nobody log in")
        open_console(card)
        card.lay("wpa_supplicant.conf", LAID)
        first_start(bench, card)
        second_start(bench, card)
        power_cuts(bench, card, count=5, seed=6)


@scenario("powercut", "power cuts at random moments of start, run and model install ($POWERCUTS, 50): it always comes again", "hand")
def powercut(bench: Bench):
    count, seed = int(os.environ.get("POWERCUTS", "50")), int(os.environ.get("POWERCUT_SEED", random.randrange(10000)))
    print(f"powercut: {count} cuts, POWERCUT_SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="vboard-card-") as folder:
        card = card_for(bench, Path(folder))
        open_console(card)
        power_cuts(bench, card, count, seed)


@scenario("pi-card", "the Raspberry Pi's card on the Raspberry Pi 3 model: it starts from the slot until the service is ready, and says so on the serial line", "hand")
def pi_card(bench: Bench):
    with tempfile.TemporaryDirectory(prefix="vboard-card-") as folder:
        # The model's slot takes sizes that are powers of two.
        card = card_for(bench, Path(folder), "rpi4", size=1 << 30)
        files = card.on_fat()
        lacking = {"bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat", "config.txt", "cmdline.txt", "vmlinuz",
                   "initrd.img", "bcm2837-rpi-3-b.dtb", "bcm2711-rpi-4-b.dtb"} - set(files)
        bench.expect(not lacking, f"what the Pi's firmware reads lies on the FAT partition {lacking or ''}")
        board = RaspiCardBoard(bench.image, card, bench.artefacts)
        try:
            bench.within("from power-on to the service's READY on the serial line", board.wait_said(READY, FIRST_LIGHT), FIRST_LIGHT)
            board.pins.wait("light on any pin", board.pins.lit, 60)
            bench.marks.append(f"a light: {board.pins.describe()}, {board.now():.0f} s after power-on")
        finally:
            board.pull_the_plug()
        bad = card.check()
        bench.expect(bad == "", f"the file systems are clean after the plug was pulled {bad}")


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
        bench.expect(board.refuses(""), "no log-in without the password")
        state = board.ask("systemctl is-system-running --wait; systemctl --failed --no-legend --plain | cut -d' ' -f1")
        bench.expect(state.split("\n")[0] == "running", f"systemd says: {state}")
        split_of(bench, board, "the first start")
        root = board.ask("findmnt -no OPTIONS /").split(",")
        bench.expect("ro" in root, "the system is read-only")
        grown = int(board.ask("df --output=size -m /data | tail -n 1"))
        bench.expect(grown > 256, f"the data partition has grown, to {grown} MiB")
        name, identity = board.ask("hostname"), board.ask("cat /etc/machine-id")
        bench.expect(name == f"moodlight-{identity[:6]}", f"it has a name of its own: {name}")
        checks = doctor(board)
        bad = [f"{c['check']}: {c['found']}" for c in checks.values() if c["status"] == "fail"]
        bench.expect(not bad, f"doctor finds nothing broken {bad or ''}")
        bench.expect(checks["service"]["status"] == "ok", f"doctor on the service: {checks['service']['found']}")
        left = {"console-password.txt", "wpa_supplicant.conf"} & set(board.ask("ls /boot/firmware").split())
        bench.expect(not left, f"the files with passwords are gone {left or ''}")
        joins(bench, board)
    finally:
        board.pull_the_plug()
    bench.expect(card.check() == "", f"the file systems are clean after the plug was pulled {card.check()}")


def second_start(bench: Bench, card: Card) -> None:
    """As every later one: the card has grown, the board is remembered. The camera comes when all has started: the first one ever plugged
    in loads the kernel's video modules, which the service was started without."""
    board = start(bench, card, "second", plugged=False)
    try:
        # To log in is work too; it waits for the light (the fault pattern: there is no camera), so that it does not delay what is measured.
        board.pins.wait("any light", board.pins.lit, FIRST_LIGHT)
        bench.expect(board.ask("systemctl is-system-running --wait") == "running", "it starts a second time, without a camera")
        bench.within("moodlight's own part of a start", split_of(bench, board, "a start"), OWN_START, board.pace)
        board.webcam.plug()
        at = board.now()
        bench.marks.append(f"light {until_light(board) - at:.1f} s after the first camera was plugged in")
    finally:
        board.pull_the_plug()


def split_of(bench: Bench, board: CardBoard, what: str) -> float:
    """Notes how long the parts of the start took; returns moodlight's own."""
    kernel, systemd, own = board.start_split()
    bench.marks.append(f"{what}: kernel {kernel:.1f} s, systemd {systemd:.1f} s, moodlight {own:.2f} s to its light and READY")
    return own


def writing(text: str, file: str) -> str:
    """The command that writes a file, whatever quotes it holds."""
    return f"echo {base64.b64encode(text.encode()).decode()} | base64 -d > {file}"


def doctor(board: CardBoard) -> dict[str, dict]:
    """What the board's doctor finds, by check."""
    return {c["check"]: c for c in json.loads(board.ask("moodlight doctor --json").splitlines()[-1])}


def joins(bench: Bench, board: CardBoard) -> None:
    """The board joins the network that was laid on the card, as soon as it has a radio."""
    board.ask("modprobe mac80211_hwsim radios=2")
    board.ask(f"mkdir -p /run/systemd/network; {writing(ROUTER, '/run/systemd/network/wlan1.network')}; networkctl reload")
    board.ask(f"{writing(ACCESS_POINT, '/tmp/ap.conf')}; wpa_supplicant -B -i wlan1 -c /tmp/ap.conf")
    address, end = "", board.now() + 90
    while not address and board.now() < end:
        time.sleep(2)
        address = board.ask("networkctl --no-legend --no-pager status wlan0 | grep -o '10[.]5[.]5[.][0-9]*' | head -n 1")
    bench.expect(address != "", f"it is in the network that was laid on the card, as {address or board.ask('networkctl; wpa_cli -i wlan0 status')}")


@scenario("data-gone", "the data partition is beyond repair: the light comes up all the same, and doctor says so", "card")
def data_gone(bench: Bench):
    with tempfile.TemporaryDirectory(prefix="vboard-card-") as folder:
        card = card_for(bench, Path(folder))
        open_console(card)
        board = start(bench, card, "whole")
        try:
            until_light(board)
            board.ask("true")  # logged in: the password was taken
        finally:
            board.pull_the_plug()
        card.wear_out_data()
        board = start(bench, card, "data-gone")
        try:
            bench.within("from power-on to the light without the data partition", until_light(board), FIRST_LIGHT)
            failed = board.ask("systemctl --failed --no-legend --plain | cut -d' ' -f1").split()
            bench.marks.append(f"systemd calls failed: {', '.join(failed) or 'nothing'}")
            checks = doctor(board)
            bench.expect(checks["disk"]["status"] == "fail", f"doctor on the disk: {checks['disk']['found']}")
            bench.expect(checks["service"]["status"] == "ok", f"doctor on the service: {checks['service']['found']}")
        finally:
            board.pull_the_plug()


def power_cuts(bench: Bench, card: Card, count: int, seed: int) -> None:
    """Each time: on, off after a random while of its start, its run or the install of a model, on again until it lights."""
    chance, kind = random.Random(seed), ""
    for number in range(1, count + 1):
        # After a start that was cut off it may come to the light; so each cut is followed by a start that must.
        kind = chance.choice(["run", "install"] if kind == "start" else ["start", "run", "install"])
        board = start(bench, card, "cut")
        try:
            when = cut_moment(board, kind, chance)
            if board.machine.process.poll() is not None:
                raise AssertionError(f"cut {number}: the machine ended by itself:\n{board.machine.console[-1000:]}")
        finally:
            board.pull_the_plug()
        bad = card.check()
        bench.expect(bad == "", f"cut {number}, {when}: the file systems are clean {bad}")
        print(f"    cut {number}, {when}", flush=True)
    board = start(bench, card, "after-cuts")
    try:
        bench.within(f"the light after {count} cuts", until_light(board), FIRST_LIGHT)
    finally:
        board.pull_the_plug()


def cut_moment(board: CardBoard, kind: str, chance: random.Random) -> str:
    """Waits for the moment at which the power shall fail; says in words which that is."""
    if kind == "start":
        after = chance.uniform(2, 90)
        time.sleep(after)
        return f"{after:.0f} s after power-on"
    light = until_light(board)
    after = chance.uniform(0, 20)
    if kind == "install":
        board.ask("true")
        board.begin(f"moodlight model install {MODELS}/{chance.choice(['vgg-int8', 'vgg-compact-int8'])}.onnx")
    time.sleep(after)
    return f"{after:.1f} s into {'a model install' if kind == 'install' else 'the run'}, lit {light:.0f} s after power-on"
