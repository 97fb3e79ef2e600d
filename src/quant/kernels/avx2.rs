//! x86-64 with AVX2: `vpmaddwd` on i16 pairs, exact (`vpmaddubsw` is faster on paper and saturates).
#![allow(clippy::needless_range_loop)] // lanes of several arrays side by side: what the compiler vectorises

use std::arch::x86_64::*;

use super::super::winograd::Form;
use super::{BLOCK, DENSE_ROWS, DENSE_STEP, FACES, Kernel, Patches, Requantise, Sink, generic};

/// Made only where the CPU has AVX2: see [`super::available`].
#[derive(Debug)]
pub struct Avx2;

impl Kernel for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }
    fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
        #[target_feature(enable = "avx2")]
        fn run(form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
            generic::winograd_input(form, src, v, plane);
        }
        // SAFETY: the CPU has AVX2.
        unsafe { run(form, src, v, plane) }
    }
    fn multiply(&self, v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
        assert!(v.len() >= rows * depth && u.len() >= BLOCK * depth && m.len() >= rows * BLOCK);
        // SAFETY: the CPU has AVX2 and the slices are as long as the loops read and write.
        unsafe { multiply(v, u, rows, depth, m) }
    }
    unsafe fn winograd_output(
        &self,
        form: Form,
        m: &[i32],
        plane: usize,
        how: Requantise<'_>,
        sink: Sink,
        at: [usize; 2],
    ) {
        #[target_feature(enable = "avx2")]
        unsafe fn run(form: Form, m: &[i32], plane: usize, how: Requantise<'_>, sink: Sink, at: [usize; 2]) {
            // SAFETY: the same contract.
            unsafe { generic::winograd_output(form, m, plane, how, sink, at) }
        }
        // SAFETY: the CPU has AVX2; the rest is the caller's promise.
        unsafe { run(form, m, plane, how, sink, at) }
    }
    unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
        #[target_feature(enable = "avx2")]
        unsafe fn run(m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
            // SAFETY: the same contract.
            unsafe { generic::store(m, rows, how, out, pixel) }
        }
        // SAFETY: the CPU has AVX2; the rest is the caller's promise.
        unsafe { run(m, rows, how, out, pixel) }
    }
    fn dense(&self, w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
        assert!(
            w.len() >= DENSE_ROWS * depth && x.len() >= out.len() * depth && depth.is_multiple_of(DENSE_STEP)
        );
        // SAFETY: the CPU has AVX2 and the slices are as long as the loops read.
        unsafe {
            match out.len() {
                1 => dense::<1>(w, x, depth, out),
                2 => dense::<2>(w, x, depth, out),
                3 => dense::<3>(w, x, depth, out),
                FACES => dense::<FACES>(w, x, depth, out),
                n => unreachable!("{n} faces in one pass"),
            }
        }
    }
}

/// # Safety
/// AVX2; slice lengths as [`Kernel::multiply`] says.
#[target_feature(enable = "avx2")]
unsafe fn multiply(v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
    let groups = rows.div_ceil(6);
    let mut row = 0;
    for group in 0..groups {
        let count = (rows - row).div_ceil(groups - group);
        let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
        // SAFETY: `count` rows lie inside the slices.
        unsafe {
            match count {
                1 => tile::<1>(v, u.as_ptr(), depth, m),
                2 => tile::<2>(v, u.as_ptr(), depth, m),
                3 => tile::<3>(v, u.as_ptr(), depth, m),
                4 => tile::<4>(v, u.as_ptr(), depth, m),
                5 => tile::<5>(v, u.as_ptr(), depth, m),
                _ => tile::<6>(v, u.as_ptr(), depth, m),
            }
        }
        row += count;
    }
}

/// `T` rows × 16 channels in `2·T` registers: per pair of depths two loads of `u`, `T` broadcasts, `2·T` products.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile<const T: usize>(v: *const i16, u: *const i16, depth: usize, m: *mut i32) {
    let mut acc = [[_mm256_setzero_si256(); 2]; T];
    // SAFETY: the caller promises T·depth values at `v`, 16·depth at `u` and 16·T at `m`.
    unsafe {
        for pair in 0..depth / 2 {
            let w = u.add(pair * 2 * BLOCK).cast::<__m256i>();
            let (w0, w1) = (_mm256_loadu_si256(w), _mm256_loadu_si256(w.add(1)));
            for (t, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_set1_epi32(v.add(t * depth + 2 * pair).cast::<i32>().read_unaligned());
                acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(x, w0));
                acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(x, w1));
            }
        }
        for (t, acc) in acc.iter().enumerate() {
            let out = m.add(t * BLOCK).cast::<__m256i>();
            _mm256_storeu_si256(out, acc[0]);
            _mm256_storeu_si256(out.add(1), acc[1]);
        }
    }
}

/// Bytes that the weight stream is fetched ahead.
pub(super) const AHEAD: usize = 2048;

/// # Safety
/// AVX2; slice lengths as [`Kernel::dense`] says.
#[target_feature(enable = "avx2")]
unsafe fn dense<const N: usize>(w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
    let mut acc = [[_mm256_setzero_si256(); DENSE_ROWS]; N];
    for step in 0..depth / DENSE_STEP {
        // SAFETY: `step` is inside the depth that the caller checked; prefetching may point anywhere.
        unsafe {
            let line = w.as_ptr().add(step * DENSE_STEP * DENSE_ROWS);
            _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(AHEAD));
            let xs: [__m256i; N] = std::array::from_fn(|n| {
                _mm256_loadu_si256(x.as_ptr().add(n * depth + step * DENSE_STEP).cast())
            });
            for r in 0..DENSE_ROWS {
                let w = _mm256_cvtepi8_epi16(_mm_loadu_si128(line.add(r * DENSE_STEP).cast()));
                for n in 0..N {
                    acc[n][r] = _mm256_add_epi32(acc[n][r], _mm256_madd_epi16(xs[n], w));
                }
            }
        }
    }
    for (sums, acc) in out.iter_mut().zip(acc) {
        *sums = acc.map(|lanes| sum(lanes));
    }
}

/// The sum of eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum(lanes: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}
