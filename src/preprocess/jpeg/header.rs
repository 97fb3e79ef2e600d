//! The markers before and around a JPEG's coded data. Lengths are checked against the bytes that are there.

use super::JpegError;
use crate::frame::MAX_PIXELS;

/// What a decoder must know before it allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegHeader {
    pub width: usize,
    pub height: usize,
    /// 1 gray, 3 colour, 4 CMYK.
    pub components: u8,
    /// Any Huffman table precedes the first scan.
    pub has_huffman: bool,
    /// Offset of the first scan's marker (FF DA).
    pub scan: usize,
}

impl JpegHeader {
    /// Walks the markers up to the first scan; reads nothing behind it.
    pub fn read(jpeg: &[u8]) -> Result<Self, JpegError> {
        let (mut size, mut has_huffman) = (None, false);
        let scan = walk(jpeg, |code, body| {
            has_huffman |= code == DHT;
            if is_frame_header(code) {
                size = Some(frame_size(body)?);
            }
            Ok(())
        })?;
        let (width, height, components) = size.ok_or_else(|| damaged("no size before the first scan"))?;
        Ok(Self { width, height, components, has_huffman, scan })
    }
}

/// Define Huffman tables.
pub const DHT: u8 = 0xc4;
/// Start of a scan.
pub const SOS: u8 = 0xda;

/// Shows `visit` the code and body of each segment up to the first scan's header, and that one too. Returns the offset
/// of the scan's marker.
pub fn walk<'a>(
    jpeg: &'a [u8],
    mut visit: impl FnMut(u8, &'a [u8]) -> Result<(), JpegError>,
) -> Result<usize, JpegError> {
    if !jpeg.starts_with(&[0xff, 0xd8]) {
        return Err(JpegError::NotJpeg);
    }
    let mut at = 2;
    loop {
        match *jpeg.get(at..).and_then(|rest| rest.first_chunk()).ok_or(JpegError::Truncated)? {
            [0xff, 0xff] => at += 1, // fill
            [0xff, 0x01 | 0xd0..=0xd8] => at += 2,
            [0xff, 0xd9] => return Err(damaged("ends before its first scan")),
            [0xff, code] => {
                let body = body(jpeg, at)?;
                visit(code, body)?;
                if code == SOS {
                    return Ok(at);
                }
                at += 4 + body.len();
            }
            _ => return Err(damaged("bytes where a marker should be")),
        }
    }
}

pub fn damaged(what: &str) -> JpegError {
    JpegError::Damaged(what.to_string())
}

/// SOF0..SOF15 without the three codes in that range that mean something else.
const fn is_frame_header(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc)
}

/// What follows the length of the segment whose marker is at `at`.
fn body(jpeg: &[u8], at: usize) -> Result<&[u8], JpegError> {
    let length: [u8; 2] = *jpeg.get(at + 2..).and_then(|r| r.first_chunk()).ok_or(JpegError::Truncated)?;
    match usize::from(u16::from_be_bytes(length)).checked_sub(2) {
        Some(n) => jpeg.get(at + 4..at + 4 + n).ok_or(JpegError::Truncated),
        None => Err(damaged("a segment shorter than its own length field")),
    }
}

fn frame_size(body: &[u8]) -> Result<(usize, usize, u8), JpegError> {
    let [_precision, h1, h0, w1, w0, components] = *body.first_chunk().ok_or(JpegError::Truncated)?;
    let (width, height) = (u16::from_be_bytes([w1, w0]) as usize, u16::from_be_bytes([h1, h0]) as usize);
    match width * height {
        0 => Err(damaged("a picture without pixels")),
        n if n > MAX_PIXELS => Err(JpegError::TooLarge { width, height }),
        _ => Ok((width, height, components)),
    }
}

/// Offset behind the end marker that follows the scans from `scan` on; `None` if there is none.
///
/// Cameras pad with zeros, so the end is usually found from behind; otherwise coded data is searched forwards, where FF
/// is an end only with D9 right behind it.
pub fn end(jpeg: &[u8], scan: usize) -> Option<usize> {
    let unpadded = jpeg.len() - jpeg.iter().rev().take_while(|&&b| b == 0).count();
    if jpeg.get(scan..unpadded)?.ends_with(&[0xff, 0xd9]) {
        return Some(unpadded);
    }
    jpeg[scan..].windows(2).position(|w| w == [0xff, 0xd9]).map(|at| scan + at + 2)
}
