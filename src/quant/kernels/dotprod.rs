//! aarch64 with dot product (Cortex-A76, A78AE): SDOT on i8, sixteen products an instruction and two a cycle, which beats
//! Winograd's quarter of the products at four an instruction and one a cycle. Pixels are gathered less 128, so that
//! they are signed.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::winograd::Form;
use super::neon::Neon;
use super::{BLOCK, DENSE_ROWS, DENSE_STEP, FACES, Kernel, Patches, Requantise, Sink};

/// Made only where the CPU has the dot product instructions: see [`super::available`].
#[derive(Debug)]
pub struct DotProd;

impl Kernel for DotProd {
    fn name(&self) -> &'static str {
        "dotprod"
    }
    fn eight_bit(&self) -> bool {
        true
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
    fn multiply8(&self, v: &[i8], u: &[i8], rows: usize, depth: usize, m: &mut [i32]) {
        assert!(v.len() >= rows * depth && u.len() >= BLOCK * depth && m.len() >= rows * BLOCK);
        assert!(depth.is_multiple_of(DENSE_STEP));
        let groups = rows.div_ceil(4);
        let mut row = 0;
        for group in 0..groups {
            let count = (rows - row).div_ceil(groups - group);
            let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
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
    fn dense(&self, w: &[i8], x: &[i16], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
        Neon.dense(w, x, depth, out);
    }
    fn dense8(&self, w: &[i8], x: &[i8], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
        assert!(w.len() >= DENSE_ROWS * depth && x.len() >= out.len() * depth);
        assert!(depth.is_multiple_of(DENSE_STEP));
        // SAFETY: the CPU has dot products; the slices are as long as the loops read.
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

/// `acc[i] += Σ w[4i..4i+4]·x[4·lane..4·lane+4]`. Rust's own `vdotq_laneq_s32` is not stable.
macro_rules! sdot_lane {
    ($acc:expr, $w:expr, $x:expr, $lane:literal) => {
        asm!(concat!("sdot {a:v}.4s, {w:v}.16b, {x:v}.4b[", $lane, "]"),
            a = inout(vreg) $acc, w = in(vreg) $w, x = in(vreg) $x, options(pure, nomem, nostack, preserves_flags))
    };
}

/// `T` rows × 16 channels in `4·T` registers; `u` as `[depth/4][16][4]`, sixteen depths of `v` a step.
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

/// # Safety
/// Dot products; slice lengths as [`Kernel::dense8`] says.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dense<const N: usize>(w: &[i8], x: &[i8], depth: usize, out: &mut [[i32; DENSE_ROWS]]) {
    // SAFETY: every step is inside the depth that the caller checked; the asm touches registers only.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); DENSE_ROWS]; N];
        for step in 0..depth / DENSE_STEP {
            let line = w.as_ptr().add(step * DENSE_STEP * DENSE_ROWS);
            let xs: [int8x16_t; N] =
                std::array::from_fn(|n| vld1q_s8(x.as_ptr().add(n * depth + step * DENSE_STEP)));
            for r in 0..DENSE_ROWS {
                let w = vld1q_s8(line.add(r * DENSE_STEP));
                for n in 0..N {
                    asm!("sdot {a:v}.4s, {w:v}.16b, {x:v}.16b", a = inout(vreg) acc[n][r], w = in(vreg) w,
                        x = in(vreg) xs[n], options(pure, nomem, nostack, preserves_flags));
                }
            }
        }
        for (sums, acc) in out.iter_mut().zip(acc) {
            *sums = acc.map(|lanes| vaddvq_s32(lanes));
        }
    }
}
