"""Group `faults` on the second camera: raw YUYV from the kernel's vivid driver, which makes the faults that a webcam cannot."""
from functools import lru_cache

from harness.bench import Bench, scenario
from harness.firmware import LINE, SCAN
from harness.jpeg import decode_gray
from harness.pictures import committed, gray_yuyv
from .faults import RETURN
from .lights import DWELL, FRAMES_UNDER_WAY, SLACK, frame_seconds, gaps

# vivid's frames a second, as PAL has them.
RATE = 25


@lru_cache
def happy_frame() -> bytes:
    return gray_yuyv(decode_gray(committed("happy_gray"))[2])


def vivid_run(bench: Bench):
    """moodlight on vivid's node, with the happy face looped through it."""
    board = bench.board
    if board.webcam.plugged:
        board.unplug()
    bench.firmware.stop()
    node = board.load_vivid(happy_frame())
    board.note("happy face fed through vivid", "picture")
    run = bench.firmware.start(bench.lights(spare="fault", source=f"v4l2:{node}"), "--best-effort")
    board.pins.wait_lit({LINE["happy"]}, 90, steady=0.5)
    return run, node


def relit_within(search: float, followed: float) -> float:
    """The latest that the light is on again once the picture is back, by what looks take on this board. vivid and its feeding keep one of the
    board's two cores busy; on a slow machine more than one, and a look then takes many times as long as the pace says, so that looks are
    measured beside it. A search is under way when the picture comes back, the next finds the face, which is then looked at and read like
    a followed one."""
    return DWELL + SLACK + FRAMES_UNDER_WAY * (search + 1 / RATE) + followed


@scenario("raw-camera", "a YUYV camera (bit-exact frames through vivid) lights the happy LED; damaged and dropped buffers don't put it out", "faults")
def raw_camera(bench: Bench):
    board = bench.board
    run, node = vivid_run(bench)
    try:
        bench.expect(True, "happy LED from raw YUYV")
        began = board.now()
        for _ in range(5):
            board.agent.run(f"v4l2-ctl -d {node} -c inject_v4l2_buf_flag_error=1; sleep 0.3")
        board.agent.run(f"v4l2-ctl -d {node} -c percentage_of_dropped_buffers=50; sleep 3; v4l2-ctl -d {node} -c percentage_of_dropped_buffers=0")
        bench.expect(not board.pins.edges(began), "no LED changed under 5 error flags and 3 s of every other buffer dropped")
        followed = frame_seconds(run)
        board.agent.run(f"v4l2-ctl -d {node} -c inject_fatal_streaming_error=1")
        board.note("fatal streaming error", "vivid")
        fault = run.wait_event("fault", lambda e: e["event"] == "fault", 15)
        bench.expect(fault["what"] == "camera", f"a fatal error is a fault: {fault['detail']}")
        back = run.wait_event("recovery", lambda e: e["event"] == "recovered" and e["t_ms"] > fault["t_ms"], 15)
        bench.within("camera works again after", (back["t_ms"] - fault["t_ms"]) / 1000, RETURN)
        # The error ends the stream that feeds the camera, too: it shows noise until it is fed again. Noise is searched whole, look
        # after look, so that a search can be timed where it is done.
        board.wait_for("looks at noise", lambda: len(gaps(run, back["t_ms"])) >= 3, 20)
        search = max(gaps(run, back["t_ms"]))
        bench.marks.append(f"a search takes {search:.2f} s, a look at a followed face {followed:.2f} s")
        board.feed_vivid()
        at = board.note("happy face fed again", "picture")
        lit = board.pins.wait_lit({LINE["happy"]}, 20, steady=1.0)
        bench.within("happy LED after the picture came", max(lit - at, 0.0), relit_within(search, followed))
        run.stop()
        dropped = next(event["dropped"] for event in run.events() if event["event"] == "end")
        bench.expect(dropped > 0, f"the end counts {dropped} dropped frames")
    finally:
        bench.firmware.stop()
        board.unload_vivid()


@scenario("source-change", "the camera tells that its signal changed: it is opened anew, and the emotion is there again", "faults")
def source_change(bench: Bench):
    # vivid sends the event when its loop-back is switched; a source-change event says that the size may be another.
    board = bench.board
    run, node = vivid_run(bench)
    try:
        # Long enough for a search among them, which a followed face has every three seconds.
        board.wait_for("looks at the face", lambda: len(gaps(run)) >= 4 and sum(gaps(run)) > SCAN, 20)
        search, followed = max(gaps(run)), frame_seconds(run)
        bench.marks.append(f"a search takes {search:.2f} s, a look at a followed face {followed:.2f} s")
        at = board.note("signal away and back", "vivid")
        board.agent.run(f"v4l2-ctl -d {node} -c loop_video=0; v4l2-ctl -d {node} -c loop_video=1")
        fault = run.wait_event("fault", lambda e: e["event"] == "fault", 15)
        bench.expect("changed" in fault["detail"], f"the fault says so: {fault['detail']}")
        lit = board.pins.wait_lit({LINE["happy"]}, 20, steady=1.0)
        # The device is opened anew first, for which the promise has room.
        bench.within("happy LED again after", max(lit - at, 0.0), max(RETURN, relit_within(search, followed)))
        bench.expect(node in run.open_files(), f"{node} is open again")
    finally:
        bench.firmware.stop()
        board.unload_vivid()
