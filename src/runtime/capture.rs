//! The capture thread of a live run: opens the camera, reads it, and when reading fails closes everything and opens anew,
//! with growing pauses ([`Backoff`]). It is the only thread that may block on the device.

use super::SourceOpener;
use super::live::LiveOptions;
use super::seeing::Answer;
use super::slot::{CameraState, Slot};
use crate::frame::{Frame, Timestamp};
use crate::source::{Delivery, FrameSource, SourceError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest that the wish to end goes unnoticed, and that no sign of life is given.
const TICK: Duration = Duration::from_millis(100);

/// The capture thread.
pub struct Capture {
    pub slot: Arc<Slot<Answer>>,
    pub quit: Arc<AtomicBool>,
    /// Time stamps count from here.
    pub started: Instant,
    pub options: LiveOptions,
}

/// Why reading a source came to its end.
enum ReadEnd {
    Asked,
    Over,
    Failed(SourceError),
}

impl Capture {
    /// Until asked to quit, or until there is nothing more to capture.
    pub fn run(self, mut opener: Box<dyn SourceOpener>) {
        let result = catch_unwind(AssertUnwindSafe(|| self.supervise(opener.as_mut())));
        self.slot.report(CameraState::Ended(match result {
            Ok(reason) => reason,
            Err(_) => {
                Some("the capture thread panicked; this is a defect of moodlight, please report it".into())
            }
        }));
    }

    /// Opens and reads until asked to end. The result is the reason to end the run, if there is one.
    fn supervise(&self, opener: &mut dyn SourceOpener) -> Option<String> {
        let (mut backoff, mut worked_once) = (Backoff::default(), false);
        loop {
            self.slot.report(CameraState::Opening);
            let (end, source) = match opener.open() {
                Ok(mut source) => {
                    log::info!("{}", source.describe());
                    worked_once = true;
                    (self.read(source.as_mut(), &mut backoff), Some(source))
                }
                Err(e) => (ReadEnd::Failed(e), None),
            };
            let state = match end {
                ReadEnd::Asked | ReadEnd::Over => return None,
                ReadEnd::Failed(SourceError::Muted { .. }) => CameraState::Muted,
                ReadEnd::Failed(e) if !worked_once && !self.options.best_effort => {
                    return Some(e.to_string());
                }
                ReadEnd::Failed(e) => CameraState::Faulted(e.to_string()),
            };
            if let CameraState::Faulted(why) = &state {
                log::debug!("{why}");
            }
            self.slot.report(state);
            drop(source); // after the report: closing a device that is gone may take its driver a while
            if !self.pause(opener, &mut backoff) {
                return None;
            }
        }
    }

    fn read(&self, source: &mut dyn FrameSource, backoff: &mut Backoff) -> ReadEnd {
        let mut frame = Frame::default();
        let (mut last, mut next_sequence) = (Instant::now(), None);
        loop {
            if self.quit.load(Ordering::Relaxed) {
                return ReadEnd::Asked;
            }
            match source.next_frame(&mut frame, TICK) {
                Ok(Delivery::Frame) => {
                    last = Instant::now();
                    *backoff = Backoff::default();
                    match next_sequence {
                        Some(expected) => self.slot.count_damaged(frame.sequence.saturating_sub(expected)),
                        None => self.slot.allow(source.longest_silence(false)),
                    }
                    next_sequence = Some(frame.sequence + 1);
                    frame.timestamp = Timestamp::from_duration(self.started.elapsed());
                    self.slot.put(&mut frame);
                    self.slot.report(CameraState::Running);
                }
                Ok(Delivery::Idle) => self.slot.alive(),
                Ok(Delivery::End) => return ReadEnd::Over,
                Err(SourceError::BadFrame { reason, .. }) => {
                    log::debug!("{}: damaged frame left out: {reason}", source.describe());
                    self.slot.count_damaged(1);
                }
                Err(e) => return ReadEnd::Failed(e),
            }
            // Silence, or nothing but damage: a stream that lost its place may stay so until it is started again.
            let silence = last.elapsed();
            if silence > self.options.reopen_after.max(source.longest_silence(next_sequence.is_none())) {
                let reason = format!("no good frame for {:.1} s; opening it anew", silence.as_secs_f32());
                return ReadEnd::Failed(SourceError::Lost { source_name: source.describe(), reason });
            }
        }
    }

    /// Waits before the next attempt; a hint from the opener cuts it short. False when asked to end.
    fn pause(&self, opener: &mut dyn SourceOpener, backoff: &mut Backoff) -> bool {
        let until = Instant::now() + backoff.next_pause();
        loop {
            if self.quit.load(Ordering::Relaxed) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            self.slot.alive();
            if opener.wait(left.min(TICK)) {
                *backoff = Backoff::default();
                return true;
            }
        }
    }
}

/// Pauses between attempts to open a device: 0.25 s, doubling up to 5 s; short again after a success or a hint.
#[derive(Debug, Clone, Copy)]
pub struct Backoff(Duration);

impl Backoff {
    pub const FIRST: Duration = Duration::from_millis(250);
    pub const LAST: Duration = Duration::from_secs(5);

    pub fn next_pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LAST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_quarter_second_to_five_seconds() {
        let mut b = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| b.next_pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
