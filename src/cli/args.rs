//! Raw flags, as typed. Nothing is opened or looked up here; ranges that need no file are checked while parsing.

use crate::classifier::Precision;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// A light that shows how the person in front of it feels.
#[derive(Debug, Parser)]
#[command(name = "moodlight", version, max_term_width = 100, infer_long_args = false)]
#[command(
    after_help = "Start with `moodlight run`: without a config it plays a demo clip on simulated lights.\n\
    Environment: MOODLIGHT_CONFIG (config file), MOODLIGHT_MODELS (models folder), MOODLIGHT_LOG (error, warn, \
    info, debug, trace), NO_COLOR."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a camera or a clip and show the mood on lights and display.
    Run(RunArgs),
    /// Find the faces of photos and say what they feel.
    Classify(ClassifyArgs),
    /// Measure accuracy over a folder of labelled face pictures (DIR/<class>/*.jpg).
    Eval(EvalArgs),
    /// Measure time and memory of each stage on this machine.
    Bench(BenchArgs),
    /// Look at camera, pins, bus, display, models, service and board: what works, what does not, what to do.
    Doctor(DoctorArgs),
    /// Try the lights.
    Leds(LedsArgs),
    /// Switch every configured light off and blank the panels (for a service's ExecStopPost).
    OutputsOff(Place),
    /// Read program and models into memory before the service starts (for moodlight-preload.service).
    #[command(hide = true)]
    ReadAhead(Place),
    /// List, inspect, verify and install model files.
    Model(ModelArgs),
    /// Write manual pages and shell completions into DIR.
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Which classifier is used; everything left out comes from the config or the model's folder.
#[derive(Debug, Clone, Default, Args)]
pub struct ModelChoice {
    /// Classifier file, a folder with a manifest.toml, or a name that `model list` shows [default: looked for in
    /// $MOODLIGHT_MODELS, beside the binary, what `model install` installed, /usr/share/moodlight/models, the source tree]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

/// Where the settings come from; flags that only some commands have come on top.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// Config file [default: $MOODLIGHT_CONFIG, then /etc/moodlight/moodlight.toml; `run` without one plays the demo]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Board profile by name, or its file [default: the config's, else recognised where there is a config, else sim]
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub model: ModelChoice,
    /// Arithmetic of the classifier [default: the config's, else int8]
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
    /// Threads for inference [default: the config's, else the board's]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Start with what works and show the rest as faults
    #[arg(long)]
    pub best_effort: bool,
    /// For a service manager: a broken config is shown as a fault and read again when the file changes; an installed
    /// model that fails gives way to the one before; the board is remembered
    #[arg(long)]
    pub service: bool,
    /// Play a recording in its own time instead of as fast as possible [default: on a terminal]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub realtime: Option<bool>,
    #[command(flatten)]
    pub place: Place,
    /// Where frames come from: v4l2:/dev/video0, y4m:FILE, mjpeg:FILE, image:FILE, dir:FOLDER, exec:COMMAND,
    /// synthetic:
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
    /// Stop after this time: 30s, 500ms, 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Write what happens as JSON lines to FILE, or to stdout with -
    #[arg(long, value_name = "FILE|-")]
    pub trace: Option<PathBuf>,
    /// Trace every frame too
    #[arg(long, requires = "trace")]
    pub trace_frames: bool,
    /// Write what the display shows as PNG pictures into DIR
    #[arg(long, value_name = "DIR")]
    pub snapshot: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Print the commands that would mend what is wrong, and run none
    #[arg(long, conflicts_with = "json")]
    pub fix: bool,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
    /// Look at this source instead of the config's
    #[arg(long, value_name = "SRC")]
    pub source: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct LedsArgs {
    #[command(subcommand)]
    pub command: LedsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum LedsCommand {
    /// Light each wired LED alone and say which one it is.
    Test {
        #[command(flatten)]
        place: Place,
        /// How long each light stays
        #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
        step: Duration,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ClassifyArgs {
    /// Photos (JPEG, PNG, WebP, BMP, GIF, TIFF, PNM)
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// The picture is the face crop: no detection, no EXIF rotation
    #[arg(long)]
    pub whole_image: bool,
    /// Arithmetic of the classifier
    #[arg(long, value_enum, default_value = "int8")]
    pub precision: Precision,
    #[command(flatten)]
    pub model: ModelChoice,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    pub json: bool,
    /// With --json: also the network's seven raw outputs for each face, to compare machines bit for bit
    #[arg(long, requires = "json")]
    pub logits: bool,
}

/// One precision or both, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionSet {
    Int8,
    F32,
    Both,
}

impl PrecisionSet {
    /// In the order in which they are run and printed.
    pub fn list(self) -> &'static [Precision] {
        match self {
            PrecisionSet::Int8 => &[Precision::Int8],
            PrecisionSet::F32 => &[Precision::F32],
            PrecisionSet::Both => &[Precision::F32, Precision::Int8],
        }
    }
}

/// Test-time augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tta {
    None,
    /// Average the scores of the face and its mirror image.
    Flip,
}

#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// Folder with one sub-folder for each class: angry disgust fear happy sad surprise neutral
    pub dir: PathBuf,
    #[command(flatten)]
    pub model: ModelChoice,
    /// Spoil each picture first, in the same way every time: blur, noise, dark, bright, jpeg, rotate, scale, offset or
    /// occlusion, at level 1 (slight) to 5 (severe), such as blur:2
    #[arg(long, value_name = "NAME:LEVEL")]
    pub corrupt: Option<String>,
    /// Arithmetic of the classifier
    #[arg(long, value_enum, default_value = "int8")]
    pub precision: PrecisionSet,
    /// At most N pictures, spread evenly over the folder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Test-time augmentation
    #[arg(long, value_enum, default_value = "none")]
    pub tta: Tta,
    /// Lay each picture, enlarged, on a canvas, and find the face first
    #[arg(long)]
    pub detect: bool,
    /// Write an HTML page with confusion matrices and per-class plots into DIR
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Write the 48×48 faces that were classified as DIR/<class>/*.png, to train on; DIR must be new or empty
    #[arg(long, value_name = "DIR")]
    pub patches: Option<PathBuf>,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Arithmetic of the classifier
    #[arg(long, value_enum, default_value = "both")]
    pub precision: PrecisionSet,
    #[command(flatten)]
    pub model: ModelChoice,
    /// Threads for inference
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads)]
    pub threads: usize,
    /// Measuring time for each stage and precision
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    pub seconds: Duration,
    /// Show the time of each layer
    #[arg(long)]
    pub layers: bool,
    /// Measure this stage alone, in this process; what `bench` starts its children with
    #[arg(long, value_enum, hide = true)]
    pub stage: Option<BenchStage>,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    pub json: bool,
}

/// What one measuring process of `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchStage {
    Classify,
    Frame,
}

impl BenchStage {
    pub const fn name(self) -> &'static str {
        match self {
            BenchStage::Classify => "classify",
            BenchStage::Frame => "frame",
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    pub command: ModelCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ModelCommand {
    /// List the models, installed ones first, and where they are.
    List {
        /// Print JSON, and nothing else, on stdout
        #[arg(long)]
        json: bool,
    },
    /// Show a model's layers, their operators and arithmetic.
    Inspect {
        /// Model file or name [default: the int8 classifier]
        file: Option<PathBuf>,
        /// Print JSON, and nothing else, on stdout
        #[arg(long)]
        json: bool,
    },
    /// Prove a model and switch to it; the one before is kept, and comes back by itself if the new one fails.
    Install(InstallArgs),
    /// Compare files with the manifest.
    Verify {
        /// Model file or name [default: every model that `model list` shows]
        file: Option<PathBuf>,
        /// Print JSON, and nothing else, on stdout
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// Model files with a manifest.toml (and .selftest.json) beside them, or a folder of such
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Take a classifier for which nobody wrote down what it must give
    #[arg(long)]
    pub without_self_test: bool,
    /// Print JSON, and nothing else, on stdout
    #[arg(long)]
    pub json: bool,
}

/// More threads than any board has are a typing error.
const MAX_THREADS: usize = 64;

fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=MAX_THREADS).contains(n))
        .ok_or_else(|| format!("expected a number from 1 to {MAX_THREADS}"))
}

/// `30s`, `500ms`, `5m`, `2h`; a bare number means seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a time such as 30s, 500ms, 5m or 2h".into()),
    };
    let number: f64 = digits.parse().map_err(|_| "expected a time such as 30s, 500ms, 5m or 2h")?;
    Duration::try_from_secs_f64(number * factor)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(|| "expected a time above 0".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|d| {
        if d <= Duration::from_secs(3600) { Ok(d) } else { Err("expected at most an hour".into()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use rstest::rstest;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[rstest]
    #[case("30s", Some(30_000))]
    #[case("500ms", Some(500))]
    #[case("1.5m", Some(90_000))]
    #[case("2h", Some(7_200_000))]
    #[case("7", Some(7_000))]
    #[case("0s", None)]
    #[case("-1s", None)]
    #[case("s", None)]
    #[case("5 days", None)]
    #[case("1e300h", None)]
    #[case("nan", None)]
    fn durations(#[case] text: &str, #[case] ms: Option<u64>) {
        assert_eq!(duration(text).ok(), ms.map(Duration::from_millis), "{text}");
    }
}
