//! One step of one run, cut into items for the workers: which tiles or pixels, which output channels, which kernel call.
//!
//! Terms. *Item*: what a worker does at a time: a chunk of tiles, rows or pixels times a part of the output channels. Layers that
//! are computed row by row are in [`super::rows`].

use std::ops::Range;

use super::active::Active;
use super::buffers::{Cell, Scratch};
use super::kernels::{BLOCK, DENSE_LINES, DENSE_ROWS, Patches, Products, Requantise, Sink};
use super::layout::Layout;
use super::packed::{Band, Method, Packed};
use super::run::Steps;
use super::winograd::Form;

/// V's share of a core's second-level cache, in bytes: decides how many tiles are transformed at once.
const V_BYTES: usize = 192 * 1024;
/// The most pixels that are gathered at once.
const GATHER_PIXELS: usize = 96;
/// Rows of a dense layer that one item computes, at least.
const DENSE_ITEM: usize = 2 * DENSE_ROWS;

/// How a Winograd layer is cut into items: chunks of tiles, and parts of the blocks where chunks alone are too few.
pub(super) struct Cut {
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
    pub(super) fn room(conv: &Packed, form: Form, faces: usize) -> usize {
        (1..=faces).map(|n| Self::new(conv, form, n).per_chunk).max().unwrap_or(0)
    }
}

/// Pixels that are gathered at once.
pub(super) fn gather_pixels(conv: &Packed) -> usize {
    let bytes = conv.depth * if conv.bytes() { 1 } else { 2 };
    (V_BYTES / bytes).clamp(8, GATHER_PIXELS).min(conv.output[0] * conv.output[1])
}

/// One step of one run, as the workers see it.
pub(super) struct Run<'a> {
    pub chain: &'a Steps,
    pub conv: &'a Packed,
    /// The convolution behind this one.
    pub next: Option<&'a Packed>,
    pub pooled: bool,
    pub faces: usize,
    pub input: &'a [u8],
    pub output: *mut u8,
    pub layout: Layout,
    /// Output extent after pooling.
    pub size: [usize; 2],
    pub scratch: &'a [Cell],
    pub active: &'a [Active],
}

// SAFETY: `output` is written at disjoint places by different items.
unsafe impl Sync for Run<'_> {}

impl Run<'_> {
    pub fn compute(&self) {
        match self.conv.method {
            Method::Winograd(form) => self.winograd(form),
            Method::Direct | Method::DirectRows => self.rows(),
            Method::Gather | Method::Gather8 => self.gather(),
            Method::Dense => self.dense(),
        }
    }

    pub(super) fn blocks(&self) -> usize {
        self.conv.multipliers.len()
    }

    fn requantise<'b>(&'b self, block: usize, bias: &'b [[i32; BLOCK]]) -> Requantise<'b> {
        Requantise {
            bias: &bias[block],
            multipliers: &self.conv.multipliers[block],
            zero_point: self.conv.y_zp,
            pool: self.pooled,
        }
    }

    /// Where `block`'s channels of `face` go.
    pub(super) fn sink(&self, face: usize, block: usize) -> Sink {
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
    pub(super) fn scratch(&self, worker: usize) -> &mut Scratch {
        // SAFETY: the pool gives each worker its own number, and a worker does one item at a time.
        unsafe { self.scratch[worker].get() }
    }

    /// Splits `whole` so that every worker gets about `each` items when there are few chunks.
    pub(super) fn parts(&self, chunks: usize, whole: usize, each: usize) -> usize {
        let threads = self.chain.pool.threads();
        if threads == 1 { 1 } else { (each * threads).div_ceil(chunks).min(whole) }
    }

    fn blocks_of(&self, part: usize, parts: usize) -> Range<usize> {
        part * self.blocks() / parts..(part + 1) * self.blocks() / parts
    }

    fn winograd(&self, form: Form) {
        let cut = Cut::new(self.conv, form, self.faces);
        let parts = self.parts(cut.chunks, self.blocks(), 2);
        self.chain.pool.run(cut.chunks * parts, &|worker, item| {
            let first = item / parts * cut.per_chunk;
            let tiles = first..(first + cut.per_chunk).min(cut.tiles);
            self.tiles(form, tiles, self.blocks_of(item % parts, parts), self.scratch(worker));
        });
    }

    fn tiles(&self, form: Form, tiles: Range<usize>, blocks: Range<usize>, scratch: &mut Scratch) {
        let (conv, kernel) = (self.conv, self.chain.kernel.wide());
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
                let of = Products { form, m: &scratch.m[j * BLOCK..], plane: count * BLOCK };
                // SAFETY: the sink's pixels lie in the output buffer, whose pixels have room for whole blocks; no
                // other item writes these channels of these pixels.
                unsafe {
                    let sink = self.sink(face, block);
                    kernel.winograd_output(of, self.requantise(block, &conv.bias), sink, at);
                }
            }
        }
    }

    fn gather(&self) {
        let pixels = self.conv.output[0] * self.conv.output[1];
        let at_once = gather_pixels(self.conv);
        let chunks = pixels.div_ceil(at_once);
        let parts = self.parts(self.faces * chunks, self.blocks(), 2);
        self.chain.pool.run(self.faces * chunks * parts, &|worker, item| {
            let (face, first) = (item / parts / chunks, item / parts % chunks * at_once);
            let pixels = first..(first + at_once).min(pixels);
            self.pixels(face, pixels, self.blocks_of(item % parts, parts), self.scratch(worker));
        });
    }

    fn pixels(&self, face: usize, pixels: Range<usize>, blocks: Range<usize>, scratch: &mut Scratch) {
        let (conv, kernel) = (self.conv, self.chain.kernel);
        if conv.bytes() {
            self.gather_bands(face, pixels.clone(), &mut scratch.v8, |v| v ^ 0x80);
        } else {
            self.gather_bands(face, pixels.clone(), &mut scratch.v, i16::from);
        }
        for block in blocks {
            let mut at = 0;
            for (band, pixels) in conv.bands(pixels.clone()) {
                let (count, depth) = (pixels.len(), band.depth.len());
                let m = &mut scratch.m[..count * BLOCK];
                if conv.bytes() {
                    let u = &conv.point8(block)[band.depth.start * BLOCK..band.depth.end * BLOCK];
                    kernel.multiply8(&scratch.v8[at..], u, count, depth, m);
                } else {
                    kernel.wide().multiply(&scratch.v[at..], conv.point(block, 0), count, depth, m);
                }
                at += count * depth;
                self.store_pixels(face, pixels, block, self.requantise(block, &band.bias), m);
            }
        }
    }

    /// Requantises `m` row by row of the output: between them lies a border.
    fn store_pixels(&self, face: usize, pixels: Range<usize>, block: usize, how: Requantise<'_>, m: &[i32]) {
        let (sink, wide) = (self.sink(face, block), self.conv.output[1]);
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (y, x) = (pixel / wide, pixel % wide);
            let run = (wide - x).min(pixels.end - pixel);
            let m = &m[(pixel - pixels.start) * BLOCK..];
            // SAFETY: as in `tiles`.
            unsafe {
                let out = sink.data.add(y * sink.row + x * sink.pixel);
                self.chain.kernel.wide().store(m, run, how, out, sink.pixel);
            }
            pixel += run;
        }
    }

    /// Band after band, one row of `v` per pixel: its inputs, tap by tap. What lies beyond the last tap meets zero weights.
    fn gather_bands<T: Copy>(
        &self,
        face: usize,
        pixels: Range<usize>,
        v: &mut [T],
        convert: impl Fn(u8) -> T + Copy,
    ) {
        let l = &self.conv.layout;
        let picture = &self.input[face * l.size()..][..l.size()];
        let mut at = 0;
        for (band, pixels) in self.conv.bands(pixels) {
            let size = pixels.len() * band.depth.len();
            let v = &mut v[at..at + size];
            if l.channels == 1 {
                self.gather_gray(picture, pixels, v, convert);
            } else {
                self.gather_pixels(picture, band, pixels, v, convert);
            }
            at += size;
        }
    }

    fn gather_pixels<T: Copy>(
        &self,
        picture: &[u8],
        band: &Band,
        pixels: Range<usize>,
        v: &mut [T],
        convert: impl Fn(u8) -> T,
    ) {
        let (conv, l, taps) = (self.conv, &self.conv.layout, &self.conv.taps[band.taps.clone()]);
        for (row, pixel) in v.chunks_exact_mut(band.depth.len()).zip(pixels) {
            let (y, x) = (pixel / conv.output[1], pixel % conv.output[1]);
            let start = (y * conv.strides[0] * l.columns + x * conv.strides[1]) * l.pixel;
            for (to, tap) in row.chunks_exact_mut(l.channels).zip(taps) {
                for (to, &from) in to.iter_mut().zip(&picture[start + tap..][..l.channels]) {
                    *to = convert(from);
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
        let (conv, wide) = (self.conv, self.conv.output[1]);
        let step = conv.strides[1] * conv.layout.pixel;
        let mut rows = v;
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (y, x) = (pixel / wide, pixel % wide);
            let run = (wide - x).min(pixels.end - pixel);
            let start = y * conv.strides[0] * conv.layout.row() + x * step;
            let (now, later) = rows.split_at_mut(run * conv.depth);
            for (tap, &at) in conv.taps.iter().enumerate() {
                let from = picture[start + at..].iter().step_by(step);
                for (row, &value) in now.chunks_exact_mut(conv.depth).zip(from) {
                    row[tap] = convert(value);
                }
            }
            rows = later;
            pixel += run;
        }
    }

    fn dense(&self) {
        let blocks = self.conv.dense_blocks();
        let at_once = (DENSE_ITEM / self.conv.columns(0).0.len().max(1)).max(1);
        self.chain.pool.run(blocks.div_ceil(at_once), &|_, item| {
            for block in item * at_once..((item + 1) * at_once).min(blocks) {
                self.dense_block(block);
            }
        });
    }

    /// One block for every face: the first brings the weights into the cache for the others.
    fn dense_block(&self, block: usize) {
        let kernel = self.chain.kernel;
        let (rows, columns) = self.conv.columns(block);
        let mut sums = [[0i32; DENSE_ROWS]; DENSE_LINES];
        for (face, active) in self.active[..self.faces].iter().enumerate() {
            kernel.dense(columns, active, &mut sums[..columns.lines]);
            let blocks = rows.start / BLOCK..rows.end.div_ceil(BLOCK);
            for (block, sums) in blocks.zip(sums.as_flattened().chunks_exact(BLOCK)) {
                let sink = self.sink(face, block);
                // SAFETY: these channels of the only pixel of this face, in the output buffer, which has room for whole
                // blocks; no other item's.
                unsafe {
                    kernel.wide().store(
                        sums,
                        1,
                        self.requantise(block, &self.conv.bias),
                        sink.data,
                        sink.pixel,
                    )
                };
            }
        }
    }
}
