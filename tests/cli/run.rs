//! `run`: a clip or picture in, a light and a trace out; every end leaves the lights off.

use crate::harness::{Scratch, command, data, moodlight};
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn events(trace: &str) -> Vec<Value> {
    trace.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// The lines that are on at the end.
fn left_on(events: &[Value]) -> Vec<String> {
    let mut level = BTreeMap::new();
    for e in events.iter().filter(|e| e["event"] == "led") {
        level.insert(e["line"].as_str().unwrap_or("").to_string(), e["on"] == true);
    }
    level.into_iter().filter(|(_, on)| *on).map(|(line, _)| line).collect()
}

fn states(events: &[Value]) -> Vec<&str> {
    events.iter().filter(|e| e["event"] == "state").filter_map(|e| e["to"].as_str()).collect()
}

#[test]
fn the_demo_shows_happy_another_emotion_and_nobody_and_repeats_itself() {
    let first = moodlight(["run", "--trace", "-", "--realtime=false"]).expect(0, &[]);
    let again = moodlight(["run", "--trace", "-", "--realtime=false"]).expect(0, &[]);
    assert_eq!(first.stdout, again.stdout);
    let events = events(&first.stdout);
    let seen = states(&events);
    let others = ["angry", "disgust", "fear", "sad", "surprise", "neutral"];
    assert!(seen.contains(&"happy") && seen.contains(&"no_face"), "{seen:?}");
    assert!(seen.iter().any(|s| others.contains(s)), "{seen:?}");
    assert_eq!(events.first().map(|e| &e["event"]), Some(&Value::from("start")));
    let end = events.last().unwrap();
    assert_eq!(end["event"], "end");
    assert!(end["frames"].as_u64() > Some(50) && end["faces"].as_u64() > Some(20), "{end}");
    assert_eq!(left_on(&events), Vec::<String>::new());
}

#[test]
fn without_a_config_it_says_so_first() {
    let ran = moodlight(["run", "--duration", "1s", "--realtime=false"]).expect(0, &[]);
    let line = ran.stdout.lines().next().unwrap_or_default();
    assert!(line.contains("demo") && line.contains("simulated"), "{line}");
}

#[test]
fn a_picture_lights_its_lamp() {
    let source = format!("image:{}?hold=3s", data("happy_astronaut.png"));
    let ran = moodlight(["run", "--source", &source, "--trace", "-"]).expect(0, &[]);
    let events = events(&ran.stdout);
    assert!(states(&events).contains(&"happy"), "{events:#?}");
    assert!(
        events.iter().any(|e| e["event"] == "led" && e["line"] == "happy" && e["on"] == true),
        "{events:#?}"
    );
    assert_eq!(left_on(&events), Vec::<String>::new());
}

#[test]
fn a_stream_cut_in_a_frame_is_played_to_the_cut_and_is_1() {
    let scratch = Scratch::new();
    let photo = std::fs::read(data("neutral_stern_grace_hopper.jpg")).unwrap();
    let mut clip = photo.repeat(12);
    clip.truncate(clip.len() - photo.len() / 2);
    let file = scratch.write("cut.mjpeg", &clip);
    let trace = scratch.path("trace.jsonl");
    moodlight(["run", "--source", &format!("mjpeg:{file}"), "--trace", &trace.display().to_string()])
        .expect(1, &["cut.mjpeg"]);
    let events = events(&std::fs::read_to_string(trace).unwrap());
    assert_eq!(events.last().map(|e| (&e["event"], &e["frames"])), Some((&"end".into(), &11.into())));
    assert_eq!(left_on(&events), Vec::<String>::new());
}

#[rstest]
#[case::terminate("TERM", 143)]
#[case::interrupt("INT", 130)]
fn a_signal_ends_it_cleanly(#[case] signal: &str, #[case] code: i32) {
    let mut child = command()
        .args([
            "run",
            "--source",
            "synthetic:?frames=endless",
            "--realtime",
            "--trace",
            "-",
            "--trace-frames",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("moodlight starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut seen: Vec<String> = lines.by_ref().take_while(|l| !l.contains("\"frame\"")).collect();
    let kill =
        std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|s| s.success()));
    seen.extend(lines);
    let status = child.wait().expect("moodlight ends");
    assert_eq!(status.code(), Some(code));
    let events = events(&seen.join("\n"));
    assert_eq!(events.last().map(|e| &e["event"]), Some(&"end".into()), "{seen:#?}");
    assert_eq!(left_on(&events), Vec::<String>::new());
}
