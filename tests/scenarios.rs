//! Scenarios: faces over time → what the lights do, switch by switch. Ten frames a second, times in seconds.
//!
//! `+happy` goes on, `-happy` goes off. The lights go off with the last frame, as at the end of every run.

mod stage;

use moodlight::decision::{DecisionSettings, Thresholds};
use moodlight::emotion::Emotion;
use moodlight::outputs::leds::LedLine;
use moodlight::sim::pins::SimPins;
use rstest::rstest;
use stage::lights;

/// All thresholds 0.45; the times at which moods change are worked out in `decision.rs`.
fn check(board: &SimPins, script: &str, expect: &str) {
    let settings = DecisionSettings {
        thresholds: Thresholds::uniform(0.45),
        hysteresis: 0.1,
        ..DecisionSettings::default()
    };
    assert_eq!(lights(script, 10, &settings, board), expect, "{script}");
}

/// Seven LEDs: `neutral` beats when nobody is there, the likeliest blinks when unsure, `angry` flashes in a fault.
#[rstest]
#[case::a_happy_face("2s happy .9", "0.0 +neutral, 0.3 -neutral, 0.3 +happy, 1.9 -happy")]
#[case::a_happy_face_that_leaves(
    "2s happy .9 | 2s nobody",
    "0.0 +neutral, 0.3 -neutral, 0.3 +happy, 3.0 -happy, 3.0 +neutral, 3.4 -neutral"
)]
#[case::from_happy_to_sad(
    "2s happy .9 | 2s sad .9",
    "0.0 +neutral, 0.3 -neutral, 0.3 +happy, 2.3 -happy, 2.3 +sad, 3.9 -sad"
)]
#[case::a_neutral_face_after_nobody(
    "2s neutral .9",
    // The beat is still on when the face is believed: nothing to switch.
    "0.0 +neutral, 1.9 -neutral"
)]
#[case::unsure_blinks_on_the_likeliest(
    "2s happy .3",
    "0.0 +neutral, 0.4 -neutral, 0.6 +happy, 1.2 -happy, 1.8 +happy, 1.9 -happy"
)]
#[case::nobody_is_a_slow_beat(
    "7s nobody",
    "0.0 +neutral, 0.4 -neutral, 3.0 +neutral, 3.4 -neutral, 6.0 +neutral, 6.4 -neutral"
)]
#[case::a_fault_is_a_double_flash(
    "1s nobody | fault | 2s nobody",
    "0.0 +neutral, 0.4 -neutral, 1.0 +angry, 1.12 -angry, 1.3 +angry, 1.42 -angry, \
     2.4 +angry, 2.52 -angry, 2.7 +angry, 2.82 -angry"
)]
#[case::muted_is_a_triple_flash(
    "1s nobody | mute | 1s happy .9",
    "0.0 +neutral, 0.4 -neutral, 1.0 +neutral, 1.08 -neutral, 1.24 +neutral, 1.32 -neutral, 1.48 +neutral, 1.56 -neutral"
)]
#[case::an_odd_frame_lights_nothing("1s nobody | 100ms angry .9 | 1s nobody", "0.0 +neutral, 0.4 -neutral")]
fn seven_leds(#[case] script: &str, #[case] expect: &str) {
    check(&SimPins::one_per_emotion(), script, expect);
}

/// Lines of their own for the other states.
#[rstest]
#[case::unsure_is_steady("2s happy .3", "0.0 +no_face, 0.4 -no_face, 0.6 +uncertain, 1.9 -uncertain")]
#[case::nobody("2s nobody", "0.0 +no_face, 0.4 -no_face")]
#[case::fault(
    "1s nobody | fault | 1s nobody",
    "0.0 +no_face, 0.4 -no_face, 1.0 +fault, 1.12 -fault, 1.3 +fault, 1.42 -fault"
)]
fn ten_leds(#[case] script: &str, #[case] expect: &str) {
    check(&SimPins::new(LedLine::ALL[..10].iter().copied()), script, expect);
}

/// One RGB LED: white beats, yellow is happy, blue is sad, red flashes.
#[rstest]
#[case::happy_is_yellow("2s happy .9", "0.0 +red, 0.0 +green, 0.0 +blue, 0.3 -blue, 1.9 -red, 1.9 -green")]
#[case::sad_is_blue("2s sad .9", "0.0 +red, 0.0 +green, 0.0 +blue, 0.3 -red, 0.3 -green, 1.9 -blue")]
#[case::from_happy_to_sad(
    "2s happy .9 | 2s sad .9",
    "0.0 +red, 0.0 +green, 0.0 +blue, 0.3 -blue, 2.3 -red, 2.3 -green, 2.3 +blue, 3.9 -blue"
)]
#[case::fault_is_red("fault | 400ms nobody", "0.0 +red, 0.12 -red, 0.3 +red, 0.3 -red")]
fn rgb_led(#[case] script: &str, #[case] expect: &str) {
    check(&SimPins::new([LedLine::Red, LedLine::Green, LedLine::Blue]), script, expect);
}

/// Each emotion lights its own LED and no other.
#[rstest]
fn each_emotion_has_its_led(#[values(0, 1, 2, 3, 4, 5)] index: usize) {
    let name = Emotion::ALL[index].name();
    check(
        &SimPins::one_per_emotion(),
        &format!("1s {name} .9"),
        &format!("0.0 +neutral, 0.3 -neutral, 0.3 +{name}, 0.9 -{name}"),
    );
}

#[test]
fn a_box_with_fewer_leds_shows_what_it_can() {
    let board = SimPins::new([LedLine::Emotion(Emotion::Happy), LedLine::Emotion(Emotion::Sad)]);
    check(&board, "1s happy .9 | 1s angry .9", "0.3 +happy, 1.3 -happy");
    // A fault is never dark: the first LED that there is flashes.
    check(&board, "fault | 200ms nobody", "0.0 +happy, 0.12 -happy");
}
