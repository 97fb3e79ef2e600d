//! The capture thread of a live run: opens the camera, reads it, and when reading fails closes everything and opens anew,
//! with growing pauses ([`Backoff`]). It is the only thread that may block on the device.

use super::SourceOpener;
use super::live::LiveOptions;
use super::seeing::Answer;
use super::slot::{CameraState, Slot};
use crate::backoff::Backoff;
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
                    self.slot.allow(source.longest_silence(true));
                    (self.read(source.as_mut(), &mut backoff, &mut worked_once), Some(source))
                }
                Err(e) => (ReadEnd::Failed(e), None),
            };
            let state = match end {
                ReadEnd::Asked | ReadEnd::Over => return None,
                ReadEnd::Failed(SourceError::Muted { .. }) => CameraState::Muted,
                // A source that is not to be opened again: exec's restart=never.
                ReadEnd::Failed(e @ SourceError::Truncated { .. }) => return Some(e.to_string()),
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

    /// A source has worked once when it gave a frame: a command that is not there starts a shell all the same.
    fn read(&self, source: &mut dyn FrameSource, backoff: &mut Backoff, worked_once: &mut bool) -> ReadEnd {
        let (mut frame, mut last) = (Frame::default(), Instant::now());
        let (mut next_sequence, mut flaw) = (None::<u64>, None::<String>);
        loop {
            if self.quit.load(Ordering::Relaxed) {
                return ReadEnd::Asked;
            }
            match source.next_frame(&mut frame, TICK) {
                Ok(Delivery::Frame) => {
                    (last, flaw) = (Instant::now(), None);
                    (*backoff, *worked_once) = (Backoff::default(), true);
                    let expected = next_sequence.replace(frame.sequence + 1);
                    self.slot.count_damaged(expected.map_or(0, |n| frame.sequence.saturating_sub(n)));
                    frame.timestamp = Timestamp::from_duration(self.started.elapsed());
                    self.slot.put(&mut frame);
                    if expected.is_none() {
                        // Not before the frame is there: until then it has the time of a first one.
                        self.slot.allow(source.longest_silence(false));
                    }
                    self.slot.report(CameraState::Running);
                }
                Ok(Delivery::Idle) => self.slot.alive(),
                Ok(Delivery::End) => return ReadEnd::Over,
                Err(SourceError::BadFrame { reason, .. }) => {
                    log::debug!("{}: damaged frame left out: {reason}", source.describe());
                    self.slot.leave_out(&reason);
                    // It has used up its number, which is no second loss. Where it hasn't, no number is missing.
                    next_sequence = next_sequence.map(|n| n + 1);
                    flaw = Some(reason);
                }
                Err(e) => return ReadEnd::Failed(e),
            }
            // Silence, or nothing but damage: a stream that lost its place may stay so until it is started again.
            let silence = last.elapsed();
            let patience =
                if next_sequence.is_none() { source.longest_start() } else { source.longest_silence(false) };
            if silence > self.options.reopen_after.max(patience) {
                let why = flaw.map_or(String::new(), |flaw| format!(": {flaw}"));
                let reason = format!("no good frame for {:.1} s{why}", silence.as_secs_f32());
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A camera by a row of signs: `.` is a frame, `x` a damaged one, `o` a damaged one without a number of its own, `_` a
    /// number whose frame was lost on the way.
    struct Row {
        signs: std::str::Chars<'static>,
        sequence: u64,
    }

    impl FrameSource for Row {
        fn next_frame(&mut self, frame: &mut Frame, _: Duration) -> Result<Delivery, SourceError> {
            let Some(sign) = self.signs.next() else { return Ok(Delivery::End) };
            frame.sequence = self.sequence;
            self.sequence += u64::from(sign != 'o');
            match sign {
                '.' => Ok(Delivery::Frame),
                '_' => Ok(Delivery::Idle),
                _ => Err(SourceError::BadFrame { source_name: "row".into(), reason: "error flag".into() }),
            }
        }
        fn describe(&self) -> String {
            "row".into()
        }
        fn is_live(&self) -> bool {
            true
        }
    }

    #[rstest]
    #[case::all_good("...", 0)]
    #[case::lost_on_the_way("..__.", 2)]
    #[case::damaged("..xx.", 2)]
    #[case::damaged_and_lost("..x_x_.", 4)]
    #[case::damaged_without_a_number("..oo..", 2)]
    #[case::before_the_first("xx_.", 2)]
    #[case::at_the_end("..x", 1)]
    fn a_frame_is_lost_once(#[case] row: &'static str, #[case] expect: u64) {
        let slot = Arc::new(Slot::default());
        let (quit, started, options) = (Arc::default(), Instant::now(), LiveOptions::default());
        let capture = Capture { slot: slot.clone(), quit, started, options };
        let mut source = Row { signs: row.chars(), sequence: 0 };
        let end = capture.read(&mut source, &mut Backoff::default(), &mut false);
        assert!(matches!(end, ReadEnd::Over));
        assert_eq!(slot.losses().1, expect);
    }
}
