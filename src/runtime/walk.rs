//! A walk through the lights, one after the other: `moodlight leds test`.

use super::Stop;
use crate::frame::Timestamp;
use crate::outputs::leds::{LedLine, Leds};
use crate::outputs::{Indicator, IndicatorError};
use std::time::{Duration, Instant};

/// The longest that a signal goes unnoticed.
const TICK: Duration = Duration::from_millis(50);

/// Lights each of `lines` for `step`, alone, and tells `say` which one before it is lit. Dark at the end, whatever happens.
/// A line that fails is told and the walk goes on.
pub fn through(
    leds: &mut Leds,
    lines: &[LedLine],
    step: Duration,
    stop: &Stop,
    mut say: impl FnMut(LedLine, Result<(), IndicatorError>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let walked: anyhow::Result<()> = lines.iter().try_for_each(|line| {
        let lit = leds.only(Some(*line), &mut Vec::new());
        say(*line, lit)?;
        let begun = Instant::now();
        while stop.requested().is_none() && begun.elapsed() < step {
            std::thread::sleep(TICK.min(step.saturating_sub(begun.elapsed())));
        }
        match stop.requested() {
            Some(_) => Err(Stopped.into()),
            None => Ok(()),
        }
    });
    let off = leds.off(Timestamp::ZERO, &mut Vec::new());
    match walked {
        Err(e) if e.is::<Stopped>() => off.map_err(Into::into),
        walked => walked.and(off.map_err(Into::into)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("asked to stop")]
struct Stopped;
