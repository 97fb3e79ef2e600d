//! Keeping cool: fewer frames a second before the firmware slows the processor down.
//!
//! A throttled board stutters and a hot one ages; ten, five or two looks a second still follow a face. Told the temperature
//! and the time; has no clock and no sensor.
//!
//! Terms. *Margin*: degrees Celsius below the point where the kernel slows down. A step is taken at once when its margin is
//! reached, and given back when the board is [`HYSTERESIS`] cooler than that and [`REST`] has passed since the last change.

use crate::frame::Timestamp;
use std::time::Duration;

/// How much work is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Every frame.
    Full,
    Ten,
    Five,
    Two,
}

impl Step {
    const ALL: [Step; 4] = [Step::Full, Step::Ten, Step::Five, Step::Two];

    /// Frames a second; `None`: as many as come.
    pub const fn frames_per_second(self) -> Option<u32> {
        match self {
            Step::Full => None,
            Step::Ten => Some(10),
            Step::Five => Some(5),
            Step::Two => Some(2),
        }
    }

    /// Shortest time between two frames that are worked on.
    pub fn interval(self) -> Duration {
        self.frames_per_second().map_or(Duration::ZERO, |n| Duration::from_secs(1) / n)
    }

    /// The margin at which it begins.
    const fn margin(self) -> f32 {
        match self {
            Step::Full => f32::INFINITY,
            Step::Ten => 8.0,
            Step::Five => 5.0,
            Step::Two => 2.0,
        }
    }

    fn for_margin(margin: f32) -> Step {
        Self::ALL.into_iter().rev().find(|s| margin <= s.margin()).unwrap_or(Step::Full)
    }

    fn cooler(self) -> Step {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// So much cooler than where a step began before it is given back, degrees Celsius.
const HYSTERESIS: f32 = 3.0;
/// So long between a change and a step back: a heat sink answers in tens of seconds.
const REST: Duration = Duration::from_secs(20);

/// Chooses the step.
#[derive(Debug, Clone)]
pub struct Governor {
    throttles_at: f32,
    step: Step,
    changed: Timestamp,
}

impl Governor {
    /// `throttles_at`: where the kernel slows the processor down, degrees Celsius.
    pub fn new(throttles_at: f32) -> Self {
        Self { throttles_at, step: Step::Full, changed: Timestamp::ZERO }
    }

    pub fn step(&self) -> Step {
        self.step
    }

    /// A reading. The result is the new step, if it is another one. A reading that is no number says nothing.
    pub fn observe(&mut self, celsius: f32, now: Timestamp) -> Option<Step> {
        if !celsius.is_finite() {
            return None;
        }
        let margin = self.throttles_at - celsius;
        let wanted = Step::for_margin(margin);
        let rested = now.since(self.changed) >= REST;
        let next = match () {
            () if wanted > self.step => wanted,
            () if wanted < self.step && rested && margin > self.step.margin() + HYSTERESIS => {
                self.step.cooler()
            }
            () => return None,
        };
        (self.step, self.changed) = (next, now);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// "seconds:celsius …" on a board that throttles at 80 °C → "seconds:frames …" for each change, `all` without a limit.
    fn check(readings: &str, expect: &str) {
        let mut governor = Governor::new(80.0);
        let mut changes = Vec::new();
        for (at, celsius) in readings.split_whitespace().map(|r| r.split_once(':').unwrap()) {
            let now = Timestamp::from_duration(Duration::from_secs(at.parse().unwrap()));
            if let Some(step) = governor.observe(celsius.parse().unwrap(), now) {
                changes.push(format!(
                    "{at}:{}",
                    step.frames_per_second().map_or("all".into(), |n| n.to_string())
                ));
            }
        }
        assert_eq!(changes.join(" "), expect);
    }

    #[rstest]
    #[case::cool("0:40 10:60 20:71.9", "")]
    #[case::one_step_at_a_time("0:72 10:75 20:78", "0:10 10:5 20:2")]
    #[case::a_leap_is_met_at_once("0:50 2:79", "2:2")]
    #[case::at_the_edge_it_does_not_flicker("0:72 2:71.9 4:72.1 30:70 60:69.1", "0:10")]
    #[case::cooler_gives_back("0:72 30:68.9", "0:10 30:all")]
    #[case::not_before_it_has_rested("0:72 10:60 19:60 20:60", "0:10 20:all")]
    #[case::back_step_by_step("0:79 30:40 40:40 50:40 70:40 71:40", "0:2 30:5 50:10 70:all")]
    #[case::hotter_again_on_the_way_back("0:79 30:74 35:78", "0:2 30:5 35:2")]
    #[case::above_the_limit("0:95", "0:2")]
    #[case::a_broken_sensor("0:NaN 1:inf 2:-inf", "")]
    fn steps(#[case] readings: &str, #[case] expect: &str) {
        check(readings, expect);
    }
}
