//! YUV4MPEG2 recordings: a text header with size and rate, then raw frames.
//!
//! 8-bit formats only. 4:2:0 comes out as I420; of 4:2:2, 4:4:4 and 4:1:1 only the luma is passed on, as Gray8. Interlaced
//! recordings are played as they lie. Luma is limited range unless the header says `XCOLORRANGE=FULL`.

use super::intake::{Got, Intake};
use super::unavailable;
use crate::frame::{Frame, LumaRange, MAX_PIXELS, PixelFormat};
use crate::source::{Delivery, FrameRate, FrameSource, SourceError, layout};
use std::time::Duration;

/// A recording being played.
pub struct Y4m {
    name: String,
    intake: Intake,
    state: State,
    played: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A pipe that has not sent its header yet.
    Header,
    Playing(Header),
    Over,
}

/// The longest header and frame line that are believed, in bytes; real ones have about 60 and 6.
const MAX_LINE: usize = 1024;
const MAGIC: &[u8] = b"YUV4MPEG2";

impl Y4m {
    /// Reads the header where it is already there, so that a wrong file fails at the start.
    pub fn open(intake: Intake, name: String) -> Result<Self, SourceError> {
        let mut y4m = Self { name, intake, state: State::Header, played: 0 };
        y4m.read_header(Duration::ZERO)?;
        Ok(y4m)
    }

    fn read_header(&mut self, timeout: Duration) -> Result<Delivery, SourceError> {
        let line = match self.line(timeout)? {
            Line::Complete(n) => n,
            Line::Idle => return Ok(Delivery::Idle),
            Line::Ended if self.intake.buffered().is_empty() => {
                return Err(self.unavailable("is empty; expected a YUV4MPEG2 recording"));
            }
            Line::Ended | Line::TooLong => {
                return Err(self.unavailable("is no YUV4MPEG2 recording (its first line does not end)"));
            }
            Line::Not => {
                return Err(self.unavailable(
                    "is no YUV4MPEG2 recording; convert it with: ffmpeg -i FILE -pix_fmt yuv420p OUT.y4m",
                ));
            }
        };
        let text = String::from_utf8_lossy(&self.intake.buffered()[..line]).into_owned();
        let (header, assumed) = Header::parse(&text).map_err(|reason| self.unavailable(&reason))?;
        if let Some(assumed) = assumed {
            log::warn!("{}: {assumed}", self.name);
        }
        self.intake.consume(line + 1);
        self.state = State::Playing(header);
        Ok(Delivery::Frame)
    }

    fn read_frame(
        &mut self,
        header: Header,
        frame: &mut Frame,
        timeout: Duration,
    ) -> Result<Delivery, SourceError> {
        let line = match self.frame_line(timeout)? {
            Line::Complete(n) => n + 1,
            Line::Idle => return Ok(Delivery::Idle),
            Line::Ended if self.intake.buffered().is_empty() => return Ok(self.over()),
            Line::Ended => return Err(self.cut("in a frame's header")),
            Line::Not | Line::TooLong => return Err(self.lies(header)),
        };
        let bytes = header.format.luma + header.format.chroma;
        match self.intake.want(line + bytes, timeout).map_err(|e| self.io(e))? {
            Got::Enough => {}
            Got::Idle => return Ok(Delivery::Idle),
            Got::Ended => {
                let there = self.intake.buffered().len() - line;
                return Err(
                    self.cut(&format!("{there} of {bytes} bytes into a frame of {}", header.layout()))
                );
            }
        }
        let kept = line..line + header.format.kept();
        frame.data.clear();
        frame.data.extend_from_slice(&self.intake.buffered()[kept]);
        self.intake.consume(line + bytes);
        header.describe(frame);
        (frame.timestamp, frame.sequence) = (header.rate.timestamp(self.played), self.played);
        self.played += 1;
        Ok(Delivery::Frame)
    }

    /// Length of the frame line at the front, without its end.
    fn frame_line(&mut self, timeout: Duration) -> Result<Line, SourceError> {
        self.line_starting(b"FRAME", timeout)
    }

    fn line(&mut self, timeout: Duration) -> Result<Line, SourceError> {
        self.line_starting(MAGIC, timeout)
    }

    fn line_starting(&mut self, magic: &[u8], timeout: Duration) -> Result<Line, SourceError> {
        loop {
            let there = self.intake.buffered();
            let compared = magic.len().min(there.len());
            if there[..compared] != magic[..compared] {
                return Ok(Line::Not);
            }
            if let Some(n) = there.iter().take(MAX_LINE).position(|&b| b == b'\n') {
                return Ok(Line::Complete(n));
            }
            if there.len() >= MAX_LINE {
                return Ok(Line::TooLong);
            }
            match self.intake.more(timeout).map_err(|e| self.io(e))? {
                Got::Enough => {}
                Got::Idle => return Ok(Line::Idle),
                Got::Ended => return Ok(Line::Ended),
            }
        }
    }

    fn over(&mut self) -> Delivery {
        self.state = State::Over;
        Delivery::End
    }

    fn unavailable(&self, reason: &str) -> SourceError {
        unavailable(&self.name, reason)
    }

    fn truncated(&mut self, reason: String) -> SourceError {
        self.state = State::Over;
        SourceError::Truncated { source_name: self.name.clone(), reason }
    }

    fn cut(&mut self, where_: &str) -> SourceError {
        let played = self.played;
        self.truncated(format!("cut off {where_}, after {played} whole frames; copy or record it again"))
    }

    fn lies(&mut self, header: Header) -> SourceError {
        let (n, at) = (self.played, self.intake.offset());
        self.truncated(format!(
            "no frame {n} at byte {at}, where the header's {} puts it: the header does not fit the data; record it again",
            header.layout()
        ))
    }

    fn io(&mut self, e: std::io::Error) -> SourceError {
        self.truncated(format!("cannot be read on: {e}"))
    }
}

/// A line at the front of the stream.
enum Line {
    /// Its length without the line feed.
    Complete(usize),
    Idle,
    Ended,
    /// Something else stands there.
    Not,
    TooLong,
}

impl FrameSource for Y4m {
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError> {
        if let State::Header = self.state {
            match self.read_header(timeout) {
                Ok(Delivery::Frame) => {}
                other => return other,
            }
        }
        match self.state {
            State::Playing(header) => self.read_frame(header, frame, timeout),
            State::Header | State::Over => Ok(Delivery::End),
        }
    }

    fn describe(&self) -> String {
        match self.state {
            State::Playing(h) => format!("{} {} {}", self.name, h.layout(), h.rate),
            State::Header | State::Over => self.name.clone(),
        }
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// The stream's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    width: usize,
    height: usize,
    rate: FrameRate,
    range: LumaRange,
    format: Planes,
}

/// Bytes of a frame's planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Planes {
    luma: usize,
    chroma: usize,
    passed_on_as: PixelFormat,
}

impl Planes {
    fn kept(self) -> usize {
        if self.passed_on_as == PixelFormat::I420 { self.luma + self.chroma } else { self.luma }
    }
}

impl Header {
    /// The header of `line`, and what had to be assumed.
    fn parse(line: &str) -> Result<(Self, Option<String>), String> {
        let (mut width, mut height, mut rate, mut range, mut colour) =
            (None, None, None, LumaRange::Limited, "420");
        for field in line.split_ascii_whitespace().skip(1) {
            let Some(value) = field.get(1..) else { continue };
            match field.as_bytes()[0] {
                b'W' => width = Some(side(field, value)?),
                b'H' => height = Some(side(field, value)?),
                b'F' if value != "0:0" => rate = Some(value.parse::<FrameRate>()?),
                b'C' => colour = value,
                b'X' if value.eq_ignore_ascii_case("COLORRANGE=FULL") => range = LumaRange::Full,
                _ => {}
            }
        }
        let width = width.ok_or("its header has no width (W)")?;
        let height = height.ok_or("its header has no height (H)")?;
        match width.checked_mul(height) {
            Some(n) if n <= MAX_PIXELS => {}
            _ => {
                return Err(format!(
                    "its header promises {width}x{height}, more than the 64 megapixels that are read"
                ));
            }
        }
        let format = planes(colour, width, height)?;
        let assumed = rate.is_none().then(|| "its header has no frame rate (F); 25 fps assumed".to_string());
        let rate = rate.unwrap_or(FrameRate::per_second(25));
        Ok((Self { width, height, rate, range, format }, assumed))
    }

    fn layout(&self) -> String {
        layout(self.width, self.height, self.format.passed_on_as)
    }

    fn describe(&self, frame: &mut Frame) {
        (frame.width, frame.height, frame.stride) = (self.width, self.height, self.width);
        (frame.format, frame.range) = (self.format.passed_on_as, self.range);
    }
}

fn side(field: &str, value: &str) -> Result<usize, String> {
    match value.parse::<u32>() {
        Ok(n) if n > 0 => Ok(n as usize),
        _ => Err(format!("its header has {field:?}, which is no size in pixels")),
    }
}

fn planes(colour: &str, width: usize, height: usize) -> Result<Planes, String> {
    let (luma, half) = (width * height, width.div_ceil(2));
    let (chroma, passed_on_as) = match colour {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => (2 * half * height.div_ceil(2), PixelFormat::I420),
        "mono" => (0, PixelFormat::Gray8),
        "422" => (2 * half * height, PixelFormat::Gray8),
        "411" => (2 * width.div_ceil(4) * height, PixelFormat::Gray8),
        "444" => (2 * luma, PixelFormat::Gray8),
        "444alpha" => (3 * luma, PixelFormat::Gray8),
        other => {
            return Err(format!(
                "its pixel format C{other} is not read (8-bit 420, 422, 444, 411 and mono are); convert it with: ffmpeg -i FILE -pix_fmt yuv420p OUT.y4m"
            ));
        }
    };
    Ok(Planes { luma, chroma, passed_on_as })
}
