//! Recordings: one thread, every frame, the recording's own time.
//!
//! The same recording gives the same events at the same times, whether it is paced for a person or run flat out.

use super::{Ending, Session, Stop};
use crate::frame::{Frame, Timestamp};
use crate::source::{Delivery, FrameSource, SourceError};
use std::time::{Duration, Instant};

/// How fast a recording runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the machine can.
    Flat,
    /// In the recording's time, for a person who watches.
    Realtime,
}

/// How long a source may take before the stop flag is looked at again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Plays `source` to its end, to `duration` of recorded time, or to a signal. The lights are left to the caller's
/// [`Session::finish`].
pub fn run(
    session: &mut Session,
    source: &mut dyn FrameSource,
    pace: Pace,
    duration: Option<Duration>,
    stop: &Stop,
) -> Ending {
    let end = duration.map(Timestamp::from_duration);
    let started = Instant::now();
    let mut frame = Frame::default();
    loop {
        if let Some(signal) = stop.requested() {
            return Ending::Signal(signal);
        }
        match source.next_frame(&mut frame, PATIENCE) {
            // A pipe that has dried up: for a person who watches the duration is over all the same.
            Ok(Delivery::Idle) => {
                session.beat();
                match end.filter(|_| pace == Pace::Realtime) {
                    Some(end) if Timestamp::from_duration(started.elapsed()) >= end => {
                        session.advance(end);
                        return Ending::Done;
                    }
                    _ => continue,
                }
            }
            Ok(Delivery::End) => return Ending::Done,
            Ok(Delivery::Frame) => {}
            Err(e @ SourceError::BadFrame { .. }) => {
                session.on_damaged(&e.to_string());
                continue;
            }
            Err(e) => return Ending::Failed(e.into()),
        }
        let at = end.map_or(frame.timestamp, |end| end.min(frame.timestamp));
        if pace == Pace::Realtime && !pass_time(session, at, started, stop) {
            continue; // the signal is seen at the top
        }
        if end.is_some_and(|end| frame.timestamp >= end) {
            session.advance(at);
            return Ending::Done;
        }
        if let Err(e) = session.on_frame(&frame, frame.timestamp) {
            return Ending::Failed(e.into());
        }
    }
}

/// Sleeps up to `until`, waking for each blink on the way. False when a signal came.
fn pass_time(session: &mut Session, until: Timestamp, started: Instant, stop: &Stop) -> bool {
    while let Some(due) = session.next_change().filter(|due| *due <= until && *due > session.now()) {
        if !sleep_to(due, started, stop) {
            return false;
        }
        session.advance(due);
    }
    sleep_to(until, started, stop)
}

/// Sleeps in slices short enough for a signal to be noticed.
fn sleep_to(until: Timestamp, started: Instant, stop: &Stop) -> bool {
    loop {
        if stop.requested().is_some() {
            return false;
        }
        let left = until.since(Timestamp::from_duration(started.elapsed()));
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(PATIENCE));
    }
}
