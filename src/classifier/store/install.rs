//! A new version: written beside, proved where it lies, then switched to.

use super::steps::{Disk, Step};
use super::{CURRENT, PREVIOUS, ROLLED_BACK, Store, StoreError, TRIAL, error, version_number};
use crate::classifier::Found;
use crate::classifier::manifest::{MANIFEST_FILE, Manifest, ModelEntry};
use crate::classifier::selftest::goldens_of;
use std::path::{Path, PathBuf};

/// A model file that is to be installed, with its manifest's table as it was written, keys for people and all.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub found: Found,
    pub table: toml::Table,
}

impl Candidate {
    /// `file` with the entry that the manifest beside it has for it.
    ///
    /// # Errors
    /// No manifest beside it, no entry in it, or another file than the entry says.
    pub fn read(file: &Path) -> Result<Self, StoreError> {
        let bad = |reason: String| StoreError { path: file.display().to_string(), reason };
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest = file.parent().unwrap_or(Path::new("")).join(MANIFEST_FILE);
        let text = std::fs::read_to_string(&manifest).map_err(|e| {
            bad(format!(
                "{}: {e}; a model is installed with the manifest that describes it, beside it",
                manifest.display()
            ))
        })?;
        let entries = Manifest::read(&manifest).map_err(|e| bad(e.to_string()))?;
        let entry = entries.by_file(&name).cloned().ok_or_else(|| {
            let known: Vec<&str> = entries.models.iter().map(|m| m.file.as_str()).collect();
            bad(format!("{} has no entry for it; it lists {}", manifest.display(), known.join(", ")))
        })?;
        entry.verify(file).map_err(|e| bad(e.to_string()))?;
        let table =
            tables(&text).into_iter().find(|t| t.get("file").and_then(toml::Value::as_str) == Some(&name));
        let table = table.ok_or_else(|| bad(format!("{}: its entry cannot be read", manifest.display())))?;
        Ok(Self { found: Found { path: file.into(), entry, listed: true }, table })
    }

    fn entry(&self) -> &ModelEntry {
        &self.found.entry
    }
}

fn tables(manifest: &str) -> Vec<toml::Table> {
    let whole: toml::Table = toml::from_str(manifest).unwrap_or_default();
    let models = whole.get("model").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    models.into_iter().filter_map(|m| m.try_into().ok()).collect()
}

/// What an installation switched to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// "v4"
    pub name: String,
    /// Names of the models that the version before had and this one keeps.
    pub kept: Vec<String>,
}

/// Installs `candidates` as one version and switches to it. `prove` is asked about each file where it will be used; its
/// refusal leaves everything as it was. What the version in use has for other purposes is kept: who installs a detector
/// does not mean to lose his classifier.
///
/// # Errors
/// A file that `prove` refuses, a full or read-only disk, a missing right: nothing was switched.
pub fn install(
    store: &Store,
    candidates: &[Candidate],
    disk: &mut dyn Disk,
    prove: &mut dyn FnMut(&Found) -> Result<(), String>,
) -> Result<Version, StoreError> {
    let incoming = store.root.join("incoming");
    let kept = kept(store, candidates);
    let all = [candidates, &kept].concat();
    let written = write(store, &all, &incoming, disk).and_then(|()| {
        check(candidates, &incoming, prove)?;
        // These have proved themselves when they came; they only have to be whole.
        check(&kept, &incoming, &mut |_| Ok(()))
    });
    if let Err(e) = written {
        // Half a version helps nobody; if even that fails, the next installation clears it.
        let _ = disk.carry_out(&Step::Clear(incoming));
        return Err(e);
    }
    let version = format!("v{}", newest(&store.root) + 1);
    store.carry_out(switch(store, &incoming, &version), disk)?;
    // What neither link names is of no use any more. Leftovers cost room, nothing else.
    for old in outdated(store) {
        if let Err(e) = disk.carry_out(&Step::Clear(old.clone())) {
            log::warn!("{}", error(&old, &e));
        }
    }
    Ok(Version { name: version, kept: kept.iter().map(|c| c.entry().name.clone()).collect() })
}

/// The models of the version in use that are for other purposes than `given`. One that is not whole, or whose file has the name of
/// a given one, is left out with a word.
fn kept(store: &Store, given: &[Candidate]) -> Vec<Candidate> {
    let Some(folder) = store.current() else { return Vec::new() };
    let manifest = match Manifest::read(&folder.join(MANIFEST_FILE)) {
        Ok(manifest) => manifest,
        Err(e) => {
            log::warn!("nothing of the version before is kept: {e}");
            return Vec::new();
        }
    };
    let mut kept = Vec::new();
    for old in &manifest.models {
        if given.iter().any(|c| (c.entry().role, c.entry().precision) == (old.role, old.precision)) {
            continue;
        }
        match keep(&folder.join(&old.file), given) {
            Ok(candidate) => kept.push(candidate),
            Err(e) => log::warn!("{} is not kept: {e}", old.name),
        }
    }
    kept
}

/// The installed `file`, unless a given one would lie in its place, or its goldens in that of the other's.
fn keep(file: &Path, given: &[Candidate]) -> Result<Candidate, StoreError> {
    let in_the_way = given.iter().find(|c| Path::new(&c.entry().file).file_stem() == file.file_stem());
    match in_the_way {
        Some(c) => Err(StoreError {
            path: file.display().to_string(),
            reason: format!("{} would have its file name; give that one another", c.entry().name),
        }),
        None => Candidate::read(file),
    }
}

/// Whether the copies are whole, and `prove` has nothing against them.
fn check(
    candidates: &[Candidate],
    incoming: &Path,
    prove: &mut dyn FnMut(&Found) -> Result<(), String>,
) -> Result<(), StoreError> {
    candidates.iter().try_for_each(|c| {
        let found = Found { path: incoming.join(&c.entry().file), ..c.found.clone() };
        let proved = found.entry.verify(&found.path).map_err(|e| e.to_string()).and_then(|()| prove(&found));
        proved.map_err(|reason| StoreError { path: c.found.path.display().to_string(), reason })
    })
}

fn write(
    store: &Store,
    candidates: &[Candidate],
    incoming: &Path,
    disk: &mut dyn Disk,
) -> Result<(), StoreError> {
    let mut steps = vec![Step::Clear(incoming.into()), Step::MakeFolder(incoming.into())];
    for candidate in candidates {
        let from = &candidate.found.path;
        steps.push(Step::Copy { from: from.clone(), to: incoming.join(&candidate.entry().file) });
        let goldens = goldens_of(from);
        if goldens.is_file() {
            let to = goldens_of(&incoming.join(&candidate.entry().file));
            steps.push(Step::Copy { from: goldens, to });
        }
    }
    let models = candidates.iter().map(|c| toml::Value::Table(c.table.clone())).collect();
    let manifest: toml::Table = [("model".to_owned(), toml::Value::Array(models))].into_iter().collect();
    let bytes = manifest.to_string().into_bytes();
    steps.push(Step::Write { to: incoming.join(MANIFEST_FILE), bytes });
    steps.push(Step::Sync(incoming.into()));
    store.carry_out(steps, disk)
}

/// The order matters: the version has its name before anything points to it, and the way back is there before the switch.
fn switch(store: &Store, incoming: &Path, version: &str) -> Vec<Step> {
    let mut steps = vec![
        Step::Rename { from: incoming.into(), to: store.root.join(version) },
        Step::Sync(store.root.clone()),
    ];
    match store.target(CURRENT) {
        // What has not proved itself is no way back: the one before it stays that.
        Some(_) if store.trial().is_some() => {}
        Some(old) => steps.extend(store.point(PREVIOUS, &old)),
        None => steps.push(Step::Remove(store.root.join(PREVIOUS))),
    }
    steps.extend(store.write(TRIAL, &format!("{version} 0\n")));
    steps.push(Step::Sync(store.root.clone()));
    steps.extend(store.point(CURRENT, version));
    steps.push(Step::Remove(store.root.join(ROLLED_BACK)));
    steps.push(Step::Sync(store.root.clone()));
    steps
}

fn versions(root: &Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries.filter_map(|e| Some((version_number(e.file_name().to_str()?)?, e.path()))).collect()
}

fn newest(root: &Path) -> u32 {
    versions(root).into_iter().map(|(n, _)| n).max().unwrap_or(0)
}

fn outdated(store: &Store) -> Vec<PathBuf> {
    let used: Vec<Option<u32>> =
        [CURRENT, PREVIOUS].map(|link| store.target(link).and_then(|t| version_number(&t))).to_vec();
    versions(&store.root).into_iter().filter(|(n, _)| !used.contains(&Some(*n))).map(|(_, p)| p).collect()
}
