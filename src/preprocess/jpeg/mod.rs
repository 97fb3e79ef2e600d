//! JPEG pictures as cameras send them → luma.
//!
//! What UVC cameras do that files do not: leave out the Huffman tables (the standard ones are meant), pad after the end
//! marker, and deliver half a picture when the bus is busy. A decoder that fills the missing half with gray would show
//! the network a face that isn't there, so a picture without all of its blocks is an error here.
//!
//! Two decoders. [`baseline`] does what cameras send (sequential, 8 bits, gray or 4:x:x) without allocating, and its luma
//! is libjpeg's to the bit (same integer transform), so that a camera's frame and PIL's `draft("L")` of it are the same
//! pixels. Everything else (progressive and other rarities) goes to zune-jpeg, which allocates, and whose transform
//! differs from libjpeg's by one level in about 1 % of the pixels. Stills that are gray take the first one too ([`gray`]).
//!
//! A 640×480 picture of 56 kB takes 1.1 ms (EPYC with AVX2, one core, least of 280); zune-jpeg would take 0.7 ms to luma
//! and 1.2 ms to colour, and fills up what a cut-off picture lacks. tests/preprocess_figures.rs measures it.

mod baseline;
mod bits;
mod header;
mod huffman;
mod idct;
mod tables;

pub use header::{JpegHeader, end};

use crate::frame::GrayImage;
use baseline::{Baseline, Outcome};
use tables::STANDARD_HUFFMAN;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    #[error("is no JPEG picture (it does not begin with FF D8)")]
    NotJpeg,
    #[error("ends before the picture does (no end marker FF D9)")]
    Truncated,
    #[error("{width}x{height} pixels are more than the 64 megapixels that are read")]
    TooLarge { width: usize, height: usize },
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Decodes JPEG to luma; keeps its tables and buffers.
#[derive(Debug, Default)]
pub struct LumaJpeg {
    baseline: Baseline,
    /// A picture for zune-jpeg with the tables that it lacks.
    mended: Vec<u8>,
}

impl LumaJpeg {
    /// Full-range luma of `jpeg` to `out`, which is resized. Colour is entropy-decoded (it lies between the luma) but
    /// neither transformed nor converted. After an error `out` holds nothing of use.
    pub fn decode(&mut self, jpeg: &[u8], out: &mut GrayImage) -> Result<(), JpegError> {
        let header = JpegHeader::read(jpeg)?;
        let end = end(jpeg, header.scan).ok_or(JpegError::Truncated)?;
        let jpeg = &jpeg[..end];
        out.reshape(header.width, header.height);
        match self.baseline.decode(jpeg, out)? {
            Outcome::Decoded => Ok(()),
            Outcome::NotBaseline => self.decode_other(jpeg, &header, out),
        }
    }

    fn decode_other(
        &mut self,
        jpeg: &[u8],
        header: &JpegHeader,
        out: &mut GrayImage,
    ) -> Result<(), JpegError> {
        if header.has_huffman {
            return zune(jpeg, &mut out.data);
        }
        self.mended.clear();
        self.mended.extend_from_slice(&jpeg[..header.scan]);
        self.mended.extend_from_slice(&STANDARD_HUFFMAN);
        self.mended.extend_from_slice(&jpeg[header.scan..]);
        zune(&self.mended, &mut out.data)
    }
}

/// The pixels of a gray picture, which goes to its [`end`] and no further, as libjpeg has them. `None` for colour, for the
/// rarer kinds, and for coded data that are not whole: those are left to a decoder that takes them.
pub fn gray(jpeg: &[u8], header: &JpegHeader) -> Option<GrayImage> {
    if header.components != 1 {
        return None;
    }
    let mut out = GrayImage::new(header.width, header.height);
    match Baseline::default().decode(jpeg, &mut out) {
        Ok(Outcome::Decoded) => Some(out),
        Ok(Outcome::NotBaseline) | Err(_) => None,
    }
}

fn zune(jpeg: &[u8], out: &mut [u8]) -> Result<(), JpegError> {
    let damaged = |e: zune_jpeg::errors::DecodeErrors| JpegError::Damaged(format!("{e:?}"));
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(damaged)?;
    match decoder.output_buffer_size() {
        Some(n) if n == out.len() => decoder.decode_into(out).map_err(damaged),
        _ => Err(header::damaged("its size is given twice, differently")),
    }
}
