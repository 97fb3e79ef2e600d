//! Any gray picture onto the detector's square input: scaled to fit, centred, the rest black.
//!
//! Terms. *Tap*: a source row or column and its weight in one output row or column; weights are in 1/256 and sum
//! to 256. Downscaling is antialiased (a triangle as wide as two source steps), upscaling is bilinear. It need not
//! match Pillow's bytes (that is `preprocess`' business); it must be fast, because it runs on every frame.

use crate::frame::{GrayView, Rect};

/// Where the picture lies inside the detector's input, and the buffers to put it there.
#[derive(Debug, Clone, Default)]
pub(super) struct Letterbox {
    side: usize,
    source: (usize, usize),
    /// Left, top, width, height of the picture inside the input, in input pixels.
    inner: (usize, usize, usize, usize),
    columns: Vec<Taps>,
    rows: Vec<Taps>,
    /// One source-wide row between the vertical and the horizontal pass.
    sums: Vec<u16>,
    line: Vec<u8>,
    /// `side`×`side` luma; black outside `inner`.
    plane: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Taps {
    start: usize,
    weights: Vec<u16>,
}

impl Letterbox {
    pub fn new(side: usize) -> Self {
        Self { side, ..Self::default() }
    }

    /// Scales `picture` (at least 1×1) to fit; `side`×`side` luma, row by row.
    pub fn fill(&mut self, picture: GrayView<'_>) -> &[u8] {
        if self.source != (picture.width, picture.height) {
            self.plan(picture.width, picture.height);
        }
        let (left, top, width, height) = self.inner;
        for y in 0..height {
            mix_rows(picture, &self.rows[y], &mut self.sums, &mut self.line);
            let out = &mut self.plane[(top + y) * self.side + left..][..width];
            for (o, taps) in out.iter_mut().zip(&self.columns) {
                *o = taps.apply(&self.line);
            }
        }
        &self.plane
    }

    /// A rectangle in input pixels, in pixels of the picture.
    pub fn to_picture(&self, r: Rect) -> Rect {
        let (x, y) = self.point_to_picture((r.x, r.y));
        let (sx, sy) = self.scale();
        Rect { x, y, w: r.w * sx, h: r.h * sy }
    }

    pub fn point_to_picture(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let (sx, sy) = self.scale();
        ((x - self.inner.0 as f32) * sx, (y - self.inner.1 as f32) * sy)
    }

    /// Picture pixels per input pixel.
    fn scale(&self) -> (f32, f32) {
        (self.source.0 as f32 / self.inner.2 as f32, self.source.1 as f32 / self.inner.3 as f32)
    }

    fn plan(&mut self, width: usize, height: usize) {
        self.source = (width, height);
        let longest = width.max(height);
        let fit = |n: usize| ((n * self.side + longest / 2) / longest).max(1);
        let (w, h) = (fit(width), fit(height));
        self.inner = ((self.side - w) / 2, (self.side - h) / 2, w, h);
        self.columns = plan_axis(width, w);
        self.rows = plan_axis(height, h);
        self.sums = vec![0; width];
        self.line = vec![0; width];
        self.plane.clear();
        self.plane.resize(self.side * self.side, 0);
    }
}

impl Taps {
    fn apply(&self, line: &[u8]) -> u8 {
        let source = &line[self.start..][..self.weights.len()];
        let sum: u32 = source.iter().zip(&self.weights).map(|(&v, &w)| v as u32 * w as u32).sum();
        ((sum + 128) >> 8) as u8
    }
}

/// One output row at source width: the weighted mean of the source rows under it.
fn mix_rows(picture: GrayView<'_>, taps: &Taps, sums: &mut [u16], line: &mut [u8]) {
    sums.fill(128);
    for (k, &weight) in taps.weights.iter().enumerate() {
        let row = picture.row(taps.start + k);
        for (s, &v) in sums.iter_mut().zip(row) {
            // At most 255·256 + 128 in the end, since weights sum to 256.
            *s += v as u16 * weight;
        }
    }
    for (l, &s) in line.iter_mut().zip(sums.iter()) {
        *l = (s >> 8) as u8;
    }
}

/// The taps of every output position along an axis that goes from `from` to `to` pixels.
fn plan_axis(from: usize, to: usize) -> Vec<Taps> {
    let step = from as f32 / to as f32;
    (0..to).map(|i| plan_tap(from, (i as f32 + 0.5) * step, step.max(1.0))).collect()
}

/// A triangle of half-width `reach` around `center` (both in source pixels), cut at the edges, summing to 256.
fn plan_tap(from: usize, center: f32, reach: f32) -> Taps {
    let start = ((center - reach).max(0.0).round() as usize).min(from - 1);
    let end = ((center + reach).round() as usize).clamp(start + 1, from);
    let weight = |i: usize| (1.0 - ((i as f32 + 0.5 - center) / reach).abs()).max(0.0);
    let total: f32 = (start..end).map(weight).sum::<f32>().max(f32::EPSILON);
    let mut weights: Vec<u16> = (start..end).map(|i| (weight(i) / total * 256.0).round() as u16).collect();
    settle(&mut weights);
    Taps { start, weights }
}

/// Puts what rounding left over onto the largest weight, so that a flat picture stays flat.
fn settle(weights: &mut [u16]) {
    let sum: i32 = weights.iter().map(|&w| i32::from(w)).sum();
    if let Some(largest) = weights.iter_mut().max() {
        *largest = (i32::from(*largest) + 256 - sum) as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::GrayImage;
    use rstest::rstest;

    #[rstest]
    #[case::vga((640, 480), (0, 32, 256, 192))]
    #[case::portrait((480, 640), (32, 0, 192, 256))]
    #[case::square((512, 512), (0, 0, 256, 256))]
    #[case::enlarged((64, 48), (0, 32, 256, 192))]
    #[case::line((1000, 1), (0, 127, 256, 1))]
    #[case::pixel((1, 1), (0, 0, 256, 256))]
    fn a_flat_picture_stays_flat_inside_and_black_outside(
        #[case] (w, h): (usize, usize),
        #[case] inner: (usize, usize, usize, usize),
    ) {
        let mut letterbox = Letterbox::new(256);
        let picture = GrayImage { width: w, height: h, data: vec![255; w * h] };
        let plane = letterbox.fill(picture.view()).to_vec();
        assert_eq!(letterbox.inner, inner);
        for (i, &v) in plane.iter().enumerate() {
            let (x, y) = (i % 256, i / 256);
            let inside =
                (inner.0..inner.0 + inner.2).contains(&x) && (inner.1..inner.1 + inner.3).contains(&y);
            assert_eq!(v, if inside { 255 } else { 0 }, "at {x},{y}");
        }
    }

    #[test]
    fn a_bright_spot_is_found_again_where_it_was() {
        let (w, h, x, y) = (640, 480, 400, 120);
        let mut picture = GrayImage::new(w, h);
        for dy in 0..10 {
            for dx in 0..10 {
                picture.data[(y + dy) * w + x + dx] = 255;
            }
        }
        let mut letterbox = Letterbox::new(256);
        let plane = letterbox.fill(picture.view());
        let (i, _) = plane.iter().enumerate().max_by_key(|(_, v)| **v).expect("not empty");
        let (px, py) = letterbox.point_to_picture(((i % 256) as f32 + 0.5, (i / 256) as f32 + 0.5));
        assert!((px - 405.0).abs() < 5.0 && (py - 125.0).abs() < 5.0, "{px},{py}");
    }

    #[test]
    fn a_new_size_leaves_nothing_of_the_old_picture() {
        let mut letterbox = Letterbox::new(256);
        letterbox.fill(GrayImage { width: 100, height: 100, data: vec![200; 10_000] }.view());
        let plane = letterbox.fill(GrayImage { width: 200, height: 10, data: vec![0; 2000] }.view());
        assert!(plane.iter().all(|&v| v == 0));
    }
}
