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
    let options = RunOptions {
        best_effort: args.best_effort,
        realtime: args.realtime,
        duration: args.duration,
        trace: args.trace.clone(),
        trace_frames: args.trace_frames,
        snapshot: args.snapshot.clone(),
        service: args.service,
    };
    Plan::of(settings, options)
}

fn run_service(args: &RunArgs) -> anyhow::Result<Ending> {
    let fallback = || {
        // As if the config were there and empty, so that the board is recognised and its lights are known.
        let loaded = Loaded { config: Config::default(), file: Some(watched(args)) };
        Settings::resolve(loaded, &overrides(args), &device_tree()).ok()
    };
    let service =
        app::service::Service { config: Some(watched(args)), prepare: &|| plan(args), fallback: &fallback };
    app::service::run(&service)
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
    let flags =
        Overrides { board: place.board.clone(), remembered_board: known_board(), ..Overrides::default() };
    Settings::resolve(loaded, &flags, &device_tree()).map_err(Failure::usage)
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
