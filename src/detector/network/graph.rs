//! The ONNX file of BlazeFace → layers, by reading its nodes in order.
//!
//! tract parses the file; this reads the parsed nodes as a story: every tensor name stands for a [`Value`], a Conv
//! turns one value into another, and a ReLU closes a block. A node that does not fit is refused with its name, so a
//! file that is not BlazeFace-back can never yield wrong faces.

use super::chain::{Block, Stem};
use super::kernel::{GROUP, Pointwise, Residual, STEM_SIDE, TAPS};
use std::collections::HashMap;
use std::path::Path;
use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tensor::load_tensor;
use tract_onnx::tract_hir::internal::*;

/// One layer and the number of the map that it reads: 0 is the picture, `n` the output of layer `n − 1`.
#[derive(Debug)]
pub struct Layer {
    pub input: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Stem(Stem),
    Block(Block),
    /// One of the file's outputs.
    Head(Pointwise),
}

/// What a tensor of the file stands for.
#[derive(Debug, Clone)]
enum Value {
    /// A finished map.
    Map(usize),
    StemSum(Stem),
    /// Depthwise convolution of a map, not yet pointwise.
    Depthwise(Half),
    /// Depthwise, then pointwise, not yet added to anything.
    Sum(Half, Pointwise),
    Pooled(usize),
    Added(Half, Pointwise, Residual),
    /// Zeros that pad channels.
    Zeros,
    Head,
}

/// The first half of a block.
#[derive(Debug, Clone)]
struct Half {
    map: usize,
    stride: usize,
    weights: Vec<f32>,
}

/// Reads the file at `path`. The layers come in order, each after the one it reads.
pub fn read(path: &Path) -> TractResult<Vec<Layer>> {
    let proto = tract_onnx::Onnx::default().proto_model_for_path(path)?;
    let graph = proto.graph.as_ref().context("the file holds no graph")?;
    let mut reader = Reader::new(graph)?;
    for node in &graph.node {
        let value = reader.node(node).with_context(|| {
            let name = node.output.first().map_or("?", String::as_str);
            format!("expected BlazeFace-back, but {} node {name:?} does not fit it", node.op_type)
        })?;
        for name in &node.output {
            reader.values.insert(name, value.clone());
        }
    }
    Ok(reader.layers)
}

struct Reader<'a> {
    constants: HashMap<&'a str, Tensor>,
    values: HashMap<&'a str, Value>,
    layers: Vec<Layer>,
}

impl<'a> Reader<'a> {
    fn new(graph: &'a GraphProto) -> TractResult<Self> {
        let files = tract_onnx::data_resolver::default();
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            constants.insert(tensor.name.as_str(), load_tensor(&*files, tensor, None)?);
        }
        let pictures = graph.input.iter().filter(|i| !constants.contains_key(i.name.as_str()));
        let values = pictures.map(|i| (i.name.as_str(), Value::Map(0))).collect();
        Ok(Self { constants, values, layers: Vec::new() })
    }

    fn node(&mut self, node: &NodeProto) -> TractResult<Value> {
        match node.op_type.as_str() {
            // Layout only: maps are channel-last throughout, and a head's rows are already in the output's order.
            "Transpose" | "Reshape" => self.value(node, 0),
            "ConstantOfShape" => Ok(Value::Zeros),
            "Conv" => self.conv(node),
            "MaxPool" => self.pool(node),
            "Concat" => self.concat(node),
            "Add" => self.add(node),
            "Relu" => self.relu(node),
            other => bail!("no {other} is expected"),
        }
    }

    fn value(&self, node: &NodeProto, i: usize) -> TractResult<Value> {
        let name = node.input.get(i).with_context(|| format!("input {i} is missing"))?;
        self.values.get(name.as_str()).cloned().with_context(|| format!("input {name:?} comes from nowhere"))
    }

    fn weights(&self, node: &NodeProto, i: usize) -> TractResult<Option<(&[usize], &[f32])>> {
        let Some(name) = node.input.get(i) else { return Ok(None) };
        let tensor = self.constants.get(name.as_str()).with_context(|| format!("{name:?} is no constant"))?;
        Ok(Some((tensor.shape(), tensor.try_as_plain_ram()?.as_slice::<f32>()?)))
    }

    fn conv(&mut self, node: &NodeProto) -> TractResult<Value> {
        let (shape, weights) = self.weights(node, 1)?.context("a convolution has weights")?;
        let bias = self.weights(node, 2)?.map(|(_, b)| b);
        let geometry = Geometry::of(node)?;
        match (self.value(node, 0)?, shape, geometry.group) {
            (Value::Map(0), &[GROUP, 3, STEM_SIDE, STEM_SIDE], 1) => {
                ensure!(geometry.stride == [2, 2] && geometry.pads == [1, 1, 2, 2], "{geometry:?}");
                Ok(Value::StemSum(stem(weights, sized(bias, GROUP)?)))
            }
            (Value::Map(map), &[channels, 1, 3, 3], group) if map > 0 && group == channels => {
                let stride = geometry.depthwise_stride()?;
                ensure!(self.channels(map) == Some(channels), "{channels} channels of another map");
                ensure!(bias.is_none(), "a depthwise convolution with a bias");
                ensure!(channels.is_multiple_of(GROUP), "{channels} channels");
                Ok(Value::Depthwise(Half { map, stride, weights: taps_first(weights, channels) }))
            }
            (Value::Depthwise(half), &[outputs, inputs, 1, 1], 1) => {
                ensure!(geometry.is_plain() && inputs * TAPS == half.weights.len(), "{geometry:?}");
                ensure!(outputs.is_multiple_of(GROUP), "{outputs} channels");
                Ok(Value::Sum(half, Pointwise::pack(inputs, weights, sized(bias, outputs)?)))
            }
            (Value::Map(map), &[outputs, inputs, 1, 1], 1) if map > 0 => {
                ensure!(geometry.is_plain() && self.channels(map) == Some(inputs), "{geometry:?}");
                let bias = sized(bias, outputs)?;
                Ok(self.push(map, Kind::Head(Pointwise::pack(inputs, weights, bias)), |_| Value::Head))
            }
            (from, shape, group) => bail!("weights {shape:?} in {group} groups on {}", from.name()),
        }
    }

    /// How many channels map number `map` has.
    fn channels(&self, map: usize) -> Option<usize> {
        match &self.layers.get(map.checked_sub(1)?)?.kind {
            Kind::Stem(_) => Some(GROUP),
            Kind::Block(block) => Some(block.pointwise.outputs),
            Kind::Head(_) => None,
        }
    }

    fn pool(&self, node: &NodeProto) -> TractResult<Value> {
        let geometry = Geometry::of(node)?;
        let side = node.get_attr_opt_vec::<usize>("kernel_shape")?.unwrap_or_default();
        ensure!(side == [2, 2] && geometry.stride == [2, 2] && geometry.pads == [0; 4], "{geometry:?}");
        match self.value(node, 0)? {
            Value::Map(map) if map > 0 => Ok(Value::Pooled(map)),
            other => bail!("a pool of {}", other.name()),
        }
    }

    /// Channels of zeros behind a pooled map: the residual simply does not reach that far.
    fn concat(&self, node: &NodeProto) -> TractResult<Value> {
        ensure!(node.get_attr::<i64>("axis")? == 1, "only channels are padded");
        match (self.value(node, 0)?, self.value(node, 1)?) {
            (pooled @ Value::Pooled(_), Value::Zeros) => Ok(pooled),
            (a, b) => bail!("{} beside {}", a.name(), b.name()),
        }
    }

    fn add(&self, node: &NodeProto) -> TractResult<Value> {
        match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Sum(half, p), Value::Map(map)) | (Value::Map(map), Value::Sum(half, p))
                if map == half.map && half.stride == 1 && p.inputs == p.outputs =>
            {
                Ok(Value::Added(half, p, Residual::Input))
            }
            (Value::Sum(half, p), Value::Pooled(map)) | (Value::Pooled(map), Value::Sum(half, p))
                if map == half.map && half.stride == 2 && p.inputs <= p.outputs =>
            {
                Ok(Value::Added(half, p, Residual::Pooled))
            }
            (a, b) => bail!("{} plus {}", a.name(), b.name()),
        }
    }

    fn relu(&mut self, node: &NodeProto) -> TractResult<Value> {
        let (half, pointwise, residual) = match self.value(node, 0)? {
            Value::StemSum(stem) => return Ok(self.push(0, Kind::Stem(stem), Value::Map)),
            Value::Sum(half, pointwise) => (half, pointwise, Residual::None),
            Value::Added(half, pointwise, residual) => (half, pointwise, residual),
            other => bail!("a ReLU of {}", other.name()),
        };
        let block = Block { stride: half.stride, depthwise: half.weights, pointwise, residual };
        Ok(self.push(half.map, Kind::Block(block), Value::Map))
    }

    fn push(&mut self, input: usize, kind: Kind, value: fn(usize) -> Value) -> Value {
        self.layers.push(Layer { input, kind });
        value(self.layers.len())
    }
}

impl Value {
    fn name(&self) -> &'static str {
        match self {
            Value::Map(0) => "the picture",
            Value::Map(_) => "a map",
            Value::StemSum(_) => "the stem",
            Value::Depthwise(_) => "a depthwise convolution",
            Value::Sum(..) => "a pointwise convolution",
            Value::Pooled(_) => "a pooled map",
            Value::Added(..) => "a sum",
            Value::Zeros => "zeros",
            Value::Head => "an output",
        }
    }
}

/// How a convolution or pool moves over its input.
#[derive(Debug)]
struct Geometry {
    stride: Vec<usize>,
    pads: Vec<usize>,
    group: usize,
}

impl Geometry {
    fn of(node: &NodeProto) -> TractResult<Self> {
        let list = |key: &str, default: &[usize]| -> TractResult<Vec<usize>> {
            Ok(node.get_attr_opt_vec::<usize>(key)?.unwrap_or_else(|| default.to_vec()))
        };
        ensure!(list("dilations", &[1, 1])? == [1, 1], "dilations");
        ensure!(node.get_attr_opt::<&str>("auto_pad")?.unwrap_or("NOTSET") == "NOTSET", "auto_pad");
        let group = node.get_attr_opt::<i64>("group")?.unwrap_or(1);
        Ok(Self { stride: list("strides", &[1, 1])?, pads: list("pads", &[0; 4])?, group: group.try_into()? })
    }

    fn is_plain(&self) -> bool {
        self.stride == [1, 1] && self.pads == [0; 4]
    }

    fn depthwise_stride(&self) -> TractResult<usize> {
        match (&self.stride[..], &self.pads[..]) {
            ([1, 1], [1, 1, 1, 1]) => Ok(1),
            ([2, 2], [0, 0, 1, 1]) => Ok(2),
            _ => bail!("{self:?}"),
        }
    }
}

/// A bias, which must be there and have one value for each output.
fn sized(bias: Option<&[f32]>, outputs: usize) -> TractResult<&[f32]> {
    let bias = bias.context("a bias is missing")?;
    ensure!(bias.len() == outputs, "{} biases for {outputs} outputs", bias.len());
    Ok(bias)
}

/// `[channels][9]` → `[9][channels]`
fn taps_first(weights: &[f32], channels: usize) -> Vec<f32> {
    (0..TAPS * channels).map(|i| weights[i % channels * TAPS + i / channels]).collect()
}

/// Three colour channels are luma three times, so their weights add up: a third of the work.
fn stem(weights: &[f32], bias: &[f32]) -> Stem {
    const AREA: usize = STEM_SIDE * STEM_SIDE;
    let mut summed = vec![0.0; AREA * GROUP];
    for (i, &w) in weights.iter().enumerate() {
        summed[i % AREA * GROUP + i / (3 * AREA)] += w;
    }
    Stem { weights: summed, bias: bias.to_vec() }
}
