//! Frames per second as a fraction, so that the ten-thousandth frame of a 29.97 fps recording is still where the
//! recording has it.

use crate::frame::Timestamp;
use std::str::FromStr;

/// A positive rational number of frames per second, at most [`FrameRate::MAX`], at least one in [`FrameRate::LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    frames: u32,
    seconds: u32,
}

impl FrameRate {
    /// Nothing that moodlight reads is faster; a larger number is a typing error or a lying header.
    pub const MAX: u32 = 1000;

    /// Seconds between two frames of the slowest: a day. What is slower is a lying header too, and a run that plays it would blink
    /// through the years between two frames.
    pub const LONGEST: u32 = 86_400;

    /// `frames` in each `seconds`; `None` unless both are positive and the rate is within its bounds.
    pub const fn new(frames: u32, seconds: u32) -> Option<Self> {
        let (f, s) = (frames as u64, seconds as u64);
        let sane = f > 0 && s > 0 && f <= Self::MAX as u64 * s && s <= Self::LONGEST as u64 * f;
        if sane { Some(Self { frames, seconds }) } else { None }
    }

    /// `fps` frames in each second, clamped to 1..=[`Self::MAX`].
    pub const fn per_second(fps: u32) -> Self {
        let frames = if fps == 0 {
            1
        } else if fps > Self::MAX {
            Self::MAX
        } else {
            fps
        };
        Self { frames, seconds: 1 }
    }

    /// When frame `index` (from 0) is due: `index·seconds/frames`, rounded down to a nanosecond, without accumulated
    /// error.
    pub fn timestamp(self, index: u64) -> Timestamp {
        let ns = u128::from(index) * u128::from(self.seconds) * 1_000_000_000 / u128::from(self.frames);
        Timestamp::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Number of whole or begun frames within `duration`, at least 1.
    pub fn frames_in(self, duration: std::time::Duration) -> u64 {
        let n = (duration.as_nanos() * u128::from(self.frames))
            .div_ceil(u128::from(self.seconds) * 1_000_000_000);
        u64::try_from(n).unwrap_or(u64::MAX).max(1)
    }
}

/// `30`, `30000/1001`, `30000:1001` (as Y4M has it) or `29.97` (taken as 2997/100).
impl FromStr for FrameRate {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        fraction(s)
            .and_then(|(n, d)| FrameRate::new(n, d))
            .ok_or_else(|| format!("{s:?} is no frame rate: expected a number of frames per second up to {}, and at least one a day, such as 30, 29.97 or 30000/1001", Self::MAX))
    }
}

fn fraction(s: &str) -> Option<(u32, u32)> {
    if let Some((n, d)) = s.split_once(['/', ':']) {
        return Some((whole(n)?, whole(d)?));
    }
    let (int, dec) = s.split_once('.').unwrap_or((s, ""));
    if dec.len() > 4 {
        return None;
    }
    let scale = 10u32.pow(dec.len() as u32);
    let dec = if dec.is_empty() { 0 } else { whole(dec)? };
    Some((whole(int)?.checked_mul(scale)?.checked_add(dec)?, scale))
}

/// Digits only: `u32::from_str` alone would take a sign.
fn whole(s: &str) -> Option<u32> {
    s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse().ok())?
}

impl std::fmt::Display for FrameRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.seconds {
            1 => write!(f, "{} fps", self.frames),
            s => write!(f, "{}/{s} fps", self.frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::whole("30", Some((30, 1)))]
    #[case::ntsc("30000/1001", Some((30000, 1001)))]
    #[case::y4m("25:1", Some((25, 1)))]
    #[case::decimal("29.97", Some((2997, 100)))]
    #[case::slow("0.5", Some((5, 10)))]
    #[case::zero("0", None)]
    #[case::zero_denominator("25:0", None)]
    #[case::negative("-5", None)]
    #[case::plus("+5", None)]
    #[case::absurd("100000", None)]
    #[case::one_a_day("1/86400", Some((1, 86_400)))]
    #[case::slower("1/86401", None)]
    #[case::one_in_a_life("1:4294967295", None)]
    #[case::overflow("99999999999", None)]
    #[case::word("fast", None)]
    #[case::empty("", None)]
    fn reads(#[case] text: &str, #[case] expect: Option<(u32, u32)>) {
        let expect = expect.map(|(frames, seconds)| FrameRate { frames, seconds });
        assert_eq!(text.parse::<FrameRate>().ok(), expect);
    }

    #[test]
    fn ten_hours_of_ntsc_do_not_drift() {
        let ntsc = FrameRate::new(30000, 1001).unwrap();
        let frames = 36_000 * 30_000 / 1001 + 1; // the first frame at or after ten hours
        let t = ntsc.timestamp(frames).as_duration().as_nanos();
        assert_eq!(t, u128::from(frames) * 1001 * 1_000_000_000 / 30000);
        assert!(t - 36_000_000_000_000 < 33_366_667);
    }

    #[test]
    fn the_end_of_time_saturates() {
        let slow = FrameRate::new(1, FrameRate::LONGEST).unwrap();
        assert!(slow.timestamp(u64::MAX) > slow.timestamp(1));
    }
}
