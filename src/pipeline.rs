//! One frame in, one report out: decode → detect → track → crop → classify → decide.
//!
//! The pipeline does no I/O, reads no clock and starts no threads; the same frames at the same times give the same
//! reports. Every buffer is kept from frame to frame.

use crate::classifier::{Classifier, ClassifierError};
use crate::decision::{Decision, Mood, Transition};
use crate::detector::crop::crop_rect;
use crate::detector::tracker::Tracker;
use crate::detector::{Detection, DetectorError, FaceDetector, Track};
use crate::emotion::{EmotionScores, Logits};
use crate::frame::{Frame, GrayView, Timestamp};
use crate::preprocess::{Cropper, FacePatch, LumaDecoder, PreprocessError};

/// The parts that a pipeline is made of.
pub struct Parts {
    pub luma: LumaDecoder,
    pub detector: Box<dyn FaceDetector>,
    pub tracker: Tracker,
    pub classifier: Box<dyn Classifier>,
    /// Softmax temperature that calibrates the classifier's scores; positive.
    pub temperature: f32,
    pub decision: Decision,
    /// At most this many faces are classified per frame, the largest first; bounds the time a crowd takes.
    pub max_faces: usize,
}

/// The corridor from frame to mood.
pub struct Pipeline {
    parts: Parts,
    cropper: Cropper,
    detections: Vec<Detection>,
    tracks: Vec<Track>,
    patches: Vec<FacePatch>,
    logits: Vec<Logits>,
    faces: Vec<(Track, EmotionScores)>,
}

/// What one frame brought.
pub struct Report<'a> {
    /// The mood changed.
    pub transition: Option<Transition>,
    /// Confirmed faces that are in this frame, the largest first, with their smoothed scores.
    pub faces: &'a [(Track, EmotionScores)],
    /// The frame's luma, upright: what the boxes refer to.
    pub picture: GrayView<'a>,
    pub mood: &'a Mood,
}

/// Why a frame could not be worked on. A damaged frame is the camera's fault; the others are the firmware's.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Frame(#[from] PreprocessError),
    #[error(transparent)]
    Detector(#[from] DetectorError),
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
}

impl Pipeline {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            cropper: Cropper::new(),
            detections: Vec::new(),
            tracks: Vec::new(),
            patches: Vec::new(),
            logits: Vec::new(),
            faces: Vec::new(),
        }
    }

    /// Works through one frame. `now` is the frame's time stamp; it must not run backwards.
    pub fn step<'a>(&'a mut self, frame: &'a Frame, now: Timestamp) -> Result<Report<'a>, PipelineError> {
        let Parts { luma, detector, tracker, classifier, temperature, decision, max_faces } = &mut self.parts;
        let picture = luma.decode(frame)?;
        detector.follow(picture, now, &self.tracks, &mut self.detections)?;
        tracker.update(&self.detections, now, &mut self.tracks);

        self.faces.clear();
        let seen = self.tracks.iter().filter(|t| t.visible && t.confirmed);
        self.faces.extend(seen.map(|t| (t.clone(), EmotionScores::uniform())));
        self.faces.sort_by(|(a, _), (b, _)| b.rect.area().total_cmp(&a.rect.area()).then(a.id.cmp(&b.id)));
        self.faces.truncate(*max_faces);

        self.patches.clear();
        for (track, _) in &self.faces {
            self.patches.push(self.cropper.patch(picture, crop_rect(&track.rect, &track.landmarks)));
        }
        if self.patches.is_empty() {
            self.logits.clear();
        } else {
            classifier.classify(&self.patches, &mut self.logits)?;
        }
        for ((_, scores), logits) in self.faces.iter_mut().zip(&self.logits) {
            *scores = EmotionScores::from_logits(logits, *temperature);
        }
        let transition = decision.observe(&self.faces, now);
        for (track, scores) in &mut self.faces {
            *scores = decision.smoothed(track.id).copied().unwrap_or(*scores);
        }
        Ok(Report { transition, faces: &self.faces, picture, mood: decision.mood() })
    }

    /// The decision, for the passing of time and for faults.
    pub fn decision(&mut self) -> &mut Decision {
        &mut self.parts.decision
    }

    pub fn mood(&self) -> &Mood {
        self.parts.decision.mood()
    }

    /// When the mood may change although no frame comes (a held face runs out), if it may.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.parts.decision.next_change(now)
    }
}
