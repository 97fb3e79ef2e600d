//! The camera way: a face's rectangle of the luma → 48×48.

use super::resample::Resampler;
use super::{FacePatch, PATCH_SIDE};
use crate::frame::{GrayView, Rect};

/// Crops and resizes; allocates nothing once it has seen the largest face.
#[derive(Debug, Default)]
pub struct Cropper {
    resampler: Resampler,
    /// One row with its ends repeated, for rectangles that reach beyond the picture.
    padded: Vec<u8>,
}

impl Cropper {
    pub fn new() -> Self {
        Self::default()
    }

    /// The patch under `rect`, whose corners are rounded as PIL's `crop` rounds them (half to even). Where the rectangle
    /// reaches beyond the picture, the picture's edge is repeated. An empty rectangle gives the pixel at its corner.
    pub fn patch(&mut self, picture: GrayView<'_>, rect: Rect) -> FacePatch {
        let area = Area::of(rect, picture.width, picture.height);
        let mut patch = FacePatch([0; PATCH_SIDE * PATCH_SIDE]);
        if picture.width == 0 || picture.height == 0 {
            return patch;
        }
        let row = |y: usize| picture.row(area.source_row(y, picture.height));
        if area.inside(picture.width) {
            let columns = area.x as usize..area.x as usize + area.width;
            self.resampler.resize::<1>((area.width, area.height), |y| &row(y)[columns.clone()], &mut patch.0);
        } else {
            self.padded.clear();
            for y in 0..area.height {
                area.pad_row::<1>(row(y), &mut self.padded);
            }
            let padded = &self.padded;
            self.resampler.resize::<1>(
                (area.width, area.height),
                |y| &padded[y * area.width..][..area.width],
                &mut patch.0,
            );
        }
        patch
    }
}

/// A crop in whole pixels; may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub x: i64,
    pub y: i64,
    pub width: usize,
    pub height: usize,
}

impl Area {
    /// Corners rounded half to even; at least one pixel; cut to three picture sizes around the picture, so that a mad
    /// rectangle costs no memory.
    pub fn of(rect: Rect, width: usize, height: usize) -> Self {
        let axis = |start: f32, length: f32, size: usize| {
            let (low, high) = (-(size as f64), 2.0 * size as f64);
            let corner = |v: f64| if v.is_nan() { 0.0 } else { v.round_ties_even().clamp(low, high) };
            let a = corner(f64::from(start));
            let b = corner(f64::from(start) + f64::from(length));
            (a as i64, (b - a).max(1.0) as usize)
        };
        let (x, w) = axis(rect.x, rect.w, width);
        let (y, h) = axis(rect.y, rect.h, height);
        Self { x, y, width: w, height: h }
    }

    /// No column lies outside a picture of `width` columns.
    pub fn inside(&self, width: usize) -> bool {
        self.x >= 0 && self.x as usize + self.width <= width
    }

    /// The picture's row that row `y` of the crop shows.
    pub fn source_row(&self, y: usize, height: usize) -> usize {
        (self.y + y as i64).clamp(0, height as i64 - 1) as usize
    }

    /// Appends this crop's columns of `row` (C channels), its first and last pixel repeated beyond the ends.
    pub fn pad_row<const C: usize>(&self, row: &[u8], out: &mut Vec<u8>) {
        let last = (row.len() / C) as i64 - 1;
        for x in self.x..self.x + self.width as i64 {
            let at = x.clamp(0, last) as usize * C;
            out.extend_from_slice(&row[at..at + C]);
        }
    }
}
