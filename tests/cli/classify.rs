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
