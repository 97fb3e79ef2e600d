//! The pass over tract's typed model that turns runs of int8 nodes into [`Chain`] operators.

use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use super::chain::Chain;
use super::halve::is_pool_2x2;
use super::kernels::Kernel;
use super::packed::{Method, Packed};
use super::pool::Pool;
use super::qlinear_conv::QConv;
use super::quantise::quantise_parameters;
use super::run::{Step, Steps};

/// Replaces every run of int8 layers in `model`; nodes that no kernel covers stay as they are.
pub fn fuse(model: &mut TypedModel, kernel: &'static dyn Kernel, pool: &Arc<Pool>) -> TractResult<()> {
    let mut done: Vec<usize> = Vec::new();
    for id in model.eval_order()? {
        if done.contains(&id) {
            continue;
        }
        let Some(run) = Nodes::starting_at(model, id, kernel)? else { continue };
        done.extend(run.ids());
        let chain = run.pack(model, kernel, pool)?;
        let mut patch = TypedModelPatch::new("int8 chain");
        let tap = patch.tap_model(model, model.node(run.first).inputs[0])?;
        let name = model.node(run.first).name.clone();
        let wire = patch.wire_node(name, chain, &[tap])?;
        patch.shunt_outside(model, OutletId::new(run.last, 0), wire[0])?;
        patch.apply(model)?;
    }
    Ok(())
}

/// The nodes of one chain.
struct Nodes {
    first: usize,
    last: usize,
    quantise: Option<usize>,
    /// Convolution, its method, its input extent, the pool after it.
    steps: Vec<(usize, Method, [usize; 2], Option<usize>)>,
}

impl Nodes {
    /// The longest chain whose first node is `id`, if any.
    fn starting_at(model: &TypedModel, id: usize, kernel: &dyn Kernel) -> TractResult<Option<Self>> {
        let quantise = quantise_parameters(&*model.node(id).op).map(|_| id);
        let mut steps = Vec::new();
        let mut last = id;
        let mut next = if quantise.is_some() { only_reader(model, id) } else { Some(id) };
        while let Some(conv) = next {
            let Some((method, input)) = method(model, conv, kernel)? else { break };
            let pool = match method {
                Method::Dense => None,
                _ => only_reader(model, conv).filter(|&pool| is_pool_2x2(model, pool)),
            };
            last = pool.unwrap_or(conv);
            steps.push((conv, method, input, pool));
            next = only_reader(model, last);
        }
        Ok((!steps.is_empty()).then_some(Self { first: id, last, quantise, steps }))
    }

    fn ids(&self) -> impl Iterator<Item = usize> + '_ {
        self.quantise.into_iter().chain(self.steps.iter().flat_map(|s| [Some(s.0), s.3]).flatten())
    }

    fn pack(&self, model: &TypedModel, kernel: &'static dyn Kernel, pool: &Arc<Pool>) -> TractResult<Chain> {
        let mut steps = Vec::new();
        for (index, &(id, method, input, pooled)) in self.steps.iter().enumerate() {
            let spec = &model.node(id).op_as::<QConv>().context("a QConv")?.spec;
            let conv = Packed::new(spec, method, input, index > 0, kernel, pool)
                .with_context(|| format!("no memory for the weights of \"{}\"", spec.name))?;
            steps.push(Step { conv, pool: pooled.map(|id| model.node(id).name.clone()) });
        }
        let quantise = self.quantise.and_then(|id| {
            let (scale, zp) = quantise_parameters(&*model.node(id).op)?;
            Some((model.node(id).name.clone(), scale, zp))
        });
        Ok(Chain { quantise, steps: Steps { steps: Arc::new(steps), kernel, pool: Arc::clone(pool) } })
    }
}

fn method(model: &TypedModel, id: usize, kernel: &dyn Kernel) -> TractResult<Option<(Method, [usize; 2])>> {
    let node = model.node(id);
    let Some(conv) = node.op_as::<QConv>() else { return Ok(None) };
    let x = &model.outlet_fact(node.inputs[0])?.shape;
    let input = [x[2].to_usize()?, x[3].to_usize()?];
    Ok(Method::choose(&conv.spec, input, kernel).map(|method| (method, input)))
}

/// The node that alone reads the output of `id`, which must not be an output of the model.
fn only_reader(model: &TypedModel, id: usize) -> Option<usize> {
    let outlet = OutletId::new(id, 0);
    if model.outputs.contains(&outlet) {
        return None;
    }
    match model.node(id).outputs[0].successors[..] {
        [InletId { node, slot: 0 }] => Some(node),
        _ => None,
    }
}
