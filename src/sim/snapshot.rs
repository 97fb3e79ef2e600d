//! `--snapshot DIR`: the page as a PNG at each change of the mood, with the picture in it.
//!
//! Files are named by time and mood: `001240_happy.png` was shown 1,240 ms after the start. This is the one place that
//! writes what the camera saw, and only because the owner asked for it.

use super::panel::SimPanel;
use crate::decision::MoodKind;
use crate::frame::Timestamp;
use crate::outputs::display::{Display, DisplaySettings, Privacy};
use crate::outputs::events::Event;
use crate::outputs::{Indicator, IndicatorError, View};
use embedded_graphics::pixelcolor::Rgb888;
use std::fs;
use std::path::{Path, PathBuf};

/// An indicator that writes files.
pub struct Snapshots {
    folder: PathBuf,
    page: Display<SimPanel<Rgb888>>,
    written: Option<MoodKind>,
    /// Why the last one was not written.
    failure: Option<String>,
}

impl Snapshots {
    /// Size of the page in pixels: the usual 7-inch panel.
    const SIZE: (u32, u32) = (800, 480);

    /// Makes the folder where it is missing.
    pub fn new(folder: &Path, settings: DisplaySettings) -> Result<Self, IndicatorError> {
        fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
        let page = Display::new(SimPanel::new(Self::SIZE.0, Self::SIZE.1), settings, Privacy::Snapshots);
        Ok(Self { folder: folder.to_path_buf(), page, written: None, failure: None })
    }
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> IndicatorError {
    IndicatorError { device: format!("snapshot {}", path.display()), reason: why.to_string() }
}

impl Indicator for Snapshots {
    fn show(
        &mut self,
        view: &View<'_>,
        now: Timestamp,
        changes: &mut Vec<Event>,
    ) -> Result<(), IndicatorError> {
        let kind = view.mood.kind;
        // Each frame, as on a screen: a mood that changes between two is shown over the last one.
        self.page.show(view, now, changes)?;
        if self.written != Some(kind) {
            self.written = Some(kind);
            let path = self.folder.join(format!("{:06}_{}.png", now.as_millis(), kind.name()));
            self.failure =
                self.page.panel().write_png(&path, 1).err().map(|e| format!("{}: {e}", path.display()));
        }
        self.failure.as_ref().map_or(Ok(()), |why| Err(failed(&self.folder, why)))
    }

    fn next_change(&self, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    fn off(&mut self, _now: Timestamp, _changes: &mut Vec<Event>) -> Result<(), IndicatorError> {
        Ok(())
    }

    fn describe(&self) -> String {
        format!("snapshots in {}", self.folder.display())
    }
}
