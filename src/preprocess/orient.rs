//! Turning pictures upright: cameras that hang sideways or upside down, and EXIF's eight orientations.

use serde::Deserialize;

/// How the camera is mounted. The picture is first rotated, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Orientation {
    /// Clockwise turn that brings the picture upright: 0 (default), 90, 180 or 270 degrees.
    pub rotate: Rotation,
    /// Left and right swapped, so that a screen beside the camera acts like a mirror. Default false.
    pub mirror: bool,
}

/// A clockwise turn; in the file its degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "u16")]
pub enum Rotation {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl TryFrom<u16> for Rotation {
    type Error = String;
    fn try_from(degrees: u16) -> Result<Self, String> {
        match degrees {
            0 => Ok(Rotation::None),
            90 => Ok(Rotation::Quarter),
            180 => Ok(Rotation::Half),
            270 => Ok(Rotation::ThreeQuarters),
            other => Err(format!("rotate = {other}: expected 0, 90, 180 or 270 degrees clockwise")),
        }
    }
}

impl Orientation {
    pub const UPRIGHT: Orientation = Orientation { rotate: Rotation::None, mirror: false };

    /// EXIF tag 0x0112, 1..=8; anything else counts as upright, as PIL and browsers have it.
    pub const fn from_exif(tag: u32) -> Self {
        let (rotate, mirror) = match tag {
            2 => (Rotation::None, true),
            3 => (Rotation::Half, false),
            4 => (Rotation::Half, true),
            5 => (Rotation::Quarter, true),
            6 => (Rotation::Quarter, false),
            7 => (Rotation::ThreeQuarters, true),
            8 => (Rotation::ThreeQuarters, false),
            _ => (Rotation::None, false),
        };
        Self { rotate, mirror }
    }

    /// Width and height after turning.
    pub const fn turned(self, width: usize, height: usize) -> (usize, usize) {
        match self.rotate {
            Rotation::None | Rotation::Half => (width, height),
            Rotation::Quarter | Rotation::ThreeQuarters => (height, width),
        }
    }

    /// Where the turned picture starts in a `width`×`height` source and how far one step right and one step down lead,
    /// in pixels of the source: `(start, right, down)`.
    fn walk(self, width: usize, height: usize, stride: usize) -> (isize, isize, isize) {
        let (w, h, s) = (width as isize, height as isize, stride as isize);
        let (start, right, down) = match self.rotate {
            Rotation::None => (0, 1, s),
            Rotation::Quarter => ((h - 1) * s, -s, 1),
            Rotation::Half => ((h - 1) * s + w - 1, -1, -s),
            Rotation::ThreeQuarters => (w - 1, s, -1),
        };
        let across = self.turned(width, height).0 as isize - 1;
        if self.mirror { (start + across * right, -right, down) } else { (start, right, down) }
    }

    /// Writes the turned picture to `out` (`turned` size, no padding), `read(i)` giving the source's pixel at offset
    /// `i = y·stride + x`.
    pub(super) fn turn<P>(
        self,
        (width, height, stride): (usize, usize, usize),
        out: &mut [P],
        read: impl Fn(usize) -> P,
    ) {
        let (start, right, down) = self.walk(width, height, stride);
        let out_width = self.turned(width, height).0;
        // Blocks of 32×32 keep both the rows read and the rows written in the first-level cache; straight rows would
        // miss on every pixel of a quarter turn.
        const BLOCK: usize = 32;
        let out_height = self.turned(width, height).1;
        for top in (0..out_height).step_by(BLOCK) {
            for left in (0..out_width).step_by(BLOCK) {
                let end = (left + BLOCK).min(out_width);
                for y in top..(top + BLOCK).min(out_height) {
                    let from = start + y as isize * down + left as isize * right;
                    for (x, o) in out[y * out_width..][left..end].iter_mut().enumerate() {
                        *o = read((from + x as isize * right) as usize);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source is `a b c / d e f`, stride 4.
    #[rstest::rstest]
    #[case::upright(1, 3, "abcdef")]
    #[case::mirror(2, 3, "cbafed")]
    #[case::half(3, 3, "fedcba")]
    #[case::upside_down_mirror(4, 3, "defabc")]
    #[case::transpose(5, 2, "adbecf")]
    #[case::clockwise(6, 2, "daebfc")]
    #[case::transverse(7, 2, "fcebda")]
    #[case::anticlockwise(8, 2, "cfbead")]
    #[case::unknown(9, 3, "abcdef")]
    fn exif(#[case] tag: u32, #[case] width: usize, #[case] expect: &str) {
        let o = Orientation::from_exif(tag);
        assert_eq!(o.turned(3, 2).0, width);
        let mut out = [0u8; 6];
        o.turn((3, 2, 4), &mut out, |i| b"abc.def"[i]);
        assert_eq!(std::str::from_utf8(&out).unwrap(), expect);
    }

    #[rstest::rstest]
    #[case("rotate = 90\nmirror = true", Ok(Orientation { rotate: Rotation::Quarter, mirror: true }))]
    #[case("", Ok(Orientation::UPRIGHT))]
    #[case("rotate = 45", Err("expected 0, 90, 180 or 270"))]
    #[case("flip = true", Err("unknown field"))]
    fn config(#[case] text: &str, #[case] expect: Result<Orientation, &str>) {
        match (toml::from_str::<Orientation>(text), expect) {
            (Ok(o), Ok(e)) => assert_eq!(o, e),
            (Err(m), Err(e)) => assert!(m.to_string().contains(e), "{m}"),
            (got, _) => panic!("{got:?}"),
        }
    }
}
