//! One `QLinearConv` as numbers: its geometry, weights, zero points and multipliers, checked once at load; and the
//! reference that computes it plainly.
//!
//! Terms. *Accumulator*: the exact i32 sum of `(x − x_zp)·w` plus bias. *Requantise*: accumulator → u8, as onnxruntime
//! does it: `clamp(f32(acc)·multiplier, −y_zp, 255 − y_zp)`, rounded half to even, plus `y_zp`, all in f32, where
//! `multiplier = (x_scale·w_scale)/y_scale` in f32 in this order (other orders differ at ties). Padding is `x_zp`, that
//! is, the real number zero. The weights are symmetric (zero point 0), per tensor or per output channel.

use std::ops::Range;
use std::sync::Arc;

use super::onnx_file::{Element, SideTensor};
use super::pages::Behind;

/// A 2-D convolution's extents; `[top, left, bottom, right]` pads, `[vertical, horizontal]` otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub out_channels: usize,
    /// Of the whole input, all groups together.
    pub in_channels: usize,
    pub kernel: [usize; 2],
    pub pads: [usize; 4],
    pub strides: [usize; 2],
    pub dilations: [usize; 2],
    pub groups: usize,
}

impl Geometry {
    /// Output `[height, width]` for an input of `[height, width]`; `None` where the kernel doesn't fit.
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let axis = |i: usize| {
            let span = self.dilations[i] * (self.kernel[i] - 1) + 1;
            let padded = input[i] + self.pads[i] + self.pads[i + 2];
            padded.checked_sub(span).map(|room| room / self.strides[i] + 1)
        };
        Some([axis(0)?, axis(1)?])
    }

    /// Products that one output value sums up.
    pub fn depth(&self) -> usize {
        self.in_channels / self.groups * self.taps()
    }

    /// Positions of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// 3×3, one step at a time, one group: what the Winograd forms cover.
    pub fn is_plain_3x3(&self) -> bool {
        self.kernel == [3, 3] && self.strides == [1, 1] && self.dilations == [1, 1] && self.groups == 1
    }
}

/// Where the weights are: in the mapped file or, when small, in memory. Row-major `[out][in/groups][kh][kw]`.
#[derive(Debug, Clone)]
pub enum Weights {
    Mapped(Arc<SideTensor>),
    Owned(Arc<[i8]>),
}

impl Weights {
    pub fn as_i8(&self) -> &[i8] {
        match self {
            Weights::Owned(w) => w,
            Weights::Mapped(t) => {
                debug_assert_eq!(t.element, Element::I8);
                let bytes = t.bytes();
                // SAFETY: i8 and u8 have the same size, alignment and no invalid values.
                unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
            }
        }
    }

    /// The same, for who only moves them.
    pub fn as_u8(&self) -> &[u8] {
        let values = self.as_i8();
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
    }

    /// Where they are in the file: what gives its pages back while they are packed, and at the latest when it is dropped.
    pub(super) fn behind(&self) -> Option<Behind<'_>> {
        match self {
            Weights::Mapped(tensor) => Some(Behind::new(tensor)),
            Weights::Owned(_) => None,
        }
    }

    /// Gives all of the file's pages back: whoever reads on brings them in again.
    pub(super) fn release(&self) {
        drop(self.behind());
    }
}

/// Everything that a `QLinearConv` node says.
#[derive(Debug, Clone)]
pub struct ConvSpec {
    pub name: String,
    pub geometry: Geometry,
    pub weights: Weights,
    /// One per output channel.
    pub bias: Vec<i32>,
    /// One per output channel: `(x_scale·w_scale)/y_scale`.
    pub multipliers: Vec<f32>,
    pub x_zp: u8,
    pub y_zp: u8,
}

impl ConvSpec {
    /// Holds the numbers to what the arithmetic can do exactly. The error says what is wrong; the caller names the node.
    pub fn validate(&self) -> Result<(), String> {
        let g = &self.geometry;
        if g.groups == 0 || [g.in_channels, g.out_channels].iter().any(|c| !c.is_multiple_of(g.groups)) {
            return Err(format!(
                "{} → {} channels cannot form {} groups",
                g.in_channels, g.out_channels, g.groups
            ));
        }
        if [g.out_channels, g.in_channels].contains(&0)
            || [g.kernel, g.strides, g.dilations].iter().any(|pair| pair.contains(&0))
        {
            return Err("kernel, strides, dilations and channels must be above 0".into());
        }
        let weights = self.weights.as_i8();
        if g.depth() > 1 << 22 {
            return Err(format!("{} products per output value are more than 32 bits can sum", g.depth()));
        }
        if weights.len() != g.out_channels * g.depth() {
            return Err(format!("expected {} weights, found {}", g.out_channels * g.depth(), weights.len()));
        }
        for (what, found) in [("biases", self.bias.len()), ("multipliers", self.multipliers.len())] {
            if found != g.out_channels {
                return Err(format!(
                    "expected {} {what}, one per output channel, found {found}",
                    g.out_channels
                ));
            }
        }
        if let Some(c) = self.multipliers.iter().position(|m| !(m.is_finite() && *m > 0.0)) {
            return Err(format!(
                "output channel {c}: x_scale·w_scale/y_scale must be a finite number above 0, found {}",
                self.multipliers[c]
            ));
        }
        for (c, (row, &bias)) in weights.chunks_exact(g.depth()).zip(&self.bias).enumerate() {
            let sum: u32 = row.iter().map(|&w| u32::from(w.unsigned_abs())).sum();
            // Kernels work on raw u8 values and correct the zero point in the bias: both must fit.
            if i64::from(sum) * 255 * 2 + i64::from(bias).abs() > i64::from(i32::MAX) {
                return Err(format!("output channel {c}: the sum with bias {bias} can overflow 32 bits"));
            }
        }
        self.weights.release(); // all layers are checked before the first is packed
        Ok(())
    }

    /// Bias for sums over `x − offset` instead of `x − x_zp`, where padding is filled with `x_zp`.
    pub fn bias_at(&self, offset: i32) -> Vec<i32> {
        let zero_point = offset - i32::from(self.x_zp);
        if zero_point == 0 {
            return self.bias.clone(); // after a ReLU: nobody needs to read the weights for it
        }
        let rows = self.weights.as_i8().chunks_exact(self.geometry.depth());
        rows.zip(&self.bias)
            .map(|(row, &b)| b + zero_point * row.iter().map(|&w| i32::from(w)).sum::<i32>())
            .collect()
    }

    /// The same for sums over some of the taps, where the others are left out because padding lies there: a bias for each of
    /// `parts`, with the weights read once.
    pub fn biases_at(&self, offset: i32, parts: &[Range<usize>]) -> Vec<Vec<i32>> {
        let zero_point = offset - i32::from(self.x_zp);
        let mut biases = vec![self.bias.clone(); parts.len()];
        let mut sums = vec![0i32; self.geometry.taps()];
        for (o, row) in self.weights.as_i8().chunks_exact(self.geometry.depth()).enumerate() {
            sums.fill(0);
            for kernel in row.chunks_exact(sums.len()) {
                for (sum, &w) in sums.iter_mut().zip(kernel) {
                    *sum += i32::from(w);
                }
            }
            for (bias, part) in biases.iter_mut().zip(parts) {
                bias[o] += zero_point * sums[part.clone()].iter().sum::<i32>();
            }
        }
        biases
    }

    /// Multiply-accumulates for one picture of `[height, width]`.
    pub fn macs(&self, input: [usize; 2]) -> u64 {
        let [h, w] = self.geometry.output(input).unwrap_or([0, 0]);
        [h, w, self.geometry.out_channels, self.geometry.depth()].map(|n| n as u64).iter().product()
    }
}

/// Accumulator → u8; see the head of this file.
#[inline(always)]
pub fn requantise(acc: i32, multiplier: f32, y_zp: u8) -> u8 {
    rounded(acc as f32 * multiplier, y_zp)
}

/// Real number → u8, dividing as onnxruntime does (multiplying by the reciprocal differs at ties). NaN becomes 0.
#[inline(always)]
pub fn quantise(x: f32, scale: f32, zp: u8) -> u8 {
    rounded(x / scale, zp)
}

/// A real number in steps → u8: held to what u8 can say, rounded half to even, plus the zero point.
#[inline(always)]
fn rounded(steps: f32, zp: u8) -> u8 {
    let (low, high) = (-f32::from(zp), 255.0 - f32::from(zp));
    // Comparisons, not min and max: those care for NaN, which no product here is, and cost two more instructions.
    let held = if steps > low { steps } else { low };
    let held = if held < high { held } else { high };
    // Adding 1.5·2²³ rounds half to even in the f32 adder and leaves the integer in the low bits.
    let rounded = (held + 12_582_912.0).to_bits() as i32 - 0x4B40_0000;
    (rounded + i32::from(zp)) as u8
}

/// The specification that every kernel equals bit for bit: one picture, planar `[channel][y][x]` on both sides.
/// `acc` is scratch of one output row.
pub fn reference(spec: &ConvSpec, x: &[u8], input: [usize; 2], y: &mut [u8], acc: &mut Vec<i32>) {
    let g = &spec.geometry;
    let [out_h, out_w] = g.output(input).expect("geometry was checked at load");
    let (group_in, group_out) = (g.in_channels / g.groups, g.out_channels / g.groups);
    acc.resize(out_w, 0);
    let weights = spec.weights.as_i8();
    for (o, plane) in y.chunks_exact_mut(out_h * out_w).enumerate().take(g.out_channels) {
        let kernels = &weights[o * g.depth()..][..g.depth()];
        let first = o / group_out * group_in;
        for (oy, row) in plane.chunks_exact_mut(out_w).enumerate() {
            acc.fill(spec.bias[o]);
            for (tap, &w) in kernels.iter().enumerate() {
                let (c, ky, kx) = (
                    first + tap / (g.kernel[0] * g.kernel[1]),
                    tap / g.kernel[1] % g.kernel[0],
                    tap % g.kernel[1],
                );
                let Some(iy) = (oy * g.strides[0] + ky * g.dilations[0]).checked_sub(g.pads[0]) else {
                    continue;
                };
                if iy < input[0] {
                    let line = &x[(c * input[0] + iy) * input[1]..][..input[1]];
                    add_row(acc, line, i32::from(w), spec.x_zp, g, kx * g.dilations[1]);
                }
            }
            for (out, &sum) in row.iter_mut().zip(acc.iter()) {
                *out = requantise(sum, spec.multipliers[o], spec.y_zp);
            }
        }
    }
}

/// `acc[ox] += w·(line[ox·stride + shift − pad] − x_zp)` wherever the index lies inside the line.
fn add_row(acc: &mut [i32], line: &[u8], w: i32, x_zp: u8, g: &Geometry, shift: usize) {
    let (stride, pad) = (g.strides[1], g.pads[1]);
    let first = pad.saturating_sub(shift).div_ceil(stride);
    let end = (line.len() + pad).saturating_sub(shift).div_ceil(stride).min(acc.len());
    if first >= end {
        return;
    }
    let zp = i32::from(x_zp);
    let line = &line[first * stride + shift - pad..];
    if stride == 1 {
        for (a, &v) in acc[first..end].iter_mut().zip(line) {
            *a += w * (i32::from(v) - zp);
        }
    } else {
        for (a, &v) in acc[first..end].iter_mut().zip(line.iter().step_by(stride)) {
            *a += w * (i32::from(v) - zp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::half_to_even_down(1, 0.5, 0, 0)]
    #[case::half_to_even_up(3, 0.5, 0, 2)]
    #[case::two_and_a_half(5, 0.5, 0, 2)]
    #[case::three_and_a_half(7, 0.5, 0, 4)]
    #[case::ties_before_the_zero_point(1, 0.5, 3, 3)]
    #[case::negative_tie(-1, 0.5, 3, 3)]
    #[case::negative_tie_to_even(-3, 0.5, 3, 1)]
    #[case::saturates_high(1_000_000, 1.0, 7, 255)]
    #[case::saturates_low(-1_000_000, 1.0, 7, 0)]
    #[case::largest(i32::MAX, 1.0, 0, 255)]
    #[case::smallest(i32::MIN, 1.0, 128, 0)]
    #[case::clamp_comes_before_rounding(511, 0.5, 0, 255)]
    fn requantise_rounds_as_onnxruntime(
        #[case] acc: i32,
        #[case] m: f32,
        #[case] zp: u8,
        #[case] expect: u8,
    ) {
        assert_eq!(requantise(acc, m, zp), expect);
    }

    #[rstest]
    #[case::tie_down(0.5, 1.0, 0, 0)]
    #[case::tie_up(1.5, 1.0, 0, 2)]
    #[case::zero_point_after_rounding(0.5, 1.0, 1, 1)]
    #[case::negative(-0.25, 0.1, 10, 8)]
    #[case::not_a_number(f32::NAN, 0.1, 10, 0)]
    #[case::infinite(f32::INFINITY, 0.1, 10, 255)]
    fn quantise_divides(#[case] x: f32, #[case] scale: f32, #[case] zp: u8, #[case] expect: u8) {
        assert_eq!(quantise(x, scale, zp), expect);
    }

    /// By hand: 1 channel 3×3 of 1..=9, kernel 2×2 of ones, pad left 1, stride 2 horizontally, zero point 1.
    #[test]
    fn reference_follows_the_definition() {
        let spec = ConvSpec {
            name: "c".into(),
            geometry: Geometry {
                out_channels: 1,
                in_channels: 1,
                kernel: [2, 2],
                pads: [0, 1, 0, 0],
                strides: [1, 2],
                dilations: [1, 1],
                groups: 1,
            },
            weights: Weights::Owned(vec![1i8; 4].into()),
            bias: vec![2],
            multipliers: vec![1.0],
            x_zp: 1,
            y_zp: 0,
        };
        spec.validate().unwrap();
        let (mut y, mut acc) = (vec![0; 4], Vec::new());
        reference(&spec, &[1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3], &mut y, &mut acc);
        // row 0: columns (pad, 0) and (1, 2); values less the zero point: 0..=8
        assert_eq!(y, [3 + 2, 1 + 2 + 4 + 5 + 2, 3 + 6 + 2, 4 + 5 + 7 + 8 + 2]);
    }
}
