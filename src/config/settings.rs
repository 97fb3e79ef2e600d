//! Config + board profile + flags → [`Settings`]: complete, checked, and with nothing left to choose.

use super::pins::{Gpio, Pin, Pins};
use super::{BoardProfile, Config, ConfigError, Loaded, NamedBy, OledWiring, SourceSettings};
use crate::classifier::Precision;
use crate::classifier::store::state_folder;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What flags say; `None` leaves it to config and profile.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub board: Option<String>,
    /// Profile that was recognised at an earlier start; config and flag win.
    pub remembered_board: Option<String>,
    pub source: Option<String>,
    pub precision: Option<Precision>,
    pub model: Option<PathBuf>,
    pub threads: Option<usize>,
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Neither config nor flag names a source: the bundled clip.
    Demo,
    /// A SRC string.
    Source(String),
}

/// Everything `run` needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub config: Config,
    /// The file that `config` came from, for messages.
    pub config_file: Option<PathBuf>,
    pub board: BoardProfile,
    pub input: Input,
    /// How the camera hangs.
    pub source: SourceSettings,
    pub precision: Precision,
    /// Classifier file or folder; `None` looks it up.
    pub model: Option<PathBuf>,
    pub threads: usize,
    /// Lines that have a pin, each pin once.
    pub wires: Vec<Wire>,
    pub active_low: bool,
    pub open_drain: bool,
    pub oled: Option<OledWiring>,
}

/// A line and its pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// One of [`Pins::LINES`].
    pub line: &'static str,
    pub pin: Pin,
}

impl Settings {
    /// Lays the profile under `loaded` and `flags` over it. `device_tree` is the machine's `compatible` list, empty
    /// where there is none.
    pub fn resolve(loaded: Loaded, flags: &Overrides, device_tree: &[u8]) -> Result<Self, ConfigError> {
        let Loaded { config, file } = loaded;
        let board = choose_board(&config, file.as_deref(), flags, device_tree)?;
        let pins = board.pins.overlaid(&config.pins);
        let shown = file.as_ref().map_or_else(|| board.name.clone(), |f| f.display().to_string());
        let wires = wire(&board.gpio, &pins, |line| origin(line, &config.pins, &board))
            .map_err(|reason| ConfigError::Invalid { file: shown, reason: format!("pins.{reason}") })?;
        let mut oled = config.oled.clone().or_else(|| board.oled.clone());
        if let (Some(o), Some(i2c)) = (&mut oled, &board.i2c) {
            o.bus.get_or_insert_with(|| i2c.bus.clone());
        }
        let asked = flags.precision.or(config.model.precision);
        let boards_precision = board.model.precision.unwrap_or(Precision::Int8);
        let precision = asked.unwrap_or(boards_precision);
        // The board's file is one of the board's precision; who asks for the other gets that one's usual file.
        let boards_file = board.model.file.as_ref().filter(|_| boards_precision == precision);
        let model = flags.model.as_ref().or(config.model.file.as_ref()).or(boards_file).cloned();
        Ok(Self {
            input: choose_input(&config, file.is_some(), flags, &board),
            source: config.source.clone(),
            precision,
            model,
            threads: flags.threads.or(config.model.threads).or(board.model.threads).unwrap_or(1),
            active_low: pins.active_low.unwrap_or(false),
            open_drain: pins.open_drain.unwrap_or(false),
            wires,
            oled,
            board,
            config,
            config_file: file,
        })
    }
}

/// Where the service remembers the board, in its `state` folder.
pub fn board_memory(state: &Path) -> PathBuf {
    state.join("board")
}

/// Flag, config, the machine itself, simulation. Without a config the machine isn't asked: nobody said that
/// something is wired to its pins.
fn choose_board(
    config: &Config,
    file: Option<&Path>,
    flags: &Overrides,
    device_tree: &[u8],
) -> Result<BoardProfile, ConfigError> {
    let remembered = flags.remembered_board.as_deref();
    let recognised =
        || remembered.or_else(|| BoardProfile::recognise(device_tree)).filter(|_| file.is_some());
    let name = flags.board.as_deref().or(config.board.as_deref()).or_else(recognised);
    BoardProfile::load(name.unwrap_or(super::board::SIMULATION)).map_err(|e| {
        e.named_by(match (&flags.board, &config.board) {
            (Some(_), _) => NamedBy::Flag,
            (None, Some(_)) => NamedBy::Config(file.unwrap_or(Path::new("config")).into()),
            // What is recognised, and the simulation, are known.
            (None, None) => NamedBy::Memory(board_memory(&state_folder())),
        })
    })
}

/// Where `line` got its pin from, if not from the config: whoever reads an error about it looks for it there in vain.
fn origin(line: &str, config: &Pins, board: &BoardProfile) -> String {
    let has = |pins: &Pins| pins.iter().any(|(l, _)| l == line);
    match has(&board.pins) && !has(config) {
        true => format!(
            " (from the board profile {}; give it another pin under [pins], or use a copy of the profile)",
            board.name
        ),
        false => String::new(),
    }
}

fn choose_input(config: &Config, has_file: bool, flags: &Overrides, board: &BoardProfile) -> Input {
    let camera = || board.camera.source.clone().filter(|_| has_file || flags.board.is_some());
    match flags.source.clone().or_else(|| config.source.src.clone()).or_else(camera) {
        Some(src) => Input::Source(src),
        None => Input::Demo,
    }
}

/// Finds each line's pin on the board. Refuses pins that it doesn't have, two lines on one pin, and a part of an RGB
/// LED; the reason starts with the line's name. `origin` is what has to be said behind a line's name.
pub fn wire(gpio: &Gpio, pins: &Pins, origin: impl Fn(&str) -> String) -> Result<Vec<Wire>, String> {
    let mut owner: HashMap<Pin, &'static str> = HashMap::new();
    let mut wires = Vec::new();
    for (line, written) in pins.iter() {
        let pin = gpio.resolve(written).map_err(|e| format!("{line}{}: {e}", origin(line)))?;
        if let Some(other) = owner.insert(pin.clone(), line) {
            return Err(format!(
                "{line}{}: {pin} is already used by pins.{other}{}; each line needs a pin of its own",
                origin(line),
                origin(other)
            ));
        }
        wires.push(Wire { line, pin });
    }
    let missing = ["red", "green", "blue"].map(|c| (!wires.iter().any(|w| w.line == c)).then_some(c));
    match missing {
        [None, None, None] | [Some(_), Some(_), Some(_)] => Ok(wires),
        _ => {
            let colour = missing.into_iter().flatten().next().unwrap_or_default();
            Err(format!("{colour}: an RGB LED needs all three of red, green and blue"))
        }
    }
}
