//! `moodlight run`: settings from flags, config and board, then the app until the end; the exit code says how it ended.

use super::args::{Place, RunArgs};
use super::{CommandResult, Exit, Failure};
use crate::app::{self, Plan, RunOptions};
use crate::classifier::store::state_folder;
use crate::config::{Config, Loaded, Overrides, Settings};
use crate::runtime::Ending;
use std::path::PathBuf;

pub fn run(args: RunArgs) -> CommandResult {
    let ending =
        if args.service { run_service(&args)? } else { app::run(plan(&args).map_err(Failure::Usage)?)? };
    match ending {
        Ending::Done => Ok(Exit::Done),
        Ending::Signal(signal) => Ok(Exit::Signal(signal)),
        Ending::Failed(e) => Err(Failure::Run(e)),
    }
}

fn plan(args: &RunArgs) -> anyhow::Result<Plan> {
    let loaded = Config::find(args.place.config.as_deref())?;
    super::logging::set_level(loaded.config.log.level.filter());
    let settings = Settings::resolve(loaded, &overrides(args), &device_tree())?;
    Plan::of(settings, options(args))
}

fn options(args: &RunArgs) -> RunOptions {
    RunOptions {
        best_effort: args.best_effort,
        realtime: args.realtime,
        duration: args.duration,
        trace: args.trace.clone(),
        trace_frames: args.trace_frames,
        snapshot: args.snapshot.clone(),
        service: args.service,
        shutter: app::Shutter::default(),
    }
}

fn run_service(args: &RunArgs) -> anyhow::Result<Ending> {
    let fallback = || last_good_settings(watched(args), &overrides(args));
    app::service::run(&app::service::Service {
        config: Some(watched(args)),
        prepare: &|| plan(args),
        fallback: &fallback,
        options: &options(args),
    })
}

/// What was read before the config broke; without that as if it were there and empty, so that the board is recognised and its
/// lights are known. Where the profile is what broke, or is gone, the recognised board's own stands in.
fn last_good_settings(file: PathBuf, flags: &Overrides) -> Option<Settings> {
    let config = Config::read(&app::service::last_good(&state_folder())).unwrap_or_default();
    let recognised = Overrides { board: None, remembered_board: None, ..flags.clone() };
    [
        (config.clone(), flags),
        (Config { board: None, ..config }, &recognised),
        (Config::default(), &recognised),
    ]
    .into_iter()
    .find_map(|(config, flags)| {
        Settings::resolve(Loaded { config, file: Some(file.clone()) }, flags, &device_tree()).ok()
    })
}

/// The lights that the service goes on with while its config cannot be read.
pub(super) fn lights_of_a_broken_config(place: &Place) -> Option<Settings> {
    last_good_settings(place.config.clone().unwrap_or_default(), &standing_beside(place))
}

/// The config file that is, or would be, read.
fn watched(args: &RunArgs) -> PathBuf {
    args.place
        .config
        .clone()
        .or_else(Config::named_by_environment)
        .unwrap_or_else(|| crate::config::SYSTEM_CONFIG.into())
}

fn overrides(args: &RunArgs) -> Overrides {
    Overrides {
        board: args.place.board.clone(),
        remembered_board: args
            .service
            .then(|| app::service::remembered_board(&state_folder(), &device_tree()))
            .flatten(),
        source: args.source.clone(),
        precision: args.precision,
        model: args.model.model.clone(),
        threads: args.threads,
    }
}

/// What the service would use, for the commands that stand beside it; the log's level is set as it says.
///
/// # Errors
/// Usage: a config that cannot be read, a board that is not known.
pub(super) fn settings_of(place: &Place) -> Result<Settings, Failure> {
    let loaded = Config::find(place.config.as_deref()).map_err(Failure::usage)?;
    super::logging::set_level(loaded.config.log.level.filter());
    Settings::resolve(loaded, &standing_beside(place), &device_tree()).map_err(Failure::usage)
}

fn standing_beside(place: &Place) -> Overrides {
    Overrides { board: place.board.clone(), remembered_board: known_board(), ..Overrides::default() }
}

/// The board that the service remembered, for the commands that look at what the service uses.
pub(super) fn known_board() -> Option<String> {
    app::service::known_board(&state_folder(), &device_tree())
}

/// What the machine says it is; empty where there is no device tree (any PC).
pub(super) fn device_tree() -> Vec<u8> {
    // /proc/device-tree leads here too, but the service does not see that part of /proc.
    std::fs::read("/sys/firmware/devicetree/base/compatible").unwrap_or_default()
}
