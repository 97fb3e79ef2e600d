//! `moodlight outputs-off`: everything dark, after a run that was killed and could not do it itself.

use super::args::Place;
use super::{CommandResult, Exit};
use crate::app;

pub fn run(place: &Place) -> CommandResult {
    match super::run::settings_of(place) {
        Ok(settings) => {
            app::outputs_off(&settings)?;
            Ok(Exit::Done)
        }
        Err(broken) => {
            // The service showed that on the lights that it knew.
            let lights = super::run::lights_of_a_broken_config(place);
            if let Some(Err(e)) = lights.map(|lights| app::outputs_off(&lights)) {
                log::error!("{e:#}");
            }
            Err(broken)
        }
    }
}
