//! From the detector's box to the crop that the emotion network was trained on.
//!
//! BlazeFace's box spans brows to chin; FER-2013's pictures show more of forehead and hair. The mapping was measured,
//! not guessed: `tests/calibration/crop.py` enlarges FER-2013 training pictures onto canvases, runs the detector and
//! asks where in the picture its box lies. On 200 pictures the medians are 1.168 and -0.101 when they are enlarged to
//! 150 pixels, 1.173 and -0.104 at 240: the same at every size, because each face is looked at from the same distance.
//! Single pictures scatter by ±0.15 and ±0.06, as the data set's own crops do. Accuracy of the emotion network moves
//! by less than a point for scales from 1.10 to 1.25.

use crate::frame::Rect;

/// Side of the FER-2013 crop, in widths of the detector's box.
pub const CROP_SCALE: f32 = 1.17;

/// How far the crop's centre lies below the box's centre, in widths of the box: negative is above.
pub const CROP_DOWN: f32 = -0.10;

/// The square that shows the face as FER-2013's pictures do. May reach beyond the picture.
///
/// The landmarks are not used: FER-2013's faces are as tilted as life, and the network was trained on ±15° more.
pub fn crop_rect(face: &Rect, _landmarks: &[(f32, f32); 6]) -> Rect {
    let side = face.w * CROP_SCALE;
    let (cx, cy) = face.center();
    Rect { x: cx - side / 2.0, y: cy + CROP_DOWN * face.w - side / 2.0, w: side, h: side }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crop_is_a_square_around_a_point_above_the_centre() {
        let crop = crop_rect(&Rect { x: 100.0, y: 200.0, w: 80.0, h: 84.0 }, &[(0.0, 0.0); 6]);
        assert!((crop.w - 93.6).abs() < 1e-3 && crop.w == crop.h, "{crop:?}");
        let (cx, cy) = crop.center();
        assert!((cx - 140.0).abs() < 1e-3 && (cy - 234.0).abs() < 1e-3, "{cx},{cy}");
    }
}
