//! What an inference takes from the heap once it is warm: nothing in the int8 engine, and a bounded handful of small
//! pieces in tract, which makes a tensor per node.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use moodlight::classifier::manifest::{MANIFEST_FILE, Manifest};
use moodlight::classifier::{Classifier, Options, Vgg};
use moodlight::preprocess::FacePatch;
use moodlight::quant::buffers::Buffers;
use moodlight::quant::conv::{ConvSpec, Geometry, Weights};
use moodlight::quant::kernels;
use moodlight::quant::packed::{Method, Packed};
use moodlight::quant::pool::Pool;
use moodlight::quant::run::{Step, Steps, spread};

/// The system's allocator, counting calls of all threads.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, data: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(data, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls and bytes that `work` took.
fn taken(work: impl FnOnce()) -> (usize, usize) {
    let before = (COUNT.load(Relaxed), BYTES.load(Relaxed));
    work();
    (COUNT.load(Relaxed) - before.0, BYTES.load(Relaxed) - before.1)
}

fn step(method: Method, geometry: Geometry, input: [usize; 2], first: bool, pool: &Pool) -> Step {
    let count = geometry.out_channels * geometry.depth();
    let spec = ConvSpec {
        name: "layer".into(),
        geometry,
        weights: Weights::Owned(vec![3; count].into()),
        bias: vec![0; geometry.out_channels],
        multipliers: vec![1e-3; geometry.out_channels],
        x_zp: 0,
        y_zp: 0,
    };
    Step {
        conv: Packed::new(&spec, method, input, !first, kernels::available()[0], pool).unwrap(),
        pool: None,
    }
}

/// One chain of every method, on the caller alone and with threads.
fn chain(threads: usize) -> Steps {
    let pool = Arc::new(Pool::new(threads).unwrap());
    let plain = |in_channels, out_channels, kernel: usize, pad| Geometry {
        out_channels,
        in_channels,
        kernel: [kernel; 2],
        pads: [pad; 4],
        strides: [1; 2],
        dilations: [1; 2],
        groups: 1,
    };
    use moodlight::quant::winograd::Form;
    let steps = vec![
        step(Method::Gather, plain(1, 16, 3, 1), [8, 8], true, &pool),
        step(Method::Winograd(Form::F4), plain(16, 32, 3, 1), [8, 8], false, &pool),
        step(Method::Winograd(Form::F2), plain(32, 16, 3, 1), [8, 8], false, &pool),
        step(Method::Gather8, plain(16, 16, 3, 1), [8, 8], false, &pool),
        step(Method::Dense, plain(16, 7, 8, 0), [8, 8], false, &pool),
    ];
    Steps { steps: Arc::new(steps), kernel: kernels::available()[0], pool }
}

/// One test: the counters are the whole process's.
#[test]
fn a_warm_inference_allocates_nothing_of_ours() {
    for threads in [1, 2] {
        let (steps, mut buffers) = (chain(threads), Buffers::default());
        let (x, mut y) = (vec![7u8; 3 * 64], vec![0u8; 3 * 7]);
        let mut run = || steps.run(&mut buffers, 3, |l, p| spread(&x, l, p, |v| v), &mut y, |_| {});
        run();
        let (calls, bytes) = taken(run);
        assert_eq!((calls, bytes), (0, 0), "{threads} threads");
    }

    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let entry =
        Manifest::read(&models.join(MANIFEST_FILE)).unwrap().by_file("vgg-int8.onnx").unwrap().clone();
    let options = Options { threads: 1, kernel: None };
    let mut vgg = Vgg::load(&models.join("vgg-int8.onnx"), &entry, &options).unwrap();
    let (patch, mut logits) = ([FacePatch([90; 48 * 48])], Vec::with_capacity(1));
    vgg.classify(&patch, &mut logits).unwrap();
    let (calls, bytes) = taken(|| vgg.classify(&patch, &mut logits).unwrap());
    println!("tract takes {calls} pieces of {bytes} bytes per inference");
    // The input (9,216 bytes) and the output of four nodes, with their bookkeeping.
    assert!(calls <= 100 && bytes <= 64 * 1024, "{calls} pieces of {bytes} bytes");
}
