//! The terminal: plain lines for files and pipes, the live picture's manners for people.

use crate::stage::{mostly, ms, view};
use moodlight::decision::{Mood, MoodKind};
use moodlight::emotion::Emotion;
use moodlight::frame::Timestamp;
use moodlight::outputs::Indicator;
use moodlight::sim::pins::SimPins;
use moodlight::sim::terminal::{Colors, Terminal, TerminalStyle, WindowSize};
use rstest::rstest;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// What was written, readable while the terminal owns the other end.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic while writing").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic while writing").clone()).expect("UTF-8")
    }
}

fn mood(kind: MoodKind, since: u64) -> Mood {
    let face = kind.emotion().is_some();
    let scores = mostly(kind.emotion().unwrap_or(Emotion::Sad), 0.87);
    Mood { kind, since: Timestamp::from_millis(since), track: face.then_some(1), scores }
}

const HAPPY: MoodKind = MoodKind::Emotion(Emotion::Happy);

fn show(terminal: &mut Terminal<Paper>, kind: MoodKind, t: u64) {
    terminal
        .show(&view(&mood(kind, t), &Vec::new()), ms(t), &mut Vec::new())
        .expect("paper takes everything");
}

fn wide() -> WindowSize {
    WindowSize { columns: 80, rows: 24 }
}

const LIVE: TerminalStyle = TerminalStyle { live: true, colors: Colors::None, unicode: true };

#[test]
fn a_pipe_gets_one_plain_line_for_each_change() {
    let paper = Paper::default();
    let mut terminal = Terminal::new(paper.clone(), TerminalStyle::PLAIN, None, wide);
    for (t, kind) in [(0, MoodKind::NoFace), (300, HAPPY), (400, HAPPY), (12_300, MoodKind::NoFace)] {
        show(&mut terminal, kind, t);
    }
    terminal.off(ms(13_000), &mut Vec::new()).expect("works");
    let expect = "   0.0 s  no_face\n   0.3 s  happy      0.87  track 1\n  12.3 s  no_face\n";
    assert_eq!(paper.text(), expect);
}

#[test]
fn a_notice_is_told() {
    let paper = Paper::default();
    let mut terminal = Terminal::new(paper.clone(), TerminalStyle::PLAIN, None, wide);
    let fault = mood(MoodKind::Fault, 0);
    let mut shown = view(&fault, const { &Vec::new() });
    shown.notice = Some("camera unplugged");
    terminal.show(&shown, ms(2000), &mut Vec::new()).expect("works");
    assert_eq!(paper.text(), "   2.0 s  fault      camera unplugged\n");
}

#[test]
fn the_cursor_comes_back_at_the_end_and_after_a_panic() {
    for by_off in [true, false] {
        let paper = Paper::default();
        let mut terminal = Terminal::new(paper.clone(), LIVE, None, wide);
        show(&mut terminal, HAPPY, 0);
        assert!(paper.text().contains("\x1b[?25l"));
        if by_off {
            terminal.off(ms(10), &mut Vec::new()).expect("works");
        }
        drop(terminal);
        assert!(paper.text().ends_with("\x1b[J\x1b[?25h"), "{:?}", paper.text());
    }
}

/// No row is wider than the window, or the terminal would break it and the picture would climb.
#[rstest]
fn rows_fit_the_window(
    #[values(WindowSize { columns: 10, rows: 5 }, WindowSize { columns: 43, rows: 24 },
        WindowSize { columns: 44, rows: 13 }, WindowSize { columns: 80, rows: 24 },
        WindowSize { columns: 300, rows: 80 })]
    window: WindowSize,
    #[values(Colors::None, Colors::Cube, Colors::True)] colors: Colors,
) {
    // A function pointer has no captures: the window travels by its own table.
    let size: fn() -> WindowSize = match window.columns {
        10 => || WindowSize { columns: 10, rows: 5 },
        43 => || WindowSize { columns: 43, rows: 24 },
        44 => || WindowSize { columns: 44, rows: 13 },
        80 => || WindowSize { columns: 80, rows: 24 },
        _ => || WindowSize { columns: 300, rows: 80 },
    };
    let paper = Paper::default();
    let style = TerminalStyle { colors, ..LIVE };
    let mut terminal = Terminal::new(paper.clone(), style, Some(SimPins::one_per_emotion()), size);
    show(&mut terminal, HAPPY, 0);
    let text = without_escapes(&paper.text());
    // The first line is the permanent one, which may be broken without harm.
    let widest = text.lines().skip(1).map(|l| l.chars().count()).max().unwrap_or(0);
    assert!(widest > 5 && widest <= window.columns, "{widest} columns:\n{text}");
    assert!(text.lines().count() <= window.rows, "{text}");
}

#[test]
fn no_color_means_none() {
    let paper = Paper::default();
    let mut terminal = Terminal::new(paper.clone(), LIVE, Some(SimPins::one_per_emotion()), wide);
    show(&mut terminal, HAPPY, 0);
    show(&mut terminal, MoodKind::Fault, 100);
    assert!(!paper.text().contains('m'.to_string().as_str()) || !has_color(&paper.text()));
}

/// Select-graphic-rendition sequences: `ESC [ … m`.
fn has_color(text: &str) -> bool {
    text.split("\x1b[")
        .skip(1)
        .any(|rest| rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|i| rest[i..].starts_with('m')))
}

fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or("").to_string();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |i| i + 1);
        plain.push_str(&part[end..]);
    }
    plain.replace('\r', "")
}

#[test]
fn a_reader_that_goes_away_is_an_error_and_no_panic() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let mut terminal = Terminal::new(Gone, TerminalStyle::PLAIN, None, wide);
    let happy = mood(HAPPY, 0);
    for t in [0, 100] {
        let error = terminal.show(&view(&happy, &Vec::new()), ms(t), &mut Vec::new()).expect_err("gone");
        assert!(error.to_string().starts_with("terminal: "), "{error}");
    }
}
