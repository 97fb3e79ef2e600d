//! The rebuilt network against onnxruntime (tests/calibration/blazeface_golden.py), for every kernel of this machine.

use super::*;
use rstest::rstest;

/// Largest difference allowed, in logits and in input pixels. f32 sums of up to 96 × 9 products in another order.
const TOLERANCE: f32 = 2e-3;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Golden {
    width: usize,
    height: usize,
    plane: Vec<u8>,
    /// (logits, values) of each grid
    grids: [(Vec<f32>, Vec<f32>); 2],
}

fn goldens() -> Vec<Golden> {
    let bytes = std::fs::read(root().join("tests/data/blazeface/golden.bin")).expect("golden.bin");
    let mut rest = &bytes[..];
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head
    };
    let word = |b: &[u8]| u32::from_le_bytes(b.try_into().expect("four bytes")) as usize;
    (0..3)
        .map(|_| {
            let (width, height) = (word(take(4)), word(take(4)));
            let plane = take(width * height).to_vec();
            let mut floats = |n: usize| -> Vec<f32> {
                let bytes = take(4 * n).chunks_exact(4);
                bytes.map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
            };
            let grids = GRIDS.map(|(stride, anchors)| {
                let rows = (width / stride) * (height / stride) * anchors;
                (floats(rows), floats(rows * VALUES))
            });
            Golden { width, height, plane, grids }
        })
        .collect()
}

#[rstest]
#[case::portable(Kernels::portable())]
#[case::best(Kernels::best())]
fn outputs_equal_onnxruntimes(#[case] kernels: Kernels) {
    let mut network = Network::load_with(&root().join("models/blazeface-back.onnx"), kernels).expect("loads");
    // Twice: the second pass finds used rows in its buffers.
    for golden in goldens().iter().chain(&goldens()) {
        let mut seen = 0;
        network
            .run(&golden.plane, golden.width, golden.height, |grid, logits, values| {
                let (want_logits, want_values) = &golden.grids[seen];
                assert_eq!((logits.len(), values.len()), (want_logits.len(), want_values.len()), "{grid:?}");
                for (got, want) in logits.iter().zip(want_logits).chain(values.iter().zip(want_values)) {
                    assert!(
                        (got - want).abs() <= TOLERANCE.max(want.abs() * 1e-4),
                        "{got} for {want} in {grid:?}"
                    );
                }
                seen += 1;
            })
            .expect("runs");
        assert_eq!(seen, 2);
    }
}

#[rstest]
#[case::no_multiple(100, 128)]
#[case::nothing(0, 0)]
fn other_sizes_are_refused(#[case] width: usize, #[case] height: usize) {
    let mut network = Network::load(&root().join("models/blazeface-back.onnx")).expect("loads");
    let error = network.run(&vec![0; width * height], width, height, |_, _, _| {}).expect_err("refused");
    assert!(error.to_string().contains("multiples of 32"), "{error}");
}
