//! Accuracy, confusion, F1 and calibration from scored samples. Pure functions.

use crate::emotion::{Emotion, EmotionScores};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// What a classifier said of one face, and what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    pub truth: Emotion,
    pub scores: EmotionScores,
}

impl Verdict {
    pub fn is_right(&self) -> bool {
        self.scores.top().0 == self.truth
    }
}

/// How well one class is told from the others, 0..=1 each. A class that nothing was called has precision 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassFigures {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Samples of this class.
    pub support: u32,
}

/// One bin of confidence, and how often the classifier was right in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    pub count: u32,
    /// Means over the bin, 0..=1.
    pub confidence: f64,
    pub accuracy: f64,
}

/// Number of equal bins of confidence.
pub const BINS: usize = 10;

/// The figures of one precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub accuracy: f64,
    /// Mean F1 of the classes that have samples.
    pub macro_f1: f64,
    pub per_class: [ClassFigures; Emotion::COUNT],
    /// Counts: row = truth, column = what it was called.
    pub confusion: [[u32; Emotion::COUNT]; Emotion::COUNT],
    pub bins: [Bin; BINS],
    /// Expected calibration error: mean gap between confidence and accuracy over the bins, weighted by count.
    pub calibration_error: f64,
}

impl Figures {
    pub fn of(verdicts: &[Verdict]) -> Self {
        let mut confusion = [[0; Emotion::COUNT]; Emotion::COUNT];
        for v in verdicts {
            confusion[v.truth.index()][v.scores.top().0.index()] += 1;
        }
        let per_class = std::array::from_fn(|c| class_figures(&confusion, c));
        let seen: Vec<f64> = per_class.iter().filter(|c| c.support > 0).map(|c| c.f1).collect();
        let right = verdicts.iter().filter(|v| v.is_right()).count();
        let bins = bins(verdicts);
        Self {
            accuracy: ratio(right as f64, verdicts.len() as f64),
            macro_f1: ratio(seen.iter().sum(), seen.len() as f64),
            per_class,
            confusion,
            bins,
            calibration_error: ratio(
                bins.iter().map(|b| f64::from(b.count) * (b.confidence - b.accuracy).abs()).sum(),
                verdicts.len() as f64,
            ),
        }
    }

    pub fn right(&self) -> u32 {
        (0..Emotion::COUNT).map(|c| self.confusion[c][c]).sum()
    }
}

/// The promised object: accuracy, macro_f1, per_class, confusion, and the calibration error besides.
impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let by_name: serde_json::Map<String, serde_json::Value> = Emotion::ALL
            .iter()
            .map(|e| (e.name().to_string(), serde_json::json!(self.per_class[e.index()])))
            .collect();
        let mut map = s.serialize_map(Some(5))?;
        map.serialize_entry("accuracy", &self.accuracy)?;
        map.serialize_entry("macro_f1", &self.macro_f1)?;
        map.serialize_entry("per_class", &by_name)?;
        map.serialize_entry("confusion", &self.confusion)?;
        map.serialize_entry("calibration_error", &self.calibration_error)?;
        map.end()
    }
}

/// Share of samples that both call the same.
pub fn agreement(a: &[Verdict], b: &[Verdict]) -> f64 {
    let same = a.iter().zip(b).filter(|(a, b)| a.scores.top().0 == b.scores.top().0).count();
    ratio(same as f64, a.len().min(b.len()) as f64)
}

/// `part / whole`; 0 of nothing is 0.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn class_figures(confusion: &[[u32; Emotion::COUNT]; Emotion::COUNT], c: usize) -> ClassFigures {
    let support: u32 = confusion[c].iter().sum();
    let called: u32 = confusion.iter().map(|row| row[c]).sum();
    let right = f64::from(confusion[c][c]);
    let (precision, recall) = (ratio(right, f64::from(called)), ratio(right, f64::from(support)));
    ClassFigures { precision, recall, f1: ratio(2.0 * precision * recall, precision + recall), support }
}

fn bins(verdicts: &[Verdict]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for v in verdicts {
        let confidence = f64::from(v.scores.top().1);
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.confidence += confidence;
        bin.accuracy += f64::from(u8::from(v.is_right()));
    }
    bins.map(|b| Bin {
        confidence: ratio(b.confidence, f64::from(b.count)),
        accuracy: ratio(b.accuracy, f64::from(b.count)),
        ..b
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Emotion::*;

    fn verdict(truth: Emotion, called: Emotion, confidence: f32) -> Verdict {
        let mut weights = [(1.0 - confidence) / 6.0; 7];
        weights[called.index()] = confidence;
        Verdict { truth, scores: EmotionScores::from_weights(weights) }
    }

    #[test]
    fn figures_of_a_small_table_worked_out_by_hand() {
        let f = Figures::of(&[
            verdict(Happy, Happy, 0.95),
            verdict(Happy, Happy, 0.85),
            verdict(Happy, Sad, 0.55),
            verdict(Sad, Sad, 0.75),
        ]);
        assert_eq!(f.accuracy, 0.75);
        assert_eq!(f.confusion[Happy.index()][Sad.index()], 1);
        let happy = f.per_class[Happy.index()];
        assert_eq!((happy.precision, happy.recall, happy.support), (1.0, 2.0 / 3.0, 3));
        let sad = f.per_class[Sad.index()];
        assert_eq!((sad.precision, sad.recall), (0.5, 1.0));
        // F1: happy 0.8, sad 2/3; the five classes without samples don't count.
        assert!((f.macro_f1 - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // |0.95−1|, |0.85−1|, |0.55−0|, |0.75−1| over four bins of one.
        assert!(
            (f.calibration_error - (0.05 + 0.15 + 0.55 + 0.25) / 4.0).abs() < 1e-6,
            "{}",
            f.calibration_error
        );
    }

    #[test]
    fn nothing_is_zero_and_not_nan() {
        let f = Figures::of(&[]);
        assert_eq!((f.accuracy, f.macro_f1, f.calibration_error), (0.0, 0.0, 0.0));
    }

    #[test]
    fn agreement_counts_equal_answers_right_or_wrong() {
        let a = [verdict(Happy, Sad, 0.9), verdict(Happy, Happy, 0.9)];
        let b = [verdict(Happy, Sad, 0.5), verdict(Happy, Fear, 0.5)];
        assert_eq!(agreement(&a, &b), 0.5);
    }
}
