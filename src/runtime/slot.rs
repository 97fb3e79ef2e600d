//! The newest frame, and what was seen in it: the one place where the three threads of a live run meet.
//!
//! ```text
//! capture ── put, report ─→ Slot ── take ─→ seeing
//!                            │ ←── answer ── seeing
//!                            └──── news ──→ lights
//! ```
//!
//! A frame that was not taken in time is replaced, and counted as dropped: a light must show now, not a second ago. An answer
//! to a frame from before a fault is no answer about now, and is left out. Buffers change hands by swapping, so nothing is
//! allocated per frame.

use crate::frame::{Frame, Timestamp};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What the capture thread last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraState {
    /// Trying to open.
    Opening,
    /// Open and delivering.
    Running,
    /// Gone or damaged; the text names the device and the reason. It will be opened again.
    Faulted(String),
    /// Closed by hand; it will be opened when that is over.
    Muted,
    /// It will not be opened again: the capture thread has ended, for the reason given (none: the source is over).
    Ended(Option<String>),
}

#[derive(Debug)]
struct Inner<A> {
    frame: Frame,
    fresh: bool,
    /// When a frame came last, on the capture thread's clock.
    arrived: Timestamp,
    /// How long the source may give nothing and be well.
    silence: Duration,
    /// Why frames were left out since the last good one.
    flaw: Option<Arc<str>>,
    dropped: u64,
    damaged: u64,
    state: CameraState,
    /// Counts the changes of `state`.
    changes: u64,
    /// Counts the times that frames stopped coming; a frame belongs to one of the times between.
    epoch: u64,
    /// Counts signs of life of the capture thread.
    alive: u64,
    /// The seeing thread has a frame and has not answered yet.
    busy: bool,
    answer: Option<A>,
    last_word: Option<A>,
}

/// Shared by one capture thread, one seeing thread and the lights.
#[derive(Debug)]
pub struct Slot<A> {
    inner: Mutex<Inner<A>>,
    changed: Condvar,
}

/// A frame's place in time, handed back with the answer about it: the same for frames without a fault or a mute between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What [`Slot::news`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News<A> {
    State(CameraState),
    Answer(A),
    Nothing,
}

/// Whether there is progress, for watchdogs and for noticing silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vigil {
    /// Grows with every sign of life of the capture thread.
    pub alive: u64,
    /// The seeing thread is at work: only its answer is progress.
    pub busy: bool,
    /// When a frame came last; zero before the first.
    pub arrived: Timestamp,
    /// So long without a frame is nothing unusual with this source.
    pub silence: Duration,
    /// Why those that came since then were left out.
    pub flaw: Option<Arc<str>>,
}

impl<A> Default for Slot<A> {
    fn default() -> Self {
        let inner = Inner {
            frame: Frame::default(),
            fresh: false,
            arrived: Timestamp::ZERO,
            silence: Duration::ZERO,
            flaw: None,
            dropped: 0,
            damaged: 0,
            state: CameraState::Opening,
            changes: 0,
            epoch: 0,
            alive: 0,
            busy: false,
            answer: None,
            last_word: None,
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new() }
    }
}

impl<A> Slot<A> {
    /// A thread that panicked while holding the lock left plain data behind; go on with it.
    fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits while `nothing` has changed, at most `timeout`.
    fn wait(&self, timeout: Duration, nothing: impl Fn(&Inner<A>) -> bool) -> MutexGuard<'_, Inner<A>> {
        match self.changed.wait_timeout_while(self.lock(), timeout, |i| nothing(i)) {
            Ok((inner, _)) => inner,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// Capture: swaps `frame` in; it gets an old buffer back to refill.
    pub fn put(&self, frame: &mut Frame) {
        let mut inner = self.lock();
        std::mem::swap(&mut inner.frame, frame);
        inner.arrived = inner.frame.timestamp;
        inner.flaw = None;
        inner.dropped += u64::from(inner.fresh);
        inner.fresh = true;
        inner.alive += 1;
        self.changed.notify_all();
    }

    /// Capture: says how it is.
    pub fn report(&self, state: CameraState) {
        let mut inner = self.lock();
        inner.alive += 1;
        if inner.state != state {
            if state != CameraState::Running {
                // A picture from before the fault is no picture of now, nor is what is seen in it.
                inner.fresh = false;
                inner.epoch += 1;
                inner.answer = None;
                inner.flaw = None;
            }
            inner.state = state;
            inner.changes += 1;
            self.changed.notify_all();
        }
    }

    /// Capture: still there, nothing to say.
    pub fn alive(&self) {
        self.lock().alive += 1;
    }

    /// Capture: from now on the source may be silent for so long.
    pub fn allow(&self, silence: Duration) {
        self.lock().silence = silence;
    }

    /// Capture: a frame was damaged and is left out.
    pub fn leave_out(&self, reason: &str) {
        let mut inner = self.lock();
        inner.flaw = Some(reason.into());
        inner.damaged += 1;
        inner.alive += 1;
    }

    /// Capture: `n` frames were lost on the way.
    pub fn count_damaged(&self, n: u64) {
        let mut inner = self.lock();
        inner.damaged += n;
        inner.alive += 1;
    }

    /// Seeing: the newest frame, waiting up to `timeout` for one; not before the last answer was heard.
    pub fn take(&self, frame: &mut Frame, timeout: Duration) -> Option<Ticket> {
        let mut inner = self.wait(timeout, |i| !i.fresh || i.answer.is_some());
        if !inner.fresh || inner.answer.is_some() {
            return None;
        }
        inner.fresh = false;
        inner.busy = true;
        std::mem::swap(&mut inner.frame, frame);
        Some(Ticket(inner.epoch))
    }

    /// Seeing: what came of the frame.
    pub fn answer(&self, Ticket(epoch): Ticket, answer: A) {
        let mut inner = self.lock();
        inner.busy = false;
        if inner.epoch == epoch {
            inner.answer = Some(answer);
        } else {
            inner.dropped += 1;
        }
        self.changed.notify_all();
    }

    /// Seeing: its last word, which is heard whatever happened to the camera meanwhile.
    pub fn insist(&self, answer: A) {
        let mut inner = self.lock();
        inner.busy = false;
        inner.last_word = Some(answer);
        self.changed.notify_all();
    }

    /// Lights: the next change or answer, waiting up to `timeout`. `seen` is the caller's place in the sequence of state
    /// changes; start with 0. A state change comes before an answer.
    pub fn news(&self, seen: &mut u64, timeout: Duration) -> News<A> {
        let place = *seen;
        let mut inner =
            self.wait(timeout, |i| i.answer.is_none() && i.last_word.is_none() && i.changes == place);
        if inner.changes != place {
            *seen = inner.changes;
            return News::State(inner.state.clone());
        }
        let answer = inner.answer.take().or_else(|| inner.last_word.take());
        if answer.is_some() {
            self.changed.notify_all(); // the seeing thread may take the next frame
        }
        answer.map_or(News::Nothing, News::Answer)
    }

    /// Frames replaced before they were taken, and frames that arrived damaged.
    pub fn losses(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.dropped, inner.damaged)
    }

    pub fn vigil(&self) -> Vigil {
        let inner = self.lock();
        Vigil {
            alive: inner.alive,
            busy: inner.busy,
            arrived: inner.arrived,
            silence: inner.silence,
            flaw: inner.flaw.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u64) -> Frame {
        Frame { sequence, timestamp: Timestamp::from_millis(sequence * 100), ..Frame::default() }
    }

    #[test]
    fn the_newest_frame_wins_and_the_others_are_counted() {
        let slot: Slot<&str> = Slot::default();
        for n in 1..=3 {
            slot.put(&mut frame(n));
        }
        let mut got = Frame::default();
        assert!(slot.take(&mut got, Duration::ZERO).is_some());
        assert_eq!((got.sequence, slot.losses().0), (3, 2));
        let arrived = Timestamp::from_millis(300);
        let silence = Duration::ZERO;
        assert_eq!(slot.vigil(), Vigil { alive: 3, busy: true, arrived, silence, flaw: None });
        assert!(slot.take(&mut got, Duration::ZERO).is_none());
    }

    #[test]
    fn a_fault_comes_before_frames_and_discards_the_old_picture() {
        let slot: Slot<&str> = Slot::default();
        let gone = CameraState::Faulted("gone".into());
        let mut seen = 0;
        slot.put(&mut frame(1));
        slot.report(gone.clone());
        slot.report(gone.clone());
        assert_eq!(slot.news(&mut seen, Duration::ZERO), News::State(gone));
        assert!(slot.take(&mut Frame::default(), Duration::ZERO).is_none());
        assert_eq!(slot.vigil().alive, 3);
    }

    #[test]
    fn a_flaw_is_told_until_a_good_frame_or_another_opening() {
        let slot = Slot::default();
        slot.report(CameraState::Running);
        let ends: [fn(&Slot<&'static str>); 2] =
            [|s| s.put(&mut frame(1)), |s| s.report(CameraState::Opening)];
        for end in ends {
            slot.leave_out("error flag");
            assert_eq!(slot.vigil().flaw.as_deref(), Some("error flag"));
            end(&slot);
            assert_eq!(slot.vigil().flaw, None);
        }
        assert_eq!(slot.losses().1, 2);
    }

    #[test]
    fn an_answer_is_heard_once_and_makes_room_for_the_next_frame() {
        let slot = Slot::default();
        let (mut got, mut seen) = (Frame::default(), 0);
        slot.put(&mut frame(1));
        let ticket = slot.take(&mut got, Duration::ZERO).expect("a frame");
        slot.put(&mut frame(2));
        slot.answer(ticket, "happy");
        assert!(slot.take(&mut got, Duration::ZERO).is_none(), "not before the answer is heard");
        assert_eq!(slot.news(&mut seen, Duration::ZERO), News::Answer("happy"));
        assert_eq!(slot.news(&mut seen, Duration::ZERO), News::Nothing);
        assert!(slot.take(&mut got, Duration::ZERO).is_some());
    }

    #[test]
    fn what_was_seen_before_a_fault_is_not_told_after_it() {
        let slot = Slot::default();
        let (mut got, mut seen) = (Frame::default(), 0);
        slot.put(&mut frame(1));
        let ticket = slot.take(&mut got, Duration::ZERO).expect("a frame");
        slot.report(CameraState::Muted);
        assert_eq!(slot.news(&mut seen, Duration::ZERO), News::State(CameraState::Muted));
        slot.answer(ticket, "happy");
        assert_eq!(slot.news(&mut seen, Duration::ZERO), News::Nothing);
        assert!(!slot.vigil().busy);
    }
}
