//! x86-64 with VNNI: `vpdpwssd` multiplies i16 pairs and adds them in one instruction where AVX2 needs two, in 256 bits
//! (AVX-VNNI) or 512 (AVX512-VNNI). It wraps and doesn't saturate, so results are AVX2's. Winograd's quarter of the
//! products at half as many per instruction still beats `vpdpbusd` on bytes.
//!
//! Written without such a CPU at hand: [`super::available`] leaves a kernel out that doesn't agree with the portable one.

use std::arch::x86_64::*;

use super::super::winograd::Form;
use super::avx2::{AHEAD, Avx2, sum};
use super::{BLOCK, DENSE_ROWS, DENSE_STEP, FACES, Kernel, Patches, Requantise, Sink};

/// AVX-VNNI, 256 bits. Made only where the CPU has it and AVX2.
#[derive(Debug)]
pub struct AvxVnni;

/// AVX512-VNNI, 512 bits. Made only where the CPU has it, AVX512F, AVX512BW and AVX2.
#[derive(Debug)]
pub struct Avx512Vnni;

macro_rules! kernel {
    ($kernel:ident, $name:literal, $rows:literal, $tile:ident, $dense:ident) => {
        impl Kernel for $kernel {
            fn name(&self) -> &'static str {
                $name
            }
            fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
                Avx2.winograd_input(form, src, v, plane);
            }
            fn multiply(&self, v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
                assert!(v.len() >= rows * depth && u.len() >= BLOCK * depth && m.len() >= rows * BLOCK);
                let groups = rows.div_ceil($rows);
                let mut row = 0;
                for group in 0..groups {
                    let count = (rows - row).div_ceil(groups - group);
                    let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
                    // SAFETY: the CPU has the features; `count` rows lie inside the slices.
                    unsafe {
                        match count {
                            1 => $tile::<1>(v, u.as_ptr(), depth, m),
                            2 => $tile::<2>(v, u.as_ptr(), depth, m),
                            3 => $tile::<3>(v, u.as_ptr(), depth, m),
                            4 => $tile::<4>(v, u.as_ptr(), depth, m),
                            5 => $tile::<5>(v, u.as_ptr(), depth, m),
                            _ => $tile::<6>(v, u.as_ptr(), depth, m),
                        }
                    }
                    row += count;
                }
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
            fn dense(&self, w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
                assert!(w.len() >= DENSE_ROWS * depth && x.len() >= out.len() * depth);
                assert!(depth.is_multiple_of(DENSE_STEP));
                // SAFETY: the CPU has the features; the slices are as long as the loops read.
                unsafe {
                    match out.len() {
                        1 => $dense::<1>(w, x, depth, out),
                        2 => $dense::<2>(w, x, depth, out),
                        3 => $dense::<3>(w, x, depth, out),
                        FACES => $dense::<FACES>(w, x, depth, out),
                        n => unreachable!("{n} faces in one pass"),
                    }
                }
            }
        }
    };
}

kernel!(AvxVnni, "avx-vnni", 6, tile256, dense256);
kernel!(Avx512Vnni, "avx512-vnni", 6, tile512, dense512);

/// # Safety
/// The features; `T·depth` values at `v`, `16·depth` at `u`, `16·T` at `m`.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn tile256<const T: usize>(v: *const i16, u: *const i16, depth: usize, m: *mut i32) {
    let mut acc = [[_mm256_setzero_si256(); 2]; T];
    // SAFETY: by this function's contract.
    unsafe {
        for pair in 0..depth / 2 {
            let w = u.add(pair * 2 * BLOCK).cast::<__m256i>();
            let (w0, w1) = (_mm256_loadu_si256(w), _mm256_loadu_si256(w.add(1)));
            for (t, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_set1_epi32(v.add(t * depth + 2 * pair).cast::<i32>().read_unaligned());
                acc[0] = _mm256_dpwssd_avx_epi32(acc[0], x, w0);
                acc[1] = _mm256_dpwssd_avx_epi32(acc[1], x, w1);
            }
        }
        for (t, acc) in acc.iter().enumerate() {
            let out = m.add(t * BLOCK).cast::<__m256i>();
            _mm256_storeu_si256(out, acc[0]);
            _mm256_storeu_si256(out.add(1), acc[1]);
        }
    }
}

/// # Safety
/// The features; slice lengths as [`Kernel::dense`] says.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn dense256<const N: usize>(w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
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
                for (acc, &x) in acc.iter_mut().zip(&xs) {
                    acc[r] = _mm256_dpwssd_avx_epi32(acc[r], x, w);
                }
            }
        }
    }
    for (sums, acc) in out.iter_mut().zip(acc) {
        *sums = acc.map(|lanes| sum(lanes));
    }
}

/// # Safety
/// The features; `T·depth` values at `v`, `16·depth` at `u`, `16·T` at `m`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn tile512<const T: usize>(v: *const i16, u: *const i16, depth: usize, m: *mut i32) {
    // Even and odd pairs apart: with one register per row the latency of `vpdpwssd` (5 cycles) would show.
    let mut acc = [[_mm512_setzero_si512(); 2]; T];
    // SAFETY: by this function's contract.
    unsafe {
        for pair in 0..depth / 2 {
            let w = _mm512_loadu_si512(u.add(pair * 2 * BLOCK).cast());
            for (t, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_epi32(v.add(t * depth + 2 * pair).cast::<i32>().read_unaligned());
                acc[pair % 2] = _mm512_dpwssd_epi32(acc[pair % 2], x, w);
            }
        }
        for (t, acc) in acc.iter().enumerate() {
            _mm512_storeu_si512(m.add(t * BLOCK).cast(), _mm512_add_epi32(acc[0], acc[1]));
        }
    }
}

/// Two rows a register: the lower half is the even row's.
///
/// # Safety
/// The features; slice lengths as [`Kernel::dense`] says.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn dense512<const N: usize>(w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
    let mut acc = [[_mm512_setzero_si512(); DENSE_ROWS / 2]; N];
    for step in 0..depth / DENSE_STEP {
        // SAFETY: `step` is inside the depth that the caller checked; prefetching may point anywhere.
        unsafe {
            let line = w.as_ptr().add(step * DENSE_STEP * DENSE_ROWS);
            _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(AHEAD));
            let xs: [__m512i; N] = std::array::from_fn(|n| {
                let x = _mm256_loadu_si256(x.as_ptr().add(n * depth + step * DENSE_STEP).cast());
                _mm512_broadcast_i64x4(x)
            });
            for half in 0..DENSE_ROWS / 2 {
                let w = _mm512_cvtepi8_epi16(_mm256_loadu_si256(line.add(half * 2 * DENSE_STEP).cast()));
                for (acc, &x) in acc.iter_mut().zip(&xs) {
                    acc[half] = _mm512_dpwssd_epi32(acc[half], x, w);
                }
            }
        }
    }
    for (sums, acc) in out.iter_mut().zip(acc) {
        for (half, lanes) in acc.into_iter().enumerate() {
            sums[2 * half] = sum(_mm512_castsi512_si256(lanes));
            sums[2 * half + 1] = sum(_mm512_extracti64x4_epi64::<1>(lanes));
        }
    }
}
