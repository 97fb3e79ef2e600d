//! Draws the parts of the page: face and word, bars, text, footer.
//!
//! Each part fills its whole area, so that a part can be drawn anew without clearing the panel (which flickers).

use super::canvas::{Canvas, Type, bitmap_width, span};
use super::icon::{Head, Icon};
use super::ink::Ink;
use super::layout::Bars;
use super::strokes::{Layer, Pt, Shape};
use super::words::Language;
use crate::decision::MoodKind;
use crate::emotion::{Emotion, EmotionScores};
use crate::outputs::palette::{self, Color};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

pub const GROUND: Color = Color::hex(0x0d1016);
const GROOVE: Color = Color::hex(0x232935);
const PLATE: Color = Color::hex(0x151a23);
const QUIET: Color = Color::hex(0x98a1b3);
const CLEAR: Color = Color::hex(0xeef1f6);
/// Eyes and mouth on a coloured head.
const FEATURES: Color = Color::hex(0x1a1d24);

/// Weight of the pen for large words and for small text, of the letter's height.
const BOLD: f32 = 0.165;
const BOOK: f32 = 0.105;
/// Below this height the pen's letters blur on a panel without shades, and built-in bitmaps are used.
const SMALLEST_PEN: f32 = 11.0;
/// A Hangul letter's parts need so many pixels on a panel without shades.
const SMALLEST_HANGUL: f32 = 9.0;

/// Parts of the page on a canvas.
pub struct Page<'c, 'd, D: DrawTarget<Color: Ink>> {
    pub canvas: &'c mut Canvas<'d, D>,
    pub language: Language,
}

impl<D: DrawTarget<Color: Ink>> Page<'_, '_, D> {
    const COLORED: bool = Canvas::<D>::COLORED;
    const GROUND: Color = if Self::COLORED { GROUND } else { Color::BLACK };

    /// Without colours everything drawn is white.
    fn tone(color: Color) -> Color {
        if Self::COLORED { color } else { Color::WHITE }
    }

    pub fn clear(&mut self) {
        self.canvas.clear(Self::GROUND);
    }

    pub fn clear_around(&mut self, area: Rectangle) {
        self.canvas.clear_around(area, Self::GROUND);
    }

    pub fn icon(&mut self, area: Rectangle, mood: MoodKind) {
        let icon = Icon::of(mood);
        let color = Self::tone(palette::of_mood(mood));
        let radius = area.size.width.min(area.size.height) as f32 / 2.0;
        let center = middle(area);
        let features: Vec<Shape> = icon.shapes().iter().map(|s| s.placed(radius * 0.94, center)).collect();
        let line = (radius * 0.035).max(0.6);
        let (head, ink) = match icon.head {
            Head::Filled if Self::COLORED => (Some(Shape::disc(center, radius - 1.0)), FEATURES),
            Head::None => (None, color),
            _ => (Some(Shape::ring(center, radius - line - 0.5, line)), color),
        };
        let layers = [Layer { shapes: head.as_slice(), color }, Layer { shapes: &features, color: ink }];
        self.canvas.paint(area, Self::GROUND, &layers);
    }

    /// The mood's word as large as fits, and one line below it.
    pub fn title(&mut self, area: Rectangle, mood: MoodKind, below: &str) {
        let word = self.language.mood(mood);
        self.canvas.fill(area, Self::GROUND);
        let (w, h) = (area.size.width as f32, area.size.height as f32);
        let small = (h * 0.17).clamp(7.0, 60.0);
        let weight = if Self::COLORED { BOLD } else { 0.13 };
        let size = largest::<D>(word, w, (h - small * 2.0) / 1.45, weight);
        let lines = if below.is_empty() { 0.0 } else { small * 2.0 };
        let top = area.top_left.y as f32 + ((h - size - lines) / 2.0).max(size * 0.25);
        let left = area.top_left.x as f32;
        let color = Self::tone(palette::of_mood(mood));
        // Whole pixels: a stem between two would be a pixel wider here than there.
        self.canvas.text(word, (left, top.round()), Type { size, weight, color }, Self::GROUND);
        if !below.is_empty() {
            let y = top + size + small;
            self.line(below, (left, y.round()), self.fitting(below, small, w), Self::tone(QUIET));
        }
    }

    /// Text over as many lines as it needs, in the upper part of `area`; one size smaller until it fits.
    pub fn text(&mut self, area: Rectangle, text: &str) {
        self.canvas.fill(area, Self::GROUND);
        let (w, h) = (area.size.width as f32, area.size.height as f32);
        let mut size = (h / 6.0).clamp(7.0, 48.0);
        let mut lines = wrap(text, w, |t| self.width(t, size));
        while lines.len() as f32 * size * 1.9 > h && size > 5.0 {
            size = (size * 0.92).max(5.0);
            lines = wrap(text, w, |t| self.width(t, size));
        }
        for (i, line) in lines.iter().enumerate() {
            let y = area.top_left.y as f32 + size * (0.35 + 1.75 * i as f32);
            self.line(line, (area.top_left.x as f32, y.round()), size, Self::tone(QUIET));
        }
    }

    /// One line of small text.
    fn line(&mut self, text: &str, at: Pt, size: f32, color: Color) {
        if Self::bitmapped(text, size) {
            self.canvas.bitmap_text(text, at, size, color, Self::GROUND);
        } else {
            self.canvas.text(text, at, book(Self::legible(text, size), color), Self::GROUND);
        }
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        if Self::bitmapped(text, size) {
            bitmap_width(text, size)
        } else {
            Canvas::<D>::text_width(text, book(Self::legible(text, size), QUIET))
        }
    }

    fn bitmapped(text: &str, size: f32) -> bool {
        !Self::COLORED && size < SMALLEST_PEN && text.chars().all(|c| c as u32 <= 0xff)
    }

    fn legible(text: &str, size: f32) -> f32 {
        let hangul = !Self::COLORED && text.chars().any(|c| c as u32 > 0xff);
        if hangul { size.max(SMALLEST_HANGUL) } else { size }
    }

    /// The size, made smaller where the line would be wider than `width`.
    fn fitting(&self, text: &str, size: f32, width: f32) -> f32 {
        if Self::bitmapped(text, size) { size } else { largest::<D>(text, width, size, BOOK) }
    }

    pub fn bars(&mut self, bars: Bars, mood: MoodKind, scores: Option<&EmotionScores>) {
        match bars {
            Bars::Rows(area) => self.rows(area, mood, scores),
            Bars::Columns(area) => self.columns(area, scores),
            Bars::None => {}
        }
    }

    fn rows(&mut self, area: Rectangle, mood: MoodKind, scores: Option<&EmotionScores>) {
        self.canvas.fill(area, Self::GROUND);
        let (w, row) = (area.size.width as f32, area.size.height as f32 / Emotion::COUNT as f32);
        let size = (row * 0.46).min(w / 16.0);
        let widest = |e: Emotion| Canvas::<D>::text_width(self.language.emotion(e), book(size, QUIET));
        let names = Emotion::ALL.into_iter().map(widest).fold(0.0, f32::max) + size;
        let percent = Canvas::<D>::text_width(&self.language.percent(1.0), book(size, QUIET)) + size * 0.8;
        let bar = (w - names - percent).max(8.0);
        let left = area.top_left.x as f32;
        for (i, emotion) in Emotion::ALL.into_iter().enumerate() {
            let speaks = mood.emotion() == Some(emotion);
            let center = area.top_left.y as f32 + row * (i as f32 + 0.5);
            let t = book(size, Self::tone(if speaks { CLEAR } else { QUIET }));
            let top = (center - size / 2.0).round();
            self.canvas.text(self.language.emotion(emotion), (left, top), t, Self::GROUND);
            let score = scores.map(|s| s.get(emotion));
            let groove = Groove { left: left + names, center, width: bar, height: row * 0.42 };
            self.bar(groove, emotion, speaks, score.unwrap_or(0.0));
            if let Some(score) = score {
                let text = self.language.percent(score);
                let x = left + w - Canvas::<D>::text_width(&text, t);
                self.canvas.text(&text, (x.round(), top), t, Self::GROUND);
            }
        }
    }

    fn bar(&mut self, groove: Groove, emotion: Emotion, speaks: bool, score: f32) {
        let color = palette::of_emotion(emotion);
        let color = Self::tone(if speaks { color } else { color.mix(GROUND, 0.45) });
        let hollow = [groove.plate(groove.width)];
        let level = [groove.plate((groove.width * score).max(groove.height))];
        let layers = [
            Layer { shapes: &hollow, color: if Self::COLORED { GROOVE } else { Color::BLACK } },
            Layer { shapes: &level, color },
        ];
        // Below one percent there is nothing to see.
        let shown = if score >= 0.01 { 2 } else { 1 };
        self.canvas.paint(groove.area(), Self::GROUND, &layers[..shown]);
    }

    fn columns(&mut self, area: Rectangle, scores: Option<&EmotionScores>) {
        self.canvas.fill(area, Self::GROUND);
        let step = area.size.width as f32 / Emotion::COUNT as f32;
        // Rows under a bar for its word, and how far below the bar that begins: a letter's height and its descender.
        let (label, gap) = if self.language == Language::Korean { (13, 2.0) } else { (8, 1.0) };
        let height = area.size.height as i32 - label;
        for (i, emotion) in Emotion::ALL.into_iter().enumerate() {
            let left = area.top_left.x + (i as f32 * step).round() as i32;
            let width = step as u32 - 2;
            let filled = (scores.map_or(0.0, |s| s.get(emotion)) * height as f32).round() as i32;
            let base = area.top_left.y + height;
            let color = Self::tone(palette::of_emotion(emotion));
            self.canvas.fill(rect(left, base - filled.max(1), width, filled.max(1) as u32), color);
            let name = self.language.short(emotion);
            let indent = (width as f32 - self.width(name, 5.0)) / 2.0;
            let at = (left as f32 + indent.max(0.0).round(), base as f32 + gap);
            self.line(name, at, 5.0, Self::tone(CLEAR));
        }
    }

    pub fn footer(&mut self, area: Rectangle, left: &str, right: &str) {
        self.canvas.fill(area, Self::GROUND);
        let size = (area.size.height as f32 * 0.56).min(area.size.width as f32 / 40.0);
        let top = (area.top_left.y as f32 + (area.size.height as f32 - size) / 2.0).round();
        let color = Self::tone(QUIET);
        self.line(left, (area.top_left.x as f32, top), size, color);
        let x = (area.top_left.x + area.size.width as i32) as f32 - self.width(right, size);
        self.line(right, (x.round(), top), size, color);
    }

    /// Where the picture would be: an empty plate.
    pub fn plate(&mut self, area: Rectangle) {
        let half = (area.size.width as f32 / 2.0, area.size.height as f32 / 2.0);
        let plate = [Shape::Plate { c: middle(area), half, corner: half.1 * 0.06 }];
        let color = if Self::COLORED { PLATE } else { Color::BLACK };
        self.canvas.paint(area, Self::GROUND, &[Layer { shapes: &plate, color }]);
    }
}

/// Where a bar lies.
#[derive(Debug, Clone, Copy)]
struct Groove {
    left: f32,
    center: f32,
    width: f32,
    height: f32,
}

impl Groove {
    fn plate(&self, width: f32) -> Shape {
        let half = (width / 2.0, self.height / 2.0);
        Shape::Plate { c: (self.left + half.0, self.center), half, corner: half.1.min(half.0) }
    }

    fn area(&self) -> Rectangle {
        let half = self.height / 2.0;
        span(self.left, self.center - half, self.left + self.width, self.center + half)
    }
}

/// Lines of whole words, each at most `width` wide by `measure`; a longer word stands alone.
fn wrap(text: &str, width: f32, measure: impl Fn(&str) -> f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
            if line.is_empty() || measure(&longer) <= width {
                line = longer;
            } else {
                lines.push(std::mem::replace(&mut line, word.to_string()));
            }
        }
        lines.push(line);
    }
    lines
}

/// The largest size up to `height` at which `text` is at most `width` wide.
fn largest<D: DrawTarget<Color: Ink>>(text: &str, width: f32, height: f32, weight: f32) -> f32 {
    let unit = Canvas::<D>::text_width(text, Type { size: 1.0, weight, color: CLEAR });
    if unit > 0.0 { height.min(width / unit) } else { height }
}

fn book(size: f32, color: Color) -> Type {
    Type { size, weight: BOOK, color }
}

pub fn middle(area: Rectangle) -> Pt {
    let (x, y) = (area.top_left.x as f32, area.top_left.y as f32);
    (x + area.size.width as f32 / 2.0, y + area.size.height as f32 / 2.0)
}

fn rect(x: i32, y: i32, w: u32, h: u32) -> Rectangle {
    Rectangle::new(Point::new(x, y), Size::new(w, h))
}
