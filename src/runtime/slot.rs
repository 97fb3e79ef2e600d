//! The newest frame: one place between the capture thread and the pipeline.
//!
//! A frame that was not taken in time is replaced, and counted as dropped: a light must show now, not a second ago.
//! Buffers change hands by swapping, so nothing is allocated per frame.

use crate::frame::Frame;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What the capture thread last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraState {
    /// Trying to open.
    Opening,
    /// Open and delivering, or about to.
    Running,
    /// Gone or damaged; the text names the device and the reason. It will be opened again.
    Faulted(String),
    /// Closed by hand; it will be opened when that is over.
    Muted,
    /// It will not be opened again: the capture thread has ended, for the reason given (none: the source is over).
    Ended(Option<String>),
}

#[derive(Debug)]
struct Inner {
    frame: Frame,
    fresh: bool,
    dropped: u64,
    damaged: u64,
    state: CameraState,
    /// Counts the changes of `state`, and every sign of life of the capture thread.
    changes: u64,
    alive: u64,
}

/// Shared by exactly one producer and one consumer.
#[derive(Debug)]
pub struct Slot {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// What [`Slot::take`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    Frame,
    State(CameraState),
    Nothing,
}

impl Default for Slot {
    fn default() -> Self {
        let inner = Inner {
            frame: Frame::default(),
            fresh: false,
            dropped: 0,
            damaged: 0,
            state: CameraState::Opening,
            changes: 0,
            alive: 0,
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new() }
    }
}

impl Slot {
    /// A thread that panicked while holding the lock left plain data behind; go on with it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Producer: swaps `frame` in; it gets an old buffer back to refill.
    pub fn put(&self, frame: &mut Frame) {
        let mut inner = self.lock();
        std::mem::swap(&mut inner.frame, frame);
        inner.dropped += u64::from(inner.fresh);
        inner.fresh = true;
        inner.alive += 1;
        self.changed.notify_one();
    }

    /// Producer: says how it is.
    pub fn report(&self, state: CameraState) {
        let mut inner = self.lock();
        inner.alive += 1;
        if inner.state != state {
            if state != CameraState::Running {
                inner.fresh = false; // a picture from before the fault is no picture of now
            }
            inner.state = state;
            inner.changes += 1;
            self.changed.notify_one();
        }
    }

    /// Producer: still there, nothing to say.
    pub fn alive(&self) {
        self.lock().alive += 1;
    }

    /// Producer: a frame was damaged and left out, or `n` were lost on the way.
    pub fn count_damaged(&self, n: u64) {
        let mut inner = self.lock();
        inner.damaged += n;
        inner.alive += 1;
    }

    /// Consumer: the next state change or frame, waiting up to `timeout`. `seen` is the consumer's place in the
    /// sequence of state changes; start with 0. A state change comes before a frame.
    pub fn take(&self, frame: &mut Frame, seen: &mut u64, timeout: Duration) -> Taken {
        let inner = self.lock();
        let nothing = |i: &mut Inner| !i.fresh && i.changes == *seen;
        let (mut inner, _) = match self.changed.wait_timeout_while(inner, timeout, nothing) {
            Ok(pair) => pair,
            Err(poisoned) => poisoned.into_inner(),
        };
        if inner.changes != *seen {
            *seen = inner.changes;
            return Taken::State(inner.state.clone());
        }
        if inner.fresh {
            inner.fresh = false;
            std::mem::swap(&mut inner.frame, frame);
            return Taken::Frame;
        }
        Taken::Nothing
    }

    /// Frames replaced before they were taken, and frames that arrived damaged.
    pub fn losses(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.dropped, inner.damaged)
    }

    /// Grows with every sign of life of the capture thread.
    pub fn signs_of_life(&self) -> u64 {
        self.lock().alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u64) -> Frame {
        Frame { sequence, ..Frame::default() }
    }

    #[test]
    fn the_newest_frame_wins_and_the_others_are_counted() {
        let slot = Slot::default();
        for n in 1..=3 {
            slot.put(&mut frame(n));
        }
        let (mut got, mut seen) = (Frame::default(), 0);
        assert_eq!(slot.take(&mut got, &mut seen, Duration::ZERO), Taken::Frame);
        assert_eq!((got.sequence, slot.losses().0), (3, 2));
        assert_eq!(slot.take(&mut got, &mut seen, Duration::ZERO), Taken::Nothing);
    }

    #[test]
    fn a_fault_comes_before_frames_and_discards_the_old_picture() {
        let slot = Slot::default();
        let (mut got, mut seen) = (Frame::default(), 0);
        slot.put(&mut frame(1));
        slot.report(CameraState::Faulted("gone".into()));
        slot.report(CameraState::Faulted("gone".into()));
        assert_eq!(
            slot.take(&mut got, &mut seen, Duration::ZERO),
            Taken::State(CameraState::Faulted("gone".into()))
        );
        assert_eq!(slot.take(&mut got, &mut seen, Duration::ZERO), Taken::Nothing);
        assert_eq!(slot.signs_of_life(), 3);
    }
}
