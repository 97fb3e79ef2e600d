//! One change of the store at a time: what a power cut can fall between.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A change that is atomic, or touches only what nothing points to yet. Done twice it does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A folder and all in it is gone. One that isn't there is no error.
    Clear(PathBuf),
    MakeFolder(PathBuf),
    /// A file's content, and on the disk.
    Copy {
        from: PathBuf,
        to: PathBuf,
    },
    /// A small file's content, and on the disk.
    Write {
        to: PathBuf,
        bytes: Vec<u8>,
    },
    /// A symbolic link that is not there yet.
    Link {
        at: PathBuf,
        to: PathBuf,
    },
    /// Takes the place of what is there, in one instant.
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    /// A file or link is gone. One that isn't there is no error.
    Remove(PathBuf),
    /// The names in a folder are on the disk.
    Sync(PathBuf),
}

impl Step {
    /// What it changes, for messages.
    pub fn path(&self) -> &Path {
        match self {
            Step::Clear(p) | Step::MakeFolder(p) | Step::Remove(p) | Step::Sync(p) => p,
            Step::Copy { to, .. } | Step::Write { to, .. } | Step::Rename { to, .. } => to,
            Step::Link { at, .. } => at,
        }
    }
}

/// Carries steps out. Tests have one whose power fails.
pub trait Disk {
    fn carry_out(&mut self, step: &Step) -> io::Result<()>;
}

/// The real one.
#[derive(Debug, Clone, Copy, Default)]
pub struct KernelDisk;

impl Disk for KernelDisk {
    fn carry_out(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Clear(path) => or_absent(fs::remove_dir_all(path)),
            Step::MakeFolder(path) => {
                fs::create_dir_all(path)?;
                fs::set_permissions(path, Permissions::from_mode(0o755))
            }
            Step::Copy { from, to } => written(to, |out| io::copy(&mut File::open(from)?, out).map(|_| ())),
            Step::Write { to, bytes } => written(to, |out| out.write_all(bytes)),
            Step::Link { at, to } => std::os::unix::fs::symlink(to, at),
            Step::Rename { from, to } => fs::rename(from, to),
            Step::Remove(path) => or_absent(fs::remove_file(path)),
            Step::Sync(folder) => File::open(folder)?.sync_all(),
        }
    }
}

/// A file that the service's user can read whatever root's umask is, and on the disk.
fn written(to: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut out = File::create(to)?;
    out.set_permissions(Permissions::from_mode(0o644))?;
    fill(&mut out)?;
    out.sync_all()
}

fn or_absent(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
