//! Everything that hears of a change: indicators, trace, watchdogs; and what of it does not work.

use super::heartbeat::Heartbeat;
use super::trace::Trace;
use crate::decision::{Mood, Transition};
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
    changes: Vec<Event>,
}

impl Lights {
    pub fn new(
        indicators: Vec<Box<dyn Indicator>>,
        trace: Option<Trace>,
        heartbeat: Option<Box<dyn Heartbeat>>,
    ) -> Self {
        Self { indicators, trace, heartbeat, faults: BTreeMap::new(), fault_count: 0, changes: Vec::new() }
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
        if let Some(h) = &mut self.heartbeat {
            h.status(to.name());
        }
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
                Err(e) => _ = self.enter_fault(&what, &e.reason, now),
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
        if let Some(h) = &mut self.heartbeat {
            h.status(&format!("{what}: {detail}"));
        }
        true
    }

    pub fn leave_fault(&mut self, what: &str, now: Timestamp) {
        if self.faults.remove(what).is_some() {
            log::info!("{what}: works again");
            self.record(now, &Event::Recovered { what: what.to_owned() });
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
