//! `run --service`: the run that nobody watches. It lives through a config broken by hand, gives up an installed model
//! that turns out bad, and remembers the board.
//!
//! A config that cannot be read is shown as a fault, with line and column in the log, and read again when the file changes;
//! a readable one that changes starts the run anew in the same process. What lies under /var/lib/moodlight is best effort:
//! a disk that is full or read-only is said and changes nothing else.

use super::lenient::Lenience;
use super::stages::{self, Stages};
use super::trial::{Trial, Tried, tried};
use super::{Plan, RunOptions, Shutter, board, devices, run_until};
use crate::classifier::manifest::{MANIFEST_FILE, Manifest, Role};
use crate::classifier::store::{Disk, KernelDisk, Start, Step, Store, StoreError, state_folder};
use crate::classifier::{Precision, locate};
use crate::config::settings::board_memory;
use crate::config::{BoardProfile, Config, ConfigError, Settings};
use crate::runtime::alarm::{self, Alarm, Audience};
use crate::runtime::caretaker::{Caretaker, FileWatch};
use crate::runtime::heartbeat::Heartbeat;
use crate::runtime::trace::Trace;
use crate::runtime::{Ending, Stop};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What changes from one reading of the config to the next.
pub struct Service<'a> {
    /// The config file, which is watched; `None` when everything comes from flags.
    pub config: Option<PathBuf>,
    /// Reads the config and makes a plan of it.
    pub prepare: &'a dyn Fn() -> anyhow::Result<Plan>,
    /// Settings to show a broken config with when no good one was read before.
    pub fallback: &'a dyn Fn() -> Option<Settings>,
    /// What flags say of the trace, for a config that cannot be read.
    pub options: &'a RunOptions,
}

/// Runs until a signal, or an end that the service manager has to deal with.
///
/// # Errors
/// As [`run`](super::run), but for the config.
pub fn run(service: &Service<'_>) -> anyhow::Result<Ending> {
    let stop = Stop::on_signals().context("signal handlers could not be installed")?;
    let store = Store::system();
    begin(&store);
    let shutter = Shutter::kept_in(&state_folder());
    let mut lights: Option<Settings> = None;
    let ending = loop {
        let mut watches: Vec<FileWatch> = service.config.iter().map(|file| FileWatch::new(file)).collect();
        match (service.prepare)() {
            Ok(mut plan) => {
                watches.extend(own_profile(&plan.settings.config).map(FileWatch::new));
                lights = Some(plan.settings.clone());
                if let Some(config) = &service.config {
                    keep_as_last_good(config, &state_folder());
                }
                plan.options.service = true;
                plan.options.shutter = shutter.clone();
                let (tell, trial) = Trial::new();
                let caretaker = take_care(watches, &stop, &store, trial);
                let ending = run_until(plan, &stop, &|files| ready(&store, files, &tell));
                drop(caretaker);
                if ending.is_err() {
                    // It came to no run, and a model that was to blame has been given up: what is on trial was not tried.
                    told(store.forgive(&mut KernelDisk));
                }
                if !stop.take_reload() {
                    // A signal may have come after the run had ended for a reload.
                    break match (ending, stop.requested()) {
                        (Ok(Ending::Signal(_)), Some(signal)) => Ok(Ending::Signal(signal)),
                        // Stopped while a fault at the start was shown: that is said, and the end is a clean one.
                        (Err(e), Some(signal)) => {
                            log::error!("{e:#}");
                            Ok(Ending::Signal(signal))
                        }
                        (ending, _) => ending,
                    };
                }
                log::info!("the config has changed; starting anew with it");
            }
            Err(e) => {
                let settings = lights.clone().or_else(|| (service.fallback)());
                let file = e.downcast_ref::<ConfigError>().and_then(ConfigError::file);
                watches.extend(file.map(|file| FileWatch::new(&file)));
                // Pins that do not fit may be the profile's as well as the config's.
                let config = service.config.as_deref().and_then(|file| Config::read(file).ok());
                watches.extend(config.as_ref().and_then(own_profile).map(FileWatch::new));
                if let Some(signal) = config_fault(&e, settings.as_ref(), service.options, watches, &stop) {
                    break Ok(Ending::Signal(signal));
                }
            }
        }
    };
    if matches!(ending, Ok(Ending::Signal(_))) {
        told(store.forgive(&mut KernelDisk));
    }
    ending
}

fn begin(store: &Store) {
    match store.begin(&mut KernelDisk) {
        Ok(Start::Settled) => {}
        Ok(Start::OnTrial { version, starts }) => {
            log::info!("model {version} is on trial, start {starts}; after a minute it has proved itself");
        }
        Ok(Start::RolledBack { version }) => log::error!(
            "model {version} was rolled back: {}",
            store.rolled_back().unwrap_or_else(|| "it was not whole".into())
        ),
        Err(e) => log::error!("{e}"),
    }
}

/// The board profile, where the config names a file of the owner's.
fn own_profile(config: &Config) -> Option<&Path> {
    config.board.as_deref().and_then(BoardProfile::own_file)
}

fn changed(watches: &mut [FileWatch]) -> bool {
    watches.iter_mut().any(FileWatch::changed)
}

/// Asks for a reload when the config or the board's profile changes, and ends the trial of a model after its minute.
fn take_care(mut watches: Vec<FileWatch>, stop: &Stop, store: &Store, mut trial: Trial) -> Caretaker {
    let (stop, store) = (stop.clone(), store.clone());
    Caretaker::spawn(move |elapsed| {
        if changed(&mut watches) {
            stop.request_reload();
        }
        if let Some(version) = trial.proved(elapsed) {
            told(store.confirm(&version, &mut KernelDisk));
        }
    })
}

/// The lights are ready with these model files: the minute of a version on trial begins, if it is one of them that is used.
fn ready(store: &Store, files: &[PathBuf], tell: &Sender<String>) {
    match tried(store, files) {
        Tried::Nothing => {}
        Tried::Version(version) => {
            let _ = tell.send(version); // without a caretaker it stays on trial
        }
        Tried::Unused(version) => {
            log::warn!("model {version} is on trial and not in use; does the config choose another?");
            told(store.forgive(&mut KernelDisk));
        }
    }
}

fn told(done: Result<(), StoreError>) {
    if let Err(e) = done {
        log::error!("{e}");
    }
}

/// The models; installed ones that cannot be loaded or fail their self-test give way to those before them. A fault of the
/// package's own model, or of the machine, is no reason to give up another one that was installed.
pub fn load_or_roll_back(settings: &Settings) -> anyhow::Result<Stages> {
    match stages::load(settings) {
        Err(e) if stages::culprit(&e).is_some_and(|role| uses_the_store(settings, role)) => {
            let store = Store::system();
            log::error!("the installed model is given up: {e:#}");
            told(store.roll_back(&format!("{e:#}"), &mut KernelDisk));
            stages::load(settings)
        }
        loaded => loaded,
    }
}

/// The model for `role` is an installed one, or could be if the store's manifest were readable.
fn uses_the_store(settings: &Settings, role: Role) -> bool {
    let (precision, named) = match role {
        Role::Classifier => (settings.precision, settings.model.as_deref()),
        Role::Detector => (Precision::F32, None),
    };
    match locate::find(role, precision, named) {
        Ok(found) => found.path.starts_with(Store::system().root()),
        Err(_) => {
            named.is_none_or(locate::is_name)
                && locate::store_in_use().is_some_and(|v| Manifest::read(&v.join(MANIFEST_FILE)).is_err())
        }
    }
}

/// Shows a config or a profile that cannot be read until its file changes. The result is the signal, if one came.
fn config_fault(
    error: &anyhow::Error,
    settings: Option<&Settings>,
    options: &RunOptions,
    mut watches: Vec<FileWatch>,
    stop: &Stop,
) -> Option<i32> {
    let options = RunOptions { best_effort: true, snapshot: None, ..options.clone() };
    let trace = options.trace.as_ref().map(|path| Trace::open(path, options.trace_frames, true));
    let mut trace = trace.and_then(|t| t.map_err(|e| log::error!("the trace cannot be written: {e}")).ok());
    let mut lenience = Lenience::new(true);
    let lights = settings.map(|s| devices::indicators(s, &options, &mut lenience));
    let mut indicators = lights.and_then(|l| l.map_err(|e| log::error!("{e:#}")).ok()).unwrap_or_default();
    let mut heartbeat = settings.and_then(|s| board::heartbeat(s, &mut lenience, stop).ok().flatten());
    for gap in lenience.into_gaps() {
        log::error!("{}: {}", gap.what, gap.why);
    }
    if let Some(h) = &mut heartbeat {
        h.ready(); // up, and showing what is wrong: no reason for the manager to start it again and again
    }
    let detail = format!("{error:#}");
    let audience = Audience {
        indicators: &mut indicators,
        trace: trace.as_mut(),
        heartbeat: heartbeat.as_mut().map(|h| h.as_mut() as &mut dyn Heartbeat),
    };
    let mut looked = Duration::ZERO;
    let signal = alarm::show(Alarm { what: "config", detail: &detail }, audience, stop, |elapsed| {
        let is_due = elapsed >= looked + Duration::from_millis(500);
        if is_due {
            looked = elapsed;
        }
        is_due && changed(&mut watches)
    });
    if let Some(h) = &mut heartbeat {
        match signal {
            Some(_) => h.stopping(),
            // The next config may name no watchdog: one left armed would reset the board.
            None => h.pausing(),
        }
    }
    signal
}

/// The config that was read last, for a start that cannot read the one there is: the owner's pins stay his.
pub fn last_good(state: &Path) -> PathBuf {
    state.join("last-good.toml")
}

/// Keeps `config`, which was read without complaint. Written only when it has changed: cards wear.
fn keep_as_last_good(config: &Path, state: &Path) {
    let (Ok(text), kept) = (std::fs::read(config), last_good(state)) else { return };
    if std::fs::read(&kept).is_ok_and(|old| old == text) {
        return;
    }
    if let Err(e) = replace(&kept, &text) {
        log::warn!("{}: {e}; a broken config will be shown on the board's own pins", kept.display());
    }
}

/// Writes a small file in one step: it is the old one or the new one, whenever the power fails. Everybody may read it: `doctor` has to
/// see what the service sees.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    let mut steps = vec![
        Step::Write { to: beside.clone(), bytes: bytes.to_vec() },
        Step::Rename { from: beside, to: file.into() },
    ];
    steps.extend(file.parent().map(|folder| Step::Sync(folder.into())));
    steps.iter().try_for_each(|step| KernelDisk.carry_out(step))
}

/// The profile that fits this machine's device tree, remembered from the first start on in `state`/board, so that a later
/// version of moodlight that knows more boards does not rewire this one. Another device tree (the card was put into
/// another board) is recognised anew.
pub fn remembered_board(state: &Path, device_tree: &[u8]) -> Option<String> {
    if let Some(known) = known_board(state, device_tree) {
        return Some(known);
    }
    let (file, machine) = (board_memory(state), machine(device_tree));
    let found = BoardProfile::recognise(device_tree)?;
    match replace(&file, format!("{found} {machine}\n").as_bytes()) {
        Ok(()) => log::info!("this is board {found}; remembered in {}", file.display()),
        Err(e) => log::warn!("{}: {e}; the board is recognised at each start", file.display()),
    }
    Some(found.to_owned())
}

/// What [`remembered_board`] wrote for this machine.
pub fn known_board(state: &Path, device_tree: &[u8]) -> Option<String> {
    let written = std::fs::read_to_string(board_memory(state)).ok()?;
    let (profile, machine_then) = written.trim().split_once(' ')?;
    (machine_then == machine(device_tree)).then(|| profile.to_owned())
}

/// The device tree's names, most specific first.
fn machine(device_tree: &[u8]) -> String {
    String::from_utf8_lossy(device_tree).trim_end_matches('\0').replace('\0', ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PI4: &[u8] = b"raspberrypi,4-model-b\0brcm,bcm2711\0";
    const PI5: &[u8] = b"raspberrypi,5-model-b\0brcm,bcm2712\0";

    #[test]
    fn a_board_is_remembered_until_it_is_another() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("board");
        assert_eq!(remembered_board(state.path(), PI4).as_deref(), Some("rpi4"));
        let written = std::fs::read_to_string(&file).unwrap();
        assert_eq!(written, "rpi4 raspberrypi,4-model-b,brcm,bcm2711\n");
        // What the first start found, or somebody wrote there, stays.
        std::fs::write(&file, written.replace("rpi4 ", "mine ")).unwrap();
        assert_eq!(remembered_board(state.path(), PI4).as_deref(), Some("mine"));
        assert_eq!(remembered_board(state.path(), PI5).as_deref(), Some("rpi5"));
        assert_eq!(remembered_board(state.path(), PI4).as_deref(), Some("rpi4"));
    }

    #[test]
    fn the_config_that_was_read_is_kept_until_another_is() {
        let state = tempfile::tempdir().unwrap();
        let (config, kept) = (state.path().join("my.toml"), last_good(state.path()));
        for text in ["board = \"rpi4\"\n", "board = \"rpi5\"\n"] {
            std::fs::write(&config, text).unwrap();
            keep_as_last_good(&config, state.path());
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), text);
        }
        let written = std::fs::metadata(&kept).unwrap().modified().unwrap();
        keep_as_last_good(&config, state.path());
        assert_eq!(
            std::fs::metadata(&kept).unwrap().modified().unwrap(),
            written,
            "nothing changed, nothing is written"
        );
        keep_as_last_good(Path::new("/no/such.toml"), state.path());
        keep_as_last_good(&config, Path::new("/no/such/folder"));
        assert!(kept.is_file());
    }

    #[test]
    fn a_strange_board_or_a_disk_that_refuses_is_no_failure() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(remembered_board(state.path(), b"acme,toaster\0"), None);
        assert_eq!(remembered_board(Path::new("/no/such/folder"), PI4).as_deref(), Some("rpi4"));
    }
}
