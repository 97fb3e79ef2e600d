//! The fault pattern without a session: the firmware could not start, and the light must say so.
//!
//! Nothing is captured or decided here. It ends when told to; the caller says for how long it lasts.

use super::Stop;
use super::heartbeat::Heartbeat;
use super::trace::Trace;
use crate::decision::{Mood, MoodKind};
use crate::emotion::EmotionScores;
use crate::frame::Timestamp;
use crate::outputs::events::Event;
use crate::outputs::{Indicator, View};
use std::time::{Duration, Instant};

/// The longest that a signal or the end goes unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// What is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Alarm<'a> {
    /// The part: `model`, `config`. A screen's advice goes by it.
    pub what: &'a str,
    pub detail: &'a str,
}

/// Who hears of it.
pub struct Audience<'a> {
    pub indicators: &'a mut [Box<dyn Indicator>],
    pub trace: Option<&'a mut Trace>,
    pub heartbeat: Option<&'a mut dyn Heartbeat>,
}

/// Shows `alarm` until `is_over` (asked ten times a second with the time since it began, and at once) or a signal; then
/// everything is dark. The result is the signal, if one came.
pub fn show(
    alarm: Alarm<'_>,
    audience: Audience<'_>,
    stop: &Stop,
    mut is_over: impl FnMut(Duration) -> bool,
) -> Option<i32> {
    let Alarm { what, detail } = alarm;
    let Audience { indicators, mut trace, mut heartbeat } = audience;
    log::error!("{what}: {detail}");
    let fault = Event::Fault { what: what.into(), detail: detail.into() };
    record(&mut trace, Timestamp::ZERO, &[fault]);
    if let Some(h) = &mut heartbeat {
        h.status(&format!("{what}: {detail}"));
    }
    let notice = format!("{what}: {detail}");
    let mood =
        Mood { kind: MoodKind::Fault, since: Timestamp::ZERO, track: None, scores: EmotionScores::uniform() };
    let view = View { mood: &mood, faces: &[], picture: None, notice: Some(&notice) };
    let started = Instant::now();
    let mut changes = Vec::new();
    loop {
        let now = Timestamp::from_duration(started.elapsed());
        let mut wait = TICK;
        for indicator in indicators.iter_mut() {
            if let Err(e) = indicator.show(&view, now, &mut changes) {
                log::debug!("{e}");
            }
            wait = indicator.next_change(now).map_or(wait, |due| wait.min(due.since(now)));
        }
        record(&mut trace, now, &std::mem::take(&mut changes));
        if stop.requested().is_some() || is_over(now.as_duration()) {
            break;
        }
        if let Some(h) = &mut heartbeat {
            h.beat();
        }
        std::thread::sleep(wait.max(Duration::from_millis(1)));
    }
    let now = Timestamp::from_duration(started.elapsed());
    for indicator in indicators.iter_mut() {
        if let Err(e) = indicator.off(now, &mut changes) {
            log::error!("could not be switched off: {e}");
        }
    }
    changes.push(Event::End { frames: 0, faces: 0, dropped: 0, faults: 1 });
    record(&mut trace, now, &changes);
    stop.requested()
}

fn record(trace: &mut Option<&mut Trace>, now: Timestamp, events: &[Event]) {
    let Some(out) = trace else { return };
    for event in events {
        if let Err(e) = out.write(now, event) {
            log::error!("{e}; no more is traced");
            *trace = None;
            return;
        }
    }
}
