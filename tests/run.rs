//! `moodlight run` as a user starts it: the binary, its stdout, its trace and its exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

/// The binary with an environment that names no config, whatever the machine has.
fn moodlight(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_moodlight"))
        .args(args)
        .env_remove("MOODLIGHT_LOG")
        .env_remove("NOTIFY_SOCKET")
        .env("MOODLIGHT_CONFIG", "")
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn trace_of(out: &Output) -> Vec<Value> {
    text(&out.stdout)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}")))
        .collect()
}

/// The moods in order, without what is between two faces.
fn moods(trace: &[Value]) -> Vec<String> {
    let states = trace.iter().filter(|l| l["event"] == "state");
    states.filter_map(|l| l["to"].as_str().map(str::to_owned)).collect()
}

/// Lines that are lit after the last event.
fn lit_at_the_end(trace: &[Value]) -> Vec<String> {
    let mut lit = std::collections::BTreeMap::new();
    for l in trace.iter().filter(|l| l["event"] == "led") {
        lit.insert(l["line"].to_string(), l["on"] == true);
    }
    lit.into_iter().filter(|(_, on)| *on).map(|(line, _)| line).collect()
}

#[test]
fn the_demo_says_that_it_is_one_and_shows_two_emotions_and_nobody() {
    let out = moodlight(&["run"]);
    let said = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}{}", text(&out.stderr));
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("demo") && first.contains("simulated LEDs"), "{first}");
    for mood in ["happy", "neutral", "no_face"] {
        assert!(said.contains(mood), "no {mood} in:\n{said}");
    }
}

#[test]
fn the_same_clip_gives_the_same_trace_and_ends_dark() {
    let [a, b] = [moodlight(&["run", "--trace", "-"]), moodlight(&["run", "--trace", "-"])];
    assert_eq!(text(&a.stdout), text(&b.stdout));
    let trace = trace_of(&a);
    assert_eq!(trace.first().map(|l| &l["event"]), Some(&Value::from("start")));
    let end = trace.last().expect("a trace");
    assert_eq!(end["event"], "end");
    assert!(end["frames"].as_u64() > Some(100) && end["faces"].as_u64() > Some(20), "{end}");
    assert!(lit_at_the_end(&trace).is_empty(), "{:?}", lit_at_the_end(&trace));
}

#[test]
fn both_precisions_see_the_same_moods() {
    let [int8, f32] = ["int8", "f32"].map(|p| moodlight(&["run", "--trace", "-", "--precision", p]));
    assert_eq!(moods(&trace_of(&int8)), moods(&trace_of(&f32)));
}

/// A config that names no source is no absent config; and the mean that a majority decided by is in the trace.
#[test]
fn a_config_without_a_source_plays_the_demo_and_says_whose_fault_that_is() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let config = folder.path().join("party.toml");
    std::fs::write(&config, "board = \"sim\"\n[decision]\nfaces = \"majority\"\n").expect("written");
    let config = config.display().to_string();
    let said = text(&moodlight(&["run", "--config", &config]).stdout);
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("party.toml names no source") && first.contains("demo"), "{first}");
    let trace = trace_of(&moodlight(&["run", "--config", &config, "--trace", "-"]));
    let happy = trace.iter().find(|l| l["to"] == "happy").expect("the demo has a happy face");
    assert!(happy["track"].is_null() && happy["scores"]["happy"].as_f64() > Some(0.4), "{happy}");
}

#[test]
fn a_duration_ends_the_run_in_the_recordings_time() {
    let out = moodlight(&["run", "--trace", "-", "--duration", "1500ms"]);
    let trace = trace_of(&out);
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(trace.last().map(|l| &l["t_ms"]), Some(&Value::from(1500)));
}

/// Wrong input: exit code, and what stderr must name.
#[rstest]
#[case::missing(&["--source", "image:no-such.png"], 1, &["no-such.png"])]
#[case::not_a_scheme(&["--source", "vidoe:0"], 2, &["vidoe"])]
#[case::absent_camera(&["--source", "/dev/moodlight-no-such-camera", "--duration", "1s"], 1, &["moodlight-no-such-camera"])]
#[case::unknown_board(&["--board", "rpi55"], 2, &["rpi5"])]
#[case::missing_config(&["--config", "no-such.toml"], 2, &["no-such.toml"])]
#[case::missing_model(&["--model", "no-such.onnx"], 1, &["no-such.onnx"])]
fn wrong_input_is_named(#[case] flags: &[&str], #[case] code: i32, #[case] named: &[&str]) {
    let out = moodlight(&[&["run"], flags].concat());
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{said}");
    for name in named {
        assert!(said.contains(name), "no {name} in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn an_absent_camera_under_best_effort_is_a_fault_and_no_failure() {
    let flags = [
        "run",
        "--source",
        "/dev/moodlight-no-such-camera",
        "--best-effort",
        "--duration",
        "1s",
        "--trace",
        "-",
    ];
    let out = moodlight(&flags);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let trace = trace_of(&out);
    assert!(trace.iter().any(|l| l["event"] == "fault" && l["what"] == "camera"), "{}", text(&out.stdout));
    assert!(lit_at_the_end(&trace).is_empty());
}

#[test]
fn sigterm_ends_a_run_dark_with_143() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_moodlight"))
        .args(["run", "--source", "synthetic:", "--realtime", "--trace", "-"])
        .env("MOODLIGHT_CONFIG", "")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
    assert!(lines.next().is_some_and(|l| l.is_ok_and(|l| l.contains("start"))));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("ends").code(), Some(143));
    assert!(rest.last().is_some_and(|l| l.contains("\"end\"")), "{rest:?}");
}

#[test]
fn snapshots_are_pictures_named_by_time_and_mood() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let dir = folder.path().display().to_string();
    let out = moodlight(&["run", "--snapshot", &dir, "--trace", "-"]);
    assert!(text(&out.stderr).contains("--snapshot"), "the log says that pictures are written");
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|n| n.ends_with("_happy.png")), "{names:?}");
    let happy = names.iter().find(|n| n.ends_with("_happy.png")).expect("just seen");
    let picture = image::open(folder.path().join(happy)).expect("a PNG");
    assert_eq!((picture.width(), picture.height()), (800, 480));
    // Also of a change between two frames, which nobody's going is: the light holds for a while, then time alone passes.
    let gone = names.iter().filter(|n| n.ends_with("_no_face.png")).max().expect("the clip ends so");
    let picture = image::open(folder.path().join(gone)).expect("a PNG").to_luma8();
    let levels: std::collections::BTreeSet<u8> =
        (0..200).map(|i| picture.get_pixel(60 + i, 280)[0]).collect();
    assert!(levels.len() > 20, "no camera picture on {gone}: {levels:?}");
}

/// The clip with five expressions; its folder isn't in the repository.
fn photo_clip() -> Option<PathBuf> {
    let named = std::env::var_os("MOODLIGHT_FACES").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/faces");
    [named, Some(beside)].into_iter().flatten().map(|d| d.join("demo.mjpeg")).find(|p| p.exists())
}

#[test]
fn four_of_five_expressions_come_out_as_named_where_the_clip_is() {
    let Some(clip) = photo_clip() else {
        eprintln!("skipped: no faces folder; name one in $MOODLIGHT_FACES");
        return;
    };
    let out = moodlight(&["run", "--trace", "-", "--source", &format!("mjpeg:{}", clip.display())]);
    let trace = trace_of(&out);
    let told: Vec<(u64, String)> = trace
        .iter()
        .filter(|l| l["event"] == "state")
        .filter_map(|l| Some((l["t_ms"].as_u64()?, l["to"].as_str()?.to_owned())))
        .collect();
    // Each picture stands for two seconds.
    let named = ["neutral", "happy", "surprise", "sad", "angry"];
    let right = (0u64..)
        .zip(named)
        .filter(|(n, name)| told.iter().any(|(t, to)| (n * 2000..n * 2000 + 2000).contains(t) && to == name));
    let right = right.count();
    assert!(right >= 4, "{right} of 5: {told:?}");
}
