//! A drawn face for each mood, readable from across a room and without colour.
//!
//! Coordinates: the head is the unit circle, x to the right, y down. Only brows, eyes and mouth tell the mood.

use super::strokes::{Pt, Shape};
use crate::decision::MoodKind;
use crate::emotion::Emotion;
use std::f32::consts::{FRAC_PI_2, PI};

/// Half the width of the features' strokes, of the head's radius.
const PEN: f32 = 0.075;
const EYE: f32 = 0.11;

/// The features of a face, and how its head is drawn.
#[derive(Debug, Clone)]
pub struct Icon {
    shapes: [Shape; Icon::MOST],
    count: usize,
    pub head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// A filled disc in the mood's colour where the panel has colours.
    Filled,
    /// A circle's line: no emotion.
    Outline,
    /// No head at all (the warning sign).
    None,
}

impl Icon {
    const MOST: usize = 12;

    pub fn of(mood: MoodKind) -> Icon {
        let mut icon =
            Icon { shapes: [Shape::disc((0.0, 0.0), 0.0); Self::MOST], count: 0, head: Head::Filled };
        match mood {
            MoodKind::Emotion(e) => icon.emotion(e),
            MoodKind::Uncertain => {
                icon.head = Head::Outline;
                icon.both(Shape::disc((0.34, -0.16), EYE));
                icon.add(arc((0.36, -0.3), 0.22, PI * 1.5, 0.7));
                icon.add(line((-0.26, 0.46), (0.3, 0.34)));
            }
            MoodKind::NoFace => {
                icon.head = Head::Outline;
                icon.both(arc((0.36, -0.2), 0.18, FRAC_PI_2, 1.1));
                icon.add(Shape::disc((0.0, 0.4), 0.1));
            }
            // Asleep.
            MoodKind::Muted => {
                icon.head = Head::Outline;
                icon.both(line((0.2, -0.12), (0.5, -0.12)));
                icon.add(line((-0.2, 0.42), (0.2, 0.42)));
            }
            MoodKind::Fault => {
                icon.head = Head::None;
                let (top, left, right) = ((0.0, -0.78), (-0.86, 0.72), (0.86, 0.72));
                icon.extend([line(top, left), line(left, right), line(right, top)]);
                icon.add(Shape::Line { a: (0.0, -0.22), b: (0.0, 0.22), r: 0.09 });
                icon.add(Shape::disc((0.0, 0.47), 0.1));
            }
        }
        icon
    }

    pub fn shapes(&self) -> &[Shape] {
        &self.shapes[..self.count]
    }

    fn emotion(&mut self, emotion: Emotion) {
        match emotion {
            Emotion::Angry => {
                self.both(Shape::disc((0.34, -0.08), EYE));
                self.both(line((0.58, -0.5), (0.17, -0.3)));
                self.add(arc((0.0, 0.82), 0.42, -FRAC_PI_2, 0.75));
            }
            Emotion::Disgust => {
                // Squeezed eyes and a tongue.
                self.both(line((0.5, -0.34), (0.24, -0.2)));
                self.both(line((0.24, -0.2), (0.5, -0.06)));
                self.add(line((-0.4, 0.3), (0.4, 0.3)));
                self.add(Shape::Plate { c: (0.14, 0.46), half: (0.17, 0.2), corner: 0.16 });
            }
            Emotion::Fear => {
                // Wide eyes, lifted brows, a trembling mouth.
                self.both(Shape::ring((0.34, -0.14), 0.17, 0.05));
                self.both(Shape::disc((0.34, -0.14), 0.06));
                self.both(line((0.56, -0.42), (0.26, -0.56)));
                let wave: [Pt; 5] = [(-0.36, 0.5), (-0.18, 0.38), (0.0, 0.5), (0.18, 0.38), (0.36, 0.5)];
                for pair in wave.windows(2) {
                    self.add(line(pair[0], pair[1]));
                }
            }
            Emotion::Happy => {
                self.both(arc((0.36, -0.1), 0.17, -FRAC_PI_2, 1.15));
                self.add(arc((0.0, 0.02), 0.52, FRAC_PI_2, 1.1));
            }
            Emotion::Sad => {
                self.both(Shape::disc((0.34, -0.08), EYE));
                self.both(line((0.55, -0.3), (0.24, -0.44)));
                self.add(arc((0.0, 0.78), 0.4, -FRAC_PI_2, 0.95));
            }
            Emotion::Surprise => {
                self.both(Shape::disc((0.34, -0.14), 0.13));
                self.both(arc((0.34, -0.3), 0.2, -FRAC_PI_2, 0.8));
                self.add(Shape::Oval { c: (0.0, 0.44), rx: 0.17, ry: 0.23, r: 0.0, filled: true });
            }
            Emotion::Neutral => {
                self.both(Shape::disc((0.34, -0.16), EYE));
                self.add(line((-0.34, 0.38), (0.34, 0.38)));
            }
        }
    }

    fn add(&mut self, shape: Shape) {
        self.shapes[self.count] = shape;
        self.count += 1;
    }

    fn extend(&mut self, shapes: impl IntoIterator<Item = Shape>) {
        shapes.into_iter().for_each(|s| self.add(s));
    }

    /// A shape and its mirror image.
    fn both(&mut self, shape: Shape) {
        self.add(shape);
        self.add(mirrored(shape));
    }
}

fn line(a: Pt, b: Pt) -> Shape {
    Shape::Line { a, b, r: PEN }
}

fn arc(c: Pt, radius: f32, mid: f32, half: f32) -> Shape {
    Shape::Arc { c, radius, mid, half, r: PEN }
}

fn mirrored(shape: Shape) -> Shape {
    let flip = |p: Pt| (-p.0, p.1);
    match shape {
        Shape::Line { a, b, r } => Shape::Line { a: flip(a), b: flip(b), r },
        Shape::Arc { c, radius, mid, half, r } => Shape::Arc { c: flip(c), radius, mid: PI - mid, half, r },
        Shape::Oval { c, rx, ry, r, filled } => Shape::Oval { c: flip(c), rx, ry, r, filled },
        Shape::Plate { c, half, corner } => Shape::Plate { c: flip(c), half, corner },
    }
}
