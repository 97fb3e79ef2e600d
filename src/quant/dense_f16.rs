//! The f32 network's linear layers: weights stay f16 in memory and are widened on the way into the multiplier.
//!
//! One face reads every weight once, so these layers are as fast as memory: half the bytes is half the time, and every
//! f16 is an f32, so nothing is lost. Terms. *Block*: [`ROWS`] rows, packed `[depth/8][row][8]`, a cache line a step.

use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use super::half;
use super::onnx_file::SideTensor;
use super::packed::Pages;

/// Rows of a block.
const ROWS: usize = 4;
/// Depth of a step.
const STEP: usize = 8;

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
        let padded = depth.next_multiple_of(STEP);
        let mut pages = Pages::new(rows.next_multiple_of(ROWS) * padded * 2)?;
        let (bytes, mut released) = (tensor.bytes(), 0);
        for row in 0..rows {
            let block = &mut pages.as_i16_mut()[row / ROWS * ROWS * padded..][..ROWS * padded];
            for (step, values) in bytes[row * depth * 2..][..depth * 2].chunks(STEP * 2).enumerate() {
                let to = &mut block[(step * ROWS + row % ROWS) * STEP..][..STEP];
                for (to, from) in to.iter_mut().zip(values.chunks_exact(2)) {
                    *to = i16::from_le_bytes([from[0], from[1]]);
                }
            }
            let done = (row + 1) * depth * 2;
            if done - released > 2 << 20 {
                tensor.release(released..done);
                released = done;
            }
        }
        tensor.release(0..bytes.len());
        Ok(Self(Arc::new(Weights { rows, depth: padded, bias, pages, kernel: Widen::best() })))
    }

    pub fn macs(&self) -> u64 {
        (self.0.rows * self.0.depth) as u64
    }
    pub fn weight_bytes(&self) -> usize {
        self.0.rows * self.0.depth * 2
    }
    pub fn kernel_name(&self) -> &'static str {
        match self.0.kernel {
            #[cfg(target_arch = "x86_64")]
            Widen::F16c => "f16c, dense",
            #[cfg(target_arch = "aarch64")]
            Widen::Neon => "neon, dense",
            Widen::Portable => "portable, dense",
        }
    }
}

impl Widen {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("f16c")
            && std::arch::is_x86_feature_detected!("fma")
        {
            return Widen::F16c;
        }
        #[cfg(target_arch = "aarch64")]
        return Widen::Neon;
        #[cfg(not(target_arch = "aarch64"))]
        Widen::Portable
    }

    /// Products of one block with one face.
    fn block(self, w: &[i16], x: &[f32], depth: usize) -> [f32; ROWS] {
        assert!(w.len() >= ROWS * depth && x.len() >= depth && depth.is_multiple_of(STEP));
        match self {
            // SAFETY: the CPU has the features; the slices are as long as the loop reads.
            #[cfg(target_arch = "x86_64")]
            Widen::F16c => unsafe { f16c(w.as_ptr(), x.as_ptr(), depth) },
            // SAFETY: NEON is part of every aarch64 CPU; the slices are as long as the loop reads.
            #[cfg(target_arch = "aarch64")]
            Widen::Neon => unsafe { neon(w.as_ptr(), x.as_ptr(), depth) },
            Widen::Portable => portable(w, x, depth),
        }
    }
}

fn portable(w: &[i16], x: &[f32], depth: usize) -> [f32; ROWS] {
    let mut acc = [[0f32; STEP]; ROWS];
    let steps = w.as_chunks::<{ ROWS * STEP }>().0.iter().zip(x.as_chunks::<STEP>().0).take(depth / STEP);
    for (w, x) in steps {
        for (r, acc) in acc.iter_mut().enumerate() {
            for l in 0..STEP {
                acc[l] += half::to_f32(w[r * STEP + l] as u16) * x[l];
            }
        }
    }
    acc.map(|lanes| lanes.iter().sum())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn f16c(w: *const i16, x: *const f32, depth: usize) -> [f32; ROWS] {
    use std::arch::x86_64::*;
    let mut acc = [[_mm256_setzero_ps(); 2]; ROWS];
    let steps = depth / STEP;
    // SAFETY: `steps` steps lie inside both slices by the caller's promise; prefetching may point anywhere.
    unsafe {
        for step in 0..steps {
            let line = w.add(step * ROWS * STEP);
            _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(1024).cast());
            let x = _mm256_loadu_ps(x.add(step * STEP));
            for (r, acc) in acc.iter_mut().enumerate() {
                let w = _mm256_cvtph_ps(_mm_loadu_si128(line.add(r * STEP).cast()));
                acc[step % 2] = _mm256_fmadd_ps(w, x, acc[step % 2]);
            }
        }
    }
    acc.map(|[a, b]| {
        let mut lanes = [0f32; 8];
        // SAFETY: eight floats fit.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(a, b)) };
        lanes.iter().sum()
    })
}

/// FCVTL and FMLA; Rust's f16 vectors are not stable, so the widening is `asm!`.
#[cfg(target_arch = "aarch64")]
unsafe fn neon(w: *const i16, x: *const f32, depth: usize) -> [f32; ROWS] {
    use std::arch::aarch64::*;
    use std::arch::asm;
    // SAFETY: `depth / 8` steps lie inside both slices by the caller's promise; the asm touches registers only.
    unsafe {
        let mut acc = [[vdupq_n_f32(0.0); 2]; ROWS];
        for step in 0..depth / STEP {
            let (x0, x1) = (vld1q_f32(x.add(step * STEP)), vld1q_f32(x.add(step * STEP + 4)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let half = vld1q_s16(w.add((step * ROWS + r) * STEP));
                let (low, high): (float32x4_t, float32x4_t);
                asm!("fcvtl {l:v}.4s, {h:v}.4h", "fcvtl2 {u:v}.4s, {h:v}.8h",
                    l = out(vreg) low, u = lateout(vreg) high, h = in(vreg) half, options(pure, nomem, nostack));
                acc[0] = vfmaq_f32(acc[0], low, x0);
                acc[1] = vfmaq_f32(acc[1], high, x1);
            }
        }
        acc.map(|[a, b]| vaddvq_f32(vaddq_f32(a, b)))
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
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (x, w) = (args_1!(inputs), &*self.0);
        let faces = x.shape()[0];
        // SAFETY: every element is written below.
        let mut y = unsafe { Tensor::uninitialized::<f32>(&[faces, w.rows, 1, 1])? };
        let (from, mut to) = (x.try_as_plain_ram()?, y.try_as_plain_ram_mut()?);
        let (from, to) = (from.as_slice::<f32>()?, to.as_slice_mut::<f32>()?);
        let face = from.len() / faces.max(1);
        let mut padded = Vec::new();
        if face != w.depth {
            for x in from.chunks_exact(face) {
                padded.extend_from_slice(x);
                padded.resize(padded.len().next_multiple_of(w.depth), 0.0);
            }
        }
        let from = if padded.is_empty() { from } else { &padded };
        for (block, weights) in w.pages.as_i16().chunks_exact(ROWS * w.depth).enumerate() {
            for (f, x) in from.chunks_exact(w.depth).enumerate() {
                let sums = w.kernel.block(weights, x, w.depth);
                for (r, sum) in (block * ROWS..w.rows).zip(sums) {
                    to[f * w.rows + r] = sum + w.bias[r];
                }
            }
        }
        Ok(tvec!(y.into_tvalue()))
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
    fn the_chosen_widening_equals_the_portable_one() {
        let (depth, w): (usize, Vec<i16>) = (64, (0..4 * 64).map(|i| (0x3000 + i * 3) as i16).collect());
        let x: Vec<f32> = (0..depth).map(|i| (i as f32 - 31.0) / 8.0).collect();
        let (a, b) = (Widen::best().block(&w, &x, depth), portable(&w, &x, depth));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
    }
}
