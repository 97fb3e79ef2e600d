//! The tracker and its face gate: (detections, now) → tracks, as tables and as properties.

use moodlight::detector::tracker::{Tracker, TrackerSettings};
use moodlight::detector::{Detection, Track};
use moodlight::frame::{Rect, Timestamp};
use proptest::prelude::*;
use rstest::rstest;

/// A face of `size` pixels whose left edge is at `x`.
fn face(x: f32, size: f32) -> Detection {
    let rect = Rect { x, y: 50.0, w: size, h: size };
    Detection { rect, score: 0.9, landmarks: [(x, 50.0); 6] }
}

/// "1?" on probation, "1" confirmed and seen, "1~" confirmed and held.
fn describe(tracks: &[Track]) -> String {
    let one = |t: &Track| {
        let mark = match (t.confirmed, t.visible) {
            (false, true) => "?",
            (true, true) => "",
            (true, false) => "~",
            (false, false) => "!", // never happens: probation ends with the first miss
        };
        format!("{}{mark}", t.id)
    };
    tracks.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// A run as text, frame by frame: "ms [left edges of the 40-pixel faces] tracks afterwards | …".
fn frames(run: &str) -> Vec<(u64, Vec<Detection>, &str)> {
    run.split(" | ")
        .map(|frame| {
            let (ms, rest) = frame.split_once(" [").expect("ms [");
            let (faces, expect) = rest.split_once(']').expect("]");
            let faces = faces.split_whitespace().map(|x| face(x.parse().expect("x"), 40.0)).collect();
            (ms.parse().expect("ms"), faces, expect.trim())
        })
        .collect()
}

#[rstest]
#[case::nobody("0 [] | 100 []")]
#[case::confirmed_after_200_ms("0 [10] 1? | 100 [10] 1? | 200 [10] 1")]
#[case::at_30_fps("0 [10] 1? | 33 [10] 1? | 167 [10] 1? | 200 [10] 1")]
#[case::at_1_fps("0 [10] 1? | 1000 [10] 1 | 2000 [10] 1 | 3000 []")]
#[case::a_flash_is_no_face("0 [10] 1? | 100 [] | 200 [10] 2? | 300 [10] 2?")]
#[case::held_for_500_ms("0 [10] 1? | 200 [10] 1 | 300 [] 1~ | 700 [] 1~ | 701 []")]
#[case::back_within_hold("0 [10] 1? | 200 [10] 1 | 600 [] 1~ | 700 [12] 1")]
#[case::back_after_hold("0 [10] 1? | 200 [10] 1 | 600 [] 1~ | 800 [10] 2?")]
#[case::moves_half_its_width_a_frame("0 [10] 1? | 200 [30] 1 | 300 [50] 1 | 400 [70] 1")]
#[case::a_jump_is_someone_else("0 [10] 1? | 200 [10] 1 | 300 [200] 1~ 2?")]
#[case::two_keep_their_ids("0 [10 90] 1? 2? | 200 [92 12] 1 2 | 300 [90] 1~ 2")]
#[case::the_nearer_wins("0 [10] 1? | 200 [40 12] 1 2?")]
#[case::time_standing_still("5 [10] 1? | 5 [10] 1? | 5 [10] 1?")]
#[case::time_going_back("500 [10] 1? | 700 [10] 1 | 100 [10] 1 | 0 [] 1~")]
fn check(#[case] run: &str) {
    let mut tracker = Tracker::new(&TrackerSettings::default());
    let mut tracks = vec![];
    for (ms, detections, expect) in frames(run) {
        tracker.update(&detections, Timestamp::from_millis(ms), &mut tracks);
        assert_eq!(describe(&tracks), expect, "at {ms} ms");
    }
}

#[test]
fn a_track_carries_its_latest_detection_and_keeps_it_while_held() {
    let mut tracker =
        Tracker::new(&TrackerSettings { confirm_ms: 0, confirm_sightings: 1, ..Default::default() });
    let mut tracks = vec![];
    tracker.update(&[face(10.0, 40.0)], Timestamp::ZERO, &mut tracks);
    let seen = face(14.0, 44.0);
    tracker.update(std::slice::from_ref(&seen), Timestamp::from_millis(100), &mut tracks);
    for (ms, visible) in [(100, true), (200, false), (300, false)] {
        if !visible {
            tracker.update(&[], Timestamp::from_millis(ms), &mut tracks);
        }
        let expect = Track {
            id: 1,
            rect: seen.rect,
            score: seen.score,
            landmarks: seen.landmarks,
            visible,
            confirmed: true,
        };
        assert_eq!(tracks, [expect], "at {ms} ms");
    }
}

#[rstest]
#[case::confirm("confirm_ms = 20000", "confirm_ms")]
#[case::sightings("confirm_sightings = 0", "confirm_sightings")]
#[case::hold("hold_ms = 100000", "hold_ms")]
#[case::iou("match_iou = 0.0", "match_iou")]
#[case::reach("reach = 0.5", "reach")]
fn a_setting_out_of_range_is_named(#[case] toml: &str, #[case] key: &str) {
    assert_eq!(TrackerSettings::default().validate(), Ok(()));
    let settings: TrackerSettings = toml::from_str(toml).expect("parses");
    let error = settings.validate().expect_err(key);
    assert!(error.starts_with(key) && error.contains("expected"), "{error}");
}

/// A run: the time to the next frame and the faces in it.
fn runs() -> impl Strategy<Value = Vec<(u64, Vec<(f32, f32)>)>> {
    let faces = prop::collection::vec((0f32..300.0, 20f32..80.0), 0..6);
    prop::collection::vec((0u64..900, faces), 1..60)
}

proptest! {
    /// Ids only ever grow: one that is gone stays gone, and a new one is larger than all before it.
    #[test]
    fn ids_are_never_reused(run in runs()) {
        let (mut tracker, mut tracks) = (Tracker::new(&TrackerSettings::default()), vec![]);
        let (mut now, mut largest, mut alive) = (Timestamp::ZERO, 0, Vec::<u32>::new());
        for (ms, faces) in run {
            now = now + std::time::Duration::from_millis(ms);
            let detections: Vec<_> = faces.iter().map(|&(x, s)| face(x, s)).collect();
            tracker.update(&detections, now, &mut tracks);
            let ids: Vec<_> = tracks.iter().map(|t| t.id).collect();
            prop_assert!(ids.windows(2).all(|w| w[0] < w[1]), "{ids:?}");
            prop_assert!(ids.iter().all(|id| alive.contains(id) || *id > largest), "{alive:?} → {ids:?}");
            largest = ids.last().copied().unwrap_or(0).max(largest);
            alive = ids;
        }
    }

    /// Every detection is exactly one visible track, and no track is seen twice in one frame.
    #[test]
    fn each_detection_is_one_track(run in runs()) {
        let (mut tracker, mut tracks) = (Tracker::new(&TrackerSettings::default()), vec![]);
        let mut now = Timestamp::ZERO;
        for (ms, faces) in run {
            now = now + std::time::Duration::from_millis(ms);
            let detections: Vec<_> = faces.iter().map(|&(x, s)| face(x, s)).collect();
            tracker.update(&detections, now, &mut tracks);
            let mut shown: Vec<_> = tracks.iter().filter(|t| t.visible).map(|t| t.rect.x).collect();
            let mut came: Vec<_> = detections.iter().map(|d| d.rect.x).collect();
            shown.sort_by(f32::total_cmp);
            came.sort_by(f32::total_cmp);
            prop_assert_eq!(shown, came);
            prop_assert!(tracks.iter().all(|t| t.visible || t.confirmed));
        }
    }

    /// Nobody is confirmed before the time is over, whatever the frame rate.
    #[test]
    fn the_gate_holds_at_any_frame_rate(step in 1u64..250, frames in 1usize..80) {
        let settings = TrackerSettings::default();
        let (mut tracker, mut tracks) = (Tracker::new(&settings), vec![]);
        for i in 0..frames {
            let ms = i as u64 * step;
            tracker.update(&[face(10.0, 40.0)], Timestamp::from_millis(ms), &mut tracks);
            prop_assert_eq!(tracks[0].confirmed, ms >= settings.confirm_ms, "at {} ms", ms);
            prop_assert_eq!(tracks[0].id, 1);
        }
    }

    /// The same run gives the same tracks.
    #[test]
    fn the_tracker_is_a_function_of_its_input(run in runs()) {
        let play = || {
            let (mut tracker, mut tracks, mut all) = (Tracker::new(&TrackerSettings::default()), vec![], vec![]);
            let mut now = Timestamp::ZERO;
            for (ms, faces) in &run {
                now = now + std::time::Duration::from_millis(*ms);
                let detections: Vec<_> = faces.iter().map(|&(x, s)| face(x, s)).collect();
                tracker.update(&detections, now, &mut tracks);
                all.extend(tracks.iter().cloned());
            }
            all
        };
        prop_assert_eq!(play(), play());
    }
}
