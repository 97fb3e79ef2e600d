//! Colour to gray, and limited range to full.

/// PIL's gray of R, G and B: ITU-R 601 weights in 16 bits, rounded. The `image` crate's `to_luma8` uses others.
#[inline]
pub fn gray([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 32768) >> 16) as u8
}

/// Full-range value of each limited-range luma: 16 → 0, 235 → 255, rounded to nearest; below and above are clipped.
pub static FULL_OF_LIMITED: [u8; 256] = full_of_limited();

const fn full_of_limited() -> [u8; 256] {
    let mut table = [0; 256];
    let mut y = 17;
    while y < 256 {
        let full = ((y - 16) * 255 + 109) / 219;
        table[y] = if full > 255 { 255 } else { full as u8 };
        y += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, 0)]
    #[case(16, 0)]
    #[case(17, 1)]
    #[case(126, 128)]
    #[case(234, 254)]
    #[case(235, 255)]
    #[case(255, 255)]
    fn limited_to_full(#[case] y: usize, #[case] expect: u8) {
        assert_eq!(FULL_OF_LIMITED[y], expect);
    }

    #[test]
    fn gray_of_gray_is_itself() {
        assert!((0..=255).all(|v| gray([v, v, v]) == v));
    }
}
