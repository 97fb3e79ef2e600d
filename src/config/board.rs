//! Board profiles: how a board is wired. `board/<name>.toml` in the source tree, compiled in; a file of the same name
//! under /usr/share/moodlight/boards wins, so that a board can be added without a new binary.

use super::parse::{nearest, parse};
use super::pins::{Gpio, Pins};
use super::{ConfigError, ModelSettings, OledWiring, in_table};
use crate::source::SourceSpec;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a distribution puts profiles.
pub const SYSTEM_FOLDER: &str = "/usr/share/moodlight/boards";

/// The profiles inside the binary.
const BUILT_IN: &[(&str, &str)] = &[
    ("sim", include_str!("../../board/sim.toml")),
    ("rpi-zero2w", include_str!("../../board/rpi-zero2w.toml")),
    ("rpi4", include_str!("../../board/rpi4.toml")),
    ("rpi5", include_str!("../../board/rpi5.toml")),
    ("jetson-nano", include_str!("../../board/jetson-nano.toml")),
    ("jetson-orin-nano", include_str!("../../board/jetson-orin-nano.toml")),
    ("virt", include_str!("../../board/virt.toml")),
];

/// The profile without any wires.
pub const SIMULATION: &str = "sim";

/// Whether lights and panels are kernel devices or pictures of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hardware {
    #[default]
    Real,
    Simulated,
}

/// One board: what its maker soldered, and where moodlight's guide puts the LEDs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardProfile {
    /// What it is called: "Raspberry Pi 5".
    pub name: String,
    #[serde(default)]
    pub hardware: Hardware,
    /// Device-tree `compatible` strings that this profile fits; any one suffices.
    #[serde(default)]
    pub compatible: Vec<String>,
    #[serde(default)]
    pub gpio: Gpio,
    #[serde(default)]
    pub pins: Pins,
    /// The bus that an OLED hangs on.
    #[serde(default)]
    pub i2c: Option<I2c>,
    /// A panel that is part of the board. Most boards have none: the owner's config names it.
    #[serde(default)]
    pub oled: Option<OledWiring>,
    #[serde(default)]
    pub camera: Camera,
    #[serde(default)]
    pub model: ModelSettings,
    #[serde(default)]
    pub thermal: Thermal,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct I2c {
    /// Device file, such as /dev/i2c-1.
    pub bus: PathBuf,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Camera {
    /// Source when the config names none, such as `v4l2:/dev/video0`.
    pub source: Option<String>,
    /// Source for the board's ribbon-cable camera, such as `exec:rpicam-vid …`.
    pub csi: Option<String>,
}

impl Camera {
    fn validate(&self) -> Result<(), String> {
        for (key, source) in [("source", &self.source), ("csi", &self.csi)] {
            if let Some(source) = source {
                source.parse::<SourceSpec>().map_err(|e| format!("{key}: {}", e.reason))?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thermal {
    /// Type of the thermal zone that throttles the processor, as in /sys/class/thermal/thermal_zone*/type.
    pub zone: Option<String>,
}

/// Who named a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedBy {
    /// `--board`.
    Flag,
    /// The `board` key of this config.
    Config(PathBuf),
    /// An earlier start, which wrote it down here.
    Memory(PathBuf),
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NamedBy::Flag => f.write_str("--board"),
            NamedBy::Config(file) => write!(f, "{}: board", file.display()),
            NamedBy::Memory(file) => {
                write!(f, "{} (without that file the board is recognised anew)", file.display())
            }
        }
    }
}

impl BoardProfile {
    /// `name` as the file of the owner's that it is, if it looks like one.
    pub fn own_file(name: &str) -> Option<&Path> {
        (name.contains('/') || name.ends_with(".toml")).then(|| Path::new(name))
    }

    /// By name (`rpi5`), or by file when it looks like one (`./mine.toml`).
    pub fn load(name: &str) -> Result<Self, ConfigError> {
        if let Some(file) = Self::own_file(name) {
            return Self::read(file);
        }
        let installed = Path::new(SYSTEM_FOLDER).join(format!("{name}.toml"));
        if installed.is_file() {
            return Self::read(&installed);
        }
        match BUILT_IN.iter().find(|(n, _)| *n == name) {
            Some((_, text)) => Self::parse(text, &format!("board/{name}.toml")),
            None => Err(unknown_board(name)),
        }
    }

    /// The built-in profile whose `compatible` fits this machine's device tree: its strings, most specific first,
    /// each ended by a zero byte, as /proc/device-tree/compatible has them.
    pub fn recognise(device_tree: &[u8]) -> Option<&'static str> {
        let mine: Vec<&str> =
            device_tree.split(|b| *b == 0).filter_map(|s| std::str::from_utf8(s).ok()).collect();
        mine.iter()
            .filter(|s| !s.is_empty())
            .find_map(|s| BUILT_IN.iter().find(|(_, text)| lists(text, s)).map(|(name, _)| *name))
    }

    /// Names of all profiles that can be asked for.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(n, _)| (*n).to_string()).collect();
        for entry in std::fs::read_dir(SYSTEM_FOLDER).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "toml") {
                names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::Unreadable { file: file.clone(), reason: e.to_string() })?;
        Self::parse(&text, &file)
    }

    /// Parses and checks `text`; `file` is its name in errors.
    fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let board: Self = parse(text, file)?;
        board.validate().map_err(|reason| ConfigError::Invalid { file: file.into(), reason })?;
        Ok(board)
    }

    /// A profile may be a copy that somebody changed: the tables that a config has too are held to the same bounds.
    fn validate(&self) -> Result<(), String> {
        self.camera.validate().map_err(in_table("camera"))?;
        self.model.validate().map_err(in_table("model"))?;
        self.oled.as_ref().map_or(Ok(()), OledWiring::validate).map_err(in_table("oled"))
    }
}

fn lists(profile: &str, compatible: &str) -> bool {
    // A first start would parse every profile; most don't even name the machine.
    profile.contains(compatible)
        && parse::<BoardProfile>(profile, "").is_ok_and(|p| p.compatible.iter().any(|c| c == compatible))
}

fn unknown_board(name: &str) -> ConfigError {
    let known = BoardProfile::names();
    let list: Vec<&str> = known.iter().map(String::as_str).collect();
    ConfigError::UnknownBoard {
        by: None,
        name: name.into(),
        nearest: nearest(name, &list).unwrap_or(SIMULATION).into(),
        known: list.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn every_built_in_profile_parses_and_its_pins_exist_once() {
        for (name, _) in BUILT_IN {
            let board = BoardProfile::load(name).unwrap_or_else(|e| panic!("{e}"));
            super::super::settings::wire(&board.gpio, &board.pins, |_| String::new())
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[rstest]
    #[case::no_threads("[model]\nthreads = 0", "mine.toml: model.threads: expected 1 to 64, found 0")]
    #[case::threads("[model]\nthreads = 100000", "mine.toml: model.threads: expected 1 to 64, found 100000")]
    #[case::address("[oled]\naddress = 0xff", "mine.toml: oled.address: expected 0x08 to 0x77, found 0xff")]
    #[case::source("[camera]\nsource = \"v4l3:x\"", "mine.toml: camera.source: unknown scheme \"v4l3\"")]
    #[case::csi("[camera]\ncsi = \"exec:cam\"", "mine.toml: camera.csi: raw video does not carry its size")]
    fn a_value_out_of_its_range_is_refused(#[case] table: &str, #[case] expect: &str) {
        let error =
            BoardProfile::parse(&format!("name = \"Mine\"\n{table}\n"), "mine.toml").unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }

    #[test]
    fn a_strange_machine_is_not_recognised() {
        assert_eq!(BoardProfile::recognise(b"acme,toaster\0acme,soc\0"), None);
        assert_eq!(BoardProfile::recognise(b""), None);
    }

    #[test]
    fn an_unknown_board_names_the_nearest() {
        let error = BoardProfile::load("simm").unwrap_err().to_string();
        assert!(error.contains("did you mean `sim`"), "{error}");
    }
}
