//! `QLinearConv`: from a node's attributes and constants to a checked [`ConvSpec`], and the operator that runs the reference
//! until [`super::fuse`] finds something faster.

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::conv::{ConvSpec, Geometry, Weights};
use super::lower::{Built, constant, rules, scalar};
use super::onnx_file::Element;
use super::side::side_const;
use super::stock::LARGEST;

pub(super) fn qlinear_conv(_: &ParsingContext, node: &NodeProto) -> Built {
    let list = |key: &str, default: &[usize]| -> TractResult<Vec<usize>> {
        Ok(node.get_attr_opt_vec::<usize>(key)?.unwrap_or(default.to_vec()))
    };
    let pads = list("pads", &[0; 4])?;
    let (strides, dilations) = (list("strides", &[1, 1])?, list("dilations", &[1, 1])?);
    let auto_pad = node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET");
    ensure!(auto_pad == "NOTSET", "auto_pad {auto_pad} is not supported: write the pads out");
    ensure!(node.input.len() >= 8, "expected at least 8 inputs, found {}", node.input.len());
    let pair = |what: &str, v: Vec<usize>| -> TractResult<[usize; 2]> {
        v.try_into().map_err(|v| format_err!("{what} {v:?}: only 2-D convolutions are supported"))
    };
    let hir = QConvHir {
        pads: pads.try_into().map_err(|v| format_err!("pads {v:?}: only 2-D convolutions are supported"))?,
        strides: pair("strides", strides)?,
        dilations: pair("dilations", dilations)?,
        groups: node.get_attr_opt::<usize>("group")?.unwrap_or(1),
    };
    ensure!(
        !hir.strides.contains(&0) && !hir.dilations.contains(&0),
        "strides and dilations must be above 0"
    );
    let largest = hir.pads.iter().chain(&hir.strides).chain(&hir.dilations).max().unwrap_or(&0);
    ensure!(*largest < LARGEST, "pads, strides and dilations must be below {LARGEST}, found {largest}");
    Ok((expand(hir), vec![]))
}

/// A `QLinearConv` before its constants are known.
#[derive(Debug, Clone)]
struct QConvHir {
    pads: [usize; 4],
    strides: [usize; 2],
    dilations: [usize; 2],
    groups: usize,
}

impl QConvHir {
    fn geometry(&self, weights: &[usize]) -> TractResult<Geometry> {
        let &[out_channels, group_in, kh, kw] = weights else {
            bail!("weights {weights:?}: expected rank 4")
        };
        ensure!(kh > 0 && kw > 0, "weights {weights:?}: empty kernel");
        let channels = group_in.checked_mul(self.groups);
        Ok(Geometry {
            out_channels,
            in_channels: channels
                .with_context(|| format!("{} groups of {group_in} channels", self.groups))?,
            kernel: [kh, kw],
            pads: self.pads,
            strides: self.strides,
            dilations: self.dilations,
            groups: self.groups,
        })
    }
}

impl Expansion for QConvHir {
    fn name(&self) -> StaticName {
        "QLinearConv".into()
    }

    // inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, [bias]
    rules!(self, s, i, o => {
        check_output_arity(o, 1)?;
        s.equals(&i[0].datum_type, &i[2].datum_type)?;
        s.equals(&o[0].datum_type, &i[7].datum_type)?;
        s.given_2(&i[0].shape, &i[3].shape, move |s, x, w| {
            ensure!(x.len() == 4 && w.len() == 4, "only 2-D convolutions are supported");
            let w = w.iter().map(|d| d.to_usize()).collect::<Result<Vec<_>, _>>()?;
            let side = |ix: usize| x[ix].to_usize().context("height and width must be numbers");
            let g = self.geometry(&w)?;
            ensure!(
                x[1] == g.in_channels.to_dim(),
                "the input has {} channels, the weights expect {}",
                x[1],
                g.in_channels
            );
            let [h, w] =
                g.output([side(2)?, side(3)?]).context("the kernel is larger than the padded input")?;
            s.equals(&o[0].shape, tvec![x[0].clone(), g.out_channels.to_dim(), h.to_dim(), w.to_dim()])
        })
    });

    fn wire(&self, prefix: &str, model: &mut TypedModel, i: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let spec = self.spec(prefix, model, i).with_context(|| format!("node \"{prefix}\" (QLinearConv)"))?;
        model.wire_node(prefix, QConv { spec: Arc::new(spec) }, &i[..1])
    }
}

impl QConvHir {
    fn spec(&self, name: &str, model: &TypedModel, i: &[OutletId]) -> TractResult<ConvSpec> {
        let fact = model.outlet_fact(i[3])?;
        let shape = fact.shape.as_concrete().context("weights of a fixed shape expected")?;
        let geometry = self.geometry(shape)?;
        let weights = match side_const(model, i[3]) {
            Some(side) if side.tensor.element == Element::I8 => Weights::Mapped(Arc::clone(&side.tensor)),
            Some(side) => bail!("weights must be i8, found {:?}", side.tensor.element),
            None => Weights::Owned(constant::<i8>(model, i[3], "weights")?.into()),
        };
        if i.get(5).is_some() {
            let zero = model.outlet_fact(i[5])?.konst.clone().context("w_zero_point must be constant")?;
            ensure!(zero.is_all_zero()?, "weights with a zero point other than 0 are not supported");
        }
        let (x_scale, w_scale) =
            (scalar::<f32>(model, i[1], "x_scale")?, constant::<f32>(model, i[4], "w_scale")?);
        let y_scale = scalar::<f32>(model, i[6], "y_scale")?;
        for (what, scale) in [("x_scale", x_scale), ("y_scale", y_scale)] {
            ensure!(
                scale.is_finite() && scale > 0.0,
                "{what} must be a finite number above 0, found {scale}"
            );
        }
        let channels = geometry.out_channels;
        ensure!(
            w_scale.len() == 1 || w_scale.len() == channels,
            "w_scale must have 1 or {channels} values, found {}",
            w_scale.len()
        );
        let bias = match i.get(8) {
            Some(outlet) => constant::<i32>(model, *outlet, "bias")?,
            None => vec![0; channels],
        };
        let spec = ConvSpec {
            name: name.to_string(),
            geometry,
            weights,
            bias,
            multipliers: (0..channels).map(|c| x_scale * w_scale[c % w_scale.len()] / y_scale).collect(),
            x_zp: scalar::<u8>(model, i[2], "x_zero_point")?,
            y_zp: scalar::<u8>(model, i[7], "y_zero_point")?,
        };
        spec.validate().map_err(|e| format_err!("{e}"))?;
        Ok(spec)
    }
}

/// A `QLinearConv` with its constants, planar u8 in and out. Runs the reference until it is lowered.
#[derive(Debug, Clone)]
pub struct QConv {
    pub spec: Arc<ConvSpec>, // behind an Arc: tract clones operators with every patch
}

impl PartialEq for QConv {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spec, &other.spec)
    }
}
impl Eq for QConv {}

impl QConv {
    fn out_shape(&self, x: &[usize]) -> TractResult<[usize; 4]> {
        let &[n, _, h, w] = x else { bail!("rank 4 expected, found {x:?}") };
        let [h, w] =
            self.spec.geometry.output([h, w]).context("the kernel is larger than the padded input")?;
        Ok([n, self.spec.geometry.out_channels, h, w])
    }
}

impl Op for QConv {
    fn name(&self) -> StaticName {
        "QConv".into()
    }
    op_as_typed_op!();
}

impl EvalOp for QConv {
    not_out_of_plan!();
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        let shape = self.out_shape(x.shape())?;
        let (picture, input) = (x.shape()[1..].iter().product::<usize>(), [x.shape()[2], x.shape()[3]]);
        let mut y = Tensor::zero::<u8>(&shape)?;
        let (from, mut to) = (x.try_as_plain_ram()?, y.try_as_plain_ram_mut()?);
        let outputs = to.as_slice_mut::<u8>()?.chunks_exact_mut(shape[1..].iter().product());
        let mut acc = Vec::new();
        for (x, y) in from.as_slice::<u8>()?.chunks_exact(picture).zip(outputs) {
            super::conv::reference(&self.spec, x, input, y, &mut acc);
        }
        Ok(tvec!(y.into_tvalue()))
    }
}

impl TypedOp for QConv {
    fn output_facts(&self, i: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let x = &i[0].shape;
        ensure!(x.rank() == 4, "rank 4 expected");
        let [_, c, h, w] = self.out_shape(&[1, 1, x[2].to_usize()?, x[3].to_usize()?])?;
        Ok(tvec!(u8::fact(&[x[0].clone(), c.to_dim(), h.to_dim(), w.to_dim()])))
    }
    as_op!();
}
