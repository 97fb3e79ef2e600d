//! `QuantizeLinear` and `DequantizeLinear` with one scale: u8 on one side, f32 on the other.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::conv::quantise;
use super::lower::{Built, rules, scalar};

pub(super) fn quantize_linear(_: &ParsingContext, node: &NodeProto) -> Built {
    build(node, Direction::Quantise)
}

pub(super) fn dequantize_linear(_: &ParsingContext, node: &NodeProto) -> Built {
    build(node, Direction::Dequantise)
}

fn build(node: &NodeProto, direction: Direction) -> Built {
    ensure!(node.input.len() >= 2, "expected at least 2 inputs");
    Ok((expand(direction), vec![]))
}

/// Either of the two before its constants are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Quantise,
    Dequantise,
}

impl Direction {
    fn types(self) -> [DatumType; 2] {
        match self {
            Direction::Quantise => [f32::datum_type(), u8::datum_type()],
            Direction::Dequantise => [u8::datum_type(), f32::datum_type()],
        }
    }
}

impl Expansion for Direction {
    fn name(&self) -> StaticName {
        match self {
            Direction::Quantise => "QuantizeLinear".into(),
            Direction::Dequantise => "DequantizeLinear".into(),
        }
    }
    rules!(self, s, i, o => {
        let [from, to] = self.types();
        s.equals(&i[0].datum_type, from)?;
        s.equals(&o[0].datum_type, to)?;
        s.equals(&o[0].shape, &i[0].shape)
    });
    fn wire(&self, prefix: &str, model: &mut TypedModel, i: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let read = scale_and_zero(model, i);
        let (scale, zp) = read.with_context(|| format!("node \"{prefix}\" ({})", self.name()))?;
        let op = match self {
            Direction::Quantise => quantise_op(scale, zp),
            Direction::Dequantise => dequantise_op(scale, zp),
        };
        model.wire_node(prefix, op, &i[..1])
    }
}

fn scale_and_zero(model: &TypedModel, i: &[OutletId]) -> TractResult<(f32, u8)> {
    let scale = scalar::<f32>(model, i[1], "scale (per-channel scales are not supported here)")?;
    ensure!(scale.is_finite() && scale > 0.0, "scale must be a finite number above 0, found {scale}");
    let zp = i.get(2).map(|&z| scalar::<u8>(model, z, "zero point")).transpose()?.unwrap_or(0);
    Ok((scale, zp))
}

element_wise_oop!(quantise_op, Quantise { scale: f32, zp: u8 },
    [f32] => u8 |op, xs, ys| {
        for (x, y) in xs.iter().zip(ys.iter_mut()) {
            *y = quantise(*x, op.scale, op.zp);
        }
        Ok(())
    }
);

/// Scale and zero point, if `op` is a QuantizeLinear of this room.
pub(super) fn quantise_parameters(op: &dyn TypedOp) -> Option<(f32, u8)> {
    let any: &dyn Op = op;
    let mini = &any.downcast_ref::<tract_onnx::tract_core::ops::element_wise::ElementWiseOp>()?.0;
    mini.downcast_ref::<Quantise>().map(|q| (q.scale, q.zp))
}

element_wise_oop!(dequantise_op, Dequantise { scale: f32, zp: u8 },
    [u8] => f32 |op, xs, ys| {
        for (x, y) in xs.iter().zip(ys.iter_mut()) {
            *y = (i32::from(*x) - i32::from(op.zp)) as f32 * op.scale;
        }
        Ok(())
    }
);
