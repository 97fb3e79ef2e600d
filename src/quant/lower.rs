//! ONNX nodes → typed operators: the builders registered in tract, and the loader that uses them.
//!
//! Terms. *Builder*: tract's function from a node's protobuf to an operator. *Wire*: the step after shape inference
//! where the operator sees its constants. Anything that these builders don't know stays tract's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::conv::{ConvSpec, Geometry, Weights, quantise};
use super::dense_f16::DenseF16;
use super::onnx_file::{Element, INITIALISER_OP, OnnxFile, SideTensor};

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

thread_local! {
    /// The large initialisers of the file being loaded: tract's builders are plain functions and get no argument of
    /// ours.
    static LOADING: RefCell<HashMap<String, Arc<SideTensor>>> = RefCell::default();
}

/// A graph with this room's operators, not yet decluttered.
pub struct Loaded {
    pub model: TypedModel,
    /// The first input as the file declares it.
    pub input: TypedFact,
    /// Set when the batch was opened: what stands for it in `model`.
    pub batch: Option<Symbol>,
}

/// Loads the graph of `file`. The batch is the file's, or open.
pub fn typed_model(file: &OnnxFile, open_batch: bool) -> TractResult<Loaded> {
    let onnx = framework();
    let proto = onnx.proto_model_for_read(&mut &file.reduced[..])?;
    LOADING.set(file.large.clone());
    let loaded = onnx.model_for_proto_model(&proto).and_then(|model| typed(model, open_batch));
    LOADING.take();
    let mut loaded = loaded?;
    materialise_the_rest(&mut loaded.model)?;
    Ok(loaded)
}

fn typed(mut model: InferenceModel, open_batch: bool) -> TractResult<Loaded> {
    let fact = model.input_fact(0)?.clone();
    let mut shape: TVec<TDim> = fact.shape.concretize().context("an input of a known shape")?;
    let datum_type = fact.datum_type.concretize().context("an input of a known type")?;
    let input = datum_type.fact(&shape);
    let mut batch = None;
    if open_batch {
        let symbol = model.symbols.sym("N");
        *shape.first_mut().context("an input with a batch")? = symbol.to_dim();
        model.set_input_fact(0, InferenceFact::dt_shape(datum_type, shape))?;
        let outputs = model.output_outlets()?.to_vec();
        for outlet in outputs {
            model.set_outlet_fact(outlet, InferenceFact::default())?;
        }
        batch = Some(symbol);
    }
    Ok(Loaded { model: model.into_typed()?, input, batch })
}

/// tract's ONNX front end with this room's builders in place of the stock ones.
fn framework() -> tract_onnx::Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(INITIALISER_OP, initialiser);
    onnx.op_register.insert("QLinearConv", qlinear_conv);
    onnx.op_register.insert("QuantizeLinear", quantize_linear);
    onnx.op_register.insert("DequantizeLinear", dequantize_linear);
    onnx.op_register.insert("Cast", cast);
    onnx.op_register.insert("Conv", conv);
    onnx.op_register.insert("Gemm", gemm);
    onnx.op_register.insert("MatMul", matmul);
    onnx
}

fn stock(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let stock = tract_onnx::onnx();
    let build =
        stock.op_register.0.get(&node.op_type).with_context(|| format!("{} is unknown", node.op_type))?;
    build(ctx, node)
}

// ---------------------------------------------------------------------------------------------- large initialisers

fn initialiser(_: &ParsingContext, node: &NodeProto) -> Built {
    let tensor = LOADING.with_borrow(|large| large.get(&node.output[0]).cloned());
    Ok((expand(SideSource(tensor.context("initialiser without data")?)), vec![]))
}

/// A large initialiser during shape inference.
#[derive(Debug, Clone)]
struct SideSource(Arc<SideTensor>);

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
    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        _: &'p [TensorProxy],
        o: &'p [TensorProxy],
    ) -> InferenceResult {
        s.equals(&o[0].datum_type, datum_type(self.0.element))?;
        let shape: TVec<TDim> = self.0.dims.iter().map(|d| d.to_dim()).collect();
        s.equals(&o[0].shape, shape)
    }
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

fn side_const(model: &TypedModel, outlet: OutletId) -> Option<&SideConst> {
    model.node(outlet.node).op_as::<SideConst>()
}

/// Large initialisers that no operator of ours took become ordinary constants.
fn materialise_the_rest(model: &mut TypedModel) -> TractResult<()> {
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

// ------------------------------------------------------------------------------- stock operators with large inputs

fn cast(ctx: &ParsingContext, node: &NodeProto) -> Built {
    resolving(ctx, node, Resolve::Cast)
}
fn conv(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let list = |key: &str| node.get_attr_opt_vec::<usize>(key).map(|v| v.unwrap_or_default());
    let plain = list("pads")?.iter().all(|&p| p == 0)
        && list("dilations")?.iter().all(|&d| d == 1)
        && node.get_attr_opt::<usize>("group")?.unwrap_or(1) == 1
        && ["NOTSET", "VALID"].contains(&node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET"));
    resolving(ctx, node, if plain { Resolve::Dense } else { Resolve::Operands })
}
fn gemm(ctx: &ParsingContext, node: &NodeProto) -> Built {
    resolving(ctx, node, Resolve::Operands)
}
fn matmul(ctx: &ParsingContext, node: &NodeProto) -> Built {
    resolving(ctx, node, Resolve::Operands)
}

fn resolving(ctx: &ParsingContext, node: &NodeProto, how: Resolve) -> Built {
    let (op, closures) = stock(ctx, node)?;
    let any: &dyn Op = &*op;
    match any.downcast_ref::<Box<dyn Expansion>>().cloned() {
        Some(inner) => Ok((expand(Resolving { inner, how }), closures)),
        None => Ok((op, closures)),
    }
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
    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        i: &'p [TensorProxy],
        o: &'p [TensorProxy],
    ) -> InferenceResult {
        self.inner.rules(s, i, o)
    }
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

// ------------------------------------------------------------------------------------------------------ QLinearConv

fn qlinear_conv(_: &ParsingContext, node: &NodeProto) -> Built {
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
        Ok(Geometry {
            out_channels,
            in_channels: group_in * self.groups,
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
    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        i: &'p [TensorProxy],
        o: &'p [TensorProxy],
    ) -> InferenceResult {
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
    }

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

fn constant<T: Datum>(model: &TypedModel, outlet: OutletId, what: &str) -> TractResult<Vec<T>> {
    let tensor =
        model.outlet_fact(outlet)?.konst.clone().with_context(|| format!("{what} must be constant"))?;
    ensure!(
        tensor.datum_type() == T::datum_type(),
        "{what} must be {:?}, found {:?}",
        T::datum_type(),
        tensor.datum_type()
    );
    Ok(tensor.try_as_plain_ram()?.as_slice::<T>()?.to_vec())
}

fn scalar<T: Datum + Copy>(model: &TypedModel, outlet: OutletId, what: &str) -> TractResult<T> {
    match constant::<T>(model, outlet, what)?[..] {
        [value] => Ok(value),
        ref values => bail!("{what} must be one value, found {}", values.len()),
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

// -------------------------------------------------------------------------------- QuantizeLinear, DequantizeLinear

fn quantize_linear(_: &ParsingContext, node: &NodeProto) -> Built {
    ensure!(node.input.len() >= 2, "expected at least 2 inputs");
    Ok((expand(QuantHir), vec![]))
}

#[derive(Debug, Clone)]
struct QuantHir;

impl Expansion for QuantHir {
    fn name(&self) -> StaticName {
        "QuantizeLinear".into()
    }
    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        i: &'p [TensorProxy],
        o: &'p [TensorProxy],
    ) -> InferenceResult {
        s.equals(&i[0].datum_type, f32::datum_type())?;
        s.equals(&o[0].datum_type, u8::datum_type())?;
        s.equals(&o[0].shape, &i[0].shape)
    }
    fn wire(&self, prefix: &str, model: &mut TypedModel, i: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let (scale, zp) =
            scale_and_zero(model, i).with_context(|| format!("node \"{prefix}\" (QuantizeLinear)"))?;
        model.wire_node(prefix, quantise_op(scale, zp), &i[..1])
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

fn dequantize_linear(_: &ParsingContext, node: &NodeProto) -> Built {
    ensure!(node.input.len() >= 2, "expected at least 2 inputs");
    Ok((expand(DequantHir), vec![]))
}

#[derive(Debug, Clone)]
struct DequantHir;

impl Expansion for DequantHir {
    fn name(&self) -> StaticName {
        "DequantizeLinear".into()
    }
    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        i: &'p [TensorProxy],
        o: &'p [TensorProxy],
    ) -> InferenceResult {
        s.equals(&i[0].datum_type, u8::datum_type())?;
        s.equals(&o[0].datum_type, f32::datum_type())?;
        s.equals(&o[0].shape, &i[0].shape)
    }
    fn wire(&self, prefix: &str, model: &mut TypedModel, i: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let (scale, zp) =
            scale_and_zero(model, i).with_context(|| format!("node \"{prefix}\" (DequantizeLinear)"))?;
        model.wire_node(prefix, dequantise_op(scale, zp), &i[..1])
    }
}

element_wise_oop!(dequantise_op, Dequantise { scale: f32, zp: u8 },
    [u8] => f32 |op, xs, ys| {
        for (x, y) in xs.iter().zip(ys.iter_mut()) {
            *y = (i32::from(*x) - i32::from(op.zp)) as f32 * op.scale;
        }
        Ok(())
    }
);
