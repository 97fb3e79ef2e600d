//! LEDs on output pins: one for each emotion, or one RGB LED, with optional lines for the other states.
//!
//! What a person sees:
//!
//! | mood | with an own line | without | RGB LED |
//! |---|---|---|---|
//! | emotion | steady | (dark) | its colour |
//! | uncertain | steady | the likeliest emotion blinks: "perhaps this one" | its colour blinks |
//! | no face | one slow beat | `neutral` beats | white beats |
//! | fault | double flash | `angry`, usually red, flashes twice | red flashes twice |
//!
//! Invariants: at most one emotion LED is on, at every instant (lines go off before another goes on); a pin is written
//! only when its level changes, and once at the start and at the end; a failing pin is an error of `show` until it works
//! again, is tried again each time, and never stops the others.
//!
//! It opens no device: `hal` and `sim` bring the pins. There is no PWM: levels are on and off.

mod lines;
mod plan;

pub use lines::{LedLine, LedPin, PinError, Wiring, WiringError, led_pin};
pub use plan::{Message, Rgb, RgbRhythm, pattern_of, rgb_of, winks_of};

use super::events::Event;
use super::patterns::Pattern;
use super::{Indicator, IndicatorError, View};
use crate::decision::MoodKind;
use crate::frame::Timestamp;
use embedded_hal::digital::PinState;
use serde::Deserialize;

/// The `[leds]` table: how lights behave. Which pin is which line is the board profile's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedSettings {
    /// `steady` or `winks`.
    pub rgb: RgbRhythm,
}

impl LedSettings {
    /// Every combination is valid.
    pub fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The lights of one box.
pub struct Leds {
    lines: Vec<Line>,
    wiring: Wiring,
    rhythm: RgbRhythm,
    shown: Option<Shown>,
    device: String,
}

struct Line {
    role: LedLine,
    pin: LedPin,
    /// The level last written; `None` before the first write and after a failed one.
    level: Option<bool>,
}

/// What the lights say, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    message: Message,
    since: Timestamp,
}

impl Leds {
    /// Takes the lines and drives all of them low. A pin that fails here is reported by the first `show`.
    ///
    /// `device` is for messages: "gpio LEDs on gpiochip0". A box may have fewer lines than there are emotions.
    pub fn new(
        device: impl Into<String>,
        lines: Vec<(LedLine, LedPin)>,
        settings: &LedSettings,
    ) -> Result<Self, WiringError> {
        let wiring = Wiring::new(lines.iter().map(|l| l.0))?;
        let mut lines: Vec<Line> =
            lines.into_iter().map(|(role, pin)| Line { role, pin, level: None }).collect();
        lines.sort_by_key(|l| l.role.index());
        for line in &mut lines {
            // A failure leaves the level unknown, so that `show` writes the line again and then reports it.
            let _ = line.write(false);
        }
        Ok(Leds { lines, wiring, rhythm: settings.rgb, shown: None, device: device.into() })
    }

    /// Lines whose last write failed.
    pub fn failing(&self) -> impl Iterator<Item = LedLine> + '_ {
        self.lines.iter().filter(|l| l.level.is_none()).map(|l| l.role)
    }

    /// Drives one line and leaves the others dark: `moodlight leds test`.
    pub fn only(&mut self, line: Option<LedLine>, changes: &mut Vec<Event>) -> Result<(), IndicatorError> {
        self.shown = None;
        self.drive(|l| Some(l) == line, false, changes)
    }

    fn pattern(&self, line: LedLine, shown: Shown) -> Pattern {
        pattern_of(line, shown.message, &self.wiring, self.rhythm)
    }

    /// Writes the lines that differ from `lit` (all of them if `always`): first those that go off, then those that go
    /// on. Returns the first failure, after all were tried.
    fn drive(
        &mut self,
        lit: impl Fn(LedLine) -> bool,
        always: bool,
        changes: &mut Vec<Event>,
    ) -> Result<(), IndicatorError> {
        let mut failure = None;
        for level in [false, true] {
            for line in self.lines.iter_mut().filter(|l| lit(l.role) == level) {
                if line.level == Some(level) && !always {
                    continue;
                }
                if let Err(e) = line.change(level, changes) {
                    failure.get_or_insert(e);
                }
            }
        }
        match failure {
            Some(e) => Err(IndicatorError { device: self.device.clone(), reason: e.to_string() }),
            None => Ok(()),
        }
    }
}

impl Line {
    fn write(&mut self, level: bool) -> Result<(), PinError> {
        self.level = None;
        self.pin.set_state(PinState::from(level))?;
        self.level = Some(level);
        Ok(())
    }

    /// Writes, and notes the event if the level is another than the one known before. After a failure the level is
    /// unknown, and reaching one is a change again.
    fn change(&mut self, level: bool, changes: &mut Vec<Event>) -> Result<(), PinError> {
        let before = self.level;
        self.write(level)?;
        if before != Some(level) {
            changes.push(Event::Led { line: self.role.name().into(), on: level });
        }
        Ok(())
    }
}

impl Indicator for Leds {
    fn show(
        &mut self,
        view: &View<'_>,
        now: Timestamp,
        changes: &mut Vec<Event>,
    ) -> Result<(), IndicatorError> {
        let shown = Shown::of(view, now, self.shown);
        self.shown = Some(shown);
        let elapsed = now.since(shown.since);
        let (wiring, rhythm) = (self.wiring, self.rhythm);
        self.drive(|line| pattern_of(line, shown.message, &wiring, rhythm).lit(elapsed), false, changes)
    }

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let shown = self.shown?;
        let elapsed = now.since(shown.since);
        let edges = self.lines.iter().filter_map(|l| self.pattern(l.role, shown).next_edge(elapsed));
        edges.min().map(|edge| shown.since + edge)
    }

    fn off(&mut self, _now: Timestamp, changes: &mut Vec<Event>) -> Result<(), IndicatorError> {
        self.shown = None;
        self.drive(|_| false, true, changes)
    }

    fn describe(&self) -> String {
        let names: Vec<_> = self.lines.iter().map(|l| l.role.name()).collect();
        format!("{} ({})", self.device, names.join(", "))
    }
}

impl Shown {
    /// Under `uncertain` the guess may change only while the light is dark, so that it never jumps from one LED to
    /// another in the middle of a blink.
    fn of(view: &View<'_>, now: Timestamp, before: Option<Shown>) -> Shown {
        let (kind, since) = (view.mood.kind, view.mood.since);
        let likeliest = view.mood.scores.top().0;
        let guess = match before {
            Some(b) if b.message.kind == MoodKind::Uncertain && kind == MoodKind::Uncertain => {
                if Pattern::BLINK.lit(now.since(since)) {
                    b.message.guess
                } else {
                    likeliest
                }
            }
            _ => likeliest,
        };
        Shown { message: Message { kind, guess }, since }
    }
}
