//! `moodlight run`: settings from flags, config and board, then the app until the end; the exit code says how it ended.

use super::args::RunArgs;
use super::{CommandResult, Exit, Failure};
use crate::app::{self, RunOptions};
use crate::config::{Config, Overrides, Settings};
use crate::runtime::Ending;

pub fn run(args: RunArgs) -> CommandResult {
    let loaded = Config::find(args.config.as_deref()).map_err(Failure::usage)?;
    super::logging::set_level(loaded.config.log.level.filter());
    let flags = Overrides {
        board: args.board,
        source: args.source,
        precision: args.precision,
        model: args.model.model,
        threads: args.threads,
    };
    let settings = Settings::resolve(loaded, &flags, &device_tree()).map_err(Failure::usage)?;
    super::logging::set_level(settings.config.log.level.filter());
    let options = RunOptions {
        best_effort: args.best_effort,
        realtime: args.realtime,
        duration: args.duration,
        trace: args.trace,
        trace_frames: args.trace_frames,
        snapshot: args.snapshot,
    };
    let plan = app::Plan::of(settings, options).map_err(Failure::Usage)?;
    match app::run(plan)? {
        Ending::Done => Ok(Exit::Done),
        Ending::Signal(signal) => Ok(Exit::Signal(signal)),
        Ending::Failed(e) => Err(Failure::Run(e)),
    }
}

/// What the machine says it is; empty where there is no device tree (any PC).
pub(super) fn device_tree() -> Vec<u8> {
    std::fs::read("/proc/device-tree/compatible").unwrap_or_default()
}
