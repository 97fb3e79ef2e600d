//! aarch64 without dot product (Cortex-A53, A57, A72): SMLAL on i16, four products an instruction, fed by Winograd.

use std::arch::aarch64::*;

use super::super::active::Active;
use super::super::winograd::Form;
use super::generic::generic_loops;
use super::simd::{counted, groups};
use super::{BLOCK, Columns, DENSE_ROWS, Kernel, Patches, Point, Products, Requantise, Sink, Wide, generic};

/// For every aarch64 CPU: NEON is part of the architecture, and the generic loops are compiled to it.
#[derive(Debug)]
pub struct Neon;

impl Kernel for Neon {
    fn name(&self) -> &'static str {
        "neon"
    }
    fn wide(&self) -> &'static dyn Wide {
        &Neon
    }
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
        w.check(x, out);
        // SAFETY: the columns that count are below the depth, one line each.
        unsafe { dense(w, x, &mut out[0]) }
    }
}

impl Wide for Neon {
    generic_loops!();
    fn multiply(&self, v: &[i16], u: Point<'_>, rows: usize, depth: usize, m: &mut [i32]) {
        u.check(v, rows, depth, m);
        assert!(depth.is_multiple_of(8));
        for (row, count) in groups(rows, 4) {
            let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
            // SAFETY: `count` rows lie inside the slices.
            unsafe { counted!(count, [1 2 3 4], N => tile::<N>(v, u, depth, m)) }
        }
    }
    fn pairs(&self) -> bool {
        false
    }
}

/// Fetches a line into the cache. Rust's own `_prefetch` is not stable.
#[inline(always)]
pub fn fetch(line: *const i8) {
    // SAFETY: fetching may point anywhere.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{line}]", line = in(reg) line,
            options(nostack, preserves_flags, readonly));
    }
}

/// Sixteen weights of one depth, which are i16 or i8.
///
/// # Safety
/// `u` holds more than `depth` times sixteen.
#[inline(always)]
unsafe fn weights(u: Point<'_>, depth: usize) -> (int16x8_t, int16x8_t) {
    // SAFETY: by this function's contract.
    unsafe {
        match u {
            Point::Words(u) => {
                let u = u.as_ptr().add(depth * BLOCK);
                (vld1q_s16(u), vld1q_s16(u.add(8)))
            }
            Point::Bytes(u) => {
                let bytes = vld1q_s8(u.as_ptr().add(depth * BLOCK));
                (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes))
            }
        }
    }
}

/// `T` rows × 16 channels in `4·T` registers; `u` as `[depth][16]`, eight depths of `v` a step.
///
/// # Safety
/// `T`·`depth` values at `v`, 16·`depth` in `u`, room for 16·`T` at `m`; `depth` a multiple of 8.
#[inline]
unsafe fn tile<const T: usize>(v: *const i16, u: Point<'_>, depth: usize, m: *mut i32) {
    // SAFETY: by this function's contract.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); 4]; T];
        for step in 0..depth / 8 {
            let x: [int16x8_t; T] = std::array::from_fn(|t| vld1q_s16(v.add(t * depth + step * 8)));
            macro_rules! depths {
                ($($lane:literal)*) => { $(
                    let (low, high) = weights(u, step * 8 + $lane);
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

/// Four columns a step, one after the other: widened, times their input.
///
/// # Safety
/// [`Columns::check`] holds, with one line a column.
#[inline]
unsafe fn dense(w: Columns<'_>, x: &Active, out: &mut [i32; DENSE_ROWS]) {
    // SAFETY: columns lie in `w` by this function's contract.
    unsafe {
        let mut acc = [vdupq_n_s32(0); DENSE_ROWS / 4];
        for (i, (four, inputs)) in x.steps::<4>().enumerate() {
            for line in w.ahead::<1>(x, 4 * i) {
                fetch(line);
            }
            let inputs = vld1_s16(inputs.map(i16::from).as_ptr());
            macro_rules! columns {
                ($($lane:literal)*) => { $(
                    let column = w.weights.as_ptr().add(four[$lane] as usize * DENSE_ROWS);
                    for j in 0..4 {
                        let w = vld1q_s8(column.add(16 * j));
                        let (low, high) = (vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w));
                        acc[4 * j] = vmlal_lane_s16::<$lane>(acc[4 * j], vget_low_s16(low), inputs);
                        acc[4 * j + 1] = vmlal_high_lane_s16::<$lane>(acc[4 * j + 1], low, inputs);
                        acc[4 * j + 2] = vmlal_lane_s16::<$lane>(acc[4 * j + 2], vget_low_s16(high), inputs);
                        acc[4 * j + 3] = vmlal_high_lane_s16::<$lane>(acc[4 * j + 3], high, inputs);
                    }
                )* };
            }
            columns!(0 1 2 3);
        }
        for (rows, acc) in out.as_chunks_mut::<4>().0.iter_mut().zip(acc) {
            vst1q_s32(rows.as_mut_ptr(), acc);
        }
    }
}
