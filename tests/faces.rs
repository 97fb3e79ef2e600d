//! The detector on real photos: how many faces, and where.
//!
//! The four photos in tests/data may be committed (see LICENCES.md there). More are tried where `MOODLIGHT_FACES` or
//! ../shared/faces has them; elsewhere those rows pass with a note.

use moodlight::detector::blazeface::{BlazeFace, DetectorSettings};
use moodlight::detector::tracker::{Tracker, TrackerSettings};
use moodlight::detector::{Detection, FaceDetector, Track};
use moodlight::frame::{GrayImage, GrayView, Rect, Timestamp};
use moodlight::preprocess::still::Still;
use rstest::rstest;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn detector() -> BlazeFace {
    BlazeFace::load(&root().join("models/blazeface-back.onnx"), &DetectorSettings::default()).expect("loads")
}

fn photo(path: &Path) -> GrayImage {
    Still::open(path).expect("a photo").gray()
}

fn found(picture: GrayView<'_>) -> Vec<Detection> {
    let mut faces = Vec::new();
    detector().detect(picture, &mut faces).expect("detects");
    faces
}

/// A photo or clip that may not be committed, where this machine has it.
fn elsewhere(name: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("MOODLIGHT_FACES").map_or_else(|| root().join("../shared/faces"), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {name} is not on this machine");
    None
}

/// Face boxes as an eye would draw them from brows to chin: left, top, width, in pixels.
#[rstest]
#[case::astronaut("happy_astronaut.png", &[(175.0, 75.0, 102.0)])]
#[case::grace_hopper("neutral_stern_grace_hopper.jpg", &[(168.0, 140.0, 196.0)])]
#[case::coffee("coffee.png", &[])]
#[case::rocket("rocket.jpg", &[])]
fn faces_are_where_they_are(#[case] name: &str, #[case] expect: &[(f32, f32, f32)]) {
    let faces = found(photo(&root().join("tests/data").join(name)).view());
    assert_eq!(faces.len(), expect.len(), "{faces:?}");
    for (face, &(x, y, w)) in faces.iter().zip(expect) {
        let overlap = face.rect.iou(&Rect { x, y, w, h: w });
        assert!(overlap > 0.7, "{overlap}: {face:?}");
        let [right_eye, left_eye, nose, mouth, ..] = face.landmarks;
        assert!(right_eye.0 < nose.0 && nose.0 < left_eye.0 && nose.1 < mouth.1, "{face:?}");
    }
}

/// Zooming out and in: a face stays one face, a cup stays a cup.
#[rstest]
#[case::astronaut("happy_astronaut.png", 1)]
#[case::grace_hopper("neutral_stern_grace_hopper.jpg", 1)]
#[case::coffee("coffee.png", 0)]
#[case::rocket("rocket.jpg", 0)]
fn the_count_holds_at_every_scale(#[case] name: &str, #[case] expect: usize) {
    let picture = photo(&root().join("tests/data").join(name));
    for percent in [100, 85, 70, 60, 50] {
        let (w, h) = (picture.width * percent / 100, picture.height * percent / 100);
        let (left, top) = ((picture.width - w) / 2, (picture.height - h) / 4);
        let start = top * picture.width + left;
        let part = GrayView { width: w, height: h, stride: picture.width, data: &picture.data[start..] };
        let faces = found(part);
        assert_eq!(faces.len(), expect, "the middle {percent} %: {faces:?}");
    }
}

#[rstest]
#[case::nothing(0, 0)]
#[case::no_height(640, 0)]
#[case::pixel(1, 1)]
#[case::line(2000, 1)]
#[case::column(1, 2000)]
fn odd_pictures_hold_no_face(#[case] width: usize, #[case] height: usize) {
    assert_eq!(found(GrayImage::new(width, height).view()), []);
}

#[rstest]
#[case("single/angry_pexels18175.jpg", 1)]
#[case("single/happy_bw_interfaces030.jpg", 1)]
#[case("single/happy_interfaces009.jpg", 1)]
#[case("single/happy_interfaces022.jpg", 1)]
#[case("single/happy_male_intel.png", 1)]
#[case("single/neutral_codait_luciano.png", 1)]
#[case("single/neutral_glasses_interfaces016.jpg", 1)]
#[case("single/neutral_interfaces001.jpg", 1)]
#[case("single/neutral_interfaces033.jpg", 1)]
#[case("single/neutral_pexels638700.jpg", 1)]
#[case("single/sad_baby_pexels47090.jpg", 1)]
#[case("single/skeptical_interfaces006.jpg", 1)]
#[case("single/stern_sad_interfaces028.jpg", 1)]
#[case("single/surprise_pexels716658.jpg", 1)]
#[case("multi/group3_apollo11_crew.jpg", 3)]
#[case("multi/group3_neutral_intel.png", 3)]
#[case("multi/two_women_happy_pexels.jpg", 2)]
#[case("profile/profile_female_intel.png", 1)]
#[case("profile/profile_interfaces008.jpg", 1)]
#[case("profile/profile_interfaces018.jpg", 1)]
#[case("profile/profile_interfaces040.jpg", 1)]
#[case("profile/two_tilted_intel.png", 2)]
#[case("noface/backview_teddy_pexels39369.jpg", 0)]
#[case("noface/face_hidden_by_cap_interfaces024.jpg", 0)]
fn every_face_of_more_photos_and_nothing_else(#[case] name: &str, #[case] expect: usize) {
    if let Some(path) = elsewhere(name) {
        let faces = found(photo(&path).view());
        assert_eq!(faces.len(), expect, "{faces:?}");
    }
}

/// The frames of a clip of concatenated JPEGs, as luma.
fn clip(path: &Path) -> Vec<GrayImage> {
    let bytes = std::fs::read(path).expect("a clip");
    let starts: Vec<_> = (0..bytes.len() - 2).filter(|&i| bytes[i..i + 3] == [0xff, 0xd8, 0xff]).collect();
    let ends = starts[1..].iter().copied().chain([bytes.len()]);
    let frame = |(start, end): (&usize, usize)| {
        let picture = image::load_from_memory(&bytes[*start..end]).expect("a JPEG").into_luma8();
        GrayImage {
            width: picture.width() as usize,
            height: picture.height() as usize,
            data: picture.into_raw(),
        }
    };
    starts.iter().zip(ends).map(frame).collect()
}

/// Plays frames at 10 a second through `follow` and the tracker; the confirmed visible tracks of each frame.
fn follow(frames: &[GrayImage]) -> Vec<Vec<Track>> {
    let (mut detector, mut tracker) = (detector(), Tracker::new(&TrackerSettings::default()));
    let (mut faces, mut tracks) = (Vec::new(), Vec::new());
    let mut played = Vec::new();
    for (i, frame) in frames.iter().enumerate() {
        let now = Timestamp::from_millis(100 * i as u64);
        detector.follow(frame.view(), now, &tracks, &mut faces).expect("follows");
        tracker.update(&faces, now, &mut tracks);
        played.push(tracks.iter().filter(|t| t.confirmed && t.visible).cloned().collect());
    }
    played
}

/// Seconds of the demo clip (board/demo/make.py's scenes) and how many faces are confirmed there.
#[test]
fn the_demo_clip_shows_two_people_one_after_the_other() {
    let played = follow(&clip(&root().join("board/demo.mjpeg")));
    let ids = |from: usize, to: usize| -> Vec<Vec<u32>> {
        played[from..to].iter().map(|tracks| tracks.iter().map(|t| t.id).collect()).collect()
    };
    assert!(ids(0, 15).iter().all(Vec::is_empty), "a rocket: {:?}", ids(0, 15));
    assert!(ids(18, 50).iter().all(|i| *i == [1]), "the astronaut: {:?}", ids(18, 50));
    assert!(ids(50, 70).iter().all(Vec::is_empty), "coffee: {:?}", ids(50, 70));
    let stern = ids(73, 105);
    assert!(
        stern.iter().all(|i| i.len() == 1 && *i == stern[0]) && stern[0] != [1],
        "Grace Hopper: {stern:?}"
    );
    assert!(ids(105, 130).iter().all(Vec::is_empty), "coffee again: {:?}", ids(105, 130));
}

/// Looking only where faces were must give what scanning every frame gives.
#[test]
fn following_loses_no_face_that_scanning_finds() {
    let frames = clip(&root().join("board/demo.mjpeg"));
    let played = follow(&frames);
    let mut detector = detector();
    let mut scanned = Vec::new();
    // Frames in which the face has long been confirmed.
    for i in (20..50).step_by(3).chain((75..105).step_by(3)) {
        detector.detect(frames[i].view(), &mut scanned).expect("detects");
        assert_eq!(scanned.len(), played[i].len(), "frame {i}");
        let overlap = scanned[0].rect.iou(&played[i][0].rect);
        assert!(overlap > 0.8, "frame {i}: {overlap}");
    }
}

#[test]
fn the_other_demo_clip_shows_five_people_nobody_and_a_group() {
    let Some(path) = elsewhere("demo.mjpeg") else { return };
    let played = follow(&clip(&path));
    // Two seconds each; a new face is confirmed within 400 ms.
    let expect = [1, 1, 1, 1, 1, 0, 3];
    for (scene, &faces) in expect.iter().enumerate() {
        let counts: Vec<_> = played[scene * 20 + 4..(scene + 1) * 20].iter().map(Vec::len).collect();
        assert!(counts.iter().all(|&n| n == faces), "scene {scene}: {counts:?}, expected {faces}");
    }
}
