//! From the palette's colours to whatever a panel can show.

use crate::outputs::palette::Color;
use embedded_graphics::pixelcolor::{BinaryColor, Gray4, Gray8, PixelColor, Rgb565, Rgb888};

/// A panel's pixel.
pub trait Ink: PixelColor {
    /// Whether the panel has colours; without, the page uses outlines instead of coloured areas.
    const COLORED: bool;
    /// Whether it has more levels than on and off; without, dimming is the panel's own affair.
    const SHADES: bool = true;

    fn from_color(color: Color) -> Self;
}

impl Ink for BinaryColor {
    const COLORED: bool = false;
    const SHADES: bool = false;
    /// Lit from middle gray on, so that a half-covered pixel of a white stroke on black is lit.
    fn from_color(color: Color) -> Self {
        if color.luma() >= 127 { BinaryColor::On } else { BinaryColor::Off }
    }
}

impl Ink for Gray4 {
    const COLORED: bool = false;
    fn from_color(color: Color) -> Self {
        Gray4::new(color.luma() >> 4)
    }
}

impl Ink for Gray8 {
    const COLORED: bool = false;
    fn from_color(color: Color) -> Self {
        Gray8::new(color.luma())
    }
}

impl Ink for Rgb565 {
    const COLORED: bool = true;
    fn from_color(c: Color) -> Self {
        Rgb565::new(c.r >> 3, c.g >> 2, c.b >> 3)
    }
}

impl Ink for Rgb888 {
    const COLORED: bool = true;
    fn from_color(c: Color) -> Self {
        Rgb888::new(c.r, c.g, c.b)
    }
}
