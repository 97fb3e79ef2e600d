//! A fixed suite of ways to spoil a picture, each at levels 1 (slight) to 5 (severe): how accuracy falls in real rooms.
//!
//! The definitions are shared with `models/robustness.py`; both must be changed together. The picture is turned gray
//! first, and lengths are relative to its width, so that a 48 px crop and a large photo are spoilt alike:
//!
//! | name | what | levels 1 to 5 |
//! |---|---|---|
//! | `blur` | Gaussian, σ in 48ths of the width | 0.5 1 1.5 2 3 |
//! | `noise` | Gaussian, σ in gray levels | 5 10 20 30 45 |
//! | `dark` | under-exposed: gray times | 0.7 0.5 0.35 0.25 0.15 |
//! | `bright` | over-exposed and clipped: gray times | 1.3 1.6 2 2.5 3.5 |
//! | `jpeg` | quality | 50 30 20 12 6 |
//! | `rotate` | degrees, either way | 5 10 15 22 30 |
//! | `scale` | crop too wide or too narrow by | 1.08 1.15 1.25 1.35 1.5 |
//! | `offset` | crop shifted, widths, any direction | 0.03 0.06 0.1 0.15 0.2 |
//! | `occlusion` | a square of gray 128 over this share of the area | 0.05 0.1 0.15 0.25 0.35 |
//!
//! Chance is SplitMix64 seeded with FNV-1a-64 of `NAME:LEVEL:class/file`, the file without its ending: the same picture
//! is spoilt in the same way on every machine, and as .png as it was as .jpg. Beyond the edge, the edge is repeated; values are rounded half up and clipped to 0..=255.

use crate::frame::GrayImage;
use std::str::FromStr;

/// How to spoil: `blur:2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corruption {
    kind: Kind,
    /// 1..=5
    level: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blur,
    Noise,
    Dark,
    Bright,
    Jpeg,
    Rotate,
    Scale,
    Offset,
    Occlusion,
}

/// Name, kind and the amounts of the five levels.
const SUITE: [(&str, Kind, [f32; 5]); 9] = [
    ("blur", Kind::Blur, [0.5, 1.0, 1.5, 2.0, 3.0]),
    ("noise", Kind::Noise, [5.0, 10.0, 20.0, 30.0, 45.0]),
    ("dark", Kind::Dark, [0.7, 0.5, 0.35, 0.25, 0.15]),
    ("bright", Kind::Bright, [1.3, 1.6, 2.0, 2.5, 3.5]),
    ("jpeg", Kind::Jpeg, [50.0, 30.0, 20.0, 12.0, 6.0]),
    ("rotate", Kind::Rotate, [5.0, 10.0, 15.0, 22.0, 30.0]),
    ("scale", Kind::Scale, [1.08, 1.15, 1.25, 1.35, 1.5]),
    ("offset", Kind::Offset, [0.03, 0.06, 0.1, 0.15, 0.2]),
    ("occlusion", Kind::Occlusion, [0.05, 0.1, 0.15, 0.25, 0.35]),
];

impl FromStr for Corruption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            let names = SUITE.map(|(name, ..)| name).join(", ");
            format!(
                "`{text}` is no corruption: expected NAME:LEVEL with a level from 1 to 5 and one of {names}"
            )
        };
        let (name, level) = text.split_once(':').ok_or_else(refuse)?;
        let level = level.parse().ok().filter(|l| (1..=5).contains(l)).ok_or_else(refuse)?;
        let (_, kind, _) = SUITE.into_iter().find(|(n, ..)| *n == name).ok_or_else(refuse)?;
        Ok(Self { kind, level })
    }
}

impl std::fmt::Display for Corruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.entry().0, self.level)
    }
}

impl Corruption {
    fn entry(&self) -> &'static (&'static str, Kind, [f32; 5]) {
        &SUITE[self.kind as usize]
    }

    fn amount(&self) -> f32 {
        self.entry().2[usize::from(self.level) - 1]
    }

    /// Spoils `picture`; `name` is `class/file` and, but for the file's ending, decides what chance decides.
    pub fn apply(&self, picture: &GrayImage, name: &str) -> anyhow::Result<GrayImage> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let mut chance = Chance::seeded(&format!("{self}:{stem}"));
        let a = self.amount();
        Ok(match self.kind {
            Kind::Blur => blur(picture, a * picture.width as f32 / 48.0),
            Kind::Noise => map(picture, |v| v + a * chance.normal()),
            Kind::Dark | Kind::Bright => map(picture, |v| v * a),
            Kind::Jpeg => through_jpeg(picture, a as u8)?,
            Kind::Rotate => {
                let (sin, cos) = (a * chance.sign()).to_radians().sin_cos();
                warp(picture, |x, y| (cos * x - sin * y, sin * x + cos * y))
            }
            Kind::Scale => {
                let s = if chance.sign() > 0.0 { a } else { 1.0 / a };
                warp(picture, |x, y| (x * s, y * s))
            }
            Kind::Offset => {
                let (sin, cos) = (chance.unit() * std::f32::consts::TAU).sin_cos();
                let d = a * picture.width as f32;
                warp(picture, |x, y| (x + d * cos, y + d * sin))
            }
            Kind::Occlusion => occlude(picture, a, &mut chance),
        })
    }
}

fn to_gray(v: f32) -> u8 {
    (v + 0.5).clamp(0.0, 255.0) as u8
}

fn map(p: &GrayImage, mut f: impl FnMut(f32) -> f32) -> GrayImage {
    GrayImage { data: p.data.iter().map(|&v| to_gray(f(f32::from(v)))).collect(), ..*p }
}

/// Row or column `i + k`, kept inside `0..n`.
fn clamped(i: usize, k: isize, n: usize) -> usize {
    (i as isize + k).clamp(0, n as isize - 1) as usize
}

/// Gaussian with a radius of 3 σ, rounded up; rows, then columns, rounded once at the end.
fn blur(p: &GrayImage, sigma: f32) -> GrayImage {
    let radius = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f32> = (-radius..=radius).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let tap = |at: &dyn Fn(isize) -> f32| -> f32 {
        weights.iter().zip(-radius..).map(|(w, k)| w * at(k)).sum::<f32>() / sum
    };
    let (w, h) = (p.width, p.height);
    let mut rows = vec![0f32; w * h];
    for (i, out) in rows.iter_mut().enumerate() {
        let (x, y) = (i % w, i / w);
        *out = tap(&|k| f32::from(p.data[y * w + clamped(x, k, w)]));
    }
    let at = |i: usize| to_gray(tap(&|k| rows[clamped(i / w, k, h) * w + i % w]));
    GrayImage { data: (0..w * h).map(at).collect(), ..*p }
}

fn through_jpeg(p: &GrayImage, quality: u8) -> anyhow::Result<GrayImage> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode(
        &p.data,
        u32::try_from(p.width)?,
        u32::try_from(p.height)?,
        image::ExtendedColorType::L8,
    )?;
    let decoded = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg)?;
    Ok(GrayImage { data: decoded.into_luma8().into_raw(), ..*p })
}

/// Each pixel is fetched from `from(x, y)`, both measured from the picture's middle; bilinear.
fn warp(p: &GrayImage, from: impl Fn(f32, f32) -> (f32, f32)) -> GrayImage {
    let (w, h) = (p.width, p.height);
    let (cx, cy) = ((w as f32 - 1.0) / 2.0, (h as f32 - 1.0) / 2.0);
    let at = |i: usize| {
        let (x, y) = from((i % w) as f32 - cx, (i / w) as f32 - cy);
        to_gray(bilinear(p, x + cx, y + cy))
    };
    GrayImage { data: (0..w * h).map(at).collect(), ..*p }
}

fn bilinear(p: &GrayImage, x: f32, y: f32) -> f32 {
    let (x, y) = (x.clamp(0.0, p.width as f32 - 1.0), y.clamp(0.0, p.height as f32 - 1.0));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(p.width - 1), (y0 + 1).min(p.height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let px = |x: usize, y: usize| f32::from(p.data[y * p.width + x]);
    let row = |y| px(x0, y) * (1.0 - fx) + px(x1, y) * fx;
    row(y0) * (1.0 - fy) + row(y1) * fy
}

fn occlude(p: &GrayImage, share: f32, chance: &mut Chance) -> GrayImage {
    let side = |n: usize| ((share.sqrt() * n as f32).round() as usize).clamp(1, n);
    let (w, h) = (side(p.width), side(p.height));
    let mut place = |room: usize| ((chance.unit() * (room + 1) as f32) as usize).min(room);
    let (x, y) = (place(p.width - w), place(p.height - h));
    let mut out = p.clone();
    for row in out.data.chunks_exact_mut(p.width).skip(y).take(h) {
        row[x..x + w].fill(128);
    }
    out
}

/// SplitMix64: small, well spread, and the same ten lines in Python.
struct Chance(u64);

impl Chance {
    fn seeded(text: &str) -> Self {
        // FNV-1a, 64 bits: offset basis and prime are its definition's.
        Self(
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0..1, from the upper 24 bits.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    fn sign(&mut self) -> f32 {
        if self.next() >> 63 == 0 { 1.0 } else { -1.0 }
    }

    /// Standard normal, by Box and Muller; the second value of each pair is not used.
    fn normal(&mut self) -> f32 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn face() -> GrayImage {
        let data = (0..48 * 48).map(|i| ((i % 48) * 3 + (i / 48) * 2) as u8).collect();
        GrayImage { width: 48, height: 48, data }
    }

    fn spoil(spec: &str, name: &str) -> GrayImage {
        spec.parse::<Corruption>().unwrap().apply(&face(), name).unwrap()
    }

    /// Mean absolute difference to the clean picture.
    fn damage(spec: &str) -> f32 {
        let pairs = face().data;
        let sum: u32 =
            pairs.iter().zip(&spoil(spec, "happy/1.png").data).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        sum as f32 / pairs.len() as f32
    }

    #[rstest]
    fn each_spoils_more_at_a_higher_level(
        #[values("blur", "noise", "dark", "bright", "jpeg", "rotate", "offset", "occlusion")] name: &str,
    ) {
        let (slight, severe) = (damage(&format!("{name}:1")), damage(&format!("{name}:5")));
        assert!(0.0 < slight && slight < severe, "{name}: {slight} then {severe}");
    }

    #[test]
    fn the_same_picture_is_spoilt_in_the_same_way_and_another_in_another() {
        assert_eq!(spoil("noise:3", "sad/2.jpg"), spoil("noise:3", "sad/2.jpg"));
        assert_ne!(spoil("noise:3", "sad/2.jpg"), spoil("noise:3", "sad/3.jpg"));
    }

    #[test]
    fn a_copy_in_another_format_is_spoilt_in_the_same_way() {
        assert_eq!(spoil("noise:3", "sad/2.jpg"), spoil("noise:3", "sad/2.png"));
        assert_ne!(spoil("noise:3", "sad/2.a.jpg"), spoil("noise:3", "sad/2.b.jpg"));
    }

    /// The values are those of models/robustness.py.
    #[rstest]
    #[case("happy/1.jpg", [24, 0, 0, 33])]
    #[case("sad/22.png", [15, 0, 7, 0])]
    #[case("neutral/face 7.jpeg", [0, 17, 0, 31])]
    fn noise_is_the_python_suites(#[case] name: &str, #[case] first: [u8; 4]) {
        assert_eq!(spoil("noise:3", name).data[..4], first);
    }

    #[test]
    fn the_kinds_are_in_the_suites_order() {
        for (i, (_, kind, _)) in SUITE.iter().enumerate() {
            assert_eq!(*kind as usize, i);
        }
    }

    #[test]
    fn chance_is_splitmix64() {
        // The reference implementation's first values for the seed 1234567.
        let mut c = Chance(1234567);
        assert_eq!([c.next(), c.next()], [6457827717110365317, 3203168211198807973]);
    }

    #[rstest]
    #[case("blur")]
    #[case("blur:0")]
    #[case("blur:6")]
    #[case("fog:1")]
    #[case(":")]
    fn refuses(#[case] text: &str) {
        assert!(text.parse::<Corruption>().unwrap_err().contains("occlusion"));
    }
}
