//! From face patches to logits: the VGG through tract, in f32 or int8.

use crate::emotion::Logits;
use crate::preprocess::FacePatch;

/// Names the arithmetic that a classifier runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    Int8,
    F32,
}

/// Gives seven logits for each face of a frame. `logits` is cleared, then filled in the order of `patches`.
pub trait Classifier: Send {
    fn classify(&mut self, patches: &[FacePatch], logits: &mut Vec<Logits>) -> Result<(), ClassifierError>;
}

#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    #[error("{model}: {reason}")]
    Model { model: String, reason: String },
    #[error("the classifier failed: {0}")]
    Run(String),
}
