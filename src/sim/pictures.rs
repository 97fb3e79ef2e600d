//! One picture, or a folder of them, as frames.
//!
//! A folder is a film: its pictures in the order of their names, one frame each at the given rate, or each held for a
//! while as in a slide show. What is no picture is left out when the folder is opened; a picture that turns out to be
//! damaged is reported as a bad frame and the next one follows.

use super::unavailable;
use crate::frame::{Frame, GrayImage, LumaRange, PixelFormat};
use crate::preprocess::Still;
use crate::source::{Delivery, FrameRate, FrameSource, SourceError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pictures being played.
pub struct Pictures {
    name: String,
    rate: FrameRate,
    /// Frames that each picture is shown for, at least 1.
    repeats: u64,
    files: std::vec::IntoIter<PathBuf>,
    current: GrayImage,
    /// Frames for which `current` is still to be shown.
    left: u64,
    sequence: u64,
}

impl Pictures {
    /// One picture; it is decoded at once, so that a wrong file fails at the start.
    pub fn image(file: &Path, hold: Duration, rate: FrameRate, name: String) -> Result<Self, SourceError> {
        let still = Still::open(file)
            .map_err(|e| SourceError::Unavailable { source_name: "image".into(), reason: e.to_string() })?;
        let mut pictures = Self::new(Vec::new(), hold, rate, name);
        (pictures.current, pictures.left) = (still.gray(), pictures.repeats);
        Ok(pictures)
    }

    /// The pictures directly in `folder`, sorted by the bytes of their names.
    pub fn folder(folder: &Path, hold: Duration, rate: FrameRate, name: String) -> Result<Self, SourceError> {
        let listed = list(folder).map_err(|e| {
            unavailable(&name, &format!("cannot be listed: {e}; expected a folder of pictures"))
        })?;
        if listed.left_out > 0 {
            log::info!("{name}: {} files are no pictures and are left out", listed.left_out);
        }
        if listed.pictures.is_empty() {
            let reason = match (listed.folders, listed.left_out) {
                (0, 0) => "is empty; expected a folder of pictures",
                (0, _) => "holds no picture (JPEG, PNG, WebP, GIF, BMP, TIFF or PNM)",
                _ => "holds folders but no pictures; name one of the folders in it",
            };
            return Err(unavailable(&name, reason));
        }
        Ok(Self::new(listed.pictures, hold, rate, name))
    }

    fn new(files: Vec<PathBuf>, hold: Duration, rate: FrameRate, name: String) -> Self {
        let (repeats, files) = (rate.frames_in(hold), files.into_iter());
        Self { name, rate, repeats, files, current: GrayImage::default(), left: 0, sequence: 0 }
    }

    fn show(&mut self, frame: &mut Frame) {
        frame.data.clear();
        frame.data.extend_from_slice(&self.current.data);
        (frame.width, frame.height, frame.stride) =
            (self.current.width, self.current.height, self.current.width);
        (frame.format, frame.range) = (PixelFormat::Gray8, LumaRange::Full);
        (frame.timestamp, frame.sequence) = (self.rate.timestamp(self.sequence), self.sequence);
        self.left -= 1;
        self.sequence += 1;
    }
}

impl FrameSource for Pictures {
    fn next_frame(&mut self, frame: &mut Frame, _: Duration) -> Result<Delivery, SourceError> {
        if self.left == 0 {
            let Some(file) = self.files.next() else { return Ok(Delivery::End) };
            match Still::open(&file) {
                Ok(still) => (self.current, self.left) = (still.gray(), self.repeats),
                Err(e) => {
                    self.sequence += self.repeats;
                    return Err(SourceError::BadFrame {
                        source_name: self.name.clone(),
                        reason: e.to_string(),
                    });
                }
            }
        }
        self.show(frame);
        Ok(Delivery::Frame)
    }

    fn describe(&self) -> String {
        match self.files.len() {
            0 => format!("{} {}", self.name, self.rate),
            n => format!("{} {n} pictures {}", self.name, self.rate),
        }
    }

    fn is_live(&self) -> bool {
        false
    }
}

struct Listed {
    pictures: Vec<PathBuf>,
    left_out: usize,
    folders: usize,
}

fn list(folder: &Path) -> std::io::Result<Listed> {
    let mut listed = Listed { pictures: Vec::new(), left_out: 0, folders: 0 };
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            listed.folders += 1;
        } else if is_picture(&path) {
            listed.pictures.push(path);
        } else {
            listed.left_out += 1;
        }
    }
    listed.pictures.sort();
    Ok(listed)
}

/// By its first bytes, not by its name. A file that cannot be read counts as one, so that it is reported when its turn
/// comes instead of vanishing.
fn is_picture(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut start = Vec::with_capacity(32);
    match File::open(path).and_then(|f| f.take(32).read_to_end(&mut start)) {
        Ok(_) => image::guess_format(&start).is_ok(),
        Err(_) => true,
    }
}
