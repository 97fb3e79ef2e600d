//! The loops that are the same on every instruction set, written so that the compiler vectorises them: each kernel
//! inlines them into functions compiled for its own CPU features.
#![allow(clippy::needless_range_loop)] // lanes of several arrays side by side: what the compiler vectorises

use super::super::active::Active;
use super::super::conv::requantise;
use super::super::winograd::{self, Form};
use super::{BLOCK, Blocks, Columns, DENSE_ROWS, Patches, Point, Products, Requantise, Sink, Window};

/// The loops of this file as methods of [`super::Wide`], compiled for the features named.
macro_rules! generic_loops {
    ($($features:literal)?) => {
        fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
            // SAFETY: the CPU must have the features.
            $(#[target_feature(enable = $features)])?
            unsafe fn run(form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
                generic::winograd_input(form, src, v, plane);
            }
            // SAFETY: kernels are made only where the CPU has their features.
            unsafe { run(form, src, v, plane) }
        }
        unsafe fn winograd_output(&self, of: Products<'_>, how: Requantise<'_>, sink: Sink, at: [usize; 2]) {
            // SAFETY: the CPU must have the features; the rest as the method.
            $(#[target_feature(enable = $features)])?
            unsafe fn run(of: Products<'_>, how: Requantise<'_>, sink: Sink, at: [usize; 2]) {
                // SAFETY: the same contract.
                unsafe { generic::winograd_output(of, how, sink, at) }
            }
            // SAFETY: as above; the rest is the caller's promise.
            unsafe { run(of, how, sink, at) }
        }
        unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
            // SAFETY: the CPU must have the features; the rest as the method.
            $(#[target_feature(enable = $features)])?
            unsafe fn run(m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
                // SAFETY: the same contract.
                unsafe { generic::store(m, rows, how, out, pixel) }
            }
            // SAFETY: as above; the rest is the caller's promise.
            unsafe { run(m, rows, how, out, pixel) }
        }
    };
}
pub(super) use generic_loops;

#[inline(always)]
pub fn winograd_input(form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
    winograd::input(form, src.data, src.row, src.channels, v, plane);
}

/// # Safety
/// As [`super::Wide::winograd_output`].
#[inline(always)]
pub unsafe fn winograd_output(of: Products<'_>, how: Requantise<'_>, sink: Sink, at: [usize; 2]) {
    let mut sums = [[0i32; BLOCK]; 16];
    winograd::output(of.form, of.m, of.plane, &mut sums);
    let tile = of.form.tile();
    if how.pool {
        let side = tile / 2;
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            let mut most = sums[2 * y * tile + 2 * x];
            for other in
                [2 * y * tile + 2 * x + 1, (2 * y + 1) * tile + 2 * x, (2 * y + 1) * tile + 2 * x + 1]
            {
                for l in 0..BLOCK {
                    most[l] = most[l].max(sums[other][l]);
                }
            }
            let (py, px) = (at[0] * side + y, at[1] * side + x);
            if py < sink.height && px < sink.width {
                // SAFETY: the pixel exists; the caller promises its bytes.
                unsafe { store_pixel(&most, how, sink.data.add(py * sink.row + px * sink.pixel)) };
            }
        }
    } else {
        for (y, x) in (0..tile).flat_map(|y| (0..tile).map(move |x| (y, x))) {
            let (py, px) = (at[0] * tile + y, at[1] * tile + x);
            if py < sink.height && px < sink.width {
                // SAFETY: the pixel exists; the caller promises its bytes.
                unsafe {
                    store_pixel(&sums[y * tile + x], how, sink.data.add(py * sink.row + px * sink.pixel))
                };
            }
        }
    }
}

/// # Safety
/// `out` must be valid for writes of [`BLOCK`] bytes.
#[inline(always)]
unsafe fn store_pixel(sums: &[i32; BLOCK], how: Requantise<'_>, out: *mut u8) {
    let mut bytes = [0u8; BLOCK];
    for l in 0..BLOCK {
        bytes[l] = requantise(sums[l].wrapping_add(how.bias[l]), how.multipliers[l], how.zero_point);
    }
    // SAFETY: by this function's contract.
    unsafe { out.cast::<[u8; BLOCK]>().write_unaligned(bytes) };
}

/// # Safety
/// As [`super::Wide::store`].
#[inline(always)]
pub unsafe fn store(m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
    for (row, sums) in m.as_chunks::<BLOCK>().0[..rows].iter().enumerate() {
        // SAFETY: by this function's contract.
        unsafe { store_pixel(sums, how, out.add(row * pixel)) };
    }
}

/// The plain product; `u` in pairs.
#[inline(always)]
pub fn multiply(v: &[i16], u: Point<'_>, rows: usize, depth: usize, m: &mut [i32]) {
    match u {
        Point::Words(u) => multiply_by(v, u, rows, depth, m),
        Point::Bytes(u) => multiply_by(v, u, rows, depth, m),
    }
}

#[inline(always)]
fn multiply_by<T: Copy + Into<i32>>(v: &[i16], u: &[T], rows: usize, depth: usize, m: &mut [i32]) {
    let pairs = u[..depth * BLOCK].as_chunks::<{ 2 * BLOCK }>().0;
    for (line, sums) in v.chunks_exact(depth).zip(m.as_chunks_mut::<BLOCK>().0).take(rows) {
        let mut acc = [0i32; BLOCK];
        for (x, w) in line.as_chunks::<2>().0.iter().zip(pairs) {
            let (a, b) = (i32::from(x[0]), i32::from(x[1]));
            for l in 0..BLOCK {
                let pair = a * w[2 * l].into() + b * w[2 * l + 1].into();
                acc[l] = acc[l].wrapping_add(pair);
            }
        }
        *sums = acc;
    }
}

#[inline(always)]
pub fn dense(w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
    w.check(x, out);
    out.fill([0; DENSE_ROWS]);
    let lines = w.weights.as_chunks::<DENSE_ROWS>().0;
    for (&column, &value) in x.columns().iter().zip(x.values()) {
        let (first, value) = (column as usize * w.lines, i32::from(value));
        for (acc, line) in out.iter_mut().zip(&lines[first..][..w.lines]) {
            for r in 0..DENSE_ROWS {
                acc[r] = acc[r].wrapping_add(i32::from(line[r]) * value);
            }
        }
    }
}

/// # Safety
/// As [`super::Kernel::direct`].
#[inline(always)]
pub unsafe fn direct(src: Window<'_>, u: &[i8], how: Blocks<'_>, out: *mut u8, pixel: usize) {
    let blocks = how.bias.len();
    src.check(u, blocks);
    for (p, b) in (0..src.count).flat_map(|p| (0..blocks).map(move |b| (p, b))) {
        let mut acc = [0i32; BLOCK];
        for (t, &tap) in src.taps.iter().enumerate() {
            let x = &src.data[p * src.step + tap..][..src.channels];
            for (c, x) in x.as_chunks::<4>().0.iter().enumerate() {
                let at = ((t * src.channels / 4 + c) * blocks + b) * BLOCK * 4;
                let w = &u[at..][..BLOCK * 4];
                for l in 0..BLOCK {
                    for i in 0..4 {
                        acc[l] = acc[l].wrapping_add(i32::from(x[i]) * i32::from(w[4 * l + i]));
                    }
                }
            }
        }
        let one = Requantise {
            bias: &how.bias[b],
            multipliers: &how.multipliers[b],
            zero_point: how.zero_point,
            pool: false,
        };
        // SAFETY: by this function's contract.
        unsafe { store_pixel(&acc, one, out.add(p * pixel + b * BLOCK)) };
    }
}

/// [`super::Kernel::multiply8`] in plain loops.
#[inline(always)]
pub fn multiply8(v: &[u8], u: &[i8], rows: usize, depth: usize, m: &mut [i32]) {
    let fours = u[..depth * BLOCK].as_chunks::<{ 4 * BLOCK }>().0;
    for (line, sums) in v.chunks_exact(depth).zip(m.as_chunks_mut::<BLOCK>().0).take(rows) {
        let mut acc = [0i32; BLOCK];
        for (x, w) in line.as_chunks::<4>().0.iter().zip(fours) {
            for l in 0..BLOCK {
                for i in 0..4 {
                    acc[l] = acc[l].wrapping_add(i32::from(x[i] as i8) * i32::from(w[4 * l + i]));
                }
            }
        }
        *sums = acc;
    }
}
