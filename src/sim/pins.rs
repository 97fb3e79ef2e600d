//! Pins that remember their level, for runs without a board: the terminal draws them, tests read them.
//!
//! A clone of [`SimPins`] looks at the same lines, also from another thread.

use crate::outputs::leds::{LedLine, LedPin, led_pin};
use embedded_hal::digital::{ErrorType, OutputPin};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// The simulated board's LED lines.
#[derive(Debug, Clone)]
pub struct SimPins(Arc<[SimLine]>);

#[derive(Debug)]
struct SimLine {
    line: LedLine,
    lit: AtomicBool,
    writes: AtomicU32,
}

impl SimPins {
    /// A board with these lines, all dark.
    pub fn new(lines: impl IntoIterator<Item = LedLine>) -> Self {
        let line = |line| SimLine { line, lit: AtomicBool::new(false), writes: AtomicU32::new(0) };
        Self(lines.into_iter().map(line).collect())
    }

    /// The usual board: one LED for each emotion.
    pub fn one_per_emotion() -> Self {
        Self::new(crate::emotion::Emotion::ALL.map(LedLine::Emotion))
    }

    /// The pins to hand to [`Leds`](crate::outputs::leds::Leds).
    pub fn pins(&self) -> Vec<(LedLine, LedPin)> {
        let pin = |(index, l): (usize, &SimLine)| {
            (l.line, led_pin(l.line, SimPin { board: self.0.clone(), index }))
        };
        self.0.iter().enumerate().map(pin).collect()
    }

    /// Whether a line is lit; a line that is not there is dark.
    pub fn lit(&self, line: LedLine) -> bool {
        self.0.iter().any(|l| l.line == line && l.lit.load(Relaxed))
    }

    /// The lines and their levels, in the order they were given.
    pub fn levels(&self) -> impl Iterator<Item = (LedLine, bool)> + '_ {
        self.0.iter().map(|l| (l.line, l.lit.load(Relaxed)))
    }

    /// How often a line was written.
    pub fn writes(&self, line: LedLine) -> u32 {
        self.0.iter().filter(|l| l.line == line).map(|l| l.writes.load(Relaxed)).sum()
    }
}

struct SimPin {
    board: Arc<[SimLine]>,
    index: usize,
}

impl SimPin {
    fn set(&mut self, lit: bool) -> Result<(), Infallible> {
        let line = &self.board[self.index];
        line.lit.store(lit, Relaxed);
        line.writes.fetch_add(1, Relaxed);
        Ok(())
    }
}

impl ErrorType for SimPin {
    type Error = Infallible;
}

impl OutputPin for SimPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false)
    }
    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true)
    }
}
