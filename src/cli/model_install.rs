//! `moodlight model install FILE…`: a model of the owner's, proved and switched to.

use super::args::{InstallArgs, Place};
use super::{CommandResult, Exit, print, print_json};
use crate::classifier::manifest::{MANIFEST_FILE, Manifest, Role};
use crate::classifier::selftest::{self, Outcome};
use crate::classifier::store::{Candidate, KernelDisk, Store, install};
use crate::classifier::{Found, Options, Vgg, locate};
use crate::detector::blazeface::{BlazeFace, DetectorSettings};
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize)]
struct Installed {
    version: String,
    folder: String,
    models: Vec<String>,
    /// Those of the version before that are for other purposes.
    kept: Vec<String>,
}

pub fn run(args: &InstallArgs) -> CommandResult {
    let files: Vec<PathBuf> = args.files.iter().map(|f| expand(f)).collect::<Result<Vec<_>, _>>()?.concat();
    let candidates: Vec<Candidate> =
        files.iter().map(|f| Candidate::read(f)).collect::<Result<_, _>>().map_err(anyhow::Error::from)?;
    check_distinct(&candidates)?;
    let store = Store::system();
    std::fs::create_dir_all(store.root())
        .with_context(|| format!("{}: cannot be made; run it as root (sudo)", store.root().display()))?;
    let mut prove = |found: &Found| prove(found, args.without_self_test);
    let version = install(&store, &candidates, &mut KernelDisk, &mut prove).map_err(anyhow::Error::from)?;
    let installed = Installed {
        folder: store.root().join(&version.name).display().to_string(),
        models: candidates.iter().map(|c| c.found.entry.name.clone()).collect(),
        kept: version.kept,
        version: version.name,
    };
    if let Some(why) = passed_over(&candidates) {
        log::warn!("{why}");
    }
    if args.json {
        print_json(&installed)?;
    } else {
        let kept = match installed.kept.as_slice() {
            [] => String::new(),
            names => format!(", beside {} from the version before", names.join(", ")),
        };
        print(&format!(
            "installed {} as {} in {}{kept}\non trial: after a minute of running it has proved itself; before that, three \
             deaths of the service bring the model before it back\nnow: sudo systemctl restart moodlight\n",
            installed.models.join(", "),
            installed.version,
            store.root().display()
        ))?;
    }
    Ok(Exit::Done)
}

/// What to say when this board's config or profile chooses another classifier than the installed one, which would then never
/// be asked. A config that cannot be read is the service's to complain of.
fn passed_over(candidates: &[Candidate]) -> Option<String> {
    let settings = super::run::settings_of(&Place::default()).ok()?;
    let classifiers = || candidates.iter().map(|c| &c.found.entry).filter(|e| e.role == Role::Classifier);
    let told = |name: &str, reason: String, keys: String| {
        format!(
            "{name} will not be used: this board {reason}; to use it, write {keys} under [model] in the config"
        )
    };
    let Some(entry) = classifiers().find(|e| e.precision == settings.precision) else {
        return classifiers().next().map(|e| {
            let keys = format!("precision = \"{}\" and file = \"{}\"", e.precision.name(), e.name);
            told(&e.name, format!("computes in {}", settings.precision.name()), keys)
        });
    };
    let chosen = settings.model.as_deref()?;
    let asked = locate::is_name(chosen) && chosen == Path::new(&entry.name);
    let reason = || format!("has a config or profile that chooses {}", chosen.display());
    (!asked).then(|| told(&entry.name, reason(), format!("file = \"{}\"", entry.name)))
}

/// A folder stands for every file that its manifest lists.
fn expand(given: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !given.is_dir() {
        return Ok(vec![given.into()]);
    }
    let file = given.join(MANIFEST_FILE);
    let manifest = Manifest::read(&file)?;
    if manifest.models.is_empty() {
        bail!("{}: it lists no model, so there is nothing to install", file.display());
    }
    Ok(manifest.models.iter().map(|m| given.join(&m.file)).collect())
}

fn check_distinct(candidates: &[Candidate]) -> anyhow::Result<()> {
    for (i, a) in candidates.iter().enumerate() {
        let (a, others) = (&a.found.entry, candidates[..i].iter().map(|c| &c.found.entry));
        for b in others {
            if a.file == b.file || (a.role == b.role && a.precision == b.precision) {
                bail!("{} and {} are for the same purpose: install one of them", b.name, a.name);
            }
        }
    }
    Ok(())
}

/// Loads the file and lets it show what it can.
fn prove(found: &Found, without_self_test: bool) -> Result<(), String> {
    match found.entry.role {
        Role::Detector => {
            BlazeFace::load(&found.path, &DetectorSettings::default()).map(|_| ()).map_err(|e| e.to_string())
        }
        Role::Classifier => {
            let mut vgg =
                Vgg::open(found, &Options { threads: 0, kernel: None }).map_err(|e| e.to_string())?;
            match selftest::run(&mut vgg, found).map_err(|e| e.to_string())? {
                Outcome::Passed { .. } => Ok(()),
                Outcome::NoGoldens if without_self_test => Ok(()),
                Outcome::NoGoldens => {
                    Err("it has no .selftest.json beside it, so nobody can say that it works here; \
                                           write one (make -C models goldens), or add --without-self-test"
                        .into())
                }
            }
        }
    }
}
