//! The committed classifier files against PyTorch (f32) and exact integer arithmetic (int8, compact and light): tests/data/vgg,
//! written by tests/goldens/vgg_logits.py. f32 may differ by 1e-3 (another order of sums), the integers not at all.
//!
//! `MOODLIGHT_GOLDENS` names a folder of the same files from faces that may not be committed; all of them are compared.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use moodlight::classifier::manifest::Role;
use moodlight::classifier::{Classifier, Options, Precision, Vgg, find};
use moodlight::emotion::Logits;
use moodlight::preprocess::{FacePatch, PATCH_SIDE};
use rstest::rstest;

/// Largest difference of an f32 logit to PyTorch's.
const F32_TOLERANCE: f32 = 1e-3;

/// A committed classifier file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    F32,
    Int8,
    Compact,
    Light,
}

impl Model {
    fn open(self) -> Vgg {
        let (precision, name) = match self {
            Model::F32 => (Precision::F32, "vgg-f32"),
            Model::Int8 => (Precision::Int8, "vgg-int8"),
            Model::Compact => (Precision::Int8, "vgg-compact-int8"),
            Model::Light => (Precision::Int8, "vgg-light-int8"),
        };
        let found = find(Role::Classifier, precision, Some(Path::new(name))).unwrap();
        Vgg::open(&found, &Options { threads: 1, ..Options::default() }).unwrap()
    }
}

/// One folder of goldens, read whole.
struct Goldens {
    names: Vec<String>,
    patches: Vec<FacePatch>,
    f32: Vec<[f32; 7]>,
    int8: Vec<[f32; 7]>,
    compact: Vec<[f32; 7]>,
    light: Vec<[f32; 7]>,
}

impl Goldens {
    fn read(folder: &Path) -> Self {
        let bytes = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let patches = bytes("patches.u8").as_chunks::<{ PATCH_SIDE * PATCH_SIDE }>().0.to_vec();
        let goldens = Self {
            names: String::from_utf8(bytes("names.txt")).unwrap().lines().map(String::from).collect(),
            patches: patches.into_iter().map(FacePatch).collect(),
            f32: rows(&bytes("f32.f32")),
            int8: rows(&bytes("int8.f32")),
            compact: rows(&bytes("compact.f32")),
            light: rows(&bytes("light.f32")),
        };
        let Self { names, patches, f32, int8, compact, light } = &goldens;
        let lengths = [patches.len(), f32.len(), int8.len(), compact.len(), light.len()];
        assert_eq!(lengths, [names.len(); 5], "{}: files of different lengths", folder.display());
        assert!(!names.is_empty(), "{}: nothing to compare", folder.display());
        goldens
    }

    fn committed() -> &'static Self {
        static COMMITTED: OnceLock<Goldens> = OnceLock::new();
        COMMITTED
            .get_or_init(|| Self::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vgg")))
    }

    fn expected(&self, model: Model) -> &[[f32; 7]] {
        match model {
            Model::F32 => &self.f32,
            Model::Int8 => &self.int8,
            Model::Compact => &self.compact,
            Model::Light => &self.light,
        }
    }
}

fn rows(bytes: &[u8]) -> Vec<[f32; 7]> {
    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    values.as_chunks().0.to_vec()
}

/// The committed file, loaded once for all tests of this binary.
fn logits(model: Model, patches: &[FacePatch]) -> Vec<Logits> {
    static LOADED: [OnceLock<Mutex<Vgg>>; 4] = [const { OnceLock::new() }; 4];
    let vgg = LOADED[model as usize].get_or_init(|| Mutex::new(model.open()));
    let mut out = Vec::new();
    vgg.lock().unwrap().classify(patches, &mut out).unwrap();
    out
}

/// Values of `got` that are too far from `expected`.
fn differing(model: Model, got: &[f32; 7], expected: &[f32; 7]) -> usize {
    let same = |(a, b): (&f32, &f32)| match model {
        Model::F32 => (a - b).abs() <= F32_TOLERANCE,
        Model::Int8 | Model::Compact | Model::Light => a == b,
    };
    got.iter().zip(expected).filter(|&pair| !same(pair)).count()
}

#[rstest]
fn logits_are_the_references(
    #[values(Model::F32, Model::Int8, Model::Compact, Model::Light)] model: Model,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)]
    row: usize,
) {
    let goldens = Goldens::committed();
    let (got, expected) = (logits(model, &goldens.patches[row..=row])[0].0, goldens.expected(model)[row]);
    assert_eq!(differing(model, &got, &expected), 0, "{}: {got:?}, not {expected:?}", goldens.names[row]);
}

#[rstest]
fn a_batch_gives_what_single_faces_give(
    #[values(Model::F32, Model::Int8, Model::Compact, Model::Light)] model: Model,
) {
    let goldens = Goldens::committed();
    for (i, got) in logits(model, &goldens.patches).iter().enumerate() {
        let expected = &goldens.expected(model)[i];
        assert_eq!(differing(model, &got.0, expected), 0, "{} in a batch", goldens.names[i]);
    }
}

#[rstest]
fn faces_that_may_not_be_committed(
    #[values(Model::F32, Model::Int8, Model::Compact, Model::Light)] model: Model,
) {
    let Some(folder) = std::env::var_os("MOODLIGHT_GOLDENS") else {
        println!("skipped: MOODLIGHT_GOLDENS names no folder");
        return;
    };
    let goldens = Goldens::read(Path::new(&folder));
    let mut wrong = 0;
    for (some, expected) in goldens.patches.chunks(8).zip(goldens.expected(model).chunks(8)) {
        let got = logits(model, some);
        wrong += got.iter().zip(expected).map(|(g, e)| differing(model, &g.0, e)).sum::<usize>();
    }
    assert_eq!(wrong, 0, "of {} logits", goldens.names.len() * 7);
}
