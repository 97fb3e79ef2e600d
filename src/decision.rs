//! From scores per face and frame to one mood that does not flicker.

use crate::emotion::{Emotion, EmotionScores};
use crate::frame::Timestamp;

/// What the light says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoodKind {
    Emotion(Emotion),
    /// A face, but no emotion clear enough.
    Uncertain,
    NoFace,
    /// Camera, model or display does not work.
    Fault,
}

impl MoodKind {
    /// An emotion's name, or `uncertain`, `no_face`, `fault`.
    pub const fn name(self) -> &'static str {
        match self {
            MoodKind::Emotion(e) => e.name(),
            MoodKind::Uncertain => "uncertain",
            MoodKind::NoFace => "no_face",
            MoodKind::Fault => "fault",
        }
    }
}

/// The decided state, since when, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Mood {
    pub kind: MoodKind,
    pub since: Timestamp,
    /// The face that decided; `None` under `majority` or without a face.
    pub track: Option<u32>,
    /// The smoothed scores that decided.
    pub scores: EmotionScores,
}
