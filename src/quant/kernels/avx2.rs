//! x86-64 with AVX2: `vpmaddwd` on i16 pairs, exact (`vpmaddubsw` is faster on paper and saturates).
#![allow(clippy::needless_range_loop)] // lanes of several arrays side by side: what the compiler vectorises

use std::arch::x86_64::*;

use super::super::active::Active;
use super::super::winograd::Form;
use super::generic::generic_loops;
use super::simd::{counted, groups};
use super::{BLOCK, Columns, DENSE_ROWS, Kernel, Patches, Point, Products, Requantise, Sink, Wide, generic};

/// Made only where the CPU has AVX2: see [`super::available`].
#[derive(Debug)]
pub struct Avx2;

impl Kernel for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
    }
    fn wide(&self) -> &'static dyn Wide {
        &Avx2
    }
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
        w.check(x, out);
        // SAFETY: the CPU has AVX2; the columns that count are below the depth, one line each.
        unsafe { dense(w, x, &mut out[0]) }
    }
}

impl Wide for Avx2 {
    generic_loops!("avx2");
    fn multiply(&self, v: &[i16], u: Point<'_>, rows: usize, depth: usize, m: &mut [i32]) {
        u.check(v, rows, depth, m);
        for (row, count) in groups(rows, 6) {
            let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
            // SAFETY: the CPU has AVX2; `count` rows lie inside the slices.
            unsafe { counted!(count, [1 2 3 4 5 6], N => tile::<N>(v, u, depth, m)) }
        }
    }
}

/// Bytes of weights that are fetched ahead: they follow each other from point to point, and come from beyond the second-level
/// cache.
pub(super) const AHEAD: usize = 4096;

/// # Safety
/// As [`product`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile<const T: usize>(v: *const i16, u: Point<'_>, depth: usize, m: *mut i32) {
    // SAFETY: the same contract.
    unsafe {
        match u {
            Point::Words(u) => product::<T, 4>(v, u.as_ptr().cast(), depth, m),
            Point::Bytes(u) => product::<T, 2>(v, u.as_ptr(), depth, m),
        }
    }
}

/// `T` rows × 16 channels in `2·T` registers: per pair of depths two loads of `u`, `T` broadcasts, `2·T` products. `PAIR`: bytes of
/// a pair of weights, which are i16 or i8.
///
/// # Safety
/// AVX2; `T`·`depth` values at `v`, 16·`depth` weights at `u`, room for 16·`T` at `m`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn product<const T: usize, const PAIR: usize>(v: *const i16, u: *const i8, depth: usize, m: *mut i32) {
    let mut acc = [[_mm256_setzero_si256(); 2]; T];
    // SAFETY: by this function's contract; prefetching may point anywhere.
    unsafe {
        for pair in 0..depth / 2 {
            let w = u.add(pair * PAIR * BLOCK);
            _mm_prefetch::<_MM_HINT_T0>(w.wrapping_add(AHEAD));
            let (w0, w1) = if PAIR == 2 {
                let halves = w.cast::<__m128i>();
                let (low, high) = (_mm_loadu_si128(halves), _mm_loadu_si128(halves.add(1)));
                (_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high))
            } else {
                let halves = w.cast::<__m256i>();
                (_mm256_loadu_si256(halves), _mm256_loadu_si256(halves.add(1)))
            };
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

/// Two columns at a time: their bytes side by side, widened, times the pair of their inputs.
///
/// # Safety
/// AVX2; [`Columns::check`] holds, with one line a column.
#[target_feature(enable = "avx2")]
unsafe fn dense(w: Columns<'_>, x: &Active, out: &mut [i32; DENSE_ROWS]) {
    let mut acc = [_mm256_setzero_si256(); 8];
    for (i, (pair, inputs)) in x.steps::<2>().enumerate() {
        // SAFETY: columns lie in `w` by this function's contract; prefetching may point anywhere.
        unsafe {
            if i % 2 == 0 {
                for line in w.ahead::<1>(x, 2 * i) {
                    _mm_prefetch::<_MM_HINT_T0>(line);
                }
            }
            let [a, b] = pair.map(|column| w.weights.as_ptr().add(column as usize * DENSE_ROWS));
            let x = _mm256_set1_epi32(i32::from(inputs[0]) | i32::from(inputs[1]) << 16);
            for half in 0..2 {
                let a = _mm256_loadu_si256(a.add(32 * half).cast());
                let b = _mm256_loadu_si256(b.add(32 * half).cast());
                let pairs = [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
                for (high, pairs) in pairs.into_iter().enumerate() {
                    let wide = [
                        _mm256_cvtepi8_epi16(_mm256_castsi256_si128(pairs)),
                        _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(pairs)),
                    ];
                    for (lane, wide) in wide.into_iter().enumerate() {
                        let acc = &mut acc[4 * half + 2 * lane + high];
                        *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(x, wide));
                    }
                }
            }
        }
    }
    // 4·half + 2·lane + high: rows 32·half + 16·lane + 8·high and the seven after it.
    for (rows, acc) in out.as_chunks_mut::<8>().0.iter_mut().zip(acc) {
        // SAFETY: eight sums fit.
        unsafe { _mm256_storeu_si256(rows.as_mut_ptr().cast(), acc) };
    }
}
