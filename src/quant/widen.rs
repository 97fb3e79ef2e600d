//! f16 weights times f32 inputs, one block of a linear layer at a time: a function for each instruction set.

use super::half;

/// Rows of a block.
pub const ROWS: usize = 64;
/// Columns that are fetched ahead.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const AHEAD: usize = 64;

/// How f16 becomes f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widen {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    F16c,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Widen {
    /// Those that this CPU can run, fastest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") {
                all.push(Widen::Avx512);
            }
            if has!("avx2") && has!("f16c") && has!("fma") {
                all.push(Widen::F16c);
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Widen::Neon);
        all.push(Widen::Portable);
        all
    }

    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Widen::Avx512 => "avx512f, dense f16",
            #[cfg(target_arch = "x86_64")]
            Widen::F16c => "f16c, dense f16",
            #[cfg(target_arch = "aarch64")]
            Widen::Neon => "neon, dense f16",
            Widen::Portable => "portable, dense f16",
        }
    }

    /// `out[row] = Σ w[column][row]·x` over the `(column, x)` that count.
    pub fn block(self, w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
        assert!(w.len() >= x.depth * ROWS);
        match self {
            // SAFETY: the CPU has the features; the columns that count are below the depth.
            #[cfg(target_arch = "x86_64")]
            Widen::Avx512 => unsafe { avx512(w, x, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Widen::F16c => unsafe { f16c(w, x, out) },
            // SAFETY: NEON is part of every aarch64 CPU; the columns that count are below the depth.
            #[cfg(target_arch = "aarch64")]
            Widen::Neon => unsafe { neon(w, x, out) },
            Widen::Portable => portable(w, x, out),
        }
    }
}

/// One face's inputs that aren't zero, filled up to pairs. Lives from run to run.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    depth: usize,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Inputs {
    pub fn fill(&mut self, x: &[f32]) {
        self.depth = x.len();
        self.columns.clear();
        self.values.clear();
        for (column, &x) in x.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            self.columns.push(column as u32);
            self.values.push(x);
        }
        if self.columns.len() % 2 == 1 {
            self.columns.push(self.columns[self.columns.len() - 1]);
            self.values.push(0.0);
        }
    }
}

fn portable(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    let columns = w.as_chunks::<ROWS>().0;
    let mut acc = [0f32; ROWS];
    for (&column, &x) in x.columns.iter().zip(&x.values) {
        for (acc, &w) in acc.iter_mut().zip(&columns[column as usize]) {
            *acc += half::to_f32(w as u16) * x;
        }
    }
    *out = acc;
}

/// The two lines of the column that is due [`AHEAD`] columns after number `done`, or lines of the block behind this one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn ahead(w: &[i16], x: &Inputs, done: usize) -> [*const i8; 2] {
    let at = done + AHEAD;
    let (place, behind) = if at < x.columns.len() { (at, 0) } else { (at - x.columns.len(), x.depth) };
    let column = x.columns.get(place).map_or(0, |&c| c as usize);
    let line = w.as_ptr().wrapping_add((behind + column) * ROWS);
    [line.cast(), line.wrapping_add(ROWS / 2).cast()]
}

/// # Safety
/// AVX512F; `w` holds as many columns as `x` has.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    use std::arch::x86_64::*;
    // Even and odd columns apart: a single chain of sums would wait for the adder.
    let mut acc = [[_mm512_setzero_ps(); 4]; 2];
    let pairs = x.columns.as_chunks::<2>().0.iter().zip(x.values.as_chunks::<2>().0);
    for (i, (columns, xs)) in pairs.enumerate() {
        for line in [ahead(w, x, 2 * i), ahead(w, x, 2 * i + 1)].as_flattened() {
            _mm_prefetch::<_MM_HINT_T0>(*line);
        }
        for (acc, (&column, &x)) in acc.iter_mut().zip(columns.iter().zip(xs)) {
            let from = w.as_ptr().wrapping_add(column as usize * ROWS);
            let x = _mm512_set1_ps(x);
            for (j, acc) in acc.iter_mut().enumerate() {
                // SAFETY: the column lies in `w` by this function's contract.
                let w = unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.add(16 * j).cast())) };
                *acc = _mm512_fmadd_ps(w, x, *acc);
            }
        }
    }
    for (j, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: sixteen floats fit.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(acc[0][j], acc[1][j])) };
    }
}

/// # Safety
/// AVX2, F16C, FMA; `w` holds as many columns as `x` has.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
unsafe fn f16c(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    use std::arch::x86_64::*;
    let mut acc = [_mm256_setzero_ps(); ROWS / 8];
    for (i, (&column, &value)) in x.columns.iter().zip(&x.values).enumerate() {
        for line in ahead(w, x, i) {
            _mm_prefetch::<_MM_HINT_T0>(line);
        }
        for (j, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the column lies in `w` by this function's contract.
            let w = unsafe {
                _mm256_cvtph_ps(_mm_loadu_si128(w.as_ptr().add(column as usize * ROWS + 8 * j).cast()))
            };
            *acc = _mm256_fmadd_ps(w, _mm256_set1_ps(value), *acc);
        }
    }
    for (out, acc) in out.as_chunks_mut::<8>().0.iter_mut().zip(acc) {
        // SAFETY: eight floats fit.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), acc) };
    }
}

/// FCVTL and FMLA; Rust's f16 vectors and its prefetch are not stable, so those are `asm!`.
///
/// # Safety
/// `w` holds as many columns as `x` has.
#[cfg(target_arch = "aarch64")]
unsafe fn neon(w: &[i16], x: &Inputs, out: &mut [f32; ROWS]) {
    use std::arch::aarch64::*;
    use std::arch::asm;
    // SAFETY: the columns lie in `w` by this function's contract; the asm touches registers, or fetches, which may point
    // anywhere.
    unsafe {
        let mut acc = [vdupq_n_f32(0.0); ROWS / 4];
        for (i, (&column, &value)) in x.columns.iter().zip(&x.values).enumerate() {
            for line in ahead(w, x, i) {
                asm!("prfm pldl1keep, [{line}]", line = in(reg) line,
                    options(nostack, preserves_flags, readonly));
            }
            for j in 0..ROWS / 8 {
                let half = vld1q_s16(w.as_ptr().add(column as usize * ROWS + 8 * j));
                let (low, high): (float32x4_t, float32x4_t);
                asm!("fcvtl {l:v}.4s, {h:v}.4h", "fcvtl2 {u:v}.4s, {h:v}.8h",
                    l = out(vreg) low, u = lateout(vreg) high, h = in(vreg) half, options(pure, nomem, nostack));
                acc[2 * j] = vfmaq_n_f32(acc[2 * j], low, value);
                acc[2 * j + 1] = vfmaq_n_f32(acc[2 * j + 1], high, value);
            }
        }
        for (out, acc) in out.as_chunks_mut::<4>().0.iter_mut().zip(acc) {
            vst1q_f32(out.as_mut_ptr(), acc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_widening_equals_the_portable_one() {
        let depth = 201;
        let w: Vec<i16> = (0..ROWS * depth).map(|i| (0x3000 + i % 1500) as i16).collect();
        let x: Vec<f32> =
            (0..depth).map(|i| if i % 3 == 0 { 0.0 } else { (i as f32 - 100.0) / 32.0 }).collect();
        let mut inputs = Inputs::default();
        inputs.fill(&x);
        let (mut expect, mut got) = ([0.0; ROWS], [0.0; ROWS]);
        portable(&w, &inputs, &mut expect);
        for widen in Widen::available() {
            widen.block(&w, &inputs, &mut got);
            assert!(
                got.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-3),
                "{widen:?}: {got:?} {expect:?}"
            );
        }
    }
}
