//! The lines that lights hang on: their names, the pins behind them, and which sets of them make sense.

use crate::emotion::Emotion;
use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};

/// What a line is for. Its name is the one in config, profile and trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LedLine {
    Emotion(Emotion),
    Uncertain,
    NoFace,
    Fault,
    /// A colour of the RGB LED.
    Red,
    Green,
    Blue,
}

impl LedLine {
    pub const COUNT: usize = 13;

    /// All lines that a board may have, in the order they are listed and switched.
    pub const ALL: [LedLine; Self::COUNT] = [
        LedLine::Emotion(Emotion::Angry),
        LedLine::Emotion(Emotion::Disgust),
        LedLine::Emotion(Emotion::Fear),
        LedLine::Emotion(Emotion::Happy),
        LedLine::Emotion(Emotion::Sad),
        LedLine::Emotion(Emotion::Surprise),
        LedLine::Emotion(Emotion::Neutral),
        LedLine::Uncertain,
        LedLine::NoFace,
        LedLine::Fault,
        LedLine::Red,
        LedLine::Green,
        LedLine::Blue,
    ];

    /// `angry` … `neutral`, `uncertain`, `no_face`, `fault`, `red`, `green`, `blue`.
    pub const fn name(self) -> &'static str {
        match self {
            LedLine::Emotion(e) => e.name(),
            LedLine::Uncertain => "uncertain",
            LedLine::NoFace => "no_face",
            LedLine::Fault => "fault",
            LedLine::Red => "red",
            LedLine::Green => "green",
            LedLine::Blue => "blue",
        }
    }

    /// The RGB LED's three.
    pub const COLOURS: [LedLine; 3] = [LedLine::Red, LedLine::Green, LedLine::Blue];

    pub fn is_colour(self) -> bool {
        Self::COLOURS.contains(&self)
    }

    pub fn from_name(name: &str) -> Option<LedLine> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }

    /// Position in [`ALL`](Self::ALL), 0..13.
    pub const fn index(self) -> usize {
        match self {
            LedLine::Emotion(e) => e.index(),
            LedLine::Uncertain => 7,
            LedLine::NoFace => 8,
            LedLine::Fault => 9,
            LedLine::Red => 10,
            LedLine::Green => 11,
            LedLine::Blue => 12,
        }
    }
}

/// A pin with an LED behind it, whatever it is made of. High is lit: an LED wired the other way round is the pin's
/// business (active-low lines of the board profile).
pub type LedPin = Box<dyn OutputPin<Error = PinError> + Send>;

/// Why a line could not be switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("LED line '{line}': {reason}")]
pub struct PinError {
    pub line: String,
    pub reason: String,
}

impl Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Makes any output pin a [`LedPin`] whose errors name the line.
pub fn led_pin<P: OutputPin + Send + 'static>(line: LedLine, pin: P) -> LedPin {
    Box::new(NamedPin { line, pin })
}

struct NamedPin<P> {
    line: LedLine,
    pin: P,
}

impl<P: OutputPin> NamedPin<P> {
    fn name(&self, error: P::Error) -> PinError {
        PinError { line: self.line.name().into(), reason: format!("{error:?}") }
    }
}

impl<P: OutputPin> ErrorType for NamedPin<P> {
    type Error = PinError;
}

impl<P: OutputPin> OutputPin for NamedPin<P> {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.pin.set_low().map_err(|e| self.name(e))
    }
    fn set_high(&mut self) -> Result<(), PinError> {
        self.pin.set_high().map_err(|e| self.name(e))
    }
}

/// Which lines a box has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wiring([bool; LedLine::COUNT]);

impl Wiring {
    /// Refuses a line that is there twice, a part of an RGB LED, and a box without any light.
    pub fn new(lines: impl IntoIterator<Item = LedLine>) -> Result<Self, WiringError> {
        let mut wiring = Wiring::default();
        for line in lines {
            if std::mem::replace(&mut wiring.0[line.index()], true) {
                return Err(WiringError::Twice(line.name()));
            }
        }
        let has = LedLine::COLOURS.iter().filter(|&&l| wiring.has(l)).count();
        match LedLine::COLOURS.iter().find(|&&l| !wiring.has(l)) {
            Some(missing) if has > 0 => Err(WiringError::HalfRgb(missing.name())),
            _ if wiring == Wiring::default() => Err(WiringError::None),
            _ => Ok(wiring),
        }
    }

    pub const fn has(&self, line: LedLine) -> bool {
        self.0[line.index()]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    #[error("LED line '{0}' is wired to two pins; name one pin for each line")]
    Twice(&'static str),
    #[error("the RGB LED has no pin for '{0}'; it needs all of red, green and blue, or none")]
    HalfRgb(&'static str),
    #[error("no LED line is wired; expected at least one of angry … neutral, or red, green and blue")]
    None,
}
