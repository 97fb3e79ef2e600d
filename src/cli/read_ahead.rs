//! `moodlight read-ahead`: reads what a service's start will need, so that it lies in memory by then.
//!
//! A card gives 20 to 90 MB a second, and the program and the classifier of most boards are 50 MB together. While the system
//! starts, the card is idle for most of the time; moodlight-preload.service runs this then, and nothing waits for it.

use super::args::Place;
use super::{CommandResult, Exit};
use crate::classifier::manifest::Role;
use crate::classifier::{Precision, locate, selftest};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A file that is missing or unreadable is the service's to complain of; here it is left out.
pub fn run(place: &Place) -> CommandResult {
    let settings = super::run::settings_of(place)?;
    let detector = locate::find(Role::Detector, Precision::F32, None);
    let classifier = locate::find(Role::Classifier, settings.precision, settings.model.as_deref());
    let models = [detector, classifier].into_iter().flatten();
    let files = models.flat_map(|found| [selftest::goldens_of(&found.path), found.path]);
    let mut buffer = vec![0; 1 << 20];
    for path in std::env::current_exe().into_iter().chain(files) {
        match read(&path, &mut buffer) {
            Ok(bytes) => log::debug!("{}: {bytes} bytes read ahead", path.display()),
            Err(e) => log::debug!("{}: not read ahead: {e}", path.display()),
        }
    }
    Ok(Exit::Done)
}

/// Reads all of a file and keeps none of it; says how many bytes it has.
fn read(path: &Path, buffer: &mut [u8]) -> std::io::Result<usize> {
    let (mut file, mut bytes) = (File::open(path)?, 0);
    loop {
        match file.read(buffer)? {
            0 => return Ok(bytes),
            more => bytes += more,
        }
    }
}
