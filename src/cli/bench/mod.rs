//! `moodlight bench`: time and memory of each stage on this machine.
//!
//! Terms. *Stage*: `classify` (48×48 patch → logits, one face), `decode` (640×480 JPEG → luma), `detect` (luma → faces),
//! `frame` (JPEG → decided mood, the whole pipeline). Each precision, and the frame, is measured in a child process of its
//! own, so that peaks of memory don't mix. Times are of calls in a row on a warm machine; `min` is what the machine can
//! do, `p95` what it does when it is disturbed.

mod machine;
mod stages;
mod words;

use super::args::{BenchArgs, BenchStage};
use super::vision::precisions;
use super::{CommandResult, Exit, print, print_json};
use crate::classifier::Precision;
use anyhow::{Context, anyhow, bail};
use serde_json::{Map, Value};
use std::process::{Command, Stdio};

pub fn run(args: &BenchArgs) -> CommandResult {
    if let Some(stage) = args.stage {
        print_json(&stages::measure(args, stage)?)?;
        return Ok(Exit::Done);
    }
    let result = all(args)?;
    if args.json {
        print_json(&result)?;
    } else {
        print(&words::describe(&result))?;
    }
    Ok(Exit::Done)
}

/// One child for each precision, boards' own first, and one for the frame in that.
fn all(args: &BenchArgs) -> anyhow::Result<Map<String, Value>> {
    let mut precisions = precisions(args.precision, args.model.model.as_deref()).to_vec();
    precisions.sort_by_key(|&p| p != Precision::Int8);
    let mut result = Map::new();
    result.insert("cpu".into(), machine::cpu().into());
    result.insert("threads".into(), args.threads.into());
    for &precision in &precisions {
        let measured = in_child(args, BenchStage::Classify, precision)?;
        result.insert(precision.name().into(), measured.into());
    }
    result.extend(in_child(args, BenchStage::Frame, precisions[0])?);
    Ok(result)
}

fn in_child(args: &BenchArgs, stage: BenchStage, precision: Precision) -> anyhow::Result<Map<String, Value>> {
    let exe = std::env::current_exe().context("where this program is")?;
    let mut command = Command::new(exe);
    command.args(["bench", "--json", "--stage", stage.name(), "--precision", precision.name()]);
    command.arg("--threads").arg(args.threads.to_string());
    command.arg("--seconds").arg(args.seconds.as_secs_f64().to_string());
    if let Some(model) = &args.model.model {
        command.arg("--model").arg(model);
    }
    if args.layers {
        command.arg("--layers");
    }
    let output =
        command.stderr(Stdio::inherit()).output().context("the measuring process could not be started")?;
    if !output.status.success() {
        bail!("measuring {} in {} failed: {}", stage.name(), precision.name(), output.status);
    }
    match serde_json::from_slice(&output.stdout)? {
        Value::Object(map) => Ok(map),
        other => Err(anyhow!("the measuring process answered {other}")),
    }
}
