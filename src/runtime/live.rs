//! Cameras: frames come when they come, and sometimes they don't.
//!
//! A capture thread owns the device and is the only one that may block on it. It opens, reads, and when reading fails
//! it closes everything and opens anew, with growing pauses ([`capture`](super::capture)). A seeing thread looks at the newest frame
//! ([`seeing`]). The caller's thread has the lights: it hears of both through the [`Slot`], and notices by *time* when no
//! frame comes or none can be used.

use super::capture::Capture;
use super::seeing::{self, Answer, Sight, Spares};
use super::slot::{CameraState, News, Slot, Vigil};
use super::surroundings::{LeastInterval, Surroundings, Watchman};
use super::{Ending, Session, SourceOpener, Stop};
use crate::frame::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a live run behaves.
#[derive(Debug, Clone, Copy)]
pub struct LiveOptions {
    /// Ends after this time; `None` runs until a signal.
    pub duration: Option<Duration>,
    /// An absent camera at start is a fault to show, not a reason to end.
    pub best_effort: bool,
    /// Without a good frame for so long, the camera counts as faulted; a source that is slower, by its own rate or to its first
    /// frame, has that time. The promise is a fault pattern within 2 s.
    pub fault_after: Duration,
    /// Without a frame for so long, the device is closed and opened anew.
    pub reopen_after: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            duration: None,
            best_effort: false,
            fault_after: Duration::from_millis(1500),
            reopen_after: Duration::from_secs(3),
        }
    }
}

/// The longest that a signal, a deadline or a sign of life goes unnoticed.
const TICK: Duration = Duration::from_millis(100);
/// How long the other threads may take to let go at the end: a tick until they notice, half a second for a camera program that has to
/// be killed, and some more. A driver that hangs is left behind.
const LET_GO: Duration = Duration::from_millis(800);

/// Runs until the duration is over, a signal comes, or the source ends for good. The session is finished then: lights go out
/// before the threads are waited for.
pub fn run(
    session: &mut Session,
    opener: Box<dyn SourceOpener>,
    options: LiveOptions,
    stop: &Stop,
) -> Ending {
    run_in(session, opener, options, stop, Surroundings::default())
}

/// As [`run`], with fewer looks a second while the board is hot, and told the time of day.
pub fn run_in(
    session: &mut Session,
    opener: Box<dyn SourceOpener>,
    options: LiveOptions,
    stop: &Stop,
    surroundings: Surroundings,
) -> Ending {
    let started = Instant::now();
    let (slot, spares, pace) = (Arc::new(Slot::default()), Spares::default(), LeastInterval::default());
    let quit = Arc::new(AtomicBool::new(false));
    let shared = Shared { slot: &slot, spares: &spares, pace: &pace, quit: &quit };
    let threads = match start(session, opener, options, started, &shared) {
        Ok(threads) => threads,
        Err(e) => return Ending::Failed(e),
    };
    let watchman = Watchman::new(surroundings, pace);
    let ending = Show { session, slot: &slot, spares: &spares, watchman, started, options, stop }.run();
    quit.store(true, Ordering::Relaxed);
    let (dropped, damaged) = slot.losses();
    session.count_dropped(dropped + damaged);
    session.finish(Timestamp::from_duration(started.elapsed()));
    let deadline = Instant::now() + LET_GO;
    while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    ending
}

/// What the threads have in common.
struct Shared<'a> {
    slot: &'a Arc<Slot<Answer>>,
    spares: &'a Spares,
    pace: &'a LeastInterval,
    quit: &'a Arc<AtomicBool>,
}

/// Starts the capture thread and the seeing thread.
fn start(
    session: &mut Session,
    opener: Box<dyn SourceOpener>,
    options: LiveOptions,
    started: Instant,
    shared: &Shared<'_>,
) -> anyhow::Result<[JoinHandle<()>; 2]> {
    let mut eyes = session.lend_eyes().ok_or_else(|| anyhow::anyhow!("a session runs once"))?;
    let capture = Capture { slot: shared.slot.clone(), quit: shared.quit.clone(), started, options };
    let (slot, spares) = (shared.slot.clone(), shared.spares.clone());
    let (pace, quit) = (shared.pace.clone(), shared.quit.clone());
    Ok([
        spawn("capture", move || capture.run(opener))?,
        spawn("seeing", move || seeing::run(&mut eyes, &slot, &spares, &pace, &quit))?,
    ])
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(|e| {
        anyhow::Error::new(e)
            .context(format!("the {name} thread could not be started: out of threads or memory"))
    })
}

/// The lights' side: what was seen to the session, silence to faults.
struct Show<'a> {
    session: &'a mut Session,
    slot: &'a Slot<Answer>,
    spares: &'a Spares,
    watchman: Watchman,
    started: Instant,
    options: LiveOptions,
    stop: &'a Stop,
}

/// What tells a camera that works from one that doesn't.
#[derive(Debug, Default)]
struct Watch {
    is_muted: bool,
    /// From here on a frame is missed: the start, the end of muting.
    since: Timestamp,
    /// When the last usable frame came.
    last_good: Timestamp,
    /// Frames since then that could not be used.
    bad_in_a_row: u32,
    /// Why the last of them could not.
    flaw: String,
    /// When time ran out for a frame to come; what came before does not end that fault.
    gave_up: Timestamp,
    /// Signs of life of the capture thread, as counted last.
    alive: u64,
}

impl Watch {
    /// Why the camera counts as faulted at `now`, if it does. A look that takes long is no silence: what counts is when
    /// frames come, and that looks find two in a row unusable.
    fn complaint(&self, now: Timestamp, vigil: &Vigil, patience: Duration) -> Option<String> {
        let arrived = vigil.arrived;
        let for_long = |since: Timestamp| now.since(since.max(self.since)) > patience;
        let seconds = |since: Timestamp| now.since(since.max(self.since)).as_secs_f32();
        match &vigil.flaw {
            _ if self.is_muted => None,
            None if for_long(arrived) => Some(format!("no frame for {:.1} s", seconds(arrived))),
            Some(flaw) if for_long(arrived) => {
                Some(format!("no good frame for {:.1} s: {flaw}", seconds(arrived)))
            }
            _ if self.bad_in_a_row >= 2 && for_long(self.last_good) => {
                Some(format!("no usable frame for {:.1} s: {}", seconds(self.last_good), self.flaw))
            }
            _ => None,
        }
    }
}

impl Show<'_> {
    fn now(&self) -> Timestamp {
        Timestamp::from_duration(self.started.elapsed())
    }

    fn run(&mut self) -> Ending {
        let (mut seen, mut watch) = (0, Watch::default());
        loop {
            if let Some(signal) = self.stop.requested() {
                return Ending::Signal(signal);
            }
            let now = self.now();
            if self.options.duration.is_some_and(|d| now.as_duration() >= d) {
                return self.time_is_over(now);
            }
            let wait = self.session.next_change().map_or(TICK, |due| due.since(now).min(TICK));
            let end = match self.slot.news(&mut seen, wait) {
                News::State(state) => self.on_state(state, &mut watch),
                News::Answer(answer) => self.on_answer(answer, &mut watch),
                News::Nothing => None,
            };
            if let Some(end) = end {
                return end;
            }
            self.pass_time(&mut watch);
        }
    }

    fn time_is_over(&mut self, now: Timestamp) -> Ending {
        self.session.advance(now);
        match self.session.is_camera_faulted() && !self.options.best_effort {
            true => Ending::Failed(anyhow::anyhow!("the time is over and the camera doesn't work")),
            false => Ending::Done,
        }
    }

    fn on_state(&mut self, state: CameraState, watch: &mut Watch) -> Option<Ending> {
        let now = self.now();
        // While muted no frame is missed; from then on a camera has its full time to deliver one.
        if std::mem::replace(&mut watch.is_muted, state == CameraState::Muted) {
            watch.since = now;
        }
        match state {
            CameraState::Opening => {}
            CameraState::Running => {
                // It has its full time anew: what was before is another stream.
                (watch.bad_in_a_row, watch.since) = (0, now);
                self.session.camera_recovered(now);
            }
            CameraState::Faulted(why) => self.session.camera_fault(&why, now),
            CameraState::Muted => self.session.camera_muted(now),
            CameraState::Ended(None) => return Some(Ending::Done),
            CameraState::Ended(Some(why)) => return Some(Ending::Failed(anyhow::anyhow!(why))),
        }
        None
    }

    fn on_answer(&mut self, answer: Answer, watch: &mut Watch) -> Option<Ending> {
        let now = self.now();
        match answer {
            Answer::Seen(sight) if self.session.is_camera_faulted() && sight.at <= watch.gave_up => {
                self.session.beat();
                self.spares.give(sight);
            }
            Answer::Seen(mut sight) => {
                (watch.last_good, watch.bad_in_a_row) = (sight.at, 0);
                self.session.camera_recovered(now);
                let Sight { sequence, faces, picture, .. } = &mut sight;
                self.session.on_seen(*sequence, faces, picture.view(), now);
                self.spares.give(sight);
            }
            Answer::Damaged(reason) => {
                watch.bad_in_a_row += 1;
                self.session.on_damaged(&reason);
                watch.flaw = reason;
                self.session.beat();
            }
            Answer::Failed(e) => return Some(Ending::Failed(e.into())),
            Answer::Panicked => {
                return Some(Ending::Failed(anyhow::anyhow!(
                    "the seeing thread panicked; this is a defect of moodlight, please report it"
                )));
            }
        }
        None
    }

    /// What falls due by time alone: blinks, silence; and the watchdogs' food while nobody looks at a frame.
    fn pass_time(&mut self, watch: &mut Watch) {
        let now = self.now();
        self.session.advance(now);
        self.watchman.look_around(self.session, now);
        let vigil = self.slot.vigil();
        if !self.session.is_camera_faulted()
            && let Some(why) = watch.complaint(now, &vigil, self.options.fault_after.max(vigil.silence))
        {
            watch.gave_up = now;
            self.session.camera_fault(&why, now);
        }
        if std::mem::replace(&mut watch.alive, vigil.alive) != vigil.alive && !vigil.busy {
            self.session.beat();
        }
    }
}
