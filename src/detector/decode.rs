//! BlazeFace's raw outputs → candidate faces in pixels of the network's input.
//!
//! Terms. *Anchor*: a point of the grid that a row of the output belongs to; the back model has two at each of 16×16
//! cells (16 pixels apart) and six at each of 8×8 cells (32 apart), 896 in all. Offsets are in input pixels from the
//! anchor; the anchor's own size is 1, so widths and heights are read as they are. Scores are logits.

use super::Detection;
use crate::frame::Rect;

/// Numbers in one row of the regressor output: box centre x y, width, height, then six landmarks x y.
pub(super) const VALUES: usize = 16;
/// Logits are cut here before the sigmoid, as in the model's reference pipeline: e^±100 would only lose precision.
const LOGIT_LIMIT: f32 = 100.0;

/// One of the two output grids: `cells`×`cells` positions, `anchors` rows at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub columns: usize,
    pub rows: usize,
    pub anchors: usize,
    /// Input pixels between cells.
    pub stride: usize,
}

impl Grid {
    #[cfg(test)]
    const fn len(&self) -> usize {
        self.columns * self.rows * self.anchors
    }

    /// Centre of the anchor of row `i`, in input pixels.
    fn anchor(&self, i: usize) -> (f32, f32) {
        let cell = i / self.anchors;
        let at = |n: usize| (n as f32 + 0.5) * self.stride as f32;
        (at(cell % self.columns), at(cell / self.columns))
    }
}

/// Appends every row whose score reaches `min_score`. `logits` holds `grid.len()` values, `values` sixteen times as many.
pub(super) fn decode(grid: Grid, logits: &[f32], values: &[f32], min_score: f32, out: &mut Vec<Detection>) {
    let floor = logit(min_score);
    for (i, (&l, v)) in logits.iter().zip(values.chunks_exact(VALUES)).enumerate() {
        // A network that yields NaN finds nothing: no comparison with NaN holds.
        if l >= floor {
            out.extend(face(grid.anchor(i), sigmoid(l), v));
        }
    }
}

/// `None` when a value is not finite or the box is empty.
fn face((ax, ay): (f32, f32), score: f32, v: &[f32]) -> Option<Detection> {
    let (w, h) = (v[2], v[3]);
    let rect = Rect { x: ax + v[0] - w / 2.0, y: ay + v[1] - h / 2.0, w, h };
    let landmarks = std::array::from_fn(|k| (ax + v[4 + 2 * k], ay + v[5 + 2 * k]));
    let sound = w > 0.0 && h > 0.0 && v.iter().all(|x| x.is_finite());
    sound.then_some(Detection { rect, score, landmarks })
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).exp())
}

/// Inverse of [`sigmoid`]; 0 and 1 give the infinities.
fn logit(score: f32) -> f32 {
    (score / (1.0 - score)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const COARSE: Grid = Grid { columns: 8, rows: 8, anchors: 6, stride: 32 };
    const FINE: Grid = Grid { columns: 16, rows: 16, anchors: 2, stride: 16 };

    fn one(grid: Grid, at: usize, logit: f32, v: [f32; VALUES]) -> Vec<Detection> {
        let (mut logits, mut values) = (vec![-50.0; grid.len()], vec![0.0; grid.len() * VALUES]);
        logits[at] = logit;
        values[at * VALUES..][..VALUES].copy_from_slice(&v);
        let mut out = Vec::new();
        decode(grid, &logits, &values, 0.5, &mut out);
        out
    }

    #[rstest]
    #[case::first_fine(FINE, 0, (8.0, 8.0))]
    #[case::same_cell(FINE, 1, (8.0, 8.0))]
    #[case::next_cell(FINE, 2, (24.0, 8.0))]
    #[case::second_row(FINE, 32, (8.0, 24.0))]
    #[case::last_fine(FINE, 511, (248.0, 248.0))]
    #[case::first_coarse(COARSE, 5, (16.0, 16.0))]
    #[case::last_coarse(COARSE, 383, (240.0, 240.0))]
    fn rows_belong_to_their_anchor(#[case] grid: Grid, #[case] row: usize, #[case] center: (f32, f32)) {
        let mut v = [0.0; VALUES];
        (v[2], v[3], v[4], v[5]) = (20.0, 10.0, 3.0, -4.0);
        let found = one(grid, row, 2.0, v);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rect, Rect { x: center.0 - 10.0, y: center.1 - 5.0, w: 20.0, h: 10.0 });
        assert_eq!(found[0].landmarks[0], (center.0 + 3.0, center.1 - 4.0));
        assert!((found[0].score - 0.880_797).abs() < 1e-6);
    }

    #[rstest]
    #[case::just_enough(0.0, 1)]
    #[case::just_too_little(-0.001, 0)]
    #[case::huge(1e30, 1)]
    #[case::nan(f32::NAN, 0)]
    fn the_score_decides(#[case] logit: f32, #[case] faces: usize) {
        let mut v = [0.0; VALUES];
        (v[2], v[3]) = (20.0, 20.0);
        let found = one(FINE, 7, logit, v);
        assert_eq!(found.len(), faces);
        assert!(found.iter().all(|f| (0.0..=1.0).contains(&f.score)));
    }

    #[rstest]
    #[case::no_width(2, 0.0)]
    #[case::inside_out(3, -5.0)]
    #[case::infinite(0, f32::INFINITY)]
    #[case::nan_landmark(9, f32::NAN)]
    fn broken_boxes_are_no_faces(#[case] index: usize, #[case] value: f32) {
        let mut v = [20.0; VALUES];
        v[index] = value;
        assert!(one(FINE, 7, 5.0, v).is_empty());
    }
}
