"""Group `lights`: pictures before the camera come out as light, on pins, OLED and screen."""
import json
import struct
from pathlib import Path

from harness.bench import Bench, scenario
from harness.firmware import COLOUR, EMOTIONS, HOME, LINE, SCAN
from harness.panels import Oled
from harness.pictures import committed, on_wall, shared_faces, validation_faces

# [decision] of the product, in seconds: how long a state must hold before the light follows.
DWELL, HOLD = 0.6, 1.0
# What the emulated machine adds to a decision: the frame that is under way, and the one that shows the new picture.
FRAMES_UNDER_WAY = 2
# What the emulated scheduler may add to any reaction, beyond the looks themselves, in seconds.
SLACK = 0.4
# A score that the decision takes for certain, with room to spare, and how many faces of a class are looked through for one.
CLEAR, CANDIDATES = 0.6, 40
# The int8 models that a board runs, by name.
CLASSIFIERS = ["vgg-int8", "vgg-compact-int8", "vgg-light-int8"]


def gaps(run, since_ms: float = 0, nobody: bool = False) -> list[float]:
    """Seconds between frames that were worked through, in order: a look each, since the next frame is there before it ends. With
    `nobody` only looks that found no face: searches."""
    frames = [event for event in run.events() if event["event"] == "frame" and event["t_ms"] >= since_ms]
    return [(later["t_ms"] - earlier["t_ms"]) / 1000 for earlier, later in zip(frames, frames[1:]) if not nobody or later["faces"] == 0]


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def farewell(bench: Bench, longest: float, search: float) -> float:
    """The latest that a light goes out after its face has left: a look is under way, perhaps the longest kind, the next one misses
    the face, and the hold counts from there."""
    return HOLD + SLACK + 1 / bench.board.webcam.fps + longest + search


def frame_seconds(run) -> float:
    """Time between two frames that are worked through, the median of the last ones."""
    return median(gaps(run)[-11:])


@scenario("happy-led", "a happy face lights the happy LED, and no other, within the decision's dwell", "lights")
def happy_led(bench: Bench):
    board = bench.board
    bench.ensure_plugged()
    bench.show(committed("nobody"))
    run = bench.firmware.running(bench.lights(spare="fault", oled=True))
    board.pins.wait("beat of the neutral LED", lambda: LINE["neutral"] in board.pins.lit(), 30)
    board.wait_for("looks at nobody", lambda: len(gaps(run)) >= 3, 30)
    frame = frame_seconds(run)
    began = bench.show(bench.happy())
    lit = board.pins.wait_lit({LINE["happy"]}, 20, steady=1.0)
    bench.marks.append(f"a frame takes {frame:.2f} s on this emulated machine")
    bench.within("happy LED after the picture changed", lit - began, DWELL + SLACK + FRAMES_UNDER_WAY * (frame + 1 / board.webcam.fps))
    bench.expect(run.alive, "moodlight runs on")


# Looks until the shipped defaults believe a new face: two to confirm it and a third that smoothing gives weight to.
SHIPPED_LOOKS = 3


@scenario("as-shipped", "with every default as shipped: nobody, happy, nobody come in order, in as many looks as the defaults ask for", "lights")
def as_shipped(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    bench.ensure_plugged()
    bench.show(committed("nobody"))
    began = board.now()
    run = firmware.start(bench.lights(spare="fault", oled=True, eased=False), "--best-effort")
    first = board.pins.wait("first light", lambda: next((e.at for e in board.pins.edges(began) if e.level), None), 60)
    bench.marks.append(f"from exec to the first light {first - began:.2f} s: models held to their hashes, loaded, self-tested")
    board.pins.wait("beat of the neutral LED", lambda: LINE["neutral"] in board.pins.lit(), 30)
    run.wait_started()
    before = len(moods(run))
    began = bench.show(bench.happy())
    lit = board.pins.wait_lit({LINE["happy"]}, 30, steady=3.0)
    longest, search = max(gaps(run)), median(gaps(run, nobody=True))
    limit = DWELL + SLACK + (1 + SHIPPED_LOOKS) * longest + FRAMES_UNDER_WAY / board.webcam.fps
    bench.marks.append(f"a look takes up to {longest:.2f} s, each with a scan")
    bench.within("happy LED after the picture changed", lit - began, limit)
    began = bench.show(committed("nobody"))
    dark = board.pins.wait("end of the happy light", lambda: next((e.at for e in board.pins.edges(began, LINE["happy"]) if not e.level), None), 20)
    bench.within("happy LED off after the face left", dark - began, farewell(bench, longest, search))
    # Looks lie further apart here than `uncertain_ms`: until the second one counts, the light rightly says that it isn't sure.
    shown = moods(run)[before:]
    bench.expect([mood for mood in shown if mood != "uncertain"] == ["happy", "no_face"], f"the moods in order: {', '.join(shown)}")


def moods(run) -> list[str]:
    return [event["to"] for event in run.events() if event["event"] == "state"]


@scenario("no-face-pulse", "nobody before the camera: the neutral LED beats slowly", "lights")
def no_face_pulse(bench: Bench):
    board = bench.board
    run = bench.happy_run(bench.lights(spare="fault", oled=True))
    # Long enough that a look with a scan is among those that are measured.
    board.agent.run(f"sleep {SCAN + 1}")
    frame, longest = frame_seconds(run), max(gaps(run)[-11:])
    began = bench.show(committed("nobody"))
    dark = board.pins.wait("end of the happy light", lambda: next((e.at for e in board.pins.edges(began, LINE["happy"]) if not e.level), None), 20)

    def three_beats():
        edges = board.pins.edges(began, LINE["neutral"])
        rises = [edge.at for edge in edges if edge.level]
        return edges if len(rises) >= 3 else None
    edges = board.pins.wait("three beats", three_beats, 25)
    search = median(gaps(run, nobody=True)[-7:])
    bench.marks.append(f"a look at a followed face takes {frame:.2f} s, with a scan {longest:.2f} s, a search {search:.2f} s")
    bench.within("happy LED off after the face left", dark - began, farewell(bench, longest, search))
    rises = [edge.at for edge in edges if edge.level]
    periods = [later - earlier for earlier, later in zip(rises, rises[1:])]
    bench.expect(all(abs(period - 3.0) <= 0.3 + frame for period in periods), f"beats every 3 s: {', '.join(f'{p:.2f}' for p in periods)}")
    others = [edge for edge in board.pins.edges(dark + 0.001) if edge.line != LINE["neutral"]]
    bench.expect(not others, "no other LED moves meanwhile")


@scenario("committed-faces", "each committed photograph shows on the LEDs what `classify` says on the host", "lights")
def committed_faces(bench: Bench):
    for name in ("happy", "stern", "happy"):
        show_and_compare(bench, name, committed(name))


def no_faces(root: Path) -> str:
    return "" if shared_faces(root) else "the FER-2013 faces beside the repository (../shared/data/fer2013-trainval.tar)"


@scenario("seven-emotions", "one validation face of each emotion, in order, on LEDs, OLED and screen", "lights", wants=no_faces)
def seven_emotions(bench: Bench):
    archive = shared_faces(bench.root)
    candidates = validation_faces(archive, CANDIDATES)
    pages = {}
    for emotion in EMOTIONS:
        name, picture = clear_face(bench, emotion, candidates[emotion])
        pages[emotion] = left_half(show_and_compare(bench, f"{emotion} ({name})", picture, emotion))
    alike = [(a, b) for a in EMOTIONS for b in EMOTIONS if a < b and sum(x != y for x, y in zip(pages[a], pages[b])) < 20]
    bench.expect(not alike, f"the OLED shows seven different faces {alike or ''}")


def left_half(panel: Oled) -> bytes:
    """The part of the page where face and word are; the bars to the right of it move with every frame."""
    return b"".join(panel.picture[page * 128:page * 128 + 64] for page in range(8))


def clear_face(bench: Bench, emotion: str, faces: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """The first face that the host finds and surely reads as its label says: the model errs on a third of them, the board must not add to it."""
    for name, face in faces:
        picture = on_wall(face)
        if bench.firmware.emotion_on_host(picture, CLEAR) == emotion:
            return name, picture
    raise AssertionError(f"the host reads none of {len(faces)} validation faces as {emotion}")


def show_and_compare(bench: Bench, name: str, picture: bytes, expected: str | None = None) -> Oled:
    """Holds a picture before the camera until the host's verdict is lit; keeps what OLED and screen show."""
    board = bench.board
    expected = expected or bench.firmware.emotion_on_host(picture)
    bench.happy_run(bench.lights(spare="fault", oled=True))
    began = bench.show(picture)
    lit = board.pins.wait_lit({LINE[expected]}, 25, steady=1.0)
    bench.expect(True, f"{name}: {expected} LED after {max(lit - began, 0):.2f} s")
    word = name.split()[0]
    panel, screen = board.oled(), board.screen()
    panel.save(board.artefacts / f"oled-{word}.png")
    screen.save(board.artefacts / f"screen-{word}.png")
    bench.expect(panel.on and not panel.blank(), f"{name}: the OLED shows a page")
    others = {other: screen.share_of(COLOUR[other]) for other in EMOTIONS if other != expected}
    own, nearest = screen.share_of(COLOUR[expected]), max(others, key=others.get)
    bench.expect(own > 0.005 and own > others[nearest], f"{name}: the screen is {own:.1%} in {expected}'s colour ({nearest}'s: {others[nearest]:.1%})")
    return panel


@scenario("same-logits", "`classify --json --logits` prints the same int8 logits and scores in the guest as on the host, bit for bit", "lights")
def same_logits(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    folder = board.share / "faces"
    folder.mkdir(exist_ok=True)
    for name, picture in all_pictures(bench).items():
        (folder / f"{name}.jpg").write_bytes(picture)
    names = sorted(path.name for path in folder.iterdir())
    board.agent.run(f"cp -r /share/faces {HOME}/")
    for model in CLASSIFIERS:
        arguments = ["classify", "--json", "--logits", "--whole-image", "--model", model, *names]
        guest = board.agent.run(f"cd {HOME}/faces; MOODLIGHT_MODELS={HOME}/models {HOME}/moodlight {' '.join(arguments)}", 240)
        host = firmware.on_host(arguments, folder)
        ours, theirs = logits(guest), logits(host)
        bench.expect(len(ours) == len(names), f"{model}: {len(ours)} of {len(names)} pictures were read")
        different = [name for name in names if ours[name] != theirs[name]]
        bench.expect(not different, f"{model}: {7 * len(names)} logits are the host's, bit for bit {different or ''}")
        bench.expect(guest == host, f"{model}: and so is the whole text, scores too")


def all_pictures(bench: Bench) -> dict[str, bytes]:
    """Every picture that the other scenarios hold before a camera, and where they are there two faces of each class as they come."""
    pictures = {name: committed(name) for name in ("happy", "happy_gray", "happy_small", "stern", "nobody")}
    archive = shared_faces(bench.root)
    if archive:
        candidates = validation_faces(archive, CANDIDATES)
        for emotion in EMOTIONS:
            pictures[f"{emotion}-wall"] = clear_face(bench, emotion, candidates[emotion])[1]
            pictures |= {f"{emotion}-{name}": face for name, face in candidates[emotion][:2]}
    return pictures


def logits(text: str) -> dict[str, bytes]:
    """By picture, the bits of its face's logits. JSON numbers are printed so that they read back to the same value."""
    return {answer["image"]: struct.pack("<7f", *answer["faces"][0]["logits"]) for answer in json.loads(text)}


@scenario("late-screen", "no screen at start: the LEDs work; a screen plugged in later shows the page", "lights")
def late_screen(bench: Bench):
    # The emulated display has no cable to pull: its connector is forced off and on through sysfs, which is what the kernel does for `video=`.
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    status = "/sys/class/drm/card0-Virtual-1/status"
    board.agent.run(f"echo off > {status}")
    try:
        bench.happy_run(bench.lights(spare="fault"))
        bench.expect(board.agent.run(f"cat {status}").strip() == "disconnected", "happy LED without a screen")
    finally:
        board.agent.run(f"echo detect > {status}")
    at = board.note("screen plugged in", "screen")
    board.wait_for("page on the screen", lambda: board.screen().share_of(COLOUR["happy"]) > 0.005, 20, 0.3)
    bench.within("page on the screen after", board.now() - at, 6.0)
