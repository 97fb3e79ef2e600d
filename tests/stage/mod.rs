//! A stage for the decision and the lights: plays a script of faces through the real parts, in made-up time.
//!
//! A script is a row of scenes: `"2s happy .9 | 1s nobody | 500ms sad .6 #2 @150 + neutral .8 #3"`. A face is an
//! emotion with its score (the rest is shared evenly by the others), the track (`#1` if not said) and the side of its
//! box in pixels (`@100` if not said). `fault`, `mute` and `recover` take no time. `uniform` is a face that shows nothing.

#![allow(dead_code)] // each test file uses its own part of the stage

use moodlight::decision::{Decision, DecisionSettings, Mood, Transition};
use moodlight::detector::Track;
use moodlight::emotion::{Emotion, EmotionScores};
use moodlight::frame::{Rect, Timestamp};
use moodlight::outputs::events::Event;
use moodlight::outputs::leds::{LedLine, LedSettings, Leds};
use moodlight::outputs::{Indicator, View};
use moodlight::sim::pins::SimPins;
use std::time::Duration;

pub type Faces = Vec<(Track, EmotionScores)>;

pub fn ms(t: u64) -> Timestamp {
    Timestamp::from_millis(t)
}

/// A visible, confirmed face.
pub fn face(id: u32, side: f32, scores: EmotionScores) -> (Track, EmotionScores) {
    let rect = Rect { x: 0.0, y: 0.0, w: side, h: side };
    (Track { id, rect, score: 0.9, landmarks: [(0.0, 0.0); 6], visible: true, confirmed: true }, scores)
}

/// `score` for one emotion, the rest shared evenly.
pub fn mostly(emotion: Emotion, score: f32) -> EmotionScores {
    let mut weights = [(1.0 - score) / 6.0; 7];
    weights[emotion.index()] = score;
    EmotionScores::from_weights(weights)
}

#[derive(Debug, Clone)]
pub enum Scene {
    Faces { lasts: Duration, faces: Faces },
    Fault,
    Mute,
    Recover,
}

/// Panics on a script that it cannot read: a mistake in the test.
pub fn parse(script: &str) -> Vec<Scene> {
    script.split('|').map(|scene| parse_scene(scene.trim())).collect()
}

fn parse_scene(scene: &str) -> Scene {
    match scene {
        "fault" => return Scene::Fault,
        "mute" => return Scene::Mute,
        "recover" => return Scene::Recover,
        _ => {}
    }
    let (lasts, faces) = scene.split_once(' ').expect("a scene is a time and faces");
    let lasts = match lasts.strip_suffix("ms") {
        Some(n) => Duration::from_millis(n.parse().expect("milliseconds")),
        None => Duration::from_secs(lasts.strip_suffix('s').expect("s or ms").parse().expect("seconds")),
    };
    let faces = match faces {
        "nobody" => Vec::new(),
        faces => faces.split('+').map(|f| parse_face(f.trim())).collect(),
    };
    Scene::Faces { lasts, faces }
}

fn parse_face(text: &str) -> (Track, EmotionScores) {
    let (mut id, mut side, mut score, mut emotion) = (1, 100.0, 1.0, None);
    for word in text.split_whitespace() {
        match word.split_at(1) {
            ("#", n) => id = n.parse().expect("track"),
            ("@", n) => side = n.parse().expect("side"),
            (".", _) => score = word.parse().expect("score"),
            _ => emotion = Some(word),
        }
    }
    let scores = match emotion.expect("an emotion") {
        "uniform" => EmotionScores::uniform(),
        name => mostly(Emotion::from_name(name).expect("a known emotion"), score),
    };
    face(id, side, scores)
}

/// Plays a script at `fps` as the runtime would: every frame, and a tick at every deadline in between. `watch` sees
/// each moment after the decision was made.
pub fn play(
    script: &str,
    fps: u64,
    settings: &DecisionSettings,
    mut watch: impl FnMut(&Decision, Timestamp, Option<Transition>, &Faces) -> Option<Timestamp>,
) {
    let mut decision = Decision::new(settings.clone());
    let mut deadline = None;
    let mut start = Duration::ZERO;
    let mut frame = 0;
    for scene in parse(script) {
        let (lasts, faces) = match scene {
            Scene::Fault | Scene::Mute | Scene::Recover => {
                let now = Timestamp::from_duration(start);
                let change = match scene {
                    Scene::Fault => decision.fault(now),
                    Scene::Mute => decision.mute(now),
                    _ => decision.recover(now),
                };
                deadline = watch(&decision, now, change, &Vec::new());
                continue;
            }
            Scene::Faces { lasts, faces } => (lasts, faces),
        };
        let end = start + lasts;
        loop {
            let at = Duration::from_micros(frame * 1_000_000 / fps);
            if at >= end {
                break;
            }
            tick_until(&mut decision, &mut deadline, Timestamp::from_duration(at), &mut watch);
            let now = Timestamp::from_duration(at);
            let change = decision.observe(&faces, now);
            deadline = watch(&decision, now, change, &faces);
            frame += 1;
        }
        tick_until(&mut decision, &mut deadline, Timestamp::from_duration(end), &mut watch);
        start = end;
    }
}

fn tick_until(
    decision: &mut Decision,
    deadline: &mut Option<Timestamp>,
    until: Timestamp,
    watch: &mut impl FnMut(&Decision, Timestamp, Option<Transition>, &Faces) -> Option<Timestamp>,
) {
    let mut last = Timestamp::ZERO;
    loop {
        let next = [*deadline, decision.next_change(last)].into_iter().flatten().min();
        let Some(now) = next.filter(|&t| t < until) else { return };
        let change = decision.tick(now);
        *deadline = watch(decision, now, change, &Vec::new());
        last = now;
    }
}

/// The mood's changes: `"0.3 happy, 3.0 no_face"`, in seconds.
pub fn moods(script: &str, fps: u64, settings: &DecisionSettings) -> String {
    let mut line = Vec::new();
    play(script, fps, settings, |_, _, change, _| {
        line.extend(change.map(|c| format!("{} {}", seconds(c.at), c.to.name())));
        None
    });
    line.join(", ")
}

/// What the lights do: `"0.3 +happy, 3.0 -happy, 3.0 +neutral"`.
pub fn lights(script: &str, fps: u64, settings: &DecisionSettings, board: &SimPins) -> String {
    let mut leds = Leds::new("simulated LEDs", board.pins(), &LedSettings::default()).expect("wiring");
    let mut line = Vec::new();
    let mut note = |now: Timestamp, events: &mut Vec<Event>| {
        for event in events.drain(..) {
            let Event::Led { line: name, on } = event else { panic!("lights only switch lights") };
            line.push(format!("{} {}{name}", seconds(now), if on { '+' } else { '-' }));
        }
    };
    let (mut events, mut last) = (Vec::new(), Timestamp::ZERO);
    play(script, fps, settings, |decision, now, _, faces| {
        let view = view(decision.mood(), faces);
        leds.show(&view, now, &mut events).expect("simulated pins work");
        note(now, &mut events);
        last = now;
        leds.next_change(now)
    });
    leds.off(last, &mut events).expect("simulated pins work");
    note(last, &mut events);
    assert!(LedLine::ALL.iter().all(|&l| !board.lit(l)), "a light is on after the end");
    line.join(", ")
}

pub fn view<'a>(mood: &'a Mood, faces: &'a Faces) -> View<'a> {
    View { mood, faces, picture: None, notice: None }
}

/// Seconds without superfluous zeros, at least one decimal.
fn seconds(t: Timestamp) -> String {
    let ms = t.as_millis();
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.into() }
}
