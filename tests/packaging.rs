//! What is installed with the binary: units, pages, completions, the first config. The package itself is built by board/deb
//! and tried in clean roots by board/package/check.

use moodlight::classifier::manifest::{Manifest, Role};
use moodlight::classifier::selftest::{self, Outcome};
use moodlight::classifier::{Found, Options, Vgg};
use moodlight::config::{BoardProfile, Config};
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn board(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("board").join(name)
}

fn read(name: &str) -> String {
    let path = board(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const UNIT: &str = "moodlight.service";
const PRELOAD: &str = "moodlight-preload.service";

/// systemd's own checker on a unit with `drop_in`, if one, and an ExecStart that exists here; `None` without systemd.
fn analyze(args: &[&str], unit: &str, drop_in: Option<&str>) -> Option<Output> {
    let dir = tempfile::tempdir().unwrap();
    for name in [UNIT, PRELOAD] {
        // The binary's place on a board is not there on a machine that only builds.
        let text = read(&format!("systemd/{name}")).replace("/usr/bin/moodlight", "/bin/true");
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let unit = dir.path().join(unit);
    if let Some(name) = drop_in {
        let folder = dir.path().join("moodlight.service.d");
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(board("systemd/drop-ins").join(name), folder.join(name)).unwrap();
    }
    let output = Command::new("systemd-analyze").args(args).arg(&unit).env("SYSTEMD_COLORS", "0").output();
    match output {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: systemd-analyze is not on this machine");
            None
        }
        output => Some(output.unwrap()),
    }
}

#[rstest]
#[case::alone(UNIT, None)]
#[case::rpicam(UNIT, Some("rpicam.conf"))]
#[case::argus(UNIT, Some("argus.conf"))]
#[case::preload(PRELOAD, None)]
fn systemd_has_nothing_to_say_about_the_unit(#[case] unit: &str, #[case] drop_in: Option<&str>) {
    // Man pages are looked for on this machine; the package has them.
    let Some(output) = analyze(&["verify", "--man=no"], unit, drop_in) else { return };
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let about_us: Vec<&str> = said.lines().filter(|l| l.contains("moodlight")).collect();
    assert!(output.status.success() && about_us.is_empty(), "{about_us:#?}");
}

/// Ten times the exposure that systemd counts; 6 is 0.6, the house's limit. The drop-ins cost what their heads say.
#[rstest]
#[case::alone(None, 6)]
#[case::rpicam(Some("rpicam.conf"), 8)]
#[case::argus(Some("argus.conf"), 15)]
fn the_unit_is_shut_tight(#[case] drop_in: Option<&str>, #[case] limit: u32) {
    let threshold = format!("--threshold={limit}");
    let args = ["security", "--offline=true", "--no-pager", &threshold];
    let Some(output) = analyze(&args, UNIT, drop_in) else { return };
    let table = String::from_utf8_lossy(&output.stdout);
    let open: Vec<&str> = table.lines().filter(|l| l.starts_with('✗') || l.contains("Overall")).collect();
    assert!(output.status.success(), "{open:#?}");
}

#[test]
fn the_unit_says_what_the_light_needs() {
    let unit = read("systemd/moodlight.service");
    for line in [
        "Type=notify",
        "SuccessExitStatus=129 130 143",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
        "ProtectSystem=strict",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
    assert!(unit.contains("ExecStopPost=-/usr/bin/moodlight outputs-off"));
    assert!(unit.contains("WatchdogSec="));
    for class in ["video4linux", "gpiochip", "i2c", "drm", "fb", "watchdog"] {
        assert!(unit.contains(&format!("DeviceAllow=char-{class} rw")), "{class}");
    }
    // The default of [watchdog] device has a number of its own, outside of the class.
    assert!(unit.contains("DeviceAllow=/dev/watchdog rw"));
    // JetPack 4's systemd ignores the names of sets that it doesn't know: of an allowance nothing would be left.
    let filters: Vec<&str> = unit.lines().filter_map(|l| l.strip_prefix("SystemCallFilter=")).collect();
    assert!(!filters.is_empty() && filters.iter().all(|f| f.starts_with('~')), "{filters:?}");
    // Classes that a module brings are known before the list of devices is made: a camera that came later was refused for good.
    for module in ["videodev", "drm", "i2c-dev"] {
        for key in ["Wants=", "After="] {
            let named = |l: &str| l.starts_with(key) && l.contains(&format!("modprobe@{module}.service"));
            assert!(unit.lines().any(named), "{key} {module}");
        }
    }
}

#[test]
fn the_first_config_is_valid_and_changes_nothing() {
    let text = read("package/moodlight.toml");
    Config::parse(&text, "moodlight.toml").unwrap();
    let keys: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).collect();
    assert!(keys.is_empty(), "{keys:?}");
    // What it proposes is what would be accepted.
    let proposed: String = text
        .lines()
        .filter_map(|l| l.strip_prefix('#'))
        .filter(|l| !l.starts_with(' '))
        .map(|l| format!("{l}\n"))
        .collect();
    Config::parse(&proposed, "proposed.toml").unwrap_or_else(|e| panic!("{e}\n{proposed}"));
}

#[test]
fn pages_and_completions_know_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let made =
        Command::new(env!("CARGO_BIN_EXE_moodlight")).arg("generate").arg(dir.path()).status().unwrap();
    assert!(made.success());
    let text =
        |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    for command in ["run", "classify", "eval", "bench", "doctor", "leds", "outputs-off", "model"] {
        assert!(text("moodlight.1").contains(&command.replace('-', "\\-")), "{command} in moodlight.1");
        assert!(text(&format!("moodlight-{command}.1")).starts_with(".ie"), "a page for {command}");
        for completion in ["moodlight.bash", "_moodlight", "moodlight.fish"] {
            assert!(text(completion).contains(command), "{command} in {completion}");
        }
    }
    assert!(!text("moodlight.1").contains("generate"), "hidden");
}

/// A board refuses to start with a model that fails this; models/selftest.py writes the goldens anew when a model changes.
#[test]
fn every_classifier_of_the_manifest_proves_itself() {
    let folder = board("../models");
    let manifest = Manifest::read(&folder.join("manifest.toml")).unwrap();
    for entry in manifest.models.into_iter().filter(|m| m.role == Role::Classifier) {
        let found = Found { path: folder.join(&entry.file), entry, listed: true };
        let mut vgg = Vgg::open(&found, &Options::default()).unwrap();
        let outcome = selftest::run(&mut vgg, &found).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(outcome, Outcome::Passed { patches: 3 }, "{}", found.path.display());
    }
}

/// Every file that Cargo.toml puts into the package is there, or is made by board/deb under target/.
#[test]
fn the_package_lists_files_that_exist() {
    let cargo: toml::Table =
        toml::from_str(&std::fs::read_to_string(board("../Cargo.toml")).unwrap()).unwrap();
    let assets = &cargo["package"]["metadata"]["deb"]["assets"];
    for asset in assets.as_array().unwrap() {
        let from = asset[0].as_str().unwrap();
        if from.starts_with("target/") {
            continue;
        }
        let path = board("..").join(from);
        let folder = path.parent().unwrap();
        let exists = if from.contains('*') { folder.is_dir() } else { path.is_file() };
        assert!(exists, "{from}");
    }
}

/// What a newcomer to a board reads in the profile list of the package.
#[test]
fn every_profile_in_the_package_is_known_to_the_binary() {
    let known = BoardProfile::names();
    let files = std::fs::read_dir(board("")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let packed = files.filter_map(|f| Some(f.strip_suffix(".toml")?.to_owned()));
    for name in packed.filter(|name| name != "moodlight.example") {
        assert!(known.contains(&name), "board/{name}.toml is none of {known:?}");
    }
}

/// udev goes through rules in the order of their names; what a camera node is the system's own rules find out.
#[test]
fn the_cameras_link_is_made_after_its_kind_is_known() {
    let cargo = std::fs::read_to_string(board("../Cargo.toml")).unwrap();
    let name = cargo.lines().find_map(|l| l.split("usr/lib/udev/rules.d/").nth(1)?.split('"').next());
    assert!(name.is_some_and(|n| n > "60-persistent-v4l.rules"), "{name:?}");
    // Both are made by the same name where /lib is a folder of its own, and taken away again.
    for script in ["postinst", "postrm"] {
        assert!(read(&format!("package/{script}")).contains(&format!("/{}", name.unwrap())), "{script}");
    }
}

/// Drawings and self-tests are made by scripts from what they show; a forgotten script would let them lie.
#[rstest]
#[case::wiring("board/wiring/draw.py")]
#[case::self_tests("models/selftest.py")]
fn what_scripts_make_is_as_they_would_make_it(#[case] script: &str) {
    let has_tomllib = Command::new("python3").args(["-c", "import tomllib"]).output();
    if !has_tomllib.is_ok_and(|o| o.status.success()) {
        println!("skipped: Python 3.11 is not on this machine");
        return;
    }
    let output = Command::new("python3").arg(board("..").join(script)).arg("--check").output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}
