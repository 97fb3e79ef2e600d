//! From a frame to a face patch: JPEG/YUV → gray, crop, Pillow-exact resize, normalise.

use crate::frame::GrayView;

/// Side of the network's input in pixels.
pub const PATCH_SIDE: usize = 48;

/// A 48×48 gray face, full range, row by row: the network's input before normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FacePatch(pub [u8; PATCH_SIDE * PATCH_SIDE]);

impl FacePatch {
    /// `(x/255 − 0.5)/0.5` in f32, as torchvision's ToTensor and Normalize compute it; −1..=1, written to `out`
    /// (2,304 values, row by row).
    pub fn normalise_into(&self, out: &mut [f32]) {
        for (o, &x) in out.iter_mut().zip(&self.0) {
            *o = (x as f32 / 255.0 - 0.5) / 0.5;
        }
    }

    pub fn view(&self) -> GrayView<'_> {
        GrayView { width: PATCH_SIDE, height: PATCH_SIDE, stride: PATCH_SIDE, data: &self.0 }
    }
}
