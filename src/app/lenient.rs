//! What may be missing at the start: nothing, or, with `--best-effort`, everything but the lights' own reason to be there.
//!
//! Without it the first part that fails ends the start, and its error is what the owner reads. With it each one is noted,
//! the run starts with what works, and the notes are shown as faults.

use std::fmt::Display;

/// A part that is not there, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub what: String,
    pub why: String,
}

impl Gap {
    /// An error that names its part more closely ("OLED on /dev/i2c-1: …") is taken at its word.
    fn of(what: String, why: String) -> Self {
        match why.split_once(": ") {
            Some((closer, rest)) if closer.starts_with(&what) => {
                Self { what: closer.into(), why: rest.into() }
            }
            _ => Self { what, why },
        }
    }
}

/// Takes parts as they come.
#[derive(Debug, Default)]
pub struct Lenience {
    is_lenient: bool,
    gaps: Vec<Gap>,
}

impl Lenience {
    pub fn new(best_effort: bool) -> Self {
        Self { is_lenient: best_effort, gaps: Vec::new() }
    }

    /// The part; `None` when it is missing and may be.
    ///
    /// # Errors
    /// It is missing and may not be.
    pub fn take<T>(
        &mut self,
        what: impl Display,
        part: Result<T, impl Display>,
    ) -> anyhow::Result<Option<T>> {
        let gap = match part {
            Ok(part) => return Ok(Some(part)),
            Err(why) => Gap::of(what.to_string(), why.to_string()),
        };
        if self.is_lenient {
            self.gaps.push(gap);
            return Ok(None);
        }
        Err(anyhow::anyhow!("{}: {}", gap.what, gap.why))
    }

    pub fn into_gaps(self) -> Vec<Gap> {
        self.gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(best_effort: bool, part: Result<u8, &str>, expect: Result<(Option<u8>, usize), &str>) {
        let mut lenience = Lenience::new(best_effort);
        let got = lenience.take("OLED", part).map_err(|e| format!("{e:#}"));
        match (got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!((got, lenience.into_gaps().len()), expect),
            (Err(got), Err(expect)) => assert_eq!(got, expect),
            (got, _) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn a_part_that_is_missing_ends_the_start_or_is_noted() {
        check(false, Ok(7), Ok((Some(7), 0)));
        check(true, Ok(7), Ok((Some(7), 0)));
        check(false, Err("no bus"), Err("OLED: no bus"));
        check(false, Err("OLED on i2c-1: no bus"), Err("OLED on i2c-1: no bus"));
        check(true, Err("no bus"), Ok((None, 1)));
    }
}
