//! `moodlight classify`: the faces of photos and what they feel. The stills' way, which is the model card's: crop,
//! resize in the picture's own channels, gray.

use super::args::ClassifyArgs;
use super::style::{Style, bar};
use super::vision::{Reader, open_detector};
use super::{CommandResult, Exit, print, print_json};
use crate::detector::blazeface::BlazeFace;
use crate::detector::crop::crop_rect;
use crate::detector::{Detection, FaceDetector};
use crate::emotion::{Emotion, EmotionScores};
use crate::frame::Rect;
use crate::preprocess::FacePatch;
use crate::preprocess::still::{Still, StillError};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One object of the promised array.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Seen { image: String, width: usize, height: usize, faces: Vec<Face> },
    Unreadable { image: String, error: String },
}

#[derive(Debug, Serialize)]
struct Face {
    /// x, y, width, height in pixels of the upright picture; the detector's box.
    #[serde(rename = "box")]
    area: [f32; 4],
    /// The detector's score; `null` under `--whole-image`.
    detection: Option<f32>,
    emotion: Emotion,
    scores: EmotionScores,
    /// In the classes' order; only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    logits: Option<[f32; Emotion::COUNT]>,
}

pub fn run(args: &ClassifyArgs) -> CommandResult {
    let given = args.model.model.as_deref();
    let whole = args.whole_image;
    let open = |path: &PathBuf| if whole { Still::open_card(path) } else { Still::open(path) };
    // The first before the networks: what decoding takes for a moment then doesn't come on top of their weights.
    let mut first = args.images.first().map(open);
    let detector = if whole { None } else { Some(open_detector(given)?) };
    let reader = Reader::open(args.precision, given, 1)?;
    let mut eye = Eye { detector, reader, found: Vec::new(), with_logits: args.logits };
    let style = Style::for_stdout();
    let mut answers = Vec::new();
    for path in &args.images {
        let still = first.take().unwrap_or_else(|| open(path));
        let answer = eye.look(path, still)?;
        if !args.json {
            print(&in_words(&answer, style))?;
        }
        if let Answer::Unreadable { error, .. } = &answer {
            log::error!("{error}");
        }
        answers.push(answer);
    }
    if args.json {
        print_json(&answers)?;
    }
    let complete = answers.iter().all(|a| matches!(a, Answer::Seen { .. }));
    Ok(if complete { Exit::Done } else { Exit::Incomplete })
}

/// Finds and reads faces; without a detector the whole picture is the face.
struct Eye {
    detector: Option<BlazeFace>,
    reader: Reader,
    found: Vec<Detection>,
    with_logits: bool,
}

impl Eye {
    /// An unreadable picture is an answer, a failing network is an error.
    fn look(&mut self, path: &Path, still: Result<Still, StillError>) -> anyhow::Result<Answer> {
        let image = path.display().to_string();
        let still = match still {
            Ok(still) => still,
            Err(e) => return Ok(Answer::Unreadable { image, error: e.to_string() }),
        };
        let (areas, patches) = self.faces(&still)?;
        let scores = self.reader.scores(&patches)?;
        let logits = self.reader.logits().iter().map(|l| self.with_logits.then_some(l.0));
        let faces =
            areas.into_iter().zip(scores).zip(logits).map(|(((area, detection), scores), logits)| Face {
                area: [area.x, area.y, area.w, area.h],
                detection,
                emotion: scores.top().0,
                scores,
                logits,
            });
        Ok(Answer::Seen { image, width: still.width, height: still.height, faces: faces.collect() })
    }

    /// Each face's box with the detector's score, and its patch.
    #[allow(clippy::type_complexity)]
    fn faces(&mut self, still: &Still) -> anyhow::Result<(Vec<(Rect, Option<f32>)>, Vec<FacePatch>)> {
        let Some(detector) = &mut self.detector else {
            let whole = Rect { x: 0.0, y: 0.0, w: still.width as f32, h: still.height as f32 };
            return Ok((vec![(whole, None)], vec![still.patch(None)]));
        };
        detector.detect(still.gray().view(), &mut self.found)?;
        let area = |d: &Detection| (d.rect, Some(d.score));
        let patch = |d: &Detection| still.patch(Some(crop_rect(&d.rect, &d.landmarks)));
        Ok((self.found.iter().map(area).collect(), self.found.iter().map(patch).collect()))
    }
}

/// For people: a line for each picture, seven bars for each face.
fn in_words(answer: &Answer, style: Style) -> String {
    let mut out = String::new();
    match answer {
        Answer::Unreadable { image, .. } => {
            out += &format!("{}  {}\n", style.bold(image), style.bad("not readable"))
        }
        Answer::Seen { image, width, height, faces } => {
            let count = match faces.len() {
                0 => "no face".to_string(),
                1 => "1 face".into(),
                n => format!("{n} faces"),
            };
            out += &format!("{}  {}\n", style.bold(image), style.dim(&format!("{width}×{height}, {count}")));
            faces.iter().enumerate().for_each(|(i, f)| face_in_words(&mut out, i + 1, f, style));
        }
    }
    out
}

fn face_in_words(out: &mut String, number: usize, face: &Face, style: Style) {
    let [x, y, w, h] = face.area.map(f32::round);
    let found = face.detection.map_or_else(String::new, |d| format!(", found with {:.0} %", d * 100.0));
    let place = format!("at {x},{y} {w}×{h}{found}");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  face {number}: {}  {}", style.bold(face.emotion.name()), style.dim(&place));
    for (emotion, score) in face.scores.iter() {
        let line = format!("    {emotion:<9} {} {:5.1} %", bar(score, 24), score * 100.0);
        let _ = writeln!(out, "{}", if emotion == face.emotion { style.good(&line) } else { line });
    }
}
