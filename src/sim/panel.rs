//! A panel in memory, in full colour or in two, that can be written as a PNG: `--snapshot`, tests, documentation.

use crate::outputs::display::Panel;
use embedded_graphics::pixelcolor::{BinaryColor, Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use std::convert::Infallible;
use std::path::Path;

/// A colour that a [`SimPanel`] can hold.
pub trait SimColor: crate::outputs::display::Ink + Send {
    fn rgb(self) -> [u8; 3];
    const BLACK: Self;
}

impl SimColor for Rgb888 {
    fn rgb(self) -> [u8; 3] {
        [self.r(), self.g(), self.b()]
    }
    const BLACK: Self = <Rgb888 as RgbColor>::BLACK;
}

impl SimColor for Rgb565 {
    fn rgb(self) -> [u8; 3] {
        Rgb888::from(self).rgb()
    }
    const BLACK: Self = <Rgb565 as RgbColor>::BLACK;
}

impl SimColor for BinaryColor {
    fn rgb(self) -> [u8; 3] {
        if self.is_on() { [0xd6, 0xec, 0xff] } else { [0, 0, 0] }
    }
    const BLACK: Self = BinaryColor::Off;
}

/// Pixels in memory, row by row.
#[derive(Debug, Clone)]
pub struct SimPanel<C> {
    size: Size,
    pixels: Vec<C>,
    flushes: u64,
    light: u8,
    is_plugged: bool,
}

impl<C: SimColor> SimPanel<C> {
    /// All black.
    pub fn new(width: u32, height: u32) -> Self {
        let pixels = vec![C::BLACK; (width * height) as usize];
        Self { size: Size::new(width, height), pixels, flushes: 0, light: 100, is_plugged: true }
    }

    /// Row by row.
    pub fn pixels(&self) -> &[C] {
        &self.pixels
    }

    /// How often something new was shown.
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// The brightness that the panel itself was given last, percent.
    pub fn light(&self) -> u8 {
        self.light
    }

    /// Pulls its plug, or puts it back.
    pub fn plug(&mut self, is_plugged: bool) {
        self.is_plugged = is_plugged;
    }

    /// Writes a PNG, each pixel as a square of `zoom` pixels.
    pub fn write_png(&self, path: &Path, zoom: u32) -> Result<(), image::ImageError> {
        let (w, h) = (self.size.width, self.size.height);
        let picture = image::RgbImage::from_fn(w * zoom, h * zoom, |x, y| {
            image::Rgb(self.pixels[(y / zoom * w + x / zoom) as usize].rgb())
        });
        picture.save(path)
    }
}

impl<C> OriginDimensions for SimPanel<C> {
    fn size(&self) -> Size {
        self.size
    }
}

impl<C: SimColor> DrawTarget for SimPanel<C> {
    type Color = C;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<C>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(p, color) in pixels {
            if (0..self.size.width as i32).contains(&p.x) && (0..self.size.height as i32).contains(&p.y) {
                self.pixels[p.y as usize * self.size.width as usize + p.x as usize] = color;
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: C) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        let (x, w) = (area.top_left.x as usize, area.size.width as usize);
        for y in area.rows() {
            let start = y as usize * self.size.width as usize + x;
            self.pixels[start..start + w].fill(color);
        }
        Ok(())
    }
}

impl<C: SimColor> Panel for SimPanel<C> {
    type Canvas = Self;

    fn canvas(&mut self) -> &mut Self {
        self
    }

    fn is_watched(&mut self) -> bool {
        self.is_plugged
    }

    fn set_light(&mut self, percent: u8) {
        self.light = percent;
    }

    fn flush(&mut self) -> Result<(), String> {
        self.flushes += 1;
        Ok(())
    }

    fn describe(&self) -> String {
        format!("simulated panel {}x{}", self.size.width, self.size.height)
    }
}
