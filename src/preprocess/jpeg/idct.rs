//! The inverse cosine transform of an 8×8 block in integers.
//!
//! It is the Loeffler–Ligtenberg–Moschytz transform with 13-bit constants, rounded where libjpeg's default ("islow")
//! rounds, so that the pixels are the same. Arithmetic wraps: damaged coefficients give wrong pixels, not a panic.

use std::num::Wrapping;

type W = Wrapping<i32>;

/// Fraction bits of the constants, and what the first pass keeps beyond whole numbers.
const CONST_BITS: usize = 13;
const PASS1_BITS: usize = 2;

/// A constant times 2¹³, rounded.
const fn fix(x: f64) -> W {
    Wrapping((x * 8192.0 + 0.5) as i32)
}

const FIX_0_298: W = fix(0.298_631_336);
const FIX_0_390: W = fix(0.390_180_644);
const FIX_0_541: W = fix(0.541_196_100);
const FIX_0_765: W = fix(0.765_366_865);
const FIX_0_899: W = fix(0.899_976_223);
const FIX_1_175: W = fix(1.175_875_602);
const FIX_1_501: W = fix(1.501_321_110);
const FIX_1_847: W = fix(1.847_759_065);
const FIX_1_961: W = fix(1.961_570_560);
const FIX_2_053: W = fix(2.053_119_869);
const FIX_2_562: W = fix(2.562_915_447);
const FIX_3_072: W = fix(3.072_711_026);

/// Dequantised coefficients (row by row) → pixels. `columns`: bit x is set if column x has any coefficient below its
/// first row.
pub fn block(coefficients: &[i32; 64], columns: u8, pixels: &mut [u8; 64]) {
    let mut half = [Wrapping(0); 64];
    for x in 0..8 {
        if columns & (1 << x) == 0 {
            let flat = Wrapping(coefficients[x]) << PASS1_BITS;
            (0..8).for_each(|y| half[8 * y + x] = flat);
        } else {
            let column = eight(std::array::from_fn(|y| Wrapping(coefficients[8 * y + x])));
            (0..8).for_each(|y| half[8 * y + x] = descale(column[y], CONST_BITS - PASS1_BITS));
        }
    }
    for (row, pixels) in half.as_chunks::<8>().0.iter().zip(pixels.as_chunks_mut::<8>().0) {
        let row = eight(*row);
        *pixels = row.map(|v| pixel(descale(v, CONST_BITS + PASS1_BITS + 3)));
    }
}

/// A block that has only its first coefficient.
pub fn flat(dc: i32) -> u8 {
    pixel(descale(Wrapping(dc) << PASS1_BITS, PASS1_BITS + 3))
}

fn pixel(v: W) -> u8 {
    (v.0.saturating_add(128)).clamp(0, 255) as u8
}

fn descale(v: W, bits: usize) -> W {
    (v + Wrapping(1 << (bits - 1))) >> bits
}

/// One dimension: eight coefficients → eight values times √8·2¹³.
#[inline(always)]
fn eight(c: [W; 8]) -> [W; 8] {
    let z = (c[2] + c[6]) * FIX_0_541;
    let (e2, e3) = (z - c[6] * FIX_1_847, z + c[2] * FIX_0_765);
    let (e0, e1) = ((c[0] + c[4]) << CONST_BITS, (c[0] - c[4]) << CONST_BITS);
    let even = [e0 + e3, e1 + e2, e1 - e2, e0 - e3];

    let (z1, z2, z3, z4) = (c[7] + c[1], c[5] + c[3], c[7] + c[3], c[5] + c[1]);
    let z5 = (z3 + z4) * FIX_1_175;
    let (z1, z2) = (-(z1 * FIX_0_899), -(z2 * FIX_2_562));
    let (z3, z4) = (z5 - z3 * FIX_1_961, z5 - z4 * FIX_0_390);
    let odd = [
        c[1] * FIX_1_501 + z1 + z4,
        c[3] * FIX_3_072 + z2 + z3,
        c[5] * FIX_2_053 + z2 + z4,
        c[7] * FIX_0_298 + z1 + z3,
    ];
    std::array::from_fn(|i| if i < 4 { even[i] + odd[i] } else { even[7 - i] - odd[7 - i] })
}
