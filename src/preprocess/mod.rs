//! From a frame to a face patch: JPEG/YUV → gray, crop, Pillow-exact resize, normalise.
//!
//! Two ways lead here, because the model card's order of steps needs colours that a camera's Y plane no longer has:
//!
//! - *camera way* ([`LumaDecoder`], [`Cropper`]): luma → crop → resize;
//! - *stills' way* ([`Still`]): crop → resize in the picture's own channels → gray, byte for byte what torchvision makes
//!   of the same decoded pixels with PIL.
//!
//! On gray pictures both are the same. On 380 square crops (50 px and more) of 19 colour photos the camera way differs in
//! 13.4 % of the patch's pixels, by one level, never by more than two; 0.13 levels on average.
//!
//! Nothing here logs, reads a clock or knows what a face is.

mod crop;
mod gray;
mod jpeg;
mod luma;
mod orient;
mod resample;
pub mod still;

pub use crop::Cropper;
pub use jpeg::{JpegError, JpegHeader, LumaJpeg};
pub use luma::LumaDecoder;
pub use orient::{Orientation, Rotation};
pub use still::{Still, StillError};

use crate::frame::{GrayView, PixelFormat};

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

/// Why a frame gave no luma. The next frame may.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    /// Fewer bytes than the frame's size and stride ask for, or a size that cannot be.
    #[error("{format:?} frame of {width}x{height}, stride {stride}, with {bytes} bytes: {reason}")]
    Layout {
        format: PixelFormat,
        width: usize,
        height: usize,
        stride: usize,
        bytes: usize,
        reason: &'static str,
    },
    #[error("MJPG frame: {0}")]
    Jpeg(#[from] JpegError),
}
