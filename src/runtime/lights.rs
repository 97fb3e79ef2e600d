//! Everything that hears of a change: indicators, trace, watchdogs; and what of it does not work.

use super::heartbeat::Heartbeat;
use super::trace::Trace;
use crate::decision::{Mood, MoodKind, Transition};
use crate::frame::Timestamp;
use crate::outputs::events::Event;
use crate::outputs::{Indicator, View};
use std::collections::BTreeMap;

/// Indicators, trace and faults: everything that hears of a change.
pub(super) struct Lights {
    pub indicators: Vec<Box<dyn Indicator>>,
    trace: Option<Trace>,
    pub heartbeat: Option<Box<dyn Heartbeat>>,
    /// What doesn't work at the moment, by part, and why.
    pub faults: BTreeMap<String, String>,
    pub fault_count: u64,
    /// The mood's name, for the status.
    mood: &'static str,
    changes: Vec<Event>,
}

impl Lights {
    pub fn new(
        indicators: Vec<Box<dyn Indicator>>,
        trace: Option<Trace>,
        heartbeat: Option<Box<dyn Heartbeat>>,
    ) -> Self {
        Self {
            indicators,
            trace,
            heartbeat,
            faults: BTreeMap::new(),
            fault_count: 0,
            mood: MoodKind::NoFace.name(),
            changes: Vec::new(),
        }
    }

    /// Everything is set up, and `mood` is shown.
    pub fn ready(&mut self, mood: &Mood) {
        self.mood = mood.kind.name();
        if let Some(h) = &mut self.heartbeat {
            h.ready();
        }
        self.tell_status();
    }

    /// One line for people: the first part that doesn't work, else the mood.
    fn tell_status(&mut self) {
        let Some(h) = &mut self.heartbeat else { return };
        match self.faults.first_key_value() {
            Some((what, detail)) => h.status(&format!("{what}: {detail}")),
            None => h.status(self.mood),
        }
    }

    pub fn record(&mut self, now: Timestamp, event: &Event) {
        let Some(trace) = &mut self.trace else { return };
        if let Err(e) = trace.write(now, event) {
            // A reader that went away, or a full disk, must not darken the light.
            log::error!("{e}; no more is traced");
            self.trace = None;
        }
    }

    pub fn transition(&mut self, mood: &Mood, transition: Option<Transition>) {
        let Some(Transition { from, to, at }) = transition else { return };
        let scores = to.has_face().then_some(mood.scores);
        self.record(at, &Event::State { from, to, track: mood.track, scores });
        log::debug!("{} → {}", from.name(), to.name());
        self.mood = to.name();
        self.tell_status();
    }

    /// Shows `view` on every indicator; one that fails is a fault of its own and doesn't stop the others. They stay in
    /// their place meanwhile: a panic in one must not lose those that are to be switched off.
    pub fn show(&mut self, view: &View<'_>, now: Timestamp) {
        let mut changes = std::mem::take(&mut self.changes);
        for i in 0..self.indicators.len() {
            let indicator = &mut self.indicators[i];
            let shown = indicator.show(view, now, &mut changes);
            if shown.is_ok() && self.faults.is_empty() {
                continue;
            }
            let what = indicator.describe();
            match shown {
                Ok(()) => self.leave_fault(&what, now),
                Err(e) => _ = self.enter_fault(&what, &e.reason, now) || self.still_faulted(&what, &e.reason),
            }
        }
        self.record_all(changes, now);
    }

    fn record_all(&mut self, mut changes: Vec<Event>, now: Timestamp) {
        for change in changes.drain(..) {
            self.record(now, &change);
        }
        self.changes = changes; // keeps its allocation
    }

    /// False when it was known already.
    pub fn enter_fault(&mut self, what: &str, detail: &str, now: Timestamp) -> bool {
        if self.faults.contains_key(what) {
            return false;
        }
        self.faults.insert(what.to_owned(), detail.to_owned());
        self.fault_count += 1;
        log::error!("{what}: {detail}");
        self.record(now, &Event::Fault { what: what.to_owned(), detail: detail.to_owned() });
        self.tell_status();
        true
    }

    /// Hears again of a fault that is known; true where the reason is another one. Figures alone ("for 3.1 s") make none.
    pub fn still_faulted(&mut self, what: &str, detail: &str) -> bool {
        let words = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        let Some(known) = self.faults.get_mut(what) else { return false };
        if words(known) == words(detail) {
            return false;
        }
        detail.clone_into(known);
        log::error!("{what}: {detail}");
        self.tell_status();
        true
    }

    pub fn leave_fault(&mut self, what: &str, now: Timestamp) {
        if self.faults.remove(what).is_some() {
            log::info!("{what}: works again");
            self.record(now, &Event::Recovered { what: what.to_owned() });
            self.tell_status();
        }
    }

    pub fn off(&mut self, now: Timestamp) {
        let mut changes = std::mem::take(&mut self.changes);
        for indicator in &mut self.indicators {
            if let Err(e) = indicator.off(now, &mut changes) {
                log::error!("could not be switched off: {e}");
            }
        }
        self.record_all(changes, now);
        if let Some(h) = &mut self.heartbeat {
            h.stopping();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emotion::{Emotion, EmotionScores};
    use rstest::rstest;
    use std::sync::{Arc, Mutex};

    /// Remembers the last status.
    #[derive(Clone, Default)]
    struct Manager(Arc<Mutex<String>>);

    impl Heartbeat for Manager {
        fn ready(&mut self) {}
        fn beat(&mut self) {}
        fn status(&mut self, text: &str) {
            text.clone_into(&mut self.0.lock().unwrap());
        }
        fn pausing(&mut self) {}
        fn stopping(&mut self) {}
    }

    fn change_mood(lights: &mut Lights, name: &str) {
        let kind = MoodKind::Emotion(Emotion::from_name(name).expect("an emotion"));
        let mood = Mood { kind, since: Timestamp::ZERO, track: None, scores: EmotionScores::uniform() };
        lights.transition(&mood, Some(Transition { from: MoodKind::NoFace, to: kind, at: Timestamp::ZERO }));
    }

    /// `+oled` breaks, `-oled` works again, `~oled` is broken in another way, another word is a mood → the status after that.
    #[rstest]
    #[case::a_mood("happy", "happy")]
    #[case::a_fault("happy +oled", "oled: broken")]
    #[case::a_fault_that_is_over("happy +oled -oled", "happy")]
    #[case::a_mood_does_not_hide_a_fault("+oled happy", "oled: broken")]
    #[case::nor_is_it_forgotten("+oled happy -oled", "happy")]
    #[case::another_fault("+oled +camera", "camera: broken")]
    #[case::one_fault_is_left("+oled +camera -camera", "oled: broken")]
    #[case::nobody_yet("+oled -oled", "no_face")]
    #[case::another_reason("+oled ~oled", "oled: busy for 2 s")]
    #[case::another_reason_for_nothing("~oled happy", "happy")]
    fn the_status_is_what_does_not_work_or_the_mood(#[case] script: &str, #[case] expect: &str) {
        let manager = Manager::default();
        let mut lights = Lights::new(Vec::new(), None, Some(Box::new(manager.clone())));
        for word in script.split(' ') {
            match word.split_at(1) {
                ("+", what) => _ = lights.enter_fault(what, "broken", Timestamp::ZERO),
                ("~", what) => _ = lights.still_faulted(what, "busy for 2 s"),
                ("-", what) => lights.leave_fault(what, Timestamp::ZERO),
                _ => change_mood(&mut lights, word),
            }
        }
        assert_eq!(*manager.0.lock().unwrap(), expect);
    }

    /// What is known of a fault and what is said of it next → whether that is another reason.
    #[rstest]
    #[case::the_same("no such camera", "no such camera", false)]
    #[case::later("no frame for 1.6 s", "no frame for 12.0 s", false)]
    #[case::another("no such camera", "no permission", true)]
    fn a_fault_is_told_again_when_its_reason_is_another(
        #[case] known: &str,
        #[case] next: &str,
        #[case] expect: bool,
    ) {
        let mut lights = Lights::new(Vec::new(), None, None);
        lights.enter_fault("camera", known, Timestamp::ZERO);
        assert_eq!(lights.still_faulted("camera", next), expect);
        assert_eq!(lights.fault_count, 1);
    }
}
