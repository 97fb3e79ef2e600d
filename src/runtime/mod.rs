//! Time, threads and trouble: the only room with a clock.
//!
//! - [`session`]: what happens at an instant (a frame, a deadline, a fault), told the time; no clock inside.
//! - [`lockstep`]: recordings, one thread, every frame, the recording's own time, at full speed or paced for a person.
//! - [`live`]: cameras, on three threads: [`capture`] fills the [`slot`] with the newest frame, [`seeing`] looks at it, and the
//!   caller's has the lights, which keep their own time.
//! - [`surroundings`]: heat and the time of day. [`governor`]: fewer frames a second while the board is hot.
//! - [`alarm`]: the fault pattern while there is no session to show it.
//! - [`caretaker`]: a changed config, a minute that has passed.
//! - [`measure`]: a source's real rate. [`walk`]: the lights one after the other.
//! - [`stop`]: SIGINT, SIGTERM and SIGHUP. [`trace`]: the JSON lines. [`heartbeat`]: watchdogs, fed by progress alone.

pub mod alarm;
pub mod capture;
pub mod caretaker;
pub mod governor;
pub mod heartbeat;
mod lights;
pub mod live;
pub mod lockstep;
pub mod measure;
pub mod seeing;
pub mod session;
pub mod slot;
pub mod stop;
pub mod surroundings;
pub mod trace;
pub mod walk;

pub use session::{Counters, Session};
pub use stop::Stop;

use crate::source::{FrameSource, SourceError};
use std::time::Duration;

/// Opens the source, again and again where need be.
pub trait SourceOpener: Send {
    fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError>;

    /// Waits up to `timeout` for a reason to try again sooner (a device appeared); true when there is one.
    fn wait(&mut self, timeout: Duration) -> bool {
        std::thread::sleep(timeout);
        false
    }
}

/// How a run came to its end.
#[derive(Debug)]
pub enum Ending {
    /// The recording is over, or the asked duration is.
    Done,
    /// SIGINT, SIGTERM or SIGHUP, by number.
    Signal(i32),
    /// The source or the firmware failed; all lights are off all the same.
    Failed(anyhow::Error),
}
