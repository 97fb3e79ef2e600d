//! What the owner wants: one TOML file, laid over a board profile, overruled by flags; the result is [`Settings`].
//!
//! Unknown keys are refused and the nearest known one is named; every value is checked before anything is opened.
//! Every key is listed with unit and default in board/moodlight.example.toml. Times are `*_ms`, milliseconds.
//! The rooms define and check their own tables; this room puts them together and never interprets them.

pub mod board;
mod parse;
pub mod pins;
pub mod settings;

pub use board::{BoardProfile, Hardware, NamedBy};
pub use settings::{Overrides, Settings};

use crate::classifier::Precision;
use crate::decision::DecisionSettings;
use crate::detector::blazeface::DetectorSettings;
use crate::detector::tracker::TrackerSettings;
use crate::outputs::display::DisplaySettings;
use crate::outputs::leds::LedSettings;
use crate::source::SourceSpec;
use pins::Pins;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Names the config file when `--config` doesn't.
pub const CONFIG_VARIABLE: &str = "MOODLIGHT_CONFIG";
/// Looked at last.
pub const SYSTEM_CONFIG: &str = "/etc/moodlight/moodlight.toml";

/// The config file. Every table and key may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Board profile, by name or file. Default: recognised by the device tree, else `sim`.
    pub board: Option<String>,
    pub source: SourceSettings,
    pub model: ModelSettings,
    pub detector: DetectorSettings,
    pub tracker: TrackerSettings,
    pub decision: DecisionSettings,
    pub leds: LedSettings,
    pub display: DisplaySettings,
    pub pins: Pins,
    pub oled: Option<OledWiring>,
    pub screen: Option<ScreenSettings>,
    pub watchdog: Option<WatchdogSettings>,
    pub log: LogSettings,
}

/// `[source]`: where frames come from and how the camera hangs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSettings {
    /// SRC as for `--source`. Default: the board's camera; where the profile names none, as on the simulated board, the demo clip.
    pub src: Option<String>,
    /// Mirrored, as people know themselves. The whole corridor sees it so: a face's scores change a little, as those of
    /// its mirror image do. Default false.
    pub mirror: bool,
    /// Degrees clockwise that make the camera's picture upright: 0, 90, 180 or 270. Default 0.
    pub rotate: u16,
}

impl SourceSettings {
    fn validate(&self) -> Result<(), String> {
        if let Some(src) = &self.src {
            src.parse::<SourceSpec>().map_err(|e| format!("src: {}", e.reason))?;
        }
        if ![0, 90, 180, 270].contains(&self.rotate) {
            return Err(format!("rotate: expected 0, 90, 180 or 270 degrees, found {}", self.rotate));
        }
        Ok(())
    }
}

/// `[model]`: which classifier, in which arithmetic, on how many threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// `int8` or `f32`. Default: the board's, else int8.
    pub precision: Option<Precision>,
    /// Classifier file, a folder with a manifest.toml, or the name of a manifest's entry. Default: the board's, else the
    /// models folder's first entry for the precision.
    pub file: Option<PathBuf>,
    /// Threads for inference, 1..=64. Default: the board's, else 1.
    pub threads: Option<usize>,
}

impl ModelSettings {
    fn validate(&self) -> Result<(), String> {
        match self.threads {
            Some(n) if !(1..=64).contains(&n) => Err(format!("threads: expected 1 to 64, found {n}")),
            _ => Ok(()),
        }
    }
}

/// `[oled]`: a small monochrome panel on the board's I²C bus.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OledWiring {
    /// Its chip. Default `ssd1306`.
    pub controller: OledController,
    /// 7-bit address, 0x08..=0x77. Default 0x3c.
    pub address: u8,
    /// Device file of the bus. Default: the board's.
    pub bus: Option<PathBuf>,
    /// Upside down. Default false.
    pub flip: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OledController {
    #[default]
    Ssd1306,
    Sh1106,
}

impl Default for OledWiring {
    fn default() -> Self {
        Self { controller: OledController::Ssd1306, address: 0x3c, bus: None, flip: false }
    }
}

impl OledWiring {
    fn validate(&self) -> Result<(), String> {
        // Below and above, I²C reserves addresses (specification UM10204, table 4).
        match self.address {
            0x08..=0x77 => Ok(()),
            a => {
                Err(format!("address: expected 0x08 to 0x77, found {a:#04x}; such panels have 0x3c or 0x3d"))
            }
        }
    }
}

/// `[screen]`: the full-screen page on HDMI or DSI. Without the table a screen is used where there is one, and its absence
/// is no fault; with it, a missing display driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScreenSettings {
    /// False leaves the screen to others. Default true.
    pub enabled: bool,
    /// Width and height in pixels, as "1280x720", at most 7680x4320; a screen that lacks it is refused. Absent: the screen's own, up
    /// to 1920x1080.
    pub mode: Option<ScreenMode>,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self { enabled: true, mode: None }
    }
}

/// A screen's size in pixels, written "1280x720".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ScreenMode {
    pub width: u16,
    pub height: u16,
}

impl ScreenMode {
    /// No screen has more. The page's picture is made before one is plugged in, with 4 bytes for each pixel: without a bound a typing
    /// error would take all memory.
    const LARGEST: Self = Self { width: 7680, height: 4320 };
}

impl TryFrom<String> for ScreenMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let side = |digits: &str| digits.parse::<u16>().ok().filter(|n| *n > 0);
        let size = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
        let Some((width, height)) = size else {
            return Err(format!("expected a size like \"1280x720\", found \"{text}\""));
        };
        let largest = Self::LARGEST;
        if width > largest.width || height > largest.height {
            let bound = format!("{}x{}", largest.width, largest.height);
            return Err(format!("expected a size of at most {bound} pixels, found \"{text}\""));
        }
        Ok(Self { width, height })
    }
}

/// `[watchdog]`: a hardware timer that resets the board when moodlight makes no progress. The table's presence arms it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchdogSettings {
    /// Device file. Default /dev/watchdog.
    pub device: PathBuf,
    /// Without progress for so long the board is reset, milliseconds, 2000..=600000; the kernel counts in whole
    /// seconds, and the Raspberry Pi's can do 15 at most. Default 15000.
    pub timeout_ms: u64,
}

impl Default for WatchdogSettings {
    fn default() -> Self {
        Self { device: "/dev/watchdog".into(), timeout_ms: 15_000 }
    }
}

impl WatchdogSettings {
    fn validate(&self) -> Result<(), String> {
        match self.timeout_ms {
            2000..=600_000 => Ok(()),
            ms => Err(format!("timeout_ms: expected 2000 to 600000, found {ms}")),
        }
    }
}

/// `[log]`: what is told on stderr.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`. $MOODLIGHT_LOG wins.
    pub level: LogLevel,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub const fn filter(self) -> log::LevelFilter {
        match self {
            LogLevel::Off => log::LevelFilter::Off,
            LogLevel::Error => log::LevelFilter::Error,
            LogLevel::Warn => log::LevelFilter::Warn,
            LogLevel::Info => log::LevelFilter::Info,
            LogLevel::Debug => log::LevelFilter::Debug,
            LogLevel::Trace => log::LevelFilter::Trace,
        }
    }
}

/// Why a configuration is refused. Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}: cannot be read: {reason}")]
    Unreadable { file: String, reason: String },
    /// Not TOML, an unknown key, a value of the wrong kind.
    #[error("{file}:{line}:{column}: {reason}")]
    Syntax { file: String, line: usize, column: usize, reason: String },
    /// Out of range, or at odds with another key.
    #[error("{file}: {reason}")]
    Invalid { file: String, reason: String },
    #[error("{}no board profile `{name}`; did you mean `{nearest}`? There are {known}", before(.by))]
    UnknownBoard { by: Option<NamedBy>, name: String, nearest: String, known: String },
}

impl ConfigError {
    /// The file to mend; none where a flag is wrong.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            ConfigError::Unreadable { file, .. }
            | ConfigError::Syntax { file, .. }
            | ConfigError::Invalid { file, .. } => Some(file.into()),
            ConfigError::UnknownBoard { by: Some(NamedBy::Config(file) | NamedBy::Memory(file)), .. } => {
                Some(file.clone())
            }
            ConfigError::UnknownBoard { .. } => None,
        }
    }

    /// With where the name of an unknown board stands; other errors say their place themselves.
    fn named_by(self, who: NamedBy) -> Self {
        match self {
            ConfigError::UnknownBoard { name, nearest, known, .. } => {
                ConfigError::UnknownBoard { by: Some(who), name, nearest, known }
            }
            other => other,
        }
    }
}

fn before(by: &Option<NamedBy>) -> String {
    by.as_ref().map_or_else(String::new, |by| format!("{by}: "))
}

/// A config and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// `None`: no file, all defaults: the demo.
    pub file: Option<PathBuf>,
}

impl Config {
    /// `--config`, then `$MOODLIGHT_CONFIG`, then /etc/moodlight/moodlight.toml, then all defaults. A file that was
    /// named must exist.
    pub fn find(given: Option<&Path>) -> Result<Loaded, ConfigError> {
        let named = given.map(Path::to_path_buf).or_else(Self::named_by_environment);
        let file = named.or_else(|| Some(PathBuf::from(SYSTEM_CONFIG)).filter(|p| p.exists()));
        let config = file.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        Ok(Loaded { config, file })
    }

    /// The file that `$MOODLIGHT_CONFIG` names.
    pub fn named_by_environment() -> Option<PathBuf> {
        std::env::var_os(CONFIG_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from)
    }

    /// Reads one file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::Unreadable { file: file.clone(), reason: e.to_string() })?;
        Self::parse(&text, &file)
    }

    /// Parses and checks `text`; `file` is its name in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let config: Self = parse::parse(text, file)?;
        config.validate().map_err(|reason| ConfigError::Invalid { file: file.into(), reason })?;
        Ok(config)
    }

    /// The first key that is out of its range, as `table.key: expected …, found …`.
    fn validate(&self) -> Result<(), String> {
        self.source.validate().map_err(in_table("source"))?;
        self.model.validate().map_err(in_table("model"))?;
        self.detector.validate().map_err(in_table("detector"))?;
        self.tracker.validate().map_err(in_table("tracker"))?;
        self.decision.validate().map_err(in_table("decision"))?;
        self.leds.validate().map_err(in_table("leds"))?;
        self.display.validate().map_err(in_table("display"))?;
        self.oled.as_ref().map_or(Ok(()), OledWiring::validate).map_err(in_table("oled"))?;
        self.watchdog.as_ref().map_or(Ok(()), WatchdogSettings::validate).map_err(in_table("watchdog"))
    }
}

/// Puts the table's name before the key, unless the room did.
fn in_table(table: &'static str) -> impl Fn(String) -> String {
    move |reason| {
        let named = reason.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
        if named { reason } else { format!("{table}.{reason}") }
    }
}
