//! Where the model files are: `--model`, `$MOODLIGHT_MODELS`, beside the binary, what the owner installed, the system's
//! folder, the source tree.
//!
//! Terms. A *model folder* holds a manifest and the files that it lists. The first folder with a manifest wins; a
//! folder is never mixed with another, except that what is not in the [`store`](super::store) is sought on: somebody who
//! installs a classifier keeps the package's detector. A file given by hand is held to the manifest beside it or, by its name or
//! hash, to the one that the look-up finds; one that neither knows is taken with a warning, in the arithmetic that its graph
//! has, unless it is as long as a listed file: that is a damaged copy.

use std::path::{Path, PathBuf};

use super::manifest::{MANIFEST_FILE, Manifest, ModelEntry, Role, fingerprint};
use super::store::Store;
use super::{ClassifierError, Precision};
use crate::quant::onnx_file::OnnxFile;
use tract_onnx::prelude::Framework;

/// Names a model folder, or several separated as in `PATH`.
pub const MODELS_VARIABLE: &str = "MOODLIGHT_MODELS";

/// Where a distribution or the SD card image puts the models.
const SYSTEM_FOLDER: &str = "/usr/share/moodlight/models";

/// A model file and what is known of it.
#[derive(Debug, Clone)]
pub struct Found {
    pub path: PathBuf,
    pub entry: ModelEntry,
    /// Whether a manifest lists it: then its hash is checked at load.
    pub listed: bool,
}

/// Finds the file for `role` and `precision`. `given` is the user's `--model`: a file, a folder with a manifest, or the
/// name of a manifest's entry, such as `vgg-compact-int8`.
pub fn find(role: Role, precision: Precision, given: Option<&Path>) -> Result<Found, ClassifierError> {
    match given {
        Some(path) if path.is_dir() => in_folder(path, role, precision),
        Some(path) if is_name(path) => fitting(find_named(&path.to_string_lossy())?, role, precision),
        Some(path) => fitting(identify(path, precision)?, role, precision),
        None => match installed(|m| m.by_role(role, precision))? {
            Some(found) => Ok(found),
            None => in_folder(&folder()?, role, precision),
        },
    }
}

/// The model that was named, if it is for `role` in `precision`: a figure must not be called another arithmetic's.
fn fitting(found: Found, role: Role, precision: Precision) -> Result<Found, ClassifierError> {
    let entry = &found.entry;
    if (entry.role, entry.precision) == (role, precision) {
        return Ok(found);
    }
    let reason = format!(
        "\"{}\" is the {} in {}, expected the {} in {} (--precision, or precision under [model] in the config)",
        entry.name,
        entry.role.name(),
        entry.precision.name(),
        role.name(),
        precision.name()
    );
    Err(ClassifierError::Model { model: found.path.display().to_string(), reason })
}

/// The arithmetic of the one model that `given` is; `None` for a folder, which may have one for each.
pub fn precision_of(given: &Path) -> Option<Precision> {
    let found = match given {
        path if path.is_dir() => return None,
        path if is_name(path) => find_named(&path.to_string_lossy()),
        path => identify(path, Precision::Int8),
    };
    found.ok().map(|f| f.entry.precision)
}

/// Whether a path can only be meant as a name: nothing lies there, and it has neither a folder nor an ending.
pub fn is_name(path: &Path) -> bool {
    !path.exists() && path.extension().is_none() && path.components().count() == 1
}

/// From the owner's own models, unless a folder before them in the order has a manifest.
fn installed(choose: impl Fn(&Manifest) -> Option<&ModelEntry>) -> Result<Option<Found>, ClassifierError> {
    let Some(folder) = store_in_use() else { return Ok(None) };
    let manifest = Manifest::read(&folder.join(MANIFEST_FILE))?;
    let found =
        |entry: &ModelEntry| Found { path: folder.join(&entry.file), entry: entry.clone(), listed: true };
    Ok(choose(&manifest).map(found))
}

/// The installed version's folder is in use: [`find`] looks there first.
pub fn store_in_use() -> Option<PathBuf> {
    let first = before_the_store().iter().any(|dir| dir.join(MANIFEST_FILE).is_file());
    Store::system().current().filter(|_| !first)
}

/// The model folders in use, in the order in which a name is looked up: the installed version's, the package's.
pub fn folders() -> Result<Vec<PathBuf>, ClassifierError> {
    let mut folders: Vec<PathBuf> = store_in_use().into_iter().collect();
    match folder() {
        Ok(package) => folders.push(package),
        Err(e) if folders.is_empty() => return Err(e),
        Err(_) => {} // what is installed is all there is
    }
    Ok(folders)
}

/// Finds a model by the name that its manifest entry has, such as `vgg-light-int8`.
pub fn find_named(name: &str) -> Result<Found, ClassifierError> {
    if let Some(found) = installed(|m| m.by_name(name))? {
        return Ok(found);
    }
    let folder = folder()?;
    let manifest = Manifest::read(&folder.join(MANIFEST_FILE))?;
    let entry = manifest.by_name(name).cloned().ok_or_else(|| {
        let known: Vec<_> = manifest.models.iter().map(|m| m.name.as_str()).collect();
        no_entry(&folder, format!("no model is named \"{name}\"; it lists {}", known.join(", ")))
    })?;
    Ok(Found { path: folder.join(&entry.file), entry, listed: true })
}

/// The first folder of [`candidates`] that has a manifest.
pub fn folder() -> Result<PathBuf, ClassifierError> {
    let tried = candidates();
    tried.iter().find(|dir| dir.join(MANIFEST_FILE).is_file()).cloned().ok_or_else(|| {
        let list: Vec<_> = tried.iter().map(|dir| dir.display().to_string()).collect();
        ClassifierError::NoModels { tried: list.join(", ") }
    })
}

/// The folders that are looked in, in order; the store's place is before the system's.
pub fn candidates() -> Vec<PathBuf> {
    let mut dirs = before_the_store();
    dirs.push(PathBuf::from(SYSTEM_FOLDER));
    dirs.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    dirs
}

fn before_the_store() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(list) = std::env::var_os(MODELS_VARIABLE).filter(|v| !v.is_empty()) {
        dirs.extend(std::env::split_paths(&list));
    }
    if let Some(dir) = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)) {
        dirs.push(dir.join("models"));
        dirs.push(dir);
    }
    dirs
}

fn in_folder(folder: &Path, role: Role, precision: Precision) -> Result<Found, ClassifierError> {
    let manifest = Manifest::read(&folder.join(MANIFEST_FILE))?;
    let entry = manifest
        .by_role(role, precision)
        .cloned()
        .ok_or_else(|| no_entry(folder, format!("no entry has role {role:?} and precision {precision:?}")))?;
    Ok(Found { path: folder.join(&entry.file), entry, listed: true })
}

fn no_entry(folder: &Path, reason: String) -> ClassifierError {
    ClassifierError::Manifest { manifest: folder.join(MANIFEST_FILE).display().to_string(), reason }
}

/// A file given by hand, whatever it is for. `precision` is believed of one that no manifest lists and that is no graph: loading
/// it says what is wrong.
pub fn identify(path: &Path, precision: Precision) -> Result<Found, ClassifierError> {
    let found = |entry: &ModelEntry| Found { path: path.to_path_buf(), entry: entry.clone(), listed: true };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.parent().unwrap_or(Path::new("")).join(MANIFEST_FILE);
    if beside.is_file()
        && let Some(entry) = Manifest::read(&beside)?.by_file(&name)
    {
        return Ok(found(entry));
    }
    let (bytes, sha256) = fingerprint(path)?;
    let known = folder().and_then(|dir| Manifest::read(&dir.join(MANIFEST_FILE))).unwrap_or_default();
    let same = |m: &&ModelEntry| m.sha256.eq_ignore_ascii_case(&sha256);
    let alike = |m: &&ModelEntry| m.file == name || m.bytes == bytes;
    if let Some(entry) = known.models.iter().find(same).or_else(|| known.models.iter().find(alike)) {
        return Ok(found(entry));
    }
    log::warn!("{}: no manifest lists this model: its content is taken as it is", path.display());
    let precision = precision_in(path).unwrap_or(precision);
    Ok(Found { path: path.to_path_buf(), entry: ModelEntry::unlisted(path, precision)?, listed: false })
}

/// The arithmetic of a file's graph: int8 if any of its convolutions is. `None` when it has no graph that can be read.
fn precision_in(path: &Path) -> Option<Precision> {
    let file = OnnxFile::open(path).ok()?;
    let model = tract_onnx::Onnx::default().proto_model_for_read(&mut &file.reduced[..]).ok()?;
    let int8 = model.graph?.node.iter().any(|node| node.op_type == "QLinearConv");
    Some(if int8 { Precision::Int8 } else { Precision::F32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn entry(name: &str, content: &[u8]) -> String {
        use sha2::{Digest, Sha256};
        let hash: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
        format!(
            "[[model]]\nname=\"{name}\"\nfile=\"{name}.onnx\"\nsha256=\"{hash}\"\nbytes={}\nrole=\"classifier\"\n\
             precision=\"int8\"\ninput={{name=\"x\",shape=[1,1,48,48],dtype=\"f32\"}}\n",
            content.len()
        )
    }

    #[test]
    fn a_given_folder_gives_its_first_fitting_entry() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST_FILE), entry("one", b"1") + &entry("two", b"22")).unwrap();
        let found = find(Role::Classifier, Precision::Int8, Some(dir.path())).unwrap();
        assert!(found.listed && found.path.ends_with("one.onnx"));
        let missing = find(Role::Detector, Precision::F32, Some(dir.path())).unwrap_err().to_string();
        assert!(missing.contains("Detector") && missing.contains(MANIFEST_FILE), "{missing}");
    }

    #[test]
    fn a_given_file_is_held_to_the_manifest_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST_FILE), entry("one", b"1")).unwrap();
        let path = dir.path().join("one.onnx");
        std::fs::write(&path, b"2").unwrap();
        let found = find(Role::Classifier, Precision::Int8, Some(&path)).unwrap();
        assert!(found.listed && found.entry.verify(&path).is_err());
        assert_eq!(precision_of(&path), Some(Precision::Int8));
        let other = find(Role::Classifier, Precision::F32, Some(&path)).unwrap_err().to_string();
        assert!(other.contains("in int8, expected the classifier in f32"), "{other}");
    }

    #[test]
    fn a_file_that_no_manifest_knows_is_unlisted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.onnx");
        std::fs::write(&path, b"mine").unwrap();
        for precision in [Precision::Int8, Precision::F32] {
            let found = find(Role::Classifier, precision, Some(&path)).unwrap();
            assert_eq!((found.listed, found.entry.precision), (false, precision), "no graph says otherwise");
        }
    }

    /// The empty text behind the end is protobuf's own, and makes it a file that no manifest knows.
    #[rstest]
    #[case::convolutions("tests/data/qconv/plain_3x3.onnx", Precision::Int8, Precision::F32)]
    #[case::floats("models/blazeface-back.onnx", Precision::F32, Precision::Int8)]
    fn an_unlisted_files_graph_says_its_arithmetic(
        #[case] file: &str,
        #[case] expect: Precision,
        #[case] other: Precision,
    ) {
        const EMPTY_DOC_STRING: &[u8] = &[0x32, 0];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.onnx");
        let original = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        std::fs::write(&path, [&original[..], EMPTY_DOC_STRING].concat()).unwrap();
        assert_eq!(precision_of(&path), Some(expect));
        let found = find(Role::Classifier, expect, Some(&path)).unwrap();
        assert_eq!((found.listed, found.entry.precision), (false, expect));
        let refused = find(Role::Classifier, other, Some(&path)).unwrap_err().to_string();
        assert!(refused.contains("\"mine\" is the classifier in"), "{refused}");
    }

    #[test]
    fn the_source_tree_is_looked_in_last() {
        let dirs = candidates();
        assert!(dirs.last().unwrap().ends_with("models"));
        assert_eq!(dirs[dirs.len() - 2], Path::new(SYSTEM_FOLDER));
    }
}
