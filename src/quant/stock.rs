//! tract's own operators, as far as a network of the card's family has them: each made from its ONNX node.
//!
//! tract's register knows some two hundred operators, and a program that names the register carries the code of all of them.
//! A node that is neither here nor one of this room's is refused by [`known`], with its name.

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::activations::Clip;
use tract_onnx::tract_hir::ops::array::Flatten;
use tract_onnx::tract_hir::ops::cnn::{Conv, HirMaxPool, PaddingSpec, PoolSpec};
use tract_onnx::tract_hir::ops::nn::DataFormat;

use super::lower::{Built, rules};
use super::onnx_file::INITIALISER_OP;

/// Adds what is made here and read by nobody else of this room.
pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert("Flatten", flatten);
    onnx.op_register.insert("MaxPool", max_pool);
    onnx.op_register.insert("Relu", relu);
}

/// # Errors
/// An output of the graph that nothing in it makes, for which tract would panic.
pub(super) fn outputs_made(graph: &GraphProto) -> TractResult<()> {
    let made = |name: &String| {
        graph.node.iter().any(|n| n.output.contains(name))
            || graph.input.iter().any(|i| i.name == *name)
            || graph.initializer.iter().any(|i| i.name == *name)
    };
    match graph.output.iter().find(|o| !made(&o.name)) {
        Some(o) => bail!("the graph's output {:?} is made by no node: the file is damaged", o.name),
        None => Ok(()),
    }
}

/// What the engine's operators compute with, and shapes are written in.
const ELEMENTS: [DataType; 7] = [
    DataType::Float,
    DataType::Float16,
    DataType::Double,
    DataType::Int8,
    DataType::Uint8,
    DataType::Int32,
    DataType::Int64,
];

/// # Errors
/// An initialiser of elements that nothing here computes with, at some of which tract would panic.
pub(super) fn elements_known(graph: &GraphProto) -> TractResult<()> {
    let strange = |t: &&TensorProto| !ELEMENTS.iter().any(|e| *e as i32 == t.data_type);
    match graph.initializer.iter().find(strange) {
        Some(t) => bail!(
            "initialiser {:?} has elements of type {}; expected one of {ELEMENTS:?}",
            t.name,
            t.data_type
        ),
        None => Ok(()),
    }
}

/// # Errors
/// A node whose operator `onnx` has no builder for.
pub(super) fn known(onnx: &Onnx, graph: &GraphProto) -> TractResult<()> {
    let register = &onnx.op_register.0;
    let Some(stranger) = graph.node.iter().find(|n| !register.contains_key(&n.op_type)) else {
        return Ok(());
    };
    let mut names: Vec<&str> = register.keys().map(String::as_str).filter(|n| *n != INITIALISER_OP).collect();
    names.sort_unstable();
    let (name, op) = (name_of(stranger), &stranger.op_type);
    bail!("node {name:?} is a {op}; moodlight runs {}: export the network with these", names.join(", "))
}

/// A node's name, or that of what it makes.
fn name_of(node: &NodeProto) -> &str {
    let made = node.output.first().map_or("?", String::as_str);
    if node.name.is_empty() { made } else { &node.name }
}

fn flatten(_: &ParsingContext, node: &NodeProto) -> Built {
    Ok((expand(Flatten::new(node.get_attr_opt("axis")?.unwrap_or(1))), vec![]))
}

fn relu(_: &ParsingContext, _: &NodeProto) -> Built {
    Ok((expand(Clip::new(Some(0.0), None)), vec![]))
}

fn max_pool(_: &ParsingContext, node: &NodeProto) -> Built {
    ensure!(node.output.len() == 1, "a MaxPool's second output is not supported");
    let ceil = node.get_attr_opt::<i64>("ceil_mode")?.unwrap_or(0) == 1;
    let kernel = sides(node, "kernel_shape")?.context("a MaxPool without kernel_shape")?;
    let padding = padding(node, |before, after| PaddingSpec::ExplicitOnnxPool(before, after, ceil))?;
    let (dilations, strides) = (sides(node, "dilations")?, sides(node, "strides")?);
    let spec = PoolSpec::new(DataFormat::NCHW, kernel, padding, dilations, strides, 0, 0);
    Ok((expand(HirMaxPool::new(spec, None)), vec![]))
}

/// A float convolution; its weights may still be in the file.
pub(super) fn conv(node: &NodeProto) -> TractResult<Box<dyn Expansion>> {
    let kernel_shape = sides(node, "kernel_shape")?;
    ensure!(kernel_shape.is_some(), "a Conv without kernel_shape is not supported");
    Ok(Box::new(Conv {
        kernel_shape,
        padding: padding(node, PaddingSpec::Explicit)?,
        group: node.get_attr_opt("group")?,
        dilations: sides(node, "dilations")?,
        strides: sides(node, "strides")?,
        bias_input: (node.input.len() == 3).then_some(2),
        ..Conv::default()
    }))
}

/// A picture has so many sides; tract takes a list of another length and looks beyond its end.
const SIDES: usize = 2;
/// No kernel, stride, dilation or padding of a picture comes near; larger ones would only overflow.
pub(super) const LARGEST: usize = 1 << 12;

/// A number above 0 for height and for width, where the node has it.
fn sides(node: &NodeProto, key: &str) -> TractResult<Option<TVec<usize>>> {
    let found = node.get_attr_opt_tvec::<usize>(key)?;
    if let Some(list) = &found {
        let sane = list.len() == SIDES && list.iter().all(|n| (1..LARGEST).contains(n));
        ensure!(sane, "{key} {list:?}: expected two numbers from 1 to {}, for height and width", LARGEST - 1);
    }
    Ok(found)
}

/// `pads`, all before and then all after, or what `auto_pad` asks for.
fn padding(
    node: &NodeProto,
    explicit: impl Fn(TVec<usize>, TVec<usize>) -> PaddingSpec,
) -> TractResult<PaddingSpec> {
    if let Some(pads) = node.get_attr_opt_tvec::<usize>("pads")? {
        let sane = pads.len() == 2 * SIDES && pads.iter().all(|&n| n < LARGEST);
        ensure!(sane, "pads {pads:?}: expected four numbers below {LARGEST}");
        let (before, after) = pads.split_at(SIDES);
        return Ok(explicit(before.into(), after.into()));
    }
    match node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET") {
        "NOTSET" => Ok(explicit(tvec!(0; SIDES), tvec!(0; SIDES))),
        "VALID" => Ok(PaddingSpec::Valid),
        "SAME_UPPER" => Ok(PaddingSpec::SameUpper),
        "SAME_LOWER" => Ok(PaddingSpec::SameLower),
        other => bail!("auto_pad {other:?} is not known"),
    }
}

/// A change of type; f16 weights are read through one.
pub(super) fn cast(node: &NodeProto) -> TractResult<Box<dyn Expansion>> {
    let to = node.get_attr::<DatumType>("to")?;
    ensure!(to.is_float(), "a Cast to {to:?}; only to floats is supported");
    Ok(Box::new(Cast(to)))
}

#[derive(Debug, Clone)]
struct Cast(DatumType);

impl Expansion for Cast {
    fn name(&self) -> StaticName {
        "Cast".into()
    }
    rules!(self, s, i, o => {
        check_input_arity(i, 1)?;
        check_output_arity(o, 1)?;
        s.equals(&o[0].datum_type, self.0)?;
        s.equals(&o[0].shape, &i[0].shape)
    });
    fn wire(&self, prefix: &str, model: &mut TypedModel, i: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, tract_onnx::tract_core::ops::cast::cast(self.0), &i[..1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_named_with_what_is_known() {
        let mut onnx = Onnx::default();
        register(&mut onnx);
        let node =
            |name: &str, op: &str| NodeProto { name: name.into(), op_type: op.into(), ..Default::default() };
        let graph = |nodes| GraphProto { node: nodes, ..Default::default() };
        assert!(known(&onnx, &graph(vec![node("a", "Relu")])).is_ok());
        let error = known(&onnx, &graph(vec![node("a", "Relu"), node("drop", "LSTM")])).expect_err("unknown");
        for word in ["\"drop\"", "LSTM", "Flatten, MaxPool, Relu"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
