//! What the vector kernels share: how rows are cut into the tiles that registers hold, which weights are fetched ahead, and
//! the order of sums.

use super::super::active::{Active, STEP};
use super::{BLOCK, Columns, DENSE_ROWS};

/// Lines that a dense layer's weights are fetched ahead. Which ones is known before they are needed, but some are left
/// out, so that the hardware doesn't guess them.
const AHEAD: usize = 128;

/// `$body` with the constant `$name` for the count of rows, which is one of the numbers listed.
macro_rules! counted {
    ($count:expr, [$($n:literal)+], $name:ident => $body:expr) => {
        match $count {
            $( $n => { const $name: usize = $n; $body } )+
            n => unreachable!("{n} rows in one group"),
        }
    };
}
pub(super) use counted;

/// `whole` rows in as few groups of up to `most` as there can be, as even as can be: the first and the count of each.
#[inline(always)]
pub(super) fn groups(whole: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = whole.div_ceil(most);
    let mut first = 0;
    (0..count).map(move |group| {
        let here = (whole - first).div_ceil(count - group);
        first += here;
        (first - here, here)
    })
}

/// Holds the slices of a product of `rows` rows by `depth` to what a kernel reads and writes.
pub(super) fn check_product<V, U>(v: &[V], u: &[U], rows: usize, depth: usize, m: &[i32]) {
    assert!(v.len() >= rows * depth && u.len() >= BLOCK * depth && m.len() >= rows * BLOCK);
}

impl Columns<'_> {
    /// Where the four columns of `L` lines begin that are due [`AHEAD`] lines after number `done`: in this block, or, where
    /// its list ends, in the block that lies behind it and has the same list. No iterator: closures over vectors don't
    /// inline.
    #[inline(always)]
    pub(super) fn ahead<const L: usize>(&self, x: &Active, done: usize) -> [*const i8; STEP] {
        let (columns, at) = (x.columns(), done + AHEAD / L);
        let (first, behind) = if at < columns.len() { (at, 0) } else { (at - columns.len(), x.depth()) };
        let start = self.weights.as_ptr().wrapping_add(behind * L * DENSE_ROWS);
        let Some(&[a, b, c, d]) = columns.get(first..).and_then(|rest| rest.first_chunk()) else {
            return [start; STEP];
        };
        let column = |column: u32| start.wrapping_add(column as usize * L * DENSE_ROWS);
        [column(a), column(b), column(c), column(d)]
    }
}

/// Puts the sums of four registers of `L` times four lanes in order: lanes `4·l` to `4·l + 3` of register `k` are rows `16·l +
/// 4·k` and the three after it, as unpacking bytes side by side leaves them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn rows_in_order<const L: usize>(registers: [[[i32; 4]; L]; 4], rows: &mut [i32]) {
    for (i, rows) in rows.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *rows = registers[i % 4][i / 4];
    }
}
