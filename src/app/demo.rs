//! The clip that `moodlight run` plays without a config; board/demo/ says how it was made and from what.
//!
//! It is inside the binary, so that one file shows what it does. What `board/build` makes leaves it out (the `demo` feature
//! is off there): the package lays it beside the folder of the models instead, and it is read from there.

use crate::sim::intake::{Bytes, InMemory, Intake, Polled};
use crate::sim::mjpeg::Mjpeg;
use crate::source::{FrameRate, FrameSource, SourceError};
use std::io::Cursor;
use std::path::{Path, PathBuf};

#[cfg(feature = "demo")]
const INSIDE: Option<&[u8]> = Some(include_bytes!("../../board/demo.mjpeg"));
#[cfg(not(feature = "demo"))]
const INSIDE: Option<&[u8]> = None;

/// The file's name where the clip is not inside.
const FILE: &str = "demo.mjpeg";

/// The bundled clip, ten frames a second as it was made.
pub fn open() -> Result<Box<dyn FrameSource>, SourceError> {
    let bytes: Box<dyn Bytes> = match INSIDE {
        Some(clip) => Box::new(InMemory(Cursor::new(clip))),
        None => Box::new(beside(&crate::classifier::locate::candidates())?),
    };
    Ok(Box::new(Mjpeg::open(Intake::new(bytes), FrameRate::per_second(10), "demo".into())?))
}

/// The clip's file beside the first of these model folders that has one.
fn beside(folders: &[PathBuf]) -> Result<Polled, SourceError> {
    let places: Vec<PathBuf> =
        folders.iter().map(|f| f.parent().unwrap_or(Path::new("")).join(FILE)).collect();
    let unavailable = |reason| SourceError::Unavailable { source_name: "demo".into(), reason };
    let Some(file) = places.iter().find(|place| place.is_file()) else {
        let list: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        return Err(unavailable(format!(
            "this build carries no demo clip, and there is none at {}; install the package, or name a --source",
            list.join(", ")
        )));
    };
    Polled::file(file).map_err(|e| unavailable(format!("{}: {e}; check its permissions", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_first_file_beside_a_model_folder_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (without, with) = (dir.path().join("a/models"), dir.path().join("b/models"));
        std::fs::create_dir(dir.path().join("b")).unwrap();
        let missing = beside(&[without.clone(), with.clone()]).err().expect("not there").to_string();
        assert!(missing.contains("a/demo.mjpeg") && missing.contains("b/demo.mjpeg"), "{missing}");
        std::fs::write(dir.path().join("b/demo.mjpeg"), b"clip").unwrap();
        let mut buf = [0; 8];
        let read = beside(&[without, with]).unwrap().read(&mut buf, Duration::ZERO).unwrap();
        assert_eq!((read, &buf[..4]), (Some(4), &b"clip"[..]));
    }
}
