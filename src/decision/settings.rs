//! What the owner may tune about the decision: the `[decision]` table of the config.
//!
//! All times are milliseconds of the frames' own clock, all scores and thresholds are probabilities, 0..=1.

use crate::emotion::Emotion;
use serde::Deserialize;
use std::time::Duration;

/// Longest time that any of the decision's delays may have; above it the light would seem broken.
const LONGEST_MS: u64 = 60_000;

/// Which face speaks when there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FacesPolicy {
    /// The largest box, which is usually the nearest person. Another face takes over when it is
    /// 1.25 times as large.
    #[default]
    Largest,
    /// The emotion that most faces show. Faces without a clear emotion abstain; at a tie the shown emotion stays.
    Majority,
}

/// The `[decision]` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionSettings {
    /// Time constant of each face's exponential smoothing, ms, 0..=60000. 0 believes every frame as it comes.
    /// 400 ms: a clear expression (score 0.9) passes 0.45 after 210 ms, one odd frame at 10 fps moves a score by 22 %.
    pub smoothing_ms: u64,
    /// Score at which an emotion is believed, one for each emotion.
    pub thresholds: Thresholds,
    /// How far a shown emotion's score must fall below its threshold, or behind another's, before it gives way; 0..=1.
    pub hysteresis: f32,
    /// Shortest time between two changes of the light, ms, 0..=60000 (a fault is shown at once).
    /// 600 ms keeps it below two changes a second: calm, and far from the three flashes a second that can harm.
    pub dwell_ms: u64,
    /// How long the light stays after the last face was lost, ms, 0..=60000: people blink, turn and duck.
    pub hold_ms: u64,
    /// How long a face must stay without a clear emotion before the light says `uncertain`, ms, 0..=60000.
    /// It bridges the moment between two expressions and the first moment of a new face.
    pub uncertain_ms: u64,
    /// `largest` or `majority`.
    pub faces: FacesPolicy,
}

impl Default for DecisionSettings {
    fn default() -> Self {
        Self {
            smoothing_ms: 400,
            thresholds: Thresholds::default(),
            hysteresis: 0.15,
            dwell_ms: 600,
            hold_ms: 1000,
            uncertain_ms: 600,
            faces: FacesPolicy::Largest,
        }
    }
}

impl DecisionSettings {
    /// Names the first key that is out of range, what was expected and what was found.
    pub fn validate(&self) -> Result<(), String> {
        for (emotion, &value) in Emotion::ALL.iter().zip(&self.thresholds.as_array()) {
            in_unit_range(&format!("thresholds.{emotion}"), value)?;
        }
        in_unit_range("hysteresis", self.hysteresis)?;
        for (key, ms) in [
            ("smoothing_ms", self.smoothing_ms),
            ("dwell_ms", self.dwell_ms),
            ("hold_ms", self.hold_ms),
            ("uncertain_ms", self.uncertain_ms),
        ] {
            if ms > LONGEST_MS {
                return Err(format!("decision.{key}: expected 0 to {LONGEST_MS} ms, found {ms}"));
            }
        }
        Ok(())
    }

    pub fn smoothing(&self) -> Duration {
        Duration::from_millis(self.smoothing_ms)
    }
    pub fn dwell(&self) -> Duration {
        Duration::from_millis(self.dwell_ms)
    }
    pub fn hold(&self) -> Duration {
        Duration::from_millis(self.hold_ms)
    }
    pub fn uncertain(&self) -> Duration {
        Duration::from_millis(self.uncertain_ms)
    }

    /// Score at which `emotion` is believed.
    pub fn enter(&self, emotion: Emotion) -> f32 {
        self.thresholds.get(emotion)
    }

    /// Score below which a shown `emotion` is no longer believed.
    pub fn leave(&self, emotion: Emotion) -> f32 {
        (self.enter(emotion) - self.hysteresis).max(0.0)
    }
}

fn in_unit_range(key: &str, value: f32) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("decision.{key}: expected a number from 0 to 1, found {value}"))
}

/// The `[decision.thresholds]` table: a score for each emotion, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    pub angry: f32,
    pub disgust: f32,
    pub fear: f32,
    pub happy: f32,
    pub sad: f32,
    pub surprise: f32,
    pub neutral: f32,
}

/// The same for all emotions but those that the network confuses most: angry, disgust, fear and sad are wrong about
/// four times in ten at FER-2013's accuracy, and a light that calls someone angry by mistake does more harm than one
/// that stays undecided. A threshold t weighs an undecided look as 1 − t of a wrong one (Chow 1970); models/README.md,
/// "Calibration", has what the defaults cost.
impl Default for Thresholds {
    fn default() -> Self {
        Self { angry: 0.5, disgust: 0.5, fear: 0.5, happy: 0.45, sad: 0.5, surprise: 0.45, neutral: 0.45 }
    }
}

impl Thresholds {
    pub const fn uniform(score: f32) -> Self {
        let s = score;
        Self { angry: s, disgust: s, fear: s, happy: s, sad: s, surprise: s, neutral: s }
    }

    /// In [`Emotion::ALL`]'s order.
    pub const fn as_array(&self) -> [f32; Emotion::COUNT] {
        [self.angry, self.disgust, self.fear, self.happy, self.sad, self.surprise, self.neutral]
    }

    pub const fn get(&self, emotion: Emotion) -> f32 {
        self.as_array()[emotion.index()]
    }
}
