//! The arithmetic of one row: depthwise 3×3, pointwise 1×1 with residual and ReLU, and the 5×5 stem.
//!
//! Terms. *Row*: `width` pixels of `channels` values each, channel last. *Padded row*: with one zero pixel before and
//! after it, so that no kernel asks where the edge is. *Tile*: [`TILE`] pixels by [`GROUP`] output channels, which
//! fill the registers of AVX2; weights are stored in the order in which tiles read them.
//!
//! Each kernel is written once over [`Lanes`] and compiled once per instruction set; [`Kernels`](super::dispatch::Kernels) chooses at load.

use super::lanes::{LANES, Lanes};

/// Pixels in a pointwise tile: 3 × 3 sums, 3 weights and a pixel leave room in AVX2's 16 registers, and nine sums hide
/// the multiplier's latency. Four pixels would fill the registers exactly; the compiler then spills one (2.2 times
/// slower, measured).
pub const TILE: usize = 3;
/// Pixels that the depthwise kernel does at once.
const RUN: usize = 4;
/// Output pixels that go through depthwise and pointwise together, so that what lies between stays in the L1 cache.
pub const CHUNK: usize = 24;
/// Vectors of output channels in a tile.
const VECTORS: usize = 3;
/// Output channels in a tile; pointwise weights are padded to a multiple.
pub const GROUP: usize = VECTORS * LANES;
/// Taps of the depthwise kernel.
pub const TAPS: usize = 9;
/// Taps along one side of the stem.
pub const STEM_SIDE: usize = 5;

/// What is added to a block's pointwise output before the ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    None,
    /// The block's own input.
    Input,
    /// The 2×2 maximum of the block's input; output channels beyond the input's get nothing.
    Pooled,
}

/// 1×1 convolution: `[⌈outputs/GROUP⌉][inputs][GROUP]` weights, bias padded to the groups.
#[derive(Debug, Clone)]
pub struct Pointwise {
    pub inputs: usize,
    pub outputs: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Pointwise {
    /// `weights` as ONNX has them: `outputs`×`inputs`.
    pub fn pack(inputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let groups = outputs.div_ceil(GROUP);
        let mut packed = vec![0.0; groups * inputs * GROUP];
        for (i, &w) in weights.iter().enumerate() {
            let (o, k) = (i / inputs, i % inputs);
            packed[(o / GROUP * inputs + k) * GROUP + o % GROUP] = w;
        }
        let mut padded = bias.to_vec();
        padded.resize(groups * GROUP, 0.0);
        Self { inputs, outputs, weights: packed, bias: padded }
    }
}

/// One output row of a depthwise block. `rows` are padded input rows, `mixed` ([`CHUNK`] × channels) is scratch.
pub struct BlockRow<'a> {
    pub rows: [&'a [f32]; 3],
    pub stride: usize,
    /// `[TAPS][channels]`
    pub depthwise: &'a [f32],
    pub pointwise: &'a Pointwise,
    pub residual: Residual,
    pub mixed: &'a mut [f32],
    /// Width × outputs, without padding.
    pub out: &'a mut [f32],
}

/// One row of a bare 1×1 convolution without activation.
pub struct HeadRow<'a> {
    pub row: &'a [f32],
    pub pointwise: &'a Pointwise,
    pub out: &'a mut [f32],
}

/// One output row of the stem: 5×5, stride 2, one input channel, ReLU. `rows` start at the leftmost tap's pixel.
pub struct StemRow<'a> {
    pub rows: [&'a [f32]; STEM_SIDE],
    /// `[25][GROUP]`
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub out: &'a mut [f32],
}

/// # Safety
/// The lengths are as `Kernels::block` checks them and `V` is available.
#[inline(always)]
pub unsafe fn block<V: Lanes>(job: BlockRow<'_>) {
    let (channels, outputs) = (job.pointwise.inputs, job.pointwise.outputs);
    let width = job.out.len() / outputs;
    // SAFETY: (whole body) `rows` hold `width·stride + 2` pixels as far as taps reach, `mixed` CHUNK × channels,
    // `out` width × outputs; all indices below stay inside.
    unsafe {
        let (mixed, residual) = (job.mixed.as_mut_ptr(), job.residual);
        let mut sink =
            BlockSink { rows: job.rows, first: 0, channels, outputs, residual, out: job.out.as_mut_ptr() };
        while sink.first < width {
            let count = CHUNK.min(width - sink.first);
            depthwise::<V>(&job.rows, job.stride, job.depthwise, channels, sink.first, count, mixed);
            pointwise::<V>(mixed, count, job.pointwise, &mut sink);
            sink.first += count;
        }
    }
}

/// Where the sums of a pointwise convolution go. A trait and not a closure: a closure is a function of its own, which
/// is compiled without the kernel's instruction set.
trait Sink {
    /// # Safety
    /// `pixel` and `channel` lie inside the row that the kernel's caller checked, and `V` is available.
    unsafe fn take<V: Lanes>(&mut self, pixel: usize, channel: usize, sum: V);
}

/// Residual, ReLU, store.
struct BlockSink<'a> {
    rows: [&'a [f32]; 3],
    /// Pixels of the row that are done; the kernel counts on from there.
    first: usize,
    channels: usize,
    outputs: usize,
    residual: Residual,
    out: *mut f32,
}

impl Sink for BlockSink<'_> {
    #[inline(always)]
    unsafe fn take<V: Lanes>(&mut self, pixel: usize, channel: usize, mut sum: V) {
        let pixel = self.first + pixel;
        // SAFETY: the padded rows hold `pixel + 1` (or the pool's four pixels), `out` holds `pixel`.
        unsafe {
            match self.residual {
                Residual::Input => {
                    sum = sum.add(V::load(self.rows[1].as_ptr().add((pixel + 1) * self.channels + channel)));
                }
                Residual::Pooled if channel < self.channels => {
                    sum = sum.add(pooled::<V>(&self.rows, pixel, channel, self.channels));
                }
                Residual::Pooled | Residual::None => {}
            }
            sum.max(V::splat(0.0)).store(self.out.add(pixel * self.outputs + channel));
        }
    }
}

/// Stores what is not padding.
struct HeadSink<'a> {
    outputs: usize,
    out: &'a mut [f32],
}

impl Sink for HeadSink<'_> {
    #[inline(always)]
    unsafe fn take<V: Lanes>(&mut self, pixel: usize, channel: usize, sum: V) {
        let mut values = [0.0; LANES];
        // SAFETY: eight values of room.
        unsafe { sum.store(values.as_mut_ptr()) };
        let count = self.outputs.saturating_sub(channel).min(LANES);
        let start = pixel * self.outputs + channel.min(self.outputs);
        self.out[start..][..count].copy_from_slice(&values[..count]);
    }
}

/// # Safety
/// The lengths are as `Kernels::head` checks them and `V` is available.
#[inline(always)]
pub unsafe fn head<V: Lanes>(job: HeadRow<'_>) {
    let width = job.row.len() / job.pointwise.inputs;
    let mut sink = HeadSink { outputs: job.pointwise.outputs, out: job.out };
    // SAFETY: `row` holds width × inputs values.
    unsafe { pointwise::<V>(job.row.as_ptr(), width, job.pointwise, &mut sink) }
}

/// The 2×2 maximum under output pixel `pixel` of a stride-2 block. Its rows 0 and 1 are the pool's; their first real
/// pixel is number 1 of the padded row.
///
/// # Safety
/// Rows 0 and 1 hold `2·pixel + 2` pixels of `channels` values from where they start, and `V` is available.
#[inline(always)]
unsafe fn pooled<V: Lanes>(rows: &[&[f32]; 3], pixel: usize, channel: usize, channels: usize) -> V {
    let at = (2 * pixel) * channels + channel;
    // SAFETY: stride-2 rows hold 2·width + 1 pixels from where they start.
    unsafe {
        let (a, b) = (rows[0].as_ptr().add(at), rows[1].as_ptr().add(at));
        let upper = V::load(a).max(V::load(a.add(channels)));
        upper.max(V::load(b).max(V::load(b.add(channels))))
    }
}

/// `N` vectors, `step` values from each other.
///
/// # Safety
/// `from` points at `(N − 1)·step + LANES` readable values, and `V` is available.
#[inline(always)]
unsafe fn load_spaced<V: Lanes, const N: usize>(from: *const f32, step: usize) -> [V; N] {
    let mut vectors = [V::splat(0.0); N];
    for (i, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: the caller's array holds N vectors.
        *vector = unsafe { V::load(from.add(i * step)) };
    }
    vectors
}

/// Each channel's 3×3 taps over `width` output pixels from number `first` on; `out` starts at the first of them.
///
/// # Safety
/// The rows hold the pixels that the taps of output pixels `first..first + width` reach, `weights` [`TAPS`]`·channels`
/// values, `out` `width·channels`; `channels` is a multiple of [`LANES`], and `V` is available.
#[inline(always)]
unsafe fn depthwise<V: Lanes>(
    rows: &[&[f32]; 3],
    stride: usize,
    weights: &[f32],
    channels: usize,
    first: usize,
    width: usize,
    out: *mut f32,
) {
    for channel in (0..channels).step_by(LANES) {
        // SAFETY: `weights` holds TAPS × channels values; the rows hold the pixels that taps reach.
        unsafe {
            let w = load_spaced::<V, TAPS>(weights.as_ptr().add(channel), channels);
            let at = first * stride * channels + channel;
            let from = [rows[0].as_ptr().add(at), rows[1].as_ptr().add(at), rows[2].as_ptr().add(at)];
            let mut pixel = 0;
            while pixel + RUN <= width {
                match stride {
                    1 => depthwise_pixels::<V, 1, RUN, 6>(&from, &w, channels, pixel, out.add(channel)),
                    _ => depthwise_pixels::<V, 2, RUN, 9>(&from, &w, channels, pixel, out.add(channel)),
                }
                pixel += RUN;
            }
            while pixel < width {
                match stride {
                    1 => depthwise_pixels::<V, 1, 1, 3>(&from, &w, channels, pixel, out.add(channel)),
                    _ => depthwise_pixels::<V, 2, 1, 3>(&from, &w, channels, pixel, out.add(channel)),
                }
                pixel += 1;
            }
        }
    }
}

/// `PIXELS` outputs next to each other, which share the `COLUMNS` input pixels under them.
///
/// # Safety
/// Each of `from` points at the `(pixel + PIXELS − 1)·STRIDE + 3` pixels under them and `out` at room for `pixel + PIXELS`,
/// `channels` values apart; `V` is available.
#[inline(always)]
unsafe fn depthwise_pixels<V: Lanes, const STRIDE: usize, const PIXELS: usize, const COLUMNS: usize>(
    from: &[*const f32; 3],
    w: &[V; TAPS],
    channels: usize,
    pixel: usize,
    out: *mut f32,
) {
    let mut sums = [V::splat(0.0); PIXELS];
    // SAFETY: pixels up to `(pixel + PIXELS − 1)·STRIDE + 2` exist in every row, and `out` has `pixel + PIXELS`.
    unsafe {
        for (dy, row) in from.iter().enumerate() {
            let start = row.add(pixel * STRIDE * channels);
            for column in 0..COLUMNS {
                let value = V::load(start.add(column * channels));
                for (p, sum) in sums.iter_mut().enumerate() {
                    if column >= p * STRIDE && column < p * STRIDE + 3 {
                        *sum = sum.add_product(value, w[dy * 3 + column - p * STRIDE]);
                    }
                }
            }
        }
        for (p, sum) in sums.into_iter().enumerate() {
            sum.store(out.add((pixel + p) * channels));
        }
    }
}

/// 1×1 convolution of `width` pixels; `sink` gets each vector of results.
///
/// # Safety
/// `from` points at `width·p.inputs` values, `p` holds `p.inputs` weights and a bias for each output of its groups, and `V`
/// is available.
#[inline(always)]
unsafe fn pointwise<V: Lanes>(from: *const f32, width: usize, p: &Pointwise, sink: &mut impl Sink) {
    for group in 0..p.bias.len() / GROUP {
        let mut pixel = 0;
        // SAFETY: `from` holds width × inputs values, and every group has inputs × GROUP weights.
        unsafe {
            while pixel + TILE <= width {
                tile::<V, TILE>(from, pixel, group, p, sink);
                pixel += TILE;
            }
            match width - pixel {
                0 => {}
                // The last tile overlaps the one before and makes the same values again.
                _ if width >= TILE => tile::<V, TILE>(from, width - TILE, group, p, sink),
                2 => tile::<V, 2>(from, pixel, group, p, sink),
                _ => tile::<V, 1>(from, pixel, group, p, sink),
            }
        }
    }
}

/// `PIXELS` pixels from number `pixel` on, one group of outputs.
///
/// # Safety
/// As [`pointwise`]; the pixels lie inside the row, the group among `p`'s.
#[inline(always)]
unsafe fn tile<V: Lanes, const PIXELS: usize>(
    from: *const f32,
    pixel: usize,
    group: usize,
    p: &Pointwise,
    sink: &mut impl Sink,
) {
    // SAFETY: as in `pointwise`; bias holds a whole group.
    unsafe {
        let bias = p.bias.as_ptr().add(group * GROUP);
        let start = load_spaced::<V, VECTORS>(bias, LANES);
        let mut sums = [start; PIXELS];
        let mut weights = p.weights.as_ptr().add(group * p.inputs * GROUP);
        let from = from.add(pixel * p.inputs);
        for k in 0..p.inputs {
            let w = load_spaced::<V, VECTORS>(weights, LANES);
            for (i, sum) in sums.iter_mut().enumerate() {
                let x = V::splat(*from.add(i * p.inputs + k));
                for (s, w) in sum.iter_mut().zip(w) {
                    *s = s.add_product(x, w);
                }
            }
            weights = weights.add(GROUP);
        }
        for (i, sum) in sums.into_iter().enumerate() {
            for (v, s) in sum.into_iter().enumerate() {
                sink.take(pixel + i, group * GROUP + v * LANES, s);
            }
        }
    }
}

/// # Safety
/// The lengths are as `Kernels::stem` checks them and `V` is available.
#[inline(always)]
pub unsafe fn stem<V: Lanes>(job: StemRow<'_>) {
    let out = job.out.as_mut_ptr();
    // SAFETY: rows hold 2·(width − 1) + 5 values, weights 25 × GROUP, out width × GROUP.
    unsafe {
        let start = load_spaced::<V, VECTORS>(job.bias.as_ptr(), LANES);
        let width = job.out.len() / GROUP;
        for pixel in (0..width).step_by(TILE).map(|p| p.min(width - TILE)) {
            let mut sums = [start; TILE];
            let mut weights = job.weights.as_ptr();
            for row in &job.rows {
                for dx in 0..STEM_SIDE {
                    let w = load_spaced::<V, VECTORS>(weights, LANES);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = V::splat(*row.as_ptr().add((pixel + i) * 2 + dx));
                        for (s, w) in sum.iter_mut().zip(w) {
                            *s = s.add_product(x, w);
                        }
                    }
                    weights = weights.add(GROUP);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                for (v, s) in sum.into_iter().enumerate() {
                    s.max(V::splat(0.0)).store(out.add((pixel + i) * GROUP + v * LANES));
                }
            }
        }
    }
}
