//! A run of int8 layers as one typed operator of tract: pictures stay channels-innermost between them, pooling happens in
//! the convolution before it, and buffers live as long as the plan's state.
//!
//! Whatever doesn't fit (groups, other pools, branches) stays a node of its own and ends the chain: right, slower, and
//! named by `moodlight model inspect`.

use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use super::buffers::Buffers;
use super::conv::quantise;
use super::run::{Steps, spread};

/// Input: f32 (when it starts by quantising) or u8, output u8, both planar with any batch.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Name, scale and zero point of a leading QuantizeLinear.
    pub quantise: Option<(String, f32, u8)>,
    pub steps: Steps,
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.steps.steps, &other.steps.steps)
    }
}
impl Eq for Chain {}

impl Op for Chain {
    fn name(&self) -> StaticName {
        "Int8Chain".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Chain {
    not_out_of_plan!();
    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(ChainState(Buffers::default()))))
    }
}

impl TypedOp for Chain {
    fn output_facts(&self, i: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let [c, h, w] = self.steps.output();
        Ok(tvc(&i[0].shape[0], c, h, w))
    }
    as_op!();
}

fn tvc(n: &TDim, c: usize, h: usize, w: usize) -> TVec<TypedFact> {
    tvec!(u8::fact(&[n.clone(), c.to_dim(), h.to_dim(), w.to_dim()]))
}

#[derive(Debug)]
struct ChainState(Buffers);

impl Clone for ChainState {
    fn clone(&self) -> Self {
        Self(Buffers::default()) // nothing is carried from one run to the next
    }
}

impl OpState for ChainState {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Chain { quantise: first, steps } = op.downcast_ref::<Chain>().context("an Int8Chain")?;
        let x = args_1!(inputs);
        let (faces, [c, h, w]) = (x.shape()[0], steps.output());
        // SAFETY: every element is written by the run.
        let mut y = unsafe { Tensor::uninitialized::<u8>(&[faces, c, h, w])? };
        let mut to = y.try_as_plain_ram_mut()?;
        let (from, to) = (x.try_as_plain_ram()?, to.as_slice_mut::<u8>()?);
        let done = |index: usize| super::observe::done(&steps.steps[index].conv.name);
        match *first {
            Some((_, scale, zp)) => {
                let x = from.as_slice::<f32>()?;
                steps.run(&mut self.0, faces, |l, p| spread(x, l, p, |v| quantise(v, scale, zp)), to, done);
            }
            None => {
                let x = from.as_slice::<u8>()?;
                steps.run(&mut self.0, faces, |l, p| spread(x, l, p, |v| v), to, done);
            }
        }
        Ok(tvec!(y.into_tvalue()))
    }
    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}
