//! aarch64 with dot product (Cortex-A76, A78AE): SDOT on i8, sixteen products an instruction and two a cycle, which beats
//! Winograd's quarter of the products at four an instruction and one a cycle. Pixels are gathered less 128, so that
//! they are signed. A tile of six pixels has 24 sums, six inputs and a pair of weights in the 32 registers: 117 instructions for 96
//! SDOT (four pixels: 80 for 64, five: 99 for 80).

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::active::Active;
use super::neon::{Neon, fetch};
use super::simd::{check_product, counted, groups};
use super::{BLOCK, Bytes, Columns, DENSE_ROWS, Kernel, Wide};

/// Made only where the CPU has the dot product instructions: see [`super::available`].
#[derive(Debug)]
pub struct DotProd;

impl Kernel for DotProd {
    fn name(&self) -> &'static str {
        "dotprod"
    }
    fn wide(&self) -> &'static dyn Wide {
        &Neon
    }
    fn bytes(&self) -> Bytes {
        Bytes::Signed
    }
    fn multiply8(&self, v: &[u8], u: &[i8], rows: usize, depth: usize, m: &mut [i32]) {
        check_product(v, u, rows, depth, m);
        assert!(depth.is_multiple_of(16));
        for (row, count) in groups(rows, 6) {
            let (v, m) = (v[row * depth..].as_ptr().cast(), m[row * BLOCK..].as_mut_ptr());
            // SAFETY: the CPU has dot products; `count` rows lie inside the slices.
            unsafe { counted!(count, [1 2 3 4 5 6], N => tile::<N>(v, u.as_ptr(), depth, m)) }
        }
    }
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
        w.check(x, out);
        // SAFETY: the CPU has dot products; the columns that count are below the depth, one line each.
        unsafe { dense(w, x, &mut out[0]) }
    }
}

/// `acc[i] += Σ w[4i..4i+4]·x[4·lane..4·lane+4]`. Rust's own `vdotq_laneq_s32` is not stable.
macro_rules! sdot_lane {
    ($acc:expr, $w:expr, $x:expr, $lane:literal) => {
        asm!(concat!("sdot {a:v}.4s, {w:v}.16b, {x:v}.4b[", $lane, "]"),
            a = inout(vreg) $acc, w = in(vreg) $w, x = in(vreg) $x, options(pure, nomem, nostack, preserves_flags))
    };
}

/// `T` rows × 16 channels in `4·T` registers; `u` as `[depth/4][16][4]`, sixteen depths of `v` a step.
///
/// # Safety
/// The dot product; `T`·`depth` values at `v`, 16·`depth` at `u`, room for 16·`T` at `m`; `depth` a multiple of 16.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn tile<const T: usize>(v: *const i8, u: *const i8, depth: usize, m: *mut i32) {
    // SAFETY: the caller promises T·depth values at `v`, 16·depth at `u` and 16·T at `m`; depth is a multiple of 16.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); 4]; T];
        for step in 0..depth / 16 {
            let x: [int8x16_t; T] = std::array::from_fn(|t| vld1q_s8(v.add(t * depth + step * 16)));
            let u = u.add(step * 16 * BLOCK);
            macro_rules! lanes {
                ($($lane:literal)*) => { $(
                    for j in 0..4 {
                        let w = vld1q_s8(u.add(($lane * 4 + j) * 16));
                        for t in 0..T {
                            sdot_lane!(acc[t][j], w, x[t], $lane);
                        }
                    }
                )* };
            }
            lanes!(0 1 2 3);
        }
        for (t, acc) in acc.iter().enumerate() {
            for (j, &lanes) in acc.iter().enumerate() {
                vst1q_s32(m.add(t * BLOCK + j * 4), lanes);
            }
        }
    }
}

/// Four columns a step, their bytes side by side, through UDOT: the weights plus 128, so that both sides are unsigned, and
/// 128 times the sum of the inputs taken off at the end.
///
/// # Safety
/// Dot products; [`Columns::check`] holds, with one line a column.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dense(w: Columns<'_>, x: &Active, out: &mut [i32; DENSE_ROWS]) {
    let sum: i32 = x.values().iter().map(|&x| i32::from(x)).sum();
    // SAFETY: columns lie in `w` by this function's contract; the asm touches registers only.
    unsafe {
        let (mut acc, flip) = ([vdupq_n_u32(0); DENSE_ROWS / 4], vdupq_n_u8(0x80));
        for (i, (four, inputs)) in x.steps::<4>().enumerate() {
            for line in w.ahead::<1>(x, 4 * i) {
                fetch(line);
            }
            let inputs = vdupq_n_u32(u32::from_le_bytes(*inputs));
            let columns =
                four.map(|column| w.weights.as_ptr().add(column as usize * DENSE_ROWS).cast::<u8>());
            for j in 0..4 {
                let [a, b, c, d] = columns.map(|column| veorq_u8(vld1q_u8(column.add(16 * j)), flip));
                let (ab, cd) = ([vzip1q_u8(a, b), vzip2q_u8(a, b)], [vzip1q_u8(c, d), vzip2q_u8(c, d)]);
                for half in 0..2 {
                    let (ab, cd) = (vreinterpretq_u16_u8(ab[half]), vreinterpretq_u16_u8(cd[half]));
                    for (k, w) in [vzip1q_u16(ab, cd), vzip2q_u16(ab, cd)].into_iter().enumerate() {
                        asm!("udot {a:v}.4s, {w:v}.16b, {x:v}.16b", a = inout(vreg) acc[4 * j + 2 * half + k],
                            w = in(vreg) w, x = in(vreg) inputs, options(pure, nomem, nostack, preserves_flags));
                    }
                }
            }
        }
        for (rows, acc) in out.as_chunks_mut::<4>().0.iter_mut().zip(acc) {
            vst1q_s32(rows.as_mut_ptr(), vsubq_s32(vreinterpretq_s32_u32(acc), vdupq_n_s32(128 * sum)));
        }
    }
}
