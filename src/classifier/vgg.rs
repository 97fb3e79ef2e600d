//! The VGG of the model card, run by tract: one file, one plan, kept warm between frames.
//!
//! Terms. *Logits*: the network's raw outputs. Softmax and temperature are the decision's business.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use tract_onnx::prelude::*;

use super::manifest::ModelEntry;
use super::{Classifier, ClassifierError};
use crate::emotion::{Emotion, Logits};
use crate::preprocess::{FacePatch, PATCH_SIDE};
use crate::quant::inspect::NodeInfo;
use crate::quant::onnx_file::OnnxFile;
use crate::quant::plan::Plan;
use crate::quant::pool::Pool;
use crate::quant::{kernels, observe};

/// Names a kernel to use instead of the fastest one, for measuring: `MOODLIGHT_KERNEL=portable`.
pub const KERNEL_VARIABLE: &str = "MOODLIGHT_KERNEL";

/// Faces that share one run and so one pass over the weights; more are run in turns.
const MOST_FACES: usize = 8;

/// How to run a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Threads that share one inference; 0 means as many as the machine has cores, 1 runs in the caller.
    pub threads: usize,
    /// Forces a kernel by name for measuring; `None` takes the fastest that the CPU can run.
    pub kernel: Option<String>,
}

/// The classifier: loaded, packed and ready.
pub struct Vgg {
    plan: Plan,
    /// Pixel → network input.
    normalised: [f32; 256],
}

impl Vgg {
    /// Loads the file that `found` names, holding it to its manifest entry when it has one.
    pub fn open(found: &super::Found, options: &Options) -> Result<Self, ClassifierError> {
        if found.listed {
            Self::load(&found.path, &found.entry, options)
        } else {
            Self::load_unverified(&found.path, &found.entry, options)
        }
    }

    /// Loads `path` and refuses it unless length, SHA-256, input shape and class order are `entry`'s. The hash is taken on a
    /// thread beside the loading: both go through 40 MB. Whatever the loading came to, a wrong hash is what is told.
    pub fn load(path: &Path, entry: &ModelEntry, options: &Options) -> Result<Self, ClassifierError> {
        entry.verify_length(path)?;
        let (verdict, loaded) = std::thread::scope(|threads| {
            let hash =
                std::thread::Builder::new().name("hash".into()).spawn_scoped(threads, || entry.verify(path));
            // The loader refuses damaged files; should it panic on one, the hash is still heard first.
            let loaded = catch_unwind(AssertUnwindSafe(|| Self::load_unverified(path, entry, options)));
            (hash.map(ScopedJoinHandle::join), loaded)
        });
        match verdict {
            Ok(verdict) => verdict.unwrap_or_else(|panic| resume_unwind(panic))?,
            // No thread to be had.
            Err(_) => entry.verify(path)?,
        }
        loaded.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn load_unverified(path: &Path, entry: &ModelEntry, options: &Options) -> Result<Self, ClassifierError> {
        let model = || path.display().to_string();
        let refuse = |reason: String| ClassifierError::Model { model: model(), reason };
        let unable = |reason: String| ClassifierError::Machine { model: model(), reason };
        check_classes(path, entry)?;
        let forced = std::env::var(KERNEL_VARIABLE).ok().filter(|name| !name.is_empty());
        let kernel = kernels::choose(options.kernel.as_deref().or(forced.as_deref())).map_err(&unable)?;
        let pool = Pool::new(options.threads).map_err(|e| unable(format!("no inference threads: {e}")))?;
        let file =
            OnnxFile::open(path).map_err(|e| refuse(format!("{e}; restore the file from the release")))?;
        let plan = Plan::load(&file, kernel, &Arc::new(pool))
            .map_err(|e| refuse(format!("cannot be loaded: {e:#}")))?;
        check_shapes(path, entry, &plan)?;
        let (mean, std) = (entry.normalisation.mean, entry.normalisation.std);
        let normalised = std::array::from_fn(|x| (x as f32 / 255.0 - mean) / std);
        Ok(Self { plan, normalised })
    }

    /// What runs each node of the file's graph.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.plan.nodes
    }

    /// What runs each node of the graph that tract made of it, by the names that [`Self::observe`] tells.
    pub fn rewritten_nodes(&self) -> &[NodeInfo] {
        &self.plan.rewritten
    }

    /// What runs the convolutions, in words.
    pub fn kernel_name(&self) -> String {
        self.plan.kernel()
    }

    /// Runs `patch` once; `done` hears each node's name right after it ran, a chain's layers one by one. For
    /// measuring: the listener reads its own clock.
    pub fn observe(
        &mut self,
        patch: &FacePatch,
        done: impl FnMut(&str) + 'static,
    ) -> Result<Logits, ClassifierError> {
        let mut logits = Vec::with_capacity(1);
        observe::with(done, || self.run(std::slice::from_ref(patch), &mut logits)).map_err(run_error)?;
        Ok(logits[0])
    }

    fn run(&mut self, patches: &[FacePatch], logits: &mut Vec<Logits>) -> TractResult<()> {
        // SAFETY: every element is written below.
        let mut input = unsafe { Tensor::uninitialized::<f32>(&[patches.len(), 1, PATCH_SIDE, PATCH_SIDE])? };
        let mut plain = input.try_as_plain_ram_mut()?;
        let pixels = patches.iter().flat_map(|p| &p.0);
        for (to, &pixel) in plain.as_slice_mut::<f32>()?.iter_mut().zip(pixels) {
            *to = self.normalised[usize::from(pixel)];
        }
        let output = self.plan.run(input)?;
        let values = output.try_as_plain_ram()?;
        logits.extend(values.as_slice::<f32>()?.as_chunks().0.iter().map(|&face| Logits(face)));
        Ok(())
    }
}

impl Classifier for Vgg {
    fn classify(&mut self, patches: &[FacePatch], logits: &mut Vec<Logits>) -> Result<(), ClassifierError> {
        logits.clear();
        let at_once = if self.plan.open_batch { MOST_FACES } else { 1 };
        for faces in patches.chunks(at_once) {
            self.run(faces, logits).map_err(run_error)?;
        }
        Ok(())
    }
}

fn run_error(e: TractError) -> ClassifierError {
    ClassifierError::Run(format!("{e:#}"))
}

fn check_classes(path: &Path, entry: &ModelEntry) -> Result<(), ClassifierError> {
    let expected: Vec<_> = Emotion::ALL.iter().map(|e| e.name()).collect();
    if entry.classes == expected {
        return Ok(());
    }
    Err(ClassifierError::Model {
        model: path.display().to_string(),
        reason: format!(
            "its classes must be {} in this order, the manifest says {}",
            expected.join(" "),
            if entry.classes.is_empty() { "nothing".into() } else { entry.classes.join(" ") }
        ),
    })
}

fn check_shapes(path: &Path, entry: &ModelEntry, plan: &Plan) -> Result<(), ClassifierError> {
    let wrong = |what, expected: String, found: String| ClassifierError::Differs {
        model: path.display().to_string(),
        what,
        expected,
        found,
    };
    let expected = [1, 1, PATCH_SIDE, PATCH_SIDE];
    if entry.input.dtype != "f32" || entry.input.shape != expected {
        let found = format!("{} {:?}", entry.input.dtype, entry.input.shape);
        return Err(wrong("input in the manifest", format!("f32 {expected:?}"), found));
    }
    if plan.input.shape.as_concrete() != Some(&expected) || plan.input.datum_type != f32::datum_type() {
        let found = format!("{:?} {:?}", plan.input.datum_type, plan.input.shape);
        return Err(wrong("input", format!("F32 {expected:?}"), found));
    }
    let count = plan.output.shape.volume().to_i64().ok();
    if count != Some(Emotion::COUNT as i64) || plan.output.datum_type != f32::datum_type() {
        let found = format!("{:?} {:?}", plan.output.datum_type, plan.output.shape);
        return Err(wrong("output", format!("F32, {} values", Emotion::COUNT), found));
    }
    Ok(())
}
