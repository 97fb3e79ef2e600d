//! Round-ended strokes and discs with smooth edges: what icons and large letters are drawn with.
//!
//! A shape is known by its signed distance: negative inside, in pixels. The share of a pixel that is covered is taken
//! from the distance of its centre to the edge, so one description serves a 12-pixel letter on a monochrome panel
//! (where half covered means lit) and a 200-pixel face in colour.

use crate::outputs::palette::Color;

/// A point in pixels, x to the right and y down.
pub type Pt = (f32, f32);

/// One mark of the pen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A straight stroke of width `2·r` with round ends.
    Line { a: Pt, b: Pt, r: f32 },
    /// Part of a circle's line. Angles in radians, clockwise from the right; it runs from `mid − half` to `mid + half`.
    Arc { c: Pt, radius: f32, mid: f32, half: f32, r: f32 },
    /// An ellipse's line of width `2·r`; filled when `filled`.
    Oval { c: Pt, rx: f32, ry: f32, r: f32, filled: bool },
    /// A filled box with round corners.
    Plate { c: Pt, half: Pt, corner: f32 },
}

impl Shape {
    /// A filled circle.
    pub const fn disc(c: Pt, radius: f32) -> Shape {
        Shape::Line { a: c, b: c, r: radius }
    }

    /// A circle's line.
    pub const fn ring(c: Pt, radius: f32, r: f32) -> Shape {
        Shape::Arc { c, radius, mid: 0.0, half: std::f32::consts::PI, r }
    }

    /// Scaled about the origin, then moved.
    pub fn placed(self, scale: f32, to: Pt) -> Shape {
        let at = |p: Pt| (p.0 * scale + to.0, p.1 * scale + to.1);
        match self {
            Shape::Line { a, b, r } => Shape::Line { a: at(a), b: at(b), r: r * scale },
            Shape::Arc { c, radius, mid, half, r } => {
                Shape::Arc { c: at(c), radius: radius * scale, mid, half, r: r * scale }
            }
            Shape::Oval { c, rx, ry, r, filled } => {
                Shape::Oval { c: at(c), rx: rx * scale, ry: ry * scale, r: r * scale, filled }
            }
            Shape::Plate { c, half, corner } => {
                Shape::Plate { c: at(c), half: (half.0 * scale, half.1 * scale), corner: corner * scale }
            }
        }
    }

    /// Pixels from `p` to the edge; negative inside.
    pub fn distance(&self, p: Pt) -> f32 {
        match *self {
            Shape::Line { a, b, r } => to_segment(p, a, b) - r,
            Shape::Arc { c, radius, mid, half, r } => to_arc((p.0 - c.0, p.1 - c.1), radius, mid, half) - r,
            Shape::Oval { c, rx, ry, r, filled } => {
                let d = to_oval((p.0 - c.0, p.1 - c.1), rx, ry);
                if filled { d - r } else { d.abs() - r }
            }
            Shape::Plate { c, half, corner } => {
                let x = (p.0 - c.0).abs() - half.0 + corner;
                let y = (p.1 - c.1).abs() - half.1 + corner;
                x.max(0.0).hypot(y.max(0.0)) + x.max(y).min(0.0) - corner
            }
        }
    }
}

fn to_segment(p: Pt, a: Pt, b: Pt) -> f32 {
    let (px, py) = (p.0 - a.0, p.1 - a.1);
    let (bx, by) = (b.0 - a.0, b.1 - a.1);
    let length2 = bx * bx + by * by;
    let t = if length2 > 0.0 { ((px * bx + py * by) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (px - t * bx).hypot(py - t * by)
}

fn to_arc(v: Pt, radius: f32, mid: f32, half: f32) -> f32 {
    // Turn so that the arc is symmetric about the x axis, and look at its upper half only.
    let (sin, cos) = mid.sin_cos();
    let x = v.0 * cos + v.1 * sin;
    let y = (v.1 * cos - v.0 * sin).abs();
    if y.atan2(x) <= half {
        return (x.hypot(y) - radius).abs();
    }
    let (sin, cos) = half.sin_cos();
    (x - radius * cos).hypot(y - radius * sin)
}

/// First-order estimate; exact on the edge, which is where it matters.
fn to_oval(v: Pt, rx: f32, ry: f32) -> f32 {
    let k0 = (v.0 / rx).hypot(v.1 / ry);
    let k1 = (v.0 / (rx * rx)).hypot(v.1 / (ry * ry));
    if k1 > 0.0 { k0 * (k0 - 1.0) / k1 } else { -rx.min(ry) }
}

/// Shapes of one colour.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    pub shapes: &'a [Shape],
    pub color: Color,
}

/// The colour of the pixel whose centre is `p`: the layers painted one over the other on `ground`.
pub fn shade(p: Pt, ground: Color, layers: &[Layer<'_>]) -> Color {
    layers.iter().fold(ground, |color, layer| {
        let distance = layer.shapes.iter().map(|s| s.distance(p)).fold(f32::INFINITY, f32::min);
        color.mix(layer.color, 0.5 - distance)
    })
}
