//! Sources on good and bad input: what comes out, and what a person is told.

use moodlight::frame::{Frame, LumaRange, MAX_PIXELS, PixelFormat};
use moodlight::sim::intake::{Bytes, Intake, ready};
use moodlight::sim::mjpeg::{Found, Mjpeg, Splitter};
use moodlight::sim::{self, y4m::Y4m};
use moodlight::source::{Delivery, FrameRate, FrameSource, SourceError, SourceSpec};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fmt::Write as _;
use std::os::fd::AsFd;
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
                    SourceError::Muted { .. } => "muted",
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

/// A JPEG of `width`×`height`, its brightness told by `shade`.
fn jpeg(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let picture =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([shade, (x * 7) as u8, (y * 5) as u8]));
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 80).encode_image(&picture).unwrap();
    out
}

/// `jpeg` with a thumbnail in an APP1 segment right behind its start, as phones write it.
fn with_thumbnail(jpeg: &[u8], thumbnail: &[u8]) -> Vec<u8> {
    let length = (thumbnail.len() + 2) as u16;
    [&jpeg[..2], &[0xff, 0xe1], &length.to_be_bytes(), thumbnail, &jpeg[2..]].concat()
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

#[rstest::rstest]
#[case::clean(vec![jpeg(32, 16, 10), jpeg(32, 16, 90)], &["32x16 Mjpeg full", "0 ms #0", "100 ms #1", "end"])]
#[case::sizes_may_change(vec![jpeg(32, 16, 10), jpeg(40, 24, 90)], &["32x16", "40x24", "end"])]
#[case::junk_between(vec![b"--frame\r\n\r\n".to_vec(), jpeg(32, 16, 1), b"\r\n--frame\r\n".to_vec(), jpeg(32, 16, 2), vec![0; 99]], &["#0", "#1", "end"])]
#[case::thumbnail(vec![with_thumbnail(&jpeg(64, 48, 3), &jpeg(8, 8, 4)), jpeg(32, 16, 5)], &["64x48", "#0", "32x16", "#1", "end"])]
#[case::fill_bytes(vec![vec![0xff], jpeg(32, 16, 1), vec![0xff, 0xff], jpeg(32, 16, 1)], &["#0", "#1", "end"])]
#[case::half_a_picture_between(vec![jpeg(32, 16, 1), jpeg(64, 48, 2)[..400].to_vec(), jpeg(32, 16, 3)], &["#0", "bad frame", "clip.mjpeg", "picture 1", "200 ms #2", "end"])]
#[case::no_end_marker(vec![jpeg(32, 16, 1), no_end(&jpeg(64, 48, 2)), jpeg(32, 16, 3)], &["#0", "bad frame", "picture 1", "before its end marker", "200 ms #2", "end"])]
#[case::cut_at_the_end(vec![jpeg(32, 16, 1), jpeg(64, 48, 2)[..300].to_vec()], &["#0", "truncated", "clip.mjpeg", "picture 1", "300 bytes into it"])]
#[case::cut_in_the_header(vec![jpeg(32, 16, 1), jpeg(64, 48, 2)[..30].to_vec()], &["#0", "truncated", "picture 1"])]
#[case::no_jpeg(vec![vec![b'x'; 5000]], &["unavailable", "clip.mjpeg", "no JPEG picture", "ffmpeg"])]
#[case::empty(vec![], &["unavailable", "clip.mjpeg", "is empty"])]
#[case::absurd(vec![absurd_jpeg(), jpeg(32, 16, 1)], &["bad frame", "64 megapixels", "#1", "end"])]
#[case::no_pixels(vec![vec![0xff, 0xd8, 0xff, 0xd9], jpeg(32, 16, 1)], &["bad frame", "no pixels", "#1", "end"])]
fn mjpeg_streams(#[case] pieces: Vec<Vec<u8>>, #[case] expect: &[&str]) {
    let dir = Scratch::new();
    check(&format!("mjpeg:{}", dir.file("clip.mjpeg", &pieces.concat()).display()), expect);
}

fn no_end(jpeg: &[u8]) -> Vec<u8> {
    jpeg[..jpeg.len() - 2].to_vec()
}

/// Says that it has 65,535 × 65,535 pixels.
fn absurd_jpeg() -> Vec<u8> {
    let mut bytes = jpeg(32, 16, 1);
    let at = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap() + 5;
    bytes[at..at + 4].fill(0xff);
    bytes
}

/// Hands out `step` bytes at a time and nothing at every other call, as a slow pipe does.
struct Dripping {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
    dry: bool,
}

impl Bytes for Dripping {
    fn read(&mut self, buf: &mut [u8], _: Duration) -> std::io::Result<Option<usize>> {
        self.dry = !self.dry;
        if self.dry {
            return Ok(None);
        }
        let n = self.step.min(buf.len()).min(self.bytes.len() - self.at);
        buf[..n].copy_from_slice(&self.bytes[self.at..][..n]);
        self.at += n;
        Ok(Some(n))
    }
}

fn drip(bytes: &[u8], step: usize) -> Intake {
    Intake::new(Box::new(Dripping { bytes: bytes.to_vec(), at: 0, step, dry: false }))
}

/// A pipe that dries up anywhere loses nothing: the same frames come as from a file.
#[rstest::rstest]
#[case::byte_by_byte(1)]
#[case::odd_pieces(7)]
#[case::large_pieces(1000)]
fn slow_pipes_lose_nothing(#[case] step: usize) {
    let frames = |source: &mut dyn FrameSource| {
        let mut log = String::new();
        drain(source, &mut log);
        log.lines().filter(|l| *l != "idle").map(|l| l.to_string() + "\n").collect::<String>()
    };
    let clip = y4m("W6 H4 F25:1", 3, 36);
    let mut slow = Y4m::open(drip(&clip, step), "slow".into()).unwrap();
    assert_eq!(frames(&mut slow).lines().count(), 4);
    let clip = [jpeg(32, 16, 1), vec![7; 9], jpeg(40, 24, 2)].concat();
    let mut slow = Mjpeg::open(drip(&clip, step), FrameRate::per_second(10), "slow".into()).unwrap();
    let log = frames(&mut slow);
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(log.contains("40x24 Mjpeg full") && log.ends_with("end\n"), "{log}");
}

#[test]
fn a_folder_is_a_film_in_the_order_of_its_names() {
    let dir = Scratch::new();
    for (name, side) in [("b.jpg", 24), ("a.JPG", 16), ("c.dat", 32)] {
        dir.file(name, &jpeg(side, 8, 1));
    }
    dir.file("about.txt", b"text");
    dir.file("empty.jpg", b"");
    std::fs::create_dir(dir.path().join("more.jpg")).unwrap();
    let spec = format!("dir:{}", dir.path().display());
    check(&spec, &["16x8 Gray8 full", "0 ms #0", "24x8", "100 ms #1", "32x8", "200 ms #2", "end"]);
    check(&format!("{spec}?fps=2&hold=1s"), &["16x8", "0 ms", "16x8", "500 ms", "24x8", "1000 ms"]);
}

#[test]
fn a_damaged_picture_does_not_stop_the_film() {
    let dir = Scratch::new();
    dir.file("1.jpg", &jpeg(16, 8, 1));
    dir.file("2.jpg", &jpeg(64, 64, 1)[..500]);
    dir.file("3.jpg", &jpeg(24, 8, 1));
    check(
        &format!("dir:{}", dir.path().display()),
        &["16x8", "bad frame", "2.jpg", "24x8", "200 ms #2", "end"],
    );
}

#[rstest::rstest]
#[case::two_seconds("", 20)]
#[case::one_frame("?hold=0", 1)]
#[case::at_another_rate("?hold=500ms&fps=30", 15)]
fn a_picture_is_held(#[case] query: &str, #[case] frames: usize) {
    let dir = Scratch::new();
    let log = play(&format!("image:{}{query}", dir.file("face.jpg", &jpeg(16, 8, 1)).display()));
    assert_eq!(log.lines().count(), frames + 1, "{log}");
}

/// A recording whose end was never written: a picture that runs into zeros for longer than any picture is.
#[test]
fn a_picture_without_an_end_is_given_up_and_what_follows_is_looked_through() {
    let mut data =
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0".to_vec();
    data.resize(MAX_PIXELS + 100, 0);
    let mut splitter = Splitter::default();
    let Found::Damaged { bytes, reason } = splitter.scan(&data) else { panic!("it has no end") };
    assert!(reason.contains("64 megapixels"), "{reason}");
    assert_eq!(splitter.scan(&data[bytes..]), Found::Junk(data.len() - bytes));
    assert_eq!(splitter.scan(&[]), Found::Incomplete);
}

/// The child and what it has started are gone when the source is.
#[test]
fn no_child_outlives_its_source() {
    let dir = Scratch::new();
    let pids = dir.path().join("pids");
    let command = format!("sleep 1000 & echo $! $$ > {}; printf %024d 0; wait", pids.display());
    let spec: SourceSpec = format!("exec:{command}?width=4&height=4").parse().unwrap();
    let mut source = sim::open(&spec).unwrap();
    let mut frame = Frame::default();
    assert_eq!(source.next_frame(&mut frame, Duration::from_secs(10)).unwrap(), Delivery::Frame);
    let pids = std::fs::read_to_string(pids).unwrap();
    let handles: Vec<_> = pids
        .split_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap())
        .map(|pid| pidfd_open(pid, PidfdFlags::empty()).expect("it runs"))
        .collect();
    assert_eq!(handles.len(), 2);
    drop(source);
    for handle in &handles {
        // A killed grandchild ends when the scheduler gets to it: wait for that, at most ten seconds.
        let ended = ready(&[handle.as_fd()], Duration::from_secs(10)).unwrap()[0];
        assert!(ended, "still alive: one of {pids}");
    }
}

/// Without a line's end, or after it has closed its output: why it ended is told.
#[rstest::rstest]
#[case::no_newline("printf 'no camera here' >&2; exit 3")]
#[case::after_the_output("exec >&-; sleep 0.1; echo no camera here >&2; exit 3")]
fn the_last_words_of_a_child_are_told(#[case] command: &str) {
    check(
        &format!("exec:{command}?width=4&height=4&restart=never"),
        &["truncated", "exit status: 3", "it last said: no camera here"],
    );
}

/// A child that writes more than a pipe holds to stderr: frames still come.
#[test]
fn a_talkative_child_does_not_block() {
    let command = "yes no camera today | head -c 300000 >&2; printf %024d 0; exit 1";
    check(
        &format!("exec:{command}?width=4&height=4&restart=never"),
        &["#0", "truncated", "exit status: 1", "no camera today"],
    );
}
