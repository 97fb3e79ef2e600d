//! `model install` as its owner meets it, into a state folder of the test's own.

use crate::harness::{Ran, Scratch, command, data, finish, model_file, moodlight};
use rstest::rstest;
use sha2::{Digest, Sha256};

fn sha(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

struct Bench {
    state: Scratch,
    models: Scratch,
}

impl Bench {
    /// A folder with the int8 classifier, its goldens and its manifest; `spoil` turns a bit of the model and makes manifest
    /// and goldens say that this is right.
    fn new(spoil: bool) -> Self {
        let models = Scratch::new();
        let mut bytes = std::fs::read(model_file("vgg-int8.onnx")).unwrap();
        let old = sha(&bytes);
        let at = bytes.len() / 100;
        bytes[at] ^= if spoil { 0x40 } else { 0 };
        models.write("vgg-int8.onnx", &bytes);
        for file in ["manifest.toml", "vgg-int8.selftest.json"] {
            let text = std::fs::read_to_string(model_file(file)).unwrap();
            models.write(file, text.replace(&old, &sha(&bytes)).as_bytes());
        }
        Self { state: Scratch::new(), models }
    }

    fn run(&self, args: &[&str]) -> Ran {
        finish(command().args(args).env("MOODLIGHT_STATE", self.state.path("")))
    }

    fn install(&self, more: &[&str]) -> Ran {
        let file = self.models.path("vgg-int8.onnx").display().to_string();
        self.run(&[&["model", "install", &file], more].concat())
    }

    fn current(&self) -> Option<String> {
        let link = std::fs::read_link(self.state.path("models/current")).ok()?;
        Some(link.display().to_string())
    }

    fn photo(&self) -> String {
        format!("image:{}", data("happy_astronaut.png"))
    }
}

#[test]
fn an_installed_model_is_used_and_its_neighbours_stay_the_packages() {
    let bench = Bench::new(false);
    let said = bench.install(&["--json"]).expect(0, &[]).json();
    assert_eq!((&said["version"], &said["models"][0]), (&"v1".into(), &"vgg-int8".into()));
    assert_eq!(bench.current().as_deref(), Some("v1"));
    bench.install(&[]).expect(0, &["v2", "on trial", "restart"]);
    assert_eq!(bench.current().as_deref(), Some("v2"));
    // The classifier from the store, the detector from beside the sources.
    bench.run(&["run", "--source", &bench.photo()]).expect(0, &["happy"]);
    let used = bench.run(&["model", "inspect", "vgg-int8", "--json"]).expect(0, &[]).json();
    assert!(used["file"].as_str().unwrap().contains("models/v2/vgg-int8.onnx"), "{}", used["file"]);
}

/// A detector is installed beside the classifier, not instead of it.
#[test]
fn an_installed_model_stays_when_another_comes() {
    let bench = Bench::new(false);
    bench.install(&[]).expect(0, &["installed vgg-int8 as v1"]);
    let detector = model_file("blazeface-back.onnx").display().to_string();
    let said = bench.run(&["model", "install", &detector, "--json"]).expect(0, &[]).json();
    assert_eq!((&said["models"][0], &said["kept"][0]), (&"blazeface-back".into(), &"vgg-int8".into()));
    let used = bench.run(&["model", "inspect", "vgg-int8", "--json"]).expect(0, &[]).json();
    assert!(used["file"].as_str().unwrap().contains("models/v2/vgg-int8.onnx"), "{}", used["file"]);
    bench
        .install(&[])
        .expect(0, &["installed vgg-int8 as v3", "beside blazeface-back from the version before"]);
}

#[test]
fn a_folder_that_lists_no_model_is_refused() {
    let bench = Bench::new(false);
    bench.models.write("empty/manifest.toml", b"");
    let folder = bench.models.path("empty").display().to_string();
    bench.run(&["model", "install", &folder]).expect(1, &["empty/manifest.toml", "lists no model"]);
    assert_eq!(bench.current(), None);
}

/// A version that a run does not load neither proves itself nor is given up for how that run ends.
#[test]
fn a_model_that_is_passed_over_is_not_on_trial() {
    let bench = Bench::new(false);
    bench.install(&[]).expect(0, &[]);
    let trial = || std::fs::read_to_string(bench.state.path("models/trial")).unwrap();
    let photo = bench.photo();
    let service = ["run", "--service", "--source", photo.as_str()];
    let passing_over = [&service[..], &["--model", "vgg-light-int8"]].concat();
    for _ in 0..4 {
        bench.run(&passing_over).expect(0, &["happy", "v1 is on trial and not in use"]);
        assert_eq!(trial(), "v1 0\n");
    }
    bench.run(&service).expect(0, &["happy"]);
    assert_eq!(trial(), "v1 1\n", "this start would have to end well");
}

/// What is wrong with the machine or its environment is not the installed model's fault.
#[test]
fn a_kernel_that_is_not_there_gives_no_model_up() {
    let bench = Bench::new(false);
    bench.install(&[]).expect(0, &[]);
    let mut command = command();
    command.args(["run", "--service", "--source", &bench.photo()]);
    command.env("MOODLIGHT_STATE", bench.state.path("")).env("MOODLIGHT_KERNEL", "abacus");
    let ran = finish(&mut command).expect(1, &["no kernel \"abacus\""]);
    assert!(!ran.stderr.contains("given up"), "{ran:#?}");
    assert_eq!(bench.current().as_deref(), Some("v1"));
}

/// Under a name of the owner's own, beside the package's models.
#[test]
fn an_installed_model_is_listed_and_verified() {
    let bench = Bench::new(false);
    let manifest = std::fs::read_to_string(bench.models.path("manifest.toml")).unwrap();
    let renamed = manifest.replacen("name = \"vgg-int8\"", "name = \"mine\"", 1);
    bench.models.write("manifest.toml", renamed.as_bytes());
    bench.install(&[]).expect(0, &["installed mine"]);
    let listed = bench.run(&["model", "list", "--json"]).expect(0, &[]).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert!(names.starts_with(&["mine", "vgg-int8"]), "what is used first comes first: {names:?}");
    assert!(listed[0]["path"].as_str().unwrap().ends_with("models/v1/vgg-int8.onnx"), "{}", listed[0]);
    bench.run(&["model", "list"]).expect(0, &["models/v1\n", "mine", "blazeface-back"]);
    bench.run(&["model", "verify"]).expect(0, &["models/v1/vgg-int8.onnx", "blazeface-back.onnx"]);
    let rotten = bench.state.path("models/v1/vgg-int8.onnx");
    let mut bytes = std::fs::read(&rotten).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&rotten, bytes).unwrap();
    bench.run(&["model", "verify"]).expect(1, &["models/v1/vgg-int8.onnx: its sha256 differs"]);
    let verdicts = bench.run(&["model", "verify", "--json"]).expect(1, &[]).json();
    let bad: Vec<&str> = verdicts
        .as_array()
        .unwrap()
        .iter()
        .filter(|v| v["ok"] == false)
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(bad, ["mine"]);
}

/// A small board's profile names the light variant, and a name goes before what is installed; a board that computes in
/// integers does not ask an f32 file.
#[rstest]
#[case::profile_names_another("vgg-int8", "board = \"rpi-zero2w\"\n", &["chooses vgg-light-int8", "file = \"vgg-int8\""])]
#[case::config_names_it("vgg-int8", "board = \"rpi-zero2w\"\n[model]\nfile = \"vgg-int8\"\n", &[])]
#[case::boards_usual("vgg-int8", "board = \"rpi4\"\n", &[])]
#[case::other_precision("vgg-f32", "board = \"rpi4\"\n", &["computes in int8", "precision = \"f32\""])]
#[case::precision_asked_for("vgg-f32", "board = \"rpi4\"\n[model]\nprecision = \"f32\"\n", &[])]
fn an_install_that_would_never_be_asked_says_so(
    #[case] model: &str,
    #[case] config: &str,
    #[case] words: &[&str],
) {
    let state = Scratch::new();
    state.write("own.toml", config.as_bytes());
    let mut command = command();
    command.args(["model", "install"]).arg(model_file(&format!("{model}.onnx")));
    command.env("MOODLIGHT_STATE", state.path("")).env("MOODLIGHT_CONFIG", state.path("own.toml"));
    let ran = finish(&mut command).expect(0, &[&format!("installed {model}")]);
    assert_eq!(ran.stderr.contains("will not be used"), !words.is_empty(), "{}", ran.stderr);
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
}

#[test]
fn a_model_that_gives_wrong_logits_is_refused() {
    let bench = Bench::new(true);
    bench.install(&[]).expect(1, &["self-test failed", "vgg-int8.onnx"]);
    assert_eq!(bench.current(), None);
}

#[test]
fn an_untested_model_needs_a_word() {
    let bench = Bench::new(false);
    std::fs::remove_file(bench.models.path("vgg-int8.selftest.json")).unwrap();
    bench.install(&[]).expect(1, &["--without-self-test"]);
    bench.install(&["--without-self-test"]).expect(0, &["v1"]);
}

#[test]
fn a_damaged_copy_and_two_of_a_kind_are_refused() {
    let bench = Bench::new(false);
    let file = bench.models.path("vgg-int8.onnx").display().to_string();
    bench.run(&["model", "install", &file, &file]).expect(1, &["same purpose"]);
    bench.models.write("vgg-int8.onnx", b"half");
    bench.install(&[]).expect(1, &["length in bytes"]);
    moodlight(["model", "install", "no/such.onnx"]).expect(1, &["manifest.toml"]);
    moodlight(["model", "install"]).expect(2, &["FILE"]);
    assert_eq!(bench.current(), None);
}

/// An installed file that rots on the disk: the service gives it up by itself and goes on with the package's.
#[test]
fn a_service_whose_installed_model_rotted_rolls_back_and_runs() {
    let bench = Bench::new(false);
    bench.install(&[]).expect(0, &[]);
    let rotten = bench.state.path("models/v1/vgg-int8.onnx");
    let mut bytes = std::fs::read(&rotten).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&rotten, bytes).unwrap();
    bench.run(&["run", "--source", &bench.photo()]).expect(1, &["sha256"]);
    assert_eq!(bench.current().as_deref(), Some("v1"), "only the service changes what is installed");
    let found = |code| {
        let checks = bench.run(&["doctor", "--json", "--board", "sim"]).expect(code, &[]).json();
        checks.as_array().unwrap().iter().find(|c| c["check"] == "models").unwrap().clone()
    };
    let models = found(1);
    assert!(models["advice"].as_str().unwrap().contains("moodlight model install"), "{models}");
    let words = ["given up", "sha256", "happy"];
    bench.run(&["run", "--service", "--source", &bench.photo()]).expect(0, &words);
    assert_eq!(bench.current(), None);
    let models = found(0);
    assert_eq!(models["status"], "warn");
    assert!(models["found"].as_str().unwrap().contains("rolled back"), "{models}");
}

/// Its list of files rots instead: also where the board, or a flag, asks for a model by a name that only the package has.
#[rstest]
#[case::the_first_there_is(&[])]
#[case::by_name(&["--model", "vgg-light-int8"])]
fn a_service_whose_installed_manifest_rotted_rolls_back_and_runs(#[case] flags: &[&str]) {
    let bench = Bench::new(false);
    bench.install(&[]).expect(0, &[]);
    std::fs::write(bench.state.path("models/v1/manifest.toml"), "nonsense").unwrap();
    let photo = bench.photo();
    let service = [&["run", "--service", "--source", &photo], flags].concat();
    bench.run(&service).expect(0, &["given up", "manifest.toml", "happy"]);
    assert_eq!(bench.current(), None);
}

/// Deaths are starts that nobody confirmed: here the run ends by itself each time, long before its minute is over.
#[test]
fn the_fourth_start_on_trial_gets_the_model_before() {
    let bench = Bench::new(false);
    bench.install(&[]).expect(0, &[]);
    for _ in 0..3 {
        bench.run(&["run", "--service", "--source", &bench.photo()]).expect(0, &["happy", "on trial"]);
    }
    assert_eq!(bench.current().as_deref(), Some("v1"));
    bench.run(&["run", "--service", "--source", &bench.photo()]).expect(0, &["happy", "rolled back"]);
    assert_eq!(bench.current(), None);
}
