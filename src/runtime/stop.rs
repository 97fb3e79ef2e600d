//! Being told to stop: SIGINT (Ctrl-C), SIGTERM (the service manager) and SIGHUP (a terminal that is gone).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Shared by all threads; remembers which signal came last. A second SIGINT or SIGTERM kills at once, in case the first hangs; SIGHUP
/// comes twice where a shell passes it on before the kernel sends its own, and nobody waits there.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicUsize>);

/// Whether /proc/self/`status` has `signal` in its mask of ignored ones.
fn is_ignored(signal: i32, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// No signal's number: the run is to begin anew.
const RELOAD: usize = 1 << 16;

impl Stop {
    /// Never stops by itself; for tests and for embedding.
    pub fn never() -> Self {
        Self::default()
    }

    /// Listens for SIGINT and SIGTERM from now on, and for SIGHUP unless it was to be ignored (`nohup`).
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if !is_ignored(SIGHUP, &status) {
            signal_hook::flag::register_usize(SIGHUP, stop.0.clone(), SIGHUP as usize)?;
        }
        for signal in [SIGINT, SIGTERM] {
            let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
            // Order matters: the shutdown sees the flag of an *earlier* signal only.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, armed.clone())?;
            signal_hook::flag::register(signal, armed)?;
            signal_hook::flag::register_usize(signal, stop.0.clone(), signal as usize)?;
        }
        Ok(stop)
    }

    /// The signal that asked for the end, if one did.
    pub fn requested(&self) -> Option<i32> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    /// Asks for an end that is followed by a new beginning. A signal that came, or comes, is stronger.
    pub fn request_reload(&self) {
        let _ = self.0.compare_exchange(0, RELOAD, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The end was asked for by [`request_reload`](Self::request_reload).
    pub fn is_reload(&self) -> bool {
        self.0.load(Ordering::Relaxed) == RELOAD
    }

    /// As [`is_reload`](Self::is_reload), and nothing is asked for any more.
    pub fn take_reload(&self) -> bool {
        self.0.compare_exchange(RELOAD, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Asks for the end from inside, as if `signal` had come.
    pub fn request(&self, signal: i32) {
        self.0.store(signal as usize, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::nohup("SigBlk:\t0\nSigIgn:\t0000000000001001\n", true)]
    #[case::a_pipe_only("SigIgn:\t0000000000001000\n", false)]
    #[case::no_proc("", false)]
    #[case::no_number("SigIgn:\tnone\n", false)]
    fn an_ignored_hangup_is_left_ignored(#[case] status: &str, #[case] expect: bool) {
        assert_eq!(is_ignored(SIGHUP, status), expect);
    }
}
