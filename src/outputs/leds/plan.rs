//! Which line behaves how for which mood: the table of [`leds`](super) as a pure function.

use super::lines::{LedLine, Wiring};
use crate::decision::MoodKind;
use crate::emotion::Emotion;
use crate::outputs::patterns::Pattern;
use serde::Deserialize;

/// How an RGB LED shows an emotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RgbRhythm {
    /// Its colour, steadily.
    #[default]
    Steady,
    /// Its colour with none, one or two short gaps every 3 s, for those who do not see the colour.
    Winks,
}

/// What the lights are to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub kind: MoodKind,
    /// The likeliest emotion, for `uncertain`.
    pub guess: Emotion,
}

/// How `line` behaves while the lights say `message`. Of the emotion lines at most one is not dark.
pub fn pattern_of(line: LedLine, message: Message, wiring: &Wiring, rhythm: RgbRhythm) -> Pattern {
    match line {
        LedLine::Red | LedLine::Green | LedLine::Blue => rgb_pattern(line, message, rhythm),
        _ => {
            let (speaker, pattern) = single(message, wiring);
            if line == speaker { pattern } else { Pattern::DARK }
        }
    }
}

/// The one single-colour line that speaks, and how.
fn single(message: Message, wiring: &Wiring) -> (LedLine, Pattern) {
    let own_or = |own: LedLine, steady: Pattern, stand_in: LedLine, pattern: Pattern| {
        if wiring.has(own) { (own, steady) } else { (stand_in, pattern) }
    };
    let neutral = LedLine::Emotion(Emotion::Neutral);
    match message.kind {
        MoodKind::Emotion(e) => (LedLine::Emotion(e), Pattern::STEADY),
        MoodKind::Uncertain => {
            own_or(LedLine::Uncertain, Pattern::STEADY, LedLine::Emotion(message.guess), Pattern::BLINK)
        }
        MoodKind::NoFace => own_or(LedLine::NoFace, Pattern::PULSE, neutral, Pattern::PULSE),
        MoodKind::Muted => own_or(LedLine::NoFace, Pattern::TRIPLE_FLASH, neutral, Pattern::TRIPLE_FLASH),
        MoodKind::Fault => {
            own_or(LedLine::Fault, Pattern::DOUBLE_FLASH, fault_stand_in(wiring), Pattern::DOUBLE_FLASH)
        }
    }
}

/// `angry` is usually red; a box without it takes the first emotion that it has, or what it has, unless an RGB LED speaks: a fault
/// must never be dark.
fn fault_stand_in(wiring: &Wiring) -> LedLine {
    let others = [LedLine::Uncertain, LedLine::NoFace].into_iter().filter(|_| !wiring.has(LedLine::Red));
    let mut lines = Emotion::ALL.into_iter().map(LedLine::Emotion).chain(others);
    lines.find(|&l| wiring.has(l)).unwrap_or(LedLine::Emotion(Emotion::Angry))
}

fn rgb_pattern(line: LedLine, message: Message, rhythm: RgbRhythm) -> Pattern {
    let (colour, pattern) = match message.kind {
        MoodKind::Emotion(e) if rhythm == RgbRhythm::Winks => (rgb_of(e), winks_of(e)),
        MoodKind::Emotion(e) => (rgb_of(e), Pattern::STEADY),
        MoodKind::Uncertain => (rgb_of(message.guess), Pattern::BLINK),
        MoodKind::NoFace => (rgb_of(Emotion::Neutral), Pattern::PULSE),
        MoodKind::Fault => (rgb_of(Emotion::Angry), Pattern::DOUBLE_FLASH),
        MoodKind::Muted => (rgb_of(Emotion::Neutral), Pattern::TRIPLE_FLASH),
    };
    if colour.has(line) { pattern } else { Pattern::DARK }
}

/// Which of an RGB LED's three colours are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb {
    pub red: bool,
    pub green: bool,
    pub blue: bool,
}

impl Rgb {
    fn has(self, line: LedLine) -> bool {
        match line {
            LedLine::Red => self.red,
            LedLine::Green => self.green,
            LedLine::Blue => self.blue,
            _ => false,
        }
    }
}

/// The colour of an emotion: seven emotions, seven mixtures. Red for angry, yellow for happy and blue for sad is what
/// people expect; neutral is white.
pub const fn rgb_of(emotion: Emotion) -> Rgb {
    let (red, green, blue) = match emotion {
        Emotion::Angry => (true, false, false),
        Emotion::Disgust => (false, true, false),
        Emotion::Fear => (true, false, true),
        Emotion::Happy => (true, true, false),
        Emotion::Sad => (false, false, true),
        Emotion::Surprise => (false, true, true),
        Emotion::Neutral => (true, true, true),
    };
    Rgb { red, green, blue }
}

/// Rhythms such that no two emotions share one whose colours are confused: red, green and yellow, blue and magenta,
/// cyan and white (red-green blindness); blue, green and cyan, yellow and white, red and magenta (blue-yellow
/// blindness). Three rhythms suffice.
pub const fn winks_of(emotion: Emotion) -> Pattern {
    match emotion {
        Emotion::Disgust | Emotion::Fear | Emotion::Neutral => Pattern::STEADY,
        Emotion::Happy | Emotion::Sad => Pattern::WINK,
        Emotion::Angry | Emotion::Surprise => Pattern::TWO_WINKS,
    }
}
