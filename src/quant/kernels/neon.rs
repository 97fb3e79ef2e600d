//! aarch64 without dot product (Cortex-A53, A57, A72): SMLAL on i16, four products an instruction, fed by Winograd.

use std::arch::aarch64::*;

use super::super::winograd::Form;
use super::{BLOCK, DENSE_ROWS, DENSE_STEP, FACES, Kernel, Patches, Requantise, Sink, generic};

/// For every aarch64 CPU: NEON is part of the architecture, and the generic loops are compiled to it.
#[derive(Debug)]
pub struct Neon;

impl Kernel for Neon {
    fn name(&self) -> &'static str {
        "neon"
    }
    fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
        generic::winograd_input(form, src, v, plane);
    }
    fn multiply(&self, v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
        assert!(v.len() >= rows * depth && u.len() >= BLOCK * depth && m.len() >= rows * BLOCK);
        assert!(depth.is_multiple_of(8));
        let groups = rows.div_ceil(4);
        let mut row = 0;
        for group in 0..groups {
            let count = (rows - row).div_ceil(groups - group);
            let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
            // SAFETY: `count` rows lie inside the slices, whose lengths were checked.
            unsafe {
                match count {
                    1 => tile::<1>(v, u.as_ptr(), depth, m),
                    2 => tile::<2>(v, u.as_ptr(), depth, m),
                    3 => tile::<3>(v, u.as_ptr(), depth, m),
                    _ => tile::<4>(v, u.as_ptr(), depth, m),
                }
            }
            row += count;
        }
    }
    fn pairs(&self) -> bool {
        false
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
        unsafe { generic::winograd_output(form, m, plane, how, sink, at) }
    }
    unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
        // SAFETY: the same contract.
        unsafe { generic::store(m, rows, how, out, pixel) }
    }
    fn dense(&self, w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
        assert!(w.len() >= DENSE_ROWS * depth && x.len() >= out.len() * depth);
        assert!(depth.is_multiple_of(DENSE_STEP));
        // SAFETY: the slices are as long as the loops read.
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

/// `T` rows × 16 channels in `4·T` registers; `u` as `[depth][16]`, eight depths of `v` a step.
#[inline]
unsafe fn tile<const T: usize>(v: *const i16, u: *const i16, depth: usize, m: *mut i32) {
    // SAFETY: the caller promises T·depth values at `v`, 16·depth at `u` and 16·T at `m`; depth is a multiple of 8.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); 4]; T];
        for step in 0..depth / 8 {
            let x: [int16x8_t; T] = std::array::from_fn(|t| vld1q_s16(v.add(t * depth + step * 8)));
            let u = u.add(step * 8 * BLOCK);
            macro_rules! depths {
                ($($lane:literal)*) => { $(
                    let (low, high) = (vld1q_s16(u.add($lane * BLOCK)), vld1q_s16(u.add($lane * BLOCK + 8)));
                    for t in 0..T {
                        acc[t][0] = vmlal_laneq_s16::<$lane>(acc[t][0], vget_low_s16(low), x[t]);
                        acc[t][1] = vmlal_high_laneq_s16::<$lane>(acc[t][1], low, x[t]);
                        acc[t][2] = vmlal_laneq_s16::<$lane>(acc[t][2], vget_low_s16(high), x[t]);
                        acc[t][3] = vmlal_high_laneq_s16::<$lane>(acc[t][3], high, x[t]);
                    }
                )* };
            }
            depths!(0 1 2 3 4 5 6 7);
        }
        for (t, acc) in acc.iter().enumerate() {
            for (j, &lanes) in acc.iter().enumerate() {
                vst1q_s32(m.add(t * BLOCK + j * 4), lanes);
            }
        }
    }
}

/// # Safety
/// Slice lengths as [`Kernel::dense`] says.
#[inline]
unsafe fn dense<const N: usize>(w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
    // SAFETY: every step is inside the depth that the caller checked.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); DENSE_ROWS]; N];
        for step in 0..depth / DENSE_STEP {
            let line = w.as_ptr().add(step * DENSE_STEP * DENSE_ROWS);
            let xs: [[int16x8_t; 2]; N] = std::array::from_fn(|n| {
                let x = x.as_ptr().add(n * depth + step * DENSE_STEP);
                [vld1q_s16(x), vld1q_s16(x.add(8))]
            });
            for r in 0..DENSE_ROWS {
                let w = vld1q_s8(line.add(r * DENSE_STEP));
                let (low, high) = (vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w));
                for n in 0..N {
                    let mut a = acc[n][r];
                    a = vmlal_s16(a, vget_low_s16(low), vget_low_s16(xs[n][0]));
                    a = vmlal_high_s16(a, low, xs[n][0]);
                    a = vmlal_s16(a, vget_low_s16(high), vget_low_s16(xs[n][1]));
                    acc[n][r] = vmlal_high_s16(a, high, xs[n][1]);
                }
            }
        }
        for (sums, acc) in out.iter_mut().zip(acc) {
            *sums = acc.map(|lanes| vaddvq_s32(lanes));
        }
    }
}
