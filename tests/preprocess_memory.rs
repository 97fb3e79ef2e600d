//! Steady state allocates nothing: counted by an allocator that counts.

use moodlight::frame::{Frame, LumaRange, Rect};
use moodlight::preprocess::{Cropper, LumaDecoder, Orientation};
use moodlight::sim;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[rstest::rstest]
#[case::i420("i420")]
#[case::yuyv("yuyv")]
#[case::rgb24("rgb24")]
#[case::mjpeg("mjpeg")]
fn a_frame_costs_no_memory_once_warm(#[case] format: &str) {
    let spec = format!("synthetic:?format={format}&width=320&height=240&frames=endless");
    let mut source = sim::open(&spec.parse().unwrap()).unwrap();
    let (mut frame, mut cropper) = (Frame::default(), Cropper::new());
    let mut decoder = LumaDecoder::new(Orientation::from_exif(6));
    let mut step = |side: f32, counted: bool| {
        source.next_frame(&mut frame, Duration::ZERO).unwrap();
        frame.range = LumaRange::Limited;
        let n = allocations(|| {
            let gray = decoder.decode(&frame).unwrap();
            // A face that grows, one that leaves the picture, one that stands still.
            for (x, side) in [(10.0, side), (-30.0, side + 3.0), (40.0, 100.0)] {
                cropper.patch(gray, Rect { x, y: 20.0, w: side, h: side });
            }
        });
        // The frame itself may be larger than any before (JPEG): a little room is left for the mended copy.
        assert!(!counted || n == 0, "{n} allocations in a warm frame");
    };
    step(200.0, false);
    step(200.0, false);
    for i in 0..20 {
        step(90.0 + 5.0 * i as f32, true);
    }
}
