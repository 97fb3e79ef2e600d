//! The text of the terminal: lines of the time line, and the live picture. Pure functions of what is shown.

use super::style::{Colors, TerminalStyle, WindowSize};
use crate::decision::MoodKind;
use crate::emotion::Emotion;
use crate::frame::Timestamp;
use crate::outputs::View;
use crate::outputs::leds::LedLine;
use crate::outputs::palette::{self, Color};
use crate::sim::pins::SimPins;
use std::fmt::Write;

/// The picture needs a window of at least this size; below it is one line.
const SMALLEST: WindowSize = WindowSize { columns: 44, rows: 13 };
/// Longer bars are not easier to read.
const LONGEST_BAR: usize = 48;
/// Columns beside the bar: margin, lamp, name, percent.
const BESIDE_BAR: usize = 2 + 3 + 11 + 7;

const UNLIT: Color = Color::hex(0x5a6272);
const QUIET: Color = Color::hex(0x8a93a3);

/// `   1.2 s  happy     0.87  track 1`, and the notice after a fault.
pub fn change_line(out: &mut String, view: &View<'_>, faces: usize, now: Timestamp, style: &TerminalStyle) {
    let kind = view.mood.kind;
    let pen = Pen { style };
    let _ = write!(out, "{:>6} s  ", seconds(now));
    if style.live {
        pen.paint(out, palette::of_mood(kind), true, |o| o.push_str(pen.lamp(true)));
        out.push(' ');
    }
    pen.paint(out, palette::of_mood(kind), true, |o| {
        let _ = write!(o, "{:<9}", kind.name());
    });
    if matches!(kind, MoodKind::Emotion(_) | MoodKind::Uncertain) {
        let score = kind.emotion().map_or(view.mood.scores.top().1, |e| view.mood.scores.get(e));
        let _ = write!(out, "  {score:.2}");
        match view.mood.track {
            Some(track) => drop(write!(out, "  track {track}")),
            None => drop(write!(out, "  {faces} faces")),
        }
    }
    if let Some(notice) = view.notice {
        let _ = write!(out, "  {notice}");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

/// What the live picture shows.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    pub view: &'a View<'a>,
    pub faces: usize,
    pub now: Timestamp,
    pub pins: Option<&'a SimPins>,
}

/// The live picture; every row ends in a newline, the first is empty. Returns how many rows it has.
pub fn live(out: &mut String, shown: &Live<'_>, style: &TerminalStyle, window: WindowSize) -> usize {
    let Live { view, now, pins, .. } = *shown;
    let pen = Pen { style };
    if window.columns < SMALLEST.columns || window.rows < SMALLEST.rows {
        out.push('\n');
        one_line(out, view, now, &pen, window.columns);
        return 2;
    }
    let bar = (window.columns - BESIDE_BAR - 1).min(LONGEST_BAR);
    out.push('\n');
    headline(out, shown, &pen, bar);
    out.push('\n');
    for emotion in Emotion::ALL {
        let lit =
            pins.map_or(view.mood.kind.emotion() == Some(emotion), |p| p.lit(LedLine::Emotion(emotion)));
        emotion_row(out, view, emotion, lit, &pen, bar);
    }
    3 + Emotion::COUNT
}

/// `  :-)  happy                       track 1   12.4 s`
fn headline(out: &mut String, shown: &Live<'_>, pen: &Pen<'_>, bar: usize) {
    let kind = shown.view.mood.kind;
    let words = kind.name().replace('_', " ");
    out.push_str("  ");
    pen.paint(out, palette::of_mood(kind), true, |o| {
        let _ = write!(o, "{:<3}  {words}", emoticon(kind));
    });
    let faces = match shown.faces {
        0 => String::new(),
        1 => "1 face   ".into(),
        n => format!("{n} faces   "),
    };
    let right = format!("{faces}{} s", seconds(shown.now));
    let used = 2 + 3 + 2 + words.len();
    let gap = (BESIDE_BAR + bar).saturating_sub(used + right.len());
    pen.paint(out, QUIET, false, |o| {
        let _ = write!(o, "{:gap$}{right}", "");
    });
    out.push('\n');
}

/// `   ●  happy      ██████████████▌             87 %`
fn emotion_row(out: &mut String, view: &View<'_>, emotion: Emotion, lit: bool, pen: &Pen<'_>, bar: usize) {
    let color = palette::of_emotion(emotion);
    let speaks = view.mood.kind.emotion() == Some(emotion);
    out.push_str("  ");
    pen.led(out, color, lit);
    let ink = if speaks { color } else { QUIET };
    pen.paint(out, ink, speaks, |o| {
        let _ = write!(o, " {:<10}", emotion.name());
    });
    let score = if view.mood.kind == MoodKind::NoFace || view.mood.kind.is_blind() {
        None
    } else {
        Some(view.mood.scores.get(emotion))
    };
    let ink = if speaks { color } else { color.mix(Color::hex(0x404654), 0.45) };
    pen.paint(out, ink, false, |o| pen.bar(o, score.unwrap_or(0.0), bar));
    if let Some(score) = score {
        let percent = (score * 100.0).round() as u32;
        pen.paint(out, if speaks { color } else { QUIET }, speaks, |o| {
            let _ = write!(o, " {percent:>3} %");
        });
    }
    out.push('\n');
}

/// `12.4 s  ●  happy 87 %`
fn one_line(out: &mut String, view: &View<'_>, now: Timestamp, pen: &Pen<'_>, columns: usize) {
    let kind = view.mood.kind;
    let mut text = format!("{} s {} {}", seconds(now), pen.lamp(kind != MoodKind::NoFace), kind.name());
    if let Some(e) = kind.emotion() {
        let _ = write!(text, " {} %", (view.mood.scores.get(e) * 100.0).round() as u32);
    }
    let cut = text.char_indices().nth(columns.saturating_sub(1)).map_or(text.len(), |(i, _)| i);
    pen.paint(out, palette::of_mood(kind), true, |o| o.push_str(&text[..cut]));
    out.push('\n');
}

/// Tenths of a second, "12.4".
fn seconds(t: Timestamp) -> String {
    let tenths = t.as_millis() / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn emoticon(kind: MoodKind) -> &'static str {
    match kind {
        MoodKind::Emotion(Emotion::Angry) => ">:(",
        MoodKind::Emotion(Emotion::Disgust) => ":-S",
        MoodKind::Emotion(Emotion::Fear) => "D-:",
        MoodKind::Emotion(Emotion::Happy) => ":-)",
        MoodKind::Emotion(Emotion::Sad) => ":-(",
        MoodKind::Emotion(Emotion::Surprise) => ":-O",
        MoodKind::Emotion(Emotion::Neutral) => ":-|",
        MoodKind::Uncertain => ":-?",
        MoodKind::NoFace => "   ",
        MoodKind::Fault => "/!\\",
        MoodKind::Muted => "-.-",
    }
}

struct Pen<'a> {
    style: &'a TerminalStyle,
}

impl Pen<'_> {
    fn paint(&self, out: &mut String, color: Color, bold: bool, text: impl FnOnce(&mut String)) {
        if self.style.colors == Colors::None {
            return text(out);
        }
        if bold {
            out.push_str("\x1b[1m");
        }
        self.escape(out, 38, color);
        text(out);
        out.push_str("\x1b[0m");
    }

    /// Select a colour: 38 for ink, 48 for paper.
    fn escape(&self, out: &mut String, ground: u8, c: Color) {
        let _ = match self.style.colors {
            Colors::None => Ok(()),
            Colors::True => write!(out, "\x1b[{ground};2;{};{};{}m", c.r, c.g, c.b),
            Colors::Cube => {
                let step = |v: u8| (v as u16 * 5 + 127) / 255;
                let index = 16 + 36 * step(c.r) + 6 * step(c.g) + step(c.b);
                write!(out, "\x1b[{ground};5;{index}m")
            }
        };
    }

    /// Three columns: a lit lamp glows into the cells beside it.
    fn led(&self, out: &mut String, color: Color, lit: bool) {
        if self.style.colors == Colors::None {
            let (open, close) = if lit { ("(", ")") } else { (" ", " ") };
            let _ = write!(out, "{open}{}{close}", self.lamp(lit));
            return;
        }
        if lit {
            self.escape(out, 48, Color::BLACK.mix(color, 0.35));
        }
        let ink = if lit { color } else { UNLIT };
        self.paint(out, ink, lit, |o| {
            let _ = write!(o, " {} ", self.lamp(lit));
        });
    }

    fn lamp(&self, lit: bool) -> &'static str {
        match (self.style.unicode, lit) {
            (true, true) => "●",
            (true, false) => "○",
            (false, true) => "*",
            (false, false) => ".",
        }
    }

    /// Exactly `width` columns, in eighths of a column where Unicode allows.
    fn bar(&self, out: &mut String, score: f32, width: usize) {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let eighths = (score.clamp(0.0, 1.0) * (width * 8) as f32).round() as usize;
        let (full, rest) =
            if self.style.unicode { (eighths / 8, eighths % 8) } else { ((eighths + 4) / 8, 0) };
        for _ in 0..full {
            out.push_str(if self.style.unicode { "█" } else { "#" });
        }
        out.push_str(EIGHTHS[rest]);
        for _ in full + usize::from(rest > 0)..width {
            out.push(' ');
        }
    }
}
