//! Networks whose numbers the int8 engine could not hold to the bit are refused when they are loaded, with the node's name
//! and what is wrong: never wrong numbers. Each case harms one thing in a small good graph.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use moodlight::quant::kernels;
use moodlight::quant::onnx_file::OnnxFile;
use moodlight::quant::plan::Plan;
use moodlight::quant::pool::Pool;
use prost::Message;
use rstest::rstest;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

fn original() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/qconv/plain_3x3.onnx")
}

/// What is changed in the convolution. Inputs by number: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale,
/// y_zero_point, bias.
enum Harm {
    /// An attribute's integers.
    Attribute(&'static str, &'static [i64]),
    /// Every value of an input.
    Input(usize, [u8; 4]),
    /// The weights' zero points.
    WeightsZero(u8),
    /// The weights have so many times the input's channels.
    Channels(usize),
    /// The last channel's scale is gone.
    ScaleTooFew,
}

impl Harm {
    fn apply(self, graph: &mut GraphProto) {
        match self {
            Harm::Attribute(name, value) => integers(graph, name, value),
            Harm::Input(at, value) => {
                let raw = &mut constant(graph, at).raw_data;
                *raw = value.repeat(raw.len() / 4);
            }
            Harm::WeightsZero(zero) => constant(graph, 5).raw_data.fill(zero),
            Harm::Channels(times) => {
                let weights = constant(graph, 3);
                weights.dims[1] *= times as i64;
                weights.raw_data = weights.raw_data.repeat(times);
            }
            Harm::ScaleTooFew => {
                let scales = constant(graph, 4);
                scales.dims[0] -= 1;
                scales.raw_data.truncate(scales.raw_data.len() - 4);
            }
        }
    }
}

/// The error of loading the graph after `harm`, or none.
fn load(harm: impl FnOnce(&mut GraphProto)) -> Option<String> {
    load_from(&original(), harm)
}

fn load_from(original: &Path, harm: impl FnOnce(&mut GraphProto)) -> Option<String> {
    let mut model = ModelProto::decode(&std::fs::read(original).unwrap()[..]).unwrap();
    harm(model.graph.as_mut().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("harmed.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    let file = match OnnxFile::open(&path) {
        Ok(file) => file,
        Err(e) => return Some(e.to_string()),
    };
    let pool = Arc::new(Pool::new(1).unwrap());
    Plan::load(&file, kernels::available()[0], &pool).err().map(|e| format!("{e:#}"))
}

/// The graph's only convolution.
fn node(graph: &mut GraphProto) -> &mut NodeProto {
    graph.node.iter_mut().find(|n| n.op_type == "QLinearConv").unwrap()
}

fn constant(graph: &mut GraphProto, at: usize) -> &mut TensorProto {
    let name = node(graph).input[at].clone();
    graph.initializer.iter_mut().find(|t| t.name == name).unwrap()
}

fn integers(graph: &mut GraphProto, name: &str, value: &[i64]) {
    let attribute: &mut AttributeProto = node(graph).attribute.iter_mut().find(|a| a.name == name).unwrap();
    match value {
        [one] if attribute.ints.is_empty() => attribute.i = *one,
        many => attribute.ints = many.to_vec(),
    }
}

#[test]
fn the_graph_itself_is_good() {
    assert_eq!(load(|_| {}), None);
}

/// tract looked beyond the end of a list that is too short, and panicked (found by tests/fuzz).
#[rstest]
#[case::whole("kernel_shape", &[2, 2], None)]
#[case::a_kernel_of_one_side("kernel_shape", &[2], Some("kernel_shape [2]: expected two numbers"))]
#[case::no_kernel("kernel_shape", &[0, 2], Some("kernel_shape [0, 2]"))]
#[case::strides_for_one_side("strides", &[2], Some("strides [2]"))]
#[case::strides_of_zero("strides", &[0, 2], Some("strides [0, 2]"))]
#[case::dilations_for_three("dilations", &[1, 1, 1], Some("dilations [1, 1, 1]"))]
#[case::pads_for_one_side("pads", &[1, 1], Some("pads [1, 1]: expected four numbers"))]
#[case::pads_beyond_any_picture("pads", &[1 << 40, 0, 0, 0], Some("below 4096"))]
fn a_pooling_that_fits_no_picture(#[case] key: &str, #[case] value: &[i64], #[case] expect: Option<&str>) {
    let error = load_from(&original().with_file_name("vgg_small.onnx"), |graph| {
        let pool = graph.node.iter_mut().find(|n| n.op_type == "MaxPool").unwrap();
        pool.attribute.retain(|a| a.name != key);
        let ints = value.to_vec();
        pool.attribute.push(AttributeProto { name: key.into(), ints, r#type: 7, ..Default::default() });
    });
    match (error, expect) {
        (None, None) => {}
        (Some(error), Some(part)) => assert!(error.contains(part), "{error}"),
        (error, _) => panic!("{error:?}"),
    }
}

/// tract cannot read some, and panicked (found by tests/fuzz). 8 is text, 14 a complex number, 99 nothing yet.
#[rstest]
fn constants_of_a_strange_type_are_refused_by_name(#[values(8, 14, 99)] strange: i32) {
    let mut name = String::new();
    let error = load(|graph| {
        let weights = constant(graph, 4);
        weights.data_type = strange;
        name.clone_from(&weights.name);
    });
    let words = [format!("{name:?}"), format!("type {strange}"), "Float16".into()];
    assert!(error.as_ref().is_some_and(|e| words.iter().all(|w| e.contains(w))), "{error:?}");
}

/// A picture is one of a batch, with channels, height and width.
#[test]
fn an_input_of_other_dimensions_is_refused() {
    use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
    use tract_onnx::pb::type_proto::Value;
    let error = load(|graph| {
        let Some(Value::TensorType(input)) = graph.input[0].r#type.as_mut().and_then(|t| t.value.as_mut())
        else {
            panic!("an input without a type")
        };
        let depth = Dimension { value: Some(dimension::Value::DimValue(1)), ..Dimension::default() };
        input.shape.as_mut().unwrap().dim.push(depth);
    });
    assert!(error.as_ref().is_some_and(|e| e.contains("batch, channels, height and width")), "{error:?}");
}

/// tract looked the name up and panicked.
#[test]
fn an_output_that_no_node_makes_is_refused_by_name() {
    let error = load(|graph| graph.output[0].name = "nowhere".into()).expect("refused");
    assert!(error.contains("nowhere") && error.contains("no node"), "{error}");
}

#[rstest]
#[case::pads_beyond_any_picture(Harm::Attribute("pads", &[0, 0, 1 << 40, 0]), &["below 4096"])]
#[case::pads_below_zero(Harm::Attribute("pads", &[-1, 0, 0, 0]), &["pads"])]
#[case::pads_in_one_dimension(Harm::Attribute("pads", &[1, 1]), &["2-D"])]
#[case::strides_of_zero(Harm::Attribute("strides", &[0, 1]), &["strides", "above 0"])]
#[case::strides_that_overflow(Harm::Attribute("strides", &[i64::MAX, 1]), &["below 4096"])]
#[case::dilations_beyond_the_picture(Harm::Attribute("dilations", &[4000, 4000]), &["larger than the padded input"])]
#[case::no_groups(Harm::Attribute("group", &[0]), &["channels"])]
#[case::groups_that_do_not_divide(Harm::Attribute("group", &[3]), &["channels"])]
#[case::groups_that_overflow(Harm::Attribute("group", &[i64::MAX]), &["groups"])]
#[case::x_scale_nan(Harm::Input(1, f32::NAN.to_le_bytes()), &["q0", "finite number above 0", "NaN"])]
#[case::x_scale_zero(Harm::Input(1, [0; 4]), &["q0", "finite number above 0"])]
#[case::w_scale_infinite(Harm::Input(4, f32::INFINITY.to_le_bytes()), &["output channel 0", "finite number above 0"])]
#[case::w_scale_zero(Harm::Input(4, [0; 4]), &["output channel 0", "finite number above 0"])]
#[case::y_scale_below_zero(Harm::Input(6, (-1f32).to_le_bytes()), &["y_scale", "finite number above 0"])]
#[case::bias_that_overflows(Harm::Input(8, i32::MAX.to_le_bytes()), &["output channel 0", "can overflow 32 bits"])]
#[case::weights_with_a_zero_point(Harm::WeightsZero(3), &["zero point other than 0"])]
#[case::channels_that_do_not_fit(Harm::Channels(2), &["channels", "the weights expect 32"])]
#[case::a_scale_too_few(Harm::ScaleTooFew, &["w_scale must have 1 or"])]
fn refused_with_the_nodes_name(#[case] harm: Harm, #[case] words: &[&str]) {
    let error = load(|graph| harm.apply(graph)).expect("refused");
    // The input's scale is that of the quantising node before the convolution, which is read first.
    assert!(error.contains("c0") || error.contains("q0"), "no node is named: {error}");
    for word in words {
        assert!(error.contains(word), "\"{word}\" is not in: {error}");
    }
}
