//! The trace's lines, byte for byte: other programs read them.

use moodlight::decision::MoodKind;
use moodlight::emotion::{Emotion, EmotionScores};
use moodlight::outputs::events::{Event, TraceLine};
use rstest::rstest;

fn scores() -> EmotionScores {
    // Eighths: exact in binary, so their shortest form is known.
    EmotionScores::from_weights([0.125, 0.0, 0.0, 0.5, 0.125, 0.125, 0.125])
}

#[rstest]
#[case::start(
    Event::Start { source: "demo".into(), precision: "int8", model: "vgg-int8.onnx".into() },
    r#"{"t_ms":1234,"event":"start","source":"demo","precision":"int8","model":"vgg-int8.onnx"}"#
)]
#[case::state(
    Event::State {
        from: MoodKind::NoFace, to: MoodKind::Emotion(Emotion::Happy), track: Some(3), scores: Some(scores())
    },
    r#"{"t_ms":1234,"event":"state","from":"no_face","to":"happy","track":3,"scores":{"angry":0.125,"disgust":0.0,"fear":0.0,"happy":0.5,"sad":0.125,"surprise":0.125,"neutral":0.125}}"#
)]
#[case::state_without_a_face(
    Event::State { from: MoodKind::Uncertain, to: MoodKind::Fault, track: None, scores: None },
    r#"{"t_ms":1234,"event":"state","from":"uncertain","to":"fault","track":null,"scores":null}"#
)]
#[case::led(
    Event::Led { line: "happy".into(), on: true },
    r#"{"t_ms":1234,"event":"led","line":"happy","on":true}"#
)]
#[case::frame(
    Event::Frame { sequence: 7, faces: 2 },
    r#"{"t_ms":1234,"event":"frame","sequence":7,"faces":2}"#
)]
#[case::fault(
    Event::Fault { what: "camera".into(), detail: "un\"plugged".into() },
    r#"{"t_ms":1234,"event":"fault","what":"camera","detail":"un\"plugged"}"#
)]
#[case::recovered(
    Event::Recovered { what: "camera".into() },
    r#"{"t_ms":1234,"event":"recovered","what":"camera"}"#
)]
#[case::end(
    Event::End { frames: 10, faces: 8, dropped: 1, faults: 0 },
    r#"{"t_ms":1234,"event":"end","frames":10,"faces":8,"dropped":1,"faults":0}"#
)]
fn lines(#[case] event: Event, #[case] expect: &str) {
    let line = TraceLine { t_ms: 1234, event: &event };
    assert_eq!(serde_json::to_string(&line).expect("a trace line is JSON"), expect);
}
