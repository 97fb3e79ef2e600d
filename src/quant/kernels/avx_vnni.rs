//! x86-64 with AVX-VNNI: what [`super::avx512`] does, in 256 bits: six pixels for 16 channels in twelve registers.

use std::arch::x86_64::*;

use super::super::active::Active;
use super::avx2::{AHEAD, Avx2};
use super::simd::{counted, groups, rows_in_order};
use super::{BLOCK, Blocks, Bytes, Columns, DENSE_ROWS, Kernel, Requantise, Wide, Window, generic};

/// Made only where the CPU has AVX-VNNI and AVX2: see [`super::available`].
#[derive(Debug)]
pub struct AvxVnni;

impl Kernel for AvxVnni {
    fn name(&self) -> &'static str {
        "avx-vnni"
    }
    fn wide(&self) -> &'static dyn Wide {
        &Avx2
    }
    fn bytes(&self) -> Bytes {
        Bytes::Unsigned
    }
    unsafe fn direct(&self, src: Window<'_>, u: &[i8], how: Blocks<'_>, out: *mut u8, pixel: usize) {
        assert_eq!(how.bias.len(), 1, "one block at a time");
        src.check(u, 1);
        // SAFETY: the CPU has the features and the slices were checked; the rest is the caller's promise.
        unsafe { row(src, u, how, out, pixel) }
    }
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
        w.check(x, out);
        // SAFETY: the CPU has the features; the columns that count are below the depth, one line each.
        unsafe { dense(w, x, &mut out[0]) }
    }
}

/// Pixels whose sums are held in registers at once.
const PIXELS: usize = 6;

/// # Safety
/// The features; one block in `how`, and [`Window::check`] and [`Kernel::direct`]'s contract hold.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn row(src: Window<'_>, u: &[i8], how: Blocks<'_>, out: *mut u8, pixel: usize) {
    let how = Requantise {
        bias: &how.bias[0],
        multipliers: &how.multipliers[0],
        zero_point: how.zero_point,
        pool: false,
    };
    for (first, count) in groups(src.count, PIXELS) {
        let mut sums = [0i32; PIXELS * BLOCK];
        // SAFETY: `count` pixels from `first` on lie inside the row and fit the sums.
        unsafe {
            let x = src.data.as_ptr().add(first * src.step);
            counted!(count, [1 2 3 4 5 6], N => tile::<N>(src, x, u.as_ptr(), &mut sums));
            generic::store(&sums, count, how, out.add(first * pixel), pixel);
        }
    }
}

/// `T` pixels × 16 channels in `2·T` registers.
///
/// # Safety
/// As [`row`]; `T` pixels from `x` on.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn tile<const T: usize>(
    src: Window<'_>,
    x: *const u8,
    mut u: *const i8,
    sums: &mut [i32; PIXELS * BLOCK],
) {
    let mut acc = [[_mm256_setzero_si256(); 2]; T];
    // SAFETY: by this function's contract; prefetching may point anywhere.
    unsafe {
        for &tap in src.taps {
            let x = x.add(tap);
            for c in (0..src.channels).step_by(4) {
                _mm_prefetch::<_MM_HINT_T0>(u.wrapping_add(AHEAD));
                let w = [_mm256_loadu_si256(u.cast()), _mm256_loadu_si256(u.add(32).cast())];
                u = u.add(4 * BLOCK);
                for (t, acc) in acc.iter_mut().enumerate() {
                    let x = _mm256_set1_epi32(x.add(t * src.step + c).cast::<i32>().read_unaligned());
                    acc[0] = _mm256_dpbusd_avx_epi32(acc[0], x, w[0]);
                    acc[1] = _mm256_dpbusd_avx_epi32(acc[1], x, w[1]);
                }
            }
        }
        for (acc, sums) in acc.into_iter().zip(sums.as_chunks_mut::<BLOCK>().0) {
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), acc[0]);
            _mm256_storeu_si256(sums.as_mut_ptr().add(8).cast(), acc[1]);
        }
    }
}

/// Four columns at a time: their bytes side by side, times the four inputs.
///
/// # Safety
/// The features; [`Columns::check`] holds, with one line a column.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn dense(w: Columns<'_>, x: &Active, out: &mut [i32; DENSE_ROWS]) {
    let mut acc = [[_mm256_setzero_si256(); 4]; 2];
    for (i, (four, inputs)) in x.steps::<4>().enumerate() {
        // SAFETY: columns lie in `w` by this function's contract; prefetching may point anywhere.
        unsafe {
            for line in w.ahead::<1>(x, 4 * i) {
                _mm_prefetch::<_MM_HINT_T0>(line);
            }
            let x = _mm256_set1_epi32(i32::from_le_bytes(*inputs));
            for (half, acc) in acc.iter_mut().enumerate() {
                let [a, b, c, d] = four.map(|column| {
                    let at = column as usize * DENSE_ROWS + 32 * half;
                    _mm256_loadu_si256(w.weights.as_ptr().add(at).cast())
                });
                let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
                acc[0] = _mm256_dpbusd_avx_epi32(acc[0], x, _mm256_unpacklo_epi16(ab, cd));
                acc[1] = _mm256_dpbusd_avx_epi32(acc[1], x, _mm256_unpackhi_epi16(ab, cd));
                let (ab, cd) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
                acc[2] = _mm256_dpbusd_avx_epi32(acc[2], x, _mm256_unpacklo_epi16(ab, cd));
                acc[3] = _mm256_dpbusd_avx_epi32(acc[3], x, _mm256_unpackhi_epi16(ab, cd));
            }
        }
    }
    for (acc, rows) in acc.into_iter().zip(out.as_chunks_mut::<{ DENSE_ROWS / 2 }>().0) {
        // SAFETY: a register is eight i32, and any bits are one.
        let lanes = unsafe { std::mem::transmute::<[__m256i; 4], [[[i32; 4]; 2]; 4]>(acc) };
        rows_in_order(lanes, rows);
    }
}
