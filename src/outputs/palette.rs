//! One colour for each mood, the same on every screen and in the terminal.
//!
//! The hues are the RGB LED's (red angry, yellow happy, blue sad, white neutral …), toned for a dark background and
//! spread in lightness as well, so that they differ for colour-blind people too. Colour is never the only sign: a word
//! or a face always stands beside it.

use crate::decision::MoodKind;
use crate::emotion::Emotion;

/// 8 bits a channel, sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    pub r: u8,
    pub g: u8,
    pub b: u8,
}

impl Color {
    pub const BLACK: Color = Color::hex(0x000000);
    pub const WHITE: Color = Color::hex(0xffffff);

    pub const fn hex(rgb: u32) -> Self {
        Self { r: (rgb >> 16) as u8, g: (rgb >> 8) as u8, b: rgb as u8 }
    }

    /// This colour with `share` (0..=1) of `other` mixed in.
    pub fn mix(self, other: Color, share: f32) -> Color {
        let channel = |a: u8, b: u8| (a as f32 + (b as f32 - a as f32) * share.clamp(0.0, 1.0)).round() as u8;
        Color { r: channel(self.r, other.r), g: channel(self.g, other.g), b: channel(self.b, other.b) }
    }

    /// Perceived lightness, 0..=255 (Rec. 601 weights).
    pub const fn luma(self) -> u8 {
        ((self.r as u32 * 299 + self.g as u32 * 587 + self.b as u32 * 114) / 1000) as u8
    }
}

/// The emotion's colour.
pub const fn of_emotion(emotion: Emotion) -> Color {
    match emotion {
        Emotion::Angry => Color::hex(0xe8503a),
        Emotion::Disgust => Color::hex(0x5fae4b),
        Emotion::Fear => Color::hex(0xb07af0),
        Emotion::Happy => Color::hex(0xffd23f),
        Emotion::Sad => Color::hex(0x4a86e8),
        Emotion::Surprise => Color::hex(0x5ee0e6),
        Emotion::Neutral => Color::hex(0xe6e9ef),
    }
}

/// The mood's colour: the emotion's, gray without one, orange for a fault, a dull violet for a closed camera.
pub const fn of_mood(mood: MoodKind) -> Color {
    match mood {
        MoodKind::Emotion(e) => of_emotion(e),
        MoodKind::Uncertain => Color::hex(0x9aa3b2),
        MoodKind::NoFace => Color::hex(0x6b7484),
        MoodKind::Fault => Color::hex(0xff8a3c),
        MoodKind::Muted => Color::hex(0x8f86b8),
    }
}
