//! From settings to sources, lights and watchdogs: real ones on a board, simulated ones elsewhere.

use super::lenient::Lenience;
use super::{Origin, RunOptions, board, demo};
use crate::config::{Hardware, Settings};
use crate::hal::clock;
use crate::hal::thermal::Zone;
use crate::hal::v4l2::{Seeker, Wanted, Wish};
use crate::outputs::Indicator;
use crate::outputs::display::Privacy;
use crate::outputs::leds::{LedLine, Leds};
use crate::runtime::SourceOpener;
use crate::runtime::surroundings::{Surroundings, Thermometer};
use crate::sim;
use crate::sim::pins::SimPins;
use crate::sim::snapshot::Snapshots;
use crate::sim::terminal::{Terminal, TerminalStyle, WindowSize};
use crate::source::{FrameSource, SourceError, SourceSpec};
use std::path::Path;

/// A source that comes in its own time, or one that waits to be read.
pub enum Opened {
    Live(Box<dyn SourceOpener>),
    Recorded(Box<dyn FrameSource>),
}

/// Recordings are opened at once, so that a missing file is said at once. Live sources are opened by the capture
/// thread.
pub fn source(
    origin: &Origin,
    settings: &Settings,
    options: &RunOptions,
    lenience: &mut Lenience,
) -> anyhow::Result<Opened> {
    let mut with_button = |camera: Box<dyn SourceOpener>| {
        board::with_mute_button(camera, settings, &options.shutter, lenience).map(Opened::Live)
    };
    Ok(match origin {
        Origin::Demo => Opened::Recorded(demo::open()?),
        Origin::Given(spec @ SourceSpec::Exec { .. }) => with_button(Box::new(Reopened(spec.clone())))?,
        Origin::Given(SourceSpec::V4l2 { device }) => {
            with_button(Box::new(Seeker::new(Wanted::from_device(device), Wish::default())))?
        }
        Origin::Given(spec) => Opened::Recorded(sim::open(spec)?),
    })
}

/// A simulated live source: opening it again starts the child again.
struct Reopened(SourceSpec);

impl SourceOpener for Reopened {
    fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
        sim::open(&self.0)
    }
}

/// Everything that shows the mood; the terminal only where the trace leaves stdout free.
pub fn indicators(
    settings: &Settings,
    options: &RunOptions,
    lenience: &mut Lenience,
) -> anyhow::Result<Vec<Box<dyn Indicator>>> {
    let mut all: Vec<Box<dyn Indicator>> = Vec::new();
    let pins = match settings.board.hardware {
        Hardware::Real => {
            if let Some(leds) = board::leds(settings, lenience)? {
                all.push(Box::new(leds));
            }
            let privacy = if options.snapshot.is_some() { Privacy::Snapshots } else { Privacy::NothingKept };
            all.extend(board::panels(settings, lenience, privacy)?);
            None
        }
        Hardware::Simulated => {
            let lines: Vec<LedLine> =
                settings.wires.iter().filter_map(|w| LedLine::from_name(w.line)).collect();
            let pins = if lines.is_empty() { SimPins::one_per_emotion() } else { SimPins::new(lines) };
            all.push(Box::new(Leds::new("simulated LEDs", pins.pins(), &settings.config.leds)?));
            Some(pins)
        }
    };
    if let Some(dir) = &options.snapshot {
        all.push(Box::new(Snapshots::new(dir, settings.config.display.clone())?));
    }
    if !options.trace_on_stdout() {
        let style = TerminalStyle::of_stdout();
        all.push(Box::new(Terminal::new(std::io::stdout(), style, pins, WindowSize::of_stdout)));
    }
    Ok(all)
}

/// Heat, and the time of day where night hours are set.
pub fn surroundings(settings: &Settings) -> Surroundings {
    let has_night = settings.config.display.night.is_some();
    Surroundings {
        thermometer: thermometer(settings),
        local_minute: has_night.then(|| Box::new(clock::local_minute) as Box<dyn FnMut() -> Option<u16>>),
    }
}

/// A real board's temperature; `None` where the kernel shows none.
fn thermometer(settings: &Settings) -> Option<Thermometer> {
    if settings.board.hardware == Hardware::Simulated {
        return None;
    }
    let zone = Zone::find(Path::new("/sys"), settings.board.thermal.zone.as_deref())?;
    let throttles_at = zone.throttles_at().unwrap_or(USUAL_LIMIT);
    Some(Thermometer { throttles_at, read: Box::new(move || zone.celsius()) })
}

/// Where the kernel doesn't say: Raspberry Pi firmware begins to slow down at 80 °C.
const USUAL_LIMIT: f32 = 80.0;
