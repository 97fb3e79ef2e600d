//! From a split ONNX file to a plan that runs: tract's graph with this room's operators, warm between runs.
//!
//! Terms. *Open batch*: the first dimension left as a symbol, so that one plan runs one face or eight. Graphs with int8
//! chains are loaded so where they allow it; f32 graphs keep the file's batch, since tract's own convolutions are
//! faster with every size known.

use std::sync::Arc;

use tract_onnx::tract_core::plan::{self, SimpleState};
use tract_onnx::tract_hir::internal::*;

use super::chain::Chain;
use super::inspect::{self, NodeInfo};
use super::kernels::Kernel;
use super::onnx_file::OnnxFile;
use super::pool::Pool;
use super::{fuse, lower, observe};

/// A graph ready to run, with one input and one output.
pub struct Plan {
    state: SimpleState<TypedFact, Box<dyn TypedOp>>,
    /// What runs each node.
    pub nodes: Vec<NodeInfo>,
    /// As in the file.
    pub input: TypedFact,
    pub output: TypedFact,
    /// Whether any number of faces can be run at once.
    pub open_batch: bool,
}

impl Plan {
    pub fn load(file: &OnnxFile, kernel: &'static dyn Kernel, pool: &Arc<Pool>) -> TractResult<Self> {
        let fixed = lower::typed_model(file, false)?;
        let (input, output) = (fixed.input_fact(0)?.clone(), fixed.output_fact(0)?.clone());
        ensure!(fixed.inputs.len() == 1 && fixed.outputs.len() == 1, "one input and one output expected");
        let int8 = fixed.nodes().iter().any(|n| n.op_is::<lower::QConv>());
        let open = if int8 { lower::typed_model(file, true).ok() } else { None };
        let (open_batch, model) = (open.is_some(), open.unwrap_or(fixed));
        let mut model = model.into_decluttered()?;
        fuse::fuse(&mut model, kernel, pool)?;
        let nodes = inspect::nodes(&model)?;
        let state = model.into_optimized()?.into_runnable()?.spawn()?;
        Ok(Self { state, nodes, input, output, open_batch })
    }

    /// Runs the graph; nodes report to [`observe`].
    pub fn run(&mut self, input: Tensor) -> TractResult<TValue> {
        let mut outputs =
            self.state.run_plan_with_eval(tvec!(input.into_tvalue()), |ctx, state, node, inputs| {
                let outputs = plan::eval(ctx, state, node, inputs);
                if !node.op_is::<Chain>() {
                    observe::done(&node.name); // a chain tells its layers itself
                }
                outputs
            })?;
        Ok(outputs.remove(0))
    }
}
