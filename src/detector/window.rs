//! A window onto a gray picture, resampled to the luma plane that the network reads.
//!
//! Terms. *Step*: picture pixels per plane pixel. *Tap*: a source row or column and its weight in one plane row or
//! column; weights are in 1/256 and sum to 256. Downscaling is antialiased (a triangle two steps wide), upscaling
//! bilinear. Plane pixels whose centre lies beyond the picture are black. It need not match Pillow's bytes (that is
//! `preprocess`' business); it must be fast and free of allocations, because it runs on every frame.

use crate::frame::{GrayView, Rect};

/// Which part of the picture the plane shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Region {
    /// The picture's point under the plane's upper left corner.
    pub x: f32,
    pub y: f32,
    pub step_x: f32,
    pub step_y: f32,
    /// Size of the plane in pixels.
    pub width: usize,
    pub height: usize,
}

impl Region {
    /// The whole of a `width`×`height` picture: its longer side becomes `side` pixels, both sides of the plane are
    /// rounded up to multiples of `multiple`, and the picture lies in the middle.
    pub fn whole(width: usize, height: usize, side: usize, multiple: usize) -> Self {
        let longest = width.max(height);
        let fit = |n: usize| ((n * side + longest / 2) / longest).max(1);
        let (inner_w, inner_h) = (fit(width), fit(height));
        let (w, h) = (inner_w.next_multiple_of(multiple), inner_h.next_multiple_of(multiple));
        let (step_x, step_y) = (width as f32 / inner_w as f32, height as f32 / inner_h as f32);
        Self {
            x: -(((w - inner_w) / 2) as f32) * step_x,
            y: -(((h - inner_h) / 2) as f32) * step_y,
            step_x,
            step_y,
            width: w,
            height: h,
        }
    }

    /// A square around `face`, `scale` times its longer side, as `side`×`side` pixels.
    pub fn around(face: &Rect, scale: f32, side: usize) -> Self {
        let (cx, cy) = face.center();
        let extent = (face.w.max(face.h) * scale).max(1.0);
        let step = extent / side as f32;
        let (x, y) = (cx - extent / 2.0, cy - extent / 2.0);
        Self { x, y, step_x: step, step_y: step, width: side, height: side }
    }

    pub fn point_to_picture(&self, (x, y): (f32, f32)) -> (f32, f32) {
        (self.x + x * self.step_x, self.y + y * self.step_y)
    }

    pub fn rect_to_picture(&self, r: Rect) -> Rect {
        let (x, y) = self.point_to_picture((r.x, r.y));
        Rect { x, y, w: r.w * self.step_x, h: r.h * self.step_y }
    }
}

/// Resamples windows; keeps its buffers and, while region and picture size stay the same, its taps.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    planned: Option<(Region, usize, usize)>,
    columns: Axis,
    rows: Axis,
    /// One plane row at source width, before and after rounding.
    sums: Vec<u16>,
    line: Vec<u8>,
    plane: Vec<u8>,
}

/// The taps of all plane positions along one axis.
#[derive(Debug, Clone, Default)]
struct Axis {
    taps: Vec<Tap>,
    weights: Vec<u16>,
}

/// Where a plane position's weights lie in [`Axis::weights`] (none: black), and the source pixel of the first.
#[derive(Debug, Clone, Copy)]
struct Tap {
    source: usize,
    first: usize,
    count: usize,
}

impl Window {
    /// The luma plane of `region`, row by row.
    pub fn read(&mut self, picture: GrayView<'_>, region: &Region) -> &[u8] {
        let wanted = (*region, picture.width, picture.height);
        if self.planned != Some(wanted) {
            self.columns.plan(region.x, region.step_x, region.width, picture.width);
            self.rows.plan(region.y, region.step_y, region.height, picture.height);
            self.planned = Some(wanted);
        }
        let (start, end) = self.columns.span();
        self.sums.resize(end - start, 0);
        self.line.resize(end - start, 0);
        self.plane.resize(region.width * region.height, 0);
        for (y, out) in self.plane.chunks_exact_mut(region.width).enumerate() {
            let weights = self.rows.weights_of(y);
            if weights.is_empty() {
                out.fill(0);
                continue;
            }
            let source = self.rows.taps[y].source;
            mix(picture, source, weights, start..end, &mut self.sums, &mut self.line);
            self.columns.apply(&self.line, start, out);
        }
        &self.plane
    }
}

impl Axis {
    fn plan(&mut self, origin: f32, step: f32, count: usize, limit: usize) {
        self.taps.clear();
        self.weights.clear();
        for i in 0..count {
            self.push(origin + (i as f32 + 0.5) * step, step.max(1.0), limit);
        }
    }

    /// A triangle of half-width `reach` around `center` (both in source pixels), cut at the edges, summing to 256.
    fn push(&mut self, center: f32, reach: f32, limit: usize) {
        let first = self.weights.len();
        if !(0.0..limit as f32).contains(&center) {
            self.taps.push(Tap { source: 0, first, count: 0 });
            return;
        }
        let start = ((center - reach).max(0.0).round() as usize).min(limit - 1);
        let end = ((center + reach).round() as usize).clamp(start + 1, limit);
        let weight = |i: usize| (1.0 - ((i as f32 + 0.5 - center) / reach).abs()).max(0.0);
        let total = (start..end).map(weight).sum::<f32>().max(f32::EPSILON);
        self.weights.extend((start..end).map(|i| (weight(i) / total * 256.0).round() as u16));
        settle(&mut self.weights[first..]);
        self.taps.push(Tap { source: start, first, count: end - start });
    }

    fn weights_of(&self, i: usize) -> &[u16] {
        let tap = self.taps[i];
        &self.weights[tap.first..][..tap.count]
    }

    /// The source pixels that any tap reads.
    fn span(&self) -> (usize, usize) {
        let used = self.taps.iter().filter(|t| t.count > 0);
        let start = used.clone().map(|t| t.source).min().unwrap_or(0);
        let end = used.map(|t| t.source + t.count).max().unwrap_or(0);
        (start, end)
    }

    /// One plane row from a source row that starts at source pixel `start`.
    fn apply(&self, line: &[u8], start: usize, out: &mut [u8]) {
        for (o, tap) in out.iter_mut().zip(&self.taps) {
            let weights = &self.weights[tap.first..][..tap.count];
            let source = line.get(tap.source.wrapping_sub(start)..).unwrap_or_default();
            let sum: u32 = source.iter().zip(weights).map(|(&v, &w)| u32::from(v) * u32::from(w)).sum();
            *o = ((sum + 128) >> 8) as u8;
        }
    }
}

/// The weighted mean of the source rows from `source` on, over `columns`.
fn mix(
    picture: GrayView<'_>,
    source: usize,
    weights: &[u16],
    columns: std::ops::Range<usize>,
    sums: &mut [u16],
    line: &mut [u8],
) {
    sums.fill(128);
    for (k, &weight) in weights.iter().enumerate() {
        let row = &picture.row(source + k)[columns.clone()];
        for (s, &v) in sums.iter_mut().zip(row) {
            // At most 255·256 + 128 in the end, since weights sum to 256.
            *s += u16::from(v) * weight;
        }
    }
    for (l, &s) in line.iter_mut().zip(sums.iter()) {
        *l = (s >> 8) as u8;
    }
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
    use proptest::prelude::*;
    use rstest::rstest;

    fn flat(w: usize, h: usize, value: u8) -> GrayImage {
        GrayImage { width: w, height: h, data: vec![value; w * h] }
    }

    /// Size of the picture → size of the plane, and where in it the picture lies (left, top, width, height).
    #[rstest]
    #[case::vga((640, 480), (256, 192), (0, 0, 256, 192))]
    #[case::hd((1920, 1080), (256, 160), (0, 8, 256, 144))]
    #[case::portrait((480, 640), (192, 256), (0, 0, 192, 256))]
    #[case::square((512, 512), (256, 256), (0, 0, 256, 256))]
    #[case::enlarged((64, 48), (256, 192), (0, 0, 256, 192))]
    #[case::line((1000, 1), (256, 32), (0, 15, 256, 1))]
    #[case::pixel((1, 1), (256, 256), (0, 0, 256, 256))]
    fn a_flat_picture_stays_flat_inside_and_black_outside(
        #[case] (w, h): (usize, usize),
        #[case] plane_size: (usize, usize),
        #[case] (left, top, inner_w, inner_h): (usize, usize, usize, usize),
    ) {
        let region = Region::whole(w, h, 256, 32);
        assert_eq!((region.width, region.height), plane_size);
        let mut window = Window::default();
        for (i, &v) in window.read(flat(w, h, 255).view(), &region).iter().enumerate() {
            let (x, y) = (i % plane_size.0, i / plane_size.0);
            let inside = (left..left + inner_w).contains(&x) && (top..top + inner_h).contains(&y);
            assert_eq!(v, if inside { 255 } else { 0 }, "at {x},{y}");
        }
    }

    #[rstest]
    #[case::whole(Region::whole(640, 480, 256, 32))]
    #[case::close_up(Region::around(&Rect { x: 380.0, y: 100.0, w: 60.0, h: 60.0 }, 2.0, 128))]
    #[case::beyond_the_edge(Region::around(&Rect { x: 300.0, y: -90.0, w: 200.0, h: 300.0 }, 2.0, 128))]
    fn a_bright_spot_is_found_again_where_it_was(#[case] region: Region) {
        let mut picture = GrayImage::new(640, 480);
        for y in 120..130 {
            picture.data[y * 640 + 400..][..10].fill(255);
        }
        let mut window = Window::default();
        let (mut mass, mut cx, mut cy) = (0.0, 0.0, 0.0);
        for (i, &v) in window.read(picture.view(), &region).iter().enumerate() {
            let at = ((i % region.width) as f32 + 0.5, (i / region.width) as f32 + 0.5);
            let ((x, y), v) = (region.point_to_picture(at), f32::from(v));
            (mass, cx, cy) = (mass + v, cx + v * x, cy + v * y);
        }
        assert!(
            (cx / mass - 405.0).abs() < 0.3 && (cy / mass - 125.0).abs() < 0.3,
            "{} {}",
            cx / mass,
            cy / mass
        );
    }

    #[test]
    fn a_new_picture_leaves_nothing_of_the_old_one() {
        let mut window = Window::default();
        window.read(flat(100, 100, 200).view(), &Region::whole(100, 100, 256, 32));
        let plane = window.read(flat(200, 10, 0).view(), &Region::whole(200, 10, 256, 32));
        assert!(plane.iter().all(|&v| v == 0));
    }

    #[test]
    fn a_window_beside_the_picture_is_black() {
        let far = Rect { x: 5000.0, y: -900.0, w: 50.0, h: 50.0 };
        let mut window = Window::default();
        let plane = window.read(flat(100, 100, 200).view(), &Region::around(&far, 2.0, 128));
        assert!(plane.len() == 128 * 128 && plane.iter().all(|&v| v == 0));
    }

    proptest! {
        #[test]
        fn any_window_of_a_flat_picture_is_flat_or_black(
            (w, h) in (1usize..90, 1usize..90),
            (x, y, side) in (-200f32..200.0, -200f32..200.0, 0.01f32..300.0),
        ) {
            let region = Region::around(&Rect { x, y, w: side, h: side }, 2.0, 64);
            let mut window = Window::default();
            let picture = flat(w, h, 77);
            prop_assert!(window.read(picture.view(), &region).iter().all(|&v| v == 77 || v == 0));
        }
    }
}
