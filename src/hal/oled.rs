//! Small monochrome panels on I²C: SSD1306 and SH1106, 128×64.
//!
//! Both are driven in page addressing mode, the one that both know (datasheets: Solomon SSD1306 rev 1.1, Sino Wealth SH1106
//! rev 2.2); that is why the `ssd1306` crate, which knows the first alone, is not used. Only what has changed is sent:
//! a whole page takes 100 ms on a 100 kHz bus.
//!
//! Terms. *Page*: a stripe of eight rows; one byte is eight pixels of a column, the top one the lowest bit.
//!
//! A panel that doesn't answer (unplugged, NAK) is an error of that one flush; the next one sets it up anew and sends everything.

use crate::config::OledController;
use crate::outputs::display::Panel;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_hal::i2c::I2c;
use linux_embedded_hal::I2cdev;
use std::convert::Infallible;
use std::path::Path;

const WIDTH: usize = 128;
const PAGES: usize = 8;
const HEIGHT: usize = PAGES * 8;

/// First byte of a message: what follows are commands, or pixels.
const COMMANDS: u8 = 0x00;
const PIXELS: u8 = 0x40;

/// A panel and what it shows.
pub struct Oled<I> {
    bus: I,
    address: u8,
    controller: OledController,
    flip: bool,
    name: String,
    /// Percent of the full brightness that was asked for.
    light: u8,
    /// And what the panel has.
    light_shown: u8,
    /// What was drawn.
    canvas: [[u8; WIDTH]; PAGES],
    /// What the panel shows; `None`: unknown, it has to be set up.
    shown: Option<[[u8; WIDTH]; PAGES]>,
}

impl Oled<I2cdev> {
    /// Opens the bus and sets the panel up.
    ///
    /// # Errors
    /// The bus is absent (with those there are) or may not be opened. A panel that doesn't answer is no error here: it may
    /// be plugged in later, and each flush tries.
    pub fn open(bus: &Path, address: u8, controller: OledController, flip: bool) -> Result<Self, String> {
        let device = I2cdev::new(bus).map_err(|e| why_not(bus, &e.to_string()))?;
        let name = format!("{} at {address:#04x} on {}", chip(controller), bus.display());
        Ok(Self::new(device, address, controller, flip, name))
    }
}

impl<I: I2c> Oled<I> {
    pub fn new(bus: I, address: u8, controller: OledController, flip: bool, name: String) -> Self {
        Self {
            bus,
            address,
            controller,
            flip,
            name,
            light: 100,
            light_shown: 100,
            canvas: [[0; WIDTH]; PAGES],
            shown: None,
        }
    }

    fn set_up(&mut self) -> Result<(), I::Error> {
        let (columns, rows) = if self.flip { (0xa0, 0xc0) } else { (0xa1, 0xc8) };
        // The voltage for the pixels comes from the charge pump, which each chip switches on in its own way.
        let power: [u8; 2] = match self.controller {
            OledController::Ssd1306 => [0x8d, 0x14],
            OledController::Sh1106 => [0xad, 0x8b],
        };
        let contrast = self.contrast();
        let commands = [
            0xae, // off while the memory is undefined
            0xd5, 0x80, // clock as after reset
            0xa8, 0x3f, // 64 rows
            0xd3, 0x00, 0x40, // no offset, first row 0
            power[0], power[1], //
            columns, rows, //
            0xda, 0x12, // rows wired alternately
            0x81, contrast, //
            0xd9, 0xf1, 0xdb, 0x40, // pre-charge and deselect level for the pump
            0xa4, 0xa6, // show the memory, not inverted
        ];
        self.command(&commands)?;
        match self.controller {
            OledController::Ssd1306 => self.command(&[0x20, 0x02]), // page addressing; the SH1106 has no other
            OledController::Sh1106 => Ok(()),
        }
    }

    /// What the datasheets call contrast is the pixels' current, 1 to 255; 0xcf is the usual full one with the charge pump.
    fn contrast(&self) -> u8 {
        (0xcf * u32::from(self.light) / 100).max(1) as u8
    }

    fn command(&mut self, commands: &[u8]) -> Result<(), I::Error> {
        let mut message = [0; 32];
        let length = commands.len().min(message.len() - 1);
        message[0] = COMMANDS;
        message[1..=length].copy_from_slice(&commands[..length]);
        self.bus.write(self.address, &message[..=length])
    }

    /// Sends the columns of a page that differ from what is shown.
    fn send(&mut self, page: usize, old: Option<&[u8; WIDTH]>) -> Result<(), I::Error> {
        let new = self.canvas[page];
        let differs = |x: &usize| old.is_none_or(|old| old[*x] != new[*x]);
        let (Some(first), Some(last)) = ((0..WIDTH).find(differs), (0..WIDTH).rfind(differs)) else {
            return Ok(());
        };
        // The SH1106 has memory for 132 columns, of which the panel shows the middle ones.
        let column = first as u8 + if self.controller == OledController::Sh1106 { 2 } else { 0 };
        self.command(&[0xb0 | page as u8, column & 0x0f, 0x10 | column >> 4])?;
        let mut message = [PIXELS; WIDTH + 1];
        let length = last - first + 1;
        message[1..=length].copy_from_slice(&new[first..=last]);
        self.bus.write(self.address, &message[..=length])
    }

    fn show(&mut self) -> Result<(), I::Error> {
        let shown = self.shown.take();
        if shown.is_none() {
            self.set_up()?;
        } else if self.light != self.light_shown {
            self.command(&[0x81, self.contrast()])?;
        }
        self.light_shown = self.light;
        for page in 0..PAGES {
            self.send(page, shown.as_ref().map(|s| &s[page]))?;
        }
        if shown.is_none() {
            self.command(&[0xaf])?; // on, now that the memory is known
        }
        self.shown = Some(self.canvas);
        Ok(())
    }
}

impl<I: I2c + Send> Panel for Oled<I> {
    type Canvas = Self;

    fn canvas(&mut self) -> &mut Self {
        self
    }

    fn set_light(&mut self, percent: u8) {
        self.light = percent;
    }

    fn flush(&mut self) -> Result<(), String> {
        self.show().map_err(|e| {
            format!(
                "it doesn't answer ({e:?}): check its four wires and the address (`i2cdetect -y` shows it)"
            )
        })
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

impl<I> OriginDimensions for Oled<I> {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl<I> DrawTarget for Oled<I> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<T: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: T) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            if (0..WIDTH as i32).contains(&x) && (0..HEIGHT as i32).contains(&y) {
                let byte = &mut self.canvas[y as usize / 8][x as usize];
                let bit = 1 << (y % 8);
                if color.is_on() { *byte |= bit } else { *byte &= !bit }
            }
        }
        Ok(())
    }

    fn clear(&mut self, color: BinaryColor) -> Result<(), Infallible> {
        self.fill_solid(&Rectangle::new(Point::zero(), self.size()), color)
    }
}

fn chip(controller: OledController) -> &'static str {
    match controller {
        OledController::Ssd1306 => "SSD1306",
        OledController::Sh1106 => "SH1106",
    }
}

fn why_not(bus: &Path, e: &str) -> String {
    let mut buses: Vec<String> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n.starts_with("i2c-"))
        .map(|n| format!("/dev/{n}"))
        .collect();
    buses.sort();
    let advice = match buses.as_slice() {
        [] => {
            "this kernel shows no I²C bus: switch it on (a Raspberry Pi: sudo raspi-config nonint do_i2c 0) and load i2c-dev"
                .into()
        }
        list if list.iter().any(|b| Path::new(b) == bus) => {
            "add the user to the group `i2c` (sudo usermod -aG i2c $USER) and log in again".to_owned()
        }
        list => format!("there is {}", list.join(", ")),
    };
    format!("OLED on {}: {e}; {advice}", bus.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    const AT: u8 = 0x3c;

    fn panel(controller: OledController, bus: &[Transaction]) -> (Oled<Mock>, Mock) {
        let mock = Mock::new(bus);
        (Oled::new(mock.clone(), AT, controller, false, "test".into()), mock)
    }

    /// What brings a panel to life: its commands, eight empty pages, on.
    fn awake(controller: OledController) -> Vec<Transaction> {
        let sh1106 = controller == OledController::Sh1106;
        let power = if sh1106 { [0xad, 0x8b] } else { [0x8d, 0x14] };
        let mut start = vec![0, 0xae, 0xd5, 0x80, 0xa8, 0x3f, 0xd3, 0, 0x40];
        start.extend(power);
        start.extend([0xa1, 0xc8, 0xda, 0x12, 0x81, 0xcf, 0xd9, 0xf1, 0xdb, 0x40, 0xa4, 0xa6]);
        let mut all = vec![Transaction::write(AT, start)];
        if !sh1106 {
            all.push(Transaction::write(AT, vec![0, 0x20, 0x02]));
        }
        for page in 0..8 {
            all.push(Transaction::write(AT, vec![0, 0xb0 + page, if sh1106 { 2 } else { 0 }, 0x10]));
            all.push(Transaction::write(AT, [vec![0x40], vec![0; 128]].concat()));
        }
        all.push(Transaction::write(AT, vec![0, 0xaf]));
        all
    }

    fn dot(oled: &mut Oled<Mock>, x: i32, y: i32) {
        oled.draw_iter([Pixel(Point::new(x, y), BinaryColor::On)]).unwrap();
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut bus = awake(OledController::Ssd1306);
        bus.push(Transaction::write(AT, vec![0, 0xb1, 0x04, 0x16]));
        bus.push(Transaction::write(AT, vec![0x40, 0x02, 0x00, 0x80]));
        let (mut oled, mut mock) = panel(OledController::Ssd1306, &bus);
        oled.flush().unwrap();
        dot(&mut oled, 100, 9);
        dot(&mut oled, 102, 15);
        oled.flush().unwrap();
        oled.flush().unwrap();
        mock.done();
    }

    #[test]
    fn brightness_is_the_panels_own() {
        let mut bus = awake(OledController::Ssd1306);
        bus.push(Transaction::write(AT, vec![0, 0x81, 0x48])); // 35 % of 0xcf
        bus.push(Transaction::write(AT, vec![0, 0x81, 0xcf]));
        let (mut oled, mut mock) = panel(OledController::Ssd1306, &bus);
        oled.flush().unwrap();
        for light in [35, 35, 100] {
            oled.set_light(light);
            oled.flush().unwrap();
        }
        mock.done();
    }

    #[test]
    fn the_sh1106_begins_two_columns_later() {
        let mut bus = awake(OledController::Sh1106);
        bus.push(Transaction::write(AT, vec![0, 0xb0, 0x02, 0x10]));
        bus.push(Transaction::write(AT, vec![0x40, 0x01]));
        let (mut oled, mut mock) = panel(OledController::Sh1106, &bus);
        oled.flush().unwrap();
        dot(&mut oled, 0, 0);
        oled.flush().unwrap();
        mock.done();
    }

    #[test]
    fn a_panel_that_comes_back_is_set_up_anew() {
        let nak = ErrorKind::NoAcknowledge(embedded_hal::i2c::NoAcknowledgeSource::Address);
        let start = awake(OledController::Ssd1306).remove(0);
        let mut bus = vec![start.with_error(nak)];
        bus.extend(awake(OledController::Ssd1306));
        bus.push(Transaction::write(AT, vec![0, 0xb0, 0x00, 0x10]).with_error(nak));
        bus.extend(awake(OledController::Ssd1306).into_iter().take(2));
        bus.push(Transaction::write(AT, vec![0, 0xb0, 0x00, 0x10]).with_error(nak));
        let (mut oled, mut mock) = panel(OledController::Ssd1306, &bus);
        assert!(oled.flush().unwrap_err().contains("doesn't answer"));
        oled.flush().unwrap();
        dot(&mut oled, 0, 0);
        oled.flush().unwrap_err();
        oled.flush().unwrap_err();
        mock.done();
    }

    #[test]
    fn what_lies_outside_is_not_drawn() {
        let (mut oled, mut mock) = panel(OledController::Ssd1306, &[]);
        for (x, y) in [(-1, 0), (0, -1), (128, 0), (0, 64), (i32::MAX, i32::MIN)] {
            dot(&mut oled, x, y);
        }
        assert_eq!(oled.canvas, [[0; WIDTH]; PAGES]);
        mock.done();
    }

    #[test]
    fn a_bus_that_is_not_there_is_named() {
        let error = Oled::open(Path::new("/dev/i2c-none"), AT, OledController::Ssd1306, false).err().unwrap();
        assert!(error.starts_with("OLED on /dev/i2c-none: "), "{error}");
    }
}
