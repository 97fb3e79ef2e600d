//! The committed models through the classifier: logits against goldens that Python made (tests/goldens/vgg_logits.py),
//! and what loading refuses.

use std::path::{Path, PathBuf};

use moodlight::classifier::manifest::{InputSpec, MANIFEST_FILE, Manifest, ModelEntry};
use moodlight::classifier::{Classifier, Options, Vgg};
use moodlight::emotion::Logits;
use moodlight::preprocess::FacePatch;
use moodlight::quant::kernels;
use rstest::rstest;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model(file: &str) -> (PathBuf, ModelEntry) {
    let manifest = Manifest::read(&root().join("models").join(MANIFEST_FILE)).unwrap();
    (root().join("models").join(file), manifest.by_file(file).unwrap().clone())
}

fn options(threads: usize, kernel: &str) -> Options {
    Options { threads, kernel: Some(kernel.to_string()) }
}

fn patches() -> Vec<FacePatch> {
    let bytes = std::fs::read(root().join("tests/data/vgg/patches.u8")).unwrap();
    bytes.as_chunks().0.iter().map(|&patch| FacePatch(patch)).collect()
}

fn golden(file: &str) -> Vec<Logits> {
    let bytes = std::fs::read(root().join("tests/data/vgg").join(file)).unwrap();
    let floats: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    floats.as_chunks().0.iter().map(|&face| Logits(face)).collect()
}

/// All faces in one call (several runs of several faces), then one by one: the same logits.
fn classify_both_ways(vgg: &mut Vgg) -> Vec<Logits> {
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    vgg.classify(&patches(), &mut together).unwrap();
    for (patch, expect) in patches().iter().zip(&together) {
        vgg.classify(std::slice::from_ref(patch), &mut alone).unwrap();
        assert_eq!(alone, [*expect]);
    }
    together
}

#[rstest]
#[case::caller_alone(1)]
#[case::two_threads(2)]
fn int8_logits_equal_exact_arithmetic(#[case] threads: usize) {
    let (path, entry) = model("vgg-int8.onnx");
    for kernel in kernels::available() {
        let mut vgg = Vgg::load(&path, &entry, &options(threads, kernel.name())).unwrap();
        assert_eq!(vgg.kernel_name(), kernel.name());
        assert_eq!(classify_both_ways(&mut vgg), golden("int8.f32"), "{} {threads} threads", kernel.name());
    }
}

#[test]
fn f32_logits_are_within_a_thousandth() {
    let (path, entry) = model("vgg-f32.onnx");
    let mut vgg = Vgg::load(&path, &entry, &options(1, "portable")).unwrap();
    let got = classify_both_ways(&mut vgg);
    let pairs = got.iter().zip(golden("f32.f32")).flat_map(|(a, b)| a.0.into_iter().zip(b.0));
    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3 && got.len() == patches().len(), "differs by up to {worst}");
}

/// All eleven convolutions in int8, none left to the slow reference, and everything named.
#[test]
fn every_convolution_of_the_int8_model_runs_in_int8() {
    let (path, entry) = model("vgg-int8.onnx");
    let vgg = Vgg::load(&path, &entry, &Options::default()).unwrap();
    let convolutions: Vec<_> = vgg.nodes().iter().filter(|n| n.convolution).collect();
    assert_eq!(convolutions.len(), 11);
    assert!(convolutions.iter().all(|n| n.int8 && n.macs > 0 && !n.kernel.contains("reference")));
    let macs: u64 = convolutions.iter().map(|n| n.macs).sum();
    assert!((500_000_000..510_000_000).contains(&macs), "{macs}");
}

#[test]
fn layers_are_heard_in_order() {
    let (path, entry) = model("vgg-int8.onnx");
    let mut vgg = Vgg::load(&path, &entry, &Options::default()).unwrap();
    let expect: Vec<_> = vgg.nodes().iter().filter(|n| n.convolution).map(|n| n.name.clone()).collect();
    let heard = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = std::rc::Rc::clone(&heard);
    vgg.observe(&patches()[0], move |name| log.borrow_mut().push(name.to_string())).unwrap();
    let heard: Vec<_> = heard.borrow().iter().filter(|name| expect.contains(name)).cloned().collect();
    assert_eq!(heard, expect);
}

/// What happens to a copy of the int8 model, or to its manifest entry.
enum Harm {
    FlipBit,
    CutOff,
    Empty,
    NotOnnx,
    Missing,
    SwapClasses,
    OtherShape,
    WrongKernel,
}

/// Each message names the file, what is wrong, and what was expected or what to do.
#[rstest]
#[case::flipped_bit(Harm::FlipBit, &["sha256", "expected", "found", "restore"])]
#[case::cut_off(Harm::CutOff, &["length in bytes", "expected", "found", "restore"])]
#[case::empty(Harm::Empty, &["empty", "restore"])]
#[case::not_onnx(Harm::NotOnnx, &["restore"])]
#[case::missing(Harm::Missing, &["no such file", "--model"])]
#[case::classes_swapped(Harm::SwapClasses, &["angry disgust fear happy sad surprise neutral", "disgust angry"])]
#[case::other_shape(Harm::OtherShape, &["input", "48, 48", "64, 64"])]
#[case::unknown_kernel(Harm::WrongKernel, &["no kernel \"abacus\"", "portable"])]
fn a_wrong_model_is_refused(#[case] harm: Harm, #[case] expect: &[&str]) {
    let (original, mut entry) = model("vgg-int8.onnx");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vgg-int8.onnx");
    let mut bytes = std::fs::read(&original).unwrap();
    let mut options = Options::default();
    let rewrite = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    let mut truthful = false; // whether the manifest describes the harmed file, so that its content is what is refused
    match harm {
        Harm::FlipBit => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            rewrite(&bytes);
        }
        Harm::CutOff => rewrite(&bytes[..bytes.len() - 1000]),
        Harm::Empty => (rewrite(&[]), truthful = true).1,
        Harm::NotOnnx => (rewrite(b"GIF89a, surely not a network"), truthful = true).1,
        Harm::Missing => {}
        Harm::SwapClasses => {
            rewrite(&bytes);
            entry.classes.swap(0, 1);
        }
        Harm::OtherShape => {
            rewrite(&bytes);
            entry.input = InputSpec { shape: vec![1, 1, 64, 64], ..entry.input };
        }
        Harm::WrongKernel => {
            rewrite(&bytes);
            options.kernel = Some("abacus".into());
        }
    }
    if truthful {
        let found = ModelEntry::unlisted(&path, entry.precision).unwrap();
        (entry.bytes, entry.sha256) = (found.bytes, found.sha256);
    }
    let error = Vgg::load(&path, &entry, &options).err().expect("refused").to_string();
    for part in expect.iter().chain([&"vgg-int8.onnx"]) {
        assert!(error.contains(part), "\"{part}\" is not in: {error}");
    }
}

/// A file cut anywhere, with a manifest that agrees with it, is refused and never a panic.
#[rstest]
fn a_file_cut_anywhere_is_refused(
    #[values(1, 7, 100, 5_000, 900_000, 20_000_000, 40_461_000)] length: usize,
) {
    let (original, entry) = model("vgg-int8.onnx");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.onnx");
    let bytes = std::fs::read(&original).unwrap();
    std::fs::write(&path, &bytes[..length.min(bytes.len() - 1)]).unwrap();
    let found = ModelEntry::unlisted(&path, entry.precision).unwrap();
    let error = Vgg::load(&path, &found, &Options::default()).err().expect("refused").to_string();
    assert!(error.contains("cut.onnx") && error.contains("restore"), "{error}");
}

/// A network that isn't this one: its own manifest is truthful, its shapes don't fit.
#[test]
fn another_network_is_refused_by_its_shape() {
    let path = root().join("tests/data/qconv/plain_3x3.onnx");
    let entry = ModelEntry::unlisted(&path, moodlight::classifier::Precision::Int8).unwrap();
    let error = Vgg::load(&path, &entry, &Options::default()).err().expect("refused").to_string();
    assert!(error.contains("plain_3x3.onnx") && error.contains("48, 48"), "{error}");
}
