//! Which operator and kernel runs each node of a lowered model, for `moodlight model inspect` and `bench --layers`.

use serde::Serialize;
use tract_onnx::tract_hir::internal::*;

use super::chain::Chain;
use super::qlinear_conv::QConv;
use super::quantise::quantise_parameters;

/// One node of the graph as it will run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeInfo {
    /// The ONNX node's name.
    pub name: String,
    /// `QLinearConv`, `QuantizeLinear`, `MaxPool`, or tract's name of the operator.
    pub op: String,
    /// The kernel and method that run it, such as `avx2, winograd 4×4`; `tract` for operators that stay tract's.
    pub kernel: String,
    /// Whether its arithmetic is 8-bit (or, for pools, on 8-bit values).
    pub int8: bool,
    /// Whether it is a convolution (the network's linear layers are written as such).
    pub convolution: bool,
    /// Multiply-accumulates for one face.
    pub macs: u64,
    /// Bytes of its packed weights; 0 where tract holds them.
    pub weight_bytes: u64,
}

/// The nodes of `model` (lowered, not yet optimised by tract) in the order in which they run, constants left out.
pub fn nodes(model: &TypedModel) -> TractResult<Vec<NodeInfo>> {
    let mut infos = Vec::new();
    for id in model.eval_order()? {
        let node = model.node(id);
        match node.op_as::<Chain>() {
            Some(chain) => chain_nodes(chain, &mut infos),
            None if node.inputs.is_empty() => {}
            None => infos.push(plain(model, node)?),
        }
    }
    Ok(infos)
}

fn chain_nodes(chain: &Chain, infos: &mut Vec<NodeInfo>) {
    let kernel = chain.steps.kernel.name();
    let small = |name: &str, op: &str, kernel: String| NodeInfo {
        name: name.into(),
        op: op.into(),
        kernel,
        int8: true,
        convolution: false,
        macs: 0,
        weight_bytes: 0,
    };
    if let Some((name, ..)) = &chain.quantise {
        infos.push(small(name, "QuantizeLinear", "portable".into()));
    }
    for step in chain.steps.steps.iter() {
        infos.push(NodeInfo {
            name: step.conv.name.clone(),
            op: "QLinearConv".into(),
            kernel: format!("{kernel}, {}", step.conv.method.name()),
            int8: true,
            convolution: true,
            macs: step.conv.macs,
            weight_bytes: step.conv.weight_bytes() as u64,
        });
        if let Some(pool) = &step.pool {
            infos.push(small(pool, "MaxPool", format!("{kernel}, in the convolution before it")));
        }
    }
}

fn plain(model: &TypedModel, node: &TypedNode) -> TractResult<NodeInfo> {
    let fact = model.outlet_fact(OutletId::new(node.id, 0))?;
    let input = model.outlet_fact(node.inputs[0])?;
    let reference = node.op_as::<QConv>();
    let dense = node.op_as::<super::dense_f16::DenseF16>();
    let macs = match (reference, dense) {
        (Some(conv), _) => conv.spec.macs([input.shape[2].to_usize()?, input.shape[3].to_usize()?]),
        (_, Some(dense)) => dense.macs(),
        _ => cost(model, node).unwrap_or(0),
    };
    let op = match (reference, dense) {
        (Some(_), _) => "QLinearConv".to_string(),
        (_, Some(_)) => "Conv".to_string(),
        _ if quantise_parameters(&*node.op).is_some() => "QuantizeLinear".to_string(),
        _ => node.op.name().to_string(),
    };
    Ok(NodeInfo {
        name: node.name.clone(),
        convolution: op.contains("Conv"),
        kernel: match (reference, dense) {
            (Some(_), _) => "reference (slow)".into(),
            (_, Some(dense)) => dense.kernel_name().into(),
            _ => "tract".into(),
        },
        int8: fact.datum_type == u8::datum_type(),
        macs,
        weight_bytes: dense.map_or(0, |d| d.weight_bytes() as u64),
        op,
    })
}

/// tract's own count of multiply-accumulates.
fn cost(model: &TypedModel, node: &TypedNode) -> TractResult<u64> {
    let inputs = node.inputs.iter().map(|i| model.outlet_fact(*i)).collect::<TractResult<TVec<_>>>()?;
    let costs = node.op.cost(&inputs)?;
    let fma = costs.iter().filter(|(what, _)| matches!(what, Cost::FMA(_)));
    Ok(fma.map(|(_, count)| count.to_i64().unwrap_or(0) as u64).sum())
}
