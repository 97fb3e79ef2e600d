//! `moodlight outputs-off`: everything dark, after a run that was killed and could not do it itself.

use super::args::OutputsOffArgs;
use super::{CommandResult, Exit, Failure};
use crate::app;
use crate::config::{Config, Overrides, Settings};

pub fn run(args: OutputsOffArgs) -> CommandResult {
    let loaded = Config::find(args.config.as_deref()).map_err(Failure::usage)?;
    super::logging::set_level(loaded.config.log.level.filter());
    let flags =
        Overrides { board: args.board, remembered_board: super::run::known_board(), ..Overrides::default() };
    let settings = Settings::resolve(loaded, &flags, &super::run::device_tree()).map_err(Failure::usage)?;
    app::outputs_off(&settings)?;
    Ok(Exit::Done)
}
