//! The f32 network's linear layers: weights stay f16 in memory and are widened on the way into the multiplier.
//!
//! One face reads every weight once, so these layers are as fast as memory: half the bytes is half the time, and every
//! f16 is an f32, so nothing is lost. As in [`super::active`], weights that would meet a zero are not read.
//! Terms. *Block*: [`ROWS`] rows, packed `[column][row]`, two cache lines a column.

use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use super::half;
use super::onnx_file::SideTensor;
use super::pages::Pages;

/// Rows of a block.
const ROWS: usize = 64;
/// Columns that are fetched ahead.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const AHEAD: usize = 64;
/// Columns that are packed at a time, so that reads and writes stay in the first-level cache.
const PACKED_AT_ONCE: usize = 32;

/// `y = W·x + b` for pictures that a kernel covers whole, planar f32 in, `[batch, rows, 1, 1]` out.
#[derive(Debug, Clone)]
pub struct DenseF16(Arc<Weights>);

#[derive(Debug)]
struct Weights {
    rows: usize,
    depth: usize,
    bias: Vec<f32>,
    pages: Pages,
    kernel: Widen,
}

/// How f16 becomes f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Widen {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    F16c,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl PartialEq for DenseF16 {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for DenseF16 {}

impl DenseF16 {
    /// Packs a `[rows][depth…]` tensor of f16 and gives its file pages back.
    pub fn new(tensor: &SideTensor, bias: Vec<f32>) -> std::io::Result<Self> {
        let rows = tensor.dims[0];
        let depth = tensor.len() / rows;
        let mut pages = Pages::new(rows.next_multiple_of(ROWS) * depth * 2)?;
        let blocks = pages.as_i16_mut().chunks_exact_mut(ROWS * depth);
        let (mut done, mut released) = (0, 0);
        for (rows, block) in tensor.bytes().chunks(ROWS * depth * 2).zip(blocks) {
            pack(rows.as_chunks().0, depth, block);
            done += rows.len();
            if done - released > 2 << 20 {
                tensor.release(released..done);
                released = done;
            }
        }
        tensor.release(0..tensor.bytes().len());
        Ok(Self(Arc::new(Weights { rows, depth, bias, pages, kernel: Widen::available()[0] })))
    }

    pub fn macs(&self) -> u64 {
        (self.0.rows * self.0.depth) as u64
    }
    pub fn weight_bytes(&self) -> usize {
        self.0.rows.next_multiple_of(ROWS) * self.0.depth * 2
    }
    pub fn kernel_name(&self) -> &'static str {
        match self.0.kernel {
            #[cfg(target_arch = "x86_64")]
            Widen::Avx512 => "avx512f, dense f16",
            #[cfg(target_arch = "x86_64")]
            Widen::F16c => "f16c, dense f16",
            #[cfg(target_arch = "aarch64")]
            Widen::Neon => "neon, dense f16",
            Widen::Portable => "portable, dense f16",
        }
    }
}

/// Up to [`ROWS`] rows of `depth` little-endian halves → columns.
fn pack(rows: &[[u8; 2]], depth: usize, block: &mut [i16]) {
    for first in (0..depth).step_by(PACKED_AT_ONCE) {
        for (r, row) in rows.chunks_exact(depth).enumerate() {
            for (c, &half) in row[first..].iter().take(PACKED_AT_ONCE).enumerate() {
                block[(first + c) * ROWS + r] = i16::from_le_bytes(half);
            }
        }
    }
}

impl Widen {
    /// Those that this CPU can run, fastest first.
    fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") {
                all.push(Widen::Avx512);
            }
            if has!("avx2") && has!("f16c") && has!("fma") {
                all.push(Widen::F16c);
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Widen::Neon);
        all.push(Widen::Portable);
        all
    }

    /// `out[row] = Σ w[column][row]·x` over the `(column, x)` that count.
    fn block(self, w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
        assert!(w.len() >= x.depth * ROWS);
        match self {
            // SAFETY: the CPU has the features; the columns that count are below the depth.
            #[cfg(target_arch = "x86_64")]
            Widen::Avx512 => unsafe { avx512(w, x, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Widen::F16c => unsafe { f16c(w, x, out) },
            // SAFETY: NEON is part of every aarch64 CPU; the columns that count are below the depth.
            #[cfg(target_arch = "aarch64")]
            Widen::Neon => unsafe { neon(w, x, out) },
            Widen::Portable => portable(w, x, out),
        }
    }
}

/// One face's inputs that aren't zero, filled up to pairs. Lives from run to run.
#[derive(Debug, Clone, Default)]
struct Inputs {
    depth: usize,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Inputs {
    fn fill(&mut self, x: &[f32]) {
        self.depth = x.len();
        self.columns.clear();
        self.values.clear();
        for (column, &x) in x.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            self.columns.push(column as u32);
            self.values.push(x);
        }
        if self.columns.len() % 2 == 1 {
            self.columns.push(self.columns[self.columns.len() - 1]);
            self.values.push(0.0);
        }
    }
}

fn portable(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    let columns = w.as_chunks::<ROWS>().0;
    let mut acc = [0f32; ROWS];
    for (&column, &x) in x.columns.iter().zip(&x.values) {
        for (acc, &w) in acc.iter_mut().zip(&columns[column as usize]) {
            *acc += half::to_f32(w as u16) * x;
        }
    }
    *out = acc;
}

/// The two lines of the column that is due [`AHEAD`] columns after number `done`, or lines of the block behind this one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn ahead(w: &[i16], x: &Inputs, done: usize) -> [*const i8; 2] {
    let at = done + AHEAD;
    let (place, behind) = if at < x.columns.len() { (at, 0) } else { (at - x.columns.len(), x.depth) };
    let column = x.columns.get(place).map_or(0, |&c| c as usize);
    let line = w.as_ptr().wrapping_add((behind + column) * ROWS);
    [line.cast(), line.wrapping_add(ROWS / 2).cast()]
}

/// # Safety
/// AVX512F; `w` holds as many columns as `x` has.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    use std::arch::x86_64::*;
    // Even and odd columns apart: a single chain of sums would wait for the adder.
    let mut acc = [[_mm512_setzero_ps(); 4]; 2];
    let pairs = x.columns.as_chunks::<2>().0.iter().zip(x.values.as_chunks::<2>().0);
    for (i, (columns, xs)) in pairs.enumerate() {
        for line in [ahead(w, x, 2 * i), ahead(w, x, 2 * i + 1)].as_flattened() {
            _mm_prefetch::<_MM_HINT_T0>(*line);
        }
        for (acc, (&column, &x)) in acc.iter_mut().zip(columns.iter().zip(xs)) {
            let from = w.as_ptr().wrapping_add(column as usize * ROWS);
            let x = _mm512_set1_ps(x);
            for (j, acc) in acc.iter_mut().enumerate() {
                // SAFETY: the column lies in `w` by this function's contract.
                let w = unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.add(16 * j).cast())) };
                *acc = _mm512_fmadd_ps(w, x, *acc);
            }
        }
    }
    for (j, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: sixteen floats fit.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(acc[0][j], acc[1][j])) };
    }
}

/// # Safety
/// AVX2, F16C, FMA; `w` holds as many columns as `x` has.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn f16c(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    use std::arch::x86_64::*;
    let mut acc = [_mm256_setzero_ps(); ROWS / 8];
    for (i, (&column, &value)) in x.columns.iter().zip(&x.values).enumerate() {
        for line in ahead(w, x, i) {
            _mm_prefetch::<_MM_HINT_T0>(line);
        }
        for (j, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the column lies in `w` by this function's contract.
            let w = unsafe {
                _mm256_cvtph_ps(_mm_loadu_si128(w.as_ptr().add(column as usize * ROWS + 8 * j).cast()))
            };
            *acc = _mm256_fmadd_ps(w, _mm256_set1_ps(value), *acc);
        }
    }
    for (out, acc) in out.as_chunks_mut::<8>().0.iter_mut().zip(acc) {
        // SAFETY: eight floats fit.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), acc) };
    }
}

/// FCVTL and FMLA; Rust's f16 vectors and its prefetch are not stable, so those are `asm!`.
///
/// # Safety
/// `w` holds as many columns as `x` has.
#[cfg(target_arch = "aarch64")]
unsafe fn neon(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    use std::arch::aarch64::*;
    use std::arch::asm;
    // SAFETY: the columns lie in `w` by this function's contract; the asm touches registers, or fetches, which may point
    // anywhere.
    unsafe {
        let mut acc = [vdupq_n_f32(0.0); ROWS / 4];
        for (i, (&column, &value)) in x.columns.iter().zip(&x.values).enumerate() {
            for line in ahead(w, x, i) {
                asm!("prfm pldl1keep, [{line}]", line = in(reg) line,
                    options(nostack, preserves_flags, readonly));
            }
            for j in 0..ROWS / 8 {
                let half = vld1q_s16(w.as_ptr().add(column as usize * ROWS + 8 * j));
                let (low, high): (float32x4_t, float32x4_t);
                asm!("fcvtl {l:v}.4s, {h:v}.4h", "fcvtl2 {u:v}.4s, {h:v}.8h",
                    l = out(vreg) low, u = lateout(vreg) high, h = in(vreg) half, options(pure, nomem, nostack));
                acc[2 * j] = vfmaq_n_f32(acc[2 * j], low, value);
                acc[2 * j + 1] = vfmaq_n_f32(acc[2 * j + 1], high, value);
            }
        }
        for (out, acc) in out.as_chunks_mut::<4>().0.iter_mut().zip(acc) {
            vst1q_f32(out.as_mut_ptr(), acc);
        }
    }
}

impl Op for DenseF16 {
    fn name(&self) -> StaticName {
        "DenseF16".into()
    }
    op_as_typed_op!();
}

impl EvalOp for DenseF16 {
    not_out_of_plan!();
    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Inputs::default())))
    }
}

impl OpState for Inputs {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let DenseF16(w) = op.downcast_ref::<DenseF16>().context("a DenseF16")?;
        let x = args_1!(inputs);
        let faces = x.shape()[0];
        // SAFETY: every element is written below.
        let mut y = unsafe { Tensor::uninitialized::<f32>(&[faces, w.rows, 1, 1])? };
        let (from, mut to) = (x.try_as_plain_ram()?, y.try_as_plain_ram_mut()?);
        let (from, to) = (from.as_slice::<f32>()?, to.as_slice_mut::<f32>()?);
        for (x, y) in from.chunks_exact(w.depth).zip(to.chunks_exact_mut(w.rows)) {
            self.fill(x);
            let blocks = w.pages.as_i16().chunks_exact(ROWS * w.depth);
            for ((y, bias), weights) in y.chunks_mut(ROWS).zip(w.bias.chunks(ROWS)).zip(blocks) {
                let mut sums = [0.0; ROWS];
                w.kernel.block(weights, self, &mut sums);
                for ((y, sum), bias) in y.iter_mut().zip(sums).zip(bias) {
                    *y = sum + bias;
                }
            }
        }
        Ok(tvec!(y.into_tvalue()))
    }
    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}

impl TypedOp for DenseF16 {
    fn output_facts(&self, i: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&[i[0].shape[0].clone(), self.0.rows.to_dim(), 1.to_dim(), 1.to_dim()])))
    }
    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_widening_equals_the_portable_one() {
        let depth = 201;
        let w: Vec<i16> = (0..ROWS * depth).map(|i| (0x3000 + i % 1500) as i16).collect();
        let x: Vec<f32> =
            (0..depth).map(|i| if i % 3 == 0 { 0.0 } else { (i as f32 - 100.0) / 32.0 }).collect();
        let mut inputs = Inputs::default();
        inputs.fill(&x);
        let (mut expect, mut got) = ([0.0; ROWS], [0.0; ROWS]);
        portable(&w, &inputs, &mut expect);
        for widen in Widen::available() {
            widen.block(&w, &inputs, &mut got);
            assert!(
                got.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-3),
                "{widen:?}: {got:?} {expect:?}"
            );
        }
    }
}
