//! The f32 network's linear layers: weights stay f16 in memory and are widened on the way into the multiplier.
//!
//! One face reads every weight once, so these layers are as fast as memory: half the bytes is half the time, and every
//! f16 is an f32, so nothing is lost. As in [`super::active`], weights that would meet a zero are not read.
//! Terms. *Block*: [`ROWS`] rows, packed `[column][row]`, two cache lines a column; [`widen`] computes one.
//!
//! [`widen`]: super::widen

use std::sync::Arc;

use tract_onnx::tract_hir::internal::*;

use super::onnx_file::SideTensor;
use super::pages::{Behind, Pages, Parts};
use super::pool::Pool;
use super::widen::{Inputs, ROWS, Widen};

/// Columns that are packed at a time, so that reads and writes stay in the first-level cache.
const PACKED_AT_ONCE: usize = 32;

/// `y = W·x + b` for pictures that a kernel covers whole, planar f32 in, `[batch, rows, 1, 1]` out.
#[derive(Debug, Clone)]
pub struct DenseF16 {
    weights: Arc<Weights>,
    /// Who shares the blocks; the caller alone until [`share`] has been there.
    pool: Option<Arc<Pool>>,
}

#[derive(Debug)]
struct Weights {
    rows: usize,
    depth: usize,
    bias: Vec<f32>,
    pages: Pages,
    kernel: Widen,
}

impl PartialEq for DenseF16 {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.weights, &other.weights)
    }
}
impl Eq for DenseF16 {}

impl DenseF16 {
    /// Packs a `[rows][depth…]` tensor of f16 and gives its file pages back.
    pub fn new(tensor: &SideTensor, bias: Vec<f32>) -> std::io::Result<Self> {
        let rows = tensor.dims[0];
        let depth = tensor.len() / rows;
        let mut pages = Pages::new(rows.next_multiple_of(ROWS) * depth * 2)?;
        let blocks = pages.as_i16_mut().chunks_exact_mut(ROWS * depth);
        let mut behind = Behind::new(tensor);
        for (rows, block) in tensor.bytes().chunks(ROWS * depth * 2).zip(blocks) {
            pack(rows.as_chunks().0, depth, block);
            behind.read(rows.len());
        }
        let kernel = Widen::available()[0];
        Ok(Self { weights: Arc::new(Weights { rows, depth, bias, pages, kernel }), pool: None })
    }

    pub fn macs(&self) -> u64 {
        (self.weights.rows * self.weights.depth) as u64
    }
    pub fn weight_bytes(&self) -> usize {
        self.weights.rows.next_multiple_of(ROWS) * self.weights.depth * 2
    }
    pub fn kernel_name(&self) -> &'static str {
        self.weights.kernel.name()
    }
}

/// Lets `pool` compute the dense layers of `model`.
pub fn share(model: &mut TypedModel, pool: &Arc<Pool>) {
    for node in &mut model.nodes {
        if let Some(dense) = node.op_as_mut::<DenseF16>() {
            dense.pool = Some(Arc::clone(pool));
        }
    }
}

/// Up to [`ROWS`] rows of `depth` little-endian halves → columns.
fn pack(rows: &[[u8; 2]], depth: usize, block: &mut [i16]) {
    for first in (0..depth).step_by(PACKED_AT_ONCE) {
        for (r, row) in rows.chunks_exact(depth).enumerate() {
            for (c, &half) in row[first..].iter().take(PACKED_AT_ONCE).enumerate() {
                block[(first + c) * ROWS + r] = i16::from_le_bytes(half);
            }
        }
    }
}

impl Weights {
    fn blocks(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// The rows of one block: `y = W·x + b`.
    fn block(&self, block: usize, x: &Inputs, y: &mut [f32]) {
        let size = ROWS * self.depth;
        let mut sums = [0.0; ROWS];
        self.kernel.block(&self.pages.as_i16()[block * size..][..size], x, &mut sums);
        for ((y, sum), bias) in y.iter_mut().zip(sums).zip(&self.bias[block * ROWS..]) {
            *y = sum + bias;
        }
    }
}

impl Op for DenseF16 {
    fn name(&self) -> StaticName {
        "DenseF16".into()
    }
    op_as_typed_op!();
}

impl EvalOp for DenseF16 {
    not_out_of_plan!();
    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Inputs::default())))
    }
}

impl OpState for Inputs {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let DenseF16 { weights: w, pool } = op.downcast_ref::<DenseF16>().context("a DenseF16")?;
        let x = args_1!(inputs);
        let faces = x.shape()[0];
        // SAFETY: every element is written below.
        let mut y = unsafe { Tensor::uninitialized::<f32>(&[faces, w.rows, 1, 1])? };
        let (from, mut to) = (x.try_as_plain_ram()?, y.try_as_plain_ram_mut()?);
        let (from, to) = (from.as_slice::<f32>()?, to.as_slice_mut::<f32>()?);
        for (x, y) in from.chunks_exact(w.depth).zip(to.chunks_exact_mut(w.rows)) {
            self.fill(x);
            let parts = Parts::new(y, ROWS);
            // SAFETY: every block is one item, and items are handed out once.
            let item = |_, block| w.block(block, self, unsafe { parts.get(block) });
            match pool {
                Some(pool) => pool.run(w.blocks(), &item),
                None => (0..w.blocks()).for_each(|block| item(0, block)),
            }
        }
        Ok(tvec!(y.into_tvalue()))
    }
    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}

impl TypedOp for DenseF16 {
    fn output_facts(&self, i: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&[i[0].shape[0].clone(), self.weights.rows.to_dim(), 1.to_dim(), 1.to_dim()])))
    }
    as_op!();
}
