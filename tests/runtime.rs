//! Runs as a whole, with a scripted camera, a detector that always sees one face and a classifier that is always
//! happy: what the trace says happened, and when. Decision, tracker, LEDs, session and supervision are the real ones.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use moodlight::classifier::{Classifier, ClassifierError};
use moodlight::decision::{Decision, DecisionSettings};
use moodlight::detector::tracker::{Tracker, TrackerSettings};
use moodlight::detector::{Detection, DetectorError, FaceDetector};
use moodlight::emotion::{Emotion, Logits};
use moodlight::frame::{Frame, GrayView, PixelFormat, Rect, Timestamp};
use moodlight::outputs::events::Event;
use moodlight::outputs::leds::{LedLine, LedSettings, Leds};
use moodlight::outputs::{Indicator, IndicatorError, View};
use moodlight::pipeline::{Parts, Pipeline};
use moodlight::preprocess::{FacePatch, LumaDecoder, Orientation};
use moodlight::runtime::live::LiveOptions;
use moodlight::runtime::lockstep::Pace;
use moodlight::runtime::trace::Trace;
use moodlight::runtime::{Ending, Session, SourceOpener, Stop, live, lockstep};
use moodlight::sim::pins::SimPins;
use moodlight::source::{Delivery, FrameSource, SourceError};
use rstest::rstest;
use serde_json::Value;

/// One face, always in the same place.
struct OneFace;
impl FaceDetector for OneFace {
    fn detect(&mut self, _: GrayView<'_>, found: &mut Vec<Detection>) -> Result<(), DetectorError> {
        let rect = Rect { x: 20.0, y: 20.0, w: 60.0, h: 60.0 };
        found.clear();
        found.push(Detection { rect, score: 0.9, landmarks: [(50.0, 50.0); 6] });
        Ok(())
    }
}

struct Panics;
impl FaceDetector for Panics {
    fn detect(&mut self, _: GrayView<'_>, _: &mut Vec<Detection>) -> Result<(), DetectorError> {
        panic!("a defect, on purpose")
    }
}

struct Happy;
impl Classifier for Happy {
    fn classify(&mut self, patches: &[FacePatch], logits: &mut Vec<Logits>) -> Result<(), ClassifierError> {
        logits.clear();
        let mut l = [0.0; 7];
        l[Emotion::Happy.index()] = 5.0;
        logits.extend(patches.iter().map(|_| Logits(l)));
        Ok(())
    }
}

fn pipeline(detector: impl FaceDetector + 'static) -> Pipeline {
    Pipeline::new(Parts {
        luma: LumaDecoder::new(Orientation::default()),
        detector: Box::new(detector),
        tracker: Tracker::new(&TrackerSettings::default()),
        classifier: Box::new(Happy),
        temperature: 1.0,
        decision: Decision::new(DecisionSettings::default()),
        max_faces: 4,
    })
}

/// What the scripted source does next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// A good frame.
    Frame,
    /// `n` good frames, one every 20 ms.
    Frames(usize),
    /// A frame that says so itself.
    Damaged,
    /// `n` of them, one every 20 ms.
    Damages(usize),
    /// A frame whose bytes are too few.
    Short,
    Unplugged,
    /// It ends for good, and badly.
    CutOff,
    /// Unplugged, and its driver takes so long to close it.
    Stuck(Duration),
    /// Silence for so long.
    Silent(Duration),
    /// As the first step: silence for so long, which the source says is usual with it.
    WarmsUp(Duration),
    /// As the first step: silence for so long, which is worth waiting for, and not usual.
    StartsLate(Duration),
    /// As the first step: from here on the source says that so long between two frames is usual with it.
    Slow(Duration),
    Panic,
    End,
}

struct Script {
    steps: VecDeque<Step>,
    live: bool,
    sequence: u64,
    /// How long closing takes.
    closing: Duration,
    /// How long it may be silent and be well: at its start, and between two frames.
    patience: [Duration; 2],
    /// How long its first frame is worth waiting for.
    start: Duration,
    /// Never sends: waiting on it is waiting for time to pass.
    quiet: (Sender<()>, Receiver<()>),
}

impl Script {
    fn new(steps: &[Step], live: bool) -> Self {
        let flat = steps.iter().flat_map(|s| match s {
            Step::Frames(n) => vec![Step::Frame; *n],
            Step::Damages(n) => vec![Step::Damaged; *n],
            other => vec![*other],
        });
        let mut steps: VecDeque<Step> = flat.collect();
        let (mut patience, mut start) = ([Duration::ZERO; 2], Duration::ZERO);
        match steps.front() {
            Some(&Step::WarmsUp(time)) => (steps[0], patience[0]) = (Step::Silent(time), 2 * time),
            Some(&Step::StartsLate(time)) => (steps[0], start) = (Step::Silent(time), 2 * time),
            Some(&Step::Slow(time)) => (steps[0], patience[1]) = (Step::Frame, time),
            _ => {}
        }
        Self { steps, live, sequence: 0, closing: Duration::ZERO, patience, start, quiet: channel() }
    }

    fn pass(&self, time: Duration) {
        if self.live {
            let _ = self.quiet.1.recv_timeout(time);
        }
    }

    fn fill(&mut self, frame: &mut Frame) -> Delivery {
        (frame.width, frame.height, frame.stride, frame.format) = (100, 100, 100, PixelFormat::Gray8);
        frame.data.clear();
        frame.data.resize(100 * 100, 128);
        frame.sequence = self.sequence;
        frame.timestamp = Timestamp::from_millis(self.sequence * 100);
        self.sequence += 1;
        Delivery::Frame
    }
}

const NAME: &str = "v4l2:/dev/scripted";

impl FrameSource for Script {
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError> {
        let source_name = NAME.to_owned();
        match self.steps.front().copied() {
            None | Some(Step::End) => return Ok(Delivery::End),
            Some(Step::Silent(left)) => {
                let part = left.min(timeout);
                self.pass(part);
                self.steps.pop_front();
                if left > part {
                    self.steps.push_front(Step::Silent(left - part));
                }
                return Ok(Delivery::Idle);
            }
            Some(_) => {}
        }
        self.pass(Duration::from_millis(20));
        let step = self.steps.pop_front();
        if let Some(Step::Stuck(closing)) = step {
            self.closing = closing;
        }
        match step {
            Some(Step::Damaged) => Err(SourceError::BadFrame { source_name, reason: "error flag".into() }),
            Some(Step::Unplugged | Step::Stuck(_)) => {
                Err(SourceError::Lost { source_name, reason: "no such device".into() })
            }
            Some(Step::CutOff) => {
                Err(SourceError::Truncated { source_name, reason: "exit status: 3".into() })
            }
            Some(Step::Panic) => panic!("a defect, on purpose"),
            Some(Step::Short) => {
                let got = self.fill(frame);
                frame.data.truncate(10);
                Ok(got)
            }
            _ => Ok(self.fill(frame)),
        }
    }
    fn describe(&self) -> String {
        NAME.to_owned()
    }
    fn is_live(&self) -> bool {
        self.live
    }
    fn longest_silence(&self, before_the_first: bool) -> Duration {
        self.patience[usize::from(!before_the_first)]
    }
    fn longest_start(&self) -> Duration {
        self.start.max(self.patience[0])
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.pass(self.closing);
    }
}

/// Each opening gives the next script; an empty one is a device that isn't there.
struct Plugs(VecDeque<Vec<Step>>);
impl SourceOpener for Plugs {
    fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
        match self.0.pop_front() {
            Some(steps) if !steps.is_empty() => Ok(Box::new(Script::new(&steps, true))),
            _ => Err(SourceError::Unavailable { source_name: NAME.into(), reason: "no such device".into() }),
        }
    }
}

/// A run's trace, pins and ending.
struct Ran {
    lines: Vec<Value>,
    text: String,
    pins: SimPins,
    ending: Ending,
}

impl Ran {
    /// Milliseconds of the first line that matches.
    fn at(&self, what: impl Fn(&Value) -> bool) -> Option<u64> {
        self.lines.iter().find(|l| what(l)).and_then(|l| l["t_ms"].as_u64())
    }
    fn state(&self, to: &str) -> Option<u64> {
        self.at(|l| l["event"] == "state" && l["to"] == to)
    }
    fn event(&self, name: &str) -> Option<u64> {
        self.at(|l| l["event"] == name)
    }
    fn end(&self) -> &Value {
        self.lines.last().filter(|l| l["event"] == "end").expect("the trace ends with its end event")
    }
    fn check_dark(&self) {
        assert!(self.pins.levels().all(|(_, lit)| !lit), "lights on after the end: {}", self.text);
    }
}

fn session(
    pins: &SimPins,
    trace: &Path,
    detector: impl FaceDetector + 'static,
    more: Vec<Box<dyn Indicator>>,
) -> Session {
    let leds = Leds::new("simulated LEDs", pins.pins(), &LedSettings::default()).expect("wiring");
    let mut indicators: Vec<Box<dyn Indicator>> = vec![Box::new(leds)];
    indicators.extend(more);
    let trace = Trace::open(trace, true, false).expect("trace");
    let mut session = Session::new(pipeline(detector), indicators, Some(trace), None);
    session.start(&Event::Start { source: NAME.into(), precision: "int8", model: "scripted".into() });
    session
}

fn ran(more: Vec<Box<dyn Indicator>>, run: impl FnOnce(&mut Session) -> Ending) -> Ran {
    let folder = tempfile::tempdir().expect("scratch folder");
    let trace = folder.path().join("trace.jsonl");
    let pins = SimPins::one_per_emotion();
    let mut session = session(&pins, &trace, OneFace, more);
    let ending = run(&mut session);
    let now = session.now();
    session.finish(now);
    let text = std::fs::read_to_string(&trace).expect("trace");
    let lines = text.lines().map(|l| serde_json::from_str(l).expect("JSON line")).collect();
    Ran { lines, text, pins, ending }
}

fn recorded(steps: &[Step], pace: Pace) -> Ran {
    ran(vec![], |s| lockstep::run(s, &mut Script::new(steps, false), pace, None, &Stop::never()))
}

fn live_run(plugs: &[&[Step]], options: LiveOptions) -> Ran {
    let opener = Plugs(plugs.iter().map(|p| p.to_vec()).collect());
    ran(vec![], |s| live::run(s, Box::new(opener), options, &Stop::never()))
}

fn seconds(s: f32) -> LiveOptions {
    LiveOptions { duration: Some(Duration::from_secs_f32(s)), ..LiveOptions::default() }
}

#[test]
fn a_recording_shows_the_face_and_ends_dark() {
    let ran = recorded(&[Step::Frames(30)], Pace::Flat);
    assert!(matches!(ran.ending, Ending::Done), "{:?}", ran.ending);
    assert!(ran.state("happy").is_some(), "{}", ran.text);
    assert!(ran.lines.iter().any(|l| l["event"] == "led" && l["line"] == "happy" && l["on"] == true));
    assert_eq!(ran.end()["frames"], 30);
    ran.check_dark();
}

#[test]
fn a_paced_run_gives_the_same_trace_as_a_flat_one() {
    let steps = [Step::Frames(12)];
    let (paced, flat) = (recorded(&steps, Pace::Realtime), recorded(&steps, Pace::Flat));
    assert_eq!(paced.text, flat.text);
}

#[rstest]
#[case::says_so_itself(Step::Damaged)]
#[case::too_few_bytes(Step::Short)]
fn a_damaged_frame_is_left_out_and_counted(#[case] damage: Step) {
    let ran = recorded(&[Step::Frames(10), damage, Step::Frames(10)], Pace::Flat);
    assert!(matches!(ran.ending, Ending::Done), "{:?}", ran.ending);
    assert_eq!((&ran.end()["frames"], &ran.end()["dropped"]), (&Value::from(20), &Value::from(1)));
}

#[test]
fn a_recording_that_fails_ends_dark_with_its_counters() {
    let ran = recorded(&[Step::Frames(20), Step::Unplugged], Pace::Flat);
    let Ending::Failed(e) = &ran.ending else { panic!("{:?}", ran.ending) };
    assert!(e.to_string().contains(NAME), "{e}");
    assert_eq!(ran.end()["frames"], 20);
    ran.check_dark();
}

/// A pipe whose writer stalls: the duration that a person asked for is over all the same.
#[test]
fn a_paced_recording_that_dries_up_ends_in_time() {
    let mut script =
        Script::new(&[Step::Frames(3), Step::Silent(Duration::from_secs(60)), Step::Panic], true);
    let duration = Some(Duration::from_secs(1));
    let ran = ran(vec![], |s| lockstep::run(s, &mut script, Pace::Realtime, duration, &Stop::never()));
    assert!(matches!(ran.ending, Ending::Done), "{:?}", ran.ending);
    assert_eq!((&ran.end()["frames"], &ran.end()["t_ms"]), (&Value::from(3), &Value::from(1000)));
}

#[test]
fn a_signal_ends_a_recording_dark() {
    let stop = Stop::never();
    stop.request(15);
    let mut script = Script::new(&[Step::Frames(1000)], false);
    let ran = ran(vec![], |s| lockstep::run(s, &mut script, Pace::Realtime, None, &stop));
    assert!(matches!(ran.ending, Ending::Signal(15)), "{:?}", ran.ending);
    ran.check_dark();
}

#[test]
fn an_unplugged_camera_is_a_fault_at_once_and_its_return_brings_the_emotion_back() {
    let ran = live_run(&[&[Step::Frames(60), Step::Unplugged], &[], &[Step::Frames(500)]], seconds(4.5));
    assert!(matches!(ran.ending, Ending::Done), "{:?}", ran.ending);
    let last_good = ran.at(|l| l["event"] == "frame" && l["sequence"] == 59).or(Some(1300));
    let (fault, back) = (ran.event("fault"), ran.event("recovered"));
    let (Some(good), Some(fault), Some(back)) = (last_good, fault, back) else { panic!("{}", ran.text) };
    assert!(fault >= good && fault - good <= 2000, "fault {} ms after the last good frame", fault - good);
    let again = ran.at(|l| l["event"] == "state" && l["to"] == "happy" && l["t_ms"].as_u64() > Some(fault));
    let again = again.unwrap_or_else(|| panic!("no emotion after the return: {}", ran.text));
    assert!(again - back <= 3000, "emotion {} ms after the return", again - back);
    assert_eq!(ran.end()["faults"], 1);
    ran.check_dark();
}

/// Whoever sits there now has to pass the face gate, even in the place of the one before.
#[test]
fn who_is_there_after_a_fault_is_new() {
    let ran = live_run(&[&[Step::Frames(60), Step::Unplugged], &[Step::Frames(500)]], seconds(4.0));
    let happy = ran.lines.iter().filter(|l| l["event"] == "state" && l["to"] == "happy");
    let tracks: Vec<&Value> = happy.map(|l| &l["track"]).collect();
    assert_eq!(tracks, [1, 2], "{}", ran.text);
}

/// Its first frames may be damaged: it has its time anew, however long it was away.
#[test]
fn a_camera_that_returns_with_damaged_frames_is_no_second_fault() {
    let back = [Step::Short, Step::Short, Step::Frames(500)];
    let ran = live_run(&[&[Step::Frames(20), Step::Unplugged], &[], &[], &[], &back], seconds(5.0));
    assert!(ran.event("recovered").is_some(), "{}", ran.text);
    assert_eq!(ran.end()["faults"], 1, "{}", ran.text);
}

/// exec's restart=never, also where everything else is tried again.
#[rstest]
fn a_source_that_ends_for_good_ends_the_run(#[values(false, true)] best_effort: bool) {
    let options = LiveOptions { best_effort, ..seconds(30.0) };
    let ran = live_run(&[&[Step::Frames(5), Step::CutOff], &[Step::Frames(500)]], options);
    let Ending::Failed(e) = &ran.ending else { panic!("{:?}", ran.ending) };
    assert!(e.to_string().contains("exit status: 3"), "{e}");
    ran.check_dark();
}

#[test]
fn a_camera_that_takes_long_to_close_is_a_fault_at_once() {
    let closing = Duration::from_millis(1500);
    let ran = live_run(&[&[Step::Frames(20), Step::Stuck(closing)], &[Step::Frames(500)]], seconds(3.0));
    let (Some(fault), Some(back)) = (ran.event("fault"), ran.event("recovered")) else {
        panic!("{}", ran.text)
    };
    assert!(back - fault >= 1400, "told {fault} ms, closed and opened anew by {back} ms");
    ran.check_dark();
}

#[test]
fn a_camera_that_falls_silent_is_a_fault_within_two_seconds() {
    let ran = live_run(&[&[Step::Frames(20), Step::Silent(Duration::from_secs(9))]], seconds(3.0));
    let last_good =
        ran.lines.iter().filter(|l| l["event"] == "frame").filter_map(|l| l["t_ms"].as_u64()).max();
    let (Some(good), Some(fault)) = (last_good, ran.state("fault")) else { panic!("{}", ran.text) };
    assert!(fault - good <= 2000, "{} ms", fault - good);
    ran.check_dark();
}

#[test]
fn a_camera_that_never_delivers_is_a_fault_within_two_seconds() {
    let options = LiveOptions { best_effort: true, ..seconds(2.2) };
    let ran = live_run(&[&[Step::Silent(Duration::from_secs(9))]], options);
    assert!(ran.state("fault").is_some_and(|t| t <= 2000), "{}", ran.text);
    assert!(matches!(ran.ending, Ending::Done), "{:?}", ran.ending);
}

#[rstest]
#[case::silent(Step::Silent(Duration::from_secs(30)))]
#[case::nothing_but_damage(Step::Damages(1500))]
fn a_stream_without_a_good_frame_is_opened_anew(#[case] fault: Step) {
    let options = LiveOptions { reopen_after: Duration::from_millis(300), ..seconds(3.0) };
    let ran = live_run(&[&[Step::Frames(5), fault], &[Step::Frames(500)]], options);
    assert!(ran.state("happy").is_some(), "{}", ran.text);
}

/// What makes frames unusable is told with the fault, whichever thread notices it.
#[rstest]
#[case::damage_seen_by_the_lights(Step::Damaged, 3000, "no good frame for", "error flag")]
#[case::damage_seen_by_the_capture(Step::Damaged, 300, "no good frame for", "error flag")]
#[case::too_few_bytes(Step::Short, 3000, "no usable frame for", "with 10 bytes")]
fn a_fault_by_damage_says_what_the_damage_is(
    #[case] bad: Step,
    #[case] reopen_after_ms: u64,
    #[case] complaint: &str,
    #[case] reason: &str,
) {
    let options = LiveOptions { reopen_after: Duration::from_millis(reopen_after_ms), ..seconds(2.5) };
    let steps = [&[Step::Frames(5)][..], &[bad; 500][..]].concat();
    let ran = live_run(&[&steps], options);
    let fault = ran.lines.iter().find(|l| l["event"] == "fault").expect("a fault");
    let detail = fault["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(complaint) && detail.contains(reason), "{detail}");
}

/// A camera program that takes longer to its first picture than a running one may be silent.
#[test]
fn a_source_that_warms_up_is_waited_for() {
    let options = LiveOptions { reopen_after: Duration::from_millis(200), ..seconds(4.5) };
    let warm_up = options.fault_after + Duration::from_millis(500);
    let ran = live_run(&[&[Step::WarmsUp(warm_up), Step::Frames(500)]], options);
    assert!(ran.event("fault").is_none() && ran.state("happy").is_some(), "{}", ran.text);
}

/// A camera of which nobody knows why it is silent: the lights tell at once, and it is not opened anew meanwhile.
#[test]
fn a_camera_that_starts_late_is_a_fault_and_waited_for() {
    let options = LiveOptions { reopen_after: Duration::from_millis(200), ..seconds(5.0) };
    let ran = live_run(&[&[Step::StartsLate(Duration::from_millis(2500)), Step::Frames(500)]], options);
    assert!(ran.state("fault").is_some_and(|t| t <= 2000), "{}", ran.text);
    assert!(ran.state("happy").is_some(), "{}", ran.text);
}

/// A command that is not there: a shell starts, and ends before its first frame.
#[rstest]
#[case::strict(false)]
#[case::best_effort(true)]
fn a_source_that_never_gave_a_frame_is_an_absent_one(#[case] best_effort: bool) {
    let options = LiveOptions { best_effort, ..seconds(3.5) };
    let ran = live_run(&[&[Step::Unplugged], &[Step::Frames(500)]], options);
    match (&ran.ending, best_effort) {
        (Ending::Failed(e), false) => assert!(e.to_string().contains("no such device"), "{e}"),
        (Ending::Done, true) => assert!(ran.state("happy").is_some(), "{}", ran.text),
        other => panic!("{other:?}"),
    }
    ran.check_dark();
}

/// A frame every two seconds, as the source was asked for, is no silence.
#[test]
fn a_slow_source_is_no_fault_by_its_own_rate() {
    let slow = |rest: &[Step]| [&[Step::Slow(Duration::from_secs(3))][..], rest].concat();
    let pause = Step::Silent(Duration::from_millis(1900));
    let well = live_run(&[&slow(&[pause, Step::Frame, pause, Step::Frame])], seconds(30.0));
    assert!(well.state("fault").is_none(), "{}", well.text);
    let gone = live_run(&[&slow(&[Step::Silent(Duration::from_secs(9))])], seconds(3.5));
    assert!(gone.state("fault").is_some_and(|t| t > 3000), "{}", gone.text);
}

#[rstest]
#[case::strict(false)]
#[case::best_effort(true)]
fn an_absent_camera_ends_the_run_unless_best_effort_was_asked_for(#[case] best_effort: bool) {
    let ran = live_run(&[&[]], LiveOptions { best_effort, ..seconds(0.6) });
    match (&ran.ending, best_effort) {
        (Ending::Failed(e), false) => assert!(e.to_string().contains("no such device"), "{e}"),
        (Ending::Done, true) => assert!(ran.state("fault").is_some(), "{}", ran.text),
        other => panic!("{other:?}"),
    }
    ran.check_dark();
}

#[test]
fn a_source_that_is_over_ends_the_run() {
    let ran = live_run(&[&[Step::Frames(5), Step::End]], seconds(30.0));
    assert!(matches!(ran.ending, Ending::Done), "{:?}", ran.ending);
}

#[test]
fn a_panic_in_the_capture_thread_ends_the_run_dark() {
    let ran = live_run(&[&[Step::Frames(60), Step::Panic]], seconds(30.0));
    let Ending::Failed(e) = &ran.ending else { panic!("{:?}", ran.ending) };
    assert!(e.to_string().contains("panicked"), "{e}");
    ran.check_dark();
}

#[test]
fn a_session_that_unwinds_leaves_no_light_on() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let pins = SimPins::one_per_emotion();
    let watched = pins.clone();
    let result = std::panic::catch_unwind(move || {
        let mut session = session(&pins, &folder.path().join("t"), Panics, vec![]);
        pins.pins().into_iter().for_each(|(_, mut pin)| {
            let _ = embedded_hal::digital::OutputPin::set_high(&mut *pin);
        });
        let mut script = Script::new(&[Step::Frames(3)], false);
        lockstep::run(&mut session, &mut script, Pace::Flat, None, &Stop::never())
    });
    assert!(result.is_err());
    assert!(!watched.lit(LedLine::Emotion(Emotion::Happy)), "dark after the panic");
}

/// A panel that comes and goes: fails while the frame count is in `fails`.
struct Shaky {
    shown: u32,
    fails: std::ops::Range<u32>,
}
impl Indicator for Shaky {
    fn show(&mut self, _: &View<'_>, _: Timestamp, _: &mut Vec<Event>) -> Result<(), IndicatorError> {
        self.shown += 1;
        match self.fails.contains(&self.shown) {
            true => Err(IndicatorError { device: "oled".into(), reason: "no acknowledge at 0x3c".into() }),
            false => Ok(()),
        }
    }
    fn next_change(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }
    fn off(&mut self, _: Timestamp, _: &mut Vec<Event>) -> Result<(), IndicatorError> {
        Ok(())
    }
    fn describe(&self) -> String {
        "oled".into()
    }
}

#[test]
fn a_panel_that_fails_is_one_fault_and_the_lights_go_on() {
    let panel = Shaky { shown: 0, fails: 3..9 };
    let mut script = Script::new(&[Step::Frames(30)], false);
    let ran = ran(vec![Box::new(panel)], |s| lockstep::run(s, &mut script, Pace::Flat, None, &Stop::never()));
    let count = |name: &str| ran.lines.iter().filter(|l| l["event"] == name && l["what"] == "oled").count();
    assert_eq!((count("fault"), count("recovered")), (1, 1), "{}", ran.text);
    assert!(ran.state("fault").is_none() && ran.state("happy").is_some(), "{}", ran.text);
}
