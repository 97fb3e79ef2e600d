//! Huffman tables and the walk through them.

use super::JpegError;
use super::bits::Bits;
use super::header::damaged;

/// Codes of up to this length are found in one step.
const QUICK: u32 = 9;

/// One table, ready to decode with.
#[derive(Debug, Clone)]
pub struct Huffman {
    /// By the next nine bits: length in the high byte, symbol in the low one; 0 for longer codes.
    quick: [u16; 1 << QUICK],
    /// For each length, the first code that is longer, aligned to 16 bits.
    beyond: [u32; 17],
    /// For each length, what is added to a code to give its place in `symbols`.
    offset: [i32; 17],
    symbols: [u8; 256],
}

impl Default for Huffman {
    /// No codes at all.
    fn default() -> Self {
        Self { quick: [0; 1 << QUICK], beyond: [0; 17], offset: [0; 17], symbols: [0; 256] }
    }
}

impl Huffman {
    /// From the number of codes of each length 1..=16 and their symbols in order.
    fn fill(&mut self, lengths: &[u8; 16], symbols: &[u8]) -> Result<(), JpegError> {
        self.quick.fill(0);
        self.symbols[..symbols.len()].copy_from_slice(symbols);
        let (mut code, mut at) = (0u32, 0usize);
        for length in 1..=16 {
            let n = u32::from(lengths[length - 1]);
            self.offset[length] = at as i32 - code as i32;
            if code + n > 1 << length {
                return Err(damaged("a Huffman table with more codes than there are"));
            }
            for code in code..code + n {
                self.learn(code, length as u32, symbols[at]);
                at += 1;
            }
            code += n;
            self.beyond[length] = code << (16 - length);
            code <<= 1;
        }
        Ok(())
    }

    fn learn(&mut self, code: u32, length: u32, symbol: u8) {
        if length <= QUICK {
            let free = QUICK - length;
            let entry = (length as u16) << 8 | u16::from(symbol);
            self.quick[(code << free) as usize..((code + 1) << free) as usize].fill(entry);
        }
    }

    /// The next symbol; 0 for bits that are no code, which then are taken as one bit (the damage shows in the end).
    #[inline]
    pub fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let entry = self.quick[bits.peek(QUICK) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        self.long_symbol(bits)
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = bits.peek(16);
        let length = (QUICK as usize + 1..=16).find(|&l| next < self.beyond[l])?;
        bits.skip(length as u32);
        let at = (next >> (16 - length)) as i32 + self.offset[length];
        self.symbols.get(usize::try_from(at).ok()?).copied()
    }
}

/// Reads a DHT segment's body: any number of tables, DC (class 0) and AC (class 1), numbered 0..=3.
pub fn read_tables(mut body: &[u8], dc: &mut [Huffman; 4], ac: &mut [Huffman; 4]) -> Result<(), JpegError> {
    while let Some((&id, rest)) = body.split_first() {
        let lengths: &[u8; 16] = rest.first_chunk().ok_or_else(|| damaged("a short Huffman table"))?;
        let count: usize = lengths.iter().map(|&n| usize::from(n)).sum();
        let symbols = rest.get(16..16 + count).filter(|s| s.len() <= 256);
        let symbols = symbols.ok_or_else(|| damaged("a short Huffman table"))?;
        let table = match id {
            0x00..=0x03 => &mut dc[usize::from(id)],
            0x10..=0x13 => &mut ac[usize::from(id & 3)],
            _ => return Err(damaged("a Huffman table with an impossible number")),
        };
        table.fill(lengths, symbols)?;
        body = &rest[16 + count..];
    }
    Ok(())
}
