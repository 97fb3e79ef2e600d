//! Telling whoever watches over us that there is progress.
//!
//! A beat is given for a frame that was worked through, or for an idle tick that has seen a sign of life of the
//! capture thread. Nothing beats by a timer alone: a stuck thread must starve its watchdog.

/// A watchdog or service manager. `hal` implements it for systemd and /dev/watchdog.
pub trait Heartbeat: Send {
    /// Everything is set up and the lights are under control.
    fn ready(&mut self);
    /// Progress was made. Called often; implementations pace themselves by their own interval.
    fn beat(&mut self);
    /// One line for people: "happy", "camera unplugged".
    fn status(&mut self, text: &str);
    /// No beats until the next [`ready`](Self::ready), on purpose: what would reset the board is disarmed. It is no end.
    fn pausing(&mut self);
    /// A clean end: disarm.
    fn stopping(&mut self);
}
