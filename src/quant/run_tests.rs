//! Every kernel that this machine can run against the reference, on random layers; a failure names its seed.

use std::sync::Arc;

use rstest::rstest;

use super::buffers::Buffers;
use super::conv::{ConvSpec, Geometry, Weights, reference};
use super::kernels::{self, Kernel};
use super::packed::{Method, Packed};
use super::pool::Pool;
use super::run::{Step, Steps, spread};
use super::winograd::Form;

/// A linear congruential generator: the same numbers everywhere.
pub struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next(256) as u8).collect()
    }
}

/// A layer of random weights; `extreme`: only −128, 127 and 0.
fn layer(random: &mut Random, geometry: Geometry, extreme: bool) -> ConvSpec {
    let count = geometry.out_channels * geometry.depth();
    let weight = |r: &mut Random| if extreme { [-128, 127, 0][r.next(3)] } else { r.next(256) as u8 as i8 };
    let weights: Vec<i8> = (0..count).map(|_| weight(random)).collect();
    let spread = 70.0 * 80.0 * (geometry.depth() as f32).sqrt();
    let spec = ConvSpec {
        name: "layer".into(),
        geometry,
        weights: Weights::Owned(weights.into()),
        bias: (0..geometry.out_channels).map(|_| random.next(20_001) as i32 - 10_000).collect(),
        // Some multipliers are powers of two: exact ties are then common.
        multipliers: (0..geometry.out_channels)
            .map(|c| {
                let m = 60.0 / spread * (0.5 + random.next(100) as f32 / 50.0);
                if c % 2 == 0 { m.log2().round().exp2() } else { m }
            })
            .collect(),
        x_zp: [0, 128, 255, 113][random.next(4)],
        y_zp: [0, 128, 255, 3][random.next(4)],
    };
    spec.validate().unwrap();
    spec
}

fn steps(
    spec: &ConvSpec,
    method: Method,
    input: [usize; 2],
    pool2: bool,
    kernel: &'static dyn Kernel,
    threads: usize,
) -> Steps {
    let pool = Arc::new(Pool::new(threads).unwrap());
    let conv = Packed::new(spec, method, input, false, kernel, &pool).unwrap();
    Steps { steps: Arc::new(vec![Step { conv, pool: pool2.then(|| "pool".into()) }]), kernel, pool }
}

/// The reference's output for several pictures, planar, pooled if asked.
fn expected(spec: &ConvSpec, x: &[u8], faces: usize, input: [usize; 2], pool2: bool) -> Vec<u8> {
    let [h, w] = spec.geometry.output(input).unwrap();
    let (mut out, mut acc) = (Vec::new(), Vec::new());
    for x in x.chunks_exact(x.len() / faces) {
        let mut y = vec![0; spec.geometry.out_channels * h * w];
        reference(spec, x, input, &mut y, &mut acc);
        match pool2 {
            false => out.extend(y),
            true => out.extend(y.chunks_exact(h * w).flat_map(|plane| {
                let most = |py: usize, px: usize| {
                    (0..4).map(|i| plane[(2 * py + i / 2) * w + 2 * px + i % 2]).max().unwrap_or(0)
                };
                (0..h / 2).flat_map(move |py| (0..w / 2).map(move |px| most(py, px))).collect::<Vec<_>>()
            })),
        }
    }
    out
}

/// Random layers of a `method`, as `shape` draws them, through every kernel on some threads, several pictures each, pooled or not.
fn check(
    seed: u64,
    rounds: usize,
    method: Method,
    shape: impl Fn(&mut Random, Method) -> (Geometry, [usize; 2]),
) {
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for round in 0..rounds {
        let (geometry, input) = shape(&mut random, method);
        let spec = layer(&mut random, geometry, round % 4 == 3);
        if let Method::Winograd(form) = method
            && !spec.weights.as_i8().chunks_exact(geometry.depth()).all(|w| form.covers(w))
        {
            continue;
        }
        let poolable =
            method != Method::Dense && geometry.output(input).is_some_and(|out| out.iter().all(|&o| o > 1));
        let (faces, pool2) = (1 + random.next(5), poolable && random.next(2) == 1);
        let x = random.bytes(faces * geometry.in_channels * input[0] * input[1]);
        let expect = expected(&spec, &x, faces, input, pool2);
        for kernel in kernels::available() {
            let threads = 1 + random.next(3);
            let steps = steps(&spec, method, input, pool2, kernel, threads);
            let mut got = vec![0xAA; expect.len()];
            let mut buffers = Buffers::default();
            steps.run(&mut buffers, faces, |l, p| spread(&x, l, p, |v| v), &mut got, |_| {});
            let differing = got.iter().zip(&expect).filter(|(a, b)| a != b).count();
            assert_eq!(
                differing,
                0,
                "seed {seed:#x} round {round}: {} {method:?} {geometry:?} {input:?} faces {faces} pooled {pool2} \
                 threads {threads}",
                kernel.name()
            );
        }
    }
}

/// Pixels of whole sixteens: the taps that lie in the border above and below are left out.
#[test]
fn bytes_gathered_without_the_border_equal_the_reference() {
    check(0x5eed_3001, 60, Method::Gather8, |random, method| {
        let (geometry, input) = shape(random, method);
        (Geometry { in_channels: 16 * (1 + random.next(3)), ..geometry }, input)
    });
}

fn shape(random: &mut Random, method: Method) -> (Geometry, [usize; 2]) {
    let one = |kernel: [usize; 2]| Geometry {
        out_channels: 0,
        in_channels: 0,
        kernel,
        pads: [0; 4],
        strides: [1, 1],
        dilations: [1, 1],
        groups: 1,
    };
    let (out_channels, in_channels) = (1 + random.next(40), 1 + random.next(70));
    let side = |r: &mut Random| 1 + r.next(13);
    let mut input = [side(random), side(random)];
    let mut g = match method {
        Method::Winograd(_) => Geometry { pads: [0; 4].map(|_| 1 + random.next(2)), ..one([3, 3]) },
        Method::Gather | Method::Gather8 | Method::Direct | Method::DirectRows => Geometry {
            pads: [0; 4].map(|_| random.next(3)),
            strides: [1 + random.next(2), 1 + random.next(3)],
            dilations: [
                1 + random.next(2),
                if method == Method::DirectRows { 1 } else { 1 + random.next(2) },
            ],
            ..one([1 + random.next(3), 1 + random.next(3)])
        },
        Method::Dense => {
            input = [1 + random.next(3), 1 + random.next(3)];
            one(input)
        }
    };
    (g.out_channels, g.in_channels) = (out_channels, in_channels);
    if g.output(input).is_none() {
        input = input.map(|side| side + 5);
    }
    (g, input)
}

#[rstest]
#[case::winograd_2x2(0x5eed_1001, Method::Winograd(Form::F2))]
#[case::winograd_4x4(0x5eed_1002, Method::Winograd(Form::F4))]
#[case::gather(0x5eed_1003, Method::Gather)]
#[case::gather_bytes(0x5eed_1005, Method::Gather8)]
#[case::direct(0x5eed_1006, Method::Direct)]
#[case::direct_rows(0x5eed_1007, Method::DirectRows)]
#[case::dense(0x5eed_1004, Method::Dense)]
fn every_kernel_equals_the_reference(#[case] seed: u64, #[case] method: Method) {
    check(seed, 60, method, shape);
}

/// A deep layer of the network's own width: sums near the limits of the Winograd forms.
#[rstest]
#[case::winograd_2x2(0x5eed_2001, Form::F2)]
#[case::winograd_4x4(0x5eed_2002, Form::F4)]
fn deep_layers_are_exact(#[case] seed: u64, #[case] form: Form) {
    let mut random = Random(seed);
    let g = Geometry {
        out_channels: 16,
        in_channels: 512,
        kernel: [3, 3],
        pads: [1; 4],
        strides: [1, 1],
        dilations: [1, 1],
        groups: 1,
    };
    let mut spec = layer(&mut random, g, false);
    // One sign per channel, as large as the form covers: every sum is far from zero.
    let top = if form == Form::F4 { 28 } else { 127 };
    let weights: Vec<i8> =
        (0..16 * g.depth()).map(|i| if (i / g.depth()).is_multiple_of(2) { top } else { -top }).collect();
    assert!(weights.chunks_exact(g.depth()).all(|w| form.covers(w)));
    spec.weights = Weights::Owned(weights.into());
    spec.multipliers = vec![1e-6; 16];
    let x: Vec<u8> = (0..512 * 36).map(|_| 255 - random.next(3) as u8).collect();
    let expect = expected(&spec, &x, 1, [6, 6], false);
    for kernel in kernels::available() {
        let steps = steps(&spec, Method::Winograd(form), [6, 6], false, kernel, 1);
        let mut got = vec![0; expect.len()];
        steps.run(&mut Buffers::default(), 1, |l, p| spread(&x, l, p, |v| v), &mut got, |_| {});
        assert_eq!(got, expect, "{} {form:?}", kernel.name());
    }
}
