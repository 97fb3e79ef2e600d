//! The face detector: MediaPipe's BlazeFace (back camera model) on luma, in two steps.
//!
//! Terms. *Scan*: the whole picture at 256 pixels; finds candidates, some of them false. *Look*: a square around a
//! candidate, twice as wide as its box, at 128 pixels. There a face has the size at which the network is surest, and
//! what only seemed a face at one scale does not seem so again. A face's score is the mean of the two.
//!
//! On the project's test photos and demo clip a scan alone cannot tell faces from cups: real faces score 0.60 and up,
//! false ones up to 0.67. The means are 0.69 and up against 0.62 at most. A look costs a quarter of a scan.
//!
//! Between scans of a moving picture only the known faces are looked at: see [`BlazeFace::follow`]. A face that is too
//! small for the emotion network to read is not reported: see [`DetectorSettings`].

use super::decode::decode;
pub use super::network::inspect::Convolution;
use super::network::{Network, STEP};
use super::window::{Region, Window};
use super::{Detection, DetectorError, FaceDetector, Track, nms};
use crate::frame::{GrayView, Rect, Timestamp};
use std::path::Path;
use std::time::Duration;

/// Longer side of the plane that a whole picture is scanned at, in pixels.
const SCAN_SIDE: usize = 256;
/// Side of the plane that a face is looked at, in pixels.
const LOOK_SIDE: usize = 128;
/// Side of what a look sees, in widths of the face's box. Measured against 1.5, 2.5, 3 and 4 at planes of 96 to 256
/// pixels: nothing cheaper parts true from false faces better.
const LOOK_SCALE: f32 = 2.0;
/// Least score of a scan's candidate. A mean of `min_score` needs at least `2·min_score − 1` from the scan.
const CANDIDATE_SCORE: f32 = 0.35;
/// Least overlap (intersection over union) of what a look finds with the box that it was sent to.
const LOOK_IOU: f32 = 0.25;

/// `[detector]` in the configuration: what counts as a face in one picture.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorSettings {
    /// Least score of a face, 0.35..=1: the mean of scan and look. Default 0.65.
    pub min_score: f32,
    /// Least score of a look at a face that is being followed already, 0.05..=1. Default 0.55.
    pub keep_score: f32,
    /// Least width and height of the detector's box in pixels of the picture, 0 and up. Default 24: half of the
    /// emotion network's input.
    pub min_size_px: f32,
    /// The same as a fraction of the picture's shorter side, 0..=1; the larger of both counts. Default 0.05.
    pub min_size_fraction: f32,
    /// Boxes that overlap by at least this (intersection over union, 0.05..=1) are one face. Default 0.3, the model's own.
    pub merge_iou: f32,
    /// Most faces reported for one picture, 1 and up: the largest. Bounds the time a crowd can cost. Default 8.
    pub max_faces: usize,
    /// While every known face is in sight, the whole picture is scanned for others this often, in ms, 0..=10000.
    /// 0 scans every picture. Default 250.
    pub scan_ms: u64,
    /// The same while no face is known or one went missing. Default 80.
    pub search_ms: u64,
}

impl Default for DetectorSettings {
    fn default() -> Self {
        Self {
            min_score: 0.65,
            keep_score: 0.55,
            min_size_px: 24.0,
            min_size_fraction: 0.05,
            merge_iou: 0.3,
            max_faces: 8,
            scan_ms: 250,
            search_ms: 80,
        }
    }
}

impl DetectorSettings {
    /// Says which key is out of its range and what the range is.
    pub fn validate(&self) -> Result<(), String> {
        in_range("min_score", self.min_score, CANDIDATE_SCORE, 1.0)?;
        in_range("keep_score", self.keep_score, 0.05, 1.0)?;
        in_range("min_size_px", self.min_size_px, 0.0, 10_000.0)?;
        in_range("min_size_fraction", self.min_size_fraction, 0.0, 1.0)?;
        in_range("merge_iou", self.merge_iou, 0.05, 1.0)?;
        in_range("scan_ms", self.scan_ms as f32, 0.0, 10_000.0)?;
        in_range("search_ms", self.search_ms as f32, 0.0, 10_000.0)?;
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

/// The convolutions of the file at `path` and the instruction set that runs them, for `moodlight model inspect`.
pub fn convolutions(path: &Path) -> Result<(Vec<Convolution>, &'static str), DetectorError> {
    Ok((Network::convolutions(path)?, Network::best_kernel_name()))
}

/// BlazeFace-back, loaded and ready. Reuses its buffers: one instance per camera.
pub struct BlazeFace {
    network: Network,
    settings: DetectorSettings,
    scan_window: Window,
    look_window: Window,
    /// When [`follow`](FaceDetector::follow) last scanned the whole picture.
    scanned: Option<Timestamp>,
    /// Buffers.
    raw: Vec<Detection>,
    candidates: Vec<Detection>,
    seen: Vec<Detection>,
}

impl BlazeFace {
    /// Loads the ONNX file at `path`. Fails when it is missing, no ONNX, or not BlazeFace-back.
    pub fn load(path: &Path, settings: &DetectorSettings) -> Result<Self, DetectorError> {
        Ok(Self {
            network: Network::load(path)?,
            settings: settings.clone(),
            scan_window: Window::default(),
            look_window: Window::default(),
            scanned: None,
            raw: Vec::new(),
            candidates: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// The instruction set that the network runs in: "avx2", "neon", "portable".
    pub fn kernel_name(&self) -> &'static str {
        self.network.kernel_name()
    }

    /// Fills `found` with what a scan proposes and a look confirms, best first.
    fn scan(&mut self, picture: GrayView<'_>, found: &mut Vec<Detection>) -> Result<(), DetectorError> {
        let region = Region::whole(picture.width, picture.height, SCAN_SIDE, STEP);
        let plane = self.scan_window.read(picture, &region);
        self.raw.clear();
        let raw = &mut self.raw;
        self.network.run(plane, region.width, region.height, |grid, logits, values| {
            decode(grid, logits, values, CANDIDATE_SCORE, raw);
        })?;
        nms::merge(raw, self.settings.merge_iou, &mut self.candidates);
        // Best first: what is cut off here are the least likely of many.
        self.candidates.truncate(2 * self.settings.max_faces);
        found.clear();
        for i in 0..self.candidates.len() {
            let (rect, score) = (region.rect_to_picture(self.candidates[i].rect), self.candidates[i].score);
            let needed = (2.0 * self.settings.min_score - score).max(0.05);
            if let Some(mut face) = self.look(picture, &rect, needed)? {
                face.score = (face.score + score) / 2.0;
                self.add(picture, face, found);
            }
        }
        Ok(())
    }

    /// The face at `rect`, seen from near, if it scores at least `min_score` there.
    fn look(
        &mut self,
        picture: GrayView<'_>,
        rect: &Rect,
        min_score: f32,
    ) -> Result<Option<Detection>, DetectorError> {
        let region = Region::around(rect, LOOK_SCALE, LOOK_SIDE);
        let plane = self.look_window.read(picture, &region);
        self.raw.clear();
        let raw = &mut self.raw;
        self.network.run(plane, region.width, region.height, |grid, logits, values| {
            decode(grid, logits, values, min_score, raw);
        })?;
        nms::merge(raw, self.settings.merge_iou, &mut self.seen);
        for face in &mut self.seen {
            face.rect = region.rect_to_picture(face.rect);
            face.landmarks = face.landmarks.map(|p| region.point_to_picture(p));
        }
        Ok(sent_to(&self.seen, rect).cloned())
    }

    /// Adds a face unless it is too small or there already.
    fn add(&self, picture: GrayView<'_>, face: Detection, found: &mut Vec<Detection>) {
        let least = self.settings.min_side(picture.width, picture.height);
        let known = found.iter().any(|f| f.rect.iou(&face.rect) >= self.settings.merge_iou);
        if !known && face.rect.w >= least && face.rect.h >= least {
            found.push(face);
        }
    }

    /// Looks at every track that `found` does not hold yet; how many visible ones are missing afterwards.
    fn look_at_tracks(
        &mut self,
        picture: GrayView<'_>,
        tracks: &[Track],
        found: &mut Vec<Detection>,
    ) -> Result<usize, DetectorError> {
        let mut missing = 0;
        for track in tracks {
            if found.iter().any(|f| f.rect.iou(&track.rect) >= self.settings.merge_iou) {
                continue;
            }
            match self.look(picture, &track.rect, self.settings.keep_score)? {
                Some(face) => self.add(picture, face, found),
                None => missing += usize::from(track.visible),
            }
        }
        Ok(missing)
    }

    /// Whether `wait` has passed since the last scan. Time that runs backwards is a new recording: scan.
    fn scan_is_due(&self, now: Timestamp, wait_ms: u64) -> bool {
        self.scanned.is_none_or(|at| now < at || now.since(at) >= Duration::from_millis(wait_ms))
    }
}

impl FaceDetector for BlazeFace {
    fn detect(&mut self, picture: GrayView<'_>, found: &mut Vec<Detection>) -> Result<(), DetectorError> {
        found.clear();
        if picture.width > 0 && picture.height > 0 {
            self.scan(picture, found)?;
            keep_largest(found, self.settings.max_faces);
        }
        Ok(())
    }

    /// Looks at the known faces, and scans the whole picture every `scan_ms`, or every `search_ms` while nobody is known
    /// or someone went missing. A function of the pictures, tracks and times that it was given, and of nothing else.
    fn follow(
        &mut self,
        picture: GrayView<'_>,
        now: Timestamp,
        tracks: &[Track],
        found: &mut Vec<Detection>,
    ) -> Result<(), DetectorError> {
        found.clear();
        if picture.width == 0 || picture.height == 0 {
            return Ok(());
        }
        let someone = tracks.iter().any(|t| t.visible);
        let wait = if someone { self.settings.scan_ms } else { self.settings.search_ms };
        let scan_first = self.scan_is_due(now, wait);
        if scan_first {
            self.scan(picture, found)?;
            self.scanned = Some(now);
        }
        let missing = self.look_at_tracks(picture, tracks, found)?;
        if missing > 0 && !scan_first && self.scan_is_due(now, self.settings.search_ms) {
            self.scan(picture, found)?;
            self.scanned = Some(now);
            self.look_at_tracks(picture, tracks, found)?;
        }
        keep_largest(found, self.settings.max_faces);
        Ok(())
    }
}

/// Of what a look found, the face that it was sent to: the one that overlaps `rect` most, and enough.
fn sent_to<'a>(seen: &'a [Detection], rect: &Rect) -> Option<&'a Detection> {
    let near = seen.iter().filter(|f| f.rect.iou(rect) >= LOOK_IOU);
    // Of equals the first, which scores best: `max_by` would take the last.
    near.min_by(|a, b| b.rect.iou(rect).total_cmp(&a.rect.iou(rect)))
}

/// Cuts a crowd down to its `most` largest faces: who is near is meant. Best score first.
fn keep_largest(found: &mut Vec<Detection>, most: usize) {
    if found.len() > most {
        found.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        found.truncate(most);
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
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
    #[case::score_low("min_score = 0.3", "min_score")]
    #[case::keep("keep_score = 0.0", "keep_score")]
    #[case::scan("scan_ms = 20000", "scan_ms")]
    #[case::search("search_ms = 20000", "search_ms")]
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

    /// A square face at the picture's upper edge.
    fn face(x: f32, side: f32, score: f32) -> Detection {
        Detection { rect: Rect { x, y: 0.0, w: side, h: side }, score, landmarks: [(x, 0.0); 6] }
    }

    /// Faces as (side, score) → the same of what is left of them when there may be three.
    #[rstest]
    #[case::few(&[(10.0, 0.7), (90.0, 0.8)], &[(90.0, 0.8), (10.0, 0.7)])]
    #[case::few_of_one_score(&[(10.0, 0.8), (90.0, 0.8)], &[(10.0, 0.8), (90.0, 0.8)])]
    #[case::the_largest_scores_least(
        &[(30.0, 0.9), (10.0, 0.95), (90.0, 0.7), (50.0, 0.8)],
        &[(30.0, 0.9), (50.0, 0.8), (90.0, 0.7)]
    )]
    #[case::of_one_size_the_first(
        &[(30.0, 0.7), (30.0, 0.8), (30.0, 0.75), (30.0, 0.9)],
        &[(30.0, 0.8), (30.0, 0.75), (30.0, 0.7)]
    )]
    fn a_crowd_is_cut_by_size(#[case] faces: &[(f32, f32)], #[case] expect: &[(f32, f32)]) {
        let mut found: Vec<_> = faces.iter().map(|&(side, score)| face(0.0, side, score)).collect();
        keep_largest(&mut found, 3);
        let left: Vec<_> = found.iter().map(|f| (f.rect.w, f.score)).collect();
        assert_eq!(left, expect);
    }

    /// Faces as (x, score), all 40×40, best first; the look was sent to x = 0 → x of the one that it takes.
    #[rstest]
    #[case::nothing(&[], None)]
    #[case::alone(&[(10.0, 0.9)], Some(10.0))]
    #[case::too_far(&[(30.0, 0.9)], None)]
    #[case::a_neighbour_scores_better(&[(20.0, 0.9), (-5.0, 0.6)], Some(-5.0))]
    #[case::of_equals_the_better(&[(8.0, 0.9), (-8.0, 0.6)], Some(8.0))]
    fn a_look_takes_the_face_that_it_was_sent_to(#[case] faces: &[(f32, f32)], #[case] expect: Option<f32>) {
        let seen: Vec<_> = faces.iter().map(|&(x, score)| face(x, 40.0, score)).collect();
        let taken = sent_to(&seen, &face(0.0, 40.0, 1.0).rect);
        assert_eq!(taken.map(|f| f.rect.x), expect);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = BlazeFace::load(Path::new("no/such/model.onnx"), &DetectorSettings::default());
        let message = error.err().expect("missing").to_string();
        assert!(message.contains("no/such/model.onnx"), "{message}");
    }
}
