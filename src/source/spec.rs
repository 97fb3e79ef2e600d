//! The SRC strings of `--source` and the config file: `SCHEME:TARGET?KEY=VALUE&KEY=VALUE`.
//!
//! A `?` that is followed by anything other than `key=value` pairs belongs to the target, so file names and shell
//! commands may contain one. Nothing is opened here and no file is looked at.

use super::FrameRate;
use crate::frame::{LumaRange, MAX_PIXELS, PixelFormat};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where frames come from, fully checked: what is left to fail is the device or the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `v4l2:/dev/video0`, or a bare path below /dev.
    V4l2 { device: PathBuf },
    /// `y4m:FILE`, `-` is stdin. The file itself says size and rate.
    Y4m { file: PathBuf },
    /// `mjpeg:FILE`, `-` is stdin: JPEG pictures one after another. `?fps=N`, default 10.
    Mjpeg { file: PathBuf, fps: FrameRate },
    /// `image:FILE`: one picture, shown for `?hold=2s` (the default; `0` gives a single frame) at `?fps=10`, because
    /// one frame is never enough for a face to count as one (see the face gate).
    Image { file: PathBuf, hold: Duration, fps: FrameRate },
    /// `dir:FOLDER`: its pictures sorted by name, each for `?hold=0` (the default is a single frame: the folder is a
    /// film) at `?fps=10`.
    Dir { folder: PathBuf, hold: Duration, fps: FrameRate },
    /// `exec:COMMAND?width=W&height=H`: raw I420 from the stdout of `sh -c COMMAND`; `?fps=30`, `?restart=always`,
    /// `?range=limited`. The size must be given, because raw video does not carry it.
    Exec { command: String, width: usize, height: usize, fps: FrameRate, restart: Restart, range: LumaRange },
    /// `synthetic:`: a moving test picture. `?seed=1&width=640&height=480&fps=30&frames=300&format=i420`; `frames=endless`.
    Synthetic(Synthetic),
}

/// What happens when an `exec:` child ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Any end of the child is a fault, and it is started again: a camera has no end.
    #[default]
    Always,
    /// Status 0 ends the run, everything else is a fault and starts it again.
    OnFailure,
    /// Status 0 ends the run, everything else fails it.
    Never,
}

/// A seeded test picture: see [`SourceSpec::Synthetic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    pub seed: u64,
    pub width: usize,
    pub height: usize,
    pub fps: FrameRate,
    /// `None` goes on for ever.
    pub frames: Option<u64>,
    pub format: PixelFormat,
}

impl Default for Synthetic {
    fn default() -> Self {
        let fps = FrameRate::per_second(30);
        Self { seed: 1, width: 640, height: 480, fps, frames: Some(300), format: PixelFormat::I420 }
    }
}

/// A SRC string that means nothing. `Display` says what was expected and names the nearest thing that exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source {spec:?}: {reason}")]
pub struct SpecError {
    pub spec: String,
    pub reason: String,
}

const SCHEMES: [&str; 7] = ["v4l2", "y4m", "mjpeg", "image", "dir", "exec", "synthetic"];

impl FromStr for SourceSpec {
    type Err = SpecError;
    fn from_str(spec: &str) -> Result<Self, SpecError> {
        parse(spec.trim()).map_err(|reason| SpecError { spec: spec.to_string(), reason })
    }
}

fn parse(spec: &str) -> Result<SourceSpec, String> {
    if spec.starts_with("/dev/") {
        return Ok(SourceSpec::V4l2 { device: spec.into() });
    }
    let (scheme, rest) = spec.split_once(':').ok_or_else(|| without_scheme(spec))?;
    let (target, query) = split_query(rest);
    let target = target.trim();
    let mut o = Options { scheme, pairs: query, known: Vec::new() };
    let default_fps = FrameRate::per_second(10);
    let parsed = match scheme {
        "v4l2" => SourceSpec::V4l2 { device: path(target, "a device such as v4l2:/dev/video0")? },
        "y4m" => SourceSpec::Y4m { file: path(target, "a file such as y4m:clip.y4m, or - for stdin")? },
        "mjpeg" => SourceSpec::Mjpeg {
            file: path(target, "a file such as mjpeg:clip.mjpeg, or - for stdin")?,
            fps: o.get("fps", default_fps)?,
        },
        "image" => SourceSpec::Image {
            file: path(target, "a picture such as image:face.jpg")?,
            hold: o.seconds("hold", Duration::from_secs(2))?,
            fps: o.get("fps", default_fps)?,
        },
        "dir" => SourceSpec::Dir {
            folder: path(target, "a folder such as dir:pictures")?,
            hold: o.seconds("hold", Duration::ZERO)?,
            fps: o.get("fps", default_fps)?,
        },
        "exec" => exec(target, &mut o)?,
        "synthetic" if target.is_empty() => SourceSpec::Synthetic(synthetic(&mut o)?),
        "synthetic" => {
            return Err(format!(
                "synthetic: takes no name, only options (got {target:?}); write synthetic:?seed=1"
            ));
        }
        other => return Err(unknown("scheme", other, &SCHEMES)),
    };
    o.finish()?;
    Ok(parsed)
}

fn exec(command: &str, o: &mut Options) -> Result<SourceSpec, String> {
    if command.is_empty() {
        return Err("names no command; write exec:rpicam-vid -n -t 0 --codec yuv420 --width 640 --height 480 -o -?width=640&height=480&fps=30".into());
    }
    let (width, height) = match (o.optional("width")?, o.optional("height")?) {
        (Some(w), Some(h)) => size(w, h)?,
        _ => return Err("raw video does not carry its size; append ?width=640&height=480&fps=30 with what the command writes".into()),
    };
    Ok(SourceSpec::Exec {
        command: command.to_string(),
        width,
        height,
        fps: o.get("fps", FrameRate::per_second(30))?,
        restart: o
            .choice(
                "restart",
                &[("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)],
            )?
            .unwrap_or_default(),
        range: o
            .choice("range", &[("limited", LumaRange::Limited), ("full", LumaRange::Full)])?
            .unwrap_or(LumaRange::Limited),
    })
}

fn synthetic(o: &mut Options) -> Result<Synthetic, String> {
    let d = Synthetic::default();
    let (width, height) = size(o.get("width", d.width)?, o.get("height", d.height)?)?;
    let frames = match o.take("frames") {
        None => d.frames,
        Some("endless") => None,
        Some(n) => Some(n.parse().map_err(|_| format!("frames={n:?}: expected a whole number or endless"))?),
    };
    let formats = [
        ("gray8", PixelFormat::Gray8),
        ("i420", PixelFormat::I420),
        ("nv12", PixelFormat::Nv12),
        ("yuyv", PixelFormat::Yuyv),
        ("uyvy", PixelFormat::Uyvy),
        ("rgb24", PixelFormat::Rgb24),
        ("mjpeg", PixelFormat::Mjpeg),
    ];
    let format = o.choice("format", &formats)?.unwrap_or(d.format);
    Ok(Synthetic { seed: o.get("seed", d.seed)?, width, height, fps: o.get("fps", d.fps)?, frames, format })
}

fn without_scheme(spec: &str) -> String {
    let guess = match spec.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("y4m") => "y4m",
        Some("mjpeg" | "mjpg") => "mjpeg",
        Some("jpg" | "jpeg" | "png" | "bmp" | "webp" | "gif" | "tif" | "tiff" | "pgm" | "ppm") => "image",
        _ if SCHEMES.contains(&spec) => return format!("expected {spec}:… with a colon"),
        _ => {
            return format!(
                "expected SCHEME:TARGET with one of {}, or a device such as /dev/video0",
                SCHEMES.join(", ")
            );
        }
    };
    format!("names no scheme; write {guess}:{spec}")
}

fn path(target: &str, expected: &str) -> Result<PathBuf, String> {
    if target.is_empty() { Err(format!("names nothing; expected {expected}")) } else { Ok(target.into()) }
}

fn size(width: usize, height: usize) -> Result<(usize, usize), String> {
    match width.checked_mul(height) {
        None | Some(0) => Err(format!("{width}x{height} is no picture size")),
        Some(n) if n > MAX_PIXELS => Err(format!(
            "{width}x{height} is more than the {} megapixels that are read",
            MAX_PIXELS / 1_000_000
        )),
        Some(_) => Ok((width, height)),
    }
}

/// Cuts `?key=value&…` off the end, if that is what follows the last `?`.
fn split_query(rest: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((target, query)) = rest.rsplit_once('?') else { return (rest, Vec::new()) };
    let pairs: Option<Vec<_>> = query.split('&').map(|p| p.split_once('=')).collect();
    match pairs {
        Some(pairs)
            if pairs.iter().all(|(k, _)| {
                !k.is_empty() && k.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
            }) =>
        {
            (target, pairs)
        }
        _ => (rest, Vec::new()),
    }
}

/// The `key=value` pairs of one spec. Each getter takes its key out; [`Options::finish`] refuses what is left.
struct Options<'a> {
    scheme: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    fn take(&mut self, key: &'static str) -> Option<&'a str> {
        self.known.push(key);
        let at = self.pairs.iter().position(|(k, _)| *k == key)?;
        Some(self.pairs.remove(at).1)
    }

    fn optional<T: FromStr<Err: fmt::Display>>(&mut self, key: &'static str) -> Result<Option<T>, String> {
        let Some(text) = self.take(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|e| format!("{key}={text:?}: {e}"))
    }

    fn get<T: FromStr<Err: fmt::Display>>(&mut self, key: &'static str, default: T) -> Result<T, String> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    fn seconds(&mut self, key: &'static str, default: Duration) -> Result<Duration, String> {
        let Some(text) = self.take(key) else { return Ok(default) };
        duration(text)
            .ok_or_else(|| format!("{key}={text:?}: expected a time such as 2s or 500ms, up to a day"))
    }

    fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Result<Option<T>, String> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let names: Vec<_> = choices.iter().map(|c| c.0).collect();
        choices.iter().find(|c| c.0 == text).map(|c| Some(c.1)).ok_or_else(|| unknown(key, text, &names))
    }

    fn finish(&self) -> Result<(), String> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) if self.known.contains(key) => Err(format!("{key} is given twice")),
            Some((key, _)) if self.known.is_empty() => {
                Err(format!("{}: takes no options (got {key:?})", self.scheme))
            }
            Some((key, _)) => Err(unknown(&format!("option of {}:", self.scheme), key, &self.known)),
        }
    }
}

/// `2s`, `500ms`, `1.5s`, or bare seconds; at most a day.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(n) => (n, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.0..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn unknown(what: &str, got: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|k| (distance(got, k), k)).min();
    match nearest {
        Some((d, k)) if d <= 2 && d < got.len() => format!("unknown {what} {got:?}; did you mean {k:?}?"),
        _ => format!("unknown {what} {got:?}; known are {}", known.join(", ")),
    }
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Scheme and target, for messages; options are left out.
impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceSpec::V4l2 { device } => write!(f, "v4l2:{}", device.display()),
            SourceSpec::Y4m { file } => write!(f, "y4m:{}", file.display()),
            SourceSpec::Mjpeg { file, .. } => write!(f, "mjpeg:{}", file.display()),
            SourceSpec::Image { file, .. } => write!(f, "image:{}", file.display()),
            SourceSpec::Dir { folder, .. } => write!(f, "dir:{}", folder.display()),
            SourceSpec::Exec { command, .. } => write!(f, "exec:{command}"),
            SourceSpec::Synthetic(s) => write!(f, "synthetic:?seed={}", s.seed),
        }
    }
}
