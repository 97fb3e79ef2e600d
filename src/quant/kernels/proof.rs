//! Whether a kernel computes rightly on this CPU: a few products of every kind against the portable one, in some microseconds.

use super::super::active::Active;
use super::portable::Portable;
use super::{BLOCK, Blocks, Columns, DENSE_ROWS, Kernel, Point, Window};

const ROWS: usize = 4;
const DEPTH: usize = 48;
/// Pixels and, at most, blocks of the direct convolution.
const PIXELS: usize = 9;
const BLOCKS: usize = 4;

/// Whether `kernel`'s results are the portable one's.
pub(super) fn agrees(kernel: &dyn Kernel) -> bool {
    let sample = Sample::new(kernel.dense_lines());
    sample.results(kernel, kernel.group()) == sample.results(&Portable, kernel.group())
}

/// Numbers to multiply.
struct Sample {
    x: [i16; ROWS * DEPTH],
    bytes: [u8; ROWS * DEPTH],
    wide: [i16; DEPTH * BLOCK],
    narrow: Vec<i8>,
    active: Active,
    /// Of a column of `narrow` as a dense layer's.
    lines: usize,
}

/// Of [`super::Wide::multiply`] by words and by bytes, [`Kernel::multiply8`], [`Kernel::dense`] and [`Kernel::direct`].
#[derive(PartialEq)]
struct Results {
    wide: [i32; ROWS * BLOCK],
    narrow: [i32; ROWS * BLOCK],
    bytes: [i32; ROWS * BLOCK],
    dense: Vec<[i32; DENSE_ROWS]>,
    direct: [u8; PIXELS * BLOCKS * BLOCK],
}

impl Sample {
    fn new(lines: usize) -> Self {
        let mut state = 0x5eed_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16
        };
        let x: [i16; ROWS * DEPTH] = std::array::from_fn(|_| next());
        let bytes = x.map(|v| v as u8);
        let wide = std::array::from_fn(|_| next() / 4);
        let narrow = (0..DEPTH * DENSE_ROWS * lines).map(|_| next() as i8).collect();
        let mut active = Active::with_room(DEPTH);
        active.fill(&std::array::from_fn::<u8, DEPTH, _>(|i| if i % 3 == 0 { 0 } else { bytes[i] }));
        Self { x, bytes, wide, narrow, active, lines }
    }

    /// The i16 weights in the order that `kernel` reads.
    fn ordered(&self, kernel: &dyn Kernel) -> [i16; DEPTH * BLOCK] {
        let mut ordered = self.wide;
        if !kernel.wide().pairs() {
            for (i, &v) in self.wide.iter().enumerate() {
                ordered[(i / (2 * BLOCK) * 2 + i % 2) * BLOCK + i / 2 % BLOCK] = v;
            }
        }
        ordered
    }

    fn results(&self, kernel: &dyn Kernel, group: usize) -> Results {
        let mut of = Results {
            wide: [0; ROWS * BLOCK],
            narrow: [0; ROWS * BLOCK],
            bytes: [0; ROWS * BLOCK],
            dense: vec![[0; DENSE_ROWS]; self.lines],
            direct: [0; PIXELS * BLOCKS * BLOCK],
        };
        let ordered = self.ordered(kernel);
        kernel.wide().multiply(&self.x, Point::Words(&ordered), ROWS, DEPTH, &mut of.wide);
        kernel.wide().multiply(&self.x, Point::Bytes(&ordered.map(|w| w as i8)), ROWS, DEPTH, &mut of.narrow);
        kernel.multiply8(&self.bytes, &self.narrow, ROWS, DEPTH, &mut of.bytes);
        kernel.dense(Columns { weights: &self.narrow, lines: self.lines }, &self.active, &mut of.dense);
        let src = Window {
            data: &self.bytes,
            step: 16,
            taps: &[0, 20],
            channels: 16,
            count: PIXELS,
            zero_edges: false,
            soon: &[],
        };
        let how = Blocks {
            bias: &[[77; BLOCK]; BLOCKS][..group],
            multipliers: &[[3e-3; BLOCK]; BLOCKS],
            zero_point: 5,
        };
        // SAFETY: the array holds that many pixels of four blocks.
        unsafe { kernel.direct(src, &self.narrow, how, of.direct.as_mut_ptr(), BLOCKS * BLOCK) };
        of
    }
}
