//! aarch64 with dot product (Cortex-A76, A78AE): SDOT on i8, sixteen products an instruction and two a cycle, which beats
//! Winograd's quarter of the products at four an instruction and one a cycle. Pixels are gathered less 128, so that
//! they are signed.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::active::Active;
use super::super::winograd::Form;
use super::neon::{Neon, fetch};
use super::{BLOCK, Bytes, DENSE_ROWS, Kernel, Patches, Requantise, Sink, ahead};

/// Made only where the CPU has the dot product instructions: see [`super::available`].
#[derive(Debug)]
pub struct DotProd;

impl Kernel for DotProd {
    fn name(&self) -> &'static str {
        "dotprod"
    }
    fn bytes(&self) -> Bytes {
        Bytes::Signed
    }
    fn pairs(&self) -> bool {
        Neon.pairs()
    }
    fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
        Neon.winograd_input(form, src, v, plane);
    }
    fn multiply(&self, v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
        Neon.multiply(v, u, rows, depth, m);
    }
    fn multiply8(&self, v: &[u8], u: &[i8], rows: usize, depth: usize, m: &mut [i32]) {
        assert!(v.len() >= rows * depth && u.len() >= BLOCK * depth && m.len() >= rows * BLOCK);
        assert!(depth.is_multiple_of(16));
        let groups = rows.div_ceil(4);
        let mut row = 0;
        for group in 0..groups {
            let count = (rows - row).div_ceil(groups - group);
            let (v, m) = (v[row * depth..].as_ptr().cast(), m[row * BLOCK..].as_mut_ptr());
            // SAFETY: the CPU has dot products; `count` rows lie inside the slices, whose lengths were checked.
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
        unsafe { Neon.winograd_output(form, m, plane, how, sink, at) }
    }
    unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
        // SAFETY: the same contract.
        unsafe { Neon.store(m, rows, how, out, pixel) }
    }
    fn dense(&self, w: &[i8], x: &Active, out: &mut [i32; DENSE_ROWS]) {
        assert!(w.len() >= x.depth() * DENSE_ROWS);
        // SAFETY: the CPU has dot products; the columns that count are below the depth.
        unsafe { dense(w, x, out) }
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
/// Dot products; `w` holds as many columns as `x` has.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dense(w: &[i8], x: &Active, out: &mut [i32; DENSE_ROWS]) {
    let steps = x.columns().as_chunks::<4>().0.iter().zip(x.values().as_chunks::<4>().0);
    let sum: i32 = x.values().iter().map(|&x| i32::from(x)).sum();
    // SAFETY: columns lie in `w` by this function's contract; the asm touches registers only.
    unsafe {
        let (mut acc, flip) = ([vdupq_n_u32(0); DENSE_ROWS / 4], vdupq_n_u8(0x80));
        for (i, (four, inputs)) in steps.enumerate() {
            for line in ahead(w, x, 4 * i) {
                fetch(line);
            }
            let inputs = vdupq_n_u32(u32::from_le_bytes(*inputs));
            let columns = four.map(|column| w.as_ptr().add(column as usize * DENSE_ROWS).cast::<u8>());
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
