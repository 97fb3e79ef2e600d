//! The camera picture on the page, with a frame around each face.

use super::canvas::{Canvas, span};
use super::ink::Ink;
use super::page::middle;
use super::strokes::Pt;
use crate::decision::MoodKind;
use crate::frame::{GrayView, Rect};
use crate::outputs::palette::{self, Color};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Draws the picture so that it covers `area` (cut where the proportions differ).
pub fn picture<'f, D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    area: Rectangle,
    picture: GrayView<'_>,
    faces: impl Iterator<Item = (&'f Rect, MoodKind)>,
) {
    let fit = Fit::of(area, picture);
    canvas.shade(area, |p| fit.gray(picture, p));
    for (face, mood) in faces {
        frame(canvas, area, fit.place(face), palette::of_mood(mood));
    }
}

/// Corners around a face: less of the face is hidden than by a closed box.
fn frame<D: DrawTarget<Color: Ink>>(canvas: &mut Canvas<'_, D>, area: Rectangle, face: Rect, color: Color) {
    let color = if Canvas::<D>::COLORED { color } else { Color::WHITE };
    let thick = (area.size.height as f32 / 90.0).max(1.0).round();
    let arm = (face.w.min(face.h) * 0.28).max(3.0 * thick);
    let (l, t, r, b) = (face.x, face.y, face.x + face.w, face.y + face.h);
    for (x, y, right, down) in [(l, t, 1.0, 1.0), (r, t, -1.0, 1.0), (l, b, 1.0, -1.0), (r, b, -1.0, -1.0)] {
        for (dx, dy) in [(arm * right, thick * down), (thick * right, arm * down)] {
            let edge = span(x.min(x + dx), y.min(y + dy), x.max(x + dx), y.max(y + dy));
            canvas.fill(edge.intersection(&area), color);
        }
    }
}

/// How a picture lies in an area.
struct Fit {
    /// Panel pixels for one of the picture's.
    scale: f32,
    offset: Pt,
}

impl Fit {
    fn of(area: Rectangle, picture: GrayView<'_>) -> Fit {
        let (w, h) = (area.size.width as f32, area.size.height as f32);
        let scale = (w / picture.width as f32).max(h / picture.height as f32);
        let (x, y) = middle(area);
        let half = (picture.width as f32 * scale / 2.0, picture.height as f32 * scale / 2.0);
        Fit { scale, offset: (x - half.0, y - half.1) }
    }

    /// The mean of four points within the panel's pixel: smooth enough at half size, and cheap.
    fn gray(&self, picture: GrayView<'_>, p: Pt) -> Color {
        let at = |dx: f32, dy: f32| {
            let x = ((p.0 + dx - self.offset.0) / self.scale) as usize;
            let y = ((p.1 + dy - self.offset.1) / self.scale) as usize;
            picture.row(y.min(picture.height - 1))[x.min(picture.width - 1)] as u16
        };
        let sum = at(-0.25, -0.25) + at(0.25, -0.25) + at(-0.25, 0.25) + at(0.25, 0.25);
        let v = ((sum + 2) / 4) as u8;
        Color { r: v, g: v, b: v }
    }

    fn place(&self, face: &Rect) -> Rect {
        let at = |v: f32, offset: f32| v * self.scale + offset;
        Rect {
            x: at(face.x, self.offset.0),
            y: at(face.y, self.offset.1),
            w: face.w * self.scale,
            h: face.h * self.scale,
        }
    }
}
