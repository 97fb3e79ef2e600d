//! The service manager: systemd's notification protocol, datagrams of `KEY=value` lines to the socket that it names.
//!
//! Spoken here in a few lines rather than by a crate, so that the only socket of `moodlight run` is in plain sight. Nothing
//! is read from it. Without `NOTIFY_SOCKET` (a terminal, another init) there is nobody to tell.

use crate::runtime::heartbeat::Heartbeat;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// A line to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    pace: Option<Pace>,
    status: String,
    is_broken: bool,
}

impl Notifier {
    /// What systemd put into the environment; `None` where it didn't.
    pub fn from_env() -> io::Result<Option<Self>> {
        let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|s| !s.is_empty()) else {
            return Ok(None);
        };
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        // The watchdog may be meant for another process of the unit.
        let is_mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let timeout = number("WATCHDOG_USEC").filter(|_| is_mine).map(Duration::from_micros);
        Self::new(&socket, timeout).map(Some)
    }

    /// `socket` is a path, or `@name` in the abstract namespace. `timeout`: without a beat for so long the manager restarts
    /// the service; `None`: it doesn't watch.
    pub fn new(socket: &OsStr, timeout: Option<Duration>) -> io::Result<Self> {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(socket)?,
        };
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            address,
            pace: timeout.map(Pace::for_timeout),
            status: String::new(),
            is_broken: false,
        })
    }

    fn say(&mut self, text: &str) {
        match self.socket.send_to_addr(text.as_bytes(), &self.address) {
            Ok(_) => self.is_broken = false,
            // A manager that doesn't listen must not stop the lights; said once.
            Err(e) if !std::mem::replace(&mut self.is_broken, true) => {
                log::warn!("systemd could not be notified: {e}");
            }
            Err(_) => {}
        }
    }
}

impl Heartbeat for Notifier {
    fn ready(&mut self) {
        self.say("READY=1");
    }

    fn beat(&mut self) {
        if self.pace.as_mut().is_some_and(|p| p.is_due(Instant::now())) {
            self.say("WATCHDOG=1");
        }
    }

    fn status(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        if self.status != line {
            self.status = line.to_owned();
            self.say(&format!("STATUS={line}"));
        }
    }

    /// The manager's own watchdog runs on; the service is soon ready again.
    fn pausing(&mut self) {}

    fn stopping(&mut self) {
        self.say("STOPPING=1");
    }
}

/// Thins beats out: at most one in a quarter of the time-out, which leaves three chances to be heard.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub fn for_timeout(timeout: Duration) -> Self {
        Self { every: timeout / 4, last: None }
    }

    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.duration_since(last) >= self.every);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 256];
        std::iter::from_fn(|| {
            let n = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..n]).into_owned())
        })
        .collect()
    }

    #[test]
    fn a_run_as_systemd_hears_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::new(path.as_os_str(), Some(Duration::from_secs(3600))).unwrap();
        notifier.ready();
        notifier.status("happy");
        notifier.beat();
        notifier.beat();
        notifier.status("happy");
        notifier.status("no face\nREADY=0");
        notifier.pausing();
        notifier.stopping();
        let expect = ["READY=1", "STATUS=happy", "WATCHDOG=1", "STATUS=no face", "STOPPING=1"];
        assert_eq!(
            heard(&manager),
            expect,
            "one beat per quarter of the time-out, a status once, one line of it"
        );
    }

    #[test]
    fn an_abstract_socket_without_watchdog() {
        let name = format!("moodlight-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut notifier = Notifier::new(OsStr::new(&format!("@{name}")), None).unwrap();
        notifier.beat();
        notifier.ready();
        assert_eq!(heard(&manager), ["READY=1"], "nobody watches: no beats");
    }

    #[test]
    fn a_manager_that_went_away_stops_nothing() {
        let mut notifier =
            Notifier::new(OsStr::new("/no/such/socket"), Some(Duration::from_secs(1))).unwrap();
        notifier.ready();
        notifier.beat();
        assert!(notifier.is_broken);
    }

    #[test]
    fn beats_are_thinned_by_time() {
        let mut pace = Pace::for_timeout(Duration::from_secs(8));
        let start = Instant::now();
        let due: Vec<bool> = [0, 1, 2, 3, 4, 6].map(|s| pace.is_due(start + Duration::from_secs(s))).to_vec();
        assert_eq!(due, [true, false, true, false, true, true]);
    }
}
