//! The inner loops, one file per instruction set behind [`Kernel`], and the choice among them at load.
//!
//! Terms. *Depth*: the dimension that is summed over. *Block*: [`BLOCK`] output channels, computed together. Every
//! kernel equals [`portable`]'s results bit for bit; all sums wrap modulo 2³².

use super::active::Active;
use super::winograd::Form;

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "x86_64")]
pub mod avx_vnni;
#[cfg(target_arch = "aarch64")]
pub mod dotprod;
pub mod generic;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod portable;
mod proof;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod simd;
mod views;

pub use views::{Blocks, Columns, Patches, Point, Products, Requantise, Sink, Window};

/// Output channels of one packed block.
pub const BLOCK: usize = 16;
/// Rows of a dense layer whose weights share a cache line of a column.
pub const DENSE_ROWS: usize = 64;
/// Lines of a column of a dense layer that a kernel takes together, at most.
pub const DENSE_LINES: usize = 4;

/// Which bytes a kernel can multiply faster than i16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// None that would beat Winograd on i16.
    None,
    /// i8 by i8: inputs less 128 ([`Kernel::multiply8`]).
    Signed,
    /// u8 by i8: inputs as they are ([`Kernel::direct`]).
    Unsigned,
}

/// An instruction set's loops over i16, and what becomes of sums. Kernels for bytes share those of the set they extend.
pub trait Wide: Send + Sync {
    /// Transforms one patch: `src` starts at its first pixel; point `p` goes to `v[p·plane..]`.
    fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize);

    /// `m[row][block] = Σ v[row][depth]·u[depth][block]` for `rows` rows of `depth` values (even). `u` in the order
    /// that [`Wide::pairs`] says.
    fn multiply(&self, v: &[i16], u: Point<'_>, rows: usize, depth: usize, m: &mut [i32]);

    /// Whether two depths lie side by side for each channel of a block in `u` (`[depth/2][channel][2]`), or one
    /// (`[depth][channel]`).
    fn pairs(&self) -> bool {
        true
    }

    /// Transforms one tile's products back, requantises and stores it at tile `(ty, tx)`.
    ///
    /// # Safety
    /// `sink` must be valid for writes of [`BLOCK`] bytes at each of its pixels, unshared during the call.
    unsafe fn winograd_output(&self, of: Products<'_>, how: Requantise<'_>, sink: Sink, at: [usize; 2]);

    /// Requantises `m`'s rows (pixels) into `out`, `pixel` bytes apart. No pooling.
    ///
    /// # Safety
    /// `out` must be valid for writes of [`BLOCK`] bytes at each of `rows` pixels, unshared during the call.
    unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize);
}

/// One instruction set's inner loops.
pub trait Kernel: Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;

    /// Its loops over i16.
    fn wide(&self) -> &'static dyn Wide;

    /// Whether sums over bytes are faster here than Winograd's over i16.
    fn bytes(&self) -> Bytes {
        Bytes::None
    }

    /// The same product on bytes; `depth` is a multiple of 16, `u` lies `[depth/4][channel][4]`. `v` holds the
    /// bits of i8.
    fn multiply8(&self, v: &[u8], u: &[i8], rows: usize, depth: usize, m: &mut [i32]) {
        generic::multiply8(v, u, rows, depth, m);
    }

    /// Blocks of channels that [`Kernel::direct`] computes together.
    fn group(&self) -> usize {
        1
    }

    /// A row of a direct convolution, requantised into `out`, `pixel` bytes apart. `u` lies
    /// `[tap·channels/4][block][channel of the block][4]` for up to [`Kernel::group`] blocks.
    ///
    /// # Safety
    /// `out` must be valid for writes of [`BLOCK`] bytes for each block at each pixel, unshared during the call.
    unsafe fn direct(&self, src: Window<'_>, u: &[i8], how: Blocks<'_>, out: *mut u8, pixel: usize) {
        // SAFETY: the same contract.
        unsafe { generic::direct(src, u, how, out, pixel) }
    }

    /// The most lines of a column that [`Kernel::dense`] takes, up to [`DENSE_LINES`].
    fn dense_lines(&self) -> usize {
        1
    }

    /// `out[row] = Σ w[column][row]·x[column]` over the columns that count, for one block of [`DENSE_ROWS`] rows a
    /// line.
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]);
}

/// The kernels that this CPU can run, fastest first. The last is always the portable one. Each has proved itself
/// against that one: an emulator or hypervisor that misreports a feature, or an error of ours on a CPU that we never
/// had, costs speed and not numbers.
pub fn available() -> Vec<&'static dyn Kernel> {
    let mut all = detected();
    all.retain(|kernel| proved(*kernel));
    all.push(&portable::Portable);
    all
}

fn proved(kernel: &dyn Kernel) -> bool {
    let right = proof::agrees(kernel);
    if !right {
        log::error!("the {} kernel computes wrongly on this CPU and is left out", kernel.name());
    }
    right
}

fn detected() -> Vec<&'static dyn Kernel> {
    #[allow(unused_mut)] // on targets without a vector kernel nothing is added
    let mut all: Vec<&'static dyn Kernel> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni") {
            all.push(&avx512::Avx512Vnni);
        }
        if has!("avx2") && has!("avxvnni") {
            all.push(&avx_vnni::AvxVnni);
        }
        if has!("avx2") {
            all.push(&avx2::Avx2);
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            all.push(&dotprod::DotProd);
        }
        all.push(&neon::Neon);
    }
    all
}

/// The fastest kernel, or the one named. The error lists the names that this CPU knows.
pub fn choose(name: Option<&str>) -> Result<&'static dyn Kernel, String> {
    match name {
        None => Ok(detected().into_iter().find(|k| proved(*k)).unwrap_or(&portable::Portable)),
        Some(name) => {
            let all = available();
            all.iter().find(|k| k.name() == name).copied().ok_or_else(|| {
                let known: Vec<_> = all.iter().map(|k| k.name()).collect();
                format!("this CPU has no kernel \"{name}\"; it can run {}", known.join(", "))
            })
        }
    }
}
