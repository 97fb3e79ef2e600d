//! Finding faces, and knowing which face is whose from frame to frame.
//!
//! ```text
//! GrayView → window → network (tract) → decode → nms → Detection → tracker → Track
//!                                                              └→ crop: detector box → FER-2013 crop
//! ```
//!
//! Nothing here reads a clock or a device; it neither classifies nor decides.

pub mod blazeface;
pub mod crop;
mod decode;
mod network;
mod nms;
pub mod tracker;
mod window;

use crate::frame::{GrayView, Rect, Timestamp};

/// One face as the detector sees it, in pixels of the picture it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// The detector's own box (BlazeFace: roughly brows to chin). [`crop::crop_rect`] maps it to a face crop.
    pub rect: Rect,
    /// 0..=1
    pub score: f32,
    /// Right eye, left eye, nose, mouth, right ear, left ear; "right" is the person's.
    pub landmarks: [(f32, f32); 6],
}

/// Finds all faces of a gray picture. `found` is cleared, then filled, best score first.
pub trait FaceDetector: Send {
    fn detect(&mut self, picture: GrayView<'_>, found: &mut Vec<Detection>) -> Result<(), DetectorError>;

    /// The same for one picture of a moving one, at `now`, where `tracks` are the faces of the picture before. A
    /// detector may use them to look only where faces are, as long as new ones are still found soon; without an own
    /// way it looks everywhere.
    fn follow(
        &mut self,
        picture: GrayView<'_>,
        now: Timestamp,
        tracks: &[Track],
        found: &mut Vec<Detection>,
    ) -> Result<(), DetectorError> {
        let _ = (now, tracks);
        self.detect(picture, found)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    #[error("{model}: {reason}")]
    Model { model: String, reason: String },
    #[error("the detector failed: {0}")]
    Run(String),
}

/// A face followed over frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Counts up from 1 and is never reused within a run.
    pub id: u32,
    pub rect: Rect,
    pub score: f32,
    pub landmarks: [(f32, f32); 6],
    /// Seen in the current frame (otherwise its last known place).
    pub visible: bool,
    /// Has persisted long enough to count as a face (see the face gate in the config).
    pub confirmed: bool,
}
