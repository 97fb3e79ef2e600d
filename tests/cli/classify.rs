//! `classify`: photos in, faces and scores out.

use crate::harness::{data, moodlight};
use rstest::rstest;
use serde_json::{Value, json};

const EMOTIONS: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|o| o.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[rstest]
#[case::happy_int8("happy_astronaut.png", "int8", &["happy"])]
#[case::happy_f32("happy_astronaut.png", "f32", &["happy"])]
#[case::stern_int8("neutral_stern_grace_hopper.jpg", "int8", &["neutral"])]
#[case::stern_f32("neutral_stern_grace_hopper.jpg", "f32", &["neutral"])]
#[case::no_face("coffee.png", "int8", &[])]
#[case::no_face_either("rocket.jpg", "int8", &[])]
fn faces_of_photos(#[case] photo: &str, #[case] precision: &str, #[case] expect: &[&str]) {
    let ran = moodlight(["classify", "--json", "--precision", precision, &data(photo)]).expect(0, &[]);
    let answer = &ran.json()[0];
    let found: Vec<_> = answer["faces"].as_array().unwrap().iter().map(|f| f["emotion"].clone()).collect();
    assert_eq!(found, expect, "{answer:#}");
}

/// tests/goldens/photo_faces.py went the whole way from photo to scores without moodlight. A crop moved or scaled by more
/// than its wobble, a swapped class or another rounding shows here.
#[rstest]
fn photos_read_as_the_reference_reads_them(
    #[values("happy_astronaut.png", "neutral_stern_grace_hopper.jpg")] photo: &str,
    #[values("int8", "f32")] precision: &str,
) {
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(data("faces.json")).expect("goldens")).expect("JSON");
    let ran = moodlight(["classify", "--json", "--precision", precision, &data(photo)]).expect(0, &[]);
    let face = &ran.json()[0]["faces"][0];
    let numbers =
        |v: &Value| -> Vec<f64> { v.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect() };
    let (found, expect) = (numbers(&face["box"]), numbers(&golden[photo]["box"]));
    for (f, e) in found.iter().zip(&expect) {
        // The reference resizes otherwise before it looks: 3 % of the face's width, as wide as the scores' wobble.
        assert!((f - e).abs() <= 0.03 * expect[2], "box {found:?}, not {expect:?}");
    }
    for emotion in EMOTIONS {
        let range = numbers(&golden[photo][precision][emotion]);
        let score = face["scores"][emotion].as_f64().unwrap();
        assert!((range[0]..=range[1]).contains(&score), "{emotion} {score}, not in {range:?}");
    }
}

#[test]
fn the_json_is_the_promised_one() {
    let photo = data("happy_astronaut.png");
    let answers = moodlight(["classify", "--json", &photo]).expect(0, &[]).json();
    let answer = &answers[0];
    assert_eq!(keys(answer), ["image", "width", "height", "faces"]);
    assert_eq!(
        (&answer["image"], &answer["width"], &answer["height"]),
        (&json!(photo), &json!(512), &json!(512))
    );
    let face = &answer["faces"][0];
    assert_eq!(keys(face), ["box", "detection", "emotion", "scores"]);
    assert_eq!(keys(&face["scores"]), EMOTIONS);
    let sum: f64 = EMOTIONS.iter().map(|e| face["scores"][e].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    let area: Vec<f64> = face["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    // Her face is right of the middle of the left half, in the upper quarter.
    let (cx, cy) = (area[0] + area[2] / 2.0, area[1] + area[3] / 2.0);
    assert!((200.0..250.0).contains(&cx) && (90.0..150.0).contains(&cy), "{area:?}");
    assert!((0.5..=1.0).contains(&face["detection"].as_f64().unwrap()));
}

#[test]
fn logits_are_given_where_asked_for_and_rank_as_the_scores_do() {
    let photo = data("happy_astronaut.png");
    moodlight(["classify", "--logits", &photo]).expect(2, &["--json"]);
    let answers = moodlight(["classify", "--json", "--logits", &photo]).expect(0, &[]).json();
    let face = &answers[0]["faces"][0];
    let logits: Vec<f64> = serde_json::from_value(face["logits"].clone()).unwrap();
    let scores: Vec<f64> = EMOTIONS.iter().map(|e| face["scores"][e].as_f64().unwrap()).collect();
    let order = |values: &[f64]| {
        let mut places: Vec<usize> = (0..EMOTIONS.len()).collect();
        places.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        places
    };
    assert_eq!(order(&logits), order(&scores), "logits {logits:?}, scores {scores:?}");
}

#[test]
fn a_whole_image_is_the_face() {
    let answers =
        moodlight(["classify", "--json", "--whole-image", &data("coffee.png")]).expect(0, &[]).json();
    let answer = &answers[0];
    let face = &answer["faces"][0];
    assert_eq!(face["box"], json!([0.0, 0.0, answer["width"].as_f64(), answer["height"].as_f64()]));
    assert_eq!(face["detection"], Value::Null);
}

#[test]
fn people_get_bars_and_programs_no_colour() {
    let ran = moodlight(["classify", &data("happy_astronaut.png"), &data("coffee.png")]).expect(0, &[]);
    for word in ["1 face", "no face", "face 1: happy", "█", " %"] {
        assert!(ran.stdout.contains(word), "no {word} in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "{}", ran.stdout);
}
