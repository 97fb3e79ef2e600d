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
        Method::Gather8 => pack_bytes(spec, |tap, c| tap * g.in_channels + c, depth, blocks, 1),
        Method::Direct => pack_bytes(spec, |tap, c| tap * tap_bytes + c, depth, blocks, group),
        Method::DirectRows => {
            let across = g.kernel[1];
            let at = |tap, c| tap / across * tap_bytes + tap % across * layout.pixel + c;
            pack_bytes(spec, at, depth, blocks, group)
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
fn pack_bytes(
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
    let (rows, depth, w) = (spec.geometry.out_channels, spec.geometry.depth(), spec.weights.as_i8());
    let mut pages = Pages::new(rows.next_multiple_of(DENSE_ROWS) * layout.size())?;
    let blocks = pages.as_i8_mut().chunks_mut(lines * DENSE_ROWS * layout.size());
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
