//! Bilinear resize to 48×48, bit for bit as Pillow does it.
//!
//! Pillow's "bilinear" is a triangle filter as wide as the reduction (antialiased). Each output pixel is a weighted sum
//! of its window with weights in 22-bit fixed point; rows first, rounded to u8, then columns, rounded again.
//! General-purpose resamplers round elsewhere and differ by one level in 4–8 % of the values.

use super::PATCH_SIDE;

/// Fixed-point bits of a weight: 32 − 8 for the pixel − 2 for the sign and the overshoot of sharper filters.
const BITS: u32 = 22;
const HALF: i32 = 1 << (BITS - 1);

/// What one axis of length `source` contributes to each of the 48 outputs.
#[derive(Debug, Default)]
pub struct Taps {
    source: usize,
    /// First source index and number of weights of each output.
    windows: Vec<(usize, usize)>,
    /// `per_output` weights for each output, unused ones zero.
    weights: Vec<i32>,
    per_output: usize,
}

impl Taps {
    /// Pillow's precompute_coeffs and normalize_coeffs_8bpc for a triangle of radius 1. `source` is positive.
    fn fill(&mut self, source: usize) {
        let scale = source as f64 / PATCH_SIDE as f64;
        let radius = scale.max(1.0);
        let inverse = 1.0 / radius;
        self.source = source;
        self.per_output = per_output(source);
        self.windows.clear();
        self.weights.clear();
        self.weights.resize(PATCH_SIDE * self.per_output, 0);
        for (x, weights) in self.weights.chunks_exact_mut(self.per_output).enumerate() {
            let center = (x as f64 + 0.5) * scale;
            let first = ((center - radius + 0.5) as i64).max(0) as usize;
            let end = ((center + radius + 0.5) as usize).min(source);
            let triangle = |i: usize| {
                let distance = (((i + first) as f64 - center + 0.5) * inverse).abs();
                if distance < 1.0 { 1.0 - distance } else { 0.0 }
            };
            let mut sum = 0.0;
            for i in 0..end - first {
                sum += triangle(i);
            }
            for (i, w) in weights[..end - first].iter_mut().enumerate() {
                let share = if sum != 0.0 { triangle(i) / sum } else { triangle(i) };
                *w = (0.5 + share * f64::from(1u32 << BITS)) as i32;
            }
            self.windows.push((first, end - first));
        }
    }

    fn reserve(&mut self, source: usize) {
        let needed = PATCH_SIDE * per_output(source);
        self.weights.reserve(needed.saturating_sub(self.weights.len()));
        self.windows.reserve(PATCH_SIDE.saturating_sub(self.windows.len()));
    }

    fn outputs(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.windows
            .iter()
            .zip(self.weights.chunks_exact(self.per_output))
            .map(|(&(first, n), w)| (first, &w[..n]))
    }
}

/// Most weights that an output can have.
fn per_output(source: usize) -> usize {
    source.div_ceil(PATCH_SIDE).max(1) * 2 + 1
}

/// The last few tables: faces of one scene keep their size from frame to frame.
const KEPT: usize = 8;

/// Resizes pictures of `C` interleaved channels to 48×48; allocates nothing once it has seen the largest size.
#[derive(Debug, Default)]
pub struct Resampler {
    tables: [Taps; KEPT],
    next: usize,
    /// Longest axis so far: every table has room for it.
    largest: usize,
    /// The picture after the first pass.
    half_way: Vec<u8>,
    /// One wide row in the making.
    sums: Vec<i32>,
}

impl Resampler {
    /// `row(y)` gives source row `y`, `width·C` bytes; `out` takes 48·48·C. `width` and `height` are positive.
    pub fn resize<'a, const C: usize>(
        &mut self,
        (width, height): (usize, usize),
        row: impl Fn(usize) -> &'a [u8],
        out: &mut [u8],
    ) {
        let across = self.table(width, None);
        let down = self.table(height, Some(across));
        let (across, down) = (&self.tables[across], &self.tables[down]);
        if vertical_first(width, height) {
            self.half_way.resize(PATCH_SIDE * width * C, 0);
            self.sums.resize(width * C, 0);
            for ((first, weights), low) in down.outputs().zip(self.half_way.chunks_exact_mut(width * C)) {
                blend((first..).map(&row), weights, &mut self.sums, low);
            }
            for (low, out) in self.half_way.chunks_exact(width * C).zip(out.chunks_exact_mut(PATCH_SIDE * C))
            {
                narrow::<C>(across, low, out);
            }
        } else {
            self.half_way.resize(PATCH_SIDE * height * C, 0);
            for (y, thin) in self.half_way.chunks_exact_mut(PATCH_SIDE * C).enumerate() {
                narrow::<C>(across, row(y), thin);
            }
            let mut sums = [0; PATCH_SIDE * 3];
            for ((first, weights), out) in down.outputs().zip(out.chunks_exact_mut(PATCH_SIDE * C)) {
                let rows = self.half_way.chunks_exact(PATCH_SIDE * C).skip(first);
                blend(rows, weights, &mut sums[..PATCH_SIDE * C], out);
            }
        }
    }

    /// Index of the table for an axis of `source` pixels; computed into the oldest place unless it is there. `keep` is the
    /// other axis's table, which must stay.
    fn table(&mut self, source: usize, keep: Option<usize>) -> usize {
        if let Some(at) = self.tables.iter().position(|t| t.source == source) {
            return at;
        }
        if source > self.largest {
            self.largest = source;
            self.tables.iter_mut().for_each(|t| t.reserve(source));
        }
        let at = if keep == Some(self.next) { (self.next + 1) % KEPT } else { self.next };
        self.next = (at + 1) % KEPT;
        self.tables[at].fill(source);
        at
    }
}

/// Pillow 13's choice of the first axis, found by comparing both orders with it at every size around the border.
fn vertical_first(width: usize, height: usize) -> bool {
    height > PATCH_SIDE && height + PATCH_SIDE > 2 * width
}

/// One row to 48 pixels.
fn narrow<const C: usize>(taps: &Taps, row: &[u8], out: &mut [u8]) {
    for ((first, weights), out) in taps.outputs().zip(out.chunks_exact_mut(C)) {
        let window = &row[first * C..][..weights.len() * C];
        let mut sums = [HALF; C];
        for (pixel, &w) in window.chunks_exact(C).zip(weights) {
            for (s, &p) in sums.iter_mut().zip(pixel) {
                *s += i32::from(p) * w;
            }
        }
        for (o, s) in out.iter_mut().zip(sums) {
            *o = rounded(s);
        }
    }
}

/// As many rows as there are weights to one.
fn blend<'a>(rows: impl Iterator<Item = &'a [u8]>, weights: &[i32], sums: &mut [i32], out: &mut [u8]) {
    sums.fill(HALF);
    for (&w, row) in weights.iter().zip(rows) {
        for (s, &p) in sums.iter_mut().zip(row) {
            *s += i32::from(p) * w;
        }
    }
    for (o, s) in out.iter_mut().zip(sums) {
        *o = rounded(*s);
    }
}

fn rounded(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that was found among the kept ones was overwritten by the other axis's: out of bounds, or a wrong face.
    #[test]
    fn the_tables_of_both_axes_live_side_by_side() {
        let picture: Vec<u8> = (0..200usize * 200).map(|i| (i * 31 % 251) as u8).collect();
        let resize = |resampler: &mut Resampler, (width, height): (usize, usize)| {
            let mut out = [0; PATCH_SIDE * PATCH_SIDE];
            resampler.resize::<1>((width, height), |y| &picture[y * 200..][..width], &mut out);
            out
        };
        let mut used = Resampler::default();
        // Every size is met both as a kept table and as a new one, in an order that walks over all places.
        for n in 0..400usize {
            let size = (40 + n * 7 % 23, 40 + n * 11 % 61);
            let fresh = resize(&mut Resampler::default(), size);
            assert!(resize(&mut used, size) == fresh, "{size:?} at step {n}");
        }
    }
}
