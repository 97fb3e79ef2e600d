//! The committed classifier files against PyTorch (f32) and exact integer arithmetic (int8): tests/data/vgg, written
//! by tests/goldens/vgg_logits.py. f32 may differ by 1e-3 (another order of sums), int8 not at all.
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

/// One folder of goldens, read whole.
struct Goldens {
    names: Vec<String>,
    patches: Vec<FacePatch>,
    f32: Vec<[f32; 7]>,
    int8: Vec<[f32; 7]>,
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
        };
        let lengths = [goldens.patches.len(), goldens.f32.len(), goldens.int8.len()];
        assert_eq!(lengths, [goldens.names.len(); 3], "{}: files of different lengths", folder.display());
        goldens
    }

    fn committed() -> &'static Self {
        static COMMITTED: OnceLock<Goldens> = OnceLock::new();
        COMMITTED
            .get_or_init(|| Self::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vgg")))
    }

    fn expected(&self, precision: Precision) -> &[[f32; 7]] {
        match precision {
            Precision::F32 => &self.f32,
            Precision::Int8 => &self.int8,
        }
    }
}

fn rows(bytes: &[u8]) -> Vec<[f32; 7]> {
    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    values.as_chunks().0.to_vec()
}

/// The committed file, loaded once for all tests of this binary.
fn logits(precision: Precision, patches: &[FacePatch]) -> Vec<Logits> {
    static LOADED: [OnceLock<Mutex<Vgg>>; 2] = [const { OnceLock::new() }; 2];
    let vgg = LOADED[precision as usize].get_or_init(|| {
        let found = find(Role::Classifier, precision, None).unwrap();
        Mutex::new(Vgg::open(&found, &Options { threads: 1, ..Options::default() }).unwrap())
    });
    let mut out = Vec::new();
    vgg.lock().unwrap().classify(patches, &mut out).unwrap();
    out
}

/// Values of `got` that are too far from `expected`.
fn differing(precision: Precision, got: &[f32; 7], expected: &[f32; 7]) -> usize {
    let same = |(a, b): (&f32, &f32)| match precision {
        Precision::F32 => (a - b).abs() <= F32_TOLERANCE,
        Precision::Int8 => a == b,
    };
    got.iter().zip(expected).filter(|&pair| !same(pair)).count()
}

#[rstest]
fn logits_are_the_references(
    #[values(Precision::F32, Precision::Int8)] precision: Precision,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)]
    row: usize,
) {
    let goldens = Goldens::committed();
    let (got, expected) =
        (logits(precision, &goldens.patches[row..=row])[0].0, goldens.expected(precision)[row]);
    assert_eq!(differing(precision, &got, &expected), 0, "{}: {got:?}, not {expected:?}", goldens.names[row]);
}

#[rstest]
fn a_batch_gives_what_single_faces_give(#[values(Precision::F32, Precision::Int8)] precision: Precision) {
    let goldens = Goldens::committed();
    for (i, got) in logits(precision, &goldens.patches).iter().enumerate() {
        let expected = &goldens.expected(precision)[i];
        assert_eq!(differing(precision, &got.0, expected), 0, "{} in a batch", goldens.names[i]);
    }
}

#[rstest]
fn faces_that_may_not_be_committed(#[values(Precision::F32, Precision::Int8)] precision: Precision) {
    let Some(folder) = std::env::var_os("MOODLIGHT_GOLDENS") else {
        println!("skipped: MOODLIGHT_GOLDENS names no folder");
        return;
    };
    let goldens = Goldens::read(Path::new(&folder));
    let mut wrong = 0;
    for (some, expected) in goldens.patches.chunks(8).zip(goldens.expected(precision).chunks(8)) {
        let got = logits(precision, some);
        wrong += got.iter().zip(expected).map(|(g, e)| differing(precision, &g.0, e)).sum::<usize>();
    }
    assert_eq!(wrong, 0, "of {} logits", goldens.names.len() * 7);
}
