//! Which of a camera's formats, sizes and rates is used. Pure: what is offered and what is wished go in, a choice comes out.
//!
//! The order, first difference decides:
//! 1. large enough to find a face in (320×240), small enough to decode in time (1280×720), and 15 frames a second or more
//!    (an unknown rate counts as enough), before anything else;
//! 2. format: MJPG, YUYV, NV12, GREY, then UYVY, I420, RGB24. MJPG first, since it alone gives full rate over USB 2 and through
//!    hubs; then those whose luma is read without conversion;
//! 3. size nearest to the wished one (too small counts twice);
//! 4. rate nearest to the wished one (too slow counts twice);
//! 5. the driver's own order.

use crate::frame::{LumaRange, PixelFormat};
use std::fmt;

/// Four characters that name a pixel format.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub [u8; 4]);

impl Code {
    /// How moodlight reads it, if it does.
    pub fn format(self) -> Option<PixelFormat> {
        Some(match &self.0 {
            b"MJPG" | b"JPEG" => PixelFormat::Mjpeg,
            b"YUYV" => PixelFormat::Yuyv,
            b"UYVY" => PixelFormat::Uyvy,
            b"NV12" => PixelFormat::Nv12,
            b"YU12" => PixelFormat::I420,
            b"GREY" => PixelFormat::Gray8,
            b"RGB3" => PixelFormat::Rgb24,
            _ => return None,
        })
    }

    /// A sensor's raw mosaic, which needs an image processor to become a picture.
    pub fn is_bayer(self) -> bool {
        // BA81, GBRG, GRBG, RGGB, BG10, pBAA, BYR2, … and the Raspberry Pi's compressed PC1R and the like.
        matches!(&self.0, b"BA81" | b"BYR2" | b"GBRG" | b"GRBG" | b"RGGB")
            || matches!(self.0, [b'B' | b'G' | b'R', b'A' | b'B' | b'G' | b'R', b'0' | b'1', b'0'..=b'9'])
            || matches!(self.0, [b'p', b'B' | b'G' | b'R' | b'g', ..])
            || matches!(self.0, [b'P', b'C', b'1', b'R' | b'G' | b'g' | b'B' | b'M'])
    }

    /// Which values are black and white: what the driver says (videodev2.h's `v4l2_quantization`), else the kernel's rule
    /// for defaults: full for JPEG and RGB, limited for YUV. Gray sensors use every value.
    pub fn range(self, quantization: u32, colorspace: u32) -> LumaRange {
        const FULL_RANGE: u32 = 1;
        const LIM_RANGE: u32 = 2;
        const COLORSPACE_JPEG: u32 = 7;
        match (self.format(), quantization, colorspace) {
            (Some(PixelFormat::Mjpeg | PixelFormat::Rgb24), ..) => LumaRange::Full,
            (_, FULL_RANGE, _) => LumaRange::Full,
            (_, LIM_RANGE, _) => LumaRange::Limited,
            (Some(PixelFormat::Gray8), ..) | (_, _, COLORSPACE_JPEG) => LumaRange::Full,
            _ => LumaRange::Limited,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0).trim_end_matches([' ', '\0']).escape_default())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A size in pixels, or a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Exact(u32, u32),
    Range { min: (u32, u32), max: (u32, u32), step: (u32, u32) },
}

impl Size {
    /// The size to ask for when `wish` is wished: nearest on the range's grid, not above its end.
    fn nearest(self, wish: (u32, u32)) -> (u32, u32) {
        match self {
            Size::Exact(w, h) => (w, h),
            Size::Range { min, max, step } => {
                (on_grid(wish.0, min.0, max.0, step.0), on_grid(wish.1, min.1, max.1, step.1))
            }
        }
    }
}

fn on_grid(wish: u32, min: u32, max: u32, step: u32) -> u32 {
    let step = step.max(1);
    let inside = wish.clamp(min, max.max(min));
    min + (inside - min) / step * step
}

/// Frames per second, or a range of them; each > 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Rates {
    /// Empty: unknown.
    Exact(Vec<f32>),
    Range {
        slowest: f32,
        fastest: f32,
    },
}

impl Rates {
    /// The rate to ask for when `wish` is wished; `None` when they are unknown. The driver puts it on its own grid.
    fn nearest(&self, wish: f32) -> Option<f32> {
        match self {
            Rates::Exact(rates) => {
                rates.iter().copied().min_by(|a, b| distance(*a, wish).total_cmp(&distance(*b, wish)))
            }
            &Rates::Range { slowest, fastest } => Some(wish.clamp(slowest, fastest.max(slowest))),
        }
    }
}

/// One line of what a camera lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    pub code: Code,
    pub size: Size,
    pub rates: Rates,
}

/// What would be best. Defaults to 640×480 at 30 frames a second: a face at 2 m is then about 60 pixels wide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// Frames per second.
    pub fps: f32,
}

impl Default for Wish {
    fn default() -> Self {
        Self { size: (640, 480), fps: 30.0 }
    }
}

/// What to ask the driver for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    pub code: Code,
    pub format: PixelFormat,
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// Frames per second; `None` leaves it to the driver.
    pub fps: Option<f32>,
}

/// The offers in formats that moodlight reads.
pub fn readable(offers: &[Offer]) -> Vec<Offer> {
    offers.iter().filter(|o| o.code.format().is_some()).cloned().collect()
}

/// The best of `offers`, by the order that this file's head states.
pub fn choose(offers: &[Offer], wish: &Wish) -> Option<Choice> {
    let mut best: Option<(Rank, Choice)> = None;
    for offer in offers {
        let Some(format) = offer.code.format() else { continue };
        let size = offer.size.nearest(wish.size);
        let fps = offer.rates.nearest(wish.fps);
        let rank = rank(format, size, fps, wish);
        if best.is_none_or(|(least, _)| rank.is_before(&least)) {
            best = Some((rank, Choice { code: offer.code, format, size, fps }));
        }
    }
    best.map(|(_, choice)| choice)
}

/// "YUYV 640x480 30, 15 fps; MJPG …", for messages.
pub fn list(offers: &[Offer]) -> String {
    let line = |o: &Offer| {
        let size = match o.size {
            Size::Exact(w, h) => format!("{w}x{h}"),
            Size::Range { min, max, .. } => format!("{}x{} to {}x{}", min.0, min.1, max.0, max.1),
        };
        format!("{} {size}", o.code)
    };
    match offers {
        [] => "it lists nothing".into(),
        _ => offers.iter().map(line).collect::<Vec<_>>().join(", "),
    }
}

/// Smaller is better, first difference decides.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rank {
    is_unfit: bool,
    format: usize,
    size: f32,
    rate: f32,
}

impl Rank {
    fn is_before(&self, other: &Rank) -> bool {
        (self.is_unfit, self.format)
            .cmp(&(other.is_unfit, other.format))
            .then(self.size.total_cmp(&other.size))
            .then(self.rate.total_cmp(&other.rate))
            .is_lt()
    }
}

fn rank(format: PixelFormat, size: (u32, u32), fps: Option<f32>, wish: &Wish) -> Rank {
    const ORDER: [PixelFormat; 7] = [
        PixelFormat::Mjpeg,
        PixelFormat::Yuyv,
        PixelFormat::Nv12,
        PixelFormat::Gray8,
        PixelFormat::Uyvy,
        PixelFormat::I420,
        PixelFormat::Rgb24,
    ];
    let (w, h) = size;
    let fits = w >= 320 && h >= 240 && u64::from(w) * u64::from(h) <= 1280 * 720;
    Rank {
        is_unfit: !fits || fps.is_some_and(|f| f < 14.5),
        format: ORDER.iter().position(|f| *f == format).unwrap_or(ORDER.len()),
        size: distance(w as f32, wish.size.0 as f32) + distance(h as f32, wish.size.1 as f32),
        rate: fps.map_or(0.0, |f| distance(f, wish.fps)),
    }
}

/// How far apart two positive numbers are, in octaves; too little counts twice.
fn distance(have: f32, want: f32) -> f32 {
    let octaves = (have / want).log2();
    if octaves < 0.0 { -2.0 * octaves } else { octaves }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// "MJPG 640x480 30,15" (no rates: unknown; "5-120" is a range; "16x16-1920x1080" is one in steps of 16).
    fn offer(text: &str) -> Offer {
        let mut words = text.split(' ');
        let code = Code(words.next().unwrap().as_bytes().try_into().unwrap());
        let pair =
            |s: &str| s.split_once('x').map(|(w, h)| (w.parse().unwrap(), h.parse().unwrap())).unwrap();
        let size = words.next().unwrap();
        let size = match size.split_once('-') {
            Some((min, max)) => Size::Range { min: pair(min), max: pair(max), step: (16, 16) },
            None => Size::Exact(pair(size).0, pair(size).1),
        };
        let rates = words.next().map_or(Rates::Exact(vec![]), |r| match r.split_once('-') {
            Some((slow, fast)) => {
                Rates::Range { slowest: slow.parse().unwrap(), fastest: fast.parse().unwrap() }
            }
            None => Rates::Exact(r.split(',').map(|r| r.parse().unwrap()).collect()),
        });
        Offer { code, size, rates }
    }

    fn check(offers: &[&str], expect: &str) {
        let offers: Vec<Offer> = offers.iter().map(|o| offer(o)).collect();
        let got = choose(&readable(&offers), &Wish::default()).map_or("nothing".into(), |c| {
            let fps = c.fps.map_or(String::new(), |f| format!(" {f}"));
            format!("{} {}x{}{fps}", c.code, c.size.0, c.size.1)
        });
        assert_eq!(got, expect, "of {offers:?}");
    }

    #[rstest]
    #[case::nothing(&[], "nothing")]
    #[case::none_readable(&["H264 640x480 30", "pBAA 640x480 30"], "nothing")]
    #[case::mjpg_before_yuyv(&["YUYV 640x480 30", "MJPG 640x480 30"], "MJPG 640x480 30")]
    #[case::yuyv_before_nv12(&["NV12 640x480 30", "YUYV 640x480 30"], "YUYV 640x480 30")]
    #[case::nv12_before_grey(&["GREY 640x480 30", "NV12 640x480 30"], "NV12 640x480 30")]
    #[case::grey_before_rest(&["RGB3 640x480", "YU12 640x480", "UYVY 640x480", "GREY 640x480"], "GREY 640x480")]
    #[case::format_before_size(&["YUYV 640x480 30", "MJPG 1280x720 30"], "MJPG 1280x720 30")]
    #[case::fitting_size_before_format(&["YUYV 640x480 30", "MJPG 1920x1080 30"], "YUYV 640x480 30")]
    #[case::enough_rate_before_format(&["MJPG 640x480 5", "YUYV 640x480 30"], "YUYV 640x480 30")]
    #[case::exact_size(&["MJPG 1280x720 30", "MJPG 640x480 30", "MJPG 320x240 30"], "MJPG 640x480 30")]
    #[case::rather_larger_than_smaller(&["MJPG 320x240 30", "MJPG 1280x720 30"], "MJPG 1280x720 30")]
    #[case::widescreen(&["MJPG 640x360 30", "MJPG 848x480 30"], "MJPG 848x480 30")]
    #[case::rate_of_one_size(&["MJPG 640x480 60,30,15"], "MJPG 640x480 30")]
    #[case::rather_faster_than_slower(&["MJPG 640x480 60,20"], "MJPG 640x480 60")]
    #[case::a_little_slower(&["MJPG 640x480 60,24"], "MJPG 640x480 24")]
    #[case::much_slower(&["MJPG 640x480 60,15"], "MJPG 640x480 60")]
    #[case::rate_between_lines(&["MJPG 640x480 15", "MJPG 640x480 30"], "MJPG 640x480 30")]
    #[case::range_of_rates(&["YUYV 640x480 5-120"], "YUYV 640x480 30")]
    #[case::range_of_rates_below(&["YUYV 640x480 5-20"], "YUYV 640x480 20")]
    #[case::range_of_rates_above(&["YUYV 640x480 50-120"], "YUYV 640x480 50")]
    #[case::range_of_rates_upside_down(&["YUYV 640x480 60-15"], "YUYV 640x480 60")]
    #[case::range(&["YUYV 16x16-1920x1080"], "YUYV 640x480")]
    #[case::range_below(&["YUYV 16x16-320x240"], "YUYV 320x240")]
    #[case::range_above(&["YUYV 800x600-1920x1080"], "YUYV 800x600")]
    #[case::only_unfit(&["MJPG 160x120 30", "MJPG 1920x1080 30"], "MJPG 1920x1080 30")]
    #[case::drivers_order_at_last(&["JPEG 640x480 30", "MJPG 640x480 30"], "JPEG 640x480 30")]
    #[case::c920(
        &["YUYV 640x480 30,24,15", "YUYV 2304x1536 2", "MJPG 640x480 30,24", "MJPG 1920x1080 30", "H264 640x480 30"],
        "MJPG 640x480 30"
    )]
    fn chooses(#[case] offers: &[&str], #[case] expect: &str) {
        check(offers, expect);
    }

    #[rstest]
    #[case::odd_grid(Size::Range { min: (2, 2), max: (700, 700), step: (4, 8) }, (638, 474))]
    #[case::zero_step(Size::Range { min: (640, 480), max: (640, 480), step: (0, 0) }, (640, 480))]
    #[case::upside_down(Size::Range { min: (9, 9), max: (1, 1), step: (1, 1) }, (9, 9))]
    #[case::anything(Size::Range { min: (1, 1), max: (u32::MAX, u32::MAX), step: (1, 1) }, (640, 480))]
    fn stays_on_the_grid(#[case] size: Size, #[case] expect: (u32, u32)) {
        assert_eq!(size.nearest((640, 480)), expect);
    }

    #[rstest]
    #[case::yuyv_default(b"YUYV", 0, 8, LumaRange::Limited)]
    #[case::yuyv_jpeg_colours(b"YUYV", 0, 7, LumaRange::Full)]
    #[case::yuyv_said_full(b"YUYV", 1, 8, LumaRange::Full)]
    #[case::jpeg(b"MJPG", 2, 8, LumaRange::Full)]
    #[case::gray_default(b"GREY", 0, 8, LumaRange::Full)]
    #[case::gray_said_limited(b"GREY", 2, 8, LumaRange::Limited)]
    fn luma_range(
        #[case] code: &[u8; 4],
        #[case] quantization: u32,
        #[case] colours: u32,
        #[case] expect: LumaRange,
    ) {
        assert_eq!(Code(*code).range(quantization, colours), expect);
    }

    #[rstest]
    #[case(b"pBAA", true)]
    #[case(b"RG10", true)]
    #[case(b"BA81", true)]
    #[case(b"RGGB", true)]
    #[case(b"BYR2", true)]
    #[case(b"BG12", true)]
    #[case(b"PC1R", true)]
    #[case(b"YUYV", false)]
    #[case(b"RGB3", false)]
    #[case(b"GREY", false)]
    #[case(b"MJPG", false)]
    fn bayer(#[case] code: &[u8; 4], #[case] expect: bool) {
        assert_eq!(Code(*code).is_bayer(), expect);
    }
}
