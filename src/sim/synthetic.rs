//! A made-up moving picture: a drifting gradient, soft blobs and seeded noise. There is no face in it.
//!
//! It is for what needs frames but no content: timing, long runs, the no-face state. The same seed gives the same bytes
//! on every machine (integer arithmetic only).

use crate::frame::{Frame, GrayImage, LumaRange, PixelFormat};
use crate::source::{Delivery, FrameSource, SourceError, Synthetic, layout};
use std::time::Duration;

/// The picture being played.
pub struct Moving {
    spec: Synthetic,
    sequence: u64,
    luma: GrayImage,
}

impl Moving {
    pub fn new(spec: Synthetic) -> Self {
        Self { spec, sequence: 0, luma: GrayImage::new(spec.width, spec.height) }
    }

    fn paint(&mut self) {
        let (w, t) = (self.spec.width, self.sequence as usize);
        let mut noise = Noise(self.spec.seed ^ self.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for (y, row) in self.luma.data.chunks_exact_mut(w).enumerate() {
            for (x, p) in row.iter_mut().enumerate() {
                let ramp = (x + y + 2 * t) % 512;
                let ramp = if ramp < 256 { ramp } else { 511 - ramp };
                let waves = ((x + t) & 63) * ((y + t / 2) & 63) / 64;
                *p = (ramp / 2 + waves + (noise.next() & 15) as usize).min(255) as u8;
            }
        }
    }
}

/// xorshift64*, per frame.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 |= u64::from(self.0 == 0);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40
    }
}

impl FrameSource for Moving {
    fn next_frame(&mut self, frame: &mut Frame, _: Duration) -> Result<Delivery, SourceError> {
        if self.spec.frames.is_some_and(|n| self.sequence >= n) {
            return Ok(Delivery::End);
        }
        self.paint();
        pack(&self.luma, self.spec.format, &mut frame.data)?;
        (frame.width, frame.height) = (self.spec.width, self.spec.height);
        frame.stride = self.spec.format.min_stride(self.spec.width);
        (frame.format, frame.range) = (self.spec.format, LumaRange::Full);
        (frame.timestamp, frame.sequence) = (self.spec.fps.timestamp(self.sequence), self.sequence);
        self.sequence += 1;
        Ok(Delivery::Frame)
    }

    fn describe(&self) -> String {
        let s = &self.spec;
        format!("synthetic: {} {} seed {}", layout(s.width, s.height, s.format), s.fps, s.seed)
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// `luma` without colour in `format`.
fn pack(luma: &GrayImage, format: PixelFormat, out: &mut Vec<u8>) -> Result<(), SourceError> {
    const NO_COLOUR: u8 = 128;
    let chroma = 2 * luma.width.div_ceil(2) * luma.height.div_ceil(2);
    out.clear();
    match format {
        PixelFormat::Gray8 => out.extend_from_slice(&luma.data),
        PixelFormat::I420 | PixelFormat::Nv12 => {
            out.extend_from_slice(&luma.data);
            out.resize(luma.data.len() + chroma, NO_COLOUR);
        }
        PixelFormat::Yuyv | PixelFormat::Uyvy => {
            for row in luma.data.chunks_exact(luma.width) {
                for pair in row.chunks(2) {
                    let (a, b) = (pair[0], pair[pair.len() - 1]);
                    out.extend_from_slice(&match format {
                        PixelFormat::Yuyv => [a, NO_COLOUR, b, NO_COLOUR],
                        _ => [NO_COLOUR, a, NO_COLOUR, b],
                    });
                }
            }
        }
        PixelFormat::Rgb24 => luma.data.iter().for_each(|&p| out.extend_from_slice(&[p; 3])),
        PixelFormat::Mjpeg => {
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut *out, 85);
            let (w, h) = (luma.width as u32, luma.height as u32);
            image::ImageEncoder::write_image(encoder, &luma.data, w, h, image::ExtendedColorType::L8)
                .map_err(|e| SourceError::Unavailable {
                    source_name: "synthetic:".into(),
                    reason: format!("no JPEG of this size: {e}"),
                })?;
        }
    }
    Ok(())
}
