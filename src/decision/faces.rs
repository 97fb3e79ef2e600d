//! Each face's scores smoothed over time, what each face shows, and which face speaks.
//!
//! Terms. *Smoothing*: a first-order low-pass over time, not over frames: after `dt` a new sample counts
//! `1 − exp(−dt/τ)`. *Verdict*: the emotion that one face is believed to show, with hysteresis. *Focus*: the face
//! that speaks under `largest`.
//!
//! It does not know about dwell or hold of the light; that is [`Decision`](super::Decision)'s.

use super::settings::{DecisionSettings, FacesPolicy};
use crate::detector::Track;
use crate::emotion::{Emotion, EmotionScores};
use crate::frame::Timestamp;
use std::time::Duration;

/// Another face must be this many times as large (in area) as the one in focus to take over, so that two people side
/// by side do not take turns by the detector's jitter, which is about 10 % of the area.
const TAKE_OVER: f32 = 1.25;

/// A face that was not seen for so long, or for the hold if that is longer, is forgotten and would start anew.
const FORGET: Duration = Duration::from_secs(1);

/// What the faces of a frame say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Opinion {
    /// `None`: faces, but none shows a clear emotion.
    pub emotion: Option<Emotion>,
    /// The face that speaks; `None` under `majority`.
    pub track: Option<u32>,
    pub scores: EmotionScores,
}

#[derive(Debug, Clone)]
struct Face {
    id: u32,
    area: f32,
    first_seen: Timestamp,
    seen: Timestamp,
    scores: EmotionScores,
    verdict: Option<Emotion>,
}

/// All faces seen lately. Its only allocation grows with the number of faces at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Faces {
    known: Vec<Face>,
    last_frame: Timestamp,
    focus: Option<u32>,
}

impl Faces {
    /// Takes the faces of one frame in. Returns whether any confirmed face was visible.
    pub fn update(
        &mut self,
        frame: &[(Track, EmotionScores)],
        now: Timestamp,
        settings: &DecisionSettings,
    ) -> bool {
        // A slow camera is no absence: who was in the last frame is still known, however long ago that was.
        let (last, patience) = (self.last_frame, FORGET.max(settings.hold()));
        self.known.retain(|f| f.seen == last || now.since(f.seen) <= patience);
        self.last_frame = now;
        let mut any = false;
        for (track, raw) in frame.iter().filter(|(t, _)| t.visible && t.confirmed) {
            any = true;
            self.face(track, now).take(raw, track.rect.area(), now, settings);
        }
        any
    }

    /// What the faces that were seen at `now` say, and `None` when there is none.
    pub fn opinion(
        &mut self,
        now: Timestamp,
        shown: Option<Emotion>,
        settings: &DecisionSettings,
    ) -> Option<Opinion> {
        match settings.faces {
            FacesPolicy::Largest => self.focus_speaks(now, settings.hold()),
            FacesPolicy::Majority => self.vote(now, shown),
        }
    }

    /// The smoothed scores of a track.
    pub fn smoothed(&self, id: u32) -> Option<&EmotionScores> {
        self.known.iter().find(|f| f.id == id).map(|f| &f.scores)
    }

    pub fn clear(&mut self) {
        self.known.clear();
        self.focus = None;
    }

    /// The face of `track`, new ones starting from "nothing known": a single odd frame lights no lamp.
    fn face(&mut self, track: &Track, now: Timestamp) -> &mut Face {
        let index = self.known.iter().position(|f| f.id == track.id).unwrap_or_else(|| {
            let scores = EmotionScores::uniform();
            let id = track.id;
            self.known.push(Face { id, area: 0.0, first_seen: now, seen: now, scores, verdict: None });
            self.known.len() - 1
        });
        &mut self.known[index]
    }

    fn focus_speaks(&mut self, now: Timestamp, hold: Duration) -> Option<Opinion> {
        let present = || self.known.iter().filter(|f| f.seen == now);
        let by_size = |a: &&Face, b: &&Face| a.area.total_cmp(&b.area).then(b.id.cmp(&a.id));
        let largest = present().max_by(by_size)?;
        let focused = self.known.iter().find(|f| Some(f.id) == self.focus);
        let speaker = match focused {
            // Out of sight for a moment: the light is held for it against those who stood beside it. A face that came
            // after it left is more likely the same person under a new track, or the next in line.
            Some(f) if f.seen < now && now.since(f.seen) <= hold => {
                present().filter(|n| n.first_seen > f.seen).max_by(by_size).unwrap_or(f)
            }
            Some(f) if f.seen == now && largest.area < f.area * TAKE_OVER => f,
            _ => largest,
        };
        let opinion = Opinion { emotion: speaker.verdict, track: Some(speaker.id), scores: speaker.scores };
        self.focus = Some(speaker.id);
        Some(opinion)
    }

    fn vote(&self, now: Timestamp, shown: Option<Emotion>) -> Option<Opinion> {
        let present = || self.known.iter().filter(|f| f.seen == now);
        present().next()?;
        let mut votes = [0usize; Emotion::COUNT];
        let mut weight = [0f32; Emotion::COUNT];
        for face in present() {
            if let Some(e) = face.verdict {
                votes[e.index()] += 1;
                weight[e.index()] += face.scores.get(e);
            }
        }
        let better = |a: &Emotion, b: &Emotion| {
            let (i, j) = (a.index(), b.index());
            let stays = |e: &Emotion| Some(*e) == shown;
            votes[i]
                .cmp(&votes[j])
                .then(stays(a).cmp(&stays(b)))
                .then(weight[i].total_cmp(&weight[j]))
                .then(j.cmp(&i))
        };
        let emotion = Emotion::ALL.into_iter().max_by(better).filter(|e| votes[e.index()] > 0);
        let scores = mean(present().filter(|f| emotion.is_none() || f.verdict == emotion).map(|f| &f.scores));
        Some(Opinion { emotion, track: None, scores })
    }
}

impl Face {
    fn take(&mut self, raw: &EmotionScores, area: f32, now: Timestamp, settings: &DecisionSettings) {
        self.area = area;
        self.scores = smooth(&self.scores, raw, now.since(self.seen), settings.smoothing());
        self.verdict = verdict(self.verdict, &self.scores, settings);
        self.seen = now;
    }
}

/// The low-pass: `dt` since the last sample, `tau` the time constant.
///
/// `dt` counts at most one `tau`, so that after a gap one frame never weighs more than 63 %. Scores that are no
/// numbers leave the state as it is.
fn smooth(state: &EmotionScores, raw: &EmotionScores, dt: Duration, tau: Duration) -> EmotionScores {
    if !raw.as_array().iter().all(|x| x.is_finite()) {
        return *state;
    }
    if tau.is_zero() {
        return *raw;
    }
    let new = 1.0 - (-dt.min(tau).as_secs_f32() / tau.as_secs_f32()).exp();
    let mut mixed = *state.as_array();
    for (m, r) in mixed.iter_mut().zip(raw.as_array()) {
        *m += (r - *m) * new;
    }
    EmotionScores::from_weights(mixed)
}

/// What one face is believed to show, after having been believed to show `shown`.
///
/// An emotion is entered when it is the likeliest and at its threshold. It is kept until it falls below its threshold
/// by the hysteresis, or another one qualifies and leads by the hysteresis.
fn verdict(shown: Option<Emotion>, scores: &EmotionScores, settings: &DecisionSettings) -> Option<Emotion> {
    let (top, score) = scores.top();
    let challenger = (score >= settings.enter(top)).then_some(top);
    let Some(held) = shown.filter(|&e| scores.get(e) >= settings.leave(e)) else { return challenger };
    let leads = score >= scores.get(held) + settings.hysteresis;
    Some(challenger.filter(|_| leads).unwrap_or(held))
}

/// Uniform when there is nothing to average.
fn mean<'a>(scores: impl Iterator<Item = &'a EmotionScores>) -> EmotionScores {
    let mut sum = [0f32; Emotion::COUNT];
    for s in scores {
        for (t, x) in sum.iter_mut().zip(s.as_array()) {
            *t += x;
        }
    }
    EmotionScores::from_weights(sum)
}
