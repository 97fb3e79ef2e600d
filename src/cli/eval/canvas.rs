//! For `--detect`: a face crop laid on a canvas as a camera would see it, and found again.
//!
//! A FER-2013 picture is 48 pixels wide, far too small for the detector. It is enlarged (bilinear) to a third of the
//! canvas's width and laid in its middle; the rest is the picture's own mean gray, so that no edge is brighter than
//! the face. Found faces go the camera's way: box → crop → 48×48. Of several boxes the best score counts.

use crate::detector::blazeface::BlazeFace;
use crate::detector::crop::crop_rect;
use crate::detector::{Detection, FaceDetector};
use crate::frame::{GrayImage, Rect};
use crate::preprocess::{Cropper, FacePatch};

/// The canvas is a usual camera picture.
pub const CANVAS: (usize, usize) = (640, 480);
/// Width of the enlarged picture in pixels of the canvas: five times FER-2013's 48.
pub const ENLARGED: usize = 240;

/// Finds the face of a crop again.
pub struct Finder {
    detector: BlazeFace,
    cropper: Cropper,
    canvas: GrayImage,
    found: Vec<Detection>,
}

impl Finder {
    pub fn new(detector: BlazeFace) -> Self {
        let (w, h) = CANVAS;
        Self { detector, cropper: Cropper::new(), canvas: GrayImage::new(w, h), found: Vec::new() }
    }

    /// The patch of the face that was found in `picture`, if one was.
    pub fn find(&mut self, picture: &GrayImage) -> anyhow::Result<Option<FacePatch>> {
        lay(picture, &mut self.canvas);
        self.detector.detect(self.canvas.view(), &mut self.found)?;
        let patch = |d: &Detection| {
            let rect: Rect = crop_rect(&d.rect, &d.landmarks);
            self.cropper.patch(self.canvas.view(), rect)
        };
        Ok(self.found.first().map(patch))
    }
}

/// Enlarges `picture` into the middle of `canvas`, keeping its shape.
fn lay(picture: &GrayImage, canvas: &mut GrayImage) {
    let sum: u64 = picture.data.iter().map(|&v| u64::from(v)).sum();
    canvas.data.fill((sum / picture.data.len().max(1) as u64) as u8);
    let scale = ENLARGED as f32 / picture.width.max(picture.height).max(1) as f32;
    let size = |n: usize| (n as f32 * scale).round() as usize;
    let (w, h) = (size(picture.width), size(picture.height));
    let (left, top) = ((canvas.width - w) / 2, (canvas.height - h) / 2);
    for y in 0..h {
        let row = &mut canvas.data[(top + y) * canvas.width + left..][..w];
        let (y0, y1, fy) = between(y, scale, picture.height);
        for (x, out) in row.iter_mut().enumerate() {
            let (x0, x1, fx) = between(x, scale, picture.width);
            let px = |x: usize, y: usize| f32::from(picture.data[y * picture.width + x]);
            let line = |y| px(x0, y) * (1.0 - fx) + px(x1, y) * fx;
            *out = (line(y0) * (1.0 - fy) + line(y1) * fy + 0.5) as u8;
        }
    }
}

/// The two source pixels around the centre of enlarged pixel `i`, and how far it is towards the second.
fn between(i: usize, scale: f32, n: usize) -> (usize, usize, f32) {
    let at = ((i as f32 + 0.5) / scale - 0.5).clamp(0.0, n as f32 - 1.0);
    let first = at as usize;
    (first, (first + 1).min(n - 1), at - first as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_lies_in_the_middle_with_its_mean_around_it() {
        let mut picture = GrayImage::new(48, 48);
        picture.data.fill(200);
        picture.data[..48 * 24].fill(100);
        let mut canvas = GrayImage::new(CANVAS.0, CANVAS.1);
        lay(&picture, &mut canvas);
        let at = |x: usize, y: usize| canvas.data[y * canvas.width + x];
        assert_eq!((at(0, 0), at(199, 240), at(440, 240)), (150, 150, 150));
        assert_eq!((at(200, 120), at(320, 130), at(320, 350), at(439, 359)), (100, 100, 200, 200));
        assert_eq!((at(320, 119), at(320, 360)), (150, 150));
    }
}
