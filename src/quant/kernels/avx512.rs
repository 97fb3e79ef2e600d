//! x86-64 with AVX-512 and VNNI: `vpdpbusd` multiplies four u8 by four i8 and adds them to each of sixteen lanes. It
//! wraps and doesn't saturate. Convolutions are direct: pixels are read where they lie, and the sums of six of them for
//! 64 channels stay in 24 registers until they are requantised.

use std::arch::x86_64::*;

use super::super::active::Active;
use super::super::winograd::Form;
use super::generic::generic_loops;
use super::simd::{counted, groups, rows_in_order};
use super::{
    BLOCK, Blocks, Bytes, Columns, DENSE_ROWS, Kernel, Patches, Point, Products, Requantise, Sink, Wide,
    Window, generic,
};

/// Made only where the CPU has AVX512F, AVX512BW, AVX512VL, AVX512-VNNI and AVX2: see [`super::available`].
#[derive(Debug)]
pub struct Avx512Vnni;

impl Kernel for Avx512Vnni {
    fn name(&self) -> &'static str {
        "avx512-vnni"
    }
    fn wide(&self) -> &'static dyn Wide {
        &Avx512Vnni
    }
    fn bytes(&self) -> Bytes {
        Bytes::Unsigned
    }
    fn group(&self) -> usize {
        4
    }
    unsafe fn direct(&self, src: Window<'_>, u: &[i8], how: Blocks<'_>, out: *mut u8, pixel: usize) {
        src.check(u, how.bias.len());
        // SAFETY: the CPU has the features and the slices were checked; the rest is the caller's promise.
        unsafe { counted!(how.bias.len(), [1 2 3 4], N => row::<N>(src, u, how, out, pixel)) }
    }
    fn dense_lines(&self) -> usize {
        4
    }
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
        w.check(x, out);
        // SAFETY: the CPU has the features; the columns that count are below the depth.
        unsafe { counted!(w.lines, [1 2 3 4], N => dense::<N>(w, x, out)) }
    }
}

impl Wide for Avx512Vnni {
    generic_loops!("avx2,avx512f,avx512bw,avx512vl");
    fn multiply(&self, v: &[i16], u: Point<'_>, rows: usize, depth: usize, m: &mut [i32]) {
        u.check(v, rows, depth, m);
        for (row, count) in groups(rows, 12) {
            let (v, m) = (v[row * depth..].as_ptr(), m[row * BLOCK..].as_mut_ptr());
            // SAFETY: the CPU has the features; `count` rows lie inside the slices.
            unsafe { counted!(count, [1 2 3 4 5 6 7 8 9 10 11 12], N => points::<N>(v, u, depth, m)) }
        }
    }
}

/// Pixels whose sums are held in registers at once: the widths of the network's maps are multiples of it.
const PIXELS: usize = 6;

/// What is fetched while a row is computed: a line for each four channels of a tap, which finds a load port idle.
#[derive(Clone, Copy)]
struct Soon {
    line: *const i8,
    last: *const i8,
}

impl Soon {
    const LINE: usize = 64;

    /// Lines of `soon`, or of `here`, which are in the cache.
    fn new(soon: &[i8], here: &[i8]) -> Self {
        let (start, len) = if soon.is_empty() { (here.as_ptr(), 1) } else { (soon.as_ptr(), soon.len()) };
        Self { line: start, last: start.wrapping_add(len - 1) }
    }

    /// The next; the last again and again.
    #[inline(always)]
    fn line(&mut self) -> *const i8 {
        let (now, next) = (self.line, self.line.wrapping_add(Self::LINE));
        self.line = if next <= self.last { next } else { now };
        now
    }
}

/// # Safety
/// The features; `C` blocks in `how`, and [`Window::check`] and [`Kernel::direct`]'s contract hold.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn row<const C: usize>(src: Window<'_>, u: &[i8], how: Blocks<'_>, out: *mut u8, pixel: usize) {
    let mut soon = Soon::new(src.soon, u);
    let soon = &mut soon;
    for (first, count) in groups(src.count, PIXELS) {
        let edges = [src.zero_edges && first == 0, src.zero_edges && first + count == src.count];
        // SAFETY: `count` pixels from `first` on lie inside the row.
        unsafe {
            let (x, u, out) = (src.data.as_ptr().add(first * src.step), u.as_ptr(), out.add(first * pixel));
            match (count, edges) {
                (PIXELS, [true, false]) => tile::<PIXELS, C, true, false>(src, x, u, soon, how, out, pixel),
                (PIXELS, [false, true]) => tile::<PIXELS, C, false, true>(src, x, u, soon, how, out, pixel),
                (PIXELS, [true, true]) => tile::<PIXELS, C, true, true>(src, x, u, soon, how, out, pixel),
                _ => {
                    counted!(count, [1 2 3 4 5 6], N => tile::<N, C, false, false>(src, x, u, soon, how, out, pixel))
                }
            }
        }
    }
}

/// `T` pixels × `C` blocks in `T·C` registers. `FIRST` and `LAST`: the row's first or last pixel is among them, and its
/// products with zeros are left out ([`Window::zero_edges`]).
///
/// # Safety
/// As [`row`]; `T` pixels from `x` on.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn tile<const T: usize, const C: usize, const FIRST: bool, const LAST: bool>(
    src: Window<'_>,
    x: *const u8,
    mut u: *const i8,
    soon: &mut Soon,
    how: Blocks<'_>,
    out: *mut u8,
    pixel: usize,
) {
    let mut taps = src.taps.iter().map(|&tap| x.wrapping_add(tap));
    // SAFETY: by this function's contract; taps come in threes where edges are zero.
    unsafe {
        let bias: [__m512i; C] = std::array::from_fn(|b| _mm512_loadu_si512(how.bias[b].as_ptr().cast()));
        let (mut acc, mut fetched) = ([bias; T], *soon);
        while let Some(x) = taps.next() {
            let inner = &mut acc[usize::from(FIRST)..];
            u = tap::<C>(inner, x.add(usize::from(FIRST) * src.step), u, src, &mut fetched);
            if FIRST || LAST {
                let (Some(middle), Some(last)) = (taps.next(), taps.next()) else { break };
                u = tap::<C>(&mut acc, middle, u, src, &mut fetched);
                u = tap::<C>(&mut acc[..T - usize::from(LAST)], last, u, src, &mut fetched);
            }
        }
        *soon = fetched;
        let scale: [__m512; C] = std::array::from_fn(|b| _mm512_loadu_ps(how.multipliers[b].as_ptr()));
        for (t, acc) in acc.into_iter().enumerate() {
            for (b, sums) in acc.into_iter().enumerate() {
                let bytes = requantise(sums, scale[b], how.zero_point);
                _mm_storeu_si128(out.add(t * pixel + b * BLOCK).cast(), bytes);
            }
        }
    }
}

/// One tap: for each four channels `C` loads, a broadcast for each pixel, and their products. Returns where the next tap's
/// weights begin.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn tap<const C: usize>(
    acc: &mut [[__m512i; C]],
    x: *const u8,
    mut u: *const i8,
    src: Window<'_>,
    soon: &mut Soon,
) -> *const i8 {
    for c in (0..src.channels).step_by(4) {
        // SAFETY: by this function's contract; prefetching may point anywhere.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(soon.line());
            let w: [__m512i; C] = std::array::from_fn(|b| _mm512_loadu_si512(u.add(b * 4 * BLOCK).cast()));
            u = u.add(C * 4 * BLOCK);
            for (t, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_epi32(x.add(t * src.step + c).cast::<i32>().read_unaligned());
                for (acc, w) in acc.iter_mut().zip(w) {
                    *acc = _mm512_dpbusd_epi32(*acc, x, w);
                }
            }
        }
    }
    u
}

/// `T` rows of one Winograd point × 16 channels in `T` registers: twelve of them hide the product's latency, and as many
/// broadcasts keep both load ports as busy as the multipliers.
///
/// # Safety
/// The features; `T·depth` values at `v`, `16·depth` in `u` and `16·T` at `m`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn points<const T: usize>(v: *const i16, u: Point<'_>, depth: usize, m: *mut i32) {
    let mut acc = [_mm512_setzero_si512(); T];
    // SAFETY: by this function's contract.
    unsafe {
        for pair in 0..depth / 2 {
            let w = match u {
                Point::Words(u) => _mm512_loadu_si512(u.as_ptr().add(pair * 2 * BLOCK).cast()),
                Point::Bytes(u) => {
                    _mm512_cvtepi8_epi16(_mm256_loadu_si256(u.as_ptr().add(pair * 2 * BLOCK).cast()))
                }
            };
            for (t, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_epi32(v.add(t * depth + 2 * pair).cast::<i32>().read_unaligned());
                *acc = _mm512_dpwssd_epi32(*acc, x, w);
            }
        }
        for (t, acc) in acc.into_iter().enumerate() {
            _mm512_storeu_si512(m.add(t * BLOCK).cast(), acc);
        }
    }
}

/// [`super::super::conv::requantise`] for sixteen sums: the conversion rounds half to even as well.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
fn requantise(sums: __m512i, multipliers: __m512, zero_point: u8) -> __m128i {
    let zp = f32::from(zero_point);
    let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), multipliers);
    let held = _mm512_min_ps(_mm512_max_ps(scaled, _mm512_set1_ps(-zp)), _mm512_set1_ps(255.0 - zp));
    let rounded = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(held);
    _mm512_cvtepi32_epi8(_mm512_add_epi32(rounded, _mm512_set1_epi32(i32::from(zero_point))))
}

/// Four columns at a time: their bytes side by side, times the four inputs. `L` lines of a column lie one after the other in
/// memory, and their sums in `4·L` registers.
///
/// # Safety
/// The features; [`Columns::check`] holds, with `L` lines a column.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
unsafe fn dense<const L: usize>(w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
    let mut acc = [[_mm512_setzero_si512(); 4]; L];
    for (i, (four, inputs)) in x.steps::<4>().enumerate() {
        // SAFETY: columns lie in `w` by this function's contract; prefetching may point anywhere.
        unsafe {
            let due = w.ahead::<L>(x, 4 * i);
            let columns = four.map(|column| w.weights.as_ptr().add(column as usize * L * DENSE_ROWS));
            let x = _mm512_set1_epi32(i32::from_le_bytes(*inputs));
            for (line, acc) in acc.iter_mut().enumerate() {
                for column in due {
                    _mm_prefetch::<_MM_HINT_T0>(column.wrapping_add(line * DENSE_ROWS));
                }
                let [a, b, c, d] =
                    columns.map(|column| _mm512_loadu_si512(column.add(line * DENSE_ROWS).cast()));
                let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
                acc[0] = _mm512_dpbusd_epi32(acc[0], x, _mm512_unpacklo_epi16(ab, cd));
                acc[1] = _mm512_dpbusd_epi32(acc[1], x, _mm512_unpackhi_epi16(ab, cd));
                let (ab, cd) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
                acc[2] = _mm512_dpbusd_epi32(acc[2], x, _mm512_unpacklo_epi16(ab, cd));
                acc[3] = _mm512_dpbusd_epi32(acc[3], x, _mm512_unpackhi_epi16(ab, cd));
            }
        }
    }
    for (acc, rows) in acc.into_iter().zip(out) {
        // SAFETY: a register is sixteen i32, and any bits are one.
        let lanes = unsafe { std::mem::transmute::<[__m512i; 4], [[[i32; 4]; 4]; 4]>(acc) };
        rows_in_order(lanes, rows);
    }
}
