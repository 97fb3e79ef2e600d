//! The stills' way: a picture file → gray, or → the face patch that the model card's code would make of it.
//!
//! The card is `Image.open(path).convert("RGB")`, then torchvision's Resize(48×48), Grayscale, ToTensor, Normalize on PIL:
//! the resize runs in the picture's own channels and *then* turns gray. From the same decoded pixels this is exact to the
//! bit for gray, RGB, RGBA (alpha is dropped, not blended), gray with alpha and palettes. Known differences:
//!
//! - JPEG in colour, and progressive gray, is decoded by zune-jpeg, which differs from PIL's libjpeg by one level here and there;
//!   other gray JPEG (FER-2013's faces) is libjpeg's to the bit;
//! - 16-bit gray is taken by its high byte, where PIL clips everything above 255 to white;
//! - CMYK JPEGs go through zune-jpeg's conversion.
//!
//! A picture is read whole, its size being checked before anything is allocated for it.

use super::crop::{Area, CropResize};
use super::gray::gray;
use super::jpeg;
use super::orient::Orientation;
use super::{FacePatch, PATCH_SIDE};
use crate::frame::{GrayImage, MAX_PIXELS, Rect};
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// A decoded photo, upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Still {
    /// Pixels.
    pub width: usize,
    pub height: usize,
    pixels: Pixels,
}

/// Row by row without padding; RGB is interleaved.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pixels {
    Gray(Vec<u8>),
    Rgb(Vec<u8>),
}

/// Why a file gave no picture; names the file, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    #[error("{file}: cannot be read: {source}; expected a picture file, check name and permissions")]
    Io { file: String, source: std::io::Error },
    #[error("{file}: is empty (0 bytes); expected a picture, copy it again")]
    Empty { file: String },
    #[error("{file}: is no picture of a known kind; expected JPEG, PNG, WebP, GIF, BMP, TIFF or PNM")]
    NotAPicture { file: String },
    #[error("{file}: {width}x{height} is more than the 64 megapixels that are read; scale it down first")]
    TooLarge { file: String, width: usize, height: usize },
    #[error("{file}: is cut off or damaged: {reason}; copy it again")]
    Damaged { file: String, reason: String },
    #[error("{file}: {reason}; convert it to PNG or JPEG")]
    Unsupported { file: String, reason: String },
}

/// Files beyond this are not read: the largest picture in its least compact format (16-bit RGBA) with room for metadata.
const MAX_BYTES: u64 = MAX_PIXELS as u64 * 8 + (64 << 20);

impl Still {
    /// Reads a photo and turns it as its EXIF orientation says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StillError> {
        let path = path.as_ref();
        Self::decode(&read(path)?, &path.display().to_string(), Upright::ByExif)
    }

    /// Reads a photo as the model card's code does: EXIF is ignored.
    pub fn open_card(path: impl AsRef<Path>) -> Result<Self, StillError> {
        let path = path.as_ref();
        Self::decode(&read(path)?, &path.display().to_string(), Upright::AsStored)
    }

    /// As [`Still::open`], from bytes; `name` stands in messages.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, StillError> {
        Self::decode(bytes, name, Upright::ByExif)
    }

    /// From pixels, row by row without padding. `None` unless `gray` has `width·height` bytes and both are positive.
    pub fn from_gray(width: usize, height: usize, gray: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && width.checked_mul(height) == Some(gray.len());
        fits.then_some(Self { width, height, pixels: Pixels::Gray(gray) })
    }

    /// From pixels, R G B interleaved. `None` unless `rgb` has `3·width·height` bytes and both are positive.
    pub fn from_rgb(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(3));
        (width > 0 && height > 0 && bytes == Some(rgb.len())).then_some(Self {
            width,
            height,
            pixels: Pixels::Rgb(rgb),
        })
    }

    /// The whole picture in gray, as PIL's `convert("L")` has it: what the detector sees.
    pub fn gray(&self) -> GrayImage {
        let data = match &self.pixels {
            Pixels::Gray(data) => data.clone(),
            Pixels::Rgb(data) => data.as_chunks::<3>().0.iter().map(|&rgb| gray(rgb)).collect(),
        };
        GrayImage { width: self.width, height: self.height, data }
    }

    /// The face under `rect`, or the whole picture: crop, resize in the picture's channels, gray. Corners are rounded and
    /// all beyond the picture is black, as with [`Cropper`](super::Cropper) and PIL.
    pub fn patch(&self, rect: Option<Rect>) -> FacePatch {
        let whole = Rect { x: 0.0, y: 0.0, w: self.width as f32, h: self.height as f32 };
        let area = Area::of(rect.unwrap_or(whole), self.width, self.height);
        let mut patch = FacePatch([0; PATCH_SIDE * PATCH_SIDE]);
        match &self.pixels {
            Pixels::Gray(data) => self.resize::<1>(data, area, &mut patch.0),
            Pixels::Rgb(data) => {
                let mut small = [0; PATCH_SIDE * PATCH_SIDE * 3];
                self.resize::<3>(data, area, &mut small);
                for (o, &rgb) in patch.0.iter_mut().zip(small.as_chunks::<3>().0) {
                    *o = gray(rgb);
                }
            }
        }
        patch
    }

    fn resize<const C: usize>(&self, data: &[u8], area: Area, out: &mut [u8]) {
        let row = |y: usize| &data[y * self.width * C..][..self.width * C];
        CropResize::default().run::<C>((self.width, self.height), row, area, out);
    }

    fn decode(bytes: &[u8], file: &str, upright: Upright) -> Result<Self, StillError> {
        decode(bytes, upright).map_err(|fault| fault.named(file))
    }

    fn turned(self, by: Orientation) -> Self {
        if by == Orientation::UPRIGHT {
            return self;
        }
        let (width, height) = by.turned(self.width, self.height);
        let layout = (self.width, self.height, self.width);
        let pixels = match self.pixels {
            Pixels::Gray(data) => {
                let mut out = vec![0; data.len()];
                by.turn(layout, &mut out, |i| data[i]);
                Pixels::Gray(out)
            }
            Pixels::Rgb(data) => {
                let mut out = vec![[0u8; 3]; width * height];
                let pixels = data.as_chunks::<3>().0;
                by.turn(layout, &mut out, |i| pixels[i]);
                Pixels::Rgb(out.into_flattened())
            }
        };
        Self { width, height, pixels }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upright {
    ByExif,
    AsStored,
}

fn read(path: &Path) -> Result<Vec<u8>, StillError> {
    let file = || path.display().to_string();
    let io = |source| StillError::Io { file: file(), source };
    let meta = std::fs::metadata(path).map_err(io)?;
    if meta.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    if meta.len() > MAX_BYTES {
        let reason = format!("{} MB is more than any picture of 64 megapixels has", meta.len() / 1_000_000);
        return Err(StillError::Unsupported { file: file(), reason });
    }
    std::fs::read(path).map_err(io)
}

/// What is wrong with a picture, before its file's name is put to it.
enum Fault {
    Empty,
    NotAPicture,
    TooLarge(usize, usize),
    Damaged(String),
    Unsupported(String),
}

impl Fault {
    fn named(self, file: &str) -> StillError {
        let file = file.to_string();
        match self {
            Fault::Empty => StillError::Empty { file },
            Fault::NotAPicture => StillError::NotAPicture { file },
            Fault::TooLarge(width, height) => StillError::TooLarge { file, width, height },
            Fault::Damaged(reason) => StillError::Damaged { file, reason },
            Fault::Unsupported(reason) => StillError::Unsupported { file, reason },
        }
    }
}

impl From<image::ImageError> for Fault {
    fn from(e: image::ImageError) -> Self {
        match e {
            image::ImageError::Unsupported(_) | image::ImageError::Limits(_) => {
                Fault::Unsupported(e.to_string())
            }
            _ => Fault::Damaged(e.to_string()),
        }
    }
}

fn decode(bytes: &[u8], upright: Upright) -> Result<Still, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let format = image::guess_format(bytes).map_err(|_| Fault::NotAPicture)?;
    let libjpegs = match format {
        ImageFormat::Jpeg => {
            let (header, picture) = whole_jpeg(bytes)?;
            jpeg::gray(picture, &header)
        }
        _ => None,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    match width.checked_mul(height) {
        Some(0) => return Err(Fault::Damaged("a picture without pixels".into())),
        Some(n) if n <= MAX_PIXELS => {}
        _ => return Err(Fault::TooLarge(width, height)),
    }
    let orientation = match upright {
        Upright::ByExif => decoder.orientation().map_or(1, |o| u32::from(o.to_exif())),
        Upright::AsStored => 1,
    };
    let is_gray =
        matches!(decoder.color_type(), ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16);
    let pixels = match libjpegs {
        Some(gray) if (gray.width, gray.height) == (width, height) => Pixels::Gray(gray.data),
        _ if is_gray => Pixels::Gray(gray_pixels(DynamicImage::from_decoder(decoder)?)),
        _ => Pixels::Rgb(rgb_pixels(DynamicImage::from_decoder(decoder)?)),
    };
    Ok(Still { width, height, pixels }.turned(Orientation::from_exif(orientation)))
}

/// The picture up to its end. The decoder fills up what is missing with gray and says nothing: look for the end first.
fn whole_jpeg(bytes: &[u8]) -> Result<(jpeg::JpegHeader, &[u8]), Fault> {
    let header = jpeg::JpegHeader::read(bytes).map_err(jpeg_fault)?;
    match jpeg::end(bytes, header.scan) {
        Some(end) => Ok((header, &bytes[..end])),
        None => Err(jpeg_fault(jpeg::JpegError::Truncated)),
    }
}

fn jpeg_fault(e: jpeg::JpegError) -> Fault {
    match e {
        jpeg::JpegError::TooLarge { width, height } => Fault::TooLarge(width, height),
        e => Fault::Damaged(e.to_string()),
    }
}

fn gray_pixels(picture: DynamicImage) -> Vec<u8> {
    match picture {
        DynamicImage::ImageLuma8(p) => p.into_raw(),
        DynamicImage::ImageLumaA8(p) => p.into_raw().as_chunks::<2>().0.iter().map(|p| p[0]).collect(),
        DynamicImage::ImageLuma16(p) => p.into_raw().into_iter().map(high_byte).collect(),
        DynamicImage::ImageLumaA16(p) => {
            p.into_raw().as_chunks::<2>().0.iter().map(|p| high_byte(p[0])).collect()
        }
        other => other.to_luma8().into_raw(),
    }
}

fn rgb_pixels(picture: DynamicImage) -> Vec<u8> {
    match picture {
        DynamicImage::ImageRgb8(p) => p.into_raw(),
        DynamicImage::ImageRgba8(p) => {
            p.into_raw().as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect()
        }
        DynamicImage::ImageRgb16(p) => p.into_raw().into_iter().map(high_byte).collect(),
        DynamicImage::ImageRgba16(p) => {
            p.into_raw().as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]].map(high_byte)).collect()
        }
        other => other.to_rgb8().into_raw(),
    }
}

/// How PIL reads 16-bit colour.
fn high_byte(v: u16) -> u8 {
    (v >> 8) as u8
}
