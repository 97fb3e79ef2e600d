//! Gathers the facts for `moodlight doctor`: what `hal::survey` sees, what the models are, what the camera gives.
//!
//! Looks, and leaves everything as it is: no line is taken, no light lit. The camera is opened for two seconds, a slow one for
//! longer, unless somebody has it.

use super::board::line_at;
use super::devices::{self, Opened};
use super::lenient::Lenience;
use super::{Origin, RunOptions, stages};
use crate::classifier::manifest::{MANIFEST_FILE, Manifest, Role};
use crate::classifier::store::{Store, state_folder};
use crate::classifier::{Precision, locate};
use crate::config::{BoardProfile, ConfigError, Hardware, Settings};
use crate::doctor::facts::{
    Board, Camera, ConfigFile, Facts, I2c, Models, Pins, Screen, Service, StoreNews, Stream, VideoNode, Wire,
    WireState,
};
use crate::hal::gpio::{self, Gpio, LineAt};
use crate::hal::survey;
use crate::runtime::measure;
use crate::source::SourceSpec;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long the camera is watched.
const WATCH: Duration = Duration::from_secs(2);
/// How long one is that may be silent for longer: nobody waits for ever.
const LONGEST_WATCH: Duration = Duration::from_secs(15);

/// All facts about this machine under `settings`. `broken`: why the config could not be read; then `settings` are the
/// defaults for the board.
pub fn facts(settings: &Settings, broken: Option<&ConfigError>, device_tree: &[u8]) -> Facts {
    let (sys, proc) = (Path::new("/sys"), Path::new("/proc"));
    let is_real = settings.board.hardware == Hardware::Real;
    let nodes = survey::nodes();
    let i2c = i2c(settings, sys);
    let service = survey::service();
    Facts {
        kernel: survey::kernel(proc),
        board: Board {
            model: survey::device_tree_model(&sys.join("firmware/devicetree/base")),
            recognised: BoardProfile::recognise(device_tree).map(str::to_owned),
            profile: settings.board.name.clone(),
            is_real,
        },
        config: match (broken, &settings.config_file) {
            (Some(e), _) => ConfigFile::Broken { file: e.file().filter(|f| f.is_file()), why: e.to_string() },
            (None, Some(file)) => ConfigFile::Read(file.clone()),
            (None, None) => ConfigFile::None,
        },
        camera: camera(settings, &service),
        pins: is_real.then(|| pins(settings)),
        user: survey::user(&devices_needed(settings, &nodes)),
        screen: screen(settings, sys),
        models: models(settings),
        disks: [("the system", PathBuf::from("/"), false), ("moodlight's own data", state_folder(), true)]
            .into_iter()
            .filter_map(|(purpose, path, is_written)| survey::disk(purpose, &path, is_written))
            .collect(),
        heat: survey::heat(sys, settings.board.thermal.zone.as_deref()),
        power: survey::power(sys),
        service,
        clock: seconds_since_1970(),
        nodes,
        i2c,
    }
}

fn seconds_since_1970() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(d) => i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
        Err(e) => -i64::try_from(e.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

fn camera(settings: &Settings, service: &Service) -> Camera {
    let source = match &settings.input {
        crate::config::settings::Input::Demo => return Camera::Recording("the demo clip".into()),
        crate::config::settings::Input::Source(source) => source.clone(),
    };
    let spec: SourceSpec = match source.parse() {
        Ok(spec) => spec,
        Err(e) => return Camera::Fails { source, reason: format!("{e}"), holders: Vec::new() },
    };
    if !matches!(spec, SourceSpec::V4l2 { .. } | SourceSpec::Exec { .. }) {
        return Camera::Recording(source);
    }
    let is_configs = settings.config.source.src.as_ref() == Some(&source);
    let is_programs = is_configs && matches!(spec, SourceSpec::Exec { .. });
    // Without the mute button: asked is whether the camera works.
    let mut settings = settings.clone();
    settings.wires.retain(|w| w.line != "mute_button");
    let opened =
        devices::source(&Origin::Given(spec), &settings, &RunOptions::default(), &mut Lenience::new(false));
    let watched = opened.map_err(|e| format!("{e:#}")).and_then(|opened| match opened {
        Opened::Live(mut opener) => watch(opener.open().map_err(|e| e.to_string())?.as_mut()),
        Opened::Recorded(mut source) => watch(source.as_mut()),
    });
    match watched {
        Ok(stream) => Camera::Works(stream),
        Err(reason) => {
            let holders = if reason.contains("busy") { survey::video_holders() } else { Vec::new() };
            let runs = matches!(service, Service::State { active, .. } if active == "active");
            match is_services(&reason, &holders, is_programs, runs) {
                true => Camera::HeldByService { source },
                false => Camera::Fails { source, reason, holders },
            }
        }
    }
}

/// Whether a camera that could not be watched for `reason` is with the service, whose own check says if it sees anything. An ordinary
/// user is not told which files the service's user has open, so that `holders` are others or nobody. `is_programs`: it is the
/// config's camera and comes through a program, which fails in words of its own when another one runs.
fn is_services(reason: &str, holders: &[String], is_programs: bool, runs: bool) -> bool {
    let is_ours = holders.iter().any(|h| h.starts_with("moodlight "));
    let is_hidden = runs && reason.contains("busy") && holders.is_empty();
    is_ours || is_hidden || runs && is_programs
}

fn watch(source: &mut dyn crate::source::FrameSource) -> Result<Stream, String> {
    let name = source.describe();
    let span = span(source.longest_silence(false));
    let measured = measure::rate(source, span).map_err(|e| e.to_string())?;
    Ok(Stream {
        promised: promised(&name),
        name,
        frames: measured.frames,
        seconds: measured.seconds,
        damaged: measured.damaged,
    })
}

/// How long a source is watched that may be silent for so long and be well.
fn span(silence: Duration) -> Duration {
    WATCH.max(silence.min(LONGEST_WATCH))
}

/// "… MJPG 30.0000 fps (HD Webcam)" → 30
fn promised(name: &str) -> Option<f32> {
    let stream = name.split(" (").next()?; // the camera's own name follows
    stream.strip_suffix(" fps")?.rsplit(' ').next()?.parse().ok()
}

fn pins(settings: &Settings) -> Pins {
    let chip = settings.board.gpio.chip.clone();
    let gpio = match Gpio::open(&chip) {
        Ok(gpio) => gpio,
        Err(e) => return Pins { chip, error: Some(e.to_string()), wires: Vec::new() },
    };
    let state = |at: &LineAt| match gpio.find(at) {
        Ok(_) => WireState::Free,
        Err(_) if gpio.is_ours(at) => WireState::HeldByMoodlight,
        Err(e) => WireState::Refused(e.to_string()),
    };
    let wires = settings.wires.iter().map(|w| Wire {
        line: w.line.into(),
        pin: w.pin.to_string(),
        state: state(&line_at(&w.pin)),
    });
    Pins { wires: wires.collect(), error: None, chip }
}

fn i2c(settings: &Settings, sys: &Path) -> Option<I2c> {
    let panel = settings.oled.as_ref();
    let bus = panel
        .and_then(|o| o.bus.clone())
        .or_else(|| settings.board.i2c.as_ref().map(|i| i.bus.clone()))
        .filter(|_| settings.board.hardware == Hardware::Real)?;
    Some(I2c { found: survey::scan(&bus, sys), panel: panel.map(|o| o.address), bus })
}

fn screen(settings: &Settings, sys: &Path) -> Screen {
    Screen {
        wanted: settings.config.screen.map(|s| s.enabled),
        connectors: survey::connectors(sys),
        framebuffers: survey::framebuffers(sys),
    }
}

/// The device files that a run under these settings opens.
fn devices_needed(settings: &Settings, nodes: &[VideoNode]) -> Vec<PathBuf> {
    if settings.board.hardware == Hardware::Simulated {
        return Vec::new();
    }
    let may_be_camera = |n: &&VideoNode| n.gives_pictures || n.what.starts_with(survey::UNASKED);
    let mut needed: Vec<PathBuf> = nodes.iter().filter(may_be_camera).map(|n| n.path.clone()).collect();
    needed.extend(gpio::chip_paths());
    needed.extend(settings.oled.as_ref().and_then(|o| o.bus.clone()));
    needed.extend((0..4).map(|n| PathBuf::from(format!("/dev/dri/card{n}"))));
    needed.extend(settings.config.watchdog.as_ref().map(|w| w.device.clone()));
    needed
}

fn models(settings: &Settings) -> Models {
    let folder = locate::folder().map_err(|e| e.to_string());
    let store = Store::system();
    let used = [
        locate::find(Role::Classifier, settings.precision, settings.model.as_deref()),
        locate::find(Role::Detector, Precision::F32, None),
    ];
    let needed: Vec<PathBuf> = used.into_iter().flatten().map(|f| f.path).collect();
    let listed = |dir: &PathBuf| match Manifest::read(&dir.join(MANIFEST_FILE)) {
        Err(e) => vec![(dir.display().to_string(), Some(e.to_string()))],
        Ok(manifest) => {
            let checked = manifest.models.iter().filter_map(|m| {
                let path = dir.join(&m.file);
                // A board may have only what it uses.
                let is_needed = path.exists() || needed.contains(&path);
                is_needed.then(|| (m.name.clone(), m.verify(&path).err().map(|e| e.to_string())))
            });
            checked.collect()
        }
    };
    let mut files = folder.as_ref().map(listed).unwrap_or_default();
    // What is wrong with the owner's own is not mended by the package.
    let (whole, broken): (Vec<_>, Vec<_>) =
        locate::store_in_use().iter().flat_map(listed).partition(|(_, error)| error.is_none());
    files.extend(whole);
    let broken: Vec<String> = broken.into_iter().filter_map(|(_, error)| error).collect();
    let news = match (store.trial(), store.rolled_back()) {
        _ if !broken.is_empty() => StoreNews::Broken(broken.join("; ")),
        (Some(_), _) => StoreNews::OnTrial,
        (None, Some(why)) => StoreNews::RolledBack(why),
        (None, None) => StoreNews::None,
    };
    Models {
        folder,
        files,
        self_test: stages::self_test(settings).map_err(|e| format!("{e:#}")),
        store: news,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::seen_as_root("busy: another program", &["moodlight (pid 7)"], false, true, true)]
    #[case::started_by_hand("busy: another program", &["moodlight (pid 7)"], false, false, true)]
    #[case::seen_as_pi("busy: another program", &[], false, true, true)]
    #[case::somebody_else("busy: another program", &["zoom (pid 9)"], false, true, false)]
    #[case::nobody_runs("busy: another program", &[], false, false, false)]
    #[case::unplugged("no such camera", &[], false, true, false)]
    #[case::ribbon("*** failed to acquire camera ***", &[], true, true, true)]
    #[case::ribbon_alone("*** failed to acquire camera ***", &[], true, false, false)]
    fn a_camera_with_the_service_is_no_broken_one(
        #[case] reason: &str,
        #[case] holders: &[&str],
        #[case] is_programs: bool,
        #[case] runs: bool,
        #[case] expect: bool,
    ) {
        let holders: Vec<String> = holders.iter().map(|h| (*h).to_owned()).collect();
        assert_eq!(is_services(reason, &holders, is_programs, runs), expect);
    }

    /// Silence of a source, milliseconds → seconds of watching.
    #[rstest]
    #[case::usual(0, 2)]
    #[case::thirty_a_second(100, 2)]
    #[case::one_in_four_seconds(12_000, 12)]
    #[case::time_lapse(180_000, 15)]
    fn a_slow_camera_is_watched_for_longer(#[case] silence: u64, #[case] seconds: u64) {
        assert_eq!(span(Duration::from_millis(silence)), Duration::from_secs(seconds));
    }

    #[rstest]
    #[case("v4l2:/dev/video0 640x480 MJPG 30.0000 fps (HD Webcam)", Some(30.0))]
    #[case("v4l2:/dev/video0 640x480 YUYV (Capture 60 fps)", None)]
    #[case("exec:rpicam-vid", None)]
    fn the_promised_rate_is_read_from_the_description(#[case] name: &str, #[case] expect: Option<f32>) {
        assert_eq!(promised(name), expect);
    }
}
