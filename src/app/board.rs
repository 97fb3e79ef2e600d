//! The board's own lights, panels and watchdogs, by the settings.
//!
//! Whatever was asked for has to be there, or may be missing, as [`Lenience`] says.

use super::lenient::Lenience;
use super::mute::{Muted, NoButton, Shutter};
use crate::config::pins::Pin;
use crate::config::{Hardware, ScreenSettings, Settings, WatchdogSettings};
use crate::frame::Timestamp;
use crate::hal::gpio::{Gpio, LineAt, Wiring};
use crate::hal::notify::Notifier;
use crate::hal::oled::Oled;
use crate::hal::screen::fbdev::Fbdev;
use crate::hal::screen::kms::Kms;
use crate::hal::survey;
use crate::hal::watchdog::Watchdog;
use crate::outputs::Indicator;
use crate::outputs::display::{Display, Panel, Privacy};
use crate::outputs::leds::{LedLine, LedPin, Leds, led_pin};
use crate::runtime::heartbeat::Heartbeat;
use crate::runtime::{SourceOpener, Stop};
use std::path::Path;
use std::time::Duration;

/// Lights on the board's pins; `None` when no line has a pin, or none could be had and may be missing.
///
/// # Errors
/// A chip or line that is absent or busy.
pub fn leds(settings: &Settings, lenience: &mut Lenience) -> anyhow::Result<Option<Leds>> {
    let wanted: Vec<(LedLine, LineAt)> =
        settings.wires.iter().filter_map(|w| Some((LedLine::from_name(w.line)?, line_at(&w.pin)))).collect();
    if wanted.is_empty() {
        log::info!("no LED has a pin: [pins] in the config wires them");
        return Ok(None);
    }
    let taken = take_lines(settings, wanted, lenience)?;
    if taken.is_empty() {
        return Ok(None);
    }
    let device = format!("LEDs on {}", settings.board.gpio.chip);
    lenience.take("LEDs", Leds::new(device, taken, &settings.config.leds))
}

fn take_lines(
    settings: &Settings,
    wanted: Vec<(LedLine, LineAt)>,
    lenience: &mut Lenience,
) -> anyhow::Result<Vec<(LedLine, LedPin)>> {
    let Some(gpio) = lenience.take("LEDs", Gpio::open(&settings.board.gpio.chip))? else {
        return Ok(Vec::new());
    };
    let wiring = Wiring { active_low: settings.active_low, open_drain: settings.open_drain };
    let (mut taken, colours) = (Vec::new(), wanted.iter().filter(|(led, _)| led.is_colour()).count());
    for (led, at) in wanted {
        let line = lenience.take(format!("LED {}", led.name()), gpio.output(&at, wiring))?;
        taken.extend(line.map(|line| (led, led_pin(led, line))));
    }
    without_half_rgb(&mut taken, colours);
    Ok(taken)
}

/// Lets the other colours go when one of the RGB LED's lines could not be had; the lines beside it go on. `wired` is how many colours
/// the config wires: a set that is half there is the config's fault, which nothing here hides.
fn without_half_rgb<T>(taken: &mut Vec<(LedLine, T)>, wired: usize) {
    let has = taken.iter().filter(|(led, _)| led.is_colour()).count();
    if has < wired {
        taken.retain(|(led, _)| !led.is_colour());
    }
}

/// The camera behind the mute button, where one is wired to a real board.
///
/// # Errors
/// A button line that is absent or busy, and may not be. Where it may, a camera that `shutter` holds closed stays so.
pub fn with_mute_button(
    camera: Box<dyn SourceOpener>,
    settings: &Settings,
    shutter: &Shutter,
    lenience: &mut Lenience,
) -> anyhow::Result<Box<dyn SourceOpener>> {
    let wire = settings.wires.iter().find(|w| w.line == "mute_button");
    let Some(wire) = wire.filter(|_| settings.board.hardware == Hardware::Real) else { return Ok(camera) };
    let button = Gpio::open(&settings.board.gpio.chip).and_then(|g| g.button(&line_at(&wire.pin)));
    Ok(match lenience.take("mute button", button)? {
        Some(button) => Box::new(Muted::new(camera, Box::new(button), shutter.clone())),
        None if shutter.is_closed() => Box::new(Muted::new(camera, Box::new(NoButton), shutter.clone())),
        None => camera,
    })
}

/// The config's pin, as the devices know it.
pub fn line_at(pin: &Pin) -> LineAt {
    match pin {
        Pin::Offset(n) => LineAt::Offset(*n),
        Pin::Name(name) => LineAt::Name(name.clone()),
    }
}

/// The panels: the OLED that config or profile names, and the screen, where there is one.
///
/// # Errors
/// A configured panel whose bus or card is absent. A screen that nobody asked for may be absent.
pub fn panels(
    settings: &Settings,
    lenience: &mut Lenience,
    privacy: Privacy,
) -> anyhow::Result<Vec<Box<dyn Indicator>>> {
    let mut panels: Vec<Box<dyn Indicator>> = Vec::new();
    if let Some(wiring) = &settings.oled {
        let bus = wiring.bus.clone().unwrap_or_else(|| "/dev/i2c-1".into());
        let oled = Oled::open(&bus, wiring.address, wiring.controller, wiring.flip);
        panels.extend(lenience.take("OLED", oled)?.map(|oled| page(oled, settings, privacy)));
    }
    match (settings.config.screen, screen(settings, privacy)) {
        (Some(ScreenSettings { enabled: false, .. }), _) => {}
        // Most boards have no screen. Without a table nobody expects one.
        (None, Err(e)) => log::info!("no screen: {e}"),
        (_, screen) => panels.extend(lenience.take("screen", screen)?),
    }
    Ok(panels)
}

/// By mode setting, else by a framebuffer that is a screen of its own (a small TFT, or all screens where the kernel has no KMS).
fn screen(settings: &Settings, privacy: Privacy) -> Result<Box<dyn Indicator>, String> {
    if settings.config.screen.is_some_and(|s| !s.enabled) {
        return Err("switched off in the config".into());
    }
    let mode = settings.config.screen.and_then(|s| s.mode);
    let kms = Kms::open(mode.map(|m| (m.width.into(), m.height.into())));
    // A framebuffer has one size; it cannot stand in for another.
    if mode.is_none() && !kms.as_ref().is_ok_and(Kms::is_lit) {
        for name in survey::framebuffers(Path::new("/sys")) {
            match Fbdev::open(&name) {
                Ok(fbdev) => return Ok(page(fbdev, settings, privacy)),
                Err(e) => log::info!("{e}"),
            }
        }
    }
    let kms = kms?;
    if !kms.is_lit() {
        log::info!("no screen yet; one that is plugged in later is used");
    }
    Ok(page(kms, settings, privacy))
}

fn page<P: Panel + 'static>(panel: P, settings: &Settings, privacy: Privacy) -> Box<dyn Indicator> {
    log::info!("{}", panel.describe());
    Box::new(Display::new(panel, settings.config.display.clone(), privacy))
}

/// Every configured pin off and every panel dark: what `outputs-off` does after a run that could not do it itself.
///
/// # Errors
/// A line that could not be switched, a panel that was asked for and could not be made dark; the others are off all the same.
pub fn all_off(settings: &Settings) -> anyhow::Result<()> {
    let gpio = Gpio::open(&settings.board.gpio.chip);
    let wiring = Wiring { active_low: settings.active_low, open_drain: settings.open_drain };
    let mut failed = Vec::new();
    for wire in settings.wires.iter().filter(|w| LedLine::from_name(w.line).is_some()) {
        // Taking a line as output switches it off.
        let line = gpio.as_ref().map_err(Clone::clone).and_then(|g| g.output(&line_at(&wire.pin), wiring));
        if let Err(e) = line {
            failed.push(format!("LED {}: {e}", wire.line));
        }
    }
    let mut lenience = Lenience::new(true);
    for mut panel in panels(settings, &mut lenience, Privacy::NothingKept)? {
        match panel.off(Timestamp::ZERO, &mut Vec::new()) {
            // Without a table for it a screen is only used if it is there; both kinds call themselves so.
            Err(e) if settings.config.screen.is_none() && e.device.starts_with("screen") => log::info!("{e}"),
            Err(e) => failed.push(e.to_string()),
            Ok(()) => {}
        }
    }
    failed.extend(lenience.into_gaps().into_iter().map(|gap| format!("{}: {}", gap.what, gap.why)));
    if failed.is_empty() { Ok(()) } else { Err(anyhow::anyhow!(failed.join("; "))) }
}

/// systemd, where it started us, and the hardware watchdog, where the config names one.
///
/// # Errors
/// A configured watchdog that the kernel lacks.
pub fn heartbeat(
    settings: &Settings,
    lenience: &mut Lenience,
    stop: &Stop,
) -> anyhow::Result<Option<Box<dyn Heartbeat>>> {
    let mut hearts: Vec<Box<dyn Heartbeat>> = Vec::new();
    match Notifier::from_env() {
        Ok(Some(notifier)) => hearts.push(Box::new(Manager { notifier, stop: stop.clone() })),
        Ok(None) => {}
        Err(e) => log::error!("systemd cannot be notified: {e}"),
    }
    if let Some(WatchdogSettings { device, timeout_ms }) = &settings.config.watchdog {
        let watchdog = Watchdog::open(device, Duration::from_millis(*timeout_ms));
        if let Some(watchdog) = lenience.take("watchdog", watchdog)? {
            hearts.push(Box::new(watchdog));
        }
    }
    Ok(match hearts.len() {
        0 => None,
        _ => Some(Box::new(Hearts(hearts))),
    })
}

/// The service manager. It must not hear of the end of a run that begins anew in the same process: it would take it for the
/// end of the service.
struct Manager {
    notifier: Notifier,
    stop: Stop,
}

impl Heartbeat for Manager {
    fn ready(&mut self) {
        self.notifier.ready();
    }
    fn beat(&mut self) {
        self.notifier.beat();
    }
    fn status(&mut self, text: &str) {
        self.notifier.status(text);
    }
    fn pausing(&mut self) {
        self.notifier.pausing();
    }
    fn stopping(&mut self) {
        if !self.stop.is_reload() {
            self.notifier.stopping();
        }
    }
}

/// Everyone who watches hears the same.
struct Hearts(Vec<Box<dyn Heartbeat>>);

impl Heartbeat for Hearts {
    fn ready(&mut self) {
        self.0.iter_mut().for_each(|h| h.ready());
    }
    fn beat(&mut self) {
        self.0.iter_mut().for_each(|h| h.beat());
    }
    fn status(&mut self, text: &str) {
        self.0.iter_mut().for_each(|h| h.status(text));
    }
    fn pausing(&mut self) {
        self.0.iter_mut().for_each(|h| h.pausing());
    }
    fn stopping(&mut self) {
        self.0.iter_mut().for_each(|h| h.stopping());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LedLine::{Blue, Fault, Green, Red};

    fn check(taken: &[LedLine], wired: usize, expect: &[LedLine]) {
        let mut taken: Vec<(LedLine, ())> = taken.iter().map(|&led| (led, ())).collect();
        without_half_rgb(&mut taken, wired);
        assert_eq!(taken.into_iter().map(|(led, ())| led).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_busy_colour_takes_its_fellows_along_and_nothing_else() {
        check(&[Fault, Red, Green, Blue], 3, &[Fault, Red, Green, Blue]);
        check(&[Fault, Red, Green], 3, &[Fault]);
        check(&[Fault], 3, &[Fault]);
        check(&[Fault], 0, &[Fault]);
        check(&[Red, Green], 2, &[Red, Green]);
    }
}
