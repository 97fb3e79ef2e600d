//! Wrong usage and wrong configs are refused with 2 before anything is opened; help and version are answers.

use crate::harness::{Scratch, command, data, finish, moodlight};
use rstest::rstest;

#[rstest]
#[case::alone(&[], "Usage: moodlight")]
#[case::help(&["--help"], "Usage: moodlight")]
#[case::help_of_run(&["run", "--help"], "--best-effort")]
#[case::version(&["--version"], env!("CARGO_PKG_VERSION"))]
fn answers_on_stdout(#[case] args: &[&str], #[case] word: &str) {
    let ran = moodlight(args).expect(0, &[]);
    assert!(ran.stdout.contains(word) && ran.stderr.is_empty(), "{ran:#?}");
}

#[rstest]
#[case::command(&["dance"], "dance")]
#[case::no_image(&["classify"], "<IMAGE>...")]
#[case::no_folder(&["eval"], "<DIR>")]
#[case::precision(&["classify", "x.png", "--precision", "int4"], "int4")]
#[case::both_is_no_precision(&["run", "--precision", "both"], "both")]
#[case::threads(&["bench", "--threads", "0"], "1 to 64")]
#[case::threads_word(&["run", "--threads", "two"], "1 to 64")]
#[case::limit(&["eval", "x", "--limit", "0"], "--limit")]
#[case::duration(&["run", "--duration", "soon"], "30s, 500ms")]
#[case::no_duration(&["run", "--duration", "0"], "above 0")]
#[case::corruption(&["eval", "x", "--corrupt", "fog:1"], "blur, noise")]
#[case::level(&["eval", "x", "--corrupt", "blur:9"], "a level from 1 to 5")]
#[case::trace_frames(&["run", "--trace-frames"], "--trace")]
#[case::source(&["run", "--source", "v4l3:/dev/video0"], "v4l3")]
#[case::board(&["run", "--board", "rpi55"], "--board: no board profile `rpi55`; did you mean")]
#[case::no_config(&["run", "--config", "no/such.toml"], "no/such.toml")]
fn wrong_usage_is_2(#[case] args: &[&str], #[case] word: &str) {
    let ran = moodlight(args).expect(2, &[word]);
    assert!(ran.stdout.is_empty(), "{ran:#?}");
}

/// The message once stood inside itself.
#[test]
fn a_wrong_source_is_told_once() {
    let ran = moodlight(["run", "--source", "tape:1"]).expect(2, &["known are v4l2"]);
    assert_eq!(ran.stderr.matches("source \"tape:1\"").count(), 1, "{ran:#?}");
}

#[rstest]
#[case::unknown_key("[decision]\ndwel_ms = 3\n", &["my.toml:2:1", "`dwel_ms`", "did you mean `dwell_ms`"])]
#[case::not_toml("[decision\n", &["my.toml:1:"])]
#[case::threshold("[decision.thresholds]\nhappy = 1.5\n", &["decision.thresholds.happy", "0 to 1", "1.5"])]
#[case::duplicate_pin("[pins]\nhappy = 12\nsad = 12\n", &["pins.sad", "already used by pins.happy"])]
#[case::source("[source]\nsrc = \"tape:1\"\n", &["source.src", "tape"])]
#[case::binary("\u{0}\u{1}", &["my.toml:1:"])]
fn a_wrong_config_is_2(#[case] text: &str, #[case] words: &[&str]) {
    let scratch = Scratch::new();
    let file = scratch.write("my.toml", text.as_bytes());
    moodlight(["run", "--config", &file]).expect(2, words);
    finish(command().arg("run").env("MOODLIGHT_CONFIG", &file)).expect(2, words);
}

/// A profile is a file that its owner may have changed, like the config.
#[rstest]
#[case::threads("[model]\nthreads = 0\n", "mine.toml: model.threads: expected 1 to 64, found 0")]
#[case::camera("[camera]\nsource = \"v4l3:x\"\n", "mine.toml: camera.source: unknown scheme \"v4l3\"")]
fn a_wrong_profile_is_2(#[case] table: &str, #[case] words: &str) {
    let scratch = Scratch::new();
    let profile = format!("name = \"Mine\"\nhardware = \"simulated\"\n{table}");
    let board = scratch.write("mine.toml", profile.as_bytes());
    moodlight(["run", "--board", &board]).expect(2, &[words]);
    let config = scratch.write("my.toml", format!("board = {board:?}\n").as_bytes());
    moodlight(["run", "--config", &config]).expect(2, &[words]);
}

/// As a filter such a word names a target of the log, and everything else was silent.
#[rstest]
#[case::nearly("warning")]
#[case::mistyped("inof")]
fn a_log_level_that_is_none_is_told_and_nothing_is_silent(#[case] level: &str) {
    let scratch = Scratch::new();
    scratch.write("holidays/x.png", b"x");
    let mut command = command();
    command.arg("eval").arg(scratch.path("")).env("MOODLIGHT_LOG", level);
    let words = [level, "off, error, warn, info, debug or trace", "\"holidays\" is no class"];
    let ran = finish(&mut command).expect(1, &words);
    assert_eq!(ran.stderr.matches("MOODLIGHT_LOG").count(), 1, "{ran:#?}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let mut child = command()
        .args(["classify", "--whole-image", &data("happy_astronaut.png")])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("moodlight starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("moodlight ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
