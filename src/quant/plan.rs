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
use super::lower::Loaded;
use super::onnx_file::OnnxFile;
use super::pool::Pool;
use super::{dense_f16, fuse, halve, lower, observe};

/// In a file's protobuf: its graph has int8 convolutions.
const QLINEAR: &[u8] = b"QLinearConv";

/// A graph ready to run, with one input and one output.
pub struct Plan {
    state: SimpleState<TypedFact, Box<dyn TypedOp>>,
    /// What runs each node of the file's graph.
    pub nodes: Vec<NodeInfo>,
    /// What runs each node of the graph as tract has rewritten it for speed: these names are what [`observe`] hears.
    pub rewritten: Vec<NodeInfo>,
    /// As in the file.
    pub input: TypedFact,
    pub output: TypedFact,
    /// Whether any number of faces can be run at once.
    pub open_batch: bool,
}

impl Plan {
    pub fn load(file: &OnnxFile, kernel: &'static dyn Kernel, pool: &Arc<Pool>) -> TractResult<Self> {
        let int8 = file.reduced.windows(QLINEAR.len()).any(|bytes| bytes == QLINEAR);
        let open = if int8 { lower::typed_model(file, true).ok() } else { None };
        let Loaded { model, input, batch } = match open {
            Some(open) => open,
            None => lower::typed_model(file, false)?,
        };
        ensure!(model.inputs.len() == 1 && model.outputs.len() == 1, "one input and one output expected");
        let mut output = model.output_fact(0)?.clone();
        if let (Some(symbol), Ok(faces)) = (&batch, input.shape[0].to_i64()) {
            let dims = output.shape.iter().map(|d| d.eval(&SymbolValues::default().with(symbol, faces)));
            output = output.datum_type.fact(dims.collect::<TVec<TDim>>());
        }
        let mut model = model.into_decluttered()?;
        fuse::fuse(&mut model, kernel, pool)?;
        halve::replace(&mut model)?;
        dense_f16::share(&mut model, pool);
        let nodes = inspect::nodes(&model)?;
        let model = model.into_optimized()?;
        let rewritten = inspect::nodes(&model)?;
        let state = model.into_runnable()?.spawn()?;
        Ok(Self { state, nodes, rewritten, input, output, open_batch: batch.is_some() })
    }

    /// What runs the convolutions: the int8 kernel, or each kernel that runs some of an f32 graph.
    pub fn kernel(&self) -> String {
        let convolutions = || self.nodes.iter().filter(|n| n.convolution);
        let all_int8 = convolutions().all(|n| n.int8);
        let mut names: Vec<&str> = Vec::new();
        for node in convolutions() {
            // In int8 the methods differ from layer to layer; the instruction set is what names the kernel.
            let name =
                if all_int8 { node.kernel.split(',').next().unwrap_or_default() } else { &node.kernel };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" + ")
    }

    /// Runs the graph; nodes report to [`observe`].
    pub fn run(&mut self, input: Tensor) -> TractResult<TValue> {
        let mut outputs =
            self.state.run_plan_with_eval(tvec!(input.into_tvalue()), |ctx, state, node, inputs| {
                let outputs = plan::eval(ctx, state, node, inputs);
                // A chain tells its layers itself; a source does nothing.
                if !node.op_is::<Chain>() && !node.inputs.is_empty() {
                    observe::done(&node.name);
                }
                outputs
            })?;
        Ok(outputs.remove(0))
    }
}
