//! Sources on good and bad input: what comes out, and what a person is told.

use moodlight::frame::{Frame, LumaRange, PixelFormat};
use moodlight::sim;
use moodlight::source::{Delivery, FrameSource, SourceError, SourceSpec};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All that a source gives: frames ("640x480 I420 Limited t=33ms #1"), then "end" or errors, one a line.
fn play(spec: &str) -> String {
    let spec: SourceSpec = match spec.parse() {
        Ok(spec) => spec,
        Err(e) => return format!("{e}\n"),
    };
    let mut source = match sim::open(&spec) {
        Ok(source) => source,
        Err(e) => return format!("unavailable: {e}\n"),
    };
    let mut log = String::new();
    drain(source.as_mut(), &mut log);
    log
}

fn drain(source: &mut dyn FrameSource, log: &mut String) {
    let mut frame = Frame::default();
    for _ in 0..10_000 {
        match source.next_frame(&mut frame, Duration::from_secs(5)) {
            Ok(Delivery::Frame) => writeln!(log, "{}", line(&frame)).unwrap(),
            Ok(Delivery::Idle) => writeln!(log, "idle").unwrap(),
            Ok(Delivery::End) => return writeln!(log, "end").unwrap(),
            Err(e) => {
                let kind = match e {
                    SourceError::Unavailable { .. } => "unavailable",
                    SourceError::Lost { .. } => "lost",
                    SourceError::BadFrame { .. } => "bad frame",
                    SourceError::Truncated { .. } => "truncated",
                };
                writeln!(log, "{kind}: {e}").unwrap();
                if kind != "bad frame" {
                    return;
                }
            }
        }
    }
    panic!("never ends:\n{}", &log[..1000.min(log.len())]);
}

fn line(f: &Frame) -> String {
    let range = if f.range == LumaRange::Full { "full" } else { "limited" };
    let ms = f.timestamp.as_millis();
    format!("{}x{} {:?} {range} {} bytes {ms} ms #{}", f.width, f.height, f.format, f.data.len(), f.sequence)
}

/// Every expected piece occurs, in this order.
fn check(spec: &str, expect: &[&str]) {
    let log = play(spec);
    let mut rest = log.as_str();
    for piece in expect {
        let Some(at) = rest.find(piece) else { panic!("{piece:?} is missing (in this order) from\n{log}") };
        rest = &rest[at + piece.len()..];
    }
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn y4m(header: &str, frames: usize, bytes: usize) -> Vec<u8> {
    let mut out = format!("YUV4MPEG2 {header}\n").into_bytes();
    for i in 0..frames {
        out.extend_from_slice(b"FRAME\n");
        out.extend((0..bytes).map(|b| (b + i) as u8));
    }
    out
}

#[rstest::rstest]
#[case::i420("W6 H4 F30000:1001 Ip A1:1 C420jpeg", 36, &["6x4 I420 limited 36 bytes 0 ms #0", "33 ms #1", "66 ms #2", "end"])]
#[case::odd("W5 H3 F10:1", 27, &["5x3 I420 limited 27 bytes", "100 ms #1", "end"])]
#[case::full_range("W6 H4 F25:1 XCOLORRANGE=FULL", 36, &["full"])]
#[case::mono("W6 H4 F25:1 Cmono", 24, &["6x4 Gray8 limited 24 bytes", "end"])]
#[case::luma_of_444("W6 H4 F25:1 C444", 72, &["6x4 Gray8 limited 24 bytes", "end"])]
#[case::no_rate("W6 H4", 36, &["0 ms #0", "40 ms #1", "end"])]
#[case::no_width("H4 F25:1", 36, &["unavailable", "no width (W)"])]
#[case::no_height("W4 F25:1", 36, &["unavailable", "no height (H)"])]
#[case::bad_width("W-4 H4 F25:1", 36, &["unavailable", "\"W-4\"", "no size"])]
#[case::bad_rate("W6 H4 Ffast", 36, &["unavailable", "no frame rate"])]
#[case::absurd("W100000 H100000 F25:1", 36, &["unavailable", "100000x100000", "64 megapixels"])]
#[case::ten_bits("W6 H4 F25:1 C420p10", 72, &["unavailable", "C420p10", "ffmpeg"])]
#[case::too_wide("W8 H4 F25:1", 36, &["truncated", "no frame 1", "8x4 I420"])]
#[case::too_narrow("W4 H4 F25:1", 36, &["#0", "truncated", "no frame 1", "does not fit"])]
fn y4m_headers(#[case] header: &str, #[case] bytes: usize, #[case] expect: &[&str]) {
    let dir = Scratch::new();
    check(&format!("y4m:{}", dir.file("clip.y4m", &y4m(header, 3, bytes)).display()), expect);
}

#[rstest::rstest]
#[case::whole(0, &["#2", "end"])]
#[case::in_a_frame(10, &["#1", "truncated", "clip.y4m", "26 of 36 bytes", "2 whole frames"])]
#[case::in_a_frame_line(38, &["#1", "truncated", "frame's header"])]
#[case::in_the_header(130, &["unavailable", "clip.y4m", "first line"])]
#[case::empty(1000, &["unavailable", "clip.y4m", "is empty"])]
fn y4m_cuts(#[case] cut: usize, #[case] expect: &[&str]) {
    let dir = Scratch::new();
    let whole = y4m("W6 H4 F25:1", 3, 36);
    let there = whole.len().saturating_sub(cut);
    check(&format!("y4m:{}", dir.file("clip.y4m", &whole[..there]).display()), expect);
}

#[rstest::rstest]
#[case::y4m("y4m")]
#[case::mjpeg("mjpeg")]
#[case::image("image")]
#[case::dir("dir")]
fn a_missing_file_is_named(#[case] scheme: &str) {
    check(&format!("{scheme}:nowhere/at-all"), &["unavailable", "nowhere/at-all", "No such file"]);
}

#[test]
fn frames_keep_their_bytes() {
    let dir = Scratch::new();
    let spec = format!("y4m:{}", dir.file("clip.y4m", &y4m("W6 H4 F25:1", 2, 36)).display());
    let mut source = sim::open(&spec.parse().unwrap()).unwrap();
    let mut frame = Frame::default();
    for i in 0..2 {
        assert_eq!(source.next_frame(&mut frame, Duration::ZERO).unwrap(), Delivery::Frame);
        assert_eq!(frame.data, (0..36).map(|b| b + i).collect::<Vec<u8>>());
    }
    assert_eq!(source.next_frame(&mut frame, Duration::ZERO).unwrap(), Delivery::End);
    assert_eq!(source.next_frame(&mut frame, Duration::ZERO).unwrap(), Delivery::End);
}

#[rstest::rstest]
#[case::i420("?format=i420", PixelFormat::I420, 460_800)]
#[case::yuyv("?format=yuyv&width=31&height=3", PixelFormat::Yuyv, 192)]
fn synthetic_frames_repeat(#[case] query: &str, #[case] format: PixelFormat, #[case] bytes: usize) {
    let first = || {
        let mut source = sim::open(&format!("synthetic:{query}").parse().unwrap()).unwrap();
        let mut frame = Frame::default();
        source.next_frame(&mut frame, Duration::ZERO).unwrap();
        frame
    };
    let (a, b) = (first(), first());
    assert_eq!((a.format, a.data.len()), (format, bytes));
    assert_eq!(a.data, b.data);
}

#[rstest::rstest]
#[case::clean_never("printf %072d 0", "never", &["4x4 I420", "#0", "#1", "#2", "end"])]
#[case::clean_always("printf %072d 0", "always", &["#2", "lost", "exit status: 0", "3 frames"])]
#[case::failing("printf %024d 0; echo no camera >&2; exit 3", "never", &["#0", "truncated", "exit status: 3", "no camera"])]
#[case::failing_restart("exit 3", "on-failure", &["lost", "exit status: 3"])]
#[case::cut("printf %030d 0", "never", &["#0", "truncated", "6 of 24 bytes", "4x4 I420"])]
#[case::no_such_command("no-such-camera-program", "never", &["truncated", "exit status: 127", "not found"])]
fn exec_ends(#[case] command: &str, #[case] restart: &str, #[case] expect: &[&str]) {
    check(&format!("exec:{command}?width=4&height=4&restart={restart}"), expect);
}

#[test]
fn an_empty_folder_and_one_of_folders() {
    let dir = Scratch::new();
    check(&format!("dir:{}", dir.path().display()), &["unavailable", "is empty"]);
    dir.file("notes.txt", b"no picture");
    check(&format!("dir:{}", dir.path().display()), &["unavailable", "holds no picture"]);
    std::fs::create_dir(dir.path().join("happy")).unwrap();
    check(&format!("dir:{}", dir.path().display()), &["unavailable", "name one of the folders"]);
}
