//! The weights of a convolution in the order in which a kernel reads them, once at load.
#![allow(clippy::needless_range_loop)] // lanes of several arrays side by side: what the compiler vectorises

use super::conv::ConvSpec;
use super::kernels::{BLOCK, DENSE_ROWS, Kernel};
use super::layout::Layout;
use super::pages::{Pages, Parts};
use super::pool::Pool;
use super::winograd::Form;

/// `[block][point][depth, channel]`, the last two in the kernel's order.
pub(super) fn pack_winograd(
    spec: &ConvSpec,
    form: Form,
    depth: usize,
    blocks: usize,
    kernel: &dyn Kernel,
    pool: &Pool,
) -> std::io::Result<Pages> {
    let (points, channels, w) = (form.points(), spec.geometry.in_channels, spec.weights.as_i8());
    let block_size = points * depth * BLOCK;
    let mut pages = Pages::new(blocks * block_size * 2)?;
    let parts = Parts::new(pages.as_i16_mut(), block_size);
    pool.run(blocks, &|_, block| {
        // SAFETY: every block is one item, and items are handed out once.
        let u = unsafe { parts.get(block) };
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
                put(&mut u[p * depth * BLOCK..][..depth * BLOCK], c, lanes, kernel.wide().pairs());
            }
        }
    });
    Ok(pages)
}

/// `[block][depth, channel]`; depth is `[ky][kx][channel]`, as pixels are gathered.
pub(super) fn pack_gather(
    spec: &ConvSpec,
    depth: usize,
    blocks: usize,
    kernel: &dyn Kernel,
) -> std::io::Result<Pages> {
    let g = &spec.geometry;
    let (taps, channels, w) = (g.kernel[0] * g.kernel[1], g.in_channels, spec.weights.as_i8());
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

/// `[group][depth/4][block of the group][channel][4]`; `at` says which depth a tap's input channel is.
pub(super) fn pack_bytes(
    spec: &ConvSpec,
    at: impl Fn(usize, usize) -> usize,
    depth: usize,
    blocks: usize,
    group: usize,
) -> std::io::Result<Pages> {
    let g = &spec.geometry;
    let (taps, w) = (g.kernel[0] * g.kernel[1], spec.weights.as_i8());
    let mut pages = Pages::new(blocks * depth * BLOCK)?;
    for (o, row) in w.chunks_exact(g.depth()).enumerate() {
        let first = o / BLOCK / group * group;
        let (here, block) = (group.min(blocks - first), o / BLOCK - first);
        let u = &mut pages.as_i8_mut()[first * depth * BLOCK..][..here * depth * BLOCK];
        for (c, kernel) in row.chunks_exact(taps).enumerate() {
            for (tap, &value) in kernel.iter().enumerate() {
                let d = at(tap, c);
                u[((d / 4 * here + block) * BLOCK + o % BLOCK) * 4 + d % 4] = value;
            }
        }
    }
    Ok(pages)
}

#[inline(always)]
fn put(u: &mut [i16], depth: usize, lanes: &[i16; BLOCK], pairs: bool) {
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
pub(super) fn pack_dense(spec: &ConvSpec, layout: &Layout, lines: usize) -> std::io::Result<Pages> {
    let (rows, depth, w) = (spec.geometry.out_channels, spec.geometry.depth(), spec.weights.as_i8());
    let mut pages = Pages::new(rows.next_multiple_of(DENSE_ROWS) * layout.size())?;
    let blocks = pages.as_i8_mut().chunks_mut(lines * DENSE_ROWS * layout.size());
    let (mut done, mut released) = (0, 0);
    for (rows, block) in w.chunks(lines * DENSE_ROWS * depth).zip(blocks) {
        let width = block.len() / layout.size();
        for (line, rows) in rows.chunks(DENSE_ROWS * depth).enumerate() {
            transpose(rows, layout, width, &mut block[line * DENSE_ROWS..]);
            done += rows.len();
            if done - released > 2 << 20 {
                spec.weights.release_part(released..done);
                released = done;
            }
        }
    }
    Ok(pages)
}

/// Up to [`DENSE_ROWS`] planar rows → columns of `width` bytes, a few columns at a time so that reads and writes both stay in the
/// first-level cache.
fn transpose(rows: &[i8], layout: &Layout, width: usize, columns: &mut [i8]) {
    const AT_ONCE: usize = 64;
    let pixels = layout.height * layout.width;
    for (pixel, first) in (0..pixels).flat_map(|p| (0..layout.channels).step_by(AT_ONCE).map(move |c| (p, c)))
    {
        for (r, row) in rows.chunks_exact(layout.channels * pixels).enumerate() {
            let values = row[first * pixels + pixel..].iter().step_by(pixels);
            for (c, &value) in values.take(AT_ONCE.min(layout.channels - first)).enumerate() {
                columns[(pixel * layout.pixel + first + c) * width + r] = value;
            }
        }
    }
}
