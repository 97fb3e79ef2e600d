//! From face patches to logits: the VGG through tract, in f32 or int8.
//!
//! [`manifest`] knows which file is which, [`locate`] where it is, [`vgg`] loads and runs it, [`selftest`] proves it,
//! [`store`] keeps those that the owner installed.

pub mod locate;
pub mod manifest;
pub mod selftest;
pub mod store;
pub mod vgg;

pub use locate::{Found, find};
pub use vgg::{Options, Vgg};

use crate::emotion::Logits;
use crate::preprocess::FacePatch;

/// Names the arithmetic that a classifier runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    Int8,
    F32,
}

impl Precision {
    /// As in flags, JSON and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::Int8 => "int8",
            Precision::F32 => "f32",
        }
    }
}

/// Gives seven logits for each face of a frame. `logits` is cleared, then filled in the order of `patches`.
pub trait Classifier: Send {
    fn classify(&mut self, patches: &[FacePatch], logits: &mut Vec<Logits>) -> Result<(), ClassifierError>;
}

#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    #[error("{model}: {reason}")]
    Model { model: String, reason: String },
    /// No fault of the file: a kernel that is not there, a thread that is not to be had.
    #[error("{model}: {reason}")]
    Machine { model: String, reason: String },
    #[error("{manifest}: {reason}")]
    Manifest { manifest: String, reason: String },
    #[error(
        "{model}: its {what} differs from the manifest: expected {expected}, found {found}; restore the file from \
         the release, or update the manifest if you meant to change it"
    )]
    Differs { model: String, what: &'static str, expected: String, found: String },
    #[error(
        "no models folder with a manifest.toml was found (looked in {tried}); name one in $MOODLIGHT_MODELS, or a \
         file with --model or file under [model] in the config"
    )]
    NoModels { tried: String },
    #[error(
        "{model}: self-test failed: on {case} it gives {found:?}, expected {expected:?}; the file, the memory or the \
         processor is faulty: restore the model from the release, then check supply and memory"
    )]
    SelfTest { model: String, case: String, expected: Vec<f32>, found: Vec<f32> },
    #[error("the classifier failed: {0}")]
    Run(String),
}
