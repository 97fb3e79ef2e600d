//! `model`: what the files are, what runs their nodes, whether they are whole.

use crate::harness::{Scratch, model_file, moodlight};
use rstest::rstest;
use serde_json::Value;

#[test]
fn lists_what_the_manifest_has() {
    let listed = moodlight(["model", "list", "--json"]).expect(0, &[]).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    for name in ["vgg-int8", "vgg-compact-int8", "vgg-light-int8", "vgg-f32", "blazeface-back"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(listed.as_array().unwrap().iter().all(|m| m["present"] == true), "{listed:#}");
    moodlight(["model", "list"]).expect(0, &["vgg-int8", "classifier", "int8"]);
}

/// The card's network: eight convolutions and three linear layers, which the int8 file has as convolutions too.
#[test]
fn all_of_the_int8_classifier_runs_in_int8() {
    let seen = moodlight(["model", "inspect", "vgg-int8", "--json"]).expect(0, &[]).json();
    assert_eq!((&seen["convolutions"], &seen["int8_convolutions"]), (&Value::from(11), &Value::from(11)));
    let macs = seen["macs"].as_u64().unwrap();
    // 8 convolutions: 468.9 M, 3 linear layers: 35.7 M.
    assert!((500_000_000..510_000_000).contains(&macs), "{macs}");
    moodlight(["model", "inspect"]).expect(0, &["11 of 11 convolutions in int8", "QLinearConv"]);
}

#[test]
fn none_of_the_f32_classifier_does() {
    let seen = moodlight(["model", "inspect", "--json", &model_file("vgg-f32.onnx").display().to_string()]);
    assert_eq!(seen.expect(0, &[]).json()["int8_convolutions"], 0);
}

#[test]
fn the_detector_is_floats() {
    let seen = moodlight(["model", "inspect", "blazeface-back", "--json"]).expect(0, &[]).json();
    assert_eq!((&seen["role"], &seen["int8_convolutions"]), (&"detector".into(), &0.into()));
    assert!(seen["convolutions"].as_u64() > Some(10), "{seen:#}");
}

#[test]
fn the_committed_models_are_whole() {
    let verdicts = moodlight(["model", "verify", "--json"]).expect(0, &[]).json();
    assert!(verdicts.as_array().unwrap().len() >= 3, "{verdicts:#}");
    assert!(verdicts.as_array().unwrap().iter().all(|v| v["ok"] == true), "{verdicts:#}");
}

#[rstest]
#[case::one_bit(1000, false, "sha256")]
#[case::cut(0, true, "length in bytes")]
fn a_damaged_copy_differs(#[case] flip_at: usize, #[case] cut: bool, #[case] word: &str) {
    let scratch = Scratch::new();
    scratch.write("manifest.toml", &std::fs::read(model_file("manifest.toml")).unwrap());
    let mut bytes = std::fs::read(model_file("blazeface-back.onnx")).unwrap();
    bytes[flip_at] ^= u8::from(!cut);
    bytes.truncate(bytes.len() - usize::from(cut));
    let file = scratch.write("blazeface-back.onnx", &bytes);
    let verdicts = moodlight(["model", "verify", "--json", &file]).expect(1, &[word]).json();
    assert_eq!(verdicts[0]["ok"], false);
    moodlight(["model", "verify", &file]).expect(1, &[word, "blazeface-back.onnx"]);
}

#[rstest]
#[case::name(&["model", "inspect", "vgg-int9"], "vgg-int8")]
#[case::file(&["model", "verify", "./no-such.onnx"], "no-such.onnx")]
fn what_is_not_there_is_named(#[case] args: &[&str], #[case] word: &str) {
    moodlight(args).expect(1, &[word]);
}

/// `--model` takes the names that `model list` shows.
#[rstest]
#[case::compact("vgg-compact-int8", "int8", 0, &["face 1: happy"])]
#[case::light("vgg-light-int8", "int8", 0, &["face 1: happy"])]
#[case::full("vgg-int8", "int8", 0, &["face 1: happy"])]
#[case::other_precision("vgg-int8", "f32", 1, &["\"vgg-int8\" is the classifier in int8", "classifier in f32"])]
#[case::other_role("blazeface-back", "f32", 1, &["\"blazeface-back\" is the detector"])]
#[case::unknown("vgg-tiny", "int8", 1, &["no model is named \"vgg-tiny\"", "vgg-compact-int8"])]
fn a_model_by_its_name(
    #[case] name: &str,
    #[case] precision: &str,
    #[case] code: i32,
    #[case] words: &[&str],
) {
    let photo = crate::harness::data("happy_astronaut.png");
    moodlight(["classify", "--model", name, "--precision", precision, &photo]).expect(code, words);
}
