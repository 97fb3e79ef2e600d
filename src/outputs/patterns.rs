//! How a light behaves over time: a rhythm of on and off that repeats, as pure functions of the time since it began.
//!
//! The rhythms differ enough to be told apart without counting or colour: long even blinks, one short beat, a double
//! flash. None flashes more than three times within a second, the general limit of WCAG 2.3.1.

use std::time::Duration;

/// On for the first number of milliseconds, off for the second, and so on; then from the start. An empty one is dark,
/// a single number is steady light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern(&'static [u64]);

impl Pattern {
    pub const DARK: Pattern = Pattern(&[]);
    /// An emotion.
    pub const STEADY: Pattern = Pattern(&[1]);
    /// "Perhaps this one": uncertain.
    pub const BLINK: Pattern = Pattern(&[600, 600]);
    /// "I am awake and nobody is here": one slow beat.
    pub const PULSE: Pattern = Pattern(&[400, 2600]);
    /// "Help": the double flash of hazard lights.
    pub const DOUBLE_FLASH: Pattern = Pattern(&[120, 180, 120, 980]);
    /// "My eyes are shut": three short flashes, then nothing for a long time.
    pub const TRIPLE_FLASH: Pattern = Pattern(&[80, 160, 80, 160, 80, 3440]);
    /// Steady with one short gap, so that lights of similar colour differ.
    pub const WINK: Pattern = Pattern(&[2850, 150]);
    /// Steady with two short gaps.
    pub const TWO_WINKS: Pattern = Pattern(&[2400, 150, 300, 150]);

    /// Whether the light is on, `elapsed` after the pattern began.
    pub fn lit(self, elapsed: Duration) -> bool {
        match self.0 {
            [] => false,
            [_] => true,
            steps => self.step(elapsed, steps).0.is_multiple_of(2),
        }
    }

    /// How long after the pattern began the light changes next, strictly after `elapsed`; `None` if never.
    pub fn next_edge(self, elapsed: Duration) -> Option<Duration> {
        match self.0 {
            [] | [_] => None,
            steps => Some(self.step(elapsed, steps).1),
        }
    }

    /// The step that `elapsed` falls into, and when it ends.
    fn step(self, elapsed: Duration, steps: &[u64]) -> (usize, Duration) {
        let period = Duration::from_millis(steps.iter().sum());
        let rounds = elapsed.as_nanos() / period.as_nanos();
        let mut end = Duration::from_nanos((rounds * period.as_nanos()) as u64);
        for (i, &ms) in steps.iter().enumerate() {
            end += Duration::from_millis(ms);
            if elapsed < end {
                return (i, end);
            }
        }
        (0, end + Duration::from_millis(steps[0]))
    }
}
