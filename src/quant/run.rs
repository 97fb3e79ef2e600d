//! A chain of packed convolutions on pictures: what follows what. Knows nothing of tract.
//!
//! Terms. *Chain*: convolutions with 2×2 pools between, each read by the next alone. *Step*: one of them. [`buffers`]
//! holds the pictures between the steps, [`work`] computes one step.
//!
//! [`buffers`]: super::buffers
//! [`work`]: super::work

use std::sync::Arc;

use super::buffers::Buffers;
use super::kernels::Kernel;
use super::layout::Layout;
use super::packed::{Method, Packed};
use super::pool::Pool;

/// One convolution and, if fused, the 2×2 max pool after it.
#[derive(Debug)]
pub struct Step {
    pub conv: Packed,
    pub pool: Option<String>,
}

impl Step {
    /// Output extent after pooling.
    pub fn output(&self) -> [usize; 2] {
        if self.pool.is_some() { self.conv.output.map(|side| side / 2) } else { self.conv.output }
    }

    /// Whether the convolution computes two rows and keeps the largest of them.
    pub(super) fn pools_rows(&self) -> bool {
        self.pool.is_some() && matches!(self.conv.method, Method::Direct | Method::DirectRows)
    }

    /// Whether the pool is a pass of its own.
    pub(super) fn pools_apart(&self) -> bool {
        self.pool.is_some() && matches!(self.conv.method, Method::Gather | Method::Gather8)
    }
}

/// Steps, and what runs them.
#[derive(Debug, Clone)]
pub struct Steps {
    pub steps: Arc<Vec<Step>>,
    pub kernel: &'static dyn Kernel,
    pub pool: Arc<Pool>,
}

impl Steps {
    fn last(&self) -> &Step {
        &self.steps[self.steps.len() - 1]
    }

    /// `[channels, height, width]` of the output of one picture.
    pub fn output(&self) -> [usize; 3] {
        let [h, w] = self.last().output();
        [self.last().conv.out_channels, h, w]
    }

    /// Computes `faces` pictures. `input` fills the first step's pictures in its layout ([`spread`]); `y` receives the
    /// output, planar. `done` hears the index of each step as it finishes.
    pub fn run(
        &self,
        buffers: &mut Buffers,
        faces: usize,
        input: impl FnOnce(&Layout, &mut [u8]),
        y: &mut [u8],
        mut done: impl FnMut(usize),
    ) {
        buffers.reserve(self, faces);
        let layout = &self.steps[0].conv.layout;
        input(layout, buffers.input(faces * layout.size()));
        for index in 0..self.steps.len() {
            buffers.step(self, index, faces);
            done(index);
        }
        let [channels, h, w] = self.output();
        collect(buffers.output(), &Layout::plain(channels, h, w), y);
    }
}

/// Planar values → channels innermost, into the interior of bordered pictures.
pub fn spread<T: Copy>(planar: &[T], layout: &Layout, pictures: &mut [u8], convert: impl Fn(T) -> u8) {
    let face = layout.channels * layout.height * layout.width;
    for (planar, picture) in planar.chunks_exact(face).zip(pictures.chunks_exact_mut(layout.size())) {
        for (index, row) in planar.chunks_exact(layout.width).enumerate() {
            let (c, y) = (index / layout.height, index % layout.height);
            let to = &mut picture[layout.origin() + y * layout.row() + c..];
            if layout.pixel == 1 {
                // A case of its own, so that the compiler sees neighbours.
                to.iter_mut().zip(row).for_each(|(to, &v)| *to = convert(v));
            } else {
                to.iter_mut().step_by(layout.pixel).zip(row).for_each(|(to, &v)| *to = convert(v));
            }
        }
    }
}

/// The inverse of [`spread`].
fn collect(pictures: &[u8], layout: &Layout, planar: &mut [u8]) {
    let face = layout.channels * layout.height * layout.width;
    for (planar, picture) in planar.chunks_exact_mut(face).zip(pictures.chunks_exact(layout.size())) {
        for (index, row) in planar.chunks_exact_mut(layout.width).enumerate() {
            let (c, y) = (index / layout.height, index % layout.height);
            let at = layout.origin() + y * layout.row() + c;
            for (x, v) in row.iter_mut().enumerate() {
                *v = picture[at + x * layout.pixel];
            }
        }
    }
}
