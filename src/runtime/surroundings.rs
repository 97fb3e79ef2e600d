//! What a live run looks at beside the camera: the board's heat, and the time of day.

use super::Session;
use super::governor::Governor;
use crate::frame::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How hot the board is, and where its kernel slows it down; degrees Celsius.
pub struct Thermometer {
    /// `None` while the sensor doesn't answer.
    pub read: Box<dyn FnMut() -> Option<f32>>,
    pub throttles_at: f32,
}

/// What there is to look at; by default nothing.
#[derive(Default)]
pub struct Surroundings {
    pub thermometer: Option<Thermometer>,
    /// The local time of day in minutes after midnight; `None` while nobody knows.
    pub local_minute: Option<Box<dyn FnMut() -> Option<u16>>>,
}

/// How often the temperature is read.
const LOOK: Duration = Duration::from_secs(2);
/// How often the time of day is asked for.
const NEXT_MINUTE: Duration = Duration::from_secs(30);

/// The least time from one look at a frame to the next, set by the lights' thread and kept by the seeing one.
#[derive(Debug, Clone, Default)]
pub struct LeastInterval(Arc<AtomicU64>);

impl LeastInterval {
    fn set(&self, interval: Duration) {
        self.0.store(interval.as_millis() as u64, Ordering::Relaxed);
    }

    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Looks at everything when it is due, and tells the session.
pub(super) struct Watchman {
    cooling: Option<(Thermometer, Governor)>,
    local_minute: Option<Box<dyn FnMut() -> Option<u16>>>,
    next_heat: Timestamp,
    next_minute: Timestamp,
    told: Option<u16>,
    pace: LeastInterval,
}

impl Watchman {
    pub fn new(surroundings: Surroundings, pace: LeastInterval) -> Self {
        let Surroundings { thermometer, local_minute } = surroundings;
        Self {
            cooling: thermometer.map(|t| {
                let governor = Governor::new(t.throttles_at);
                (t, governor)
            }),
            local_minute,
            next_heat: Timestamp::ZERO,
            next_minute: Timestamp::ZERO,
            told: None,
            pace,
        }
    }

    pub fn look_around(&mut self, session: &mut Session, now: Timestamp) {
        self.feel_heat(session, now);
        self.tell_time(session, now);
    }

    fn feel_heat(&mut self, session: &mut Session, now: Timestamp) {
        let Some((thermometer, governor)) = self.cooling.as_mut().filter(|_| now >= self.next_heat) else {
            return;
        };
        self.next_heat = now + LOOK;
        let Some(celsius) = (thermometer.read)() else { return };
        if let Some(step) = governor.observe(celsius, now) {
            self.pace.set(step.interval());
            session.heat(celsius, step.frames_per_second(), now);
        }
    }

    fn tell_time(&mut self, session: &mut Session, now: Timestamp) {
        let Some(read) = self.local_minute.as_mut().filter(|_| now >= self.next_minute) else { return };
        self.next_minute = now + NEXT_MINUTE;
        let minute = read();
        if let Some(m) = minute.filter(|_| minute != self.told) {
            session.local_time(m, now);
            self.told = minute;
        }
    }
}
