//! A chain of packed convolutions on pictures: who computes what, in which memory. Knows nothing of tract.
//!
//! Terms. *Chain*: convolutions with 2×2 pools between, each read by the next alone. *Step*: one of them. *Item*: what a
//! worker does at a time: a chunk of tiles or pixels times a part of the output channels. Buffers live from run to run;
//! after the first run of a batch size nothing is allocated.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::Arc;

use super::conv::requantise;
use super::kernels::{BLOCK, DENSE_ROWS, FACES, Kernel, Patches, Requantise, Sink};
use super::packed::{Layout, Method, Packed};
use super::pool::Pool;
use super::winograd::Form;

/// V's share of a core's second-level cache, in bytes: decides how many tiles are transformed at once.
const V_BYTES: usize = 192 * 1024;
/// Pixels that are gathered at once.
const GATHER_PIXELS: usize = 96;
/// Blocks of [`DENSE_ROWS`] rows that one item of a dense layer computes.
const DENSE_ITEM: usize = 32;

/// One convolution and, if fused, the 2×2 max pool after it.
#[derive(Debug)]
pub struct Step {
    pub conv: Packed,
    pub pool: Option<String>,
}

impl Step {
    /// Output extent after pooling.
    pub fn output(&self) -> [usize; 2] {
        if self.pool.is_some() { self.conv.output.map(|side| side / 2) } else { self.conv.output }
    }

    /// Whether the pool is a pass of its own.
    fn pools_apart(&self) -> bool {
        self.pool.is_some() && !matches!(self.conv.method, Method::Winograd(_))
    }
}

/// Steps, and what runs them.
#[derive(Debug, Clone)]
pub struct Steps {
    pub steps: Arc<Vec<Step>>,
    pub kernel: &'static dyn Kernel,
    pub pool: Arc<Pool>,
}

impl Steps {
    fn last(&self) -> &Step {
        &self.steps[self.steps.len() - 1]
    }

    /// `[channels, height, width]` of the output of one picture.
    pub fn output(&self) -> [usize; 3] {
        let [h, w] = self.last().output();
        [self.last().conv.out_channels, h, w]
    }

    /// Computes `faces` pictures. `input` fills the first step's pictures in its layout ([`spread`]); `y` receives the
    /// output, planar. `done` hears the index of each step as it finishes.
    pub fn run(
        &self,
        buffers: &mut Buffers,
        faces: usize,
        input: impl FnOnce(&Layout, &mut [u8]),
        y: &mut [u8],
        mut done: impl FnMut(usize),
    ) {
        buffers.reserve(self, faces);
        let layout = &self.steps[0].conv.layout;
        input(layout, &mut buffers.pictures[0][..faces * layout.size()]);
        for index in 0..self.steps.len() {
            buffers.step(self, index, faces);
            done(index);
        }
        let [channels, h, w] = self.output();
        collect(&buffers.pictures[self.steps.len()], &Layout::plain(channels, h, w), y);
    }
}

/// Planar values → channels innermost, into the interior of bordered pictures.
pub fn spread<T: Copy>(planar: &[T], layout: &Layout, pictures: &mut [u8], convert: impl Fn(T) -> u8) {
    let face = layout.channels * layout.height * layout.width;
    for (planar, picture) in planar.chunks_exact(face).zip(pictures.chunks_exact_mut(layout.size())) {
        for (index, row) in planar.chunks_exact(layout.width).enumerate() {
            let (c, y) = (index / layout.height, index % layout.height);
            let at = layout.origin() + y * layout.row() + c;
            for (x, &v) in row.iter().enumerate() {
                picture[at + x * layout.pixel] = convert(v);
            }
        }
    }
}

/// The inverse of [`spread`].
fn collect(pictures: &[u8], layout: &Layout, planar: &mut [u8]) {
    let face = layout.channels * layout.height * layout.width;
    for (planar, picture) in planar.chunks_exact_mut(face).zip(pictures.chunks_exact(layout.size())) {
        for (index, row) in planar.chunks_exact_mut(layout.width).enumerate() {
            let (c, y) = (index / layout.height, index % layout.height);
            let at = layout.origin() + y * layout.row() + c;
            for (x, v) in row.iter_mut().enumerate() {
                *v = picture[at + x * layout.pixel];
            }
        }
    }
}

/// Memory that lives from run to run.
#[derive(Debug, Default)]
pub struct Buffers {
    faces: usize,
    /// Input of each step, then the output of the last; borders hold the reader's zero point and are never written.
    pictures: Vec<Vec<u8>>,
    /// Dense layers' input, face after face: raw values, or bytes less 128.
    flat: Vec<i16>,
    flat8: Vec<i8>,
    /// A picture before its pool, where the pool isn't part of the convolution.
    unpooled: Vec<u8>,
    scratch: Vec<Cell>,
}

/// One worker's V and M.
#[derive(Debug, Default)]
struct Scratch {
    v: Vec<i16>,
    v8: Vec<i8>,
    m: Vec<i32>,
}

#[derive(Debug, Default)]
struct Cell(UnsafeCell<Scratch>);
// SAFETY: each worker touches only the cell of its own number.
unsafe impl Sync for Cell {}

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
    fn reserve(&mut self, chain: &Steps, faces: usize) {
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
        let flat = most(&|s| if s.conv.method == Method::Dense { faces * s.conv.depth } else { 0 });
        (self.flat, self.flat8) = (vec![0; flat], vec![0; flat]);
        self.unpooled =
            vec![0; most(&|s| if s.pools_apart() { faces * s.conv.plain_output().size() } else { 0 })];
        let rows = |s: &Step| match s.conv.method {
            Method::Winograd(form) => Cut::room(&s.conv, form, faces) * form.points(),
            Method::Gather | Method::Gather8 => gather_pixels(&s.conv),
            Method::Dense => 0,
        };
        let v = most(&|s| if s.conv.bytes { 0 } else { rows(s) * s.conv.depth });
        let v8 = most(&|s| if s.conv.bytes { rows(s) * s.conv.depth } else { 0 });
        let m = most(&|s| rows(s) * BLOCK);
        let scratch = || Scratch { v: vec![0; v], v8: vec![0; v8], m: vec![0; m] };
        self.scratch = (0..chain.pool.threads()).map(|_| Cell(UnsafeCell::new(scratch()))).collect();
    }

    fn step(&mut self, chain: &Steps, index: usize, faces: usize) {
        let conv = &chain.steps[index].conv;
        if conv.method == Method::Dense {
            self.flatten(conv, index, faces);
        }
        let step = &chain.steps[index];
        let (before, after) = self.pictures.split_at_mut(index + 1);
        let layout = output_layout(&chain.steps, index);
        let apart = step.pools_apart();
        let run = Run {
            chain,
            conv,
            pooled: step.pool.is_some() && !apart,
            faces,
            input: &before[index],
            output: if apart { self.unpooled.as_mut_ptr() } else { after[0].as_mut_ptr() },
            layout: if apart { conv.plain_output() } else { layout },
            size: if apart { conv.output } else { step.output() },
            scratch: &self.scratch,
            flat: &self.flat,
            flat8: &self.flat8,
        };
        match conv.method {
            Method::Winograd(form) => run.winograd(form),
            Method::Gather | Method::Gather8 => run.gather(),
            Method::Dense => run.dense(),
        }
        if apart {
            pool_apart(&self.unpooled, &conv.plain_output(), &mut after[0], &layout, step.output(), faces);
        }
    }

    /// A dense layer's input in the order of its weights (planar).
    fn flatten(&mut self, conv: &Packed, index: usize, faces: usize) {
        let l = &conv.layout;
        for face in 0..faces {
            let picture = &self.pictures[index][face * l.size()..][..l.size()];
            let pixels = l.height * l.width;
            let each = picture.chunks_exact(l.pixel).enumerate().flat_map(|(p, pixel)| {
                pixel[..l.channels].iter().enumerate().map(move |(c, &v)| (c * pixels + p, v))
            });
            if conv.bytes {
                let flat = &mut self.flat8[face * conv.depth..][..conv.depth];
                each.for_each(|(at, v)| flat[at] = (v ^ 0x80) as i8);
            } else {
                let flat = &mut self.flat[face * conv.depth..][..conv.depth];
                each.for_each(|(at, v)| flat[at] = i16::from(v));
            }
        }
    }
}

/// Pixels that are gathered at once.
fn gather_pixels(conv: &Packed) -> usize {
    let bytes = conv.depth * if conv.bytes { 1 } else { 2 };
    (V_BYTES / bytes).clamp(8, GATHER_PIXELS).min(conv.output[0] * conv.output[1])
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
            let top = from[a..][..2 * plain.pixel].split_at(plain.pixel);
            let bottom = from[a + row..][..2 * plain.pixel].split_at(plain.pixel);
            let out = to[at..][..plain.pixel].iter_mut();
            for (out, ((a, b), (c, d))) in out.zip(top.0.iter().zip(top.1).zip(bottom.0.iter().zip(bottom.1)))
            {
                *out = *a.max(b).max(c.max(d));
            }
        }
    }
}

/// One step of one run, as the workers see it.
struct Run<'a> {
    chain: &'a Steps,
    conv: &'a Packed,
    pooled: bool,
    faces: usize,
    input: &'a [u8],
    output: *mut u8,
    layout: Layout,
    /// Output extent after pooling.
    size: [usize; 2],
    scratch: &'a [Cell],
    flat: &'a [i16],
    flat8: &'a [i8],
}

// SAFETY: `output` is written at disjoint places by different items.
unsafe impl Sync for Run<'_> {}

/// How a Winograd layer is cut into items: chunks of tiles, and parts of the blocks where chunks alone are too few.
struct Cut {
    tiles: usize,
    per_chunk: usize,
    chunks: usize,
}

impl Cut {
    fn new(conv: &Packed, form: Form, faces: usize) -> Self {
        let [h, w] = conv.output.map(|side| side.div_ceil(form.tile()));
        let tiles = faces * h * w;
        let fit = (V_BYTES / (form.points() * conv.depth * 2)).max(6);
        let chunks = tiles.div_ceil(fit);
        let per_chunk = tiles.div_ceil(chunks);
        Self { tiles, per_chunk, chunks: tiles.div_ceil(per_chunk) }
    }

    /// The most tiles that a chunk has for up to `faces` faces: fewer faces can have longer chunks.
    fn room(conv: &Packed, form: Form, faces: usize) -> usize {
        (1..=faces).map(|n| Self::new(conv, form, n).per_chunk).max().unwrap_or(0)
    }
}

impl Run<'_> {
    fn blocks(&self) -> usize {
        self.conv.bias.len()
    }

    fn requantise(&self, block: usize) -> Requantise<'_> {
        Requantise {
            bias: &self.conv.bias[block],
            multipliers: &self.conv.multipliers[block],
            zero_point: self.conv.y_zp,
            pool: self.pooled,
        }
    }

    /// Where `block`'s channels of `face` go.
    fn sink(&self, face: usize, block: usize) -> Sink {
        let at = face * self.layout.size() + self.layout.origin() + block * BLOCK;
        Sink {
            // SAFETY: inside the output buffer, which has `faces` pictures of this layout.
            data: unsafe { self.output.add(at) },
            row: self.layout.row(),
            pixel: self.layout.pixel,
            height: self.size[0],
            width: self.size[1],
        }
    }

    #[allow(clippy::mut_from_ref)]
    fn scratch(&self, worker: usize) -> &mut Scratch {
        // SAFETY: the pool gives each worker its own number, and a worker does one item at a time.
        unsafe { &mut *self.scratch[worker].0.get() }
    }

    /// Splits the blocks so that every worker gets something when there are few chunks.
    fn parts(&self, chunks: usize) -> usize {
        let threads = self.chain.pool.threads();
        if threads == 1 || chunks >= 2 * threads {
            1
        } else {
            (2 * threads).div_ceil(chunks).min(self.blocks())
        }
    }

    fn blocks_of(&self, part: usize, parts: usize) -> Range<usize> {
        part * self.blocks() / parts..(part + 1) * self.blocks() / parts
    }

    fn winograd(&self, form: Form) {
        let cut = Cut::new(self.conv, form, self.faces);
        let parts = self.parts(cut.chunks);
        self.chain.pool.run(cut.chunks * parts, &|worker, item| {
            let first = item / parts * cut.per_chunk;
            let tiles = first..(first + cut.per_chunk).min(cut.tiles);
            self.tiles(form, tiles, self.blocks_of(item % parts, parts), self.scratch(worker));
        });
    }

    fn tiles(&self, form: Form, tiles: Range<usize>, blocks: Range<usize>, scratch: &mut Scratch) {
        let (conv, kernel) = (self.conv, self.chain.kernel);
        let [high, wide] = conv.output.map(|side| side.div_ceil(form.tile()));
        let place = |tile: usize| (tile / (high * wide), [tile / wide % high, tile % wide]);
        let (l, count) = (&conv.layout, tiles.len());
        let plane = count * conv.depth;
        for (j, tile) in tiles.clone().enumerate() {
            let (face, [ty, tx]) = place(tile);
            let at = face * l.size() + (ty * l.columns + tx) * form.tile() * l.pixel;
            let src = Patches { data: &self.input[at..], row: l.row(), channels: l.pixel };
            kernel.winograd_input(form, src, &mut scratch.v[j * conv.depth..], plane);
        }
        for block in blocks {
            for p in 0..form.points() {
                let m = &mut scratch.m[p * count * BLOCK..][..count * BLOCK];
                kernel.multiply(&scratch.v[p * plane..][..plane], conv.point(block, p), count, conv.depth, m);
            }
            for (j, tile) in tiles.clone().enumerate() {
                let (face, at) = place(tile);
                let m = &scratch.m[j * BLOCK..];
                // SAFETY: the sink's pixels lie in the output buffer, whose pixels have room for whole blocks; no
                // other item writes these channels of these pixels.
                unsafe {
                    let sink = self.sink(face, block);
                    kernel.winograd_output(form, m, count * BLOCK, self.requantise(block), sink, at);
                }
            }
        }
    }

    fn gather(&self) {
        let pixels = self.conv.output[0] * self.conv.output[1];
        let at_once = gather_pixels(self.conv);
        let chunks = pixels.div_ceil(at_once);
        let parts = self.parts(self.faces * chunks);
        self.chain.pool.run(self.faces * chunks * parts, &|worker, item| {
            let (face, first) = (item / parts / chunks, item / parts % chunks * at_once);
            let pixels = first..(first + at_once).min(pixels);
            self.pixels(face, pixels, self.blocks_of(item % parts, parts), self.scratch(worker));
        });
    }

    fn pixels(&self, face: usize, pixels: Range<usize>, blocks: Range<usize>, scratch: &mut Scratch) {
        let (conv, kernel, count) = (self.conv, self.chain.kernel, pixels.len());
        if conv.bytes {
            self.gather_pixels(face, pixels.clone(), &mut scratch.v8, |v| (v ^ 0x80) as i8);
        } else {
            self.gather_pixels(face, pixels.clone(), &mut scratch.v, i16::from);
        }
        for block in blocks {
            let m = &mut scratch.m[..count * BLOCK];
            if conv.bytes {
                kernel.multiply8(&scratch.v8, conv.point8(block), count, conv.depth, m);
            } else {
                kernel.multiply(&scratch.v, conv.point(block, 0), count, conv.depth, m);
            }
            self.store_pixels(face, pixels.clone(), block, m);
        }
    }

    /// Requantises `m` row by row of the output: between them lies a border.
    fn store_pixels(&self, face: usize, pixels: Range<usize>, block: usize, m: &[i32]) {
        let (sink, wide) = (self.sink(face, block), self.conv.output[1]);
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (y, x) = (pixel / wide, pixel % wide);
            let run = (wide - x).min(pixels.end - pixel);
            let m = &m[(pixel - pixels.start) * BLOCK..];
            // SAFETY: as in `tiles`.
            unsafe {
                let out = sink.data.add(y * sink.row + x * sink.pixel);
                self.chain.kernel.store(m, run, self.requantise(block), out, sink.pixel);
            }
            pixel += run;
        }
    }

    /// One row of `v` per pixel: its inputs, tap by tap. What lies beyond the last tap meets zero weights.
    fn gather_pixels<T: Copy>(
        &self,
        face: usize,
        pixels: Range<usize>,
        v: &mut [T],
        convert: impl Fn(u8) -> T,
    ) {
        let (conv, l) = (self.conv, &self.conv.layout);
        let picture = &self.input[face * l.size()..][..l.size()];
        if l.channels == 1 {
            return self.gather_gray(picture, pixels, v, convert);
        }
        for (row, pixel) in v.chunks_exact_mut(conv.depth).zip(pixels) {
            let (y, x) = (pixel / conv.output[1], pixel % conv.output[1]);
            let mut taps = row.chunks_exact_mut(l.channels);
            for ky in 0..conv.kernel_size[0] {
                let line = (y * conv.strides[0] + ky * conv.dilations[0]) * l.columns;
                for kx in 0..conv.kernel_size[1] {
                    let at = (line + x * conv.strides[1] + kx * conv.dilations[1]) * l.pixel;
                    if let Some(to) = taps.next() {
                        for (to, &from) in to.iter_mut().zip(&picture[at..][..l.channels]) {
                            *to = convert(from);
                        }
                    }
                }
            }
        }
    }

    /// The same for one channel: tap by tap over all pixels, since a copy of one value per tap is all overhead.
    fn gather_gray<T: Copy>(
        &self,
        picture: &[u8],
        pixels: Range<usize>,
        v: &mut [T],
        convert: impl Fn(u8) -> T,
    ) {
        let (conv, l) = (self.conv, &self.conv.layout);
        let [_, kernel_wide] = conv.kernel_size;
        for tap in 0..conv.kernel_size[0] * kernel_wide {
            let start =
                tap / kernel_wide * conv.dilations[0] * l.columns + tap % kernel_wide * conv.dilations[1];
            let rows = v.chunks_exact_mut(conv.depth).zip(pixels.clone());
            for (row, pixel) in rows {
                let (y, x) = (pixel / conv.output[1], pixel % conv.output[1]);
                let at = start + y * conv.strides[0] * l.columns + x * conv.strides[1];
                row[tap] = convert(picture[at * l.pixel]);
            }
        }
    }

    fn dense(&self) {
        let blocks = self.conv.out_channels.div_ceil(DENSE_ROWS);
        let items = blocks.div_ceil(DENSE_ITEM);
        self.chain.pool.run(items, &|_, item| {
            for block in item * DENSE_ITEM..((item + 1) * DENSE_ITEM).min(blocks) {
                self.dense_block(block);
            }
        });
    }

    fn dense_block(&self, block: usize) {
        let (conv, depth) = (self.conv, self.conv.depth);
        let mut sums = [[0i32; DENSE_ROWS]; FACES];
        for first in (0..self.faces).step_by(FACES) {
            let count = FACES.min(self.faces - first);
            let (kernel, rows, sums) = (self.chain.kernel, conv.rows(block), &mut sums[..count]);
            if conv.bytes {
                kernel.dense8(rows, &self.flat8[first * depth..], depth, sums);
            } else {
                kernel.dense(rows, &self.flat[first * depth..], depth, sums);
            }
            for (face, sums) in sums.iter().enumerate() {
                let rows = DENSE_ROWS.min(conv.out_channels - block * DENSE_ROWS);
                for (r, &sum) in sums[..rows].iter().enumerate() {
                    let c = block * DENSE_ROWS + r;
                    let (bias, m) = (conv.bias[c / BLOCK][c % BLOCK], conv.multipliers[c / BLOCK][c % BLOCK]);
                    let at = (first + face) * self.layout.size() + self.layout.origin() + c;
                    // SAFETY: channel `c` of the only pixel of this face, in the output buffer; no other item's.
                    unsafe { *self.output.add(at) = requantise(sum.wrapping_add(bias), m, conv.y_zp) };
                }
            }
        }
    }
}
