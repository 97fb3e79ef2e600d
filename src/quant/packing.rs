//! The weights of a convolution in the order in which a kernel reads them, once at load.
#![allow(clippy::needless_range_loop)] // lanes of several arrays side by side: what the compiler vectorises

use super::conv::ConvSpec;
use super::kernels::{BLOCK, DENSE_ROWS, Kernel};
use super::layout::Layout;
use super::packed::Method;
use super::pages::{Pages, Parts};
use super::pool::Pool;
use super::winograd::Form;

/// What decides in which order weights lie.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub method: Method,
    /// Of the pictures that are read.
    pub layout: &'a Layout,
    pub tap_bytes: usize,
    pub depth: usize,
    pub blocks: usize,
}

/// The weights in their order.
pub(super) struct Weights {
    pub weights: Pages,
    /// [`Form::corner`] points of a Winograd layer: bytes, where the others are i16.
    pub corners: Option<Pages>,
}

/// Packs the weights of `spec`.
pub(super) fn pack(
    spec: &ConvSpec,
    order: Order<'_>,
    kernel: &dyn Kernel,
    pool: &Pool,
) -> std::io::Result<Weights> {
    let Order { method, layout, tap_bytes, depth, blocks } = order;
    let (g, group) = (&spec.geometry, kernel.group());
    let weights = match method {
        Method::Winograd(form) => return pack_winograd(spec, form, order, kernel, pool),
        Method::Gather => pack_gather(spec, depth, blocks, kernel),
        Method::Gather8 => pack_bytes(spec, |tap| tap * g.in_channels, order, 1, pool),
        Method::Direct => pack_bytes(spec, |tap| tap * tap_bytes, order, group, pool),
        Method::DirectRows => {
            let across = g.kernel[1];
            let at = |tap| tap / across * tap_bytes + tap % across * layout.pixel;
            pack_bytes(spec, at, order, group, pool)
        }
        Method::Dense => pack_dense(spec, layout, kernel.dense_lines()),
    };
    Ok(Weights { weights: weights?, corners: None })
}

/// `[block][point][depth, channel]`, the last two in the kernel's order; [`Form::corner`] points apart from the others.
fn pack_winograd(
    spec: &ConvSpec,
    form: Form,
    order: Order<'_>,
    kernel: &dyn Kernel,
    pool: &Pool,
) -> std::io::Result<Weights> {
    let (points, channels, w) = (form.points(), spec.geometry.in_channels, spec.weights.as_i8());
    let (blocks, size, pairs) = (order.blocks, order.depth * BLOCK, kernel.wide().pairs());
    let mut weights = Pages::new(blocks * (points - 4) * size * 2)?;
    let mut bytes = Pages::new(blocks * 4 * size)?;
    let others = Parts::new(weights.as_i16_mut(), (points - 4) * size);
    let corners = Parts::new(bytes.as_i8_mut(), 4 * size);
    pool.run(blocks, &|_, block| {
        // SAFETY: every block is one item, and items are handed out once.
        let (others, corners) = unsafe { (others.get(block), corners.get(block)) };
        let here = BLOCK.min(spec.geometry.out_channels - block * BLOCK);
        for c in 0..channels {
            let mut taps = [[0i16; BLOCK]; 9];
            for l in 0..here {
                let from = &w[((block * BLOCK + l) * channels + c) * 9..][..9];
                for t in 0..9 {
                    taps[t][l] = i16::from(from[t]);
                }
            }
            let mut out = [[0i16; BLOCK]; 36];
            form.weight_lanes(&taps, &mut out);
            for (p, lanes) in out[..points].iter().enumerate() {
                match form.corner(p) {
                    Ok(p) => put(&mut corners[p * size..][..size], c, &lanes.map(|w| w as i8), pairs),
                    Err(p) => put(&mut others[p * size..][..size], c, lanes, pairs),
                }
            }
        }
    });
    Ok(Weights { weights, corners: Some(bytes) })
}

/// `[block][depth, channel]`; depth is `[ky][kx][channel]`, as pixels are gathered.
fn pack_gather(spec: &ConvSpec, depth: usize, blocks: usize, kernel: &dyn Kernel) -> std::io::Result<Pages> {
    let g = &spec.geometry;
    let (taps, channels, w) = (g.taps(), g.in_channels, spec.weights.as_i8());
    let mut pages = Pages::new(blocks * depth * BLOCK * 2)?;
    for (block, u) in pages.as_i16_mut().chunks_exact_mut(depth * BLOCK).enumerate() {
        let here = BLOCK.min(g.out_channels - block * BLOCK);
        for (tap, c) in (0..taps).flat_map(|t| (0..channels).map(move |c| (t, c))) {
            let mut lanes = [0i16; BLOCK];
            for l in 0..here {
                lanes[l] = i16::from(w[((block * BLOCK + l) * channels + c) * taps + tap]);
            }
            put(u, tap * channels + c, &lanes, kernel.wide().pairs());
        }
    }
    Ok(pages)
}

/// `[group][depth/4][block of the group][channel][4]`; `at` says at which depth a tap's input channels begin.
fn pack_bytes(
    spec: &ConvSpec,
    at: impl Fn(usize) -> usize,
    order: Order<'_>,
    group: usize,
    pool: &Pool,
) -> std::io::Result<Pages> {
    let (g, w, Order { depth, blocks, .. }) = (&spec.geometry, spec.weights.as_i8(), order);
    let taps: Vec<usize> = (0..g.taps()).map(at).collect();
    let mut pages = Pages::new(blocks * depth * BLOCK)?;
    let groups = Parts::new(pages.as_i8_mut(), group * depth * BLOCK);
    pool.run(blocks.div_ceil(group), &|_, part| {
        // SAFETY: every group is one item, and items are handed out once.
        let u = unsafe { groups.get(part) };
        let first = part * group * BLOCK;
        let rows = group.min(blocks - part * group) * BLOCK;
        for (r, row) in w.chunks_exact(g.depth()).skip(first).take(rows).enumerate() {
            pack_row(row, &taps, &mut u[r * 4..], rows * 4);
        }
    });
    Ok(pages)
}

/// The weights of one output channel, `[channel][tap]`, to the depths from `taps` on: four of them side by side in `to`, the next
/// four `step` bytes further.
fn pack_row(row: &[i8], taps: &[usize], to: &mut [i8], step: usize) {
    let aligned = taps.iter().all(|at| at % 4 == 0);
    let fours = if aligned { row.len() / (4 * taps.len()) } else { 0 };
    let (whole, rest) = row.split_at(fours * 4 * taps.len());
    for (f, four) in whole.chunks_exact(4 * taps.len()).enumerate() {
        let channels: [&[i8]; 4] = std::array::from_fn(|c| &four[c * taps.len()..][..taps.len()]);
        for (tap, at) in taps.iter().enumerate() {
            to[(at / 4 + f) * step..][..4].copy_from_slice(&channels.map(|channel| channel[tap]));
        }
    }
    for (c, channel) in rest.chunks_exact(taps.len()).enumerate() {
        for (at, &value) in taps.iter().zip(channel) {
            let d = at + fours * 4 + c;
            to[d / 4 * step + d % 4] = value;
        }
    }
}

#[inline(always)]
fn put<T: Copy>(u: &mut [T], depth: usize, lanes: &[T; BLOCK], pairs: bool) {
    if pairs {
        let to = &mut u[depth / 2 * 2 * BLOCK..][..2 * BLOCK];
        for l in 0..BLOCK {
            to[2 * l + depth % 2] = lanes[l];
        }
    } else {
        u[depth * BLOCK..][..BLOCK].copy_from_slice(lanes);
    }
}

/// `[block][column][row of the block]`; a block has up to `lines` times [`DENSE_ROWS`] rows. Columns follow the inputs as they lie in
/// `layout`, channels innermost, so that those read one after the other are near each other; padding channels are zeros. File
/// pages are given back while it goes.
fn pack_dense(spec: &ConvSpec, layout: &Layout, lines: usize) -> std::io::Result<Pages> {
    let (rows, depth, w) = (spec.geometry.out_channels, spec.geometry.depth(), spec.weights.as_u8());
    let mut pages = Pages::new(rows.next_multiple_of(DENSE_ROWS) * layout.size())?;
    let blocks = pages.as_u8_mut().chunks_mut(lines * DENSE_ROWS * layout.size());
    let mut behind = spec.weights.behind();
    for (rows, block) in w.chunks(lines * DENSE_ROWS * depth).zip(blocks) {
        let width = block.len() / layout.size();
        for (line, rows) in rows.chunks(DENSE_ROWS * depth).enumerate() {
            transpose(rows, layout, width, &mut block[line * DENSE_ROWS..]);
            if let Some(behind) = &mut behind {
                behind.read(rows.len());
            }
        }
    }
    Ok(pages)
}

/// Up to [`DENSE_ROWS`] planar rows → columns of `width` bytes, in squares of eight by eight; a few columns at a time, so that
/// reads and writes both stay in the first-level cache.
fn transpose(rows: &[u8], layout: &Layout, width: usize, columns: &mut [u8]) {
    const AT_ONCE: usize = 64;
    let pixels = layout.height * layout.width;
    let depth = layout.channels * pixels;
    for first in (0..depth).step_by(AT_ONCE) {
        let here = AT_ONCE.min(depth - first);
        // Where the column of each input begins.
        let at: [usize; AT_ONCE] = std::array::from_fn(|i| {
            let d = (first + i).min(depth - 1);
            (d % pixels * layout.pixel + d / pixels) * width
        });
        for (group, rows) in rows.chunks(SQUARE * depth).enumerate() {
            let (whole, r) = (rows.len() == SQUARE * depth, group * SQUARE);
            let squares = if whole { here / SQUARE * SQUARE } else { 0 };
            for i in (0..squares).step_by(SQUARE) {
                let square = std::array::from_fn(|row| eight(&rows[row * depth + first + i..]));
                for (column, &start) in turned(square).iter().zip(&at[i..]) {
                    columns[start + r..][..SQUARE].copy_from_slice(&column.to_le_bytes());
                }
            }
            for (row, values) in rows.chunks_exact(depth).enumerate() {
                for i in squares..here {
                    columns[at[i] + r + row] = values[first + i];
                }
            }
        }
    }
}

/// Side of the squares that [`transpose`] turns: the bytes of a word.
const SQUARE: usize = 8;

/// The first eight values, the first one lowest.
#[inline(always)]
fn eight(values: &[u8]) -> u64 {
    let mut word = [0; SQUARE];
    word.copy_from_slice(&values[..SQUARE]);
    u64::from_le_bytes(word)
}

/// Rows of bytes → columns: halves, quarters and bytes change places across the diagonal.
#[inline(always)]
fn turned(mut rows: [u64; SQUARE]) -> [u64; SQUARE] {
    for (apart, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)]
    {
        for upper in (0..SQUARE).filter(|row| row & apart == 0) {
            let lower = upper + apart;
            let crossing = (rows[upper] >> (apart * 8) ^ rows[lower]) & mask;
            rows[lower] ^= crossing;
            rows[upper] ^= crossing << (apart * 8);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Rows of `channels`×`taps` weights at depths that are whole fours and at others: the same places, one by one.
    #[rstest]
    #[case::fours(8, &[0, 8, 16])]
    #[case::fours_and_some(6, &[0, 8])]
    #[case::odd(3, &[0, 3, 7])]
    #[case::one_channel(1, &[0, 1, 2, 4])]
    fn a_packed_row_lies_at_its_depths(#[case] channels: usize, #[case] taps: &[usize]) {
        let row: Vec<i8> = (1..=(channels * taps.len()) as i8).collect();
        let (step, depth) = (12, taps[taps.len() - 1] + channels);
        let mut to = vec![0; depth.div_ceil(4) * step];
        let mut expect = to.clone();
        for (i, &value) in row.iter().enumerate() {
            let d = taps[i % taps.len()] + i / taps.len();
            expect[d / 4 * step + d % 4] = value;
        }
        pack_row(&row, taps, &mut to, step);
        assert_eq!(to, expect);
    }

    /// Every value has to lie where the column of its input is, in the byte of its row; nothing else is touched.
    #[rstest]
    #[case::whole([64, 1, 1], 64)]
    #[case::pictures([10, 3, 3], 16)]
    #[case::few_rows([70, 1, 1], 7)]
    #[case::odd([5, 1, 3], 11)]
    fn transposing_moves_every_value(#[case] shape: [usize; 3], #[case] rows: usize) {
        let [channels, height, width] = shape;
        let layout = Layout { pixel: channels + 3, ..Layout::plain(channels, height, width) };
        let (depth, pixels) = (channels * height * width, height * width);
        let from: Vec<u8> = (0..rows * depth).map(|i| (i * 7 % 251) as u8).collect();
        let mut to = vec![99; layout.size() * DENSE_ROWS];
        let mut expect = to.clone();
        for (i, &value) in from.iter().enumerate() {
            let (row, channel, pixel) = (i / depth, i % depth / pixels, i % pixels);
            expect[(pixel * layout.pixel + channel) * DENSE_ROWS + row] = value;
        }
        transpose(&from, &layout, DENSE_ROWS, &mut to);
        assert_eq!(to, expect);
    }
}
