//! The measuring itself, in the child process.

use super::machine::peak_rss_mib;
use crate::app;
use crate::classifier::manifest::Role;
use crate::classifier::{Options, Precision, Vgg, locate};
use crate::cli::args::{BenchArgs, BenchStage, PrecisionSet};
use crate::cli::vision::open_detector;
use crate::config::{Config, Loaded, Overrides, Settings};
use crate::detector::crop::crop_rect;
use crate::detector::{Detection, FaceDetector};
use crate::frame::{Frame, Timestamp};
use crate::preprocess::{Cropper, FacePatch, LumaDecoder, Orientation};
use crate::source::Delivery;
use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Share of the asked-for time that goes by before it counts: caches, branch predictors and clocks settle.
const WARM_UP: f64 = 0.2;
/// Fewest calls that count, however slow the machine is.
const LEAST: usize = 5;

/// Measures one stage in one precision; the result is merged into the promised object.
pub fn measure(args: &BenchArgs, stage: BenchStage) -> anyhow::Result<Map<String, Value>> {
    let precision = match args.precision {
        PrecisionSet::F32 => Precision::F32,
        PrecisionSet::Int8 | PrecisionSet::Both => Precision::Int8,
    };
    let value = match stage {
        BenchStage::Classify => classify(args, precision)?,
        BenchStage::Frame => frame(args, precision)?,
    };
    match value {
        Value::Object(map) => Ok(map),
        other => bail!("not an object: {other}"),
    }
}

fn classify(args: &BenchArgs, precision: Precision) -> anyhow::Result<Value> {
    let started = Instant::now();
    let found = locate::find(Role::Classifier, precision, args.model.model.as_deref())?;
    let mut vgg = Vgg::open(&found, &Options { threads: args.threads, kernel: None })?;
    let load = started.elapsed();
    let patch = sample_patch()?;
    let mut result = Ok(());
    let times = times(args.seconds, || {
        if let Err(e) = vgg.observe(&patch, |_| {}) {
            result = Err(e);
        }
    });
    result?;
    let mut value = json!({
        "model": found.entry.name,
        "load_ms": millis(load),
        "classify_ms": figures(times),
        "peak_rss_mib": peak_rss_mib(),
        "kernel": vgg.kernel_name(),
    });
    if args.layers {
        value["layers"] = layers(&mut vgg, &patch, args.seconds)?;
    }
    Ok(value)
}

/// Median time of each node: a node's time runs from the end of the one before it.
fn layers(vgg: &mut Vgg, patch: &FacePatch, seconds: Duration) -> anyhow::Result<Value> {
    type NodeTimes = Vec<(String, Vec<Duration>)>;
    let seen: Rc<RefCell<NodeTimes>> = Rc::default();
    let started = Instant::now();
    let mut runs = 0;
    while runs < LEAST || started.elapsed() < seconds {
        let (record, mut last, mut at) = (seen.clone(), Instant::now(), 0);
        vgg.observe(patch, move |name| {
            let now = Instant::now();
            let mut record = record.borrow_mut();
            if record.len() <= at {
                record.push((name.to_string(), Vec::new()));
            }
            record[at].1.push(now - last);
            (last, at) = (Instant::now(), at + 1);
        })?;
        runs += 1;
    }
    let nodes = vgg.rewritten_nodes();
    let rows = seen.take().into_iter().map(|(name, times)| {
        let info = nodes.iter().find(|n| n.name == name);
        let median = percentile(&sorted(times), 0.5);
        json!({
            "name": name,
            "ms": median,
            "op": info.map(|n| n.op.as_str()),
            "kernel": info.map(|n| n.kernel.as_str()),
            "int8": info.map(|n| n.int8),
            "gmac_per_s": info.filter(|n| n.macs > 0).map(|n| round(n.macs as f64 / median / 1e6)),
        })
    });
    Ok(rows.collect())
}

fn frame(args: &BenchArgs, precision: Precision) -> anyhow::Result<Value> {
    let frame = sample_frame()?;
    let mut luma = LumaDecoder::new(Orientation::UPRIGHT);
    let picture = luma.decode(&frame)?;
    let (width, height) = (picture.width, picture.height);
    let started = Instant::now();
    let mut detector = open_detector(args.model.model.as_deref())?;
    let load = started.elapsed();
    let mut found: Vec<Detection> = Vec::new();
    detector.detect(picture, &mut found)?;
    let faces = found.len();
    let each = args.seconds / 3;
    let detect = times(each, || detector.detect(picture, &mut found).unwrap_or(()));
    let decode = times(each, || drop(luma.decode(&frame)));

    let loaded = Loaded { config: Config::default(), file: None };
    let flags = Overrides {
        precision: Some(precision),
        model: args.model.model.clone(),
        threads: Some(args.threads),
        ..Overrides::default()
    };
    let mut pipeline = app::pipeline(&Settings::resolve(loaded, &flags, b"")?)?;
    let (mut now, mut failed) = (Timestamp::ZERO, None);
    let whole = times(each, || {
        now = now + Duration::from_millis(100);
        if let Err(e) = pipeline.step(&frame, now) {
            failed = Some(e.to_string());
        }
    });
    if let Some(reason) = failed {
        bail!("the pipeline failed while measured: {reason}");
    }
    Ok(json!({
        "frame": format!("{width}x{height} MJPEG, {faces} face{}", if faces == 1 { "" } else { "s" }),
        "detector_load_ms": millis(load),
        "decode_ms": figures(decode),
        "detect_ms": figures(detect),
        "frame_ms": figures(whole),
        "frame_precision": precision.name(),
        "frame_peak_rss_mib": peak_rss_mib(),
    }))
}

/// A frame of the demo clip with a face in it.
fn sample_frame() -> anyhow::Result<Frame> {
    let mut clip = app::demo_clip()?;
    let mut frame = Frame::default();
    // The clip opens on an empty room; at 3.5 s the happy face is near the middle.
    for _ in 0..36 {
        if clip.next_frame(&mut frame, Duration::ZERO)? != Delivery::Frame {
            bail!("the bundled demo clip is too short");
        }
    }
    Ok(frame)
}

/// The face of that frame, cropped as the camera's way does. Without its detector: a square in the middle.
fn sample_patch() -> anyhow::Result<FacePatch> {
    let frame = sample_frame()?;
    let mut luma = LumaDecoder::new(Orientation::UPRIGHT);
    let picture = luma.decode(&frame).context("the bundled demo clip")?;
    let side = picture.height as f32 / 2.0;
    let middle =
        crate::frame::Rect { x: (picture.width as f32 - side) / 2.0, y: side / 2.0, w: side, h: side };
    Ok(Cropper::new().patch(picture, crop_rect(&middle, &[(0.0, 0.0); 6])))
}

/// Times of calls in a row for about `budget`, after the warm-up.
fn times(budget: Duration, mut call: impl FnMut()) -> Vec<Duration> {
    let warm = Instant::now();
    call();
    while warm.elapsed() < budget.mul_f64(WARM_UP) {
        call();
    }
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < LEAST || started.elapsed() < budget {
        let t = Instant::now();
        call();
        times.push(t.elapsed());
    }
    times
}

fn figures(times: Vec<Duration>) -> Value {
    let times = sorted(times);
    json!({
        "p50": percentile(&times, 0.5),
        "p95": percentile(&times, 0.95),
        "min": percentile(&times, 0.0),
        "runs": times.len(),
    })
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

/// Nearest rank, ms to the microsecond. 0 of no times.
fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(rank).map_or(0.0, |t| millis(*t))
}

fn millis(t: Duration) -> f64 {
    round(t.as_secs_f64() * 1e3)
}

/// To three decimals: more would be noise.
fn round(v: f64) -> f64 {
    (v * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let times: Vec<Duration> = (1..=20).map(Duration::from_millis).collect();
        let all = [0.0, 0.5, 0.95, 1.0].map(|p| percentile(&times, p));
        assert_eq!(all, [1.0, 10.0, 19.0, 20.0]);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn the_demo_clip_has_a_sample() {
        let frame = sample_frame().unwrap();
        assert!(!frame.data.is_empty());
        assert_ne!(sample_patch().unwrap().0, [0; 2304]);
    }
}
