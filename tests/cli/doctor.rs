//! `doctor` and `leds test` on a machine that is no board: every check is there, JSON is JSON, broken things are named.

use crate::harness::{Scratch, data, model_file, moodlight};
use serde_json::Value;

const CHECKS: [&str; 17] = [
    "kernel",
    "board",
    "config",
    "camera",
    "camera_nodes",
    "frame_rate",
    "pins",
    "i2c",
    "display",
    "models",
    "self_test",
    "permissions",
    "disk",
    "temperature",
    "supply",
    "service",
    "clock",
];

fn check_named(checks: &Value, name: &str) -> Value {
    checks
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["check"] == name)
        .unwrap_or_else(|| panic!("no {name}"))
        .clone()
}

#[test]
fn every_check_is_there_in_json_and_in_words() {
    let checks = moodlight(["doctor", "--json", "--board", "sim"]).expect(0, &[]).json();
    let names: Vec<&str> = checks.as_array().unwrap().iter().map(|c| c["check"].as_str().unwrap()).collect();
    assert_eq!(names, CHECKS);
    for check in checks.as_array().unwrap() {
        let status = check["status"].as_str().unwrap();
        assert!(["ok", "warn", "fail", "skip"].contains(&status), "{check}");
        assert!(check["found"].is_string() && check["advice"].is_string(), "{check}");
    }
    assert_eq!(check_named(&checks, "self_test")["status"], "ok");
    assert_eq!(check_named(&checks, "models")["status"], "ok");
    moodlight(["doctor", "--board", "sim"]).expect(0, &CHECKS);
}

#[test]
fn a_board_that_this_is_not_fails_with_advice() {
    let ran =
        moodlight(["doctor", "--json", "--board", "rpi4", "--source", "v4l2:/dev/video97"]).expect(1, &[]);
    let checks = ran.json();
    let camera = check_named(&checks, "camera");
    assert_eq!(camera["status"], "fail");
    assert!(camera["found"].as_str().unwrap().contains("/dev/video97"), "{camera}");
    let pins = check_named(&checks, "pins");
    assert_eq!(pins["status"], "fail");
    assert!(!pins["advice"].as_str().unwrap().is_empty(), "{pins}");
}

#[test]
fn a_broken_config_is_a_finding_and_the_rest_is_looked_at() {
    let scratch = Scratch::new();
    let file = scratch.write("my.toml", b"[decision]\ndwel_ms = 3\n");
    let checks = moodlight(["doctor", "--json", "--config", &file]).expect(1, &[]).json();
    let config = check_named(&checks, "config");
    assert_eq!(config["status"], "fail");
    assert!(config["found"].as_str().unwrap().contains("my.toml:2:1"), "{config}");
    assert_eq!(check_named(&checks, "self_test")["status"], "ok");
    moodlight(["doctor", "--fix", "--config", &file]).expect(1, &["# config: ", "sudoedit"]);
}

/// A flipped bit: the hash, and what the package manager can do about it.
#[test]
fn a_damaged_model_is_named() {
    let models = Scratch::new();
    models.write("manifest.toml", &std::fs::read(model_file("manifest.toml")).unwrap());
    for file in [
        "vgg-int8.onnx",
        "vgg-compact-int8.onnx",
        "vgg-light-int8.onnx",
        "vgg-f32.onnx",
        "blazeface-back.onnx",
    ] {
        let mut bytes = std::fs::read(model_file(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= u8::from(file == "vgg-int8.onnx");
        models.write(file, &bytes);
    }
    let mut command = crate::harness::command();
    command.args(["doctor", "--json", "--board", "sim"]).env("MOODLIGHT_MODELS", models.path(""));
    let checks = crate::harness::finish(&mut command).expect(1, &[]).json();
    let found = check_named(&checks, "models");
    assert_eq!(found["status"], "fail");
    assert!(found["found"].as_str().unwrap().contains("vgg-int8.onnx: its sha256 differs"), "{found}");
    assert!(!found["found"].as_str().unwrap().contains("vgg-f32"), "{found}");
    assert!(found["fix"][0].as_str().unwrap().contains("reinstall"), "{found}");
}

#[test]
fn json_and_fix_are_two_answers() {
    moodlight(["doctor", "--json", "--fix"]).expect(2, &["--fix"]);
    moodlight(["doctor", "--fix", "--board", "sim", "--source", &format!("image:{}", data("coffee.png"))])
        .expect(0, &["#"]);
}

#[test]
fn a_walk_through_the_lights_names_each() {
    let ran = moodlight(["leds", "test", "--board", "sim", "--step", "1ms"])
        .expect(0, &["10 lights", "simulated", "no pin was touched"]);
    let names: Vec<&str> = ran.stdout.lines().filter_map(|l| l.split_whitespace().next()).collect();
    let expect =
        ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "uncertain", "no_face", "fault"];
    assert_eq!(names[..10], expect);
    moodlight(["leds", "test", "--board", "rpi4", "--step", "1ms"]).expect(1, &["gpio"]);
}
