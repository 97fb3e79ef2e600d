//! The face detector: MediaPipe's BlazeFace (back camera model) on luma.
//!
//! It finds faces from about 8 % of the picture's longer side upwards, frontal to half profile. A face that is too
//! small for the emotion network to read is not reported: see [`DetectorSettings`].

use super::decode::decode;
use super::letterbox::Letterbox;
use super::network::{Network, SIDE};
use super::{Detection, DetectorError, FaceDetector, nms};
use crate::frame::GrayView;
use std::path::Path;

/// `[detector]` in the configuration: what counts as a face in one picture.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorSettings {
    /// Least score of a face, 0.01..=1. Default 0.57: on the project's test photos every real face scores above it and
    /// every false one below.
    pub min_score: f32,
    /// Least width and height of the detector's box in pixels of the picture, 0 and up. Default 24: half of the
    /// emotion network's input.
    pub min_size_px: f32,
    /// The same as a fraction of the picture's shorter side, 0..=1; the larger of both counts. Default 0.05.
    pub min_size_fraction: f32,
    /// Boxes that overlap by at least this (intersection over union, 0.05..=1) are one face. Default 0.3, the model's own.
    pub merge_iou: f32,
    /// Most faces reported for one picture, 1 and up, best score first. Bounds the time a crowd can cost. Default 8.
    pub max_faces: usize,
}

impl Default for DetectorSettings {
    fn default() -> Self {
        Self { min_score: 0.57, min_size_px: 24.0, min_size_fraction: 0.05, merge_iou: 0.3, max_faces: 8 }
    }
}

impl DetectorSettings {
    /// Says which key is out of its range and what the range is.
    pub fn validate(&self) -> Result<(), String> {
        in_range("min_score", self.min_score, 0.01, 1.0)?;
        in_range("min_size_px", self.min_size_px, 0.0, 10_000.0)?;
        in_range("min_size_fraction", self.min_size_fraction, 0.0, 1.0)?;
        in_range("merge_iou", self.merge_iou, 0.05, 1.0)?;
        if self.max_faces == 0 { Err("max_faces is 0, expected at least 1".into()) } else { Ok(()) }
    }

    /// Least side of a box in a `width`×`height` picture, in pixels.
    fn min_side(&self, width: usize, height: usize) -> f32 {
        self.min_size_px.max(self.min_size_fraction * width.min(height) as f32)
    }
}

pub(super) fn in_range(key: &str, value: f32, least: f32, most: f32) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} is {value}, expected {least} to {most}"))
    }
}

/// BlazeFace-back, loaded and ready. Reuses its buffers: one instance per thread.
pub struct BlazeFace {
    network: Network,
    letterbox: Letterbox,
    settings: DetectorSettings,
    candidates: Vec<Detection>,
}

impl BlazeFace {
    /// Loads the ONNX file at `path`. Fails when it is missing, no ONNX, or not BlazeFace-back's shape.
    pub fn load(path: &Path, settings: &DetectorSettings) -> Result<Self, DetectorError> {
        Ok(Self {
            network: Network::load(path)?,
            letterbox: Letterbox::new(SIDE),
            settings: settings.clone(),
            candidates: Vec::new(),
        })
    }
}

impl FaceDetector for BlazeFace {
    fn detect(&mut self, picture: GrayView<'_>, found: &mut Vec<Detection>) -> Result<(), DetectorError> {
        found.clear();
        if picture.width == 0 || picture.height == 0 {
            return Ok(());
        }
        self.candidates.clear();
        let (candidates, min_score) = (&mut self.candidates, self.settings.min_score);
        self.network.run(self.letterbox.fill(picture), |grid, logits, values| {
            decode(grid, logits, values, min_score, candidates);
        })?;
        nms::merge(candidates, self.settings.merge_iou, found);
        let least = self.settings.min_side(picture.width, picture.height);
        for face in found.iter_mut() {
            face.rect = self.letterbox.to_picture(face.rect);
            face.landmarks = face.landmarks.map(|p| self.letterbox.point_to_picture(p));
        }
        found.retain(|f| f.rect.w >= least && f.rect.h >= least);
        found.truncate(self.settings.max_faces);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(DetectorSettings::default().validate(), Ok(()));
    }

    #[rstest]
    #[case::score_zero("min_score = 0.0", "min_score")]
    #[case::score_above_one("min_score = 1.5", "min_score")]
    #[case::score_nan("min_score = nan", "min_score")]
    #[case::negative_size("min_size_px = -1.0", "min_size_px")]
    #[case::fraction("min_size_fraction = 2.0", "min_size_fraction")]
    #[case::iou("merge_iou = 0.0", "merge_iou")]
    #[case::no_faces("max_faces = 0", "max_faces")]
    fn a_value_out_of_range_is_named(#[case] toml: &str, #[case] key: &str) {
        let settings: DetectorSettings = toml::from_str(toml).expect("parses");
        let error = settings.validate().expect_err(key);
        assert!(error.starts_with(key) && error.contains("expected"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<DetectorSettings>("min_scroe = 0.5").expect_err("unknown");
        assert!(error.to_string().contains("min_scroe"), "{error}");
    }

    #[rstest]
    #[case::pixels_rule((320, 240), 24.0)]
    #[case::fraction_rules((1920, 1080), 54.0)]
    fn the_larger_minimum_counts(#[case] (w, h): (usize, usize), #[case] expect: f32) {
        assert_eq!(DetectorSettings::default().min_side(w, h), expect);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = BlazeFace::load(Path::new("no/such/model.onnx"), &DetectorSettings::default());
        let message = error.err().expect("missing").to_string();
        assert!(message.contains("no/such/model.onnx"), "{message}");
    }
}
