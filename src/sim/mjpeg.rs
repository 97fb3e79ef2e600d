//! Concatenated JPEG pictures, as `ffmpeg -f mjpeg` or a camera's raw stream dump writes them.
//!
//! The stream carries no times: picture n is due at n/fps. Bytes between pictures (multipart boundaries, padding) are
//! stepped over. Pictures are found by walking their markers; nothing is decoded here.

use super::intake::{Got, Intake};
use super::unavailable;
use crate::frame::{Frame, LumaRange, MAX_PIXELS, PixelFormat};
use crate::source::{Delivery, FrameRate, FrameSource, SourceError};
use std::time::Duration;

/// A recording being played.
pub struct Mjpeg {
    name: String,
    intake: Intake,
    splitter: Splitter,
    rate: FrameRate,
    /// Pictures met so far, damaged ones among them: each takes up its time.
    met: u64,
    over: bool,
}

impl Mjpeg {
    /// Looks for the first picture's beginning in the bytes that are already there, so that a wrong file fails at the
    /// start.
    pub fn open(intake: Intake, rate: FrameRate, name: String) -> Result<Self, SourceError> {
        let mut mjpeg = Self { name, intake, splitter: Splitter::default(), rate, met: 0, over: false };
        loop {
            match mjpeg.splitter.scan(mjpeg.intake.buffered()) {
                Found::Junk(n) => mjpeg.intake.consume(n),
                Found::Incomplete if !mjpeg.splitter.in_picture() => {
                    match mjpeg.intake.more(Duration::ZERO) {
                        Ok(Got::Enough) => {}
                        Ok(Got::Idle) => return Ok(mjpeg),
                        Ok(Got::Ended) => return Err(mjpeg.no_picture()),
                        Err(e) => return Err(unavailable(&mjpeg.name, &format!("cannot be read: {e}"))),
                    }
                }
                // Scanning again finds the same: nothing has been consumed.
                Found::Picture { .. } | Found::Damaged { .. } | Found::Incomplete => return Ok(mjpeg),
            }
            if mjpeg.intake.offset() > MAX_PREFACE {
                return Err(mjpeg.no_picture());
            }
        }
    }

    fn no_picture(&self) -> SourceError {
        let reason = match self.intake.offset() {
            0 => "is empty; expected JPEG pictures one after another",
            _ => {
                "holds no JPEG picture; extract them with: ffmpeg -i FILE -c:v mjpeg -q:v 3 -f mjpeg OUT.mjpeg"
            }
        };
        unavailable(&self.name, reason)
    }

    /// The stream is over: cleanly, in mid-picture, or without there ever having been one.
    fn finish(&mut self) -> Result<Delivery, SourceError> {
        self.over = true;
        if self.splitter.in_picture() {
            let (n, bytes) = (self.met, self.intake.buffered().len());
            let reason = format!("cut off in picture {n}, {bytes} bytes into it; copy or record it again");
            return Err(SourceError::Truncated { source_name: self.name.clone(), reason });
        }
        if self.met == 0 { Err(self.no_picture()) } else { Ok(Delivery::End) }
    }

    fn deliver(&mut self, bytes: usize, (width, height): (usize, usize), frame: &mut Frame) {
        frame.data.clear();
        frame.data.extend_from_slice(&self.intake.buffered()[..bytes]);
        self.intake.consume(bytes);
        (frame.width, frame.height, frame.stride) = (width, height, 0);
        (frame.format, frame.range) = (PixelFormat::Mjpeg, LumaRange::Full);
        (frame.timestamp, frame.sequence) = (self.rate.timestamp(self.met), self.met);
        self.met += 1;
    }
}

impl FrameSource for Mjpeg {
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError> {
        if self.over {
            return Ok(Delivery::End);
        }
        loop {
            match self.splitter.scan(self.intake.buffered()) {
                Found::Picture { bytes, size } => {
                    self.deliver(bytes, size, frame);
                    return Ok(Delivery::Frame);
                }
                Found::Junk(n) => self.intake.consume(n),
                Found::Damaged { bytes, reason } => {
                    self.intake.consume(bytes);
                    let reason = format!("picture {}: {reason}", self.met);
                    self.met += 1;
                    return Err(SourceError::BadFrame { source_name: self.name.clone(), reason });
                }
                Found::Incomplete => match self.intake.more(timeout) {
                    Ok(Got::Enough) => {}
                    Ok(Got::Idle) => return Ok(Delivery::Idle),
                    Ok(Got::Ended) => return self.finish(),
                    Err(e) => {
                        self.over = true;
                        let reason = format!("cannot be read on: {e}");
                        return Err(SourceError::Truncated { source_name: self.name.clone(), reason });
                    }
                },
            }
        }
    }

    fn describe(&self) -> String {
        format!("{} MJPG {}", self.name, self.rate)
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// Bytes before the first picture after which a file is taken for something else.
const MAX_PREFACE: u64 = 1 << 20;

/// Finds where pictures begin and end; remembers how far it has looked, so that no byte is read twice.
#[derive(Debug, Default)]
pub struct Splitter {
    place: Place,
    /// Offset from the front of the data up to which everything has been understood.
    at: usize,
    size: Option<(usize, usize)>,
    coded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Between pictures.
    #[default]
    Between,
    /// Where a marker must stand.
    Markers,
    /// In entropy-coded data, where FF 00 is a byte and FF D0..D7 a restart.
    Coded,
}

/// What stands at the front of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Picture {
        bytes: usize,
        size: (usize, usize),
    },
    /// Bytes that belong to no picture.
    Junk(usize),
    /// The beginning of a picture without its rest; `bytes` must be consumed.
    Damaged {
        bytes: usize,
        reason: &'static str,
    },
    /// More bytes are needed.
    Incomplete,
}

/// No picture of [`MAX_PIXELS`] has more bytes than this; what goes on longer is no JPEG.
const MAX_BYTES: usize = MAX_PIXELS;

impl Splitter {
    /// Looks at all that is buffered. Except for `Incomplete`, the caller consumes the bytes that it is told.
    pub fn scan(&mut self, data: &[u8]) -> Found {
        loop {
            let found = match self.place {
                Place::Between => self.find_start(data),
                Place::Markers => self.marker(data),
                Place::Coded => self.coded(data),
            };
            match found {
                None => {}
                Some(Found::Incomplete) if self.in_picture() && self.at.max(data.len()) > MAX_BYTES => {
                    return self.damaged(&data[..2], "longer than any picture of 64 megapixels");
                }
                Some(found) => return found,
            }
        }
    }

    pub fn in_picture(&self) -> bool {
        self.place != Place::Between
    }

    fn find_start(&mut self, data: &[u8]) -> Option<Found> {
        match data.windows(2).position(|w| w == [0xff, 0xd8]) {
            Some(0) => {
                (self.place, self.at, self.size, self.coded) = (Place::Markers, 2, None, false);
                None
            }
            Some(n) => Some(Found::Junk(n)),
            None => {
                let junk = data.len() - usize::from(data.ends_with(&[0xff]));
                Some(if junk == 0 { Found::Incomplete } else { Found::Junk(junk) })
            }
        }
    }

    fn marker(&mut self, data: &[u8]) -> Option<Found> {
        let Some(&[lead, code]) = data.get(self.at..).and_then(|d| d.first_chunk()) else {
            return Some(Found::Incomplete);
        };
        match (lead, code) {
            (0xff, 0xff) => self.at += 1,
            (0xff, 0xd9) => return Some(self.end()),
            (0xff, 0xd8) => return Some(self.damaged(data, "the next one begins before its end marker")),
            (0xff, 0x01 | 0xd0..=0xd7) => self.at += 2,
            (0xff, 0x02..) => return self.segment(data, code),
            _ => return Some(self.damaged(data, "bytes where a marker should be")),
        }
        None
    }

    fn segment(&mut self, data: &[u8], code: u8) -> Option<Found> {
        let is_size = matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc);
        let needed = if is_size { 9 } else { 4 };
        let Some(body) = data.get(self.at..self.at + needed) else { return Some(Found::Incomplete) };
        let length = usize::from(u16::from_be_bytes([body[2], body[3]]));
        if length + 2 < needed {
            return Some(self.damaged(data, "a segment shorter than its own length field"));
        }
        if is_size {
            let side = |i: usize| usize::from(u16::from_be_bytes([body[i], body[i + 1]]));
            self.size = Some((side(7), side(5)));
        }
        self.at += 2 + length;
        if code == 0xda {
            (self.place, self.coded) = (Place::Coded, true);
        }
        None
    }

    fn coded(&mut self, data: &[u8]) -> Option<Found> {
        let rest = data.get(self.at..).unwrap_or_default();
        let Some(n) = rest.iter().position(|&b| b == 0xff) else {
            self.at = self.at.max(data.len());
            return Some(Found::Incomplete);
        };
        self.at += n;
        match rest.get(n + 1) {
            None => return Some(Found::Incomplete),
            Some(0xff) => self.at += 1,
            // Tables, further scans, line counts, comments and ends stand between scans; the rest is damage, which the
            // decoder will find.
            Some(0xc4 | 0xd8..=0xdd | 0xe0..=0xef | 0xfe) => self.place = Place::Markers,
            Some(_) => self.at += 2,
        }
        None
    }

    fn end(&mut self) -> Found {
        let bytes = self.at + 2;
        self.place = Place::Between;
        match self.size {
            Some((w, h)) if w * h > MAX_PIXELS => {
                Found::Damaged { bytes, reason: "more than the 64 megapixels that are read" }
            }
            Some(size) if self.coded => Found::Picture { bytes, size },
            _ => Found::Damaged { bytes, reason: "it has no pixels" },
        }
    }

    /// Gives up this picture. What has been walked over is looked at again, from the next beginning of a picture on:
    /// a cut-off header may have swallowed whole ones.
    fn damaged(&mut self, data: &[u8], reason: &'static str) -> Found {
        self.place = Place::Between;
        let walked = self.at.clamp(2, data.len().max(2));
        let next = data[2..walked].windows(3).position(|w| w == [0xff, 0xd8, 0xff]);
        Found::Damaged { bytes: next.map_or(walked, |n| n + 2), reason }
    }
}
