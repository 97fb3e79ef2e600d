//! The camera way: a face's rectangle of the luma → 48×48. And what both ways share: whole-pixel crops.
//!
//! Where a crop reaches beyond the picture it is black, as with PIL's `crop`. Repeating the edge, mirroring it or filling
//! with the mean reads faces no better: with 5 of 48 pixels lost at one side, 64.6 % of 1,197 FER-2013 validation faces
//! are right with black, 65.1 % with the edge, 65.2 % mirrored (65.0 % of whole faces); with 10 lost, 62.6 %, 61.1 %
//! and 62.9 % (tests/goldens/edge_padding.py). So exactness decides.

use super::resample::Resampler;
use super::{FacePatch, PATCH_SIDE};
use crate::frame::{GrayView, Rect};

/// Crops and resizes; allocates nothing once it has seen the largest face. A face of 200 px takes 0.08 ms.
#[derive(Debug, Default)]
pub struct Cropper {
    crop: CropResize,
}

impl Cropper {
    pub fn new() -> Self {
        Self::default()
    }

    /// The patch under `rect`, whose corners are rounded as PIL's `crop` rounds them (half to even). An empty rectangle
    /// gives the pixel at its corner.
    pub fn patch(&mut self, picture: GrayView<'_>, rect: Rect) -> FacePatch {
        let mut patch = FacePatch([0; PATCH_SIDE * PATCH_SIDE]);
        let area = Area::of(rect, picture.width, picture.height);
        self.crop.run::<1>((picture.width, picture.height), |y| picture.row(y), area, &mut patch.0);
        patch
    }
}

/// Crop and resize of pictures with `C` interleaved channels.
#[derive(Debug, Default)]
pub(super) struct CropResize {
    resampler: Resampler,
    /// The visible rows of a crop that reaches beyond the picture, with black ends; behind them a black row.
    padded: Vec<u8>,
}

impl CropResize {
    /// `row(y)` gives the picture's row `y`, `width·C` bytes; `out` takes 48·48·C.
    pub fn run<'a, const C: usize>(
        &mut self,
        (width, height): (usize, usize),
        row: impl Fn(usize) -> &'a [u8],
        area: Area,
        out: &mut [u8],
    ) {
        let size = (area.width, area.height);
        let (columns, rows) = (visible(area.x, area.width, width), visible(area.y, area.height, height));
        if columns.len() == area.width && rows.len() == area.height {
            let (left, right) = (columns.start * C, columns.end * C);
            return self.resampler.resize::<C>(size, |y| &row(rows.start + y)[left..right], out);
        }
        let stride = area.width * C;
        let before = (columns.start as i64 - area.x) as usize * C;
        self.padded.clear();
        self.padded.resize((rows.len() + 1) * stride, 0);
        if !columns.is_empty() {
            for (y, padded) in rows.clone().zip(self.padded.chunks_exact_mut(stride)) {
                padded[before..][..columns.len() * C]
                    .copy_from_slice(&row(y)[columns.start * C..columns.end * C]);
            }
        }
        let above = (rows.start as i64 - area.y) as usize;
        let padded = &self.padded;
        let shown = |y: usize| y.checked_sub(above).filter(|&y| y < rows.len()).unwrap_or(rows.len());
        self.resampler.resize::<C>(size, |y| &padded[shown(y) * stride..][..stride], out);
    }
}

/// Which of the picture's `size` pixels along an axis a crop shows.
fn visible(start: i64, length: usize, size: usize) -> std::ops::Range<usize> {
    let within = |v: i64| v.clamp(0, size as i64) as usize;
    within(start)..within(start + length as i64)
}

/// A crop in whole pixels; may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    x: i64,
    y: i64,
    width: usize,
    height: usize,
}

impl Area {
    /// Corners rounded half to even; at least one pixel; cut to four picture sizes beyond each edge, so that a mad
    /// rectangle costs no memory.
    pub fn of(rect: Rect, width: usize, height: usize) -> Self {
        let axis = |start: f32, length: f32, size: usize| {
            let reach = 4.0 * size as f64;
            let corner = |v: f64| {
                if v.is_nan() { 0.0 } else { v.round_ties_even().clamp(-reach, size as f64 + reach) }
            };
            let a = corner(f64::from(start));
            let b = corner(f64::from(start) + f64::from(length));
            (a as i64, (b - a).max(1.0) as usize)
        };
        let (x, width) = axis(rect.x, rect.w, width);
        let (y, height) = axis(rect.y, rect.h, height);
        Self { x, y, width, height }
    }
}
