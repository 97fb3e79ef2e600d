//! The board's own lights, panels and watchdogs, by the settings.
//!
//! Without `--best-effort` whatever was asked for has to be there: what is wrong is said at once, with what there is. With
//! it, what works is used and the rest is logged as an error.

use super::mute::Muted;
use crate::config::pins::Pin;
use crate::config::{Hardware, ScreenSettings, Settings, WatchdogSettings};
use crate::frame::Timestamp;
use crate::hal::gpio::{Gpio, LineAt, Wiring};
use crate::hal::notify::Notifier;
use crate::hal::oled::Oled;
use crate::hal::screen::fbdev::Fbdev;
use crate::hal::screen::kms::Kms;
use crate::hal::watchdog::Watchdog;
use crate::outputs::Indicator;
use crate::outputs::display::{Display, Panel, Privacy};
use crate::outputs::leds::{LedLine, LedPin, Leds, led_pin};
use crate::runtime::heartbeat::Heartbeat;
use crate::runtime::{SourceOpener, Stop};
use crate::source::SourceError;
use anyhow::Context;
use std::time::Duration;

/// Lights on the board's pins; `None` when no line has a pin, or (with `best_effort`) none could be had.
///
/// # Errors
/// A chip or line that is absent or busy; without `best_effort` any of them.
pub fn leds(settings: &Settings, best_effort: bool) -> anyhow::Result<Option<Leds>> {
    let wanted: Vec<(LedLine, LineAt)> =
        settings.wires.iter().filter_map(|w| Some((LedLine::from_name(w.line)?, line_at(&w.pin)))).collect();
    if wanted.is_empty() {
        log::info!("no LED has a pin: [pins] in the config wires them");
        return Ok(None);
    }
    let taken = take_lines(settings, wanted, best_effort)?;
    if taken.is_empty() {
        return Ok(None);
    }
    let device = format!("LEDs on {}", settings.board.gpio.chip);
    match Leds::new(device, taken, &settings.config.leds) {
        Err(e) if best_effort => {
            log::error!("LEDs: {e}");
            Ok(None)
        }
        leds => Ok(Some(leds?)),
    }
}

fn take_lines(
    settings: &Settings,
    wanted: Vec<(LedLine, LineAt)>,
    best_effort: bool,
) -> anyhow::Result<Vec<(LedLine, LedPin)>> {
    let gpio = match Gpio::open(&settings.board.gpio.chip) {
        Err(e) if best_effort => {
            log::error!("LEDs: {e}");
            return Ok(Vec::new());
        }
        gpio => gpio?,
    };
    let wiring = Wiring { active_low: settings.active_low, open_drain: settings.open_drain };
    let mut taken = Vec::new();
    for (led, at) in wanted {
        match gpio.output(&at, wiring) {
            Ok(line) => taken.push((led, led_pin(led, line))),
            Err(e) if best_effort => log::error!("LED {}: {e}", led.name()),
            Err(e) => return Err(e).with_context(|| format!("LED {}", led.name())),
        }
    }
    Ok(taken)
}

/// The camera behind the mute button, where one is wired to a real board.
///
/// # Errors
/// A button line that is absent or busy; not with `best_effort`.
pub fn with_mute_button(
    camera: Box<dyn SourceOpener>,
    settings: &Settings,
    best_effort: bool,
) -> Result<Box<dyn SourceOpener>, SourceError> {
    let wire = settings.wires.iter().find(|w| w.line == "mute_button");
    let Some(wire) = wire.filter(|_| settings.board.hardware == Hardware::Real) else { return Ok(camera) };
    let button = Gpio::open(&settings.board.gpio.chip).and_then(|g| g.button(&line_at(&wire.pin)));
    match button {
        Ok(button) => Ok(Box::new(Muted::new(camera, Box::new(button)))),
        Err(e) if best_effort => {
            log::error!("mute button: {e}");
            Ok(camera)
        }
        Err(e) => Err(SourceError::Unavailable { source_name: "mute button".into(), reason: e.to_string() }),
    }
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
/// A configured panel whose bus or card is absent; not with `best_effort`. A screen that nobody asked for may be absent.
pub fn panels(
    settings: &Settings,
    best_effort: bool,
    privacy: Privacy,
) -> anyhow::Result<Vec<Box<dyn Indicator>>> {
    let mut panels: Vec<Box<dyn Indicator>> = Vec::new();
    if let Some(wiring) = &settings.oled {
        let bus = wiring.bus.clone().unwrap_or_else(|| "/dev/i2c-1".into());
        match Oled::open(&bus, wiring.address, wiring.controller, wiring.flip) {
            Ok(oled) => panels.push(page(oled, settings, privacy)),
            Err(e) if best_effort => log::error!("{e}"),
            Err(e) => anyhow::bail!(e),
        }
    }
    match (settings.config.screen.unwrap_or_default(), screen(settings, privacy)) {
        (ScreenSettings { enabled: false }, _) => {}
        (_, Ok(screen)) => panels.push(screen),
        // Most boards have no screen. Without a table nobody expects one.
        (_, Err(e)) if settings.config.screen.is_none() => log::info!("no screen: {e}"),
        (_, Err(e)) if best_effort => log::error!("screen: {e}"),
        (_, Err(e)) => anyhow::bail!("screen: {e}"),
    }
    Ok(panels)
}

/// By mode setting, else by the old framebuffer.
fn screen(settings: &Settings, privacy: Privacy) -> Result<Box<dyn Indicator>, String> {
    if settings.config.screen.is_some_and(|s| !s.enabled) {
        return Err("switched off in the config".into());
    }
    match Kms::open() {
        Ok(kms) => Ok(page(kms, settings, privacy)),
        Err(by_kms) => match Fbdev::open() {
            Ok(fbdev) => Ok(page(fbdev, settings, privacy)),
            Err(_) => Err(by_kms),
        },
    }
}

fn page<P: Panel + 'static>(panel: P, settings: &Settings, privacy: Privacy) -> Box<dyn Indicator> {
    log::info!("{}", panel.describe());
    Box::new(Display::new(panel, settings.config.display.clone(), privacy))
}

/// Every configured pin off and every panel dark: what `outputs-off` does after a run that could not do it itself.
///
/// # Errors
/// A line that could not be switched; the others are off all the same.
pub fn all_off(settings: &Settings) -> anyhow::Result<()> {
    let mut indicators = panels(settings, true, Privacy::NothingKept)?;
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
    for indicator in &mut indicators {
        if let Err(e) = indicator.off(Timestamp::ZERO, &mut Vec::new()) {
            log::info!("{e}");
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(anyhow::anyhow!(failed.join("; "))) }
}

/// systemd, where it started us, and the hardware watchdog, where the config names one.
///
/// # Errors
/// A configured watchdog that the kernel lacks; not with `best_effort`.
pub fn heartbeat(
    settings: &Settings,
    best_effort: bool,
    stop: &Stop,
) -> anyhow::Result<Option<Box<dyn Heartbeat>>> {
    let mut hearts: Vec<Box<dyn Heartbeat>> = Vec::new();
    match Notifier::from_env() {
        Ok(Some(notifier)) => hearts.push(Box::new(Manager { notifier, stop: stop.clone() })),
        Ok(None) => {}
        Err(e) => log::error!("systemd cannot be notified: {e}"),
    }
    if let Some(WatchdogSettings { device, timeout_ms }) = &settings.config.watchdog {
        match Watchdog::open(device, Duration::from_millis(*timeout_ms)) {
            Ok(watchdog) => hearts.push(Box::new(watchdog)),
            Err(e) if best_effort => log::error!("{e}"),
            Err(e) => return Err(e.into()),
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
    fn stopping(&mut self) {
        self.0.iter_mut().for_each(|h| h.stopping());
    }
}
