//! How long to wait before a device that failed is tried again: the same for a camera and for a panel.

use std::time::Duration;

/// Pauses between attempts: 0.25 s, doubling up to 5 s. Who succeeds, or hears that it is worth a try, begins with a new one.
///
/// Short at first, for a cable that was only knocked; never so long that whoever puts a cable back takes the light for broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff(Duration);

impl Backoff {
    pub const FIRST: Duration = Duration::from_millis(250);
    pub const LAST: Duration = Duration::from_secs(5);

    pub fn next_pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LAST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_quarter_second_to_five_seconds() {
        let mut b = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| b.next_pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
