//! Draws the parts of the page: face and word, bars, picture, footer.
//!
//! Each part fills its whole area, so that a part can be drawn anew without clearing the panel (which flickers).

use super::canvas::{Canvas, Type, span};
use super::icon::{Head, Icon};
use super::ink::Ink;
use super::layout::Bars;
use super::strokes::{Layer, Pt, Shape};
use super::words::Language;
use crate::decision::MoodKind;
use crate::emotion::{Emotion, EmotionScores};
use crate::frame::{GrayView, Rect};
use crate::outputs::palette::{self, Color};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

pub const GROUND: Color = Color::hex(0x0d1016);
const GROOVE: Color = Color::hex(0x232935);
const QUIET: Color = Color::hex(0x8d96a8);
const CLEAR: Color = Color::hex(0xeef1f6);

/// Weight of the pen for large words and for small text, of the letter's height.
const BOLD: f32 = 0.17;
const BOOK: f32 = 0.11;
/// Below this height the pen's letters blur on a panel without shades, and the built-in bitmaps are used.
const SMALLEST_PEN: f32 = 11.0;

pub struct Page<'c, 'd, D: DrawTarget<Color: Ink>> {
    pub canvas: &'c mut Canvas<'d, D>,
    pub language: Language,
}

/// The darkest and lightest colours of a panel: without colours everything is black or white.
fn ground<D: DrawTarget<Color: Ink>>() -> Color {
    if Canvas::<D>::COLORED { GROUND } else { Color::BLACK }
}

impl<D: DrawTarget<Color: Ink>> Page<'_, '_, D> {
    const COLORED: bool = Canvas::<D>::COLORED;

    fn tone(&self, color: Color) -> Color {
        if Self::COLORED { color } else { Color::WHITE }
    }

    pub fn icon(&mut self, area: Rectangle, mood: MoodKind) {
        let icon = Icon::of(mood);
        let color = self.tone(palette::of_mood(mood));
        let radius = area.size.width.min(area.size.height) as f32 / 2.0;
        let center = middle(area);
        let features = icon.shapes();
        let placed: Vec<Shape> = features.iter().map(|s| s.placed(radius * 0.94, center)).collect();
        let (head, ink) = match icon.head {
            Head::Filled if Self::COLORED => (Some(Shape::disc(center, radius - 1.0)), Color::hex(0x1a1d24)),
            Head::None => (None, color),
            _ => {
                let r = (radius * 0.035).max(0.6);
                (Some(Shape::ring(center, radius - r - 0.5, r)), color)
            }
        };
        let head = head.as_slice();
        let layers = [Layer { shapes: head, color }, Layer { shapes: &placed, color: ink }];
        let first = usize::from(head.is_empty());
        self.canvas.paint(area, ground::<D>(), &layers[first..]);
    }

    /// The mood's word as large as fits, and one line below it.
    pub fn title(&mut self, area: Rectangle, mood: MoodKind, below: &str) {
        let word = self.language.mood(mood);
        let color = self.tone(palette::of_mood(mood));
        self.canvas.fill(area, ground::<D>());
        let (w, h) = (area.size.width as f32, area.size.height as f32);
        let small = (h * 0.17).clamp(7.0, 40.0);
        let room = if below.is_empty() { h } else { h - small * 2.2 };
        let size = largest_size::<D>(word, w, room / 1.45, BOLD);
        let block = size * 1.0 + if below.is_empty() { 0.0 } else { small * 2.2 };
        let top = area.top_left.y as f32 + ((h - block) / 2.0).max(size * 0.25);
        let left = area.top_left.x as f32;
        self.canvas.text(word, (left, top), Type { size, weight: BOLD, color }, ground::<D>());
        let y = top + size + small * 1.2;
        self.small_text(below, (left, y), small, w, self.tone(QUIET));
    }

    /// A line of small text, made smaller where it would not fit.
    fn small_text(&mut self, text: &str, at: Pt, size: f32, width: f32, color: Color) {
        if !Self::COLORED && size < SMALLEST_PEN && text.is_ascii_or_latin() {
            return self.canvas.bitmap_text(text, at, size, width, color, ground::<D>());
        }
        let t = Type { size: largest_size::<D>(text, width, size, BOOK), weight: BOOK, color };
        self.canvas.text(text, at, t, ground::<D>());
    }

    pub fn bars(&mut self, bars: Bars, mood: MoodKind, scores: Option<&EmotionScores>) {
        match bars {
            Bars::Rows(area) => self.rows(area, mood, scores),
            Bars::Columns(area) => self.columns(area, mood, scores),
            Bars::None => {}
        }
    }

    fn rows(&mut self, area: Rectangle, mood: MoodKind, scores: Option<&EmotionScores>) {
        self.canvas.fill(area, ground::<D>());
        let (w, row) = (area.size.width as f32, area.size.height as f32 / Emotion::COUNT as f32);
        let size = (row * 0.46).min(w / 14.0);
        let widest = |e: Emotion| Canvas::<D>::text_width(self.language.emotion(e), book(size, QUIET));
        let names = Emotion::ALL.into_iter().map(widest).fold(0.0, f32::max) + size;
        let percent = Canvas::<D>::text_width("100 %", book(size, QUIET)) + size;
        let bar = (w - names - percent).max(8.0);
        for (i, emotion) in Emotion::ALL.into_iter().enumerate() {
            let speaks = mood.emotion() == Some(emotion);
            let left = area.top_left.x as f32;
            let center = area.top_left.y as f32 + row * (i as f32 + 0.5);
            let ink = self.tone(if speaks { CLEAR } else { QUIET });
            let line = (left, center - size / 2.0);
            self.canvas.text(self.language.emotion(emotion), line, book(size, ink), ground::<D>());
            let score = scores.map_or(0.0, |s| s.get(emotion));
            self.bar((left + names, center, bar, row * 0.42), emotion, speaks, score);
            if scores.is_some() {
                let text = percent_text(score);
                let t = book(size, ink);
                let x = left + w - Canvas::<D>::text_width(&text, t);
                self.canvas.text(&text, (x, line.1), t, ground::<D>());
            }
        }
    }

    /// A rounded groove with the score in it: left, centre, width, height.
    fn bar(&mut self, at: (f32, f32, f32, f32), emotion: Emotion, speaks: bool, score: f32) {
        let (left, center, width, height) = at;
        let plate = |w: f32| {
            let half = (w / 2.0, height / 2.0);
            Shape::Plate { c: (left + half.0, center), half, corner: half.1.min(half.0) }
        };
        let color = palette::of_emotion(emotion);
        let color = self.tone(if speaks { color } else { color.mix(GROUND, 0.45) });
        let groove = [plate(width)];
        let level = [plate((width * score).max(height))];
        let groove_color = if Self::COLORED { GROOVE } else { Color::BLACK };
        let mut layers = vec![Layer { shapes: &groove, color: groove_color }];
        if score >= 0.01 {
            layers.push(Layer { shapes: &level, color });
        }
        let area = span(left, center - height / 2.0, left + width, center + height / 2.0);
        self.canvas.paint(area, ground::<D>(), &layers);
    }

    fn columns(&mut self, area: Rectangle, mood: MoodKind, scores: Option<&EmotionScores>) {
        self.canvas.fill(area, ground::<D>());
        let step = area.size.width as f32 / Emotion::COUNT as f32;
        let label = if self.language == Language::Korean { 10 } else { 7 };
        let height = area.size.height as i32 - label;
        for (i, emotion) in Emotion::ALL.into_iter().enumerate() {
            let left = area.top_left.x + (i as f32 * step).round() as i32;
            let width = step.round() as u32 - 3;
            let score = scores.map_or(0.0, |s| s.get(emotion));
            let filled = (score * height as f32).round() as i32;
            let base = area.top_left.y + height;
            let color = self.tone(palette::of_emotion(emotion));
            self.canvas.fill(rect(left, base - 1, width, 1), color);
            self.canvas.fill(rect(left, base - filled, width, filled.max(0) as u32), color);
            let name = self.language.short(emotion);
            let at = (left as f32, base as f32 + 2.0);
            let _ = mood;
            self.small_text(name, at, 5.0, step, self.tone(CLEAR));
        }
    }

    pub fn footer(&mut self, area: Rectangle, left: &str, right: &str) {
        self.canvas.fill(area, ground::<D>());
        let size = (area.size.height as f32 * 0.56).min(area.size.width as f32 / 36.0);
        let top = area.top_left.y as f32 + (area.size.height as f32 - size) / 2.0;
        let t = book(size, self.tone(QUIET));
        self.canvas.text(left, (area.top_left.x as f32, top), t, ground::<D>());
        let x = (area.top_left.x + area.size.width as i32) as f32 - Canvas::<D>::text_width(right, t);
        self.canvas.text(right, (x, top), t, ground::<D>());
    }

    /// The picture, cut to the area's proportions and smoothed, with a frame around each face.
    pub fn picture(&mut self, area: Rectangle, picture: GrayView<'_>, faces: &[(Rect, MoodKind)]) {
        let fit = Fit::of(area, picture);
        self.canvas.shade(area, |p| fit.pixel(picture, p));
        for (face, mood) in faces {
            self.face_frame(area, fit.place(face), palette::of_mood(*mood));
        }
    }

    /// Without a picture: a quiet plate with the drawn face.
    pub fn no_picture(&mut self, area: Rectangle) {
        let half = (area.size.width as f32 / 2.0, area.size.height as f32 / 2.0);
        let plate = [Shape::Plate { c: middle(area), half, corner: half.1 * 0.08 }];
        let color = if Self::COLORED { Color::hex(0x151a23) } else { Color::BLACK };
        self.canvas.paint(area, ground::<D>(), &[Layer { shapes: &plate, color }]);
    }

    fn face_frame(&mut self, area: Rectangle, face: Rect, color: Color) {
        let color = self.tone(color);
        let thick = (area.size.height / 100).max(1) as f32;
        let (l, t, r, b) = (face.x, face.y, face.x + face.w, face.y + face.h);
        for edge in [
            span(l, t, r, t + thick),
            span(l, b - thick, r, b),
            span(l, t, l + thick, b),
            span(r - thick, t, r, b),
        ] {
            self.canvas.fill(edge.intersection(&area), color);
        }
    }
}

/// How a picture lies in an area: scaled to cover it, centred.
struct Fit {
    scale: f32,
    offset: Pt,
}

impl Fit {
    fn of(area: Rectangle, picture: GrayView<'_>) -> Fit {
        let (w, h) = (area.size.width as f32, area.size.height as f32);
        let scale = (w / picture.width as f32).max(h / picture.height as f32);
        let center = middle(area);
        let offset =
            (center.0 - picture.width as f32 * scale / 2.0, center.1 - picture.height as f32 * scale / 2.0);
        Fit { scale, offset }
    }

    /// The nearest pixel, as gray.
    fn pixel(&self, picture: GrayView<'_>, p: Pt) -> Color {
        let x = ((p.0 - self.offset.0) / self.scale) as usize;
        let y = ((p.1 - self.offset.1) / self.scale) as usize;
        let v = picture.row(y.min(picture.height - 1))[x.min(picture.width - 1)];
        Color { r: v, g: v, b: v }
    }

    fn place(&self, face: &Rect) -> Rect {
        Rect {
            x: face.x * self.scale + self.offset.0,
            y: face.y * self.scale + self.offset.1,
            w: face.w * self.scale,
            h: face.h * self.scale,
        }
    }
}

fn largest_size<D: DrawTarget<Color: Ink>>(text: &str, width: f32, height: f32, weight: f32) -> f32 {
    let unit = Canvas::<D>::text_width(text, Type { size: 1.0, weight, color: CLEAR });
    if unit > 0.0 { height.min(width / unit) } else { height }
}

fn book(size: f32, color: Color) -> Type {
    Type { size, weight: BOOK, color }
}

/// "87 %"
pub fn percent_text(score: f32) -> String {
    format!("{} %", (score * 100.0).round() as u32)
}

fn middle(area: Rectangle) -> Pt {
    let (x, y) = (area.top_left.x as f32, area.top_left.y as f32);
    (x + area.size.width as f32 / 2.0, y + area.size.height as f32 / 2.0)
}

fn rect(x: i32, y: i32, w: u32, h: u32) -> Rectangle {
    Rectangle::new(Point::new(x, y), Size::new(w, h))
}

trait Script {
    fn is_ascii_or_latin(&self) -> bool;
}

impl Script for str {
    fn is_ascii_or_latin(&self) -> bool {
        self.chars().all(|c| (c as u32) < 0x100)
    }
}
