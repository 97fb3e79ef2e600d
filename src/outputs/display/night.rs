//! Night hours: from one time of day to another, over midnight where need be.

use serde::{Deserialize, Deserializer, de};

/// Minutes after midnight, local time. From `from` on, up to but without `to`; the same time twice is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    from: u16,
    to: u16,
}

impl Night {
    /// "22:00-07:00"
    pub fn parse(text: &str) -> Option<Night> {
        let (from, to) = text.split_once('-')?;
        Some(Night { from: minute(from)?, to: minute(to)? })
    }

    pub fn covers(self, minute: u16) -> bool {
        match self {
            Night { from, to } if from <= to => (from..to).contains(&minute),
            Night { from, to } => minute >= from || minute < to,
        }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

impl<'de> Deserialize<'de> for Night {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Night::parse(&text).ok_or_else(|| {
            let expected = "two times of day such as \"22:00-07:00\"";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::over_midnight("22:00-07:00", &[(21, 59, false), (22, 0, true), (0, 0, true), (6, 59, true), (7, 0, false)])]
    #[case::within_a_day("13:30-14:00", &[(13, 29, false), (13, 30, true), (14, 0, false), (0, 0, false)])]
    #[case::never("08:00-08:00", &[(8, 0, false), (0, 0, false)])]
    #[case::one_digit("9:5 - 10:00", &[(9, 5, true)])]
    fn hours(#[case] text: &str, #[case] expect: &[(u16, u16, bool)]) {
        let night = Night::parse(text).unwrap();
        for (h, m, inside) in expect {
            assert_eq!(night.covers(h * 60 + m), *inside, "{h}:{m:02}");
        }
    }

    #[rstest]
    #[case("22:00")]
    #[case("24:00-07:00")]
    #[case("22-7")]
    #[case("22:60-07:00")]
    #[case("-1:00-07:00")]
    fn refuses(#[case] text: &str) {
        assert_eq!(Night::parse(text), None);
    }
}
