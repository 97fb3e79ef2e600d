//! The decision's invariants under made-up faces, gaps, faults and settings. A failure prints the smallest input.

mod stage;

use moodlight::decision::{Decision, DecisionSettings, FacesPolicy, MoodKind, Thresholds, Transition};
use moodlight::emotion::{Emotion, EmotionScores};
use moodlight::frame::Timestamp;
use moodlight::outputs::leds::{LedLine, LedSettings, Leds};
use moodlight::outputs::{Indicator, events::Event};
use moodlight::sim::pins::SimPins;
use proptest::prelude::*;
use stage::{Faces, face, mostly, play, view};
use std::time::Duration;

#[derive(Debug, Clone)]
enum Act {
    See(Faces),
    Tick,
    Fault,
    Recover,
}

/// What happens, and how long after the one before.
type Story = Vec<(Duration, Act)>;

fn scores() -> impl Strategy<Value = EmotionScores> {
    prop_oneof![
        4 => (0usize..7, 0.2f32..1.0).prop_map(|(e, s)| mostly(Emotion::ALL[e], s)),
        2 => prop::array::uniform7(0.0f32..1.0).prop_map(EmotionScores::from_weights),
        1 => Just(EmotionScores::uniform()),
    ]
}

fn faces() -> impl Strategy<Value = Faces> {
    let one = (1u32..5, 20.0f32..200.0, scores(), prop::bool::weighted(0.9), prop::bool::weighted(0.9));
    prop::collection::vec(one, 0..4).prop_map(|list| {
        let mut faces: Faces = Vec::new();
        for (id, side, scores, visible, confirmed) in list {
            if faces.iter().all(|(t, _)| t.id != id) {
                let mut f = face(id, side, scores);
                (f.0.visible, f.0.confirmed) = (visible, confirmed);
                faces.push(f);
            }
        }
        faces
    })
}

fn story() -> impl Strategy<Value = Story> {
    let act = prop_oneof![
        20 => faces().prop_map(Act::See),
        3 => Just(Act::Tick),
        1 => Just(Act::Fault),
        2 => Just(Act::Recover),
    ];
    let wait = prop_oneof![8 => 0u64..200, 2 => 200u64..3000].prop_map(Duration::from_millis);
    prop::collection::vec((wait, act), 1..120)
}

fn settings() -> impl Strategy<Value = DecisionSettings> {
    let times = (0u64..1000, 0u64..2000, 0u64..2000, 0u64..1500);
    let marks = (prop::array::uniform7(0.2f32..0.9), 0.0f32..0.4, any::<bool>());
    (times, marks).prop_map(|((smoothing_ms, dwell_ms, hold_ms, uncertain_ms), (t, hysteresis, majority))| {
        let [angry, disgust, fear, happy, sad, surprise, neutral] = t;
        let thresholds = Thresholds { angry, disgust, fear, happy, sad, surprise, neutral };
        let faces = if majority { FacesPolicy::Majority } else { FacesPolicy::Largest };
        DecisionSettings { smoothing_ms, thresholds, hysteresis, dwell_ms, hold_ms, uncertain_ms, faces }
    })
}

fn act(decision: &mut Decision, act: &Act, now: Timestamp) -> Option<Transition> {
    match act {
        Act::See(faces) => decision.observe(faces, now),
        Act::Tick => decision.tick(now),
        Act::Fault => decision.fault(now),
        Act::Recover => decision.recover(now),
    }
}

/// Runs a story; `check` sees every step.
fn run(
    story: &Story,
    settings: &DecisionSettings,
    mut check: impl FnMut(&Decision, Timestamp, Option<Transition>),
) {
    let mut decision = Decision::new(settings.clone());
    let mut now = Timestamp::ZERO;
    for (wait, what) in story {
        now = now + *wait;
        let change = act(&mut decision, what, now);
        check(&decision, now, change);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changes_are_never_closer_than_the_dwell_but_for_faults(story in story(), settings in settings()) {
        let mut last: Option<Transition> = None;
        run(&story, &settings, |_, _, change| {
            let Some(change) = change else { return };
            if let Some(last) = last
                && change.to != MoodKind::Fault
                && change.from != MoodKind::Fault
            {
                assert!(change.at.since(last.at) >= settings.dwell(), "{last:?} then {change:?}");
            }
            last = Some(change);
        });
    }

    #[test]
    fn changes_join_and_agree_with_the_mood(story in story(), settings in settings()) {
        let mut kind = MoodKind::NoFace;
        run(&story, &settings, |decision, now, change| {
            if let Some(c) = change {
                assert_eq!(c.from, kind);
                assert_ne!(c.to, kind);
                assert_eq!((c.at, decision.mood().since), (now, now));
                kind = c.to;
            }
            assert_eq!(decision.mood().kind, kind);
            let sum: f32 = decision.mood().scores.as_array().iter().sum();
            assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        });
    }

    /// An emotion is entered only while the scores that decide are above its lower mark.
    #[test]
    fn an_emotion_is_shown_for_a_reason(story in story(), settings in settings()) {
        run(&story, &settings, |decision, _, change| {
            if let Some(Transition { to: MoodKind::Emotion(e), .. }) = change
                && settings.faces == FacesPolicy::Largest
            {
                let score = decision.mood().scores.get(e);
                assert!(score >= settings.leave(e) - 1e-5, "{e} at {score}, {:?}", decision.mood());
            }
        });
    }

    #[test]
    fn the_same_story_gives_the_same_changes(story in story(), settings in settings()) {
        let told = || {
            let mut all = Vec::new();
            run(&story, &settings, |d, _, c| all.push((c, d.mood().clone())));
            all
        };
        prop_assert_eq!(told(), told());
    }

    /// `next_change` is the exact moment: nothing happens before it, and it happens then.
    #[test]
    fn next_change_is_honest(story in story(), settings in settings()) {
        run(&story, &settings, |decision, now, _| {
            let due = decision.next_change(now);
            let far = now + Duration::from_secs(3600);
            match due {
                None => assert_eq!(decision.clone().tick(far), None),
                Some(due) => {
                    // Only a recovery leaves something due at once: it is a change itself.
                    assert!(due > now || decision.mood().since == now, "{due:?} at {now:?}");
                    let before = due.as_duration().saturating_sub(Duration::from_nanos(1));
                    if due > now {
                        assert_eq!(decision.clone().tick(Timestamp::from_duration(before)), None);
                    }
                    assert_eq!(decision.clone().tick(due).map(|c| c.at), Some(due));
                }
            }
        });
    }

    /// Time may do anything: nothing panics, and once it flows again a clear face is shown.
    #[test]
    fn any_time_is_survived(
        times in prop::collection::vec(0u64..100_000, 1..60),
        frames in prop::collection::vec(faces(), 1..60),
        settings in settings(),
    ) {
        let mut decision = Decision::new(settings.clone());
        for (t, faces) in times.iter().zip(&frames) {
            decision.observe(faces, stage::ms(*t));
        }
        let start = *times.last().unwrap();
        for t in 0..150 {
            decision.observe(&[face(77, 100.0, mostly(Emotion::Happy, 1.0))], stage::ms(start + t * 100));
        }
        prop_assert_eq!(decision.mood().kind, MoodKind::Emotion(Emotion::Happy));
    }

    /// Within the band between leaving and entering nothing changes, however the scores move.
    #[test]
    fn nothing_changes_within_the_hysteresis(
        scores in prop::collection::vec(0.01f32..0.99, 1..100),
        threshold in 0.3f32..0.7,
        hysteresis in 0.05f32..0.2,
        shown in any::<bool>(),
    ) {
        let settings = DecisionSettings {
            smoothing_ms: 0, thresholds: Thresholds::uniform(threshold), hysteresis, ..DecisionSettings::default()
        };
        let mut decision = Decision::new(settings);
        let start = if shown { 0.99 } else { 0.15 };
        for t in 0..30 {
            decision.observe(&[face(1, 100.0, mostly(Emotion::Happy, start))], stage::ms(t * 100));
        }
        let before = decision.mood().kind;
        for (i, s) in scores.iter().enumerate() {
            let score = threshold - hysteresis * s;
            let change = decision.observe(
                &[face(1, 100.0, mostly(Emotion::Happy, score))], stage::ms(3000 + i as u64 * 100));
            prop_assert_eq!(change, None, "at {} between {} and {}", score, threshold - hysteresis, threshold);
        }
        prop_assert_eq!(before, if shown { MoodKind::Emotion(Emotion::Happy) } else { MoodKind::Uncertain });
    }

    /// The lights of any story: never two emotions at once, all dark at the end, and every switch is in the trace.
    #[test]
    fn never_two_emotion_lights(
        story in story(), settings in settings(), extra in prop::bool::ANY,
    ) {
        let lines = if extra { &LedLine::ALL[..] } else { &LedLine::ALL[..7] };
        let board = SimPins::new(lines.iter().copied());
        let mut leds = Leds::new("test", board.pins(), &LedSettings::default()).unwrap();
        let mut lit = std::collections::HashSet::new();
        let mut events = Vec::new();
        let none = Faces::new();
        run(&story, &settings, |decision, now, _| {
            leds.show(&view(decision.mood(), &none), now, &mut events).unwrap();
            follow(&mut events, &mut lit);
            assert!(LedLine::ALL.iter().all(|l| lit.contains(l.name()) == board.lit(*l)));
        });
        leds.off(Timestamp::ZERO, &mut events).unwrap();
        follow(&mut events, &mut lit);
        prop_assert!(lit.is_empty());
    }

    /// The frame rate changes when something is noticed, not what.
    ///
    /// With `d` between frames, a new face is first seen up to `d` late and the smoothed score is looked at up to `d`
    /// late. On a step of a known face's scores the first new sample counts for the whole interval before it, up to
    /// `d` early. So a change comes from `d` before to `2·d` after the ideal moment, for a new face not before it, and
    /// two rates differ by at most `2·d` of the slower one; hold, dwell and patience add the same delay to each.
    #[test]
    fn frame_rates_agree(
        scenes in prop::collection::vec((prop::option::weighted(0.8, (0usize..7, 70u32..98)), 3500u64..6000), 1..6),
    ) {
        let script: Vec<String> = scenes.iter().map(|(who, ms)| match who {
            Some((e, score)) => format!("{ms}ms {} .{score}", Emotion::ALL[*e]),
            None => format!("{ms}ms nobody"),
        }).collect();
        let script = script.join(" | ");
        let changes = |fps| {
            let mut all: Vec<Transition> = Vec::new();
            play(&script, fps, &DecisionSettings::default(), |_, _, c, _| { all.extend(c); None });
            all
        };
        let (slow, usual, fast) = (changes(5), changes(10), changes(30));
        for (a, b, bound) in [(&slow, &usual, 400), (&slow, &fast, 400), (&usual, &fast, 200)] {
            let kinds = |t: &[Transition]| t.iter().map(|c| c.to).collect::<Vec<_>>();
            prop_assert_eq!(kinds(a), kinds(b), "{}", &script);
            for (x, y) in a.iter().zip(b) {
                let apart = x.at.since(y.at).max(y.at.since(x.at));
                prop_assert!(apart <= Duration::from_millis(bound), "{} {:?} {:?}", &script, x, y);
            }
        }
    }
}

/// Applies the trace's switches one by one.
fn follow(events: &mut Vec<Event>, lit: &mut std::collections::HashSet<String>) {
    for event in events.drain(..) {
        let Event::Led { line, on } = event else { panic!("{event:?}") };
        let changed = if on { lit.insert(line.clone()) } else { lit.remove(&line) };
        assert!(changed, "{line} was switched to what it was");
        let emotions = lit.iter().filter(|l| Emotion::from_name(l).is_some()).count();
        assert!(emotions <= 1, "{lit:?}");
    }
}
