//! The seven emotions of FER-2013, in the data set's order, and a probability for each.
//!
//! Everything that prints, stores or indexes emotions uses [`Emotion::ALL`]'s order; it is the order of the
//! network's outputs.

use serde::{Deserialize, Serialize};

/// One of FER-2013's classes. The discriminant is the index of the network's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emotion {
    Angry = 0,
    Disgust = 1,
    Fear = 2,
    Happy = 3,
    Sad = 4,
    Surprise = 5,
    Neutral = 6,
}

impl Emotion {
    pub const COUNT: usize = 7;
    /// In the order of the network's outputs.
    pub const ALL: [Emotion; Self::COUNT] = [
        Emotion::Angry,
        Emotion::Disgust,
        Emotion::Fear,
        Emotion::Happy,
        Emotion::Sad,
        Emotion::Surprise,
        Emotion::Neutral,
    ];

    /// Lower-case English name, as in every file, flag and JSON object.
    pub const fn name(self) -> &'static str {
        match self {
            Emotion::Angry => "angry",
            Emotion::Disgust => "disgust",
            Emotion::Fear => "fear",
            Emotion::Happy => "happy",
            Emotion::Sad => "sad",
            Emotion::Surprise => "surprise",
            Emotion::Neutral => "neutral",
        }
    }

    pub fn from_name(name: &str) -> Option<Emotion> {
        Self::ALL.into_iter().find(|e| e.name() == name)
    }

    /// Position in the network's output vector, 0..7.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Emotion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What the network's last layer gives for one face, in [`Emotion::ALL`]'s order. Unbounded, dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logits(pub [f32; Emotion::COUNT]);

/// A probability for each emotion; the seven sum to 1 (within f32 rounding).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmotionScores([f32; Emotion::COUNT]);

impl EmotionScores {
    /// Softmax of `logits / temperature`. A temperature above 1 makes the scores less sure; it must be positive.
    pub fn from_logits(logits: &Logits, temperature: f32) -> Self {
        let max = logits.0.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exp = logits.0.map(|l| ((l - max) / temperature).exp());
        let sum: f32 = exp.iter().sum();
        Self(exp.map(|e| e / sum))
    }

    /// Scales non-negative `weights` so that they sum to 1. All zero (or not finite) gives the uniform distribution.
    pub fn from_weights(weights: [f32; Emotion::COUNT]) -> Self {
        let sum: f32 = weights.iter().sum();
        if sum > 0.0 && sum.is_finite() { Self(weights.map(|w| w / sum)) } else { Self::uniform() }
    }

    /// Every emotion equally likely: what is known before the first face.
    pub const fn uniform() -> Self {
        Self([1.0 / Emotion::COUNT as f32; Emotion::COUNT])
    }

    pub fn get(&self, e: Emotion) -> f32 {
        self.0[e.index()]
    }

    /// In [`Emotion::ALL`]'s order.
    pub fn as_array(&self) -> &[f32; Emotion::COUNT] {
        &self.0
    }

    pub fn iter(&self) -> impl Iterator<Item = (Emotion, f32)> + '_ {
        Emotion::ALL.into_iter().zip(self.0)
    }

    /// The likeliest emotion and its score; the first in order wins a tie.
    pub fn top(&self) -> (Emotion, f32) {
        self.iter()
            .fold((Emotion::Angry, f32::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
    }
}

/// `{"angry":0.01,…}` in [`Emotion::ALL`]'s order; each number in the shortest form that reads back the same.
impl Serialize for EmotionScores {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter().map(|(e, v)| (e.name(), v)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fer2013s_in_order() {
        let names: Vec<_> = Emotion::ALL.iter().map(|e| e.name()).collect();
        assert_eq!(names, ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]);
        assert!(
            Emotion::ALL
                .iter()
                .enumerate()
                .all(|(i, e)| e.index() == i && Emotion::from_name(e.name()) == Some(*e))
        );
    }

    #[test]
    fn softmax_sums_to_one_and_survives_large_logits() {
        for t in [0.5, 1.0, 2.0] {
            let s = EmotionScores::from_logits(&Logits([1e4, -1e4, 3.0, 1e4, 0.0, 0.0, 0.0]), t);
            assert!((s.as_array().iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert_eq!(s.top(), (Emotion::Angry, 0.5));
        }
    }

    #[test]
    fn weights_of_zero_are_uniform() {
        assert_eq!(EmotionScores::from_weights([0.0; 7]), EmotionScores::uniform());
    }
}
