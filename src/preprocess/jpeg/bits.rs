//! Entropy-coded bits: FF 00 means FF, any other marker ends the data.

/// Reads bits, most significant first. Past the end it gives zeros and remembers how many.
#[derive(Debug)]
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, aligned to the top.
    ahead: u64,
    /// How many of `ahead` count, made-up ones among them.
    count: u32,
    /// Made-up zeros at the end of `ahead`.
    made_up: u32,
}

/// Bits that are there after [`Bits::refill`]: enough for a code of 16 and a value of 16.
const LEAST: u32 = 32;

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, ahead: 0, count: 0, made_up: 0 }
    }

    /// Makes sure of [`LEAST`] bits.
    #[inline]
    pub fn refill(&mut self) {
        if self.count >= LEAST {
            return;
        }
        if let Some(next) = self.data.get(self.at..).and_then(|d| d.first_chunk::<8>()) {
            let next = u64::from_be_bytes(*next);
            // No byte is FF if no byte of the complement is zero.
            let zero_byte = (!next).wrapping_sub(0x0101_0101_0101_0101) & next & 0x8080_8080_8080_8080;
            if zero_byte == 0 {
                let bytes = (64 - self.count) / 8;
                let kept = next >> (64 - 8 * bytes) << (64 - 8 * bytes);
                self.ahead |= kept >> self.count;
                self.count += 8 * bytes;
                self.at += bytes as usize;
                return;
            }
        }
        self.refill_bytewise();
    }

    #[cold]
    fn refill_bytewise(&mut self) {
        while self.count <= 56 {
            let byte = match self.data.get(self.at..) {
                Some([0xff, 0x00, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([byte, ..]) if *byte != 0xff => {
                    self.at += 1;
                    *byte
                }
                _ => {
                    self.made_up += 8;
                    0
                }
            };
            self.ahead |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next `n` bits, 1..=16, without taking them. Call [`refill`](Self::refill) first.
    #[inline]
    pub fn peek(&self, n: u32) -> u32 {
        (self.ahead >> (64 - n)) as u32
    }

    #[inline]
    pub fn skip(&mut self, n: u32) {
        self.ahead <<= n;
        self.count -= n;
    }

    /// A value of `size` bits, 0..=16, as JPEG codes signed numbers: the first half of the range is negative.
    #[inline]
    pub fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = self.peek(size) as i32;
        self.skip(size);
        if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
    }

    /// Bits have been taken that are not there.
    pub fn overrun(&self) -> bool {
        self.count < self.made_up
    }

    /// Steps over restart marker `number` (0..=7), dropping the bits that fill up the byte before it. False if it is not
    /// there.
    pub fn restart(&mut self, number: u8) -> bool {
        let whole_bytes_left = self.count.saturating_sub(self.made_up) >= 8;
        let found = self.data.get(self.at..).is_some_and(|d| d.starts_with(&[0xff, 0xd0 | number]));
        if whole_bytes_left || self.overrun() || !found {
            return false;
        }
        *self = Self { at: self.at + 2, ..Self::new(self.data) };
        true
    }
}
