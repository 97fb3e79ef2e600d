//! What kernels read and write: where inputs and weights lie, where results go, and what makes u8 of sums.

use super::super::active::Active;
use super::super::winograd::Form;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::simd::check_product;
use super::{BLOCK, DENSE_ROWS};

/// A block's weights for [`super::Wide::multiply`].
#[derive(Debug, Clone, Copy)]
pub enum Point<'a> {
    Words(&'a [i16]),
    /// As bytes, since they are small; in the same order.
    Bytes(&'a [i8]),
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Point<'_> {
    /// Holds the slices of a product of `rows` rows by `depth` to what a kernel reads and writes.
    pub(super) fn check(self, v: &[i16], rows: usize, depth: usize, m: &[i32]) {
        match self {
            Point::Words(u) => check_product(v, u, rows, depth, m),
            Point::Bytes(u) => check_product(v, u, rows, depth, m),
        }
    }
}

/// The columns of a block of a dense layer.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Column by column, [`DENSE_ROWS`] rows a line.
    pub weights: &'a [i8],
    /// Lines of a column.
    pub lines: usize,
}

impl Columns<'_> {
    /// Holds the weights to what the inputs' columns need, and the lines to the sums that are asked for.
    pub(super) fn check(&self, x: &Active, out: &[[i32; DENSE_ROWS]]) {
        assert!(self.lines == out.len() && self.weights.len() >= x.depth() * self.lines * DENSE_ROWS);
    }
}

/// Where a run of patches lies: channels innermost, a bordered picture.
#[derive(Debug, Clone, Copy)]
pub struct Patches<'a> {
    pub data: &'a [u8],
    /// Bytes from one row of pixels to the next.
    pub row: usize,
    /// Bytes of a pixel; a multiple of 16.
    pub channels: usize,
}

/// A row of output pixels of a direct convolution, and where its inputs lie.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// From the first pixel's first tap on.
    pub data: &'a [u8],
    /// Bytes from a pixel's inputs to the next pixel's.
    pub step: usize,
    /// Where each tap begins.
    pub taps: &'a [usize],
    /// Bytes of a tap; a multiple of 4.
    pub channels: usize,
    /// Pixels, at least one.
    pub count: usize,
    /// The taps come in threes, of which the first meets zeros under the first pixel and the third under the last: a kernel
    /// may leave those products out.
    pub zero_edges: bool,
    /// Weights that are wanted after these: a kernel may fetch them while it computes.
    pub soon: &'a [i8],
}

impl Window<'_> {
    /// Holds the data to what its pixels' taps need, and the weights of `blocks` blocks to their size.
    pub(super) fn check(&self, u: &[i8], blocks: usize) {
        let last = self.taps.iter().max().map_or(0, |tap| tap + self.channels);
        assert!(self.count > 0 && self.data.len() >= (self.count - 1) * self.step + last);
        assert!(!self.zero_edges || self.taps.len().is_multiple_of(3));
        assert!(
            self.channels.is_multiple_of(4) && u.len() >= self.taps.len() * self.channels * blocks * BLOCK
        );
    }
}

/// What turns the sums of several blocks into u8.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'a> {
    pub bias: &'a [[i32; BLOCK]],
    pub multipliers: &'a [[f32; BLOCK]],
    pub zero_point: u8,
}

/// Where finished values go: channels innermost. `data` is a pointer because workers write disjoint channels of the
/// same pixels.
#[derive(Debug, Clone, Copy)]
pub struct Sink {
    /// First channel of the block at pixel (0, 0) of the picture.
    pub data: *mut u8,
    pub row: usize,
    pub pixel: usize,
    /// Pixels that exist; tiles may reach beyond.
    pub height: usize,
    pub width: usize,
}

/// A block's products at each Winograd point, to be transformed back.
#[derive(Debug, Clone, Copy)]
pub struct Products<'a> {
    pub form: Form,
    /// From the tile's sums at the first point on.
    pub m: &'a [i32],
    /// Sums from one point to the next.
    pub plane: usize,
}

/// What turns a block's sums into u8.
#[derive(Debug, Clone, Copy)]
pub struct Requantise<'a> {
    pub bias: &'a [i32; BLOCK],
    pub multipliers: &'a [f32; BLOCK],
    pub zero_point: u8,
    /// Keep only the largest of each 2×2.
    pub pool: bool,
}
