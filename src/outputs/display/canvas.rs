//! A panel as the page sees it: fill, shade, write; in the palette's colours, dimmed and shifted as a whole.
//!
//! The first error of the panel is kept and ends the drawing; later calls do nothing.

use super::ink::Ink;
use super::strokes::{Layer, Pt, Shape, shade};
use super::{hangul, latin};
use crate::outputs::palette::Color;
use embedded_graphics::mono_font::iso_8859_1::{FONT_4X6, FONT_5X7, FONT_6X10, FONT_7X13};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::Text;

/// How text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Type {
    /// Height of a capital, pixels.
    pub size: f32,
    /// Width of a stroke, of the size.
    pub weight: f32,
    pub color: Color,
}

/// Space between letters, of the size.
const SPACING: f32 = 0.26;
/// A Hangul square's side, of the size: optically as large as a capital.
const SQUARE: f32 = 1.3;

/// Borrowed for one drawing.
pub struct Canvas<'a, D: DrawTarget> {
    target: &'a mut D,
    /// 0 dark ..= 1 full brightness.
    pub light: f32,
    pub shift: Point,
    error: Option<D::Error>,
    shapes: Vec<Shape>,
}

impl<'a, D: DrawTarget<Color: Ink>> Canvas<'a, D> {
    pub fn new(target: &'a mut D, light: f32, shift: Point) -> Self {
        Self { target, light, shift, error: None, shapes: Vec::with_capacity(64) }
    }

    pub const COLORED: bool = <D::Color as Ink>::COLORED;

    pub fn finish(self) -> Result<(), D::Error> {
        self.error.map_or(Ok(()), Err)
    }

    pub fn clear(&mut self, color: Color) {
        let ink = self.ink(color);
        let result = self.target.clear(ink);
        self.note(result);
    }

    /// Fills everything but `area`.
    pub fn clear_around(&mut self, area: Rectangle, color: Color) {
        let ink = self.ink(color);
        let Size { width, height } = self.target.bounding_box().size;
        let Rectangle { top_left: Point { x, y }, size } = area.translate(self.shift);
        let (right, bottom) = (x + size.width as i32, y + size.height as i32);
        let spans = [
            (0, 0, width as i32, y),
            (0, bottom, width as i32, height as i32),
            (0, y, x, bottom),
            (right, y, width as i32, bottom),
        ];
        for (left, top, right, bottom) in spans {
            let size = Size::new((right - left).max(0) as u32, (bottom - top).max(0) as u32);
            let result = self.target.fill_solid(&Rectangle::new(Point::new(left, top), size), ink);
            self.note(result);
        }
    }

    pub fn fill(&mut self, area: Rectangle, color: Color) {
        let ink = self.ink(color);
        let area = area.translate(self.shift);
        let result = self.target.fill_solid(&area, ink);
        self.note(result);
    }

    /// Gives each pixel of `area` the colour that `color` says for its centre.
    pub fn shade(&mut self, area: Rectangle, color: impl Fn(Pt) -> Color) {
        if self.error.is_some() {
            return;
        }
        let light = self.light;
        let inks = area.points().map(|p| {
            let color = color((p.x as f32 + 0.5, p.y as f32 + 0.5));
            D::Color::from_color(Color::BLACK.mix(color, light))
        });
        let result = self.target.fill_contiguous(&area.translate(self.shift), inks);
        self.note(result);
    }

    /// Paints layers of shapes over `area`, which is `ground` before.
    pub fn paint(&mut self, area: Rectangle, ground: Color, layers: &[Layer<'_>]) {
        self.shade(area, |p| shade(p, ground, layers));
    }

    /// Width of `text` in pixels.
    pub fn text_width(text: &str, t: Type) -> f32 {
        let advances: f32 = text.chars().map(|c| advance(c, t.size)).sum();
        (advances - SPACING * t.size).max(0.0) + weight(text, t) * t.size
    }

    /// Writes `text` on `ground`, the upper left of its first capital at `at`.
    pub fn text(&mut self, text: &str, at: Pt, t: Type, ground: Color) {
        let r = (weight(text, t) * t.size / 2.0).max(0.5);
        let mut x = at.0 + r;
        let mut shapes = std::mem::take(&mut self.shapes);
        for c in text.chars() {
            shapes.clear();
            if hangul::is_syllable(c) {
                let side = SQUARE * t.size;
                hangul::syllable(c, (x, at.1 - (side - t.size) / 2.0), side, r, &mut shapes);
            } else {
                latin::letter(c, (x, at.1), t.size, r, &mut shapes);
            }
            let (left, right) = (x - SPACING / 2.0 * t.size, x + advance(c, t.size) - SPACING / 2.0 * t.size);
            let (top, bottom) = (at.1 - 0.4 * t.size, at.1 + 1.4 * t.size);
            if !shapes.is_empty() {
                self.paint(
                    span(left, top, right, bottom),
                    ground,
                    &[Layer { shapes: &shapes, color: t.color }],
                );
            }
            x += advance(c, t.size);
        }
        self.shapes = shapes;
    }

    /// Text in a built-in Latin-1 bitmap: crisp where there are no shades.
    pub fn bitmap_text(&mut self, text: &str, at: Pt, size: f32, color: Color, ground: Color) {
        let (font, capital) = bitmap(size);
        let style = MonoTextStyleBuilder::new()
            .font(font)
            .text_color(self.ink(color))
            .background_color(self.ink(ground))
            .build();
        let base = Point::new(at.0.round() as i32, (at.1 + capital).round() as i32 - 1) + self.shift;
        if self.error.is_none() {
            let result = Text::new(text, base, style).draw(self.target);
            self.note(result.map(|_| ()));
        }
    }

    fn ink(&self, color: Color) -> D::Color {
        D::Color::from_color(Color::BLACK.mix(color, self.light))
    }

    fn note(&mut self, result: Result<(), D::Error>) {
        if let (Err(e), None) = (result, &self.error) {
            self.error = Some(e);
        }
    }
}

/// The largest built-in font whose capitals are at most `size` high, and their height; 4×6 is the smallest.
fn bitmap(size: f32) -> (&'static MonoFont<'static>, f32) {
    let fonts = [(&FONT_7X13, 9.0), (&FONT_6X10, 7.0), (&FONT_5X7, 6.0), (&FONT_4X6, 5.0)];
    fonts.into_iter().find(|f| f.1 <= size).unwrap_or((&FONT_4X6, 5.0))
}

/// Width in pixels of text in the bitmap for `size`.
pub fn bitmap_width(text: &str, size: f32) -> f32 {
    (text.chars().count() as u32 * bitmap(size).0.character_size.width) as f32
}

/// The pen's width, of the size: narrower where dense Hangul would close up.
fn weight(text: &str, t: Type) -> f32 {
    text.chars().map(|c| hangul::heaviest(c) * SQUARE).fold(t.weight, f32::min)
}

/// From one letter's left edge to the next one's.
fn advance(c: char, size: f32) -> f32 {
    let width = if hangul::is_syllable(c) { SQUARE - SPACING / 2.0 } else { latin::width(c) };
    (width + SPACING) * size
}

/// The pixels whose centres lie in a span of coordinates; neighbouring spans share none.
pub fn span(left: f32, top: f32, right: f32, bottom: f32) -> Rectangle {
    let corner = Point::new(left.round() as i32, top.round() as i32);
    let end = Point::new(right.round() as i32, bottom.round() as i32);
    let size = Size::new((end.x - corner.x).max(0) as u32, (end.y - corner.y).max(0) as u32);
    Rectangle::new(corner, size)
}
