//! A folder of labelled faces: `DIR/<class>/*.{jpg,png,…}`.
//!
//! Sub-folders that are no class are named and left out, so are files that are no pictures by name. Nothing is decoded
//! here.

use crate::emotion::Emotion;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Endings that count as pictures; anything else in a class folder is ignored silently (README files, thumbnails' data).
const PICTURE_ENDINGS: &[&str] =
    &["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "pgm", "ppm", "pnm"];

/// One labelled picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub path: PathBuf,
    /// `class/file`, with a slash on every system: names the picture in reports and seeds its corruption.
    pub name: String,
    pub truth: Emotion,
}

/// What a folder holds, sorted by class (FER-2013's order) and file name.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    pub samples: Vec<Sample>,
    /// Sub-folders that are no class.
    pub unknown_folders: Vec<String>,
    /// Classes without a folder or without a picture in it.
    pub missing_classes: Vec<Emotion>,
}

impl Dataset {
    /// Looks through `dir`.
    pub fn scan(dir: &Path) -> anyhow::Result<Self> {
        let expected = || {
            format!(
                "{}: expected a folder with one sub-folder for each class ({})",
                dir.display(),
                class_names()
            )
        };
        let mut found = Self::default();
        for entry in std::fs::read_dir(dir).with_context(expected)? {
            let entry = entry.with_context(expected)?;
            if !entry.path().is_dir() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            match Emotion::from_name(&name) {
                Some(truth) => found.add_class(&entry.path(), truth)?,
                None => found.unknown_folders.push(name),
            }
        }
        found.samples.sort_by(|a, b| (a.truth, &a.name).cmp(&(b.truth, &b.name)));
        found.unknown_folders.sort();
        found.missing_classes =
            Emotion::ALL.into_iter().filter(|e| !found.samples.iter().any(|s| s.truth == *e)).collect();
        Ok(found)
    }

    /// Keeps at most `limit` samples, evenly spread, so that every class keeps its share.
    pub fn limit(&mut self, limit: usize) {
        let all = self.samples.len();
        if limit < all {
            self.samples = (0..limit).map(|i| self.samples[i * all / limit].clone()).collect();
        }
    }

    fn add_class(&mut self, folder: &Path, truth: Emotion) -> anyhow::Result<()> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry.with_context(|| folder.display().to_string())?.path();
            if is_picture(&path) && path.is_file() {
                let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                self.samples.push(Sample { name: format!("{truth}/{file}"), path, truth });
            }
        }
        Ok(())
    }
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| PICTURE_ENDINGS.contains(&e.as_str()))
}

/// `angry disgust …`, for messages.
pub fn class_names() -> String {
    Emotion::ALL.map(|e| e.name()).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_keeps_each_class_its_share() {
        let sample = |truth, i: usize| Sample { path: PathBuf::new(), name: format!("{i:03}"), truth };
        let mut set = Dataset::default();
        for (truth, count) in [(Emotion::Angry, 10), (Emotion::Happy, 60), (Emotion::Neutral, 30)] {
            set.samples.extend((0..count).map(|i| sample(truth, i)));
        }
        set.limit(10);
        let of = |e| set.samples.iter().filter(|s| s.truth == e).count();
        assert_eq!((of(Emotion::Angry), of(Emotion::Happy), of(Emotion::Neutral)), (1, 6, 3));
        set.limit(99);
        assert_eq!(set.samples.len(), 10);
    }
}
