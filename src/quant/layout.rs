//! How pictures lie in memory, and where a convolution's taps find their pixels in one.

use super::conv::ConvSpec;
use super::kernels::BLOCK;
use super::packed::Method;

/// How a picture lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Bytes from pixel to pixel: the channels, rounded up where blocks are written.
    pub pixel: usize,
    /// Border before the first row and column.
    pub top: usize,
    pub left: usize,
    /// With borders.
    pub rows: usize,
    pub columns: usize,
}

impl Layout {
    /// Bytes of one picture.
    pub fn size(&self) -> usize {
        self.rows * self.columns * self.pixel
    }

    /// Bytes from row to row.
    pub fn row(&self) -> usize {
        self.columns * self.pixel
    }

    /// Where pixel (0, 0) begins.
    pub fn origin(&self) -> usize {
        (self.top * self.columns + self.left) * self.pixel
    }

    /// No borders; pixels of whole blocks.
    pub fn plain(channels: usize, height: usize, width: usize) -> Self {
        let pixel = channels.next_multiple_of(BLOCK);
        Self { channels, height, width, pixel, top: 0, left: 0, rows: height, columns: width }
    }
}

/// The layout that `method` reads. `whole_blocks`: whoever writes it writes whole blocks of channels.
pub(super) fn layout(
    spec: &ConvSpec,
    method: Method,
    input: [usize; 2],
    output: [usize; 2],
    whole_blocks: bool,
) -> Layout {
    let g = &spec.geometry;
    let [top, left, bottom, right] = g.pads;
    let plain = Layout::plain(g.in_channels, input[0], input[1]);
    let narrow = matches!(method, Method::Gather | Method::Gather8 | Method::DirectRows);
    let pixel = if whole_blocks || !narrow { plain.pixel } else { g.in_channels };
    let [mut rows, columns] = match method {
        Method::Winograd(form) => output.map(|side| side.next_multiple_of(form.tile()) + 2),
        _ => [input[0] + top + bottom, input[1] + left + right],
    };
    if method == Method::DirectRows {
        // The last row of taps is read in fours and may reach three bytes beyond.
        rows += 3usize.div_ceil(columns * pixel);
    }
    Layout { pixel, top, left, rows, columns, ..plain }
}

/// Where the taps of a pixel lie, from the first on, and how many bytes are read at each.
pub(super) fn taps(spec: &ConvSpec, method: Method, layout: &Layout) -> (Vec<usize>, usize) {
    let ([high, wide], [down, across]) = (spec.geometry.kernel, spec.geometry.dilations);
    match method {
        Method::DirectRows => {
            ((0..high).map(|y| y * down * layout.row()).collect(), (wide * layout.pixel).next_multiple_of(4))
        }
        _ => {
            let pixel = |t: usize| (t / wide * down * layout.columns + t % wide * across) * layout.pixel;
            ((0..high * wide).map(pixel).collect(), layout.pixel)
        }
    }
}
