//! `moodlight leds test`: the lights of the settings, real or simulated, one after the other.

use super::board;
use super::lenient::Lenience;
use crate::config::{Hardware, Settings};
use crate::outputs::leds::{LedLine, Leds};
use crate::runtime::{Stop, walk};
use crate::sim::pins::SimPins;
use std::time::Duration;

/// Walks through the wired lines, `step` each; `say` gets a line of text for each. The result counts the lines that failed.
///
/// # Errors
/// No line has a pin, a line is absent or held by somebody, `say` failed.
pub fn test(
    settings: &Settings,
    step: Duration,
    stop: &Stop,
    mut say: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let (mut leds, lines) = lights(settings)?;
    let mut failed = 0;
    let count = lines.len();
    walk::through(&mut leds, &lines, step, stop, |line, lit| {
        let pin = settings.wires.iter().find(|w| w.line == line.name());
        let where_ = match pin {
            Some(w) if settings.board.hardware == Hardware::Real => w.pin.to_string(),
            Some(w) => format!("{}, simulated", w.pin),
            None => "simulated".into(),
        };
        match lit {
            Ok(()) => say(&format!("{:<9} {where_}\n", line.name())),
            Err(e) => {
                failed += 1;
                say(&format!("{:<9} {where_}: {e}\n", line.name()))
            }
        }
    })?;
    match stop.requested() {
        Some(_) => say("stopped; all are dark again\n")?,
        None if settings.board.hardware == Hardware::Real => {
            say(&format!("{count} lights, all dark again. Was it the right one each time?\n"))?
        }
        None => say(&format!(
            "{count} lights, all simulated: no pin was touched; name the board with --board or in a config to light real ones\n"
        ))?,
    }
    Ok(failed)
}

fn lights(settings: &Settings) -> anyhow::Result<(Leds, Vec<LedLine>)> {
    let lines: Vec<LedLine> =
        LedLine::ALL.into_iter().filter(|l| settings.wires.iter().any(|w| w.line == l.name())).collect();
    match settings.board.hardware {
        Hardware::Real => {
            let leds = board::leds(settings, &mut Lenience::new(false))?;
            let leds =
                leds.ok_or_else(|| anyhow::anyhow!("no LED has a pin; name them in the config's [pins]"))?;
            Ok((leds, lines))
        }
        Hardware::Simulated => {
            let pins = if lines.is_empty() { SimPins::one_per_emotion() } else { SimPins::new(lines) };
            let lines = pins.levels().map(|(line, _)| line).collect();
            Ok((Leds::new("simulated LEDs", pins.pins(), &settings.config.leds)?, lines))
        }
    }
}
