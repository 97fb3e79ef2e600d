//! Models for the commands that look at stills: found, held to their manifest, loaded.

use super::args::PrecisionSet;
use crate::classifier::locate::{self, Found, find};
use crate::classifier::manifest::Role;
use crate::classifier::{Classifier, Options, Precision, Vgg};
use crate::detector::blazeface::{BlazeFace, DetectorSettings};
use crate::emotion::{EmotionScores, Logits};
use crate::preprocess::FacePatch;
use std::path::Path;

/// What `both` comes to: a model that was named, or a file, has one arithmetic, and is run in that.
pub fn precisions(asked: PrecisionSet, given: Option<&Path>) -> &'static [Precision] {
    let own = given.filter(|_| asked == PrecisionSet::Both).and_then(locate::precision_of);
    match own {
        Some(Precision::Int8) => PrecisionSet::Int8.list(),
        Some(Precision::F32) => PrecisionSet::F32.list(),
        None => asked.list(),
    }
}

/// A classifier whose scores have the temperature that its manifest gives.
pub struct Reader {
    pub found: Found,
    vgg: Vgg,
    logits: Vec<Logits>,
}

impl Reader {
    /// `given` is `--model`: a file or a folder. `threads` 0 means all cores.
    pub fn open(precision: Precision, given: Option<&Path>, threads: usize) -> anyhow::Result<Self> {
        let found = find(Role::Classifier, precision, given)?;
        let vgg = Vgg::open(&found, &Options { threads, kernel: None })?;
        Ok(Self { found, vgg, logits: Vec::new() })
    }

    /// The raw outputs that the last [`scores`](Self::scores) were made from, in order.
    pub fn logits(&self) -> &[Logits] {
        &self.logits
    }

    /// Scores for each patch, in order.
    pub fn scores(&mut self, patches: &[FacePatch]) -> anyhow::Result<Vec<EmotionScores>> {
        self.vgg.classify(patches, &mut self.logits)?;
        let temperature = self.found.entry.temperature;
        Ok(self.logits.iter().map(|l| EmotionScores::from_logits(l, temperature)).collect())
    }
}

/// The face detector from the folder given as `--model`, if it has one, else from the usual places.
pub fn open_detector(given: Option<&Path>) -> anyhow::Result<BlazeFace> {
    let here = given.filter(|g| g.is_dir()).and_then(|g| find(Role::Detector, Precision::F32, Some(g)).ok());
    let found = here.map_or_else(|| find(Role::Detector, Precision::F32, None), Ok)?;
    if found.listed {
        found.entry.verify(&found.path)?;
    }
    Ok(BlazeFace::load(&found.path, &DetectorSettings::default())?)
}
