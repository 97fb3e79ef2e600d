//! Many overlapping candidates → one detection per face, by weighted non-maximum suppression.
//!
//! Each cluster (the best candidate and all that overlap it) becomes the score-weighted mean of its boxes and
//! landmarks, with the best one's score. The mean trembles less from frame to frame than the best box alone, which
//! is why the model's authors chose it.

use super::Detection;
use crate::frame::Rect;

/// Clusters `candidates` (emptied) by intersection over union ≥ `min_iou`; `found` is cleared, then filled, best first.
pub(super) fn merge(candidates: &mut Vec<Detection>, min_iou: f32, found: &mut Vec<Detection>) {
    found.clear();
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    while let Some(best) = candidates.first().cloned() {
        let mut mean = WeightedMean::default();
        candidates.retain(|c| {
            let same = c.rect.iou(&best.rect) >= min_iou || *c == best;
            if same {
                mean.add(c);
            }
            !same
        });
        found.push(mean.finish(best.score));
    }
}

#[derive(Default)]
struct WeightedMean {
    weight: f32,
    rect: Rect,
    landmarks: [(f32, f32); 6],
}

impl WeightedMean {
    fn add(&mut self, c: &Detection) {
        let w = c.score;
        self.weight += w;
        self.rect.x += w * c.rect.x;
        self.rect.y += w * c.rect.y;
        self.rect.w += w * c.rect.w;
        self.rect.h += w * c.rect.h;
        for (sum, &(x, y)) in self.landmarks.iter_mut().zip(&c.landmarks) {
            *sum = (sum.0 + w * x, sum.1 + w * y);
        }
    }

    fn finish(self, score: f32) -> Detection {
        let k = 1.0 / self.weight;
        let Rect { x, y, w, h } = self.rect;
        Detection {
            rect: Rect { x: x * k, y: y * k, w: w * k, h: h * k },
            score,
            landmarks: self.landmarks.map(|(x, y)| (x * k, y * k)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn at(x: f32, score: f32) -> Detection {
        Detection { rect: Rect { x, y: 0.0, w: 10.0, h: 10.0 }, score, landmarks: [(x, 5.0); 6] }
    }

    /// Candidates as (x, score), all 10×10 on one line → the same of what is left.
    #[rstest]
    #[case::nothing(&[], &[])]
    #[case::one(&[(3.0, 0.9)], &[(3.0, 0.9)])]
    #[case::apart(&[(0.0, 0.7), (50.0, 0.9)], &[(50.0, 0.9), (0.0, 0.7)])]
    #[case::same_face(&[(0.0, 0.5), (1.0, 0.5)], &[(0.5, 0.5)])]
    #[case::weighted(&[(0.0, 0.75), (4.0, 0.25)], &[(1.0, 0.75)])]
    #[case::chain_keeps_its_far_end(&[(0.0, 0.9), (4.0, 0.6), (8.0, 0.8)], &[(1.6, 0.9), (8.0, 0.8)])]
    fn check(#[case] candidates: &[(f32, f32)], #[case] expect: &[(f32, f32)]) {
        let mut candidates: Vec<_> = candidates.iter().map(|&(x, s)| at(x, s)).collect();
        let mut found = vec![at(99.0, 0.1)];
        merge(&mut candidates, 0.3, &mut found);
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for (f, &(x, score)) in found.iter().zip(expect) {
            assert!((f.rect.x - x).abs() < 1e-5 && f.score == score, "{f:?}");
            assert!((f.landmarks[3].0 - x).abs() < 1e-5);
        }
    }

    proptest! {
        #[test]
        fn best_first_and_no_more_than_came(faces in prop::collection::vec((0f32..200.0, 0.01f32..1.0), 0..40)) {
            let mut candidates: Vec<_> = faces.iter().map(|&(x, s)| at(x, s)).collect();
            let mut found = Vec::new();
            merge(&mut candidates, 0.3, &mut found);
            prop_assert!(candidates.is_empty());
            prop_assert!(found.len() <= faces.len() && (found.is_empty() == faces.is_empty()));
            prop_assert!(found.windows(2).all(|w| w[0].score >= w[1].score));
        }
    }
}
