//! Layers that are computed row by row over bytes, each row's sums kept in registers until they are u8; a 2×2 pool takes two
//! rows at a time, which never leave the first-level cache.

use std::ops::Range;

use super::buffers::Scratch;
use super::kernels::{BLOCK, Blocks, Window};
use super::packed::Packed;
use super::work::Run;

/// Items for each worker where a layer is cut into rows: many, so that they end together.
const ITEMS: usize = 4;
/// Bytes of weights that are fetched before they are wanted: a part of a core's second-level cache.
const SOON: usize = 320 * 1024;

impl Run<'_> {
    /// Rows of output pixels, a group of blocks at a time: its weights stay in the cache from row to row.
    pub(super) fn rows(&self) {
        let (at_once, high) = (self.conv.group, self.size[0]);
        let groups = self.blocks().div_ceil(at_once);
        let rows = self.faces * high;
        let parts = self.parts(groups, rows, ITEMS);
        self.chain.pool.run(groups * parts, &|worker, item| {
            let (first, part) = (item / parts * at_once, item % parts);
            let blocks = first..(first + at_once).min(self.blocks());
            let rows = part * rows / parts..(part + 1) * rows / parts;
            let (soon, count) = (self.soon(item, parts), rows.len());
            for (i, row) in rows.enumerate() {
                let soon = &soon[i * soon.len() / count..(i + 1) * soon.len() / count];
                self.row([row / high, row % high], blocks.clone(), soon, self.scratch(worker));
            }
        });
    }

    /// The weights that who computes `item` will want next, unless they are the same: of another group, or of the layer
    /// behind this one. Items are handed out in order, and workers are about equally fast.
    fn soon(&self, item: usize, parts: usize) -> &[i8] {
        let (conv, next) = (self.conv, item + self.chain.pool.threads());
        let first = next / parts * conv.group;
        let weights = if first < self.blocks() {
            let blocks = first..(first + conv.group).min(self.blocks());
            if next / parts == item / parts { &[] } else { conv.group_weights(blocks) }
        } else {
            self.next.map_or(&[][..], Packed::first_weights)
        };
        &weights[..weights.len().min(SOON)]
    }

    /// Row `y` of the output as it is stored: one of the convolution, or the largest of two.
    fn row(&self, [face, y]: [usize; 2], blocks: Range<usize>, soon: &[i8], scratch: &mut Scratch) {
        let sink = self.sink(face, blocks.start);
        // SAFETY: the row lies in the output buffer; no other item writes these channels of it.
        let out = unsafe { sink.data.add(y * sink.row) };
        if !self.pooled {
            // SAFETY: as above; the buffer's pixels have room for whole blocks.
            return unsafe { self.direct([face, y], blocks, soon, out, sink.pixel) };
        }
        let (pixel, wide) = (blocks.len() * BLOCK, self.conv.output[1]);
        let soons: [&[i8]; 2] = soon.split_at(soon.len() / 2).into();
        let pair = &mut scratch.pair[..2 * wide * pixel];
        for (i, row) in pair.chunks_exact_mut(wide * pixel).enumerate() {
            // SAFETY: `wide` pixels of all blocks fit.
            unsafe { self.direct([face, 2 * y + i], blocks.clone(), soons[i], row.as_mut_ptr(), pixel) };
        }
        for (x, four) in pair[wide * pixel..].chunks_exact(2 * pixel).enumerate() {
            let upper = &pair[2 * x * pixel..][..2 * pixel];
            // SAFETY: pixel `x` of the row above.
            let out = unsafe { std::slice::from_raw_parts_mut(out.add(x * sink.pixel), pixel) };
            largest(upper, four, out);
        }
    }

    /// Row `y` of the convolution.
    ///
    /// # Safety
    /// As [`super::kernels::Kernel::direct`].
    unsafe fn direct(
        &self,
        [face, y]: [usize; 2],
        blocks: Range<usize>,
        soon: &[i8],
        out: *mut u8,
        pixel: usize,
    ) {
        let (conv, l) = (self.conv, &self.conv.layout);
        let taps = conv.inner_taps(y);
        let src = Window {
            data: &self.input[face * l.size() + y * conv.strides[0] * l.row()..(face + 1) * l.size()],
            step: conv.strides[1] * l.pixel,
            taps: &conv.taps[taps.clone()],
            channels: conv.tap_bytes,
            count: conv.output[1],
            zero_edges: conv.has_zero_edges(),
            soon,
        };
        let how = Blocks {
            bias: &conv.bias[blocks.clone()],
            multipliers: &conv.multipliers[blocks.clone()],
            zero_point: conv.y_zp,
        };
        let skipped = taps.start * conv.tap_bytes * BLOCK * blocks.len();
        // SAFETY: the same contract.
        unsafe { self.chain.kernel.direct(src, &conv.group_weights(blocks)[skipped..], how, out, pixel) };
    }
}

/// The largest of each channel of four pixels, two above and two below.
pub(super) fn largest(above: &[u8], below: &[u8], out: &mut [u8]) {
    let (a, b) = above.split_at(out.len());
    let (c, d) = below.split_at(out.len());
    for (out, ((a, b), (c, d))) in out.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d))) {
        *out = *a.max(b).max(c.max(d));
    }
}
