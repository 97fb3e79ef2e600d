//! `moodlight outputs-off`: everything dark, after a run that was killed and could not do it itself.

use super::args::Place;
use super::{CommandResult, Exit};
use crate::app;

pub fn run(place: &Place) -> CommandResult {
    app::outputs_off(&super::run::settings_of(place)?)?;
    Ok(Exit::Done)
}
