//! What happens at an instant: a frame, a deadline, a fault, the end. Told the time; has no clock.
//!
//! Both ways of running ([`lockstep`](super::lockstep) and [`live`](super::live)) drive the same session, so what is
//! tested on a recording is what runs on a board.

use super::heartbeat::Heartbeat;
use super::lights::Lights;
use super::trace::Trace;
use crate::decision::Decision;
use crate::frame::{Frame, GrayView, Timestamp};
use crate::outputs::events::Event;
use crate::outputs::{Indicator, View};
use crate::pipeline::{Eyes, Faces, Pipeline, PipelineError, decide};
use std::time::Duration;

/// What the end of a run reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames worked through.
    pub frames: u64,
    /// Faces classified, summed over frames.
    pub faces: u64,
    /// Frames lost, replaced by a newer one, or damaged.
    pub dropped: u64,
    /// Faults entered (camera, display, …).
    pub faults: u64,
}

/// Whether a frame could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameOutcome {
    Used,
    /// Left out and counted: the picture in it was damaged.
    Damaged,
}

/// What comes within so long can wait for a blink.
const NEAR: Duration = Duration::from_millis(500);
/// Part name of a fault that darkens the mood: without a camera there is nothing to feel.
const CAMERA: &str = "camera";

/// Eyes and decision, what they light, and what is written down about it.
pub struct Session {
    /// Lent to a thread of their own in a live run.
    eyes: Option<Eyes>,
    decision: Decision,
    faces: Faces,
    lights: Lights,
    counters: Counters,
    now: Timestamp,
    /// What a screen tells the person: why the camera doesn't work. Empty when all is well.
    notice: String,
    finished: bool,
    /// Damaged frames since the last good one; only the first of a row is logged as a warning.
    damaged_in_a_row: u64,
}

impl Session {
    pub fn new(
        pipeline: Pipeline,
        indicators: Vec<Box<dyn Indicator>>,
        trace: Option<Trace>,
        heartbeat: Option<Box<dyn Heartbeat>>,
    ) -> Self {
        let (eyes, decision) = pipeline.into_parts();
        Self {
            eyes: Some(eyes),
            decision,
            faces: Faces::new(),
            lights: Lights::new(indicators, trace, heartbeat),
            counters: Counters::default(),
            now: Timestamp::ZERO,
            notice: String::new(),
            finished: false,
            damaged_in_a_row: 0,
        }
    }

    /// Writes the start event, shows the first mood (nobody there) and reports readiness.
    pub fn start(&mut self, event: &Event) {
        self.lights.record(self.now, event);
        self.show();
        self.lights.ready(self.decision.mood());
    }

    /// A part that was asked for is not there: a fault that stays. The mood goes on with what works.
    pub fn missing(&mut self, what: &str, why: &str) {
        self.lights.enter_fault(what, why, self.now);
    }

    /// The time of the last thing that happened.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The next instant at which something changes by itself: a blink, a hold that runs out.
    pub fn next_change(&self) -> Option<Timestamp> {
        let own = self.decision.next_change(self.now);
        self.lights.indicators.iter().map(|i| i.next_change(self.now)).chain([own]).flatten().min()
    }

    /// Lets time pass up to `now`, doing on the way what falls due, each at its own instant.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(due) = self.next_change() {
            // A deadline that doesn't move on must not hold the clock still.
            let at = due.max(self.now + Duration::from_millis(1));
            if at > now {
                break;
            }
            self.now = at;
            let transition = self.decision.tick(self.now);
            self.lights.transition(self.decision.mood(), transition);
            self.show();
        }
        self.now = self.now.max(now);
    }

    /// The eyes, for a thread of their own; what they see comes back by [`on_seen`](Self::on_seen).
    pub fn lend_eyes(&mut self) -> Option<Eyes> {
        self.eyes.take()
    }

    /// Works through one frame at `now`. Nothing happens while the eyes are lent.
    pub fn on_frame(&mut self, frame: &Frame, now: Timestamp) -> Result<FrameOutcome, PipelineError> {
        self.advance(now);
        let (Some(mut eyes), mut faces) = (self.eyes.take(), std::mem::take(&mut self.faces)) else {
            return Ok(FrameOutcome::Damaged);
        };
        let outcome = match eyes.look(frame, self.now, &mut faces) {
            Ok(picture) => {
                self.on_seen(frame.sequence, &mut faces, picture, now);
                Ok(FrameOutcome::Used)
            }
            Err(PipelineError::Frame(e)) => {
                self.on_damaged(&e.to_string());
                Ok(FrameOutcome::Damaged)
            }
            Err(e) => Err(e),
        };
        (self.eyes, self.faces) = (Some(eyes), faces);
        outcome
    }

    /// What the eyes saw in a frame, heard of at `now`.
    pub fn on_seen(&mut self, sequence: u64, faces: &mut Faces, picture: GrayView<'_>, now: Timestamp) {
        self.advance(now);
        let transition = decide(&mut self.decision, faces, self.now);
        self.damaged_in_a_row = 0;
        self.counters.frames += 1;
        self.counters.faces += faces.len() as u64;
        self.lights.record(self.now, &Event::Frame { sequence, faces: faces.len() });
        let mood = self.decision.mood();
        self.lights.transition(mood, transition);
        self.lights
            .show(&View { mood, faces, picture: Some(picture), notice: notice(&self.notice) }, self.now);
        self.beat();
    }

    /// A frame came damaged and is left out.
    pub fn on_damaged(&mut self, reason: &str) {
        self.counters.dropped += 1;
        let level = if self.damaged_in_a_row == 0 { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "frame left out: {reason}");
        self.damaged_in_a_row += 1;
    }

    /// `n` frames were lost before they came here.
    pub fn count_dropped(&mut self, n: u64) {
        self.counters.dropped += n;
    }

    /// The camera stopped working: it becomes the mood, and is traced once. Another reason while it lasts is what screen and status
    /// say from then on: who has plugged a camera in must read why that one doesn't open.
    pub fn camera_fault(&mut self, detail: &str, now: Timestamp) {
        self.advance(now);
        let is_new = self.lights.enter_fault(CAMERA, detail, self.now);
        if !is_new && !self.lights.still_faulted(CAMERA, detail) {
            return;
        }
        detail.clone_into(&mut self.notice);
        if !is_new {
            // A blink that is near shows it: drawing a page takes a slow board longer than a flash, which would be late or lost.
            if self.next_change().is_none_or(|due| due.since(self.now) > NEAR) {
                self.show();
            }
            return;
        }
        let transition = self.decision.fault(self.now);
        self.lights.transition(self.decision.mood(), transition);
        self.show();
    }

    /// The camera was closed by hand, which is no fault.
    pub fn camera_muted(&mut self, now: Timestamp) {
        self.advance(now);
        self.lights.leave_fault(CAMERA, self.now);
        self.notice.clear();
        if let Some(transition) = self.decision.mute(self.now) {
            self.lights.transition(self.decision.mood(), Some(transition));
            self.show();
        }
    }

    /// The camera works again; says nothing if it never failed.
    pub fn camera_recovered(&mut self, now: Timestamp) {
        if !self.decision.mood().kind.is_blind() {
            return;
        }
        self.advance(now);
        self.lights.leave_fault(CAMERA, self.now);
        self.notice.clear();
        let transition = self.decision.recover(self.now);
        self.lights.transition(self.decision.mood(), transition);
        self.show();
    }

    pub fn is_camera_faulted(&self) -> bool {
        self.lights.faults.contains_key(CAMERA)
    }

    /// The board's heat changed how many frames a second are worked on; `None`: all of them again.
    pub fn heat(&mut self, celsius: f32, frames_per_second: Option<u32>, now: Timestamp) {
        self.advance(now);
        match frames_per_second {
            Some(n) => log::warn!("the board is at {celsius:.1} °C: {n} frames a second until it is cooler"),
            None => log::info!("the board is at {celsius:.1} °C: every frame again"),
        }
        self.lights.record(self.now, &Event::Heat { celsius, frames_per_second });
    }

    /// What time of day it is, in minutes after midnight: night hours begin and end.
    pub fn local_time(&mut self, minute: u16, now: Timestamp) {
        self.advance(now);
        self.lights.indicators.iter_mut().for_each(|i| i.local_time(minute));
        self.show();
    }

    /// Progress was made: the watchdogs may know.
    pub fn beat(&mut self) {
        if let Some(h) = &mut self.lights.heartbeat {
            h.beat();
        }
    }

    /// Everything dark, the end event written. Later calls change nothing.
    pub fn finish(&mut self, now: Timestamp) -> Counters {
        if !self.finished {
            self.finished = true;
            self.now = self.now.max(now);
            self.lights.off(self.now);
            let Counters { frames, faces, dropped, faults } = self.counters();
            self.lights.record(self.now, &Event::End { frames, faces, dropped, faults });
        }
        self.counters()
    }

    fn counters(&self) -> Counters {
        Counters { faults: self.lights.fault_count, ..self.counters }
    }

    /// Shows the mood without a new picture.
    fn show(&mut self) {
        let view =
            View { mood: self.decision.mood(), faces: &[], picture: None, notice: notice(&self.notice) };
        self.lights.show(&view, self.now);
    }
}

/// A run that unwinds must not leave a light on.
impl Drop for Session {
    fn drop(&mut self) {
        if !self.finished {
            self.lights.off(self.now);
        }
    }
}

fn notice(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
