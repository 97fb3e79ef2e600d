//! `moodlight eval`: accuracy over a folder of labelled faces, in the model card's way of preparing them.
//!
//! Terms. *Patch*: the 48×48 input. *Found*: under `--detect`, a picture whose face the detector found again. Pictures
//! that cannot be read are skipped and counted; folders that are no class are named and left out.

mod canvas;
mod corrupt;
mod dataset;
mod metrics;
mod patches;
mod prepare;
mod report;
mod words;

use super::args::{EvalArgs, Tta};
use super::vision::{Reader, open_detector, precisions};
use super::{CommandResult, Exit, Failure, print, print_json};
use crate::classifier::Precision;
use crate::emotion::EmotionScores;
use crate::preprocess::{FacePatch, PATCH_SIDE};
use anyhow::{Context, anyhow};
use canvas::Finder;
use corrupt::Corruption;
use dataset::{Dataset, Sample};
use indicatif::{ProgressBar, ProgressStyle};
use metrics::{Figures, Verdict, agreement, ratio};
use prepare::{Prepared, Preparer};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::path::Path;

/// Faces per call of the classifier: enough to keep all cores busy, small enough for a lively progress bar.
const BATCH: usize = 32;

/// All that is known at the end.
pub struct Evaluation {
    /// Pictures that were read.
    pub images: usize,
    pub skipped: usize,
    pub unknown_folders: Vec<String>,
    pub missing_classes: Vec<crate::emotion::Emotion>,
    /// Under `--detect`, how many faces were found again.
    pub found: Option<usize>,
    pub results: Vec<PrecisionResult>,
    /// The samples that have a verdict, in the verdicts' order, with the patch that was classified.
    pub judged: Vec<(Sample, FacePatch)>,
    /// How pictures were treated, for people: "blur:2, flip averaging".
    pub treatment: String,
}

/// One precision's verdicts and what they come to.
pub struct PrecisionResult {
    pub precision: Precision,
    pub model: String,
    pub verdicts: Vec<Verdict>,
    pub figures: Figures,
}

pub fn run(args: &EvalArgs) -> CommandResult {
    let corruption = args.corrupt.as_deref().map(str::parse::<Corruption>).transpose();
    let corruption = corruption.map_err(|e| Failure::usage(anyhow!("--corrupt: {e}")))?;
    if let Some(dir) = &args.patches {
        let named = |e| Failure::usage(anyhow!("--patches {}: {e}", dir.display()));
        patches::check_empty(dir).map_err(named)?;
    }
    let mut dataset = Dataset::scan(&args.dir)?;
    if let Some(limit) = args.limit {
        dataset.limit(limit as usize);
    }
    tell_oddities(&dataset);
    if dataset.samples.is_empty() {
        let expected = format!("expected pictures in sub-folders named {}", dataset::class_names());
        return Err(anyhow!("{}: no labelled picture; {expected}", args.dir.display()).into());
    }
    // After the scan, which would take folders below DIR for classes.
    make_folders(args)?;
    let evaluation = evaluate(args, corruption, dataset)?;
    // The figures took long: they are out before anything else can fail. Who closes the pipe early gets the files all the same.
    let printed = if args.json { print_json(&evaluation) } else { print(&words::describe(&evaluation)) };
    write_files(args, &evaluation)?;
    printed?;
    if evaluation.images == 0 {
        return Err(anyhow!("{}: none of its pictures could be read", args.dir.display()).into());
    }
    Ok(Exit::Done)
}

/// Makes the folders for what is written at the end and tries them: a wrong one must not cost hours of work.
fn make_folders(args: &EvalArgs) -> Result<(), Failure> {
    for (flag, dir) in [("--report", &args.report), ("--patches", &args.patches)] {
        if let Some(dir) = dir {
            let named = |e| Failure::usage(anyhow!("{flag} {}: cannot be written to: {e}", dir.display()));
            try_out(dir).map_err(named)?;
        }
    }
    Ok(())
}

/// Makes the folder, and a file in it that is gone again: rights alone say nothing of a disk that is full or read-only.
fn try_out(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let probe = dir.join(".moodlight-probe");
    std::fs::write(&probe, b"moodlight can write here")?;
    std::fs::remove_file(&probe)
}

fn write_files(args: &EvalArgs, evaluation: &Evaluation) -> anyhow::Result<()> {
    if let Some(dir) = &args.report {
        let page = report::write(dir, evaluation).with_context(|| format!("--report {}", dir.display()))?;
        log::info!("report written to {}", page.display());
    }
    if let Some(dir) = &args.patches {
        patches::write(dir, evaluation).context("--patches")?;
        log::info!("{} patches written to {}", evaluation.judged.len(), dir.display());
    }
    Ok(())
}

fn tell_oddities(dataset: &Dataset) {
    let known = dataset::class_names();
    match dataset.unknown_folders.as_slice() {
        [] => {}
        [folder] => log::warn!("folder \"{folder}\" is no class and is left out; classes are {known}"),
        [first, .., last] => log::warn!(
            "{} folders, \"{first}\" to \"{last}\", are no class and are left out; classes are {known}",
            dataset.unknown_folders.len()
        ),
    }
    if !dataset.missing_classes.is_empty() {
        let names: Vec<_> = dataset.missing_classes.iter().map(|c| c.name()).collect();
        log::warn!("no pictures for {}", names.join(" "));
    }
}

fn evaluate(args: &EvalArgs, corruption: Option<Corruption>, dataset: Dataset) -> anyhow::Result<Evaluation> {
    let given = args.model.model.as_deref();
    let mut readers: Vec<(Precision, Reader)> = precisions(args.precision, given)
        .iter()
        .map(|&p| Ok((p, Reader::open(p, given, 0)?)))
        .collect::<anyhow::Result<_>>()?;
    let finder = || -> anyhow::Result<Option<Finder>> {
        if args.detect { Ok(Some(Finder::new(open_detector(given)?))) } else { Ok(None) }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut preparers: Vec<Preparer> =
        (0..cores).map(|_| Ok(Preparer::new(corruption, finder()?))).collect::<anyhow::Result<_>>()?;

    let (mut judged, mut verdicts) = (Vec::new(), vec![Vec::new(); readers.len()]);
    let (mut skipped, mut lost) = (0, 0);
    let progress = progress_bar(dataset.samples.len());
    for batch in dataset.samples.chunks(BATCH) {
        let mut patches = Vec::new();
        for (sample, prepared) in batch.iter().zip(prepare::all(&mut preparers, batch)?) {
            match prepared {
                Prepared::Face(patch) => {
                    patches.push(patch);
                    judged.push((sample.clone(), patch));
                }
                Prepared::NotFound => lost += 1,
                Prepared::Unreadable(reason) => {
                    skipped += 1;
                    progress.suspend(|| log::warn!("skipped: {reason}"));
                }
            }
        }
        let first = judged.len() - patches.len();
        for ((_, reader), verdicts) in readers.iter_mut().zip(&mut verdicts) {
            let scores = scores(reader, &patches, args.tta)?;
            verdicts.extend(
                judged[first..].iter().zip(scores).map(|((s, _), scores)| Verdict { truth: s.truth, scores }),
            );
        }
        progress.inc(batch.len() as u64);
    }
    progress.finish_and_clear();
    let results = readers.into_iter().zip(verdicts).map(|((precision, reader), verdicts)| PrecisionResult {
        precision,
        model: reader.found.entry.name.clone(),
        figures: Figures::of(&verdicts),
        verdicts,
    });
    Ok(Evaluation {
        images: judged.len() + lost,
        skipped,
        unknown_folders: dataset.unknown_folders,
        missing_classes: dataset.missing_classes,
        found: args.detect.then_some(judged.len()),
        results: results.collect(),
        judged,
        treatment: treatment(args, corruption),
    })
}

fn scores(reader: &mut Reader, patches: &[FacePatch], tta: Tta) -> anyhow::Result<Vec<EmotionScores>> {
    let plain = reader.scores(patches)?;
    if tta == Tta::None {
        return Ok(plain);
    }
    let mirrored: Vec<FacePatch> = patches.iter().map(mirror).collect();
    let sums = plain.iter().zip(reader.scores(&mirrored)?).map(|(a, b)| {
        EmotionScores::from_weights(std::array::from_fn(|i| a.as_array()[i] + b.as_array()[i]))
    });
    Ok(sums.collect())
}

fn mirror(patch: &FacePatch) -> FacePatch {
    let mut out = *patch;
    out.0.chunks_exact_mut(PATCH_SIDE).for_each(<[u8]>::reverse);
    out
}

/// On stderr, and only where that is a terminal.
fn progress_bar(pictures: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} faces  {per_sec}  {eta} left");
    ProgressBar::new(pictures as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn treatment(args: &EvalArgs, corruption: Option<Corruption>) -> String {
    let parts = [
        corruption.map(|c| c.to_string()),
        args.detect.then(|| "found on a canvas".to_string()),
        (args.tta == Tta::Flip).then(|| "averaged with the mirror image".to_string()),
        args.limit.map(|n| format!("at most {n} pictures")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl Evaluation {
    /// Under `--detect`: share of the readable pictures that were found *and* called right.
    pub fn accuracy_with_misses(&self, figures: &Figures) -> f64 {
        ratio(f64::from(figures.right()), self.images as f64)
    }

    /// Share of faces that two precisions call the same, when there are two.
    pub fn agreement(&self) -> Option<f64> {
        match self.results.as_slice() {
            [a, b] => Some(agreement(&a.verdicts, &b.verdicts)),
            _ => None,
        }
    }
}

impl Serialize for Evaluation {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("images", &self.images)?;
        map.serialize_entry("skipped", &self.skipped)?;
        if let Some(found) = self.found {
            map.serialize_entry("found", &found)?;
            map.serialize_entry("detection_rate", &ratio(found as f64, self.images as f64))?;
        }
        for result in &self.results {
            let mut value = serde_json::json!(result.figures);
            if let (Some(_), Some(object)) = (self.found, value.as_object_mut()) {
                let all = self.accuracy_with_misses(&result.figures);
                object.insert("accuracy_with_misses".into(), all.into());
            }
            map.serialize_entry(&result.precision, &value)?;
        }
        if let Some(agreement) = self.agreement() {
            map.serialize_entry("agreement", &agreement)?;
        }
        map.serialize_entry("unknown_folders", &self.unknown_folders)?;
        map.serialize_entry("missing_classes", &self.missing_classes)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emotion::Emotion;

    /// Bright at the left, dark at the right, with noise: nothing in it is its own mirror image.
    fn lopsided(seed: usize) -> FacePatch {
        FacePatch(std::array::from_fn(|i| (200 - 3 * (i % PATCH_SIDE) + (i * i + seed * i) % 53) as u8))
    }

    /// `a` and `b` are the scores of the two views; the flip's must be their mean, and neither of them.
    #[test]
    fn flip_averages_the_face_and_its_mirror_image() {
        let mut reader =
            Reader::open(Precision::Int8, Some(Path::new("vgg-light-int8")), 1).expect("a committed model");
        let patches = [lopsided(7), lopsided(11)];
        let mirrored = patches.map(|p| mirror(&p));
        assert_eq!(patches[0].0[1], mirrored[0].0[PATCH_SIDE - 2]);
        let plain = scores(&mut reader, &patches, Tta::None).unwrap();
        let flipped = scores(&mut reader, &mirrored, Tta::None).unwrap();
        let both = scores(&mut reader, &patches, Tta::Flip).unwrap();
        for ((a, b), mean) in plain.iter().zip(&flipped).zip(&both) {
            let off = |to: &EmotionScores| {
                Emotion::ALL.into_iter().map(|e| (to.get(e) - mean.get(e)).abs()).fold(0.0, f32::max)
            };
            assert!(off(a) > 1e-4 && off(b) > 1e-4, "one view alone: {a:?} {b:?} {mean:?}");
            for e in Emotion::ALL {
                let expect = (a.get(e) + b.get(e)) / 2.0;
                assert!((mean.get(e) - expect).abs() < 1e-6, "{e:?}: {expect}, not {}", mean.get(e));
            }
        }
        assert_eq!(both.len(), patches.len());
    }
}
