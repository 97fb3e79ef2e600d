//! Pins: which writes reach them, what a failing one does, which wirings make sense, how patterns run.

use crate::stage::{mostly, ms, view};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use moodlight::decision::{Mood, MoodKind};
use moodlight::emotion::Emotion;
use moodlight::frame::Timestamp;
use moodlight::outputs::Indicator;
use moodlight::outputs::events::Event;
use moodlight::outputs::leds::{LedLine, LedSettings, Leds, RgbRhythm, Wiring, led_pin, rgb_of, winks_of};
use moodlight::outputs::patterns::Pattern;
use moodlight::sim::pins::SimPins;
use rstest::rstest;
use std::time::Duration;

const HAPPY: LedLine = LedLine::Emotion(Emotion::Happy);
const SAD: LedLine = LedLine::Emotion(Emotion::Sad);

fn mood(kind: MoodKind, likeliest: Emotion) -> Mood {
    Mood { kind, since: Timestamp::ZERO, track: Some(1), scores: mostly(likeliest, 0.9) }
}

fn feels(emotion: Emotion) -> Mood {
    mood(MoodKind::Emotion(emotion), emotion)
}

fn leds(pins: Vec<(LedLine, &Mock)>) -> Leds {
    let pins = pins.into_iter().map(|(l, p)| (l, led_pin(l, p.clone()))).collect();
    Leds::new("test LEDs", pins, &LedSettings::default()).expect("wiring")
}

fn switches(events: &mut Vec<Event>) -> Vec<String> {
    let name = |e: Event| match e {
        Event::Led { line, on } => format!("{}{line}", if on { '+' } else { '-' }),
        other => panic!("{other:?}"),
    };
    events.drain(..).map(name).collect()
}

/// Low once at the start, written only on changes, low once more at the end.
#[test]
fn pins_are_written_when_their_level_changes() {
    let low = Transaction::set(State::Low);
    let high = Transaction::set(State::High);
    let mut happy = Mock::new(&[low.clone(), high.clone(), low.clone(), low.clone()]);
    let mut sad = Mock::new(&[low.clone(), high, low]);
    let mut leds = leds(vec![(HAPPY, &happy), (SAD, &sad)]);
    let mut events = Vec::new();
    for (t, emotion) in [(0, Emotion::Happy), (100, Emotion::Happy), (200, Emotion::Sad), (300, Emotion::Sad)]
    {
        leds.show(&view(&feels(emotion), &Vec::new()), ms(t), &mut events).expect("pins work");
    }
    leds.off(ms(400), &mut events).expect("pins work");
    assert_eq!(switches(&mut events), ["+happy", "-happy", "+sad", "-sad"]);
    happy.done();
    sad.done();
}

/// The line is named, the others go on, and it is tried again until it works.
#[test]
fn a_failing_pin_stops_no_other() {
    let low = Transaction::set(State::Low);
    let high = Transaction::set(State::High);
    let lost = MockError::Io(std::io::ErrorKind::NotConnected);
    let mut happy =
        Mock::new(&[low.clone(), high.clone(), low.clone().with_error(lost), low.clone(), low.clone()]);
    let mut sad = Mock::new(&[low.clone(), high, low]);
    let mut leds = leds(vec![(HAPPY, &happy), (SAD, &sad)]);
    let mut events = Vec::new();
    let none = Vec::new();
    leds.show(&view(&feels(Emotion::Happy), &none), ms(0), &mut events).expect("works");
    let error = leds.show(&view(&feels(Emotion::Sad), &none), ms(100), &mut events).expect_err("happy fails");
    assert!(error.to_string().contains("'happy'"), "{error}");
    assert_eq!(leds.failing().collect::<Vec<_>>(), [HAPPY]);
    assert_eq!(switches(&mut events), ["+happy", "+sad"]);
    leds.show(&view(&feels(Emotion::Sad), &none), ms(200), &mut events).expect("works again");
    assert_eq!(switches(&mut events), ["-happy"]);
    leds.off(ms(300), &mut events).expect("works");
    happy.done();
    sad.done();
}

/// Under `uncertain` the guess may change only in the dark.
#[test]
fn a_guess_does_not_jump_within_a_blink() {
    let board = SimPins::one_per_emotion();
    let mut leds = Leds::new("test", board.pins(), &LedSettings::default()).expect("wiring");
    let mut events = Vec::new();
    let mut at = |t, guess| {
        let unsure = mood(MoodKind::Uncertain, guess);
        leds.show(&view(&unsure, &Vec::new()), ms(t), &mut events).expect("works");
        switches(&mut events)
    };
    assert_eq!(at(0, Emotion::Happy), ["+happy"]);
    assert!(at(300, Emotion::Sad).is_empty());
    assert_eq!(at(600, Emotion::Sad), ["-happy"]);
    assert!(at(1100, Emotion::Sad).is_empty());
    assert_eq!(at(1200, Emotion::Happy), ["+sad"]);
}

/// However little a box has. An RGB LED speaks for itself.
#[rstest]
#[case::its_own(&[HAPPY, LedLine::Fault], &[LedLine::Fault])]
#[case::an_emotion(&[SAD, LedLine::NoFace], &[SAD])]
#[case::no_face_alone(&[LedLine::NoFace], &[LedLine::NoFace])]
#[case::uncertain_alone(&[LedLine::Uncertain], &[LedLine::Uncertain])]
#[case::rgb(&[LedLine::Red, LedLine::Green, LedLine::Blue, LedLine::NoFace], &[LedLine::Red])]
fn a_fault_is_never_dark(#[case] lines: &[LedLine], #[case] expect: &[LedLine]) {
    let board = SimPins::new(lines.iter().copied());
    let mut leds = Leds::new("test", board.pins(), &LedSettings::default()).expect("wiring");
    let fault = mood(MoodKind::Fault, Emotion::Neutral);
    leds.show(&view(&fault, &Vec::new()), ms(0), &mut Vec::new()).expect("works");
    let lit: Vec<LedLine> = board.levels().filter(|(_, lit)| *lit).map(|(line, _)| line).collect();
    assert_eq!(lit, expect);
}

#[test]
fn a_test_lights_one_line_alone() {
    let board = SimPins::one_per_emotion();
    let mut leds = Leds::new("test", board.pins(), &LedSettings::default()).expect("wiring");
    let mut events = Vec::new();
    leds.only(Some(HAPPY), &mut events).expect("works");
    leds.only(Some(SAD), &mut events).expect("works");
    leds.only(None, &mut events).expect("works");
    assert_eq!(switches(&mut events), ["+happy", "-happy", "+sad", "-sad"]);
    assert!(board.levels().all(|(_, lit)| !lit));
}

#[rstest]
#[case::one_led(&[HAPPY], None)]
#[case::rgb(&[LedLine::Red, LedLine::Green, LedLine::Blue], None)]
#[case::twice(&[HAPPY, SAD, HAPPY], Some("'happy' is wired to two pins"))]
#[case::half_an_rgb_led(&[LedLine::Red, LedLine::Blue], Some("no pin for 'green'"))]
#[case::nothing(&[], Some("no LED line"))]
fn wirings(#[case] lines: &[LedLine], #[case] refused: Option<&str>) {
    match (Wiring::new(lines.iter().copied()), refused) {
        (Ok(_), None) => {}
        (Err(e), Some(part)) => assert!(e.to_string().contains(part), "{e}"),
        (got, expect) => panic!("{got:?}, expected {expect:?}"),
    }
}

#[test]
fn line_names_are_those_of_config_and_trace() {
    let names: Vec<_> = LedLine::ALL.iter().map(|l| l.name()).collect();
    let expect = "angry disgust fear happy sad surprise neutral uncertain no_face fault red green blue";
    assert_eq!(names.join(" "), expect);
    for (i, line) in LedLine::ALL.into_iter().enumerate() {
        assert_eq!((line.index(), LedLine::from_name(line.name())), (i, Some(line)));
    }
}

/// Elapsed ms → lit, and the next edge.
#[rstest]
#[case(Pattern::DARK, 5, false, None)]
#[case(Pattern::STEADY, 0, true, None)]
#[case(Pattern::BLINK, 0, true, Some(600))]
#[case(Pattern::BLINK, 599, true, Some(600))]
#[case(Pattern::BLINK, 600, false, Some(1200))]
#[case(Pattern::BLINK, 1200, true, Some(1800))]
#[case(Pattern::PULSE, 399, true, Some(400))]
#[case(Pattern::PULSE, 400, false, Some(3000))]
#[case(Pattern::DOUBLE_FLASH, 119, true, Some(120))]
#[case(Pattern::DOUBLE_FLASH, 120, false, Some(300))]
#[case(Pattern::DOUBLE_FLASH, 300, true, Some(420))]
#[case(Pattern::DOUBLE_FLASH, 420, false, Some(1400))]
#[case(Pattern::DOUBLE_FLASH, 1400, true, Some(1520))]
#[case(Pattern::WINK, 2850, false, Some(3000))]
#[case::after_a_year(Pattern::BLINK, 31_536_000_000, true, Some(31_536_000_600))]
fn patterns(#[case] pattern: Pattern, #[case] at: u64, #[case] lit: bool, #[case] edge: Option<u64>) {
    let at = Duration::from_millis(at);
    assert_eq!((pattern.lit(at), pattern.next_edge(at)), (lit, edge.map(Duration::from_millis)));
}

/// WCAG 2.3.1: no more than three flashes within any second.
#[rstest]
#[case(Pattern::BLINK)]
#[case(Pattern::PULSE)]
#[case(Pattern::DOUBLE_FLASH)]
#[case(Pattern::WINK)]
#[case(Pattern::TWO_WINKS)]
fn no_pattern_flashes_more_than_three_times_a_second(#[case] pattern: Pattern) {
    let lit = |ms| pattern.lit(Duration::from_millis(ms));
    let flashes: Vec<u64> = (1..10_000).filter(|&t| lit(t) && !lit(t - 1)).collect();
    assert!(!flashes.is_empty());
    for (i, first) in flashes.iter().enumerate() {
        let within = flashes[i..].iter().take_while(|t| *t - first < 1000).count();
        assert!(within <= 3, "{within} flashes from {first} ms");
    }
}

/// Colours that colour-blind people confuse have different rhythms.
#[rstest]
#[case::red_green(Emotion::Angry, Emotion::Disgust)]
#[case::red_yellow(Emotion::Angry, Emotion::Happy)]
#[case::green_yellow(Emotion::Disgust, Emotion::Happy)]
#[case::blue_magenta(Emotion::Sad, Emotion::Fear)]
#[case::cyan_white(Emotion::Surprise, Emotion::Neutral)]
#[case::blue_green(Emotion::Sad, Emotion::Disgust)]
#[case::blue_cyan(Emotion::Sad, Emotion::Surprise)]
#[case::green_cyan(Emotion::Disgust, Emotion::Surprise)]
#[case::yellow_white(Emotion::Happy, Emotion::Neutral)]
#[case::red_magenta(Emotion::Angry, Emotion::Fear)]
fn confusable_colours_differ_in_rhythm(#[case] a: Emotion, #[case] b: Emotion) {
    assert_ne!(rgb_of(a), rgb_of(b));
    assert_ne!(winks_of(a), winks_of(b));
}

#[test]
fn an_rgb_led_may_wink() {
    let board = SimPins::new([LedLine::Red, LedLine::Green, LedLine::Blue]);
    let settings = LedSettings { rgb: RgbRhythm::Winks };
    let mut leds = Leds::new("test", board.pins(), &settings).expect("wiring");
    let mut events = Vec::new();
    leds.show(&view(&feels(Emotion::Sad), &Vec::new()), ms(0), &mut events).expect("works");
    assert_eq!(leds.next_change(ms(0)), Some(ms(2850)));
    leds.show(&view(&feels(Emotion::Sad), &Vec::new()), ms(2850), &mut events).expect("works");
    assert_eq!(switches(&mut events), ["+blue", "-blue"]);
}
