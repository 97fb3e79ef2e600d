//! A push button to ground, by edge events of the kernel, without its bounces.
//!
//! A press counts when the line goes active after it was quiet for [`QUIET`]: the first edge of a press counts at once, the
//! bounces after it and those of the release don't. The edges carry the kernel's own times, so that late reading changes
//! nothing; no clock is read here.

use super::GpioError;
use gpiocdev::Request;
use gpiocdev::line::EdgeKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Cheap buttons bounce for up to 10 ms, worn ones for 20.
const QUIET: Duration = Duration::from_millis(25);

/// A held button line. Its file descriptor becomes readable with each edge.
#[derive(Debug)]
pub struct Button {
    request: Request,
    name: String,
    debounce: Debounce,
}

impl Button {
    pub(super) fn new(request: Request, name: String) -> Self {
        Self { request, name, debounce: Debounce::default() }
    }

    /// How often it was pressed since the last call. Never waits.
    pub fn presses(&mut self) -> Result<usize, GpioError> {
        let fail =
            |e: gpiocdev::Error| GpioError::new(&self.name, format!("the button could not be read: {e}"));
        let mut presses = 0;
        while self.request.has_edge_event().map_err(fail)? {
            let edge = self.request.read_edge_event().map_err(fail)?;
            let at = Duration::from_nanos(edge.timestamp_ns);
            presses += usize::from(self.debounce.edge(edge.kind == EdgeKind::Rising, at));
        }
        Ok(presses)
    }

    /// "line 26 of pinctrl-bcm2711".
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl AsFd for Button {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }
}

/// Tells presses from bounces.
#[derive(Debug, Default)]
struct Debounce {
    last: Option<Duration>,
}

impl Debounce {
    /// Takes an edge at the kernel's time `at`; true when it begins a press.
    fn edge(&mut self, is_active: bool, at: Duration) -> bool {
        let was_quiet = self.last.is_none_or(|last| at.saturating_sub(last) >= QUIET);
        self.last = Some(at);
        is_active && was_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Edges as "+ms" (pressed) and "-ms" (released).
    #[rstest]
    #[case::clean("+100 -250", 1)]
    #[case::twice("+100 -250 +400 -500", 2)]
    #[case::bouncing_press("+100 -101 +102 -104 +105 -250", 1)]
    #[case::bouncing_release("+100 -250 +251 -252 +253 -255", 1)]
    #[case::both("+100 -101 +103 -250 +252 -260 +400 -401 +402 -600", 2)]
    #[case::quick_double_click("+100 -160 +200 -260", 2)]
    #[case::held_at_start("-50 +200", 1)]
    #[case::chatter_is_one_press("+100 -110 +120 -130 +140 -150", 1)]
    #[case::nothing("", 0)]
    fn presses(#[case] edges: &str, #[case] expect: usize) {
        let mut debounce = Debounce::default();
        let count = edges
            .split_whitespace()
            .filter(|e| {
                let at = Duration::from_millis(e[1..].parse().unwrap());
                debounce.edge(e.starts_with('+'), at)
            })
            .count();
        assert_eq!(count, expect);
    }
}
