//! `moodlight leds test`: each light alone, by name, so that a person sees which wire is which.

use super::args::{LedsArgs, LedsCommand};
use super::{CommandResult, Exit, Failure, print};
use crate::app;
use crate::config::{Config, Overrides, Settings};
use crate::runtime::Stop;
use anyhow::Context;

pub fn run(args: LedsArgs) -> CommandResult {
    let LedsCommand::Test { config, board, step } = args.command;
    let loaded = Config::find(config.as_deref()).map_err(Failure::usage)?;
    super::logging::set_level(loaded.config.log.level.filter());
    let flags = Overrides { board, remembered_board: super::run::known_board(), ..Overrides::default() };
    let settings = Settings::resolve(loaded, &flags, &super::run::device_tree()).map_err(Failure::usage)?;
    let stop = Stop::on_signals().context("signal handlers could not be installed")?;
    let failed = app::leds_test(&settings, step, &stop, print)?;
    Ok(match (stop.requested(), failed) {
        (Some(signal), _) => Exit::Signal(signal),
        (None, 0) => Exit::Done,
        (None, _) => Exit::Incomplete,
    })
}
