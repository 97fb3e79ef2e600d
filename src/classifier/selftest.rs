//! The self-test: a few patches whose logits are known go through the loaded model before anything is shown.
//!
//! The hash says that the file is the one that was measured; this says that the file, as loaded by this program into this
//! memory and run by this processor, also gives what was measured. A rotten card, a bad memory cell or a kernel that is
//! wrong on this processor ends the start here, and never becomes a wrong emotion.
//!
//! Terms. *Goldens*: `<model>.selftest.json` beside the model, written by models/selftest.py from values that do not come
//! from moodlight. A model without goldens (somebody's own) is used untested, and said to be.

use super::{Classifier, ClassifierError, Found};
use crate::emotion::{Emotion, Logits};
use crate::preprocess::{FacePatch, PATCH_SIDE};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a self-test says when it found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every patch gave its logits.
    Passed { patches: usize },
    /// Nobody wrote down what this model must give.
    NoGoldens,
}

#[derive(Debug, Deserialize)]
struct Goldens {
    /// Of the model file that gave the logits.
    model_sha256: String,
    /// Largest allowed difference of a logit; 0 in int8, which is the same to the bit everywhere.
    within: f32,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    logits: [f32; Emotion::COUNT],
    /// Pixels row by row, two hexadecimal digits each.
    patch: String,
}

/// `vgg-int8.onnx` → `vgg-int8.selftest.json`
pub fn goldens_of(model: &Path) -> PathBuf {
    model.with_extension("selftest.json")
}

/// Runs the goldens beside `found` through `classifier`, which was loaded from it.
///
/// # Errors
/// Goldens that cannot be read or belong to another model; a logit that differs.
pub fn run(classifier: &mut dyn Classifier, found: &Found) -> Result<Outcome, ClassifierError> {
    let path = goldens_of(&found.path);
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::NoGoldens),
        text => text.map_err(|e| goldens_error(&path, &e.to_string()))?,
    };
    let goldens: Goldens = serde_json::from_str(&text).map_err(|e| goldens_error(&path, &e.to_string()))?;
    if !goldens.model_sha256.eq_ignore_ascii_case(&found.entry.sha256) {
        let reason = format!(
            "these values are of another model (sha256 {}), {} has {}; `make -C models goldens` writes them anew",
            goldens.model_sha256, found.entry.file, found.entry.sha256
        );
        return Err(goldens_error(&path, &reason));
    }
    let patches: Option<Vec<FacePatch>> = goldens.cases.iter().map(|c| patch(&c.patch)).collect();
    let patches = patches.filter(|p| !p.is_empty()).ok_or_else(|| {
        goldens_error(&path, &format!("each patch must be {PATCH_SIDE}×{PATCH_SIDE} pixels in hexadecimal"))
    })?;
    let mut logits = Vec::new();
    classifier.classify(&patches, &mut logits)?;
    match goldens.cases.iter().zip(&logits).find(|(case, got)| !is_close(&case.logits, got, goldens.within)) {
        None if logits.len() == patches.len() => Ok(Outcome::Passed { patches: logits.len() }),
        None => Err(ClassifierError::Run(format!("{} patches gave {} logits", patches.len(), logits.len()))),
        Some((case, got)) => Err(ClassifierError::SelfTest {
            model: found.path.display().to_string(),
            case: case.name.clone(),
            expected: case.logits.to_vec(),
            found: got.0.to_vec(),
        }),
    }
}

/// A value that is no number is close to nothing.
fn is_close(expected: &[f32; Emotion::COUNT], got: &Logits, within: f32) -> bool {
    expected.iter().zip(&got.0).all(|(e, g)| (e - g).abs() <= within)
}

fn patch(hex: &str) -> Option<FacePatch> {
    let bytes: Option<Vec<u8>> =
        hex.as_bytes().chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok()).collect();
    bytes?.try_into().ok().map(FacePatch)
}

fn goldens_error(path: &Path, reason: &str) -> ClassifierError {
    ClassifierError::Model { model: path.display().to_string(), reason: format!("self-test: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Precision;
    use crate::classifier::manifest::ModelEntry;
    use rstest::rstest;

    /// Gives the same logits for everything.
    struct Fixed([f32; 7]);

    impl Classifier for Fixed {
        fn classify(&mut self, patches: &[FacePatch], out: &mut Vec<Logits>) -> Result<(), ClassifierError> {
            out.clear();
            out.extend(patches.iter().map(|_| Logits(self.0)));
            Ok(())
        }
    }

    const TRUE: [f32; 7] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.5];

    fn goldens(sha256: &str, within: f32, patch: &str) -> String {
        format!(
            r#"{{"model_sha256":"{sha256}","within":{within},"cases":[{{"name":"a","logits":[0,1,2,3,4,5,6.5],"patch":"{patch}"}}]}}"#
        )
    }

    fn check(gives: [f32; 7], file: Option<String>, expect: Result<Outcome, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.onnx");
        std::fs::write(&path, b"model").unwrap();
        if let Some(text) = file {
            std::fs::write(goldens_of(&path), text).unwrap();
        }
        let entry = ModelEntry::unlisted(&path, Precision::Int8).unwrap();
        let found = Found { path, entry, listed: false };
        match (run(&mut Fixed(gives), &found), expect) {
            (Ok(outcome), Ok(want)) => assert_eq!(outcome, want),
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
            (got, want) => panic!("{got:?}, expected {want:?}"),
        }
    }

    /// Of the five bytes "model".
    const SHA: &str = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4";

    fn off_by(difference: f32) -> [f32; 7] {
        let mut logits = TRUE;
        logits[6] += difference;
        logits
    }

    #[rstest]
    #[case::equal(TRUE, Some(goldens(SHA, 0.0, &"7f".repeat(2304))), Ok(Outcome::Passed { patches: 1 }))]
    #[case::close(off_by(1e-4), Some(goldens(SHA, 1e-3, &"7f".repeat(2304))), Ok(Outcome::Passed { patches: 1 }))]
    #[case::off(off_by(1e-4), Some(goldens(SHA, 0.0, &"7f".repeat(2304))), Err("self-test failed: on a"))]
    #[case::far(off_by(0.5), Some(goldens(SHA, 1e-3, &"7f".repeat(2304))), Err("memory"))]
    #[case::no_number(off_by(f32::NAN), Some(goldens(SHA, 1e-3, &"7f".repeat(2304))), Err("self-test failed"))]
    #[case::other_model(TRUE, Some(goldens(&"0".repeat(64), 0.0, &"7f".repeat(2304))), Err("of another model"))]
    #[case::short_patch(TRUE, Some(goldens(SHA, 0.0, "7f7f")), Err("48×48"))]
    #[case::no_hex(TRUE, Some(goldens(SHA, 0.0, &"xx".repeat(2304))), Err("hexadecimal"))]
    #[case::no_case(TRUE, Some(format!(r#"{{"model_sha256":"{SHA}","within":0,"cases":[]}}"#)), Err("each patch"))]
    #[case::cut_off(TRUE, Some(goldens(SHA, 0.0, "7f")[..40].into()), Err("self-test: EOF"))]
    #[case::none(TRUE, None, Ok(Outcome::NoGoldens))]
    fn judges(#[case] gives: [f32; 7], #[case] file: Option<String>, #[case] expect: Result<Outcome, &str>) {
        check(gives, file, expect);
    }
}
