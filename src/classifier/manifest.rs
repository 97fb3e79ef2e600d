//! `manifest.toml`: what each model file is, and how to know that it is the one that was measured.
//!
//! Terms. *Entry*: one `[[model]]` table. *Role*: what the pipeline uses the file for. A file is *listed* when a
//! manifest has an entry under its name. This module reads and checks; it never writes a manifest.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ClassifierError, Precision};
use crate::emotion::Emotion;

/// The file's name inside a model folder.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// All entries of one manifest, in the file's order: the first that fits a role and precision is the default.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Manifest {
    #[serde(default, rename = "model")]
    pub models: Vec<ModelEntry>,
}

/// What a model file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Classifier,
    Detector,
}

impl Role {
    /// As in the manifest and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Classifier => "classifier",
            Role::Detector => "detector",
        }
    }
}

/// One `[[model]]` table. Keys that only people read (notes, links) may be added freely; these are the checked ones.
#[derive(Debug, Clone, Deserialize)]
pub struct ModelEntry {
    /// Short name for config and flags, such as `vgg-int8`.
    pub name: String,
    /// File name inside the manifest's folder.
    pub file: String,
    /// Lower-case hexadecimal SHA-256 of the file.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    pub role: Role,
    pub precision: Precision,
    pub input: InputSpec,
    #[serde(default)]
    pub normalisation: Normalisation,
    /// The outputs' names in order; for a classifier [`Emotion::ALL`]'s.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Divides the logits before the softmax; dimensionless, above 0.
    #[serde(default = "one")]
    pub temperature: f32,
    #[serde(default)]
    pub origin: Option<String>,
    #[serde(default)]
    pub licence: Option<String>,
    #[serde(default)]
    pub training_data: Option<String>,
    #[serde(default)]
    pub date: Option<toml::Value>,
    #[serde(default)]
    pub accuracy: Option<toml::Value>,
}

/// The network's input as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InputSpec {
    pub name: String,
    /// Batch first; for the classifier `[1, 1, 48, 48]` (N, channels, height, width).
    pub shape: Vec<usize>,
    /// `f32`.
    pub dtype: String,
}

/// `(x/255 − mean)/std` for a pixel `x` of 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Normalisation {
    pub mean: f32,
    pub std: f32,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { mean: 0.5, std: 0.5 }
    }
}

fn one() -> f32 {
    1.0
}

impl Manifest {
    /// Reads and validates the manifest at `path`. The error names the file and, from the parser, line and column.
    pub fn read(path: &Path) -> Result<Self, ClassifierError> {
        let bad = |reason: String| ClassifierError::Manifest { manifest: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
        let manifest: Self = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        for entry in &manifest.models {
            entry.validate().map_err(|e| bad(format!("model \"{}\": {e}", entry.name)))?;
        }
        Ok(manifest)
    }

    pub fn by_file(&self, file: &str) -> Option<&ModelEntry> {
        self.models.iter().find(|m| m.file == file)
    }

    pub fn by_name(&self, name: &str) -> Option<&ModelEntry> {
        self.models.iter().find(|m| m.name == name)
    }

    /// The default for a role and precision: the first entry that has both.
    pub fn by_role(&self, role: Role, precision: Precision) -> Option<&ModelEntry> {
        self.models.iter().find(|m| m.role == role && m.precision == precision)
    }
}

impl ModelEntry {
    /// An entry for a file that no manifest lists: what the VGG of this project takes and gives, and the file as it
    /// is. Its hash is a record, not a check.
    pub fn unlisted(path: &Path, precision: Precision) -> Result<Self, ClassifierError> {
        let (bytes, sha256) = fingerprint(path)?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self {
            name: path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            file,
            sha256,
            bytes,
            role: Role::Classifier,
            precision,
            input: InputSpec { name: String::new(), shape: vec![1, 1, 48, 48], dtype: "f32".into() },
            normalisation: Normalisation::default(),
            classes: Emotion::ALL.iter().map(|e| e.name().to_string()).collect(),
            temperature: 1.0,
            origin: None,
            licence: None,
            training_data: None,
            date: None,
            accuracy: None,
        })
    }

    /// Compares the file at `path` with this entry: first its length, then its SHA-256, read as a stream.
    pub fn verify(&self, path: &Path) -> Result<(), ClassifierError> {
        self.verify_length(path)?;
        let (_, sha256) = fingerprint(path)?;
        match sha256.eq_ignore_ascii_case(&self.sha256) {
            true => Ok(()),
            false => Err(differs(path, "sha256", self.sha256.clone(), sha256)),
        }
    }

    /// Compares the length alone: a copy that was cut off is known before it is read.
    pub fn verify_length(&self, path: &Path) -> Result<(), ClassifierError> {
        let found = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?.len();
        match found == self.bytes {
            true => Ok(()),
            false => Err(differs(path, "length in bytes", self.bytes.to_string(), found.to_string())),
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("sha256 must be 64 hexadecimal digits, found \"{}\"", self.sha256));
        }
        if self.file.is_empty() || self.file.contains(['/', '\\']) {
            return Err(format!(
                "file must be a plain file name beside the manifest, found \"{}\"",
                self.file
            ));
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(format!("temperature must be above 0, found {}", self.temperature));
        }
        if self.input.shape.is_empty() || self.input.shape.contains(&0) {
            return Err(format!("input.shape must have positive sizes, found {:?}", self.input.shape));
        }
        let Normalisation { mean, std } = self.normalisation;
        if !(mean.is_finite() && std.is_finite() && std > 0.0) {
            return Err(format!(
                "normalisation needs a finite mean and a std above 0, found {mean} and {std}"
            ));
        }
        Ok(())
    }
}

fn differs(path: &Path, what: &'static str, expected: String, found: String) -> ClassifierError {
    ClassifierError::Differs { model: path.display().to_string(), what, expected, found }
}

/// Length and lower-case SHA-256 of a file, read as a stream.
pub fn fingerprint(path: &Path) -> Result<(u64, String), ClassifierError> {
    let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0u8; 256 * 1024];
    let mut bytes = 0u64;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&chunk[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(path, &e)),
        }
    }
    let hex = hasher.finalize().iter().fold(String::with_capacity(64), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    });
    Ok((bytes, hex))
}

pub(super) fn unreadable(path: &Path, e: &std::io::Error) -> ClassifierError {
    let reason = match e.kind() {
        std::io::ErrorKind::NotFound => {
            "no such file; reinstall the package's models folder, or name another with --model or file under [model] in the config"
                .to_string()
        }
        _ => format!("cannot be read ({e}); check its permissions and the disk"),
    };
    ClassifierError::Model { model: path.display().to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GOOD: &str = r#"
[[model]]
name = "vgg-int8"
file = "vgg-int8.onnx"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
bytes = 3
role = "classifier"
precision = "int8"
input = { name = "input", shape = [1, 1, 48, 48], dtype = "f32" }
normalisation = { mean = 0.5, std = 0.5 }
classes = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
temperature = 1.25
licence = "MIT"
date = "2026-11-24"
accuracy = 0.66
"#;

    fn read(text: &str) -> Result<Manifest, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MANIFEST_FILE);
        std::fs::write(&path, text).unwrap();
        Manifest::read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn an_entry_is_found_by_file_name_and_role() {
        let m = read(GOOD).unwrap();
        assert_eq!(m.by_file("vgg-int8.onnx").unwrap().temperature, 1.25);
        assert!(m.by_role(Role::Classifier, Precision::Int8).is_some());
        assert!(m.by_role(Role::Classifier, Precision::F32).is_none());
        assert!(m.by_name("vgg-int8").is_some());
    }

    #[rstest]
    #[case::hash("ba7816bf8f01cfea", "xx7816bf8f01cfea", "sha256 must be 64")]
    #[case::path("file = \"vgg", "file = \"../vgg", "plain file name")]
    #[case::temperature("temperature = 1.25", "temperature = 0.0", "above 0")]
    #[case::shape("[1, 1, 48, 48]", "[1, 0, 48, 48]", "positive sizes")]
    #[case::role("\"classifier\"", "\"oracle\"", "oracle")]
    #[case::std("std = 0.5", "std = 0.0", "std above 0")]
    #[case::missing("bytes = 3", "", "bytes")]
    fn a_wrong_manifest_says_where(#[case] from: &str, #[case] to: &str, #[case] expect: &str) {
        let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expect) && error.contains(MANIFEST_FILE), "{error}");
    }

    #[rstest]
    #[case::as_listed(b"abc", "")]
    #[case::flipped(b"abb", "sha256")]
    #[case::truncated(b"ab", "length in bytes")]
    fn a_file_is_held_to_its_entry(#[case] content: &[u8], #[case] expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vgg-int8.onnx");
        std::fs::write(&path, content).unwrap();
        let verdict = read(GOOD).unwrap().models[0].verify(&path);
        match expect {
            "" => verdict.unwrap(),
            _ => {
                let error = verdict.unwrap_err().to_string();
                assert!(error.contains(expect) && error.contains("vgg-int8.onnx"), "{error}");
            }
        }
    }

    #[test]
    fn a_missing_file_says_what_to_do() {
        let error = fingerprint(Path::new("no/such.onnx")).unwrap_err().to_string();
        assert!(error.contains("no/such.onnx") && error.contains("--model"), "{error}");
    }
}
