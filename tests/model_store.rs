//! Installed models under power cuts: after any step, and in the middle of any step, one of the two versions can be used.
//!
//! The disk here writes for real, until its power fails; a file that was being written then is left half, as an unsynced
//! one may be. What `current` leads to is read after each cut as a start would read it.

use moodlight::classifier::Found;
use moodlight::classifier::store::{
    Candidate, Disk, KernelDisk, MOST_STARTS, Start, Step, Store, Version, install,
};
use rstest::rstest;
use std::io;
use std::path::{Path, PathBuf};

/// Carries out `steps_left` steps; the one after that is torn, and nothing works from then on.
struct PowerCut {
    steps_left: usize,
    torn: bool,
}

impl Disk for PowerCut {
    fn carry_out(&mut self, step: &Step) -> io::Result<()> {
        if self.steps_left > 0 {
            self.steps_left -= 1;
            return KernelDisk.carry_out(step);
        }
        if !std::mem::replace(&mut self.torn, true) {
            tear(step);
        }
        Err(io::Error::other("the power failed"))
    }
}

/// What may be on the disk when the power fails in the middle. Renames and links are atomic: they happened or not.
fn tear(step: &Step) {
    match step {
        Step::Copy { from, to } => {
            let bytes = std::fs::read(from).unwrap();
            std::fs::write(to, &bytes[..bytes.len() / 2]).unwrap();
        }
        Step::Write { to, bytes } => std::fs::write(to, &bytes[..bytes.len() / 2]).unwrap(),
        Step::Clear(folder) => {
            // Some of it is gone.
            if let Some(entry) = std::fs::read_dir(folder).ok().and_then(|mut d| d.next()) {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        _ => {}
    }
}

/// The disk refuses one kind of error at one step, and works again after it.
struct Refuses {
    at: usize,
    with: io::ErrorKind,
}

impl Disk for Refuses {
    fn carry_out(&mut self, step: &Step) -> io::Result<()> {
        let now = self.at == 0;
        self.at = self.at.wrapping_sub(1);
        if now { Err(self.with.into()) } else { KernelDisk.carry_out(step) }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("store"));
        std::fs::create_dir_all(store.root()).unwrap();
        Self { dir, store }
    }

    /// A model folder whose file says `content`, with goldens and manifest.
    fn model(&self, content: &str) -> Candidate {
        self.model_for(content, "m", "classifier", "int8")
    }

    /// The same, under a name and for a purpose of its own.
    fn model_for(&self, content: &str, name: &str, role: &str, precision: &str) -> Candidate {
        use sha2::{Digest, Sha256};
        let folder = self.dir.path().join(content);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.onnx"));
        std::fs::write(&file, content).unwrap();
        std::fs::write(folder.join(format!("{name}.selftest.json")), "{}").unwrap();
        let sha: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
        let manifest = format!(
            "[[model]]\nname=\"{name}\"\nfile=\"{name}.onnx\"\nsha256=\"{sha}\"\nbytes={}\nrole=\"{role}\"\n\
             precision=\"{precision}\"\ninput={{name=\"x\",shape=[1,1,48,48],dtype=\"f32\"}}\nnote=\"for people\"\n",
            content.len()
        );
        std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
        Candidate::read(&file).unwrap()
    }

    fn install(&self, content: &str, disk: &mut dyn Disk) -> Result<Version, String> {
        self.install_model(self.model(content), disk)
    }

    fn install_model(&self, model: Candidate, disk: &mut dyn Disk) -> Result<Version, String> {
        install(&self.store, &[model], disk, &mut |_| Ok(())).map_err(|e| e.to_string())
    }

    /// The version on trial, if there is one, proves itself.
    fn settle(&self) {
        if let Some((version, _)) = self.store.trial() {
            self.store.confirm(&version, &mut KernelDisk).unwrap();
        }
    }

    /// What a start would use: the content of the model that `current` leads to, held to its manifest, with its goldens;
    /// `None`: the package's models.
    fn used(&self) -> Option<String> {
        let folder = self.store.current()?;
        let candidate = Candidate::read(&folder.join("m.onnx")).expect("what current leads to is whole");
        assert!(folder.join("m.selftest.json").is_file());
        Some(std::fs::read_to_string(candidate.found.path).unwrap())
    }
}

/// How many steps an undisturbed change takes.
fn count(change: impl FnOnce(&mut dyn Disk)) -> usize {
    let mut disk = PowerCut { steps_left: usize::MAX, torn: false };
    change(&mut disk);
    usize::MAX - disk.steps_left
}

#[test]
fn after_a_cut_at_any_step_of_any_installation_one_of_the_two_loads() {
    for before in [None, Some("one")] {
        let prepared = || {
            let bench = Bench::new();
            if let Some(content) = before {
                bench.install(content, &mut KernelDisk).unwrap();
                bench.settle();
            }
            bench
        };
        let bench = prepared();
        let steps = count(|disk| _ = bench.install("two", disk).unwrap());
        assert!(steps > 12, "{steps}");
        let mut seen = std::collections::BTreeSet::new();
        for cut in 0..steps {
            let bench = prepared();
            let result = bench.install("two", &mut PowerCut { steps_left: cut, torn: false });
            let used = bench.used();
            assert!(used.as_deref() == before || used.as_deref() == Some("two"), "cut at {cut}: {used:?}");
            assert!(
                used.as_deref() != Some("two") || bench.store.trial().is_some(),
                "cut at {cut}: no trial"
            );
            assert!(result.is_err() || used.as_deref() == Some("two"), "cut at {cut}: {result:?}");
            seen.insert(used);
            // The next start works, and the next installation goes through, whatever was left behind.
            bench.store.begin(&mut KernelDisk).unwrap();
            bench.install("three", &mut KernelDisk).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
            assert_eq!(bench.used().as_deref(), Some("three"), "cut at {cut}");
        }
        assert_eq!(seen.len(), 2, "both outcomes occur: {seen:?}");
    }
}

#[test]
fn after_a_cut_at_any_step_of_a_roll_back_one_of_the_two_loads() {
    let prepared = || {
        let bench = Bench::new();
        for content in ["one", "two"] {
            bench.settle();
            bench.install(content, &mut KernelDisk).unwrap();
        }
        bench
    };
    let bench = prepared();
    let steps = count(|disk| bench.store.roll_back("bad", disk).unwrap());
    assert_eq!(bench.used().as_deref(), Some("one"));
    for cut in 0..steps {
        let bench = prepared();
        bench.store.roll_back("bad", &mut PowerCut { steps_left: cut, torn: false }).unwrap_err();
        assert!(matches!(bench.used().as_deref(), Some("one" | "two")), "cut at {cut}");
        bench.store.begin(&mut KernelDisk).unwrap();
        bench.used();
    }
}

#[test]
fn a_service_that_dies_three_times_on_trial_gets_the_model_before() {
    let bench = Bench::new();
    bench.install("one", &mut KernelDisk).unwrap();
    bench.settle();
    bench.install("two", &mut KernelDisk).unwrap();
    for starts in 1..=MOST_STARTS {
        let start = bench.store.begin(&mut KernelDisk).unwrap();
        assert_eq!(start, Start::OnTrial { version: "v2".into(), starts });
    }
    assert_eq!(bench.store.begin(&mut KernelDisk).unwrap(), Start::RolledBack { version: "v2".into() });
    assert_eq!(bench.used().as_deref(), Some("one"));
    assert!(bench.store.rolled_back().unwrap().contains("v2 the service died 3 times"));
    assert_eq!(bench.store.begin(&mut KernelDisk).unwrap(), Start::Settled, "no trial for the old one");
}

#[rstest]
#[case::to_the_proved_one(Some("one"))]
#[case::to_the_packages(None)]
fn a_model_that_never_proved_itself_is_no_way_back(#[case] proved: Option<&str>) {
    let bench = Bench::new();
    if let Some(content) = proved {
        bench.install(content, &mut KernelDisk).unwrap();
        bench.settle();
    }
    for content in ["bad", "worse"] {
        bench.install(content, &mut KernelDisk).unwrap();
        bench.store.begin(&mut KernelDisk).unwrap();
    }
    bench.store.roll_back("it died", &mut KernelDisk).unwrap();
    assert_eq!(bench.used().as_deref(), proved);
    assert_eq!(bench.store.begin(&mut KernelDisk).unwrap(), Start::Settled);
}

#[test]
fn a_first_model_that_is_bad_gives_way_to_the_packages() {
    let bench = Bench::new();
    bench.install("one", &mut KernelDisk).unwrap();
    bench.store.roll_back("its self-test\nfailed", &mut KernelDisk).unwrap();
    assert_eq!((bench.used(), bench.store.trial()), (None, None));
    assert_eq!(bench.store.rolled_back().as_deref(), Some("v1 its self-test failed"));
}

#[test]
fn a_minute_of_running_settles_it_and_an_asked_end_does_not_count() {
    let bench = Bench::new();
    bench.install("one", &mut KernelDisk).unwrap();
    for _ in 0..10 {
        bench.store.begin(&mut KernelDisk).unwrap();
        bench.store.forgive(&mut KernelDisk).unwrap();
    }
    assert_eq!(bench.store.trial(), Some(("v1".into(), 0)));
    bench.store.begin(&mut KernelDisk).unwrap();
    bench.settle();
    assert_eq!(bench.store.begin(&mut KernelDisk).unwrap(), Start::Settled);
    assert_eq!(bench.used().as_deref(), Some("one"));
}

/// The service still runs the version that was there before, whose minute ends after the installation.
#[test]
fn a_version_installed_meanwhile_has_not_proved_itself() {
    let bench = Bench::new();
    bench.install("one", &mut KernelDisk).unwrap();
    bench.store.begin(&mut KernelDisk).unwrap();
    bench.install("two", &mut KernelDisk).unwrap();
    bench.store.confirm("v1", &mut KernelDisk).unwrap();
    assert_eq!(bench.store.trial(), Some(("v2".into(), 0)));
    bench.store.confirm("v2", &mut KernelDisk).unwrap();
    assert_eq!(bench.store.trial(), None);
}

#[test]
fn only_the_last_two_versions_are_kept() {
    let bench = Bench::new();
    for content in ["one", "two", "three"] {
        bench.install(content, &mut KernelDisk).unwrap();
        bench.settle();
    }
    let mut names: Vec<String> = std::fs::read_dir(bench.store.root())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["current", "previous", "v2", "v3"]);
}

/// After a classifier one model more → what the new version keeps. `spoil` is done to the classifier that lies there.
#[rstest]
#[case::detector("face", "detector", "f32", None, &["m"])]
#[case::other_arithmetic("m32", "classifier", "f32", None, &["m"])]
#[case::the_same_purpose("other", "classifier", "int8", None, &[])]
#[case::its_file_name("m", "detector", "f32", None, &[])]
#[case::rotten("face", "detector", "f32", Some("onf"), &[])]
fn an_installation_keeps_what_it_does_not_replace(
    #[case] name: &str,
    #[case] role: &str,
    #[case] precision: &str,
    #[case] spoil: Option<&str>,
    #[case] expect: &[&str],
) {
    let bench = Bench::new();
    bench.install("one", &mut KernelDisk).unwrap();
    if let Some(content) = spoil {
        std::fs::write(bench.store.root().join("v1/m.onnx"), content).unwrap();
    }
    let more = bench.model_for("more", name, role, precision);
    let mut asked = Vec::new();
    let mut prove = |found: &Found| {
        asked.push(found.entry.name.clone());
        Ok(())
    };
    let version = install(&bench.store, &[more], &mut KernelDisk, &mut prove).unwrap();
    assert_eq!(version.name, "v2");
    assert_eq!(version.kept, expect);
    assert_eq!(asked, [name], "what is kept has proved itself");
    Candidate::read(&bench.store.root().join(format!("v2/{name}.onnx"))).expect("the new one");
    if !expect.is_empty() {
        assert_eq!(bench.used().as_deref(), Some("one"));
    }
}

#[test]
fn a_kept_model_loads_after_a_cut_at_any_step() {
    let prepared = || {
        let bench = Bench::new();
        bench.install("one", &mut KernelDisk).unwrap();
        bench.settle();
        let detector = bench.model_for("face", "face", "detector", "f32");
        (bench, detector)
    };
    let (bench, detector) = prepared();
    let steps = count(|disk| _ = bench.install_model(detector, disk).unwrap());
    for cut in 0..steps {
        let (bench, detector) = prepared();
        let _ = bench.install_model(detector, &mut PowerCut { steps_left: cut, torn: false });
        assert_eq!(bench.used().as_deref(), Some("one"), "cut at {cut}");
    }
}

#[rstest]
#[case::full(io::ErrorKind::StorageFull, "the disk is full")]
#[case::read_only(io::ErrorKind::ReadOnlyFilesystem, "read-only")]
#[case::no_right(io::ErrorKind::PermissionDenied, "as root")]
fn a_disk_that_refuses_changes_nothing(#[case] with: io::ErrorKind, #[case] word: &str) {
    for at in 0..6 {
        let bench = Bench::new();
        bench.install("one", &mut KernelDisk).unwrap();
        let error = bench.install("two", &mut Refuses { at, with }).unwrap_err();
        assert!(error.contains(word), "{error}");
        assert_eq!(bench.used().as_deref(), Some("one"), "refused at {at}");
        assert!(!bench.store.root().join("incoming").exists());
    }
}

#[test]
fn what_does_not_prove_itself_is_not_switched_to() {
    let bench = Bench::new();
    bench.install("one", &mut KernelDisk).unwrap();
    let mut asked: Vec<PathBuf> = Vec::new();
    let mut prove = |found: &Found| {
        asked.push(found.path.clone());
        Err("self-test failed".to_owned())
    };
    let error = install(&bench.store, &[bench.model("two")], &mut KernelDisk, &mut prove).unwrap_err();
    assert!(error.to_string().contains("self-test failed"), "{error}");
    assert_eq!(asked, [bench.store.root().join("incoming/m.onnx")], "proved where it lies");
    assert_eq!(bench.used().as_deref(), Some("one"));
}

#[rstest]
#[case::elsewhere("/etc")]
#[case::up("../v1")]
#[case::gone("v7")]
fn a_link_that_leads_astray_is_given_up(#[case] to: &str) {
    let bench = Bench::new();
    std::os::unix::fs::symlink(to, bench.store.root().join("current")).unwrap();
    let start = bench.store.begin(&mut KernelDisk).unwrap();
    assert!(matches!(start, Start::Settled | Start::RolledBack { .. }));
    assert!(bench.store.current().is_none(), "{to}");
}

#[rstest]
#[case::nothing("", "manifest.toml")]
#[case::no_entry(
    "[[model]]\nname=\"x\"\nfile=\"x.onnx\"\nsha256=\"0000000000000000000000000000000000000000000000000000000000000000\"\nbytes=1\nrole=\"detector\"\nprecision=\"f32\"\ninput={name=\"x\",shape=[1],dtype=\"f32\"}\n",
    "it lists x.onnx"
)]
fn a_file_without_its_manifest_is_refused(#[case] manifest: &str, #[case] word: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.onnx");
    std::fs::write(&file, "x").unwrap();
    if !manifest.is_empty() {
        std::fs::write(dir.path().join("manifest.toml"), manifest).unwrap();
    }
    let error = Candidate::read(Path::new(&file)).unwrap_err().to_string();
    assert!(error.contains(word), "{error}");
}
