//! `run --service`: the run that nobody watches. It lives through a config broken by hand, gives up an installed model
//! that turns out bad, and remembers the board.
//!
//! A config that cannot be read is shown as a fault, with line and column in the log, and read again when the file changes;
//! a readable one that changes starts the run anew in the same process. What lies under /var/lib/moodlight is best effort:
//! a disk that is full or read-only is said and changes nothing else.

use super::lenient::Lenience;
use super::stages::{self, Stages};
use super::{Plan, board, devices, run_until};
use crate::classifier::locate;
use crate::classifier::manifest::Role;
use crate::classifier::store::{KernelDisk, Start, Store, StoreError};
use crate::config::Settings;
use crate::runtime::alarm::{self, Alarm, Audience};
use crate::runtime::caretaker::{Caretaker, FileWatch};
use crate::runtime::{Ending, Stop};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// After so long a newly installed model has proved itself.
const TRIAL: Duration = Duration::from_secs(60);

/// What changes from one reading of the config to the next.
pub struct Service<'a> {
    /// The config file, which is watched; `None` when everything comes from flags.
    pub config: Option<PathBuf>,
    /// Reads the config and makes a plan of it.
    pub prepare: &'a dyn Fn() -> anyhow::Result<Plan>,
    /// Settings to show a broken config with when no good one was read before.
    pub fallback: &'a dyn Fn() -> Option<Settings>,
}

/// Runs until a signal, or an end that the service manager has to deal with.
///
/// # Errors
/// As [`run`](super::run), but for the config.
pub fn run(service: &Service<'_>) -> anyhow::Result<Ending> {
    let stop = Stop::on_signals().context("signal handlers could not be installed")?;
    let store = Store::system();
    begin(&store);
    let mut lights: Option<Settings> = None;
    let ending = loop {
        let watch = service.config.as_deref().map(FileWatch::new);
        match (service.prepare)() {
            Ok(mut plan) => {
                lights = Some(plan.settings.clone());
                plan.options.service = true;
                let caretaker = take_care(watch, &stop, &store);
                let ending = run_until(plan, &stop);
                drop(caretaker);
                if !stop.take_reload() {
                    break ending;
                }
                log::info!("the config has changed; starting anew with it");
            }
            Err(e) => {
                let settings = lights.clone().or_else(|| (service.fallback)());
                if let Some(signal) = config_fault(&e, settings.as_ref(), watch, &stop) {
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

/// Asks for a reload when the config changes, and ends the trial of a model after its minute.
fn take_care(mut watch: Option<FileWatch>, stop: &Stop, store: &Store) -> Caretaker {
    let (stop, store) = (stop.clone(), store.clone());
    let mut on_trial = store.trial().is_some();
    Caretaker::spawn(move |elapsed| {
        if watch.as_mut().is_some_and(FileWatch::changed) {
            stop.request_reload();
        }
        if on_trial && elapsed >= TRIAL {
            on_trial = false;
            told(store.confirm(&mut KernelDisk));
        }
    })
}

fn told(done: Result<(), StoreError>) {
    if let Err(e) = done {
        log::error!("{e}");
    }
}

/// The models; installed ones that cannot be loaded or fail their self-test give way to those before them.
pub fn load_or_roll_back(settings: &Settings) -> anyhow::Result<Stages> {
    match stages::load(settings) {
        Err(e) if uses_the_store(settings) => {
            let store = Store::system();
            log::error!("the installed model is given up: {e:#}");
            told(store.roll_back(&format!("{e:#}"), &mut KernelDisk));
            stages::load(settings)
        }
        loaded => loaded,
    }
}

/// The classifier is an installed one, or would be if the store's manifest could be read.
fn uses_the_store(settings: &Settings) -> bool {
    match locate::find(Role::Classifier, settings.precision, settings.model.as_deref()) {
        Ok(found) => found.path.starts_with(Store::system().root()),
        Err(_) => settings.model.is_none() && locate::store_in_use().is_some(),
    }
}

/// Shows a config that cannot be read until its file changes. The result is the signal, if one came.
fn config_fault(
    error: &anyhow::Error,
    settings: Option<&Settings>,
    mut watch: Option<FileWatch>,
    stop: &Stop,
) -> Option<i32> {
    let options = super::RunOptions { best_effort: true, ..super::RunOptions::default() };
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
        trace: None,
        heartbeat: heartbeat.as_mut().map(|h| h.as_mut() as &mut dyn crate::runtime::heartbeat::Heartbeat),
    };
    let mut looked = Duration::ZERO;
    let signal = alarm::show(Alarm { what: "config", detail: &detail }, audience, stop, |elapsed| {
        let is_due = elapsed >= looked + Duration::from_millis(500);
        if is_due {
            looked = elapsed;
        }
        is_due && watch.as_mut().is_some_and(FileWatch::changed)
    });
    if let (Some(h), true) = (&mut heartbeat, signal.is_some()) {
        h.stopping();
    }
    signal
}

/// The profile that fits this machine's device tree, remembered from the first start on in `state`/board, so that a later
/// version of moodlight that knows more boards does not rewire this one. Another device tree (the card was put into
/// another board) is recognised anew.
pub fn remembered_board(state: &Path, device_tree: &[u8]) -> Option<String> {
    if let Some(known) = known_board(state, device_tree) {
        return Some(known);
    }
    let (file, machine) = (state.join("board"), machine(device_tree));
    let found = crate::config::BoardProfile::recognise(device_tree)?;
    let beside = state.join("board.new");
    let saved = std::fs::write(&beside, format!("{found} {machine}\n"))
        .and_then(|()| std::fs::rename(&beside, &file));
    match saved {
        Ok(()) => log::info!("this is board {found}; remembered in {}", file.display()),
        Err(e) => log::warn!("{}: {e}; the board is recognised at each start", file.display()),
    }
    Some(found.to_owned())
}

/// What [`remembered_board`] wrote for this machine.
pub fn known_board(state: &Path, device_tree: &[u8]) -> Option<String> {
    let written = std::fs::read_to_string(state.join("board")).ok()?;
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
    fn a_strange_board_or_a_disk_that_refuses_is_no_failure() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(remembered_board(state.path(), b"acme,toaster\0"), None);
        assert_eq!(remembered_board(Path::new("/no/such/folder"), PI4).as_deref(), Some("rpi4"));
    }
}
