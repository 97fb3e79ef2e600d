//! The composition root: settings in, a running corridor out. The only room that names both `hal` and `sim`.

mod board;
mod demo;
mod devices;
mod doctor;
mod lenient;
mod lights;
mod mute;
pub mod service;
mod stages;
mod trial;

use crate::config::Settings;
use crate::config::settings::Input;
use crate::outputs::Indicator;
use crate::outputs::events::Event;
use crate::pipeline::Pipeline;
use crate::runtime::alarm::{self, Alarm, Audience};
use crate::runtime::lockstep::Pace;
use crate::runtime::trace::Trace;
use crate::runtime::{Counters, Ending, Session, Stop, live, lockstep};
use crate::source::{FrameSource, SourceError, SourceSpec};
pub use doctor::facts as doctor_facts;
pub use lights::test as leds_test;
pub use mute::Shutter;

use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::Duration;

/// Every light off and every panel dark, on the real board; nothing to do on a simulated one.
///
/// # Errors
/// A configured line that could not be switched.
pub fn outputs_off(settings: &Settings) -> anyhow::Result<()> {
    match settings.board.hardware {
        crate::config::Hardware::Real => board::all_off(settings),
        crate::config::Hardware::Simulated => Ok(()),
    }
}

/// The flags of `run` that are no settings.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    pub best_effort: bool,
    /// `None`: paced when a person watches.
    pub realtime: Option<bool>,
    pub duration: Option<Duration>,
    pub trace: Option<PathBuf>,
    pub trace_frames: bool,
    pub snapshot: Option<PathBuf>,
    /// Nobody watches: installed models that turn out bad are given up.
    pub service: bool,
    /// Whether the mute button has closed the camera.
    pub shutter: Shutter,
}

/// Settings and flags, checked as far as that is possible without opening anything.
#[derive(Debug, Clone)]
pub struct Plan {
    settings: Settings,
    options: RunOptions,
    source: Origin,
}

/// Where frames come from.
#[derive(Debug, Clone)]
enum Origin {
    /// The bundled clip.
    Demo,
    Given(SourceSpec),
}

impl RunOptions {
    fn trace_on_stdout(&self) -> bool {
        self.trace.as_ref().is_some_and(|p| p.as_os_str() == "-")
    }
}

impl Plan {
    /// # Errors
    /// Usage: a source string that can't be read.
    pub fn of(settings: Settings, options: RunOptions) -> anyhow::Result<Self> {
        let source = match &settings.input {
            Input::Demo => Origin::Demo,
            Input::Source(src) => Origin::Given(src.parse::<SourceSpec>()?),
        };
        Ok(Self { settings, options, source })
    }
}

/// Runs until the source ends, the duration is over, or a signal comes. Whatever happens, the lights are off after it.
///
/// # Errors
/// What could not be opened or loaded at the start. What fails later is an [`Ending::Failed`].
pub fn run(plan: Plan) -> anyhow::Result<Ending> {
    let stop = Stop::on_signals().context("signal handlers could not be installed")?;
    run_until(plan, &stop, &|_| {})
}

/// `ready` is told the model files once the lights show what is seen with them.
fn run_until(plan: Plan, stop: &Stop, ready: &dyn Fn(&[PathBuf])) -> anyhow::Result<Ending> {
    let Plan { settings, options, source } = plan;
    greet(&source, &settings, &options);
    let mut trace = options
        .trace
        .as_ref()
        .map(|path| {
            Trace::open(path, options.trace_frames, options.service)
                .with_context(|| format!("trace {}: cannot be written; choose another place", path.display()))
        })
        .transpose()?;
    let mut lenience = lenient::Lenience::new(options.best_effort);
    // Beside each other, for boards with cores to spare: models are read and proved while panels are opened.
    let (stages, indicators) = std::thread::scope(|threads| {
        // The panels get the thread: `load` has its reason for wanting this one.
        let opening = threads.spawn(|| devices::indicators(&settings, &options, &mut lenience));
        let stages = load(&settings, options.service);
        (stages, opening.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let stages = match stages {
        Ok(stages) => stages,
        Err(e) => {
            let hold = fault_time(&settings);
            show_fault("model", &e, indicators.unwrap_or_default(), trace.as_mut(), stop, |t| t >= hold);
            return Err(e);
        }
    };
    let indicators = indicators?;
    let heartbeat = board::heartbeat(&settings, &mut lenience, stop)?;
    let start = Event::Start {
        source: source_name(&source),
        precision: stages.precision_name,
        model: stages.model_name.clone(),
    };
    let models = stages.files;
    let mut session = Session::new(stages.pipeline, indicators, trace, heartbeat);

    let played = catch_unwind(AssertUnwindSafe(|| {
        session.start(&start);
        ready(&models);
        tell_missing(&mut session, lenience);
        play(&mut session, &source, &settings, &options, stop)
    }));
    let ending = played.unwrap_or_else(|_| {
        Ending::Failed(anyhow::anyhow!("moodlight panicked; the lights are off; please report this defect"))
    });
    let now = session.now();
    tell(session.finish(now));
    Ok(ending)
}

fn tell_missing(session: &mut Session, lenience: lenient::Lenience) {
    for lenient::Gap { what, why } in lenience.into_gaps() {
        session.missing(&what, &why);
    }
}

fn load(settings: &Settings, service: bool) -> anyhow::Result<stages::Stages> {
    if service { service::load_or_roll_back(settings) } else { stages::load(settings) }
}

/// How long the fault pattern stands before a run that could not start gives up. A person has to see it on a board; a
/// simulated one has nobody in front of it.
fn fault_time(settings: &Settings) -> Duration {
    match settings.board.hardware {
        crate::config::Hardware::Real => Duration::from_secs(10),
        crate::config::Hardware::Simulated => Duration::ZERO,
    }
}

/// The fault pattern for a run that could not start; dark again when `is_over`.
fn show_fault(
    what: &str,
    error: &anyhow::Error,
    mut indicators: Vec<Box<dyn Indicator>>,
    trace: Option<&mut Trace>,
    stop: &Stop,
    is_over: impl FnMut(Duration) -> bool,
) {
    let detail = format!("{error:#}");
    let audience = Audience { indicators: &mut indicators, trace, heartbeat: None };
    alarm::show(Alarm { what, detail: &detail }, audience, stop, is_over);
}

/// The bundled clip, for `bench`.
pub fn demo_clip() -> Result<Box<dyn FrameSource>, SourceError> {
    demo::open()
}

/// The corridor between camera and lights, for `bench`.
pub fn pipeline(settings: &Settings) -> anyhow::Result<Pipeline> {
    Ok(stages::load(settings)?.pipeline)
}

fn play(
    session: &mut Session,
    origin: &Origin,
    settings: &Settings,
    options: &RunOptions,
    stop: &Stop,
) -> Ending {
    let live_options = live::LiveOptions {
        duration: options.duration,
        best_effort: options.best_effort,
        ..live::LiveOptions::default()
    };
    let mut lenience = lenient::Lenience::new(options.best_effort);
    let opened = devices::source(origin, settings, options, &mut lenience);
    tell_missing(session, lenience);
    match opened {
        Err(e) => Ending::Failed(e),
        Ok(devices::Opened::Live(opener)) => {
            live::run_in(session, opener, live_options, stop, devices::surroundings(settings))
        }
        Ok(devices::Opened::Recorded(mut recording)) => {
            // A service without a source plays the clip again and again: at its own speed, not as fast as the machine can.
            let shows_off = options.service && matches!(origin, Origin::Demo);
            let paced = options.realtime.unwrap_or_else(|| shows_off || std::io::stdout().is_terminal());
            let pace = if paced { Pace::Realtime } else { Pace::Flat };
            lockstep::run(session, recording.as_mut(), pace, options.duration, stop)
        }
    }
}

/// The first line, on stdout unless the trace is there: what is played, on what.
fn greet(origin: &Origin, settings: &Settings, options: &RunOptions) {
    let line = match (origin, &settings.config_file) {
        (Origin::Demo, None) => {
            "moodlight: no config and no --source, so this is the bundled demo clip on simulated LEDs"
                .to_owned()
        }
        (Origin::Demo, Some(file)) => format!(
            "moodlight: {} names no source, so this is the bundled demo clip; board: {}",
            file.display(),
            settings.board.name
        ),
        (Origin::Given(spec), _) => format!("moodlight: {spec}, board: {}", settings.board.name),
    };
    match options.trace_on_stdout() {
        true => log::info!("{line}"),
        // A closed stdout is noticed, and said, by the lights that write there.
        false => _ = writeln!(std::io::stdout(), "{line}"),
    }
    if let Some(dir) = &options.snapshot {
        log::warn!("pictures of the display are written to {} because --snapshot asks for it", dir.display());
    }
}

fn tell(counters: Counters) {
    let Counters { frames, faces, dropped, faults } = counters;
    log::info!("{frames} frames, {faces} faces, {dropped} dropped, {faults} faults; lights off");
}

fn source_name(origin: &Origin) -> String {
    match origin {
        Origin::Demo => "demo".to_owned(),
        Origin::Given(spec) => spec.to_string(),
    }
}
