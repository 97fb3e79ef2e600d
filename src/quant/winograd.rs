//! Winograd's 3×3 convolutions F(2×2) and F(4×4), exact in integers.
//!
//! Terms. *Patch*: the input pixels under one tile of outputs (4×4 or 6×6). *Point*: one of the 16 or 36 products per
//! channel that replace a patch's multiplications; their sums over the channels are matrix products, done by the
//! kernels. U: transformed weights, V: transformed patches, M: their products.
//!
//! Why it is exact. The weight transform's fractions are scaled to integers per row, the output transform's columns
//! by what is missing to a common factor: 2 per axis for F(2×2), 24 for F(4×4) (12 and 6 for its later rows). All sums
//! wrap modulo 2³². What comes out is the true sum times 2^e, or times 9·2^e: the 9 is odd and has an inverse modulo
//! 2³², and 2^e is a shift, right as long as the true sum times 2^e fits 32 bits. e ≤ 2 for F(2×2) and ≤ 6 for
//! F(4×4), so [`Form::covers`] holds the sums of a layer's real weights to 2²⁹ and 2²⁵.
//! Ranges: V of F(4×4) stays within ±17,340 (68·255), U within ±6,272 (49·128): both i16. The corner points of U are weights
//! as they were, and stay bytes.
#![allow(clippy::needless_range_loop)] // lanes of several arrays side by side: what the compiler vectorises

/// Lanes (channels) that the transforms work on at once.
pub const LANES: usize = 16;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 2×2 outputs from 16 products: 2.25 times fewer multiplications.
    F2,
    /// 4×4 outputs from 36 products: 4 times fewer.
    F4,
}

impl Form {
    /// Side of the output tile.
    pub const fn tile(self) -> usize {
        match self {
            Form::F2 => 2,
            Form::F4 => 4,
        }
    }

    /// Side of the input patch.
    pub const fn patch(self) -> usize {
        self.tile() + 2
    }

    /// Products per channel and tile.
    pub const fn points(self) -> usize {
        self.patch() * self.patch()
    }

    /// Which of the four corner weights, as it is and so a byte, a point of U is; otherwise how many points before it are none.
    pub fn corner(self, point: usize) -> Result<usize, usize> {
        let (side, last) = (self.patch(), self.points() - 1);
        let corners = [0, side - 1, last + 1 - side, last];
        corners.binary_search(&point).map_err(|before| point - before)
    }

    /// Whether sums of u8 inputs with these weights (one output channel) survive the scaling.
    pub fn covers(self, channel_weights: &[i8]) -> bool {
        let sum = |sign: i64| channel_weights.iter().map(|&w| (i64::from(w) * sign).max(0)).sum::<i64>();
        let limit = match self {
            Form::F2 => 1 << 29,
            Form::F4 => 1 << 25,
        };
        255 * sum(1).max(sum(-1)) < limit
    }

    /// The points of [`LANES`] 3×3 kernels side by side (`w[tap][lane]`), scaled to integers.
    pub fn weight_lanes(self, w: &[Line; 9], points: &mut [Line; 36]) {
        let side = self.patch();
        let mut across = [[[0i16; LANES]; 6]; 3];
        for y in 0..3 {
            across[y] = self.weight_axis(&w[3 * y], &w[3 * y + 1], &w[3 * y + 2]);
        }
        for x in 0..side {
            let down = self.weight_axis(&across[0][x], &across[1][x], &across[2][x]);
            for y in 0..side {
                points[y * side + x] = down[y];
            }
        }
    }

    #[inline(always)]
    fn weight_axis(self, a: &Line, b: &Line, c: &Line) -> [Line; 6] {
        let mut r = [[0i16; LANES]; 6];
        for l in 0..LANES {
            let ends = a[l] + c[l];
            (r[0][l], r[1][l], r[2][l]) = (a[l], ends + b[l], ends - b[l]);
            match self {
                Form::F2 => r[3][l] = c[l],
                Form::F4 => {
                    let ends = a[l] + 4 * c[l];
                    (r[3][l], r[4][l], r[5][l]) = (ends + 2 * b[l], ends - 2 * b[l], c[l]);
                }
            }
        }
        r
    }
}

type Line = [i16; LANES];
type Sums = [i32; LANES];

/// Writes the points of one patch. `src` starts at the patch's first pixel, channels innermost (`channels` of them, a
/// multiple of [`LANES`]), rows `row` bytes apart; point `p` goes to `v[p·plane..][..channels]`.
#[inline(always)]
pub fn input(form: Form, src: &[u8], row: usize, channels: usize, v: &mut [i16], plane: usize) {
    match form {
        Form::F2 => input_of::<4>(src, row, channels, v, plane, input2),
        Form::F4 => input_of::<6>(src, row, channels, v, plane, input4),
    }
}

#[inline(always)]
fn input_of<const P: usize>(
    src: &[u8],
    row: usize,
    channels: usize,
    v: &mut [i16],
    plane: usize,
    axis: impl Fn(&[Line; P]) -> [Line; P],
) {
    for c in (0..channels).step_by(LANES) {
        let mut across = [[[0i16; LANES]; P]; P];
        for (y, out) in across.iter_mut().enumerate() {
            let mut line = [[0i16; LANES]; P];
            for (x, to) in line.iter_mut().enumerate() {
                let from = &src[y * row + x * channels + c..][..LANES];
                for l in 0..LANES {
                    to[l] = i16::from(from[l]);
                }
            }
            *out = axis(&line);
        }
        for x in 0..P {
            let mut line = [[0i16; LANES]; P];
            for y in 0..P {
                line[y] = across[y][x];
            }
            let down = axis(&line);
            for y in 0..P {
                v[(y * P + x) * plane + c..][..LANES].copy_from_slice(&down[y]);
            }
        }
    }
}

#[inline(always)]
fn input2(d: &[Line; 4]) -> [Line; 4] {
    let mut r = [[0i16; LANES]; 4];
    for l in 0..LANES {
        r[0][l] = d[0][l].wrapping_sub(d[2][l]);
        r[1][l] = d[1][l].wrapping_add(d[2][l]);
        r[2][l] = d[2][l].wrapping_sub(d[1][l]);
        r[3][l] = d[1][l].wrapping_sub(d[3][l]);
    }
    r
}

#[inline(always)]
fn input4(d: &[Line; 6]) -> [Line; 6] {
    let mut r = [[0i16; LANES]; 6];
    for l in 0..LANES {
        let [d0, d1, d2, d3, d4, d5] = [d[0][l], d[1][l], d[2][l], d[3][l], d[4][l], d[5][l]];
        let (far, near) = (d4.wrapping_sub(d2), d3.wrapping_sub(d1));
        let (even, odd) = (d4.wrapping_sub(d2.wrapping_shl(2)), d3.wrapping_sub(d1.wrapping_shl(2)));
        r[0][l] = d0.wrapping_sub(d2).wrapping_shl(2).wrapping_add(far);
        r[1][l] = even.wrapping_add(odd);
        r[2][l] = even.wrapping_sub(odd);
        r[3][l] = far.wrapping_add(near.wrapping_shl(1));
        r[4][l] = far.wrapping_sub(near.wrapping_shl(1));
        r[5][l] = d5.wrapping_sub(d3).wrapping_sub(near.wrapping_shl(2));
    }
    r
}

/// True sums of one tile for [`LANES`] channels from their points; point `p` is `m[p·plane..][..LANES]`. Row-major
/// outputs, the first `tile²` of the array.
#[inline(always)]
pub fn output(form: Form, m: &[i32], plane: usize, out: &mut [Sums; 16]) {
    match form {
        Form::F2 => output2(m, plane, out),
        Form::F4 => output4(m, plane, out),
    }
}

#[inline(always)]
fn point(m: &[i32], at: usize) -> &Sums {
    m[at..].first_chunk().expect("M has LANES values per point and tile")
}

#[inline(always)]
fn output2(m: &[i32], plane: usize, out: &mut [Sums; 16]) {
    let mut down = [[[0i32; LANES]; 4]; 2];
    for x in 0..4 {
        let [a0, a1, a2, a3] = [0, 1, 2, 3].map(|y| point(m, (y * 4 + x) * plane));
        for l in 0..LANES {
            down[0][x][l] = a0[l].wrapping_shl(1).wrapping_add(a1[l]).wrapping_add(a2[l]);
            down[1][x][l] = a1[l].wrapping_sub(a2[l]).wrapping_sub(a3[l].wrapping_shl(1));
        }
    }
    for y in 0..2 {
        let [a0, a1, a2, a3] = &down[y];
        for l in 0..LANES {
            out[y * 2][l] = a0[l].wrapping_shl(1).wrapping_add(a1[l]).wrapping_add(a2[l]) >> 2;
            out[y * 2 + 1][l] = a1[l].wrapping_sub(a2[l]).wrapping_sub(a3[l].wrapping_shl(1)) >> 2;
        }
    }
}

/// 9 · NINTH ≡ 1 (mod 2³²).
const NINTH: i32 = 954_437_177;
/// Powers of two that F(4×4)'s output rows (and columns) are scaled by.
const SHIFT4: [u32; 4] = [3, 2, 1, 1];

#[inline(always)]
fn output4(m: &[i32], plane: usize, out: &mut [Sums; 16]) {
    let mut down = [[[0i32; LANES]; 6]; 4];
    for x in 0..6 {
        let a = [0, 1, 2, 3, 4, 5].map(|y| point(m, (y * 6 + x) * plane));
        for l in 0..LANES {
            let r = axis4([a[0][l], a[1][l], a[2][l], a[3][l], a[4][l], a[5][l]]);
            for y in 0..4 {
                down[y][x][l] = r[y];
            }
        }
    }
    for y in 0..4 {
        let a = &down[y];
        for l in 0..LANES {
            let r = axis4([a[0][l], a[1][l], a[2][l], a[3][l], a[4][l], a[5][l]]);
            for x in 0..4 {
                out[y * 4 + x][l] = r[x].wrapping_mul(NINTH) >> (SHIFT4[y] + SHIFT4[x]);
            }
        }
    }
}

#[inline(always)]
fn axis4(a: [i32; 6]) -> [i32; 4] {
    let (s, d) = (a[1].wrapping_add(a[2]), a[1].wrapping_sub(a[2]));
    let (p, q) = (a[3].wrapping_add(a[4]), a[3].wrapping_sub(a[4]));
    let six = |v: i32| v.wrapping_shl(1).wrapping_add(v).wrapping_shl(1);
    [
        six(a[0]).wrapping_sub(s.wrapping_shl(2)).wrapping_add(p),
        q.wrapping_sub(d.wrapping_shl(1)),
        p.wrapping_sub(s),
        q.wrapping_shl(1).wrapping_sub(d).wrapping_add(six(a[5])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// One patch, one channel, worst-case and random values, against the definition.
    #[rstest]
    #[case::f2_extremes(Form::F2, 0)]
    #[case::f4_extremes(Form::F4, 0)]
    #[case::f2_random(Form::F2, 0x5eed_0001)]
    #[case::f4_random(Form::F4, 0x5eed_0002)]
    fn one_tile_equals_the_definition(#[case] form: Form, #[case] seed: u64) {
        println!("seed {seed:#x}");
        let mut state = seed;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        for round in 0..200 {
            let (side, tile) = (form.patch(), form.tile());
            let value = |r: u32| if seed == 0 { if r & 1 == 0 { 0 } else { 255 } } else { r as u8 };
            let x: Vec<u8> = (0..side * side * LANES).map(|_| value(next())).collect();
            let w: [i32; 9] = std::array::from_fn(|_| {
                if seed == 0 { [-128, 127][next() as usize & 1] } else { i32::from(next() as i8) }
            });
            let (mut v, mut u) = (vec![0i16; 36 * LANES], [[0i16; LANES]; 36]);
            input(form, &x, side * LANES, LANES, &mut v, LANES);
            form.weight_lanes(&w.map(|tap| [tap as i16; LANES]), &mut u);
            let m: Vec<i32> = (0..form.points() * LANES)
                .map(|i| i32::from(v[i]) * i32::from(u[i / LANES][i % LANES]))
                .collect();
            let mut out = [[0; LANES]; 16];
            output(form, &m, LANES, &mut out);
            for (i, l) in (0..tile * tile).flat_map(|i| (0..LANES).map(move |l| (i, l))) {
                let (oy, ox) = (i / tile, i % tile);
                let expect: i32 =
                    (0..9).map(|t| i32::from(x[((oy + t / 3) * side + ox + t % 3) * LANES + l]) * w[t]).sum();
                assert_eq!(out[i][l], expect, "round {round}, output {i}, lane {l}");
            }
        }
    }

    #[test]
    fn corner_points_are_the_corner_weights() {
        for form in [Form::F2, Form::F4] {
            let mut points = [[0; LANES]; 36];
            form.weight_lanes(&std::array::from_fn(|tap| [1 << tap; LANES]), &mut points);
            let (mut corners, mut others) = (Vec::new(), 0);
            for (p, point) in points[..form.points()].iter().enumerate() {
                match form.corner(p) {
                    Ok(corner) => {
                        assert_eq!(corner, corners.len());
                        corners.push(point[0]);
                    }
                    Err(before) => {
                        assert_eq!(before, others);
                        others += 1;
                    }
                }
            }
            assert_eq!(corners, [1, 1 << 2, 1 << 6, 1 << 8], "{form:?}");
        }
    }

    #[test]
    fn a_layer_whose_sums_grow_too_large_is_not_covered() {
        assert!(Form::F4.covers(&[100; 1000]));
        assert!(!Form::F4.covers(&[127; 1100])); // 255·127·1100 > 2²⁵
        assert!(Form::F2.covers(&[127; 1100]));
        assert!(!Form::F2.covers(&[-128; 16_500]));
    }
}
