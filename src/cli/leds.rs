//! `moodlight leds test`: each light alone, by name, so that a person sees which wire is which.

use super::args::{LedsArgs, LedsCommand};
use super::{CommandResult, Exit, print};
use crate::app;
use crate::runtime::Stop;
use anyhow::Context;

pub fn run(args: LedsArgs) -> CommandResult {
    let LedsCommand::Test { place, step } = args.command;
    let settings = super::run::settings_of(&place)?;
    let stop = Stop::on_signals().context("signal handlers could not be installed")?;
    let failed = app::leds_test(&settings, step, &stop, print)?;
    Ok(match (stop.requested(), failed) {
        (Some(signal), _) => Exit::Signal(signal),
        (None, 0) => Exit::Done,
        (None, _) => Exit::Incomplete,
    })
}
