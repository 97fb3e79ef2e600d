//! The configuration as an owner meets it: the example is the truth, mistakes are named with their place, flags win.

use moodlight::classifier::Precision;
use moodlight::config::settings::Input;
use moodlight::config::{Config, Loaded, Overrides, Settings};
use rstest::rstest;
use std::collections::BTreeSet;
use std::path::PathBuf;

const EXAMPLE: &str = include_str!("../board/moodlight.example.toml");

/// The example with its `#key = …` and `#[table]` lines switched on.
fn full_example() -> String {
    let switched_on = |line: &str| {
        let key =
            line.strip_prefix('#').filter(|r| r.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
        key.unwrap_or(line).to_string() + "\n"
    };
    EXAMPLE.lines().map(switched_on).collect()
}

#[test]
fn the_example_is_exactly_the_defaults() {
    let parsed = Config::parse(EXAMPLE, "example").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(format!("{parsed:#?}"), format!("{:#?}", Config::default()));
}

#[test]
fn the_full_example_is_valid() {
    // Single LEDs and an RGB LED are both shown; they use different pins, so the whole stands.
    Config::parse(&full_example(), "example").unwrap_or_else(|e| panic!("{e}"));
}

/// The keys that a table knows, as serde names them when it meets an unknown one.
fn known_keys(table: &str) -> BTreeSet<String> {
    let probe = match table {
        "" => "no_such_key = 0".to_string(),
        t => format!("[{t}]\nno_such_key = 0"),
    };
    let error = Config::parse(&probe, "probe").expect_err(table).to_string();
    let (_, list) = error.split_once("Known here: ").unwrap_or_else(|| panic!("[{table}]: {error}"));
    list.split(", ").map(str::to_string).collect()
}

/// Every table of a document with its keys; sub-tables as `a.b`.
fn tables(value: &toml::Table, path: &str, out: &mut Vec<(String, BTreeSet<String>)>) {
    out.push((path.to_string(), value.keys().cloned().collect()));
    for (key, child) in value {
        if let toml::Value::Table(t) = child {
            tables(t, &[path, key].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("."), out);
        }
    }
}

#[test]
fn the_example_lists_every_key() {
    let mut found = Vec::new();
    tables(&full_example().parse().unwrap(), "", &mut found);
    for (table, keys) in found {
        assert_eq!(keys, known_keys(&table), "table [{table}]");
    }
}

/// A config that must be refused, and what the refusal says.
#[rstest]
#[case::unknown_key(
    "[model]\nprecison = \"int8\"",
    "my.toml:2:1: unknown key `precison`; did you mean `precision`?"
)]
#[case::unknown_table("[modle]\n", "my.toml:1:2: unknown key `modle`; did you mean `model`?")]
#[case::unknown_line("[pins]\nhapy = 3", "my.toml:2:1: unknown key `hapy`; did you mean `happy`?")]
#[case::unknown_value("[model]\nprecision = \"int4\"", "unknown value `int4`; did you mean `int8`?")]
#[case::wrong_kind("[model]\nthreads = \"two\"", "my.toml:2:11: invalid type: string \"two\"")]
#[case::not_toml("[model\n", "my.toml:1:")]
#[case::threads("[model]\nthreads = 0", "model.threads: expected 1 to 64, found 0")]
#[case::rotation("[source]\nrotate = 45", "source.rotate: expected 0, 90, 180 or 270 degrees, found 45")]
#[case::threshold(
    "[decision.thresholds]\nhappy = 1.2",
    "my.toml: decision.thresholds.happy: expected a number from 0 to 1, found 1.2"
)]
#[case::hysteresis("[decision]\nhysteresis = -0.1", "decision.hysteresis: expected a number from 0 to 1")]
#[case::dwell("[decision]\ndwell_ms = 99999999", "decision.dwell_ms: expected 0 to 60000 ms")]
#[case::negative_time("[decision]\nhold_ms = -1", "my.toml:2:11: invalid value: integer `-1`")]
#[case::detector("[detector]\nmin_score = 2", "detector.min_score is 2, expected 0.35 to 1")]
#[case::tracker("[tracker]\nreach = 0.5", "tracker.reach is 0.5, expected 1 to 5")]
#[case::display("[display]\nbrightness = 0", "display.brightness: expected 1 to 100 percent, found 0")]
#[case::language("[display]\nlanguage = \"fr\"", "unknown value `fr`; did you mean")]
#[case::source("[source]\nsrc = \"v4l3:/dev/video0\"", "source.src: ")]
#[case::i2c_address("[oled]\naddress = 0x80", "oled.address: expected 0x08 to 0x77, found 0x80")]
#[case::pin_kind("[pins]\nhappy = 1.5", "expected a pin")]
#[case::screen("[screen]\nmode = \"large\"", "expected a size like \"1280x720\", found \"large\"")]
#[case::no_screen("[screen]\nmode = \"0x720\"", "expected a size like \"1280x720\", found \"0x720\"")]
#[case::huge_screen(
    "[screen]\nmode = \"65535x65535\"",
    "a size of at most 7680x4320 pixels, found \"65535x65535\""
)]
#[case::high_screen("[screen]\nmode = \"7680x4321\"", "a size of at most 7680x4320 pixels")]
fn refuses(#[case] text: &str, #[case] expect: &str) {
    let error = Config::parse(text, "my.toml").expect_err("should be refused").to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn the_largest_screen_is_taken() {
    let screen = Config::parse("[screen]\nmode = \"7680x4320\"", "my.toml").unwrap().screen;
    assert_eq!(screen.and_then(|s| s.mode).map(|m| (m.width, m.height)), Some((7680, 4320)));
}

fn resolve(text: &str, flags: &Overrides) -> Result<Settings, String> {
    let config = Config::parse(text, "my.toml").map_err(|e| e.to_string())?;
    Settings::resolve(Loaded { config, file: Some("my.toml".into()) }, flags, b"").map_err(|e| e.to_string())
}

/// Values that are fine alone and wrong together.
#[rstest]
#[case::duplicate_pin(
    "[pins]\nhappy = 20\nsad = 20",
    "my.toml: pins.sad: line 20 is already used by pins.happy"
)]
#[case::duplicate_with_profile("[pins]\nhappy = 0", "pins.happy: line 0 is already used by pins.angry")]
#[case::profile_has_it(
    "board = \"rpi4\"\n[pins]\nfault = \"pin:29\"",
    "my.toml: pins.fault: line 5 is already used by pins.angry (from the board profile Raspberry Pi 4; give it another \
     pin under [pins], or use a copy of the profile)"
)]
#[case::profile_comes_after(
    "board = \"rpi4\"\n[pins]\nangry = \"pin:11\"",
    "my.toml: pins.happy (from the board profile Raspberry Pi 4; give it another pin under [pins], or use a copy of the \
     profile): line 17 is already used by pins.angry; each"
)]
#[case::half_rgb("[pins]\nred = 20\nblue = 21", "pins.green: an RGB LED needs all three")]
#[case::no_header("[pins]\nhappy = \"pin:11\"", "pins.happy: the board has no free header pin 11")]
#[case::board("board = \"simulator\"", "my.toml: board: no board profile `simulator`; did you mean `sim`?")]
fn refuses_together(#[case] text: &str, #[case] expect: &str) {
    let error = resolve(text, &Overrides::default()).expect_err("should be refused");
    assert!(error.contains(expect), "{error}");
}

/// The wrong word is not always in the config.
#[rstest]
#[case::flag(Some("rpi44"), None, "--board: no board profile `rpi44`")]
#[case::flag_before_memory(Some("rpi44"), Some("mine"), "--board: no board profile `rpi44`")]
#[case::memory(
    None,
    Some("mine"),
    "/board (without that file the board is recognised anew): no board profile `mine`"
)]
fn an_unknown_board_says_who_named_it(
    #[case] flag: Option<&str>,
    #[case] memory: Option<&str>,
    #[case] expect: &str,
) {
    let (board, remembered_board) = (flag.map(String::from), memory.map(String::from));
    let flags = Overrides { board, remembered_board, ..Overrides::default() };
    let error = resolve("", &flags).expect_err("should be refused");
    assert!(error.contains(expect), "{error}");
}

#[test]
fn flags_win_over_the_config() {
    let text = "[model]\nprecision = \"f32\"\nthreads = 2\nfile = \"a.onnx\"\n[source]\nsrc = \"synthetic:\"";
    let plain = resolve(text, &Overrides::default()).unwrap();
    assert_eq!(
        (plain.precision, plain.threads, plain.model, plain.input),
        (Precision::F32, 2, Some(PathBuf::from("a.onnx")), Input::Source("synthetic:".into()))
    );
    let flags = Overrides {
        remembered_board: None,
        board: None,
        source: Some("dir:x".into()),
        precision: Some(Precision::Int8),
        model: Some("b.onnx".into()),
        threads: Some(3),
    };
    let ruled = resolve(text, &flags).unwrap();
    assert_eq!(
        (ruled.precision, ruled.threads, ruled.model, ruled.input),
        (Precision::Int8, 3, Some(PathBuf::from("b.onnx")), Input::Source("dir:x".into()))
    );
}

#[test]
fn the_virtual_board_has_a_model_of_its_own_too() {
    let flags = Overrides { board: Some("virt".into()), ..Overrides::default() };
    assert_eq!(resolve("", &flags).unwrap().model, Some(PathBuf::from("vgg-light-int8")));
}

/// The Zero 2 W's own model is an int8 one: who asks for f32 there gets the usual f32 file, who names a file gets that.
#[rstest]
#[case::boards("", None, Some("vgg-light-int8"))]
#[case::owners_file("[model]\nfile = \"vgg-int8\"", None, Some("vgg-int8"))]
#[case::owners_precision("[model]\nprecision = \"f32\"", None, None)]
#[case::flag("", Some(Precision::F32), None)]
#[case::same_precision("", Some(Precision::Int8), Some("vgg-light-int8"))]
fn a_boards_model_fits_its_precision(
    #[case] text: &str,
    #[case] precision: Option<Precision>,
    #[case] expect: Option<&str>,
) {
    let flags = Overrides { board: Some("rpi-zero2w".into()), precision, ..Overrides::default() };
    assert_eq!(resolve(text, &flags).unwrap().model, expect.map(PathBuf::from));
}

#[test]
fn without_a_config_it_is_the_demo_on_the_simulated_board() {
    let loaded = Loaded { config: Config::default(), file: None };
    let settings = Settings::resolve(loaded, &Overrides::default(), b"").unwrap();
    assert_eq!(settings.input, Input::Demo);
    assert_eq!(settings.board.name, "Simulation");
    assert_eq!((settings.precision, settings.threads), (Precision::Int8, 1));
    assert!(settings.wires.iter().any(|w| w.line == "happy"));
}
