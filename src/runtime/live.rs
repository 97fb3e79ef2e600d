//! Cameras: frames come when they come, and sometimes they don't.
//!
//! A capture thread owns the device and is the only one that may block on it. It opens, reads, and when reading fails
//! it closes everything and opens anew, with growing pauses ([`Backoff`]). The caller's thread takes the newest frame
//! from the [`Slot`], and notices by *time* when none comes.

use super::governor::Governor;
use super::session::FrameOutcome;
use super::slot::{CameraState, Slot, Taken};
use super::{Ending, Session, SourceOpener, Stop};
use crate::frame::{Frame, Timestamp};
use crate::source::{Delivery, FrameSource, SourceError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How a live run behaves.
#[derive(Debug, Clone, Copy)]
pub struct LiveOptions {
    /// Ends after this time; `None` runs until a signal.
    pub duration: Option<Duration>,
    /// An absent camera at start is a fault to show, not a reason to end.
    pub best_effort: bool,
    /// Without a good frame for so long, the camera counts as faulted. The promise is a fault pattern within 2 s.
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

/// The longest that a signal, a deadline or a sign of life goes unnoticed.
const TICK: Duration = Duration::from_millis(100);
/// How long the capture thread may take to let go of the device at the end. A driver that hangs is left behind.
const LET_GO: Duration = Duration::from_millis(500);

/// How hot the board is, and where its kernel slows it down; degrees Celsius.
pub struct Thermometer {
    /// `None` while the sensor doesn't answer.
    pub read: Box<dyn FnMut() -> Option<f32>>,
    pub throttles_at: f32,
}

/// What a live run looks at beside the camera.
#[derive(Default)]
pub struct Surroundings {
    pub thermometer: Option<Thermometer>,
    /// The local time of day in minutes after midnight; `None` while nobody knows.
    pub local_minute: Option<Box<dyn FnMut() -> Option<u16>>>,
}

/// How often the time of day is asked for.
const NEXT_MINUTE: Duration = Duration::from_secs(30);
/// How often the temperature is read.
const LOOK: Duration = Duration::from_secs(2);

/// Runs until the duration is over, a signal comes, or the source ends for good.
pub fn run(
    session: &mut Session,
    opener: Box<dyn SourceOpener>,
    options: LiveOptions,
    stop: &Stop,
) -> Ending {
    run_in(session, opener, options, stop, Surroundings::default())
}

/// As [`run`], with fewer frames a second while the board is hot, and told the time of day.
pub fn run_in(
    session: &mut Session,
    opener: Box<dyn SourceOpener>,
    options: LiveOptions,
    stop: &Stop,
    surroundings: Surroundings,
) -> Ending {
    let Surroundings { thermometer, local_minute } = surroundings;
    let mut cooling = thermometer.map(Cooling::new);
    let mut time_of_day = local_minute.map(TimeOfDay::new);
    let slot = Arc::new(Slot::default());
    let quit = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let capture = Capture { slot: slot.clone(), quit: quit.clone(), started, options };
    let thread = match std::thread::Builder::new().name("capture".into()).spawn(move || capture.run(opener)) {
        Ok(thread) => thread,
        Err(e) => {
            return Ending::Failed(
                anyhow::Error::new(e)
                    .context("the capture thread could not be started: out of threads or memory"),
            );
        }
    };
    let ending = show_frames(session, &slot, started, options, stop, cooling.as_mut(), time_of_day.as_mut());
    quit.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + LET_GO;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    let (dropped, damaged) = slot.losses();
    session.count_dropped(dropped + damaged);
    ending
}

/// The consumer's side: frames to the session, silence to faults.
fn show_frames(
    session: &mut Session,
    slot: &Slot,
    started: Instant,
    options: LiveOptions,
    stop: &Stop,
    mut cooling: Option<&mut Cooling>,
    mut time_of_day: Option<&mut TimeOfDay>,
) -> Ending {
    let clock = || Timestamp::from_duration(started.elapsed());
    let mut frame = Frame::default();
    let (mut seen, mut life, mut last_good) = (0, 0, Timestamp::ZERO);
    loop {
        if let Some(signal) = stop.requested() {
            return Ending::Signal(signal);
        }
        let now = clock();
        if options.duration.is_some_and(|d| now.as_duration() >= d) {
            session.advance(now);
            return match session.is_camera_faulted() && !options.best_effort {
                true => Ending::Failed(anyhow::anyhow!("the time is over and the camera doesn't work")),
                false => Ending::Done,
            };
        }
        if let Some(t) = &mut time_of_day {
            t.tell(session, now);
        }
        let wait = session.next_change().map_or(TICK, |due| due.since(now).min(TICK));
        let pause = cooling.as_mut().map_or(Duration::ZERO, |c| c.pause(session, now));
        if !pause.is_zero() {
            // The newest frame of the pause is taken after it; the others count as dropped.
            std::thread::sleep(pause.min(wait));
            session.advance(clock());
            continue;
        }
        match slot.take(&mut frame, &mut seen, wait) {
            Taken::Frame => {
                let at = frame.timestamp.max(session.now());
                session.camera_recovered(at);
                if let Some(c) = &mut cooling {
                    c.last_frame = at;
                }
                match session.on_frame(&frame, at) {
                    Ok(FrameOutcome::Used) => last_good = clock(),
                    Ok(FrameOutcome::Damaged) => {}
                    Err(e) => return Ending::Failed(e.into()),
                }
            }
            Taken::State(CameraState::Faulted(why)) => session.camera_fault(&why, clock()),
            Taken::State(CameraState::Ended(None)) => return Ending::Done,
            Taken::State(CameraState::Ended(Some(why))) => return Ending::Failed(anyhow::anyhow!(why)),
            Taken::State(CameraState::Opening | CameraState::Running) | Taken::Nothing => {
                session.advance(clock())
            }
        }
        let silent = clock().since(last_good);
        if silent > options.fault_after && !session.is_camera_faulted() {
            session.camera_fault(&format!("no usable frame for {:.1} s", silent.as_secs_f32()), clock());
        }
        let signs = slot.signs_of_life();
        if std::mem::replace(&mut life, signs) != signs {
            session.beat();
        }
    }
}

/// The governor with its sensor and its pace.
struct Cooling {
    thermometer: Thermometer,
    governor: Governor,
    next_look: Timestamp,
    last_frame: Timestamp,
}

impl Cooling {
    fn new(thermometer: Thermometer) -> Self {
        let governor = Governor::new(thermometer.throttles_at);
        Self { thermometer, governor, next_look: Timestamp::ZERO, last_frame: Timestamp::ZERO }
    }

    /// How long no frame may be taken from `now` on.
    fn pause(&mut self, session: &mut Session, now: Timestamp) -> Duration {
        if now >= self.next_look {
            self.next_look = now + LOOK;
            let reading = (self.thermometer.read)();
            if let Some((celsius, step)) = reading.and_then(|c| Some((c, self.governor.observe(c, now)?))) {
                session.heat(celsius, step.frames_per_second(), now);
            }
        }
        (self.last_frame + self.governor.step().interval()).since(now)
    }
}

/// Tells the session when the minute is another.
struct TimeOfDay {
    read: Box<dyn FnMut() -> Option<u16>>,
    next_look: Timestamp,
    told: Option<u16>,
}

impl TimeOfDay {
    fn new(read: Box<dyn FnMut() -> Option<u16>>) -> Self {
        Self { read, next_look: Timestamp::ZERO, told: None }
    }

    fn tell(&mut self, session: &mut Session, now: Timestamp) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + NEXT_MINUTE;
        let minute = (self.read)();
        if let Some(m) = minute.filter(|_| minute != self.told) {
            session.local_time(m, now);
            self.told = minute;
        }
    }
}

/// The producer's side, on its own thread.
struct Capture {
    slot: Arc<Slot>,
    quit: Arc<AtomicBool>,
    started: Instant,
    options: LiveOptions,
}

/// Why reading a source came to its end.
enum ReadEnd {
    Asked,
    Over,
    Failed(SourceError),
}

impl Capture {
    fn run(self, mut opener: Box<dyn SourceOpener>) {
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
            let end = match opener.open() {
                Ok(mut source) => {
                    log::info!("{}", source.describe());
                    worked_once = true;
                    self.read(source.as_mut(), &mut backoff)
                }
                Err(e) => ReadEnd::Failed(e),
            };
            let error = match end {
                ReadEnd::Asked | ReadEnd::Over => return None,
                ReadEnd::Failed(e) => e.to_string(),
            };
            if !worked_once && !self.options.best_effort {
                return Some(error);
            }
            self.slot.report(CameraState::Faulted(error));
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
                    if let Some(expected) = next_sequence {
                        self.slot.count_damaged(frame.sequence.saturating_sub(expected));
                    }
                    next_sequence = Some(frame.sequence + 1);
                    frame.timestamp = Timestamp::from_duration(self.started.elapsed());
                    self.slot.report(CameraState::Running);
                    self.slot.put(&mut frame);
                }
                Ok(Delivery::Idle) if last.elapsed() > self.options.reopen_after => {
                    let reason =
                        format!("no frame for {:.1} s; opening it anew", last.elapsed().as_secs_f32());
                    return ReadEnd::Failed(SourceError::Lost { source_name: source.describe(), reason });
                }
                Ok(Delivery::Idle) => self.slot.alive(),
                Ok(Delivery::End) => return ReadEnd::Over,
                Err(SourceError::BadFrame { reason, .. }) => {
                    log::debug!("{}: damaged frame left out: {reason}", source.describe());
                    self.slot.count_damaged(1);
                }
                Err(e) => return ReadEnd::Failed(e),
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

    #[test]
    fn pauses_double_from_a_quarter_second_to_five_seconds() {
        let mut b = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| b.next_pause().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
