//! The hardware watchdog: a timer that resets the board unless it is fed. Fed by the runtime's progress alone.
//!
//! Opening the device arms it. A clean end writes the "magic close" letter, which disarms it; a crash doesn't, so the
//! board starts anew. A driver built with "no way out" stays armed even then, and says so in the kernel's log.

use super::notify::Pace;
use crate::runtime::heartbeat::Heartbeat;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Updater, opcode};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `_IOWR('W', 6, int)` and `_IOR('W', 7, int)` of linux/watchdog.h.
const SET_TIMEOUT: rustix::ioctl::Opcode = opcode::read_write::<i32>(b'W', 6);
const GET_TIMEOUT: rustix::ioctl::Opcode = opcode::read::<i32>(b'W', 7);

/// An armed watchdog.
#[derive(Debug)]
pub struct Watchdog {
    fd: OwnedFd,
    path: PathBuf,
    timeout: Duration,
    pace: Pace,
    is_broken: bool,
}

/// Why there is no watchdog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("watchdog {device}: {reason}")]
pub struct WatchdogError {
    pub device: String,
    pub reason: String,
}

impl Watchdog {
    /// Arms `path`. `timeout` is rounded up to whole seconds, which is what the kernel counts in; a device that can't do
    /// it keeps its own, which [`timeout`](Self::timeout) tells.
    ///
    /// # Errors
    /// No such device (with those there are), no permission, held by another program (systemd's RuntimeWatchdogSec).
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, WatchdogError> {
        let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| why_not(path, e))?;
        let seconds = timeout.as_millis().div_ceil(1000).clamp(1, 3600) as i32;
        let mut set = seconds;
        // SAFETY: the kernel reads and writes one int, which `set` is.
        let is_set = unsafe { rustix::ioctl::ioctl(&fd, Updater::<SET_TIMEOUT, i32>::new(&mut set)) }.is_ok();
        // SAFETY: the kernel writes one int.
        let told = unsafe { rustix::ioctl::ioctl(&fd, Getter::<GET_TIMEOUT, i32>::new()) };
        let Ok(real) = told.or(if is_set { Ok(set) } else { Err(Errno::NOTTY) }) else {
            // Not a watchdog: nothing was armed, so nothing needs to be disarmed.
            return Err(error(path, "this is no watchdog".into()));
        };
        if real != seconds {
            log::warn!("watchdog {}: asked for {seconds} s, the device does {real} s", path.display());
        }
        let timeout = Duration::from_secs(u64::try_from(real).unwrap_or(1).max(1));
        Ok(Self { fd, path: path.into(), timeout, pace: Pace::for_timeout(timeout), is_broken: false })
    }

    /// Without a beat for so long the board is reset.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    fn write(&mut self, byte: u8) {
        match rustix::io::write(&self.fd, &[byte]) {
            Ok(_) => self.is_broken = false,
            Err(e) if !std::mem::replace(&mut self.is_broken, true) => {
                log::error!("watchdog {}: it could not be fed: {e}", self.path.display());
            }
            Err(_) => {}
        }
    }
}

impl Heartbeat for Watchdog {
    fn ready(&mut self) {
        self.write(0);
    }

    fn beat(&mut self) {
        if self.pace.is_due(Instant::now()) {
            self.write(0);
        }
    }

    fn status(&mut self, _text: &str) {}

    fn pausing(&mut self) {
        self.write(b'V');
    }

    fn stopping(&mut self) {
        self.write(b'V');
    }
}

fn why_not(path: &Path, e: Errno) -> WatchdogError {
    let reason = match e {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => {
            format!("the kernel has no such watchdog; {}", there_is())
        }
        Errno::BUSY => {
            "held by another program, usually systemd: set RuntimeWatchdogSec=0, or use its own".into()
        }
        Errno::ACCESS | Errno::PERM => "no permission: the service's unit has to allow this device".into(),
        e => format!("cannot be opened: {e}"),
    };
    error(path, reason)
}

fn error(path: &Path, reason: String) -> WatchdogError {
    WatchdogError { device: path.display().to_string(), reason }
}

/// "there is /dev/watchdog, /dev/watchdog0", for messages.
fn there_is() -> String {
    let mut names: Vec<String> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n.starts_with("watchdog"))
        .map(|n| format!("/dev/{n}"))
        .collect();
    names.sort();
    match names.as_slice() {
        [] => {
            "it has none at all: load the board's driver (bcm2835_wdt, softdog), or remove [watchdog]".into()
        }
        list => format!("there is {}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_watchdog_says_what_there_is() {
        let error = Watchdog::open(Path::new("/dev/watchdog-none"), Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("no such watchdog; "), "{error}");
    }

    #[test]
    fn another_device_is_no_watchdog() {
        let error = Watchdog::open(Path::new("/dev/null"), Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("this is no watchdog"), "{error}");
    }

    /// A file in the device's place: what is written is what the kernel would get.
    #[test]
    fn a_pause_and_an_end_disarm() {
        let ends: [fn(&mut Watchdog); 2] = [Watchdog::pausing, Watchdog::stopping];
        for end in ends {
            let file = tempfile::NamedTempFile::new().unwrap();
            let fd = file.reopen().unwrap().into();
            let timeout = Duration::from_secs(10);
            let pace = Pace::for_timeout(timeout);
            let mut watchdog = Watchdog { fd, path: file.path().into(), timeout, pace, is_broken: false };
            watchdog.ready();
            end(&mut watchdog);
            assert_eq!(std::fs::read(file.path()).unwrap(), [0, b'V']);
        }
    }

    #[test]
    fn request_numbers_are_the_kernels() {
        assert_eq!((SET_TIMEOUT, GET_TIMEOUT), (0xc004_5706, 0x8004_5707));
    }
}
