//! Large initialisers inside tract: they stay in the mapped file until an operator takes or copies them.

use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use super::lower::rules;
use super::onnx_file::{Element, INITIALISER_OP, SideTensor};

/// A large initialiser during shape inference.
#[derive(Debug, Clone)]
pub(super) struct SideSource(pub Arc<SideTensor>);

fn datum_type(element: Element) -> DatumType {
    match element {
        Element::F32 => DatumType::F32,
        Element::F16 => DatumType::F16,
        Element::I8 => DatumType::I8,
        Element::U8 => DatumType::U8,
    }
}

impl Expansion for SideSource {
    fn name(&self) -> StaticName {
        INITIALISER_OP.into()
    }
    fn runs_out_of_plan(&self) -> bool {
        false // never folded to a constant: that would copy it
    }
    rules!(self, s, _i, o => {
        s.equals(&o[0].datum_type, datum_type(self.0.element))?;
        let shape: TVec<TDim> = self.0.dims.iter().map(|d| d.to_dim()).collect();
        s.equals(&o[0].shape, shape)
    });
    fn wire(&self, prefix: &str, model: &mut TypedModel, _: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, SideConst { tensor: Arc::clone(&self.0), as_f32: false }, &[])
    }
}

/// A large initialiser in a typed model, still in the file. `as_f32`: read through a Cast from f16.
#[derive(Debug, Clone)]
pub struct SideConst {
    pub tensor: Arc<SideTensor>,
    pub as_f32: bool,
}

impl PartialEq for SideConst {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tensor, &other.tensor) && self.as_f32 == other.as_f32
    }
}
impl Eq for SideConst {}

impl SideConst {
    fn datum_type(&self) -> DatumType {
        if self.as_f32 { DatumType::F32 } else { datum_type(self.tensor.element) }
    }

    /// Copies the tensor out of the file and gives the file's pages back.
    pub fn materialise(&self) -> TractResult<Tensor> {
        let t = &*self.tensor;
        let dt = datum_type(t.element);
        let tensor = if self.as_f32 && t.element == Element::F16 {
            let mut out = Tensor::zero::<f32>(&t.dims)?;
            let mut plain = out.try_as_plain_ram_mut()?;
            super::half::decode(t.bytes(), plain.as_slice_mut::<f32>()?);
            out
        } else {
            // SAFETY: the bytes are as many as the shape and type say (checked when the file was split) and any bit
            // pattern is a value of these types.
            unsafe { Tensor::from_raw_dt_align(dt, &t.dims, t.bytes(), 64)? }
        };
        t.release(0..t.bytes().len());
        Ok(tensor)
    }
}

impl Op for SideConst {
    fn name(&self) -> StaticName {
        "SideConst".into()
    }
    op_as_typed_op!();
}

impl EvalOp for SideConst {
    not_out_of_plan!();
    fn eval(&self, _: &EvalContext, _: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec!(self.materialise()?.into_tvalue()))
    }
}

impl TypedOp for SideConst {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.datum_type().fact(&self.tensor.dims)))
    }
    as_op!();
}

/// The large initialiser that an outlet is, if it is one.
pub(super) fn side_const(model: &TypedModel, outlet: OutletId) -> Option<&SideConst> {
    model.node(outlet.node).op_as::<SideConst>()
}

/// Large initialisers that no operator of ours took become ordinary constants.
pub(super) fn materialise_the_rest(model: &mut TypedModel) -> TractResult<()> {
    for id in 0..model.nodes().len() {
        let used = model.node(id).outputs.first().is_some_and(|o| !o.successors.is_empty());
        let Some(side) = model.node(id).op_as::<SideConst>().filter(|_| used).cloned() else { continue };
        let tensor = side.materialise()?.into_arc_tensor();
        let node = model.node_mut(id);
        node.outputs[0].fact = TypedFact::try_from(&tensor)?;
        node.op = Box::new(tract_onnx::tract_core::ops::konst::Const::new(tensor)?);
    }
    Ok(())
}
