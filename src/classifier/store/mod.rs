//! Models that the owner installed, in /var/lib/moodlight/models: switched atomically, the one before kept, rolled back by
//! themselves when they turn out bad.
//!
//! ```text
//! v3/ v4/      a version: model files, their goldens, a manifest; written once, never changed. What an installation does not
//!              replace is copied over from the version in use
//! current      link to the version in use; absent: the package's models are
//! previous     link to the one before that had proved itself; absent: the package's models were in use
//! trial        "v4 2": the version on trial, and how often the service has started with it
//! rolled-back  "v4 reason": what was given up last, and why
//! incoming/    a version that is being written
//! ```
//!
//! Terms. *Trial*: from installation until the service has run with it for a minute ([`Store::confirm`]). A version that fails
//! its self-test, or with which the service died three times on trial, is *rolled back*: the previous one, or the package's,
//! is in use again.
//!
//! Every change is a list of [`Step`]s, each of which is atomic or touches only what nothing points to. So a power cut
//! between or within any two of them leaves a `current` that can be loaded: tests/model_store.rs cuts at every step.

mod install;
mod steps;

pub use install::{Candidate, Version, install};
pub use steps::{Disk, KernelDisk, Step};

use super::manifest::MANIFEST_FILE;
use std::io;
use std::path::{Path, PathBuf};

/// Names moodlight's own folder when it is not /var/lib/moodlight.
pub const STATE_VARIABLE: &str = "MOODLIGHT_STATE";
const STATE_FOLDER: &str = "/var/lib/moodlight";
/// The service may die so often on trial before the version is given up.
pub const MOST_STARTS: u32 = 3;

const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
const TRIAL: &str = "trial";
const ROLLED_BACK: &str = "rolled-back";

/// moodlight's own folder: models, what was recognised at the first start.
pub fn state_folder() -> PathBuf {
    let named = std::env::var_os(STATE_VARIABLE).filter(|v| !v.is_empty());
    named.map_or_else(|| STATE_FOLDER.into(), PathBuf::from)
}

/// The folder of installed models.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What happened at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The package's models, or a version that has proved itself.
    Settled,
    OnTrial {
        version: String,
        starts: u32,
    },
    RolledBack {
        version: String,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct StoreError {
    pub path: String,
    pub reason: String,
}

impl Store {
    pub fn system() -> Self {
        Self::at(state_folder().join("models"))
    }

    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder in use, if an installed version is.
    pub fn current(&self) -> Option<PathBuf> {
        Some(self.root.join(self.target(CURRENT)?))
    }

    /// The version on trial and how often the service has started with it.
    pub fn trial(&self) -> Option<(String, u32)> {
        let text = std::fs::read_to_string(self.root.join(TRIAL)).ok()?;
        let (version, starts) = text.trim().split_once(' ')?;
        // A trial of another version is one whose switch never came.
        (self.target(CURRENT)? == version).then_some((version.to_owned(), starts.parse().ok()?))
    }

    /// What was given up last, and why; forgotten when another version is installed.
    pub fn rolled_back(&self) -> Option<String> {
        std::fs::read_to_string(self.root.join(ROLLED_BACK)).ok().map(|t| t.trim().to_owned())
    }

    /// The service starts: counts a start on trial, gives up a version that died too often or that is not whole enough to
    /// be looked at.
    ///
    /// # Errors
    /// The folder cannot be written. The caller goes on with what is there.
    pub fn begin(&self, disk: &mut dyn Disk) -> Result<Start, StoreError> {
        let Some(version) = self.target(CURRENT) else { return Ok(Start::Settled) };
        if !self.root.join(&version).join(MANIFEST_FILE).is_file() {
            self.roll_back("its folder has no manifest", disk)?;
            return Ok(Start::RolledBack { version });
        }
        match self.trial() {
            None => Ok(Start::Settled),
            Some((version, starts)) if starts >= MOST_STARTS => {
                self.roll_back(&format!("the service died {starts} times in its first minute"), disk)?;
                Ok(Start::RolledBack { version })
            }
            Some((version, starts)) => {
                let starts = starts + 1;
                self.carry_out(self.write(TRIAL, &format!("{version} {starts}\n")), disk)?;
                Ok(Start::OnTrial { version, starts })
            }
        }
    }

    /// The service was asked to end on trial, or runs with other models: that start doesn't count.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn forgive(&self, disk: &mut dyn Disk) -> Result<(), StoreError> {
        match self.trial() {
            Some((version, starts)) if starts > 0 => {
                self.carry_out(self.write(TRIAL, &format!("{version} {}\n", starts - 1)), disk)
            }
            _ => Ok(()),
        }
    }

    /// The service has run with `version` for a minute: it has proved itself. Another one that was installed meanwhile has not,
    /// and stays on trial.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn confirm(&self, version: &str, disk: &mut dyn Disk) -> Result<(), StoreError> {
        match self.trial() {
            Some((on_trial, _)) if on_trial == version => {
                self.carry_out(vec![Step::Remove(self.root.join(TRIAL)), Step::Sync(self.root.clone())], disk)
            }
            _ => Ok(()),
        }
    }

    /// Gives up the version in use for the one before, or for the package's models.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn roll_back(&self, why: &str, disk: &mut dyn Disk) -> Result<(), StoreError> {
        let Some(given_up) = self.target(CURRENT) else { return Ok(()) };
        let why = why.replace('\n', " ");
        let mut steps = match self.target(PREVIOUS).filter(|p| *p != given_up) {
            Some(previous) => self.point(CURRENT, &previous),
            None => vec![Step::Remove(self.root.join(CURRENT))],
        };
        steps.extend(self.write(ROLLED_BACK, &format!("{given_up} {why}\n")));
        steps.extend([PREVIOUS, TRIAL].map(|name| Step::Remove(self.root.join(name))));
        steps.push(Step::Sync(self.root.clone()));
        self.carry_out(steps, disk)
    }

    /// The version that a link names.
    fn target(&self, link: &str) -> Option<String> {
        let target = std::fs::read_link(self.root.join(link)).ok()?;
        // Links are written here, as plain names; anything else is not ours.
        target.to_str().filter(|t| version_number(t).is_some()).map(str::to_owned)
    }

    /// Points a link at a version: the new link is made beside and takes the old one's place in one step.
    fn point(&self, link: &str, version: &str) -> Vec<Step> {
        let beside = self.root.join(format!("{link}.new"));
        vec![
            Step::Remove(beside.clone()),
            Step::Link { at: beside.clone(), to: version.into() },
            Step::Rename { from: beside, to: self.root.join(link) },
        ]
    }

    /// Replaces a small file in one step.
    fn write(&self, name: &str, text: &str) -> Vec<Step> {
        let beside = self.root.join(format!("{name}.new"));
        vec![
            Step::Write { to: beside.clone(), bytes: text.as_bytes().to_vec() },
            Step::Rename { from: beside, to: self.root.join(name) },
        ]
    }

    fn carry_out(&self, steps: Vec<Step>, disk: &mut dyn Disk) -> Result<(), StoreError> {
        steps.into_iter().try_for_each(|step| disk.carry_out(&step).map_err(|e| error(step.path(), &e)))
    }
}

/// `v12` → 12
fn version_number(name: &str) -> Option<u32> {
    name.strip_prefix('v')?.parse().ok()
}

fn error(path: &Path, e: &io::Error) -> StoreError {
    let advice = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: make room; nothing was changed"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is read-only; nothing was changed",
        io::ErrorKind::PermissionDenied => "; run it as root (sudo moodlight model install …)",
        _ => "",
    };
    StoreError { path: path.display().to_string(), reason: format!("{e}{advice}") }
}
