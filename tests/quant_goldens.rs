//! The int8 engine against exact integer arithmetic: small graphs around QLinearConv whose inputs and outputs
//! tests/goldens/qconv_cases.py wrote. Every kernel that this machine can run, alone and with threads: no value may
//! differ.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use moodlight::quant::kernels::{self, Kernel};
use moodlight::quant::onnx_file::OnnxFile;
use moodlight::quant::plan::Plan;
use moodlight::quant::pool::Pool;
use rstest::rstest;
use tract_onnx::prelude::*;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/qconv").join(name)
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn load(name: &str, kernel: &'static dyn Kernel, threads: usize) -> Plan {
    let file = OnnxFile::open(&data(&format!("{name}.onnx"))).unwrap();
    Plan::load(&file, kernel, &Arc::new(Pool::new(threads).unwrap())).unwrap()
}

/// Runs case `name` with `faces` copies of its input in one batch and compares every copy's output.
fn check(name: &str, faces: usize) {
    let (x, expect) = (floats(&data(&format!("{name}.in.f32"))), floats(&data(&format!("{name}.out.f32"))));
    for (kernel, threads) in kernels::available().into_iter().flat_map(|k| [(k, 1), (k, 3)]) {
        let mut plan = load(name, kernel, threads);
        let faces = if plan.open_batch { faces } else { 1 };
        let mut shape = plan.input.shape.as_concrete().unwrap().to_vec();
        shape[0] = faces;
        for run in ["first", "second"] {
            let input = Tensor::from_shape(&shape, &x.repeat(faces)).unwrap();
            let output = plan.run(input).unwrap();
            let got = output.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec();
            let differing = got.iter().zip(expect.repeat(faces)).filter(|(a, b)| **a != *b).count();
            assert_eq!(got.len(), expect.len() * faces);
            assert_eq!(differing, 0, "{name}: {} with {threads} threads, {run} run", kernel.name());
        }
    }
}

#[rstest]
fn equals_exact_arithmetic(
    #[values(
        "deep_sums",
        "depthwise",
        "dilated",
        "even_rows_few_columns",
        "first_layer_one_channel",
        "grouped",
        "kernel_1x1",
        "kernel_5x5",
        "linear_3x3_valid",
        "lopsided_padding",
        "narrow_weights",
        "no_padding",
        "odd_channels",
        "padding_of_zero_point_0",
        "padding_of_zero_point_255",
        "plain_3x3",
        "scale_per_tensor",
        "stride_2",
        "stride_2x3_no_bias",
        "ties",
        "ties_narrow_weights",
        "vgg_more",
        "vgg_small"
    )]
    name: &str,
    #[values(1, 5)] faces: usize,
) {
    check(name, faces);
}

/// What `model inspect` promises: convolutions with groups run, and are said to be slow; the others are named with
/// their kernel and method (other kernels have other methods, so the one that is everywhere is asked).
#[rstest]
#[case::grouped("grouped", "reference (slow)")]
#[case::plain("plain_3x3", "winograd")]
#[case::strided("stride_2", "gather")]
#[case::linear("linear_3x3_valid", "dense")]
fn inspect_names_the_kernel(#[case] name: &str, #[case] expect: &str) {
    let plan = load(name, kernels::choose(Some("portable")).unwrap(), 1);
    let conv = plan.nodes.iter().find(|n| n.convolution).unwrap();
    assert!(conv.int8 && conv.macs > 0 && conv.kernel.contains(expect), "{conv:?}");
}

/// Bug: buffers laid out for four faces were too small for three, whose tiles are cut into longer chunks; `classify`
/// panicked when one picture had more faces than the next.
#[test]
fn faces_may_come_and_go() {
    use moodlight::classifier::manifest::Role;
    use moodlight::classifier::{Classifier, Options, Precision, Vgg, find};
    let bytes = std::fs::read(data("../vgg/patches.u8")).unwrap();
    let patches: Vec<_> = bytes.as_chunks().0.iter().map(|b| moodlight::preprocess::FacePatch(*b)).collect();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let found = find(Role::Classifier, Precision::Int8, Some(&models)).unwrap();
    let mut vgg = Vgg::open(&found, &Options { threads: 1, kernel: None }).unwrap();
    let expect = floats(&data("../vgg/int8.f32"));
    let mut logits = Vec::new();
    for faces in [8, 1, 7, 2, 6, 3, 5, 4] {
        vgg.classify(&patches[..faces], &mut logits).unwrap();
        let got: Vec<f32> = logits.iter().flat_map(|l| l.0).collect();
        assert_eq!(got, expect[..faces * 7], "{faces} faces");
    }
}
