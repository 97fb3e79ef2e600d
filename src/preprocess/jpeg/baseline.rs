//! Sequential 8-bit Huffman JPEG → luma: the kind that cameras send.
//!
//! All components share one scan; the first is the luma and has the full resolution. Its blocks are transformed, the
//! others' only stepped over. A picture of any other kind is left to the caller untouched.

use super::JpegError;
use super::bits::Bits;
use super::header::{DHT, SOS, damaged, walk};
use super::huffman::{Huffman, read_tables};
use super::idct;
use super::tables::STANDARD_HUFFMAN;
use crate::frame::GrayImage;

/// Tables of the picture in hand; kept from picture to picture so that nothing is allocated.
#[derive(Debug, Default)]
pub struct Baseline {
    quant: [Quant; 4],
    dc: [Huffman; 4],
    ac: [Huffman; 4],
}

/// Divisors in zigzag order.
#[derive(Debug, Clone, Copy)]
struct Quant([u16; 64]);

impl Default for Quant {
    fn default() -> Self {
        Self([1; 64])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Decoded,
    /// Progressive, 12 bits, CMYK, several scans …
    NotBaseline,
}

/// One component: sampling factors and the tables it uses.
#[derive(Debug, Clone, Copy, Default)]
struct Component {
    id: u8,
    across: usize,
    down: usize,
    quant: usize,
    dc: usize,
    ac: usize,
}

/// What the header says of the coded data.
#[derive(Debug, Clone, Copy, Default)]
struct Layout {
    components: [Component; 3],
    count: usize,
    /// MCUs between restart markers; 0 for none.
    restart: usize,
}

/// Coefficient k of the zigzag is at this place of the block.
#[rustfmt::skip]
const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

impl Baseline {
    /// `out` already has the picture's size.
    pub fn decode(&mut self, jpeg: &[u8], out: &mut GrayImage) -> Result<Outcome, JpegError> {
        match self.prepare(jpeg)? {
            Some((layout, coded)) => self.scan(&layout, coded, out).map(|()| Outcome::Decoded),
            None => Ok(Outcome::NotBaseline),
        }
    }

    /// Reads tables and layout; gives them with the coded data, or nothing if this is another kind of JPEG.
    fn prepare<'a>(&mut self, jpeg: &'a [u8]) -> Result<Option<(Layout, &'a [u8])>, JpegError> {
        let (mut layout, mut baseline, mut has_huffman) = (Layout::default(), false, false);
        let mut rgb = false;
        let (mut order_fits, mut scan_header) = (false, 0);
        let at = walk(jpeg, |code, body| {
            match code {
                0xc0 | 0xc1 => baseline = read_components(body, &mut layout),
                DHT => {
                    has_huffman = true;
                    read_tables(body, &mut self.dc, &mut self.ac)?;
                }
                0xdb => read_quant(body, &mut self.quant)?,
                0xdd => layout.restart = restart_interval(body)?,
                // Adobe's "no transform": red, green and blue instead of luma and colour.
                0xee if body.starts_with(b"Adobe") && body.get(11) == Some(&0) => rgb = true,
                SOS => {
                    order_fits = read_scan(body, &mut layout);
                    scan_header = body.len();
                }
                _ => {}
            }
            Ok(())
        })?;
        if !baseline || !order_fits || (rgb && layout.count == 3) {
            return Ok(None);
        }
        if !has_huffman {
            read_tables(&STANDARD_HUFFMAN[4..], &mut self.dc, &mut self.ac)?;
        }
        Ok(Some((layout, &jpeg[at + 4 + scan_header..])))
    }

    fn scan(&self, layout: &Layout, coded: &[u8], out: &mut GrayImage) -> Result<(), JpegError> {
        let mut bits = Bits::new(coded);
        let (across, down) = layout.mcus(out.width, out.height);
        let mut dc = 0;
        let mut done = 0;
        for y in 0..down {
            for x in 0..across {
                if layout.restart > 0 && done > 0 && done % layout.restart == 0 {
                    let number = (done / layout.restart - 1) as u8 & 7;
                    if !bits.restart(number) {
                        return Err(damaged("a restart marker is not where it should be"));
                    }
                    dc = 0;
                }
                self.mcu(layout, &mut bits, &mut dc, (x, y), out)?;
                done += 1;
            }
            if bits.overrun() {
                return Err(damaged("its coded data end before the last block"));
            }
        }
        Ok(())
    }

    /// The smallest unit in which all components occur.
    fn mcu(
        &self,
        layout: &Layout,
        bits: &mut Bits<'_>,
        dc: &mut i32,
        (x, y): (usize, usize),
        out: &mut GrayImage,
    ) -> Result<(), JpegError> {
        let luma = layout.components[0];
        for v in 0..luma.down {
            for h in 0..luma.across {
                let pixels = self.luma_block(luma, bits, dc)?;
                put(&pixels, 8 * (x * luma.across + h), 8 * (y * luma.down + v), out);
            }
        }
        for c in &layout.components[1..layout.count] {
            for _ in 0..c.across * c.down {
                self.skip_block(c, bits)?;
            }
        }
        Ok(())
    }

    fn luma_block(&self, c: Component, bits: &mut Bits<'_>, dc: &mut i32) -> Result<[u8; 64], JpegError> {
        let quant = &self.quant[c.quant].0;
        *dc = dc.wrapping_add(difference(&self.dc[c.dc], bits)?);
        let first = dc.wrapping_mul(i32::from(quant[0]));
        let (mut block, mut columns, mut any) = ([0; 64], 0u8, false);
        let ac = &self.ac[c.ac];
        let mut k = 1;
        while k < 64 {
            bits.refill();
            let symbol = ac.symbol(bits).ok_or_else(bad_code)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break; // the rest is zero
                }
                k += 16;
                continue;
            }
            k += run;
            let Some(&place) = ZIGZAG.get(k) else {
                return Err(damaged("a block with too many coefficients"));
            };
            block[usize::from(place)] = bits.signed(size) * i32::from(quant[k]);
            columns |= u8::from(place >= 8) << (place & 7);
            any = true;
            k += 1;
        }
        if !any {
            return Ok([idct::flat(first); 64]);
        }
        block[0] = first;
        let mut pixels = [0; 64];
        idct::block(&block, columns, &mut pixels);
        Ok(pixels)
    }

    /// A block whose pixels nobody needs.
    fn skip_block(&self, c: &Component, bits: &mut Bits<'_>) -> Result<(), JpegError> {
        difference(&self.dc[c.dc], bits)?;
        let mut k = 1;
        while k < 64 {
            bits.refill();
            let symbol = self.ac[c.ac].symbol(bits).ok_or_else(bad_code)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (0..15, 0) => return Ok(()),
                (_, 0) => k += 16,
                _ => {
                    bits.skip(size);
                    k += run + 1;
                }
            }
        }
        if k > 64 { Err(damaged("a block with too many coefficients")) } else { Ok(()) }
    }
}

fn bad_code() -> JpegError {
    damaged("bits that are no code")
}

/// How much a block's first coefficient differs from the one before.
fn difference(table: &Huffman, bits: &mut Bits<'_>) -> Result<i32, JpegError> {
    bits.refill();
    match table.symbol(bits).ok_or_else(bad_code)? {
        size @ 0..=11 => Ok(bits.signed(u32::from(size))),
        _ => Err(bad_code()),
    }
}

/// Writes the part of a block that lies within the picture.
fn put(pixels: &[u8; 64], x: usize, y: usize, out: &mut GrayImage) {
    let rows = out.data.chunks_exact_mut(out.width).skip(y);
    for (row, from) in rows.zip(pixels.as_chunks::<8>().0) {
        match row.get_mut(x..).and_then(|r| r.first_chunk_mut::<8>()) {
            Some(row) => *row = *from,
            None => row.iter_mut().skip(x).zip(from).for_each(|(o, p)| *o = *p),
        }
    }
}

impl Layout {
    /// MCUs across and down. A component that is alone comes block by block, whatever its sampling factors say.
    fn mcus(&self, width: usize, height: usize) -> (usize, usize) {
        let luma = self.components[0];
        (width.div_ceil(8 * luma.across), height.div_ceil(8 * luma.down))
    }
}

/// Components of a frame header; false if they are not what this file decodes.
fn read_components(body: &[u8], layout: &mut Layout) -> bool {
    match body.first_chunk() {
        Some(&[8, _, _, _, _, count @ (1 | 3)]) => {
            read_component_list(&body[6..], usize::from(count), layout)
        }
        _ => false,
    }
}

fn read_component_list(list: &[u8], count: usize, layout: &mut Layout) -> bool {
    layout.count = count;
    let read = list.as_chunks::<3>().0;
    if read.len() < count {
        return false;
    }
    for (c, &[id, sampling, quant]) in layout.components.iter_mut().zip(&read[..count]) {
        let (across, down) = (usize::from(sampling >> 4), usize::from(sampling & 15));
        *c = Component { id, across, down, quant: usize::from(quant), dc: 0, ac: 0 };
    }
    if count == 1 {
        (layout.components[0].across, layout.components[0].down) = (1, 1);
    }
    let luma = layout.components[0];
    layout.components[..count].iter().all(|c| {
        (1..=luma.across).contains(&c.across)
            && (1..=luma.down).contains(&c.down)
            && luma.across.max(luma.down) <= 4
            && c.quant < 4
    }) && layout.components.map(|c| c.id) != *b"RGB"
}

/// Tables of the scan's components; false if it is not all of them in the frame's order.
fn read_scan(body: &[u8], layout: &mut Layout) -> bool {
    let n = layout.count;
    let Some((&count, list)) = body.split_first() else { return false };
    let list = list.as_chunks::<2>().0;
    if n == 0 || usize::from(count) != n || list.len() < n {
        return false;
    }
    layout.components[..n].iter_mut().zip(list).all(|(c, &[id, tables])| {
        (c.dc, c.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        c.id == id && c.dc < 4 && c.ac < 4
    })
}

fn read_quant(mut body: &[u8], quant: &mut [Quant; 4]) -> Result<(), JpegError> {
    while let Some((&id, rest)) = body.split_first() {
        let table = quant
            .get_mut(usize::from(id & 15))
            .ok_or_else(|| damaged("a quantisation table with an impossible number"))?;
        let width = 1 + usize::from(id >> 4 != 0);
        let values = rest.get(..64 * width).ok_or_else(|| damaged("a short quantisation table"))?;
        for (q, v) in table.0.iter_mut().zip(values.chunks_exact(width)) {
            *q = v.iter().fold(0, |q, &b| q << 8 | u16::from(b));
        }
        body = &rest[64 * width..];
    }
    Ok(())
}

fn restart_interval(body: &[u8]) -> Result<usize, JpegError> {
    let bytes = body.first_chunk().ok_or_else(|| damaged("a short restart interval"))?;
    Ok(usize::from(u16::from_be_bytes(*bytes)))
}
