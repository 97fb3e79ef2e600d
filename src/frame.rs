//! A picture from a camera or a file, as it came: bytes, how to read them, and when.
//!
//! Terms. *Stride*: bytes from the start of one row to the start of the next, of the first plane. *Full range*: luma
//! 0..=255 (JPEG, most webcams' MJPG); *limited range*: luma 16..=235 (most YUYV and NV12, Y4M unless it says
//! otherwise).

use std::time::Duration;

/// Largest picture that is read: 64 megapixels. Sizes come from headers that may lie, so sources and decoders refuse
/// anything larger *before* they allocate for it.
pub const MAX_PIXELS: usize = 64_000_000;

/// Time since the start of the run (live) or since the recording's first frame (replay). Never wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(Duration);

impl Timestamp {
    pub const ZERO: Timestamp = Timestamp(Duration::ZERO);

    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }
    pub const fn from_micros(us: u64) -> Self {
        Self(Duration::from_micros(us))
    }
    pub const fn from_nanos(ns: u64) -> Self {
        Self(Duration::from_nanos(ns))
    }
    pub const fn from_duration(d: Duration) -> Self {
        Self(d)
    }
    pub const fn as_millis(self) -> u64 {
        self.0.as_millis() as u64
    }
    pub const fn as_duration(self) -> Duration {
        self.0
    }
    /// How long after `earlier`; zero if it isn't.
    pub fn since(self, earlier: Timestamp) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(d))
    }
}

/// How [`Frame::data`] is laid out. Chroma is never read by the pipeline: luma alone finds and classifies faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PixelFormat {
    /// One byte a pixel.
    #[default]
    Gray8,
    /// Y plane, then U, then V, each chroma plane half as wide and high.
    I420,
    /// Y plane, then interleaved UV.
    Nv12,
    /// Y0 U Y1 V.
    Yuyv,
    /// U Y0 V Y1.
    Uyvy,
    /// R G B, three bytes a pixel.
    Rgb24,
    /// One JPEG picture, possibly without Huffman tables (as UVC cameras send it).
    Mjpeg,
}

impl PixelFormat {
    /// Smallest stride in bytes for a row of `width` pixels; 0 for compressed formats.
    pub const fn min_stride(self, width: usize) -> usize {
        match self {
            PixelFormat::Gray8 | PixelFormat::I420 | PixelFormat::Nv12 => width,
            PixelFormat::Yuyv | PixelFormat::Uyvy => width.div_ceil(2) * 4,
            PixelFormat::Rgb24 => width * 3,
            PixelFormat::Mjpeg => 0,
        }
    }

    /// Bytes that must be there for the luma of a `height`-row picture to be complete; 0 for compressed formats.
    pub const fn luma_bytes(self, width: usize, height: usize, stride: usize) -> usize {
        match self {
            PixelFormat::Mjpeg => 0,
            _ if height == 0 => 0,
            _ => stride * (height - 1) + self.min_stride(width),
        }
    }
}

/// Which values mean black and white in a YUV frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LumaRange {
    /// 0..=255
    #[default]
    Full,
    /// 16..=235
    Limited,
}

/// One picture as the source delivered it. Sources refill the same `Frame`, so `data` keeps its capacity.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    pub width: usize,
    pub height: usize,
    /// Bytes per row of the first plane; 0 for [`PixelFormat::Mjpeg`].
    pub stride: usize,
    pub format: PixelFormat,
    pub range: LumaRange,
    pub timestamp: Timestamp,
    /// The source's own counter; gaps mean frames that it dropped.
    pub sequence: u64,
    pub data: Vec<u8>,
}

/// A borrowed gray picture with a stride: what the detector and the crop read. `data.len() ≥ stride·(height−1)+width`.
#[derive(Debug, Clone, Copy)]
pub struct GrayView<'a> {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
    pub data: &'a [u8],
}

impl<'a> GrayView<'a> {
    /// Row `y`, `width` bytes. Panics when `y ≥ height`, like a slice.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }
}

/// An owned gray picture without padding; full range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrayImage {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

impl GrayImage {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0; width * height] }
    }
    pub fn view(&self) -> GrayView<'_> {
        GrayView { width: self.width, height: self.height, stride: self.width, data: &self.data }
    }
    /// Changes the size and keeps the allocation where it is large enough; the content is unspecified.
    pub fn reshape(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.data.resize(width * height, 0);
    }
}

/// An axis-aligned rectangle in pixels of the picture; may reach beyond its edges.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

impl Rect {
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }
    pub fn center(&self) -> (f32, f32) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }
    /// Intersection over union, 0..=1.
    pub fn iou(&self, o: &Rect) -> f32 {
        let w = (self.x + self.w).min(o.x + o.w) - self.x.max(o.x);
        let h = (self.y + self.h).min(o.y + o.h) - self.y.max(o.y);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let both = w * h;
        both / (self.area() + o.area() - both)
    }
}
