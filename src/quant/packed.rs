//! A convolution ready to run: its method, and its weights in the order in which a kernel reads them.
//!
//! Terms. *Method*: Winograd, product over gathered pixels (im2col), direct sums over bytes, or dense (the kernel covers the
//! whole picture, one output pixel). *Block*: 16 output channels. *Layout*: how a picture lies in memory: channels innermost, with a border
//! that holds the consumer's padding.

use std::ops::Range;

use super::conv::ConvSpec;
use super::kernels::{BLOCK, Bytes, Columns, DENSE_ROWS, Kernel, Point};
use super::layout::{Layout, layout, taps};
use super::packing::{Order, Weights, pack};
use super::pages::Pages;
use super::pool::Pool;
use super::winograd::{Form, LANES};

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Winograd(Form),
    /// Every output pixel's inputs gathered into a row, then a matrix product.
    Gather,
    /// The same on bytes less 128, for CPUs with signed 8-bit dot products.
    Gather8,
    /// Sums over bytes where they lie, for CPUs with unsigned by signed 8-bit dot products.
    Direct,
    /// The same where pixels have too few channels: a row of taps is one run of bytes.
    DirectRows,
    /// One output pixel: a stream over the weights that meet an input other than 0.
    Dense,
}

impl Method {
    pub const fn name(self) -> &'static str {
        match self {
            Method::Winograd(Form::F4) => "winograd 4×4",
            Method::Winograd(Form::F2) => "winograd 2×2",
            Method::Gather => "gather",
            Method::Gather8 => "gather 8-bit",
            Method::Direct => "direct 8-bit",
            Method::DirectRows => "direct rows",
            Method::Dense => "dense",
        }
    }

    /// The cheapest method for a picture of `[height, width]`; `None` for what only the reference computes (groups).
    pub fn choose(spec: &ConvSpec, input: [usize; 2], kernel: &dyn Kernel) -> Option<Method> {
        let g = &spec.geometry;
        let [h, w] = g.output(input)?;
        if g.groups != 1 {
            return None;
        }
        if [h, w] == [1, 1] && g.kernel == input && g.pads == [0; 4] && g.dilations == [1, 1] {
            return Some(Method::Dense);
        }
        match kernel.bytes() {
            Bytes::Signed => return Some(Method::Gather8),
            Bytes::Unsigned if g.in_channels >= LANES => return Some(Method::Direct),
            Bytes::Unsigned if g.dilations[1] == 1 => return Some(Method::DirectRows),
            Bytes::Unsigned | Bytes::None => {}
        }
        if !g.is_plain_3x3() || g.in_channels < LANES {
            return Some(Method::Gather);
        }
        let covers = |form: Form| spec.weights.as_i8().chunks_exact(g.depth()).all(|row| form.covers(row));
        let products = |form: Form| h.div_ceil(form.tile()) * w.div_ceil(form.tile()) * form.points();
        // At equal products (6×6 pictures) the smaller form reads 2.25 times fewer weight bytes.
        if products(Form::F4) < products(Form::F2) && covers(Form::F4) {
            Some(Method::Winograd(Form::F4))
        } else {
            Some(if covers(Form::F2) { Method::Winograd(Form::F2) } else { Method::Gather })
        }
    }
}

/// Output rows whose taps lie in the same rows of the picture, where gathering leaves out those that lie in the border.
#[derive(Debug)]
pub struct Band {
    pub rows: Range<usize>,
    /// Which of [`Packed::taps`] are gathered.
    pub taps: Range<usize>,
    /// Where they lie in the depth of a row of all taps.
    pub depth: Range<usize>,
    /// For sums over these taps, per block.
    pub bias: Vec<[i32; BLOCK]>,
}

/// Weights and constants of one convolution for one kernel.
#[derive(Debug)]
pub struct Packed {
    pub name: String,
    pub method: Method,
    pub layout: Layout,
    /// Output extent before pooling.
    pub output: [usize; 2],
    pub out_channels: usize,
    pub strides: [usize; 2],
    pub dilations: [usize; 2],
    /// Rows and columns of taps.
    pub kernel_size: [usize; 2],
    /// Where each tap's pixel lies in the layout, from the first tap's on; for [`Method::DirectRows`] each row of taps.
    pub taps: Vec<usize>,
    /// Bytes that are read at each of them ([`Method::Direct`], [`Method::DirectRows`]).
    pub tap_bytes: usize,
    /// Values summed per point, padded as the kernel needs.
    pub depth: usize,
    pub x_zp: u8,
    pub y_zp: u8,
    pub macs: u64,
    /// Blocks that the kernel computes together ([`Method::Direct`], [`Method::DirectRows`]).
    pub group: usize,
    /// The most lines of [`DENSE_ROWS`] rows in a block ([`Method::Dense`]).
    lines: usize,
    /// Per block; gather's are in its [`Band`]s.
    pub bias: Vec<[i32; BLOCK]>,
    /// Per block.
    pub multipliers: Vec<[f32; BLOCK]>,
    /// All output rows ([`Method::Gather`], [`Method::Gather8`]).
    bands: Vec<Band>,
    weights: Pages,
    /// [`Form::corner`]'s ([`Method::Winograd`]).
    corners: Option<Pages>,
}

impl Packed {
    /// Packs `spec` for pictures of `[height, width]` whose pixels are `whole_blocks` long or just their channels.
    pub fn new(
        spec: &ConvSpec,
        method: Method,
        input: [usize; 2],
        whole_blocks: bool,
        kernel: &dyn Kernel,
        pool: &Pool,
    ) -> std::io::Result<Self> {
        let g = &spec.geometry;
        let output = g.output(input).unwrap_or([0, 0]);
        let layout = layout(spec, method, input, output, whole_blocks);
        let (taps, tap_bytes) = taps(spec, method, &layout);
        let depth = match method {
            Method::Winograd(_) => layout.pixel,
            Method::Gather => g.depth().next_multiple_of(8),
            Method::Gather8 => g.depth().next_multiple_of(16),
            Method::Direct | Method::DirectRows => taps.len() * tap_bytes,
            Method::Dense => layout.size(),
        };
        let blocks = g.out_channels.div_ceil(BLOCK);
        // Reads all weights: their pages go before the packing makes the same number of others.
        let bands = match method {
            Method::Gather8 if layout.channels.is_multiple_of(16) => bands(spec, &layout, output[0]),
            Method::Gather8 => vec![one_band(spec, &spec.bias_at(SIGNED), output[0], depth)],
            Method::Gather => vec![one_band(spec, &spec.bias_at(0), output[0], depth)],
            _ => Vec::new(),
        };
        let bias = if bands.is_empty() { blocked(&spec.bias_at(0), blocks) } else { Vec::new() };
        spec.weights.release();
        let order = Order { method, layout: &layout, tap_bytes, depth, blocks };
        let Weights { weights, corners } = pack(spec, order, kernel, pool)?;
        spec.weights.release(); // nothing reads the file's pages any more
        Ok(Self {
            name: spec.name.clone(),
            method,
            layout,
            output,
            out_channels: g.out_channels,
            strides: g.strides,
            dilations: g.dilations,
            kernel_size: g.kernel,
            taps,
            tap_bytes,
            depth,
            x_zp: spec.x_zp,
            y_zp: spec.y_zp,
            macs: spec.macs(input),
            group: kernel.group(),
            lines: kernel.dense_lines(),
            bias,
            multipliers: blocked(&spec.multipliers, blocks),
            bands,
            weights,
            corners,
        })
    }

    /// Winograd and gather: one point's weights of one block.
    pub fn point(&self, block: usize, point: usize) -> Point<'_> {
        let (size, words) = (self.depth * BLOCK, self.weights.as_i16());
        let (Method::Winograd(form), Some(corners)) = (self.method, &self.corners) else {
            return Point::Words(&words[block * size..][..size]);
        };
        match form.corner(point) {
            Ok(corner) => Point::Bytes(&corners.as_i8()[(block * 4 + corner) * size..][..size]),
            Err(other) => Point::Words(&words[(block * (form.points() - 4) + other) * size..][..size]),
        }
    }

    /// Gather on bytes less 128: one block's weights.
    pub fn point8(&self, block: usize) -> &[i8] {
        let size = self.depth * BLOCK;
        &self.weights.as_i8()[block * size..][..size]
    }

    /// Direct: the weights of a group of blocks.
    pub fn group_weights(&self, blocks: Range<usize>) -> &[i8] {
        let size = self.depth * BLOCK;
        &self.weights.as_i8()[blocks.start * size..blocks.end * size]
    }

    /// The weights that are read first.
    pub fn first_weights(&self) -> &[i8] {
        match self.method {
            Method::Direct | Method::DirectRows => {
                self.group_weights(0..self.group.min(self.multipliers.len()))
            }
            _ => self.weights.as_i8(),
        }
    }

    /// Dense: blocks of up to `lines` times [`DENSE_ROWS`] rows.
    pub fn dense_blocks(&self) -> usize {
        self.out_channels.div_ceil(self.lines * DENSE_ROWS)
    }

    /// Dense: the rows of a block, and their weights column by column.
    pub fn columns(&self, block: usize) -> (Range<usize>, Columns<'_>) {
        let most = self.lines * DENSE_ROWS;
        let rows = block * most..((block + 1) * most).min(self.out_channels);
        let lines = rows.len().div_ceil(DENSE_ROWS);
        let weights = &self.weights.as_i8()[rows.start * self.depth..][..lines * DENSE_ROWS * self.depth];
        (rows, Columns { weights, lines })
    }

    /// Those of [`Self::taps`] whose rows don't lie in the border under output row `y`, where that holds raw zeros; else
    /// all.
    pub fn inner_taps(&self, y: usize) -> Range<usize> {
        let (rows, across) = (self.tap_rows(y), self.taps.len() / self.kernel_size[0]);
        rows.start * across..rows.end * across
    }

    fn tap_rows(&self, y: usize) -> Range<usize> {
        match self.x_zp {
            0 => rows_inside(&self.layout, self.kernel_size[0], y * self.strides[0], self.dilations[0]),
            _ => 0..self.kernel_size[0],
        }
    }

    /// Gather: the bands that `pixels` lie in, and which of them in each.
    pub fn bands(&self, pixels: Range<usize>) -> impl Iterator<Item = (&Band, Range<usize>)> {
        let wide = self.output[1];
        self.bands.iter().filter_map(move |band| {
            let first = (band.rows.start * wide).max(pixels.start);
            let here = first..(band.rows.end * wide).min(pixels.end);
            (!here.is_empty()).then_some((band, here))
        })
    }

    /// Whether a row's first pixel has raw zeros under the first of each three taps, and its last pixel under the third.
    pub fn has_zero_edges(&self) -> bool {
        let l = &self.layout;
        let plain = self.method == Method::Direct
            && self.kernel_size[1] == 3
            && self.strides[1] == 1
            && self.dilations[1] == 1;
        self.x_zp == 0 && plain && l.left == 1 && self.output[1] == l.width
    }

    /// Whether inputs are gathered as bytes, not i16.
    pub fn bytes(&self) -> bool {
        self.method == Method::Gather8
    }

    /// The output before pooling, without borders.
    pub fn plain_output(&self) -> Layout {
        Layout::plain(self.out_channels, self.output[0], self.output[1])
    }

    pub fn weight_bytes(&self) -> usize {
        self.weights.len() + self.corners.as_ref().map_or(0, Pages::len)
    }
}

/// Which of `all` rows of taps, `dilation` apart, the first in row `start` of the layout, lie in its picture.
fn rows_inside(l: &Layout, all: usize, start: usize, dilation: usize) -> Range<usize> {
    let inside = |k: &usize| (l.top..l.top + l.height).contains(&(start + k * dilation));
    let first = (0..all).find(inside).unwrap_or(all);
    first..(first..all).take_while(inside).last().map_or(first, |last| last + 1)
}

/// What [`Method::Gather8`] takes off each input, so that it is signed.
const SIGNED: i32 = 128;

/// All of `high` output rows, with all taps, padded to `depth`.
fn one_band(spec: &ConvSpec, bias: &[i32], high: usize, depth: usize) -> Band {
    let g = &spec.geometry;
    Band {
        rows: 0..high,
        taps: 0..g.taps(),
        depth: 0..depth,
        bias: blocked(bias, g.out_channels.div_ceil(BLOCK)),
    }
}

/// The bands of `high` output rows, for pixels of whole sixteens: so many bytes are summed at a time.
fn bands(spec: &ConvSpec, l: &Layout, high: usize) -> Vec<Band> {
    let g = &spec.geometry;
    let tap_rows = |y: usize| match rows_inside(l, g.kernel[0], y * g.strides[0], g.dilations[0]) {
        none if none.is_empty() => 0..g.kernel[0],
        inside => inside,
    };
    let rows: Vec<usize> = (0..high).collect();
    let runs: Vec<&[usize]> = rows.chunk_by(|&a, &b| tap_rows(a) == tap_rows(b)).collect();
    let taps = |run: &&[usize]| tap_rows(run[0]).start * g.kernel[1]..tap_rows(run[0]).end * g.kernel[1];
    let taps: Vec<Range<usize>> = runs.iter().map(taps).collect();
    let biases = spec.biases_at(SIGNED, &taps);
    let band = |((run, taps), bias): ((&[usize], Range<usize>), Vec<i32>)| Band {
        rows: run[0]..run[0] + run.len(),
        depth: taps.start * l.channels..taps.end * l.channels,
        taps,
        bias: blocked(&bias, g.out_channels.div_ceil(BLOCK)),
    };
    runs.into_iter().zip(taps).zip(biases).map(band).collect()
}

fn blocked<T: Copy + Default>(values: &[T], blocks: usize) -> Vec<[T; BLOCK]> {
    let mut out = vec![[T::default(); BLOCK]; blocks];
    for (i, &v) in values.iter().enumerate() {
        out[i / BLOCK][i % BLOCK] = v;
    }
    out
}
