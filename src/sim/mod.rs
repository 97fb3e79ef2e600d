//! Everything that stands in for hardware: recordings and made-up pictures instead of a camera, pins that record and a
//! terminal instead of lights.
//!
//! Simulation shares the path: all this is always compiled and implements the same traits as the devices, so the
//! tested binary is the shipped one. Nothing here opens a kernel device or reads a clock.

mod exec;
pub mod intake;
pub mod mjpeg;
pub mod panel;
mod pictures;
pub mod pins;
pub mod snapshot;
mod synthetic;
pub mod terminal;
pub mod y4m;

use crate::source::{FrameSource, SourceError, SourceSpec};
use intake::{Intake, Polled};
use std::path::Path;

/// Opens every source but a camera.
///
/// # Errors
/// [`SourceError::Unavailable`] names the file, what was expected and what to do. A `v4l2:` source is refused: the
/// hardware side opens it.
pub fn open(spec: &SourceSpec) -> Result<Box<dyn FrameSource>, SourceError> {
    let name = spec.to_string();
    Ok(match spec {
        SourceSpec::V4l2 { .. } => {
            return Err(unavailable(&name, "a camera is no recording; it is opened as a device"));
        }
        SourceSpec::Y4m { file } => Box::new(y4m::Y4m::open(intake(file, &name)?, name)?),
        SourceSpec::Mjpeg { file, fps } => Box::new(mjpeg::Mjpeg::open(intake(file, &name)?, *fps, name)?),
        SourceSpec::Image { file, hold, fps } => {
            Box::new(pictures::Pictures::image(file, *hold, *fps, name)?)
        }
        SourceSpec::Dir { folder, hold, fps } => {
            Box::new(pictures::Pictures::folder(folder, *hold, *fps, name)?)
        }
        SourceSpec::Exec { .. } => Box::new(exec::Exec::start(spec, name)?),
        SourceSpec::Synthetic(picture) => Box::new(synthetic::Moving::new(*picture)),
    })
}

/// A file, a named pipe, or stdin for `-`.
fn intake(file: &Path, name: &str) -> Result<Intake, SourceError> {
    let bytes = if file == Path::new("-") { Polled::stdin() } else { Polled::file(file) };
    let bytes = bytes.map_err(|e| {
        unavailable(name, &format!("cannot be opened: {e}; check the name and its permissions"))
    })?;
    Ok(Intake::new(Box::new(bytes)))
}

fn unavailable(name: &str, reason: &str) -> SourceError {
    SourceError::Unavailable { source_name: name.to_string(), reason: reason.to_string() }
}
