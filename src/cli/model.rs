//! `moodlight model list | inspect | verify` (`install` has a file of its own): what the model files are, what runs their nodes, whether they are whole.

use super::args::{ModelArgs, ModelCommand};
use super::style::{Style, table};
use super::{CommandResult, Exit, print, print_json};
use crate::classifier::Precision;
use crate::classifier::locate::{self, Found};
use crate::classifier::manifest::{MANIFEST_FILE, Manifest, ModelEntry, Role};
use crate::detector::blazeface::{self, Convolution};
use crate::quant::inspect::NodeInfo;
use crate::quant::kernels::{self, Kernel};
use crate::quant::onnx_file::OnnxFile;
use crate::quant::plan::Plan;
use crate::quant::pool::Pool;
use anyhow::anyhow;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub fn run(args: &ModelArgs) -> CommandResult {
    match &args.command {
        ModelCommand::List { json } => list(*json),
        ModelCommand::Inspect { file, json } => show(file.as_deref(), *json),
        ModelCommand::Install(args) => super::model_install::run(args),
        ModelCommand::Verify { file, json } => verify(file.as_deref(), *json),
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    path: String,
    role: Role,
    precision: Precision,
    bytes: u64,
    sha256: String,
    /// The file is there; whether it is whole is `verify`'s to say.
    present: bool,
    accuracy: Option<toml::Value>,
    licence: Option<String>,
    training_data: Option<String>,
}

fn list(json: bool) -> CommandResult {
    let folders = locate::folders().map_err(anyhow::Error::from)?;
    let all = folders.iter().map(|dir| Ok(entries_of(dir)?.map(listed).collect()));
    let all: Vec<Vec<Listed>> = all.collect::<anyhow::Result<_>>()?;
    if json {
        print_json(&all.iter().flatten().collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for (dir, listed) in folders.iter().zip(&all) {
        print(&format!("models in {}\n{}", dir.display(), list_in_words(listed)))?;
    }
    Ok(Exit::Done)
}

/// What a folder's manifest lists, and where it should lie.
fn entries_of(folder: &Path) -> anyhow::Result<impl Iterator<Item = Found>> {
    let manifest = Manifest::read(&folder.join(MANIFEST_FILE))?;
    let found = |entry: ModelEntry| Found { path: folder.join(&entry.file), entry, listed: true };
    Ok(manifest.models.into_iter().map(found))
}

fn listed(Found { path, entry, .. }: Found) -> Listed {
    Listed {
        present: path.is_file(),
        path: path.display().to_string(),
        name: entry.name,
        role: entry.role,
        precision: entry.precision,
        bytes: entry.bytes,
        sha256: entry.sha256,
        accuracy: entry.accuracy,
        licence: entry.licence,
        training_data: entry.training_data,
    }
}

fn list_in_words(listed: &[Listed]) -> String {
    let mut rows = vec![["name", "for", "precision", "MB", "accuracy", "licence"].map(String::from).to_vec()];
    for m in listed {
        let missing = if m.present { "" } else { " (missing)" };
        rows.push(vec![
            format!("{}{missing}", m.name),
            format!("{:?}", m.role).to_lowercase(),
            m.precision.name().into(),
            format!("{:.1}", m.bytes as f64 / 1e6),
            m.accuracy.as_ref().map_or_else(|| "–".into(), toml::Value::to_string),
            m.licence.clone().unwrap_or_else(|| "–".into()),
        ]);
    }
    table(&rows)
}

/// A file, or a name of the manifest. Without either the int8 classifier.
fn found(given: Option<&Path>) -> anyhow::Result<Found> {
    Ok(match given {
        Some(name) if locate::is_name(name) => locate::find_named(&name.to_string_lossy())?,
        Some(file) if !file.is_dir() => locate::identify(file, Precision::Int8)?,
        _ => locate::find(Role::Classifier, Precision::Int8, given)?,
    })
}

#[derive(Debug, Serialize)]
struct Inspection {
    file: String,
    name: String,
    role: Role,
    /// A manifest knows the file, and it is what that says.
    listed: bool,
    bytes: u64,
    sha256: String,
    kernel: &'static str,
    convolutions: usize,
    int8_convolutions: usize,
    /// Multiply-accumulates for one picture.
    macs: u64,
    nodes: Vec<NodeInfo>,
}

fn show(given: Option<&Path>, json: bool) -> CommandResult {
    let inspection = look_into(given)?;
    if json {
        print_json(&inspection)?;
    } else {
        print(&inspection_in_words(&inspection))?;
    }
    Ok(Exit::Done)
}

fn look_into(given: Option<&Path>) -> anyhow::Result<Inspection> {
    let Found { path, entry, listed } = found(given)?;
    if listed {
        entry.verify(&path)?;
    }
    let kernel = kernels::choose(None).map_err(anyhow::Error::msg)?;
    let nodes = nodes_of(&path, entry.role, kernel)?;
    let convolutions =
        |int8_only: bool| nodes.iter().filter(|n| n.convolution && (n.int8 || !int8_only)).count();
    Ok(Inspection {
        file: path.display().to_string(),
        name: entry.name,
        role: entry.role,
        listed,
        bytes: entry.bytes,
        sha256: entry.sha256,
        kernel: kernel.name(),
        convolutions: convolutions(false),
        int8_convolutions: convolutions(true),
        macs: nodes.iter().map(|n| n.macs).sum(),
        nodes,
    })
}

/// A model's nodes as they will run.
fn nodes_of(path: &Path, role: Role, kernel: &'static dyn Kernel) -> anyhow::Result<Vec<NodeInfo>> {
    if role == Role::Detector {
        let (convolutions, kernel) = blazeface::convolutions(path)?;
        return Ok(convolutions.into_iter().map(|c| detector_node(c, kernel)).collect());
    }
    let file = OnnxFile::open(path).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    let plan = Plan::load(&file, kernel, &Arc::new(Pool::new(1)?));
    Ok(plan.map_err(|e| anyhow!("{}: cannot be loaded: {e:#}", path.display()))?.nodes)
}

fn detector_node(of: Convolution, kernel: &str) -> NodeInfo {
    let (op, kernel) = ("Conv".into(), kernel.into());
    NodeInfo { name: of.name, op, kernel, int8: false, convolution: true, macs: of.macs, weight_bytes: 0 }
}

fn inspection_in_words(i: &Inspection) -> String {
    let mut rows = vec![["node", "operator", "arithmetic", "MMAC", "kernel"].map(String::from).to_vec()];
    for n in &i.nodes {
        let macs = if n.macs > 0 { format!("{:.1}", n.macs as f64 / 1e6) } else { "–".into() };
        let arithmetic = if n.int8 { "int8" } else { "float" };
        rows.push(vec![n.name.clone(), n.op.clone(), arithmetic.into(), macs, n.kernel.clone()]);
    }
    let known = if i.listed { "as its manifest says" } else { "in no manifest" };
    format!(
        "{}  {} bytes, {known}\n{}{} of {} convolutions in int8, {:.1} MMAC for one picture\n",
        i.file,
        i.bytes,
        table(&rows),
        i.int8_convolutions,
        i.convolutions,
        i.macs as f64 / 1e6
    )
}

#[derive(Debug, Serialize)]
struct Verdict {
    name: String,
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn verify(given: Option<&Path>, json: bool) -> CommandResult {
    let verdicts = match given {
        Some(_) => vec![verdict_of(&found(given)?)],
        None => verdicts_of_folders(&locate::folders().map_err(anyhow::Error::from)?)?,
    };
    if json {
        print_json(&verdicts)?;
    }
    let style = Style::for_stdout();
    for v in verdicts.iter().filter(|_| !json) {
        match &v.error {
            None => print(&format!("{}  {}\n", style.good("ok"), v.file))?,
            Some(error) => print(&format!("{}  {error}\n", style.bad("differs")))?,
        }
    }
    Ok(if verdicts.iter().all(|v| v.ok) { Exit::Done } else { Exit::Incomplete })
}

fn verdicts_of_folders(folders: &[PathBuf]) -> anyhow::Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for folder in folders {
        verdicts.extend(entries_of(folder)?.map(|found| verdict_of(&found)));
    }
    Ok(verdicts)
}

fn verdict_of(found: &Found) -> Verdict {
    let error = match found.listed {
        true => found.entry.verify(&found.path).err().map(|e| e.to_string()),
        false => Some(format!(
            "{}: no manifest lists it, so nobody can say whether it is whole; put its entry into the {MANIFEST_FILE} \
             beside it",
            found.path.display()
        )),
    };
    let file = found.path.display().to_string();
    Verdict { name: found.entry.name.clone(), file, ok: error.is_none(), error }
}
