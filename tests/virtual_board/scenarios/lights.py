"""Group `lights`: pictures before the camera come out as light, on pins, OLED and screen."""
import json

from harness.bench import Bench, Skipped, scenario
from harness.firmware import COLOUR, EMOTIONS, HOME, LINE
from harness.panels import Oled
from harness.pictures import committed, on_wall, shared_faces, validation_faces

# [decision] of the product, in seconds: how long a state must hold before the light follows.
DWELL, HOLD = 0.6, 1.0
# What the emulated machine adds to a decision: the frame that is under way, and the one that shows the new picture.
FRAMES_UNDER_WAY = 2
# A score that the decision takes for certain, with room to spare.
CLEAR = 0.6


def frame_seconds(run) -> float:
    """Time between two frames that are worked through, the median of the last ones."""
    times = [event["t_ms"] for event in run.events() if event["event"] == "frame"][-12:]
    gaps = sorted(later - earlier for earlier, later in zip(times, times[1:]))
    return gaps[len(gaps) // 2] / 1000 if gaps else 1.0


@scenario("happy-led", "a happy face lights the happy LED, and no other, within the decision's dwell", "lights")
def happy_led(bench: Bench):
    board = bench.board
    bench.ensure_plugged()
    bench.show(committed("nobody"))
    run = bench.firmware.running(bench.lights(spare="fault", oled=True))
    board.pins.wait("beat of the neutral LED", lambda: LINE["neutral"] in board.pins.lit(), 30)
    frame = frame_seconds(run)
    began = bench.show(bench.happy())
    lit = board.pins.wait_lit({LINE["happy"]}, 20, steady=1.0)
    bench.marks.append(f"a frame takes {frame:.2f} s on this emulated machine")
    bench.within("happy LED after the picture changed", lit - began, DWELL + 0.4 + FRAMES_UNDER_WAY * (frame + 1 / board.webcam.fps))
    bench.expect(run.alive, "moodlight runs on")


@scenario("no-face-pulse", "nobody before the camera: the neutral LED beats slowly", "lights")
def no_face_pulse(bench: Bench):
    board = bench.board
    run = bench.happy_run(bench.lights(spare="fault", oled=True))
    frame = frame_seconds(run)
    began = bench.show(committed("nobody"))
    dark = board.pins.wait("end of the happy light", lambda: next((e.at for e in board.pins.edges(began, LINE["happy"]) if not e.level), None), 20)
    bench.within("happy LED off after the face left", dark - began, HOLD + FRAMES_UNDER_WAY * (frame + 1 / board.webcam.fps))

    def three_beats():
        edges = board.pins.edges(began, LINE["neutral"])
        rises = [edge.at for edge in edges if edge.level]
        return edges if len(rises) >= 3 else None
    edges = board.pins.wait("three beats", three_beats, 25)
    rises = [edge.at for edge in edges if edge.level]
    periods = [later - earlier for earlier, later in zip(rises, rises[1:])]
    bench.expect(all(abs(period - 3.0) <= 0.3 + frame for period in periods), f"beats every 3 s: {', '.join(f'{p:.2f}' for p in periods)}")
    others = [edge for edge in board.pins.edges(dark + 0.001) if edge.line != LINE["neutral"]]
    bench.expect(not others, "no other LED moves meanwhile")


@scenario("committed-faces", "each committed photograph shows on the LEDs what `classify` says on the host", "lights")
def committed_faces(bench: Bench):
    for name in ("happy", "stern", "happy"):
        show_and_compare(bench, name, committed(name))


@scenario("seven-emotions", "one validation face of each emotion, in order, on LEDs, OLED and screen", "lights")
def seven_emotions(bench: Bench):
    archive = shared_faces(bench.root)
    if archive is None:
        raise Skipped("the FER-2013 faces beside the repository are not there (../shared/data/fer2013-trainval.tar)")
    candidates = validation_faces(archive, 40)
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


@scenario("same-scores", "`classify --json` prints the same int8 scores in the guest as on the host, digit for digit", "lights")
def same_scores(bench: Bench):
    board, firmware = bench.board, bench.firmware
    firmware.stop()
    folder = board.share / "faces"
    folder.mkdir(exist_ok=True)
    for name in ("happy", "stern", "nobody"):
        (folder / f"{name}.jpg").write_bytes(committed(name))
    archive = shared_faces(bench.root)
    if archive:
        for emotion, faces in validation_faces(archive, 2).items():
            for name, face in faces:
                (folder / f"{emotion}-{name}.jpg").write_bytes(face)
    names = sorted(path.name for path in folder.iterdir())
    board.agent.run(f"cp -r /share/faces {HOME}/")
    arguments = ["classify", "--json", "--whole-image", *names]
    guest = board.agent.run(f"cd {HOME}/faces; MOODLIGHT_MODELS={HOME}/models {HOME}/moodlight {' '.join(arguments)}", 180)
    host = firmware.on_host(arguments, folder)
    bench.expect(len(json.loads(host)) == len(names), f"{len(names)} pictures were read")
    bench.expect(guest == host, "the two texts are identical")


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
