//! From scores per face and frame to one mood that does not flicker.
//!
//! Terms. *Candidate*: what the newest frame argues for. *Patience*: how long a candidate must last before it is
//! shown: none for an emotion (the smoothing has already waited), `uncertain_ms` for `uncertain`, `hold_ms` for
//! `no_face`. *Dwell*: the shortest time between two changes of what is shown. *Support*: a frame that argues for what is
//! shown; without any for `hold_ms` and `uncertain_ms` together it gives way to the candidate, however that flickers.
//!
//! Invariants, held by the property tests in `tests/decision_properties.rs`:
//! - two changes are never closer than the dwell, except that a fault or a closed camera is shown at once;
//! - the same calls give the same changes: there is no clock, no randomness and no count of frames in here;
//! - the frame rate changes when something is noticed (by at most a frame), not what.
//!
//! It does not decide how a mood looks; that is [`outputs`](crate::outputs)'.

mod faces;
mod settings;

pub use settings::{DecisionSettings, FacesPolicy, Thresholds};

use crate::detector::Track;
use crate::emotion::{Emotion, EmotionScores};
use crate::frame::Timestamp;
use faces::{Faces, Opinion};
use std::time::Duration;

/// A step back in time larger than this is a new time line (a recording that starts over); a smaller one is jitter.
const JITTER: Duration = Duration::from_secs(1);

/// What the light says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoodKind {
    Emotion(Emotion),
    /// A face, but no emotion clear enough.
    Uncertain,
    NoFace,
    /// Camera, model or display does not work.
    Fault,
    /// Somebody wants not to be seen: the camera is closed until they say otherwise.
    Muted,
}

impl MoodKind {
    /// An emotion's name, or `uncertain`, `no_face`, `fault`, `muted`.
    pub const fn name(self) -> &'static str {
        match self {
            MoodKind::Emotion(e) => e.name(),
            MoodKind::Uncertain => "uncertain",
            MoodKind::NoFace => "no_face",
            MoodKind::Fault => "fault",
            MoodKind::Muted => "muted",
        }
    }

    /// Nothing is seen, and for a reason that faces do not change.
    pub const fn is_blind(self) -> bool {
        matches!(self, MoodKind::Fault | MoodKind::Muted)
    }

    /// A face is there, whatever it shows.
    pub const fn has_face(self) -> bool {
        matches!(self, MoodKind::Emotion(_) | MoodKind::Uncertain)
    }

    pub const fn emotion(self) -> Option<Emotion> {
        match self {
            MoodKind::Emotion(e) => Some(e),
            _ => None,
        }
    }
}

/// The decided state, since when, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Mood {
    pub kind: MoodKind,
    pub since: Timestamp,
    /// The face that decided; `None` under `majority` or without a face.
    pub track: Option<u32>,
    /// The newest smoothed scores of the face that speaks (the mean of those that agree under `majority`); uniform
    /// without a face. They move with every frame, also while dwell or hold keep `kind`.
    pub scores: EmotionScores,
}

/// A change of the mood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: MoodKind,
    pub to: MoodKind,
    pub at: Timestamp,
}

/// Holds the mood; see the module's terms.
#[derive(Debug, Clone)]
pub struct Decision {
    settings: DecisionSettings,
    faces: Faces,
    mood: Mood,
    candidate: Candidate,
    /// Since when no frame has argued for what is shown.
    unsupported: Option<Timestamp>,
    /// No change before this: the end of the dwell.
    free_at: Timestamp,
    /// The latest time that was heard of.
    clock: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    kind: MoodKind,
    since: Timestamp,
}

impl Decision {
    /// Starts in `no_face`, free to change at once. `settings` are taken as they are: validate them first.
    pub fn new(settings: DecisionSettings) -> Self {
        let since = Timestamp::ZERO;
        Self {
            settings,
            faces: Faces::default(),
            mood: Mood { kind: MoodKind::NoFace, since, track: None, scores: EmotionScores::uniform() },
            candidate: Candidate { kind: MoodKind::NoFace, since },
            unsupported: None,
            free_at: since,
            clock: since,
        }
    }

    /// One frame's faces with the classifier's scores; an empty slice says that the frame held none. Only tracks that
    /// are visible and confirmed count.
    pub fn observe(&mut self, faces: &[(Track, EmotionScores)], now: Timestamp) -> Option<Transition> {
        let now = self.advance(now);
        let seen = self.faces.update(faces, now, &self.settings);
        let shown = self.mood.kind.emotion();
        let opinion = if seen { self.faces.opinion(now, shown, &self.settings) } else { None };
        self.consider(opinion, now);
        self.settle(now)
    }

    /// Time passes without a frame: a candidate may have lasted long enough.
    pub fn tick(&mut self, now: Timestamp) -> Option<Transition> {
        let now = self.advance(now);
        self.settle(now)
    }

    /// Something that the light depends on is broken. Shown at once; faces are forgotten.
    pub fn fault(&mut self, now: Timestamp) -> Option<Transition> {
        self.go_blind(MoodKind::Fault, now)
    }

    /// The camera was closed by hand. Shown at once; faces are forgotten.
    pub fn mute(&mut self, now: Timestamp) -> Option<Transition> {
        self.go_blind(MoodKind::Muted, now)
    }

    fn go_blind(&mut self, kind: MoodKind, now: Timestamp) -> Option<Transition> {
        let now = self.advance(now);
        self.faces.clear();
        self.candidate = Candidate { kind: MoodKind::NoFace, since: now };
        (self.mood.kind != kind).then(|| self.enter(kind, now))
    }

    /// All is well again: `no_face` at once, and the next change after the dwell.
    pub fn recover(&mut self, now: Timestamp) -> Option<Transition> {
        let now = self.advance(now);
        match self.mood.kind {
            MoodKind::Fault | MoodKind::Muted => Some(self.enter(MoodKind::NoFace, now)),
            _ => self.settle(now),
        }
    }

    pub fn mood(&self) -> &Mood {
        &self.mood
    }

    /// The smoothed scores of a track that was seen lately.
    pub fn smoothed(&self, track: u32) -> Option<&EmotionScores> {
        self.faces.smoothed(track)
    }

    /// When [`tick`](Self::tick) will change the mood if no frame comes before; `None` if never. May be `now`.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let pending = !self.mood.kind.is_blind() && self.candidate.kind != self.mood.kind;
        pending.then(|| self.due().max(now))
    }

    /// In a fault, or muted, nothing is taken from faces: what they said then is old when it is over.
    fn consider(&mut self, opinion: Option<Opinion>, now: Timestamp) {
        if self.mood.kind.is_blind() {
            return;
        }
        let kind = match &opinion {
            None => MoodKind::NoFace,
            Some(Opinion { emotion: Some(e), .. }) => MoodKind::Emotion(*e),
            Some(Opinion { emotion: None, .. }) => MoodKind::Uncertain,
        };
        if kind != self.candidate.kind {
            self.candidate = Candidate { kind, since: now };
        }
        self.unsupported = (kind != self.mood.kind).then(|| self.unsupported.unwrap_or(now));
        // Without a face the last scores stay until the hold is over.
        if let Some(o) = opinion {
            (self.mood.track, self.mood.scores) = (o.track, o.scores);
        }
    }

    fn settle(&mut self, now: Timestamp) -> Option<Transition> {
        let due = self.next_change(now)?;
        (due <= now).then(|| self.enter(self.candidate.kind, now))
    }

    /// When the candidate has lasted long enough, or what is shown has been without support for too long; after the dwell.
    fn due(&self) -> Timestamp {
        let lasted = self.candidate.since + self.patience(self.candidate.kind);
        // Longer than any candidate that comes once: only one that comes and goes meets it.
        let given_up = self.unsupported.map(|since| since + self.settings.hold() + self.settings.uncertain());
        given_up.map_or(lasted, |at| at.min(lasted)).max(self.free_at)
    }

    fn patience(&self, kind: MoodKind) -> Duration {
        match kind {
            MoodKind::Emotion(_) | MoodKind::Fault | MoodKind::Muted => Duration::ZERO,
            MoodKind::Uncertain => self.settings.uncertain(),
            MoodKind::NoFace => self.settings.hold(),
        }
    }

    fn enter(&mut self, to: MoodKind, now: Timestamp) -> Transition {
        let from = std::mem::replace(&mut self.mood.kind, to);
        self.mood.since = now;
        self.unsupported = None;
        self.free_at = now + self.settings.dwell();
        if to == MoodKind::NoFace || to.is_blind() {
            (self.mood.track, self.mood.scores) = (None, EmotionScores::uniform());
        }
        Transition { from, to, at: now }
    }

    /// The time to reckon with. It never runs backwards: jitter waits for the old time to come again, and on a new
    /// time line everything that was pending begins anew.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        if self.clock.since(now) > JITTER {
            self.faces.clear();
            self.candidate.since = now;
            self.unsupported = self.unsupported.map(|_| now);
            self.mood.since = now;
            self.free_at = now + self.settings.dwell();
            self.clock = now;
        }
        self.clock = self.clock.max(now);
        self.clock
    }
}
