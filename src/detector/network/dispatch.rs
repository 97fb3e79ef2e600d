//! The kernels of each instruction set, and the choice among them.
//!
//! This is the only way to the kernels: every job is measured against its buffers before unchecked code runs on it.

use super::kernel::{
    BlockRow, CHUNK, GROUP, HeadRow, Residual, STEM_SIDE, StemRow, TAPS, TILE, block, head, stem,
};
use super::lanes::{LANES, Lanes, Portable};

/// The kernels of one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    pub name: &'static str,
    // SAFETY of all three: jobs are as the methods of the same names check them, on a CPU that has the instruction set.
    block: unsafe fn(BlockRow<'_>),
    head: unsafe fn(HeadRow<'_>),
    stem: unsafe fn(StemRow<'_>),
}

impl Kernels {
    /// The fastest that this machine runs.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if super::lanes::Avx2::available() {
            return avx2::KERNELS;
        }
        #[cfg(target_arch = "aarch64")]
        return Self { name: "neon", ..Self::over::<super::lanes::Neon>() };
        #[allow(unreachable_code)]
        Self::portable()
    }

    pub fn portable() -> Self {
        Self::over::<Portable>()
    }

    /// For lanes that the target's baseline has; others need a `#[target_feature]` around them.
    fn over<V: Lanes>() -> Self {
        Self { name: "portable", block: block::<V>, head: head::<V>, stem: stem::<V> }
    }

    pub fn block(&self, job: BlockRow<'_>) {
        let width = job.out.len() / job.pointwise.outputs;
        let channels = job.pointwise.inputs;
        let reach = (width - 1) * job.stride + 3;
        assert!(job.rows.iter().all(|r| r.len() >= reach * channels), "a padded row is too short");
        assert!(
            channels.is_multiple_of(LANES) && job.pointwise.outputs.is_multiple_of(GROUP),
            "channels come in vectors"
        );
        assert!(job.mixed.len() >= CHUNK * channels && job.depthwise.len() == TAPS * channels);
        assert!(job.out.len() == width * job.pointwise.outputs);
        let fits = job.residual != Residual::Input || (job.stride == 1 && channels == job.pointwise.outputs);
        assert!(fits && channels <= job.pointwise.outputs, "the residual does not fit");
        // SAFETY: the lengths were checked above, and `self` exists only for an available instruction set.
        unsafe { (self.block)(job) }
    }

    pub fn head(&self, job: HeadRow<'_>) {
        let width = job.row.len() / job.pointwise.inputs;
        assert!(job.row.len() == width * job.pointwise.inputs, "a row of whole pixels");
        assert!(job.out.len() == width * job.pointwise.outputs);
        // SAFETY: as in `block`.
        unsafe { (self.head)(job) }
    }

    pub fn stem(&self, job: StemRow<'_>) {
        let width = job.out.len() / GROUP;
        assert!(job.rows.iter().all(|r| r.len() >= 2 * (width - 1) + STEM_SIDE), "a padded row is too short");
        assert!(job.out.len() == width * GROUP && width >= TILE, "a row of at least a tile");
        assert!(job.weights.len() == STEM_SIDE * STEM_SIDE * GROUP && job.bias.len() == GROUP);
        // SAFETY: as in `block`.
        unsafe { (self.stem)(job) }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    use crate::detector::network::lanes::Avx2;

    pub const KERNELS: Kernels = Kernels { name: "avx2", block: block_row, head: head_row, stem: stem_row };

    /// # Safety
    /// The lengths are as [`Kernels::block`] checks them; the CPU has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn block_row(job: BlockRow<'_>) {
        // SAFETY: the caller checked lengths and instruction set.
        unsafe { block::<Avx2>(job) }
    }
    /// # Safety
    /// The lengths are as [`Kernels::head`] checks them; the CPU has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn head_row(job: HeadRow<'_>) {
        // SAFETY: as above.
        unsafe { head::<Avx2>(job) }
    }
    /// # Safety
    /// The lengths are as [`Kernels::stem`] checks them; the CPU has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn stem_row(job: StemRow<'_>) {
        // SAFETY: as above.
        unsafe { stem::<Avx2>(job) }
    }
}
