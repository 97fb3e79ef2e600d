//! One frame in, one report out: decode → detect → track → crop → classify → decide.
//!
//! All but the last step are the [`Eyes`]': they take long, and the runtime may put them on a thread of their own, so that
//! lights keep their time. What they see is decided on in no time, by [`decide`].
//!
//! Nothing here does I/O, reads a clock or starts threads; the same frames at the same times give the same reports. Every
//! buffer is kept from frame to frame.

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

/// Confirmed faces that are in a frame, the largest first, with their scores.
pub type Faces = Vec<(Track, EmotionScores)>;

/// From a frame to its faces and what each one feels.
pub struct Eyes {
    luma: LumaDecoder,
    detector: Box<dyn FaceDetector>,
    tracker: Tracker,
    classifier: Box<dyn Classifier>,
    temperature: f32,
    max_faces: usize,
    /// Of the picture before.
    size: Option<(usize, usize)>,
    cropper: Cropper,
    detections: Vec<Detection>,
    tracks: Vec<Track>,
    patches: Vec<FacePatch>,
    logits: Vec<Logits>,
}

/// The corridor from frame to mood.
pub struct Pipeline {
    eyes: Eyes,
    decision: Decision,
    faces: Faces,
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

impl Eyes {
    /// Forgets the faces: the next frame is of another stream, after a fault or a mute. Who is there then has to pass the face gate.
    pub fn forget(&mut self) {
        self.size = None;
    }

    /// Looks at one frame; `faces` is cleared, then filled with scores of this frame alone. Returns the frame's luma, upright:
    /// what the boxes refer to. `now` is the frame's time stamp; it must not run backwards.
    pub fn look<'a>(
        &'a mut self,
        frame: &'a Frame,
        now: Timestamp,
        faces: &mut Faces,
    ) -> Result<GrayView<'a>, PipelineError> {
        let picture = self.luma.decode(frame)?;
        let size = Some((picture.width, picture.height));
        if std::mem::replace(&mut self.size, size) != size {
            // Places in a picture of another size say nothing.
            self.tracker.forget_all();
            self.tracks.clear();
        }
        self.detector.follow(picture, now, &self.tracks, &mut self.detections)?;
        self.tracker.update(&self.detections, now, &mut self.tracks);

        faces.clear();
        let seen = self.tracks.iter().filter(|t| t.visible && t.confirmed);
        faces.extend(seen.map(|t| (t.clone(), EmotionScores::uniform())));
        faces.sort_by(|(a, _), (b, _)| b.rect.area().total_cmp(&a.rect.area()).then(a.id.cmp(&b.id)));
        faces.truncate(self.max_faces);

        self.patches.clear();
        for (track, _) in faces.iter() {
            self.patches.push(self.cropper.patch(picture, crop_rect(&track.rect, &track.landmarks)));
        }
        if self.patches.is_empty() {
            self.logits.clear();
        } else {
            self.classifier.classify(&self.patches, &mut self.logits)?;
        }
        for ((_, scores), logits) in faces.iter_mut().zip(&self.logits) {
            *scores = EmotionScores::from_logits(logits, self.temperature);
        }
        Ok(picture)
    }
}

/// Tells the decision what was seen; the faces' scores become the smoothed ones.
pub fn decide(decision: &mut Decision, faces: &mut Faces, now: Timestamp) -> Option<Transition> {
    let transition = decision.observe(faces, now);
    for (track, scores) in faces {
        *scores = decision.smoothed(track.id).copied().unwrap_or(*scores);
    }
    transition
}

impl Pipeline {
    pub fn new(parts: Parts) -> Self {
        let Parts { luma, detector, tracker, classifier, temperature, decision, max_faces } = parts;
        let eyes = Eyes {
            luma,
            detector,
            tracker,
            classifier,
            temperature,
            max_faces,
            size: None,
            cropper: Cropper::new(),
            detections: Vec::new(),
            tracks: Vec::new(),
            patches: Vec::new(),
            logits: Vec::new(),
        };
        Self { eyes, decision, faces: Vec::new() }
    }

    /// Works through one frame. `now` is the frame's time stamp; it must not run backwards.
    pub fn step<'a>(&'a mut self, frame: &'a Frame, now: Timestamp) -> Result<Report<'a>, PipelineError> {
        let picture = self.eyes.look(frame, now, &mut self.faces)?;
        let transition = decide(&mut self.decision, &mut self.faces, now);
        Ok(Report { transition, faces: &self.faces, picture, mood: self.decision.mood() })
    }

    /// The part that takes long and the part that decides.
    pub fn into_parts(self) -> (Eyes, Decision) {
        (self.eyes, self.decision)
    }
}
