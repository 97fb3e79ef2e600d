//! x86-64 with AVX-VNNI: what [`super::avx512`] does, in 256 bits: six pixels for 16 channels in twelve registers.

use std::arch::x86_64::*;

use super::super::active::Active;
use super::super::winograd::Form;
use super::avx2::Avx2;
use super::{BLOCK, Blocks, Bytes, DENSE_ROWS, Kernel, Patches, Requantise, Sink, Window, ahead, generic};

/// Made only where the CPU has AVX-VNNI and AVX2: see [`super::available`].
#[derive(Debug)]
pub struct AvxVnni;

impl Kernel for AvxVnni {
    fn name(&self) -> &'static str {
        "avx-vnni"
    }
    fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
        Avx2.winograd_input(form, src, v, plane);
    }
    fn multiply(&self, v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
        Avx2.multiply(v, u, rows, depth, m);
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
    unsafe fn winograd_output(
        &self,
        form: Form,
        m: &[i32],
        plane: usize,
        how: Requantise<'_>,
        sink: Sink,
        at: [usize; 2],
    ) {
        // SAFETY: the same contract.
        unsafe { Avx2.winograd_output(form, m, plane, how, sink, at) }
    }
    unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
        // SAFETY: the same contract.
        unsafe { Avx2.store(m, rows, how, out, pixel) }
    }
    fn dense(&self, w: &[i8], x: &Active, out: &mut [i32; DENSE_ROWS]) {
        assert!(w.len() >= x.depth() * DENSE_ROWS);
        // SAFETY: the CPU has the features; the columns that count are below the depth.
        unsafe { dense(w, x, out) }
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
    let groups = src.count.div_ceil(PIXELS);
    let mut first = 0;
    for group in 0..groups {
        let count = (src.count - first).div_ceil(groups - group);
        let mut sums = [0i32; PIXELS * BLOCK];
        // SAFETY: `count` pixels from `first` on lie inside the row and fit the sums.
        unsafe {
            let x = src.data.as_ptr().add(first * src.step);
            match count {
                1 => tile::<1>(src, x, u.as_ptr(), &mut sums),
                2 => tile::<2>(src, x, u.as_ptr(), &mut sums),
                3 => tile::<3>(src, x, u.as_ptr(), &mut sums),
                4 => tile::<4>(src, x, u.as_ptr(), &mut sums),
                5 => tile::<5>(src, x, u.as_ptr(), &mut sums),
                _ => tile::<PIXELS>(src, x, u.as_ptr(), &mut sums),
            }
            generic::store(&sums, count, how, out.add(first * pixel), pixel);
        }
        first += count;
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
    // SAFETY: by this function's contract.
    unsafe {
        for &tap in src.taps {
            let x = x.add(tap);
            for c in (0..src.channels).step_by(4) {
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
/// The features; `w` holds as many columns as `x` has.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn dense(w: &[i8], x: &Active, out: &mut [i32; DENSE_ROWS]) {
    let steps = x.columns().as_chunks::<4>().0.iter().zip(x.values().as_chunks::<4>().0);
    let mut acc = [_mm256_setzero_si256(); 8];
    for (i, (four, four_values)) in steps.enumerate() {
        // SAFETY: columns lie in `w` by this function's contract; prefetching may point anywhere.
        unsafe {
            for line in ahead(w, x, 4 * i) {
                _mm_prefetch::<_MM_HINT_T0>(line);
            }
            let x = _mm256_set1_epi32(i32::from_le_bytes(*four_values));
            for half in 0..2 {
                let [a, b, c, d] = four.map(|column| {
                    let at = column as usize * DENSE_ROWS + 32 * half;
                    _mm256_loadu_si256(w.as_ptr().add(at).cast())
                });
                let acc = &mut acc[4 * half..][..4];
                let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
                acc[0] = _mm256_dpbusd_avx_epi32(acc[0], x, _mm256_unpacklo_epi16(ab, cd));
                acc[1] = _mm256_dpbusd_avx_epi32(acc[1], x, _mm256_unpackhi_epi16(ab, cd));
                let (ab, cd) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
                acc[2] = _mm256_dpbusd_avx_epi32(acc[2], x, _mm256_unpacklo_epi16(ab, cd));
                acc[3] = _mm256_dpbusd_avx_epi32(acc[3], x, _mm256_unpackhi_epi16(ab, cd));
            }
        }
    }
    // Lane `l` of `acc[4·half + k]` holds rows 32·half + 16·l + 4·k and the three after it.
    let mut lanes = [[0i32; 8]; 8];
    for (lanes, acc) in lanes.iter_mut().zip(acc) {
        // SAFETY: eight sums fit.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), acc) };
    }
    for (r, out) in out.iter_mut().enumerate() {
        *out = lanes[r / 32 * 4 + r / 4 % 4][r / 16 % 2 * 4 + r % 4];
    }
}
