//! The VGG of the model card, run by tract: one file, one plan, kept warm between frames.
//!
//! Terms. *Plan*: tract's order of operators for one batch size. *Logits*: the network's raw outputs. Softmax and
//! temperature are the decision's business.

use std::path::Path;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::{self, SimpleState};

use super::manifest::ModelEntry;
use super::{Classifier, ClassifierError};
use crate::emotion::{Emotion, Logits};
use crate::preprocess::{FacePatch, PATCH_SIDE};
use crate::quant::chain::Chain;
use crate::quant::inspect::{self, NodeInfo};
use crate::quant::observe;
use crate::quant::onnx_file::OnnxFile;
use crate::quant::pool::Pool;

/// Names a kernel to use instead of the fastest one, for measuring: `MOODLIGHT_KERNEL=portable`.
pub const KERNEL_VARIABLE: &str = "MOODLIGHT_KERNEL";

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
    state: SimpleState<TypedFact, Box<dyn TypedOp>>,
    input: Tensor,
    /// Pixel → network input.
    normalised: [f32; 256],
    nodes: Vec<NodeInfo>,
    kernel: &'static str,
}

impl Vgg {
    /// Loads the file that `found` names, holding it to its manifest entry when it has one.
    pub fn open(found: &super::Found, options: &Options) -> Result<Self, ClassifierError> {
        if found.listed {
            found.entry.verify(&found.path)?;
        }
        Self::load_unverified(&found.path, &found.entry, options)
    }

    /// Loads `path` and refuses it unless length, SHA-256, input shape and class order are `entry`'s.
    pub fn load(path: &Path, entry: &ModelEntry, options: &Options) -> Result<Self, ClassifierError> {
        entry.verify(path)?;
        Self::load_unverified(path, entry, options)
    }

    fn load_unverified(path: &Path, entry: &ModelEntry, options: &Options) -> Result<Self, ClassifierError> {
        let refuse = |reason: String| ClassifierError::Model { model: path.display().to_string(), reason };
        check_classes(path, entry)?;
        let file =
            OnnxFile::open(path).map_err(|e| refuse(format!("{e}; restore the file from the release")))?;
        let model = crate::quant::lower::typed_model(&file)
            .map_err(|e| refuse(format!("cannot be loaded: {e:#}")))?;
        check_shapes(path, entry, &model)?;
        let forced = std::env::var(KERNEL_VARIABLE).ok().filter(|name| !name.is_empty());
        let name = options.kernel.as_deref().or(forced.as_deref());
        let kernel = crate::quant::kernels::choose(name).map_err(&refuse)?;
        let pool = Pool::new(options.threads).map_err(|e| refuse(format!("no inference threads: {e}")))?;
        let pool = std::sync::Arc::new(pool);
        let prepare = |model: TypedModel| -> TractResult<_> {
            let mut model = model.into_decluttered()?;
            crate::quant::fuse::fuse(&mut model, kernel, &pool)?;
            let nodes = inspect::nodes(&model)?;
            Ok((nodes, model.into_optimized()?.into_runnable()?.spawn()?))
        };
        let (nodes, state) = prepare(model).map_err(|e| refuse(format!("cannot be prepared: {e:#}")))?;
        let input =
            Tensor::zero::<f32>(&[1, 1, PATCH_SIDE, PATCH_SIDE]).map_err(|e| refuse(format!("{e:#}")))?;
        let (mean, std) = (entry.normalisation.mean, entry.normalisation.std);
        let normalised = std::array::from_fn(|x| (x as f32 / 255.0 - mean) / std);
        Ok(Self { state, input, normalised, nodes, kernel: kernel.name() })
    }

    /// What runs each node of the graph.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// The int8 kernel in use.
    pub fn kernel_name(&self) -> &'static str {
        self.kernel
    }

    /// Runs `patch` once; `done` hears each node's name right after it ran, a chain's layers one by one. For
    /// measuring: the listener reads its own clock.
    pub fn observe(
        &mut self,
        patch: &FacePatch,
        done: impl FnMut(&str) + 'static,
    ) -> Result<Logits, ClassifierError> {
        observe::with(done, || self.classify_one(patch)).map_err(run_error)
    }

    fn classify_one(&mut self, patch: &FacePatch) -> TractResult<Logits> {
        let mut plain = self.input.try_as_plain_ram_mut()?;
        for (to, &from) in plain.as_slice_mut::<f32>()?.iter_mut().zip(&patch.0) {
            *to = self.normalised[usize::from(from)];
        }
        let inputs = tvec!(self.input.clone().into_tvalue());
        let outputs = self.state.run_plan_with_eval(inputs, |ctx, state, node, inputs| {
            let outputs = plan::eval(ctx, state, node, inputs);
            if !node.op_is::<Chain>() {
                observe::done(&node.name); // a chain tells its layers itself
            }
            outputs
        })?;
        let mut logits = [0.0; Emotion::COUNT];
        logits.copy_from_slice(outputs[0].try_as_plain_ram()?.as_slice::<f32>()?);
        Ok(Logits(logits))
    }
}

impl Classifier for Vgg {
    fn classify(&mut self, patches: &[FacePatch], logits: &mut Vec<Logits>) -> Result<(), ClassifierError> {
        logits.clear();
        for patch in patches {
            logits.push(self.classify_one(patch).map_err(run_error)?);
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

fn check_shapes(path: &Path, entry: &ModelEntry, model: &TypedModel) -> Result<(), ClassifierError> {
    let wrong = |what, expected: String, found: String| ClassifierError::Differs {
        model: path.display().to_string(),
        what,
        expected,
        found,
    };
    let fact = |e: TractError| wrong("graph", "one input and one output".into(), format!("{e:#}"));
    let input = model.input_fact(0).map_err(fact)?;
    let expected = [1, 1, PATCH_SIDE, PATCH_SIDE];
    let found = format!("{:?} {:?}", input.datum_type, input.shape);
    if entry.input.dtype != "f32" || entry.input.shape[1..] != expected[1..] {
        return Err(wrong(
            "input in the manifest",
            format!("f32 {expected:?}"),
            format!("{} {:?}", entry.input.dtype, entry.input.shape),
        ));
    }
    if input.shape.as_concrete() != Some(&expected) || input.datum_type != f32::datum_type() {
        return Err(wrong("input", format!("f32 {expected:?}"), found));
    }
    let output = model.output_fact(0).map_err(fact)?;
    let count = output.shape.volume().to_i64().ok();
    if count != Some(Emotion::COUNT as i64) || output.datum_type != f32::datum_type() {
        let found = format!("{:?} {:?}", output.datum_type, output.shape);
        return Err(wrong("output", format!("f32, {} values", Emotion::COUNT), found));
    }
    Ok(())
}
