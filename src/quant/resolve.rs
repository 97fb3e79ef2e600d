//! tract's operators where they read large initialisers: a Cast from f16 that happens when the weights are read, and a
//! convolution that is dense, or whose operands become ordinary constants.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::dense_f16::DenseF16;
use super::lower::{Built, constant, rules};
use super::onnx_file::Element;
use super::side::{SideConst, side_const};
use super::stock;

pub(super) fn cast(_: &ParsingContext, node: &NodeProto) -> Built {
    Ok((expand(Resolving { inner: stock::cast(node)?, how: Resolve::Cast }), vec![]))
}
pub(super) fn conv(_: &ParsingContext, node: &NodeProto) -> Built {
    let list = |key: &str| node.get_attr_opt_vec::<usize>(key).map(|v| v.unwrap_or_default());
    let plain = list("pads")?.iter().all(|&p| p == 0)
        && list("dilations")?.iter().all(|&d| d == 1)
        && node.get_attr_opt::<usize>("group")?.unwrap_or(1) == 1
        && ["NOTSET", "VALID"].contains(&node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET"));
    let how = if plain { Resolve::Dense } else { Resolve::Operands };
    Ok((expand(Resolving { inner: stock::conv(node)?, how }), vec![]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolve {
    /// f16 → f32 of a large initialiser happens when it is read.
    Cast,
    /// An unpadded convolution: dense where its kernel covers the whole picture and the weights are f16.
    Dense,
    /// Large operands become constants before the stock operator sees them.
    Operands,
}

/// A stock operator that may read large initialisers.
#[derive(Debug, Clone)]
struct Resolving {
    inner: Box<dyn Expansion>,
    how: Resolve,
}

impl Expansion for Resolving {
    fn name(&self) -> StaticName {
        self.inner.name()
    }
    fn runs_out_of_plan(&self) -> bool {
        self.inner.runs_out_of_plan()
    }
    rules!(self, s, i, o => {
        self.inner.rules(s, i, o)
    });
    fn wire(&self, prefix: &str, model: &mut TypedModel, i: &[OutletId]) -> TractResult<TVec<OutletId>> {
        if self.how == Resolve::Cast
            && let Some(side) = side_const(model, i[0]).filter(|s| s.tensor.element == Element::F16).cloned()
        {
            let wide = model.wire_node(prefix, SideConst { as_f32: true, ..side }, &[])?;
            return Ok(wide);
        }
        if self.how == Resolve::Dense
            && let Some(dense) = dense(model, i)?
        {
            return model.wire_node(prefix, dense, &i[..1]);
        }
        let mut inputs: TVec<OutletId> = i.into();
        for (ix, outlet) in inputs.iter_mut().enumerate() {
            if let Some(side) = side_const(model, *outlet).cloned() {
                *outlet = model.add_const(format!("{prefix}.operand{ix}"), side.materialise()?)?;
            }
        }
        self.inner.wire(prefix, model, &inputs)
    }
}

/// The operator for a convolution whose f16 kernel covers its whole picture.
fn dense(model: &TypedModel, i: &[OutletId]) -> TractResult<Option<DenseF16>> {
    let Some(side) = side_const(model, i[1]).filter(|s| s.as_f32 && s.tensor.element == Element::F16) else {
        return Ok(None);
    };
    let x = &model.outlet_fact(i[0])?.shape;
    if x.rank() != 4 || side.tensor.dims.len() != 4 || (1..4).any(|a| x[a] != side.tensor.dims[a].to_dim()) {
        return Ok(None);
    }
    let bias = match i.get(2) {
        Some(&outlet) if model.outlet_fact(outlet)?.konst.is_none() => return Ok(None),
        Some(&outlet) => constant::<f32>(model, outlet, "bias")?,
        None => vec![0.0; side.tensor.dims[0]],
    };
    Ok(Some(DenseF16::new(&side.tensor, bias).context("no memory for the weights")?))
}
