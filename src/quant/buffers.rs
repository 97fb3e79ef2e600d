//! The memory of a chain that lives from run to run, and which step reads and writes what in it. After the first run of
//! a batch size nothing is allocated.

use std::cell::UnsafeCell;

use super::active::Active;
use super::kernels::BLOCK;
use super::layout::Layout;
use super::packed::{Method, Packed};
use super::rows::largest;
use super::run::{Step, Steps};
use super::work::{Cut, Run, gather_pixels};

/// See the file's head.
#[derive(Debug, Default)]
pub struct Buffers {
    faces: usize,
    /// Input of each step, then the output of the last; borders hold the reader's zero point and are never written.
    pictures: Vec<Vec<u8>>,
    /// A dense layer's inputs, one for each face.
    active: Vec<Active>,
    /// A picture before its pool, where the pool isn't part of the convolution.
    unpooled: Vec<u8>,
    scratch: Vec<Cell>,
}

/// One worker's V and M, its gathered pixels, and two rows that are pooled to one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub v: Vec<i16>,
    pub v8: Vec<u8>,
    pub m: Vec<i32>,
    pub pair: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Cell(UnsafeCell<Scratch>);
// SAFETY: each worker touches only the cell of its own number.
unsafe impl Sync for Cell {}

impl Cell {
    /// # Safety
    /// One user at a time.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self) -> &mut Scratch {
        // SAFETY: by this function's contract.
        unsafe { &mut *self.0.get() }
    }
}

/// The layout in which step `index` of `steps` leaves its output.
fn output_layout(steps: &[Step], index: usize) -> Layout {
    match steps.get(index + 1) {
        Some(next) => next.conv.layout,
        None => {
            let [h, w] = steps[index].output();
            Layout::plain(steps[index].conv.out_channels, h, w)
        }
    }
}

impl Buffers {
    /// Makes room for `faces` pictures; allocates only when there were never so many.
    pub(super) fn reserve(&mut self, chain: &Steps, faces: usize) {
        if faces <= self.faces {
            return;
        }
        self.faces = faces;
        let steps = &chain.steps;
        self.pictures = (0..=steps.len())
            .map(|i| match steps.get(i) {
                Some(step) => vec![step.conv.x_zp; faces * step.conv.layout.size()],
                None => vec![0; faces * output_layout(steps, i - 1).size()],
            })
            .collect();
        let most = |size: &dyn Fn(&Step) -> usize| steps.iter().map(size).max().unwrap_or(0);
        let depth = most(&|s| if s.conv.method == Method::Dense { s.conv.layout.size() } else { 0 });
        self.active = (0..faces).map(|_| Active::with_room(depth)).collect();
        self.unpooled =
            vec![0; most(&|s| if s.pools_apart() { faces * s.conv.plain_output().size() } else { 0 })];
        let rows = |s: &Step| match s.conv.method {
            Method::Winograd(form) => Cut::room(&s.conv, form, faces) * form.points(),
            Method::Gather | Method::Gather8 => gather_pixels(&s.conv),
            Method::Direct | Method::DirectRows | Method::Dense => 0,
        };
        let v = most(&|s| if s.conv.bytes() { 0 } else { rows(s) * s.conv.depth });
        let v8 = most(&|s| if s.conv.bytes() { rows(s) * s.conv.depth } else { 0 });
        let m = most(&|s| rows(s) * BLOCK);
        let pair =
            most(&|s| if s.pools_rows() { 2 * s.conv.output[1] * s.conv.plain_output().pixel } else { 0 });
        let scratch = || {
            let scratch = Scratch { v: vec![0; v], v8: vec![0; v8], m: vec![0; m], pair: vec![0; pair] };
            Cell(UnsafeCell::new(scratch))
        };
        self.scratch = (0..chain.pool.threads()).map(|_| scratch()).collect();
    }

    /// The first `bytes` of the first step's pictures.
    pub(super) fn input(&mut self, bytes: usize) -> &mut [u8] {
        &mut self.pictures[0][..bytes]
    }

    /// The last step's pictures.
    pub(super) fn output(&self) -> &[u8] {
        &self.pictures[self.pictures.len() - 1]
    }

    pub(super) fn step(&mut self, chain: &Steps, index: usize, faces: usize) {
        let step = &chain.steps[index];
        let conv = &step.conv;
        if conv.method == Method::Dense {
            self.flatten(conv, index, faces);
        }
        let (before, after) = self.pictures.split_at_mut(index + 1);
        let layout = output_layout(&chain.steps, index);
        let apart = step.pools_apart();
        Run {
            chain,
            conv,
            next: chain.steps.get(index + 1).map(|step| &step.conv),
            pooled: step.pool.is_some() && !apart,
            faces,
            input: &before[index],
            output: if apart { self.unpooled.as_mut_ptr() } else { after[0].as_mut_ptr() },
            layout: if apart { conv.plain_output() } else { layout },
            size: if apart { conv.output } else { step.output() },
            scratch: &self.scratch,
            active: &self.active,
        }
        .compute();
        if apart {
            pool_apart(&self.unpooled, &conv.plain_output(), &mut after[0], &layout, step.output(), faces);
        }
    }

    /// A dense layer's input without its zeros.
    fn flatten(&mut self, conv: &Packed, index: usize, faces: usize) {
        let pictures = self.pictures[index].chunks_exact(conv.layout.size());
        for (active, picture) in self.active[..faces].iter_mut().zip(pictures) {
            active.fill(picture);
        }
    }
}

/// The largest of each 2×2, from a plain picture into the interior of a bordered one.
fn pool_apart(
    from: &[u8],
    plain: &Layout,
    to: &mut [u8],
    layout: &Layout,
    [high, wide]: [usize; 2],
    faces: usize,
) {
    let row = plain.row();
    for face in 0..faces {
        for (y, x) in (0..high).flat_map(|y| (0..wide).map(move |x| (y, x))) {
            let a = face * plain.size() + 2 * y * row + 2 * x * plain.pixel;
            let at = face * layout.size() + layout.origin() + y * layout.row() + x * layout.pixel;
            let [above, below] = [a, a + row].map(|at| &from[at..][..2 * plain.pixel]);
            largest(above, below, &mut to[at..][..plain.pixel]);
        }
    }
}
