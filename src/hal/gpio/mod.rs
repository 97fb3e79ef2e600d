//! Pins through the kernel's GPIO character devices: lines that lights hang on, and the push button.
//!
//! Terms. *Chip*: a GPIO controller, /dev/gpiochipN; N moves between kernels, its *label* ("pinctrl-bcm2711") does not.
//! *Line*: one of its pins, by *offset* or by the name that the device tree gives it ("GPIO17", "PP.06"). *Consumer*: who
//! holds a line, as `gpioinfo` shows it; ours is `moodlight`.
//!
//! A line is held from request to drop. Some kernels (Raspberry Pi's) keep the level after that, so switch lights off first.
//!
//! `gpiocdev` is used rather than linux-embedded-hal's `CdevPin`, which speaks only the old interface (new kernels may leave
//! it out), has no bias, and turns active-low around a second time. There is no PWM here.

mod button;
mod lookup;

pub use button::Button;
pub use lookup::{ChipView, LineAt, LineView};

use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin};
use gpiocdev::Request;
use gpiocdev::line::{Bias, Drive, EdgeDetection, Value};
use std::fmt;
use std::path::{Path, PathBuf};

/// Shown by `gpioinfo` beside every line that we hold.
pub const CONSUMER: &str = "moodlight";

/// How an output is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wiring {
    /// The light is on when the pin is low.
    pub active_low: bool,
    /// The pin only pulls to ground.
    pub open_drain: bool,
}

/// The board's pins, as they are at this moment.
#[derive(Debug, Clone)]
pub struct Gpio {
    chips: Vec<ChipView>,
    /// Label of the chip that offsets count on.
    chip: String,
}

impl Gpio {
    /// Looks at all chips; `chip` is the label (or name, `gpiochip0`) of the one that offsets count on.
    ///
    /// # Errors
    /// No chip at all, or no permission to open any.
    pub fn open(chip: &str) -> Result<Self, GpioError> {
        let paths = gpiocdev::chip::chips().unwrap_or_default();
        if paths.is_empty() {
            return Err(GpioError::new(
                "gpio",
                "the kernel shows no GPIO chip (/dev/gpiochip*); is this the board?",
            ));
        }
        let mut chips = Vec::new();
        let mut refused = None;
        for path in paths {
            match look_at(&path) {
                Ok(view) => chips.push(view),
                Err(e) => refused = Some(e),
            }
        }
        match refused {
            Some(e) if chips.is_empty() => Err(e),
            _ => Ok(Self { chips, chip: chip.into() }),
        }
    }

    /// Takes a line as output; the light behind it is off.
    ///
    /// # Errors
    /// Absent (with what there is), held by someone (with whom, and which lines are free).
    pub fn output(&self, line: &LineAt, wiring: Wiring) -> Result<OutputLine, GpioError> {
        let found = lookup::find(&self.chips, &self.chip, line)?;
        let mut builder = Request::builder();
        builder.on_chip(&found.chip.path).with_consumer(CONSUMER);
        builder.with_line(found.line.offset).as_output(Value::Inactive);
        if wiring.active_low {
            builder.as_active_low();
        }
        if wiring.open_drain {
            builder.with_drive(Drive::OpenDrain);
        }
        let request = builder.request().map_err(|e| found.why_refused(&e.to_string()))?;
        Ok(OutputLine { request, name: found.name() })
    }

    /// Takes a line as a push button to ground, pulled up where the chip can.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn button(&self, line: &LineAt) -> Result<Button, GpioError> {
        let found = lookup::find(&self.chips, &self.chip, line)?;
        let ask = |bias: Option<Bias>| {
            let mut builder = Request::builder();
            builder.on_chip(&found.chip.path).with_consumer(CONSUMER);
            builder.with_line(found.line.offset).as_input().as_active_low();
            builder.with_bias(bias).with_edge_detection(EdgeDetection::BothEdges).request()
        };
        // Kernels before 5.5 and some chips know no pull-up: then the resistor is the owner's.
        let request =
            ask(Some(Bias::PullUp)).or_else(|_| ask(None)).map_err(|e| found.why_refused(&e.to_string()))?;
        Ok(Button::new(request, found.name()))
    }

    /// What is there, for `doctor`.
    pub fn chips(&self) -> &[ChipView] {
        &self.chips
    }

    /// Finds a line without taking it, for `doctor`.
    pub fn find(&self, line: &LineAt) -> Result<LineView, GpioError> {
        lookup::find(&self.chips, &self.chip, line).map(|f| f.line.clone())
    }

    /// Another moodlight, usually the service, holds the line.
    pub fn is_ours(&self, line: &LineAt) -> bool {
        lookup::locate(&self.chips, &self.chip, line)
            .is_ok_and(|f| f.line.holder.as_deref() == Some(CONSUMER))
    }
}

/// Reads a chip and its lines without taking any.
fn look_at(path: &Path) -> Result<ChipView, GpioError> {
    let name = path.display().to_string();
    // Opened here first for the plain reason; the library wraps it.
    std::fs::File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::PermissionDenied => GpioError::new(
            &name,
            "no permission: add the user to the group `gpio` (sudo usermod -aG gpio $USER) and log in again",
        ),
        _ => GpioError::new(&name, format!("cannot be opened: {e}")),
    })?;
    let fail = |e: gpiocdev::Error| GpioError::new(&name, e.to_string());
    let chip = gpiocdev::Chip::from_path(path).map_err(fail)?;
    let info = chip.info().map_err(fail)?;
    let line = |offset| {
        let l = chip.line_info(offset).map_err(fail)?;
        Ok(LineView { offset, name: l.name, holder: l.used.then_some(l.consumer) })
    };
    let lines = (0..info.num_lines).map(line).collect::<Result<_, GpioError>>()?;
    Ok(ChipView { path: path.into(), label: info.label, lines })
}

/// A line that we drive; high is lit, whichever way the LED is wired.
#[derive(Debug)]
pub struct OutputLine {
    request: Request,
    name: String,
}

impl OutputLine {
    fn set(&mut self, value: Value) -> Result<(), GpioError> {
        self.request.set_lone_value(value).map(|_| ()).map_err(|e| {
            GpioError::new(&self.name, format!("could not be switched ({e}); did the chip go away?"))
        })
    }

    /// "line 17 of pinctrl-bcm2711".
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl ErrorType for OutputLine {
    type Error = GpioError;
}

impl OutputPin for OutputLine {
    fn set_low(&mut self) -> Result<(), GpioError> {
        self.set(Value::Inactive)
    }
    fn set_high(&mut self) -> Result<(), GpioError> {
        self.set(Value::Active)
    }
}

/// What is wrong with a chip or line, and what to do.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{device}: {reason}")]
pub struct GpioError {
    pub device: String,
    pub reason: String,
}

impl GpioError {
    pub(crate) fn new(device: &str, reason: impl Into<String>) -> Self {
        Self { device: device.into(), reason: reason.into() }
    }
}

/// As `Display`: embedded-hal's users see errors only through `Debug`.
impl fmt::Debug for GpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl embedded_hal::digital::Error for GpioError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Paths of all chips, also those that can't be opened.
pub fn chip_paths() -> Vec<PathBuf> {
    gpiocdev::chip::chips().unwrap_or_default()
}
