//! `run --service`: a config that is broken by hand, before and during a run, is a fault that mends itself.

use crate::harness::{Scratch, command, finish};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

const GOOD: &str = "board = \"sim\"\n[source]\nsrc = \"synthetic:?frames=endless\"\n";
const BROKEN: &str = "board = \"sim\"\n[decision]\ndwel_ms = 3\n";

struct Service {
    scratch: Scratch,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(config: &str) -> Self {
        Self::begin(Scratch::new(), config)
    }

    fn begin(scratch: Scratch, config: &str) -> Self {
        Self::begin_with(scratch, config, &[])
    }

    fn begin_with(scratch: Scratch, config: &str, flags: &[&str]) -> Self {
        let file = scratch.write("my.toml", config.as_bytes());
        std::fs::create_dir(scratch.path("state")).unwrap();
        let mut child = command()
            .args(["run", "--service", "--realtime", "--config", &file])
            .args(flags)
            .env("MOODLIGHT_STATE", scratch.path("state"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moodlight starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { scratch, child, lines }
    }

    /// As [`start`](Self::start), with a board profile of the owner's.
    fn start_with(config: &str, profile: &str) -> Self {
        let scratch = Scratch::new();
        let file = scratch.write("mine.toml", profile.as_bytes());
        Self::begin(scratch, &config.replace("\"sim\"", &format!("{file:?}")))
    }

    fn write(&self, config: &str) {
        self.scratch.write("my.toml", config.as_bytes());
    }

    /// Reads on until a line has `word`; fails when the service ends before.
    #[track_caller]
    fn says(&mut self, word: &str) -> String {
        let mut said = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if line.contains(word) {
                return line;
            }
            said.push(line);
        }
        panic!("it ended without saying \"{word}\": {said:#?}");
    }

    /// SIGTERM, and how it ended.
    fn end(mut self) -> Option<i32> {
        self.end_by(&[Signal::TERM])
    }

    fn end_by(&mut self, signals: &[Signal]) -> Option<i32> {
        let pid = Pid::from_child(&self.child);
        signals.iter().for_each(|signal| kill_process(pid, *signal).unwrap());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
    }
}

#[test]
fn a_config_that_is_broken_at_the_start_is_shown_until_it_is_mended() {
    let mut service = Service::start(BROKEN);
    let fault = service.says("fault");
    assert!(fault.contains("config") && fault.contains("my.toml:3:1"), "{fault}");
    service.write(GOOD);
    service.says("synthetic:");
    service.says("no_face");
    assert_eq!(service.end(), Some(143));
}

#[test]
fn a_config_that_is_broken_while_it_runs_is_shown_too() {
    let mut service = Service::start(GOOD);
    service.says("no_face");
    service.write(BROKEN);
    assert!(service.says("fault").contains("my.toml:3:1"));
    let kept = std::fs::read_to_string(service.scratch.path("state/last-good.toml")).unwrap();
    assert_eq!(kept, GOOD, "what a restart and outputs-off go by meanwhile");
    service.write(GOOD);
    service.says("no_face");
    service.write(&GOOD.replace("sim", "nonsense"));
    assert!(service.says("fault").contains("nonsense"), "an unknown board is a config fault as well");
    assert_eq!(service.end(), Some(143));
}

/// A profile of the owner's is read anew when it changes, as the config is; while it cannot be read the lights are the recognised board's.
#[test]
fn a_profile_that_is_broken_is_shown_until_it_is_mended() {
    let profile = include_str!("../../board/sim.toml");
    let mut service = Service::start_with(GOOD, &format!("{profile}\ncolour = 1\n"));
    let fault = service.says("fault");
    assert!(fault.contains("mine.toml"), "{fault}");
    service.scratch.write("mine.toml", profile.as_bytes());
    service.says("no_face");
    service.scratch.write("mine.toml", b"nonsense");
    assert!(service.says("fault").contains("mine.toml:1"));
    // Lines that share a pin are found once the config is laid over it.
    let shared = profile.replace("sad = 4", "sad = 3");
    service.scratch.write("mine.toml", shared.as_bytes());
    assert!(service.says("fault").contains("pins."));
    service.scratch.write("mine.toml", profile.as_bytes());
    service.says("no_face");
    assert_eq!(service.end(), Some(143));
}

/// A shell passes a hang-up on to its job, and the kernel sends its own when the shell is gone.
#[rstest]
#[case::a_terminal_that_closes(&[Signal::HUP, Signal::HUP], 129)]
#[case::a_key(&[Signal::INT], 130)]
fn it_ends_with_the_lights_off(#[case] signals: &[Signal], #[case] code: i32) {
    let scratch = Scratch::new();
    let trace = scratch.path("trace.jsonl").display().to_string();
    let mut service = Service::begin_with(scratch, GOOD, &["--trace", &trace]);
    service.says("no_face");
    assert_eq!(service.end_by(signals), Some(code));
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(text.lines().last().unwrap().contains("\"end\""), "{text}");
}

/// What led to a reload stays in the trace, and a config that cannot be read is in it.
#[test]
fn the_trace_goes_on_over_a_reload() {
    let scratch = Scratch::new();
    let trace = scratch.path("trace.jsonl").display().to_string();
    let mut service = Service::begin_with(scratch, GOOD, &["--trace", &trace]);
    service.says("no_face");
    service.write(BROKEN);
    service.says("fault");
    service.write(GOOD);
    service.says("no_face");
    let text = std::fs::read_to_string(&trace).unwrap();
    let events: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line)["event"].to_string())
        .filter(|event| ["\"start\"", "\"end\"", "\"fault\""].contains(&event.as_str()))
        .collect();
    let expect = ["start", "end", "fault", "end", "start"].map(|event| format!("\"{event}\""));
    assert_eq!(events, expect, "{text}");
    assert_eq!(service.end(), Some(143));
}

/// Program, classifier, what it must give and detector lie in memory before the service starts; a model that is not there is the
/// service's to complain of.
#[rstest]
#[case::the_boards_own("board = \"sim\"\n", 0, &["vgg-int8.onnx: 40", "vgg-int8.selftest.json: ", "blazeface-back.onnx: ", "moodlight: "])]
#[case::another("board = \"sim\"\n[model]\nfile = \"vgg-light-int8\"\n", 0, &["vgg-light-int8.onnx: 3"])]
#[case::missing("board = \"sim\"\n[model]\nfile = \"/no/such.onnx\"\n", 0, &["blazeface-back.onnx: "])]
#[case::broken(BROKEN, 2, &["dwel_ms"])]
fn is_read_ahead(#[case] config: &str, #[case] code: i32, #[case] words: &[&str]) {
    let scratch = Scratch::new();
    let file = scratch.write("my.toml", config.as_bytes());
    let mut command = command();
    command
        .args(["read-ahead", "--config", &file])
        .env("MOODLIGHT_LOG", "debug")
        .env("MOODLIGHT_STATE", scratch.path("state"));
    finish(&mut command).expect(code, words);
}
