//! 2×2 max pools of the f32 network: tract's own takes ten times as long, since it allows for every window and stride.

use tract_onnx::tract_core::ops::cnn::{MaxPool, PaddingSpec};
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_hir::internal::*;

/// The largest of each 2×2, planar f32; a last odd row or column is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halve;

/// Replaces the pools of `model` that [`Halve`] covers.
pub fn replace(model: &mut TypedModel) -> TractResult<()> {
    for id in model.eval_order()? {
        let node = model.node(id);
        if !is_pool_2x2(model, id) || node.outputs[0].fact.datum_type != f32::datum_type() {
            continue;
        }
        let input = node.inputs[0];
        let patch = TypedModelPatch::replace_single_op(model, node, &[input], Halve)?;
        patch.apply(model)?;
    }
    Ok(())
}

/// Whether a node is a 2×2 max pool in steps of two without padding, on planar pictures.
pub fn is_pool_2x2(model: &TypedModel, id: usize) -> bool {
    let Some(pool) = model.node(id).op_as::<MaxPool>() else { return false };
    let spec = &pool.pool_spec;
    let none = |pads: &[usize]| pads.iter().all(|&p| p == 0);
    let unpadded = match &spec.padding {
        PaddingSpec::Valid => true,
        PaddingSpec::Explicit(before, after) => none(before) && none(after),
        PaddingSpec::ExplicitOnnxPool(before, after, ceil) => !ceil && none(before) && none(after),
        _ => false,
    };
    let sides = model.node(id).outputs[0].fact.shape.iter().skip(2);
    pool.with_index_outputs.is_none()
        && spec.data_format == DataFormat::NCHW
        && sides.map(|side| side.to_i64()).all(|side| side.is_ok_and(|side| side > 0))
        && spec.kernel_shape[..] == [2, 2]
        && spec.strides().as_ref() == [2, 2]
        && spec.dilations().as_ref() == [1, 1]
        && unpadded
}

impl Op for Halve {
    fn name(&self) -> StaticName {
        "MaxPool2x2".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Halve {
    not_out_of_plan!();
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        let &[n, c, h, w] = x.shape() else { bail!("rank 4 expected, found {:?}", x.shape()) };
        // SAFETY: every element is written below.
        let mut y = unsafe { Tensor::uninitialized::<f32>(&[n, c, h / 2, w / 2])? };
        let (from, mut to) = (x.try_as_plain_ram()?, y.try_as_plain_ram_mut()?);
        let planes = from.as_slice::<f32>()?.chunks_exact(h * w);
        for (plane, out) in planes.zip(to.as_slice_mut::<f32>()?.chunks_exact_mut(h / 2 * (w / 2))) {
            for (rows, out) in plane.chunks_exact(2 * w).zip(out.chunks_exact_mut(w / 2)) {
                let (upper, lower) = rows.split_at(w);
                let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                for (out, (a, b)) in out.iter_mut().zip(pairs) {
                    *out = most(most(a[0], a[1]), most(b[0], b[1]));
                }
            }
        }
        Ok(tvec!(y.into_tvalue()))
    }
}

/// A comparison, which is one instruction; `f32::max` cares for NaN.
fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

impl TypedOp for Halve {
    fn output_facts(&self, i: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let x = &i[0].shape;
        ensure!(x.rank() == 4, "rank 4 expected");
        let half = |side: &TDim| side.to_usize().map(|side| (side / 2).to_dim());
        Ok(tvec!(f32::fact(&[x[0].clone(), x[1].clone(), half(&x[2])?, half(&x[3])?])))
    }
    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_each_four_and_no_odd_edge() {
        let x: Vec<f32> = vec![1., 2., 9., 4., -1., 8., 5., 6., 7., 7., 7., 7., 7., 7., 7.];
        let x = Tensor::from_shape(&[1, 1, 3, 5], &x).unwrap();
        let y = Halve.eval(&EvalContext::out_of_plan(), tvec!(x.into_tvalue())).unwrap();
        assert_eq!(y[0].shape(), [1, 1, 1, 2]);
        assert_eq!(y[0].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap(), [8., 9.]);
    }
}
