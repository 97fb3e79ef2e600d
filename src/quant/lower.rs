//! ONNX nodes → typed operators: the builders registered in tract, and the loader that uses them.
//!
//! Terms. *Builder*: tract's function from a node's protobuf to an operator. *Wire*: the step after shape inference
//! where the operator sees its constants. The builders are in [`super::side`], [`super::resolve`], [`super::quantise`] and
//! [`super::qlinear_conv`], those of operators that stay tract's in [`super::stock`]; any other node is refused.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::onnx_file::{INITIALISER_OP, OnnxFile, SideTensor};
use super::qlinear_conv::qlinear_conv;
use super::quantise::{dequantize_linear, quantize_linear};
use super::resolve::{cast, conv};
use super::side::{self, SideSource};
use super::stock;

pub(super) type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

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
    let graph = proto.graph.as_ref().context("the file holds no graph")?;
    stock::outputs_made(graph)?;
    stock::elements_known(graph)?;
    stock::known(&onnx, graph)?;
    LOADING.set(file.large.clone());
    let loaded = onnx.model_for_proto_model(&proto).and_then(|model| typed(model, open_batch));
    LOADING.take();
    let mut loaded = loaded?;
    side::materialise_the_rest(&mut loaded.model)?;
    Ok(loaded)
}

fn typed(mut model: InferenceModel, open_batch: bool) -> TractResult<Loaded> {
    let fact = model.input_fact(0)?.clone();
    let mut shape: TVec<TDim> = fact.shape.concretize().context("an input of a known shape")?;
    let datum_type = fact.datum_type.concretize().context("an input of a known type")?;
    ensure!(shape.len() == 4, "an input of batch, channels, height and width expected, found {shape:?}");
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

/// tract's ONNX front end with the builders of this room and no other.
fn framework() -> tract_onnx::Onnx {
    let mut onnx = tract_onnx::Onnx::default();
    stock::register(&mut onnx);
    onnx.op_register.insert(INITIALISER_OP, initialiser);
    onnx.op_register.insert("QLinearConv", qlinear_conv);
    onnx.op_register.insert("QuantizeLinear", quantize_linear);
    onnx.op_register.insert("DequantizeLinear", dequantize_linear);
    onnx.op_register.insert("Cast", cast);
    onnx.op_register.insert("Conv", conv);
    onnx
}

fn initialiser(_: &ParsingContext, node: &NodeProto) -> Built {
    let tensor = LOADING.with_borrow(|large| large.get(&node.output[0]).cloned());
    Ok((expand(SideSource(tensor.context("initialiser without data")?)), vec![]))
}

/// `Expansion::rules`, whose head is longer than what most operators have to say: solver, inputs, outputs.
macro_rules! rules {
    ($this:ident, $solver:ident, $inputs:ident, $outputs:ident => $body:block) => {
        fn rules<'r, 'p: 'r, 's: 'r>(
            &'s $this,
            $solver: &mut Solver<'r>,
            $inputs: &'p [TensorProxy],
            $outputs: &'p [TensorProxy],
        ) -> InferenceResult $body
    };
}
pub(super) use rules;

/// The values of an input that must be constant.
pub(super) fn constant<T: Datum>(model: &TypedModel, outlet: OutletId, what: &str) -> TractResult<Vec<T>> {
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

/// The one value of an input that must be constant.
pub(super) fn scalar<T: Datum + Copy>(model: &TypedModel, outlet: OutletId, what: &str) -> TractResult<T> {
    match constant::<T>(model, outlet, what)?[..] {
        [value] => Ok(value),
        ref values => bail!("{what} must be one value, found {}", values.len()),
    }
}
