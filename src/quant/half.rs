//! IEEE half precision → f32, exactly. Every f16 value is an f32 value; nothing here rounds.

/// One f16 bit pattern as f32.
#[inline(always)]
pub fn to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let rest = u32::from(half & 0x7fff);
    let bits = match rest >> 10 {
        0x1f => 0x7f80_0000 | rest << 13,
        // A subnormal half is a multiple of 2⁻²⁴, an ordinary number in f32.
        0 => (rest as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        _ => (rest << 13) + 0x3800_0000,
    };
    f32::from_bits(sign | bits)
}

/// Little-endian halves → f32; `out` has half as many elements as `bytes` has bytes.
pub fn decode(bytes: &[u8], out: &mut [f32]) {
    for (o, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *o = to_f32(u16::from_le_bytes([b[0], b[1]]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::zero(0x0000, 0.0)]
    #[case::one(0x3c00, 1.0)]
    #[case::minus_two(0xc000, -2.0)]
    #[case::largest(0x7bff, 65504.0)]
    #[case::smallest_normal(0x0400, 6.103_515_6e-5)]
    #[case::smallest(0x0001, 5.960_464_5e-8)]
    #[case::largest_subnormal(0x03ff, 6.097_555e-5)]
    #[case::third(0x3555, 0.333_251_95)]
    #[case::infinite(0x7c00, f32::INFINITY)]
    #[case::minus_infinite(0xfc00, f32::NEG_INFINITY)]
    fn halves_are_exact(#[case] half: u16, #[case] expect: f32) {
        assert_eq!(to_f32(half), expect);
    }

    #[test]
    fn not_a_number_stays_so_and_minus_zero_keeps_its_sign() {
        assert!(to_f32(0x7e00).is_nan());
        assert!(to_f32(0x8000).is_sign_negative());
    }
}
