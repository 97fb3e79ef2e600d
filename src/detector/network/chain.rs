//! Consecutive layers as one tract operator that works row by row.
//!
//! A layer's row is handed to the next layer as soon as it is done, so a map is never whole in memory: each layer keeps
//! the three input rows that its 3×3 taps need. At 128×128×24 that is 37 KB instead of 1.5 MB, and everything between
//! the input and the output of a chain stays in the L1 and L2 caches.
//!
//! Terms. *Stage*: a block with its three padded input rows. Shapes are `[height, width, channels]` without a batch.

use super::dispatch::Kernels;
use super::kernel::{BlockRow, CHUNK, GROUP, HeadRow, Pointwise, Residual, STEM_SIDE, StemRow};
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// Depthwise 3×3, pointwise 1×1, residual, ReLU.
#[derive(Debug, Clone)]
pub struct Block {
    /// 1 or 2. At 1 the input is padded by one pixel all around, at 2 by one right and below.
    pub stride: usize,
    /// `[9][channels]`
    pub depthwise: Vec<f32>,
    pub pointwise: Pointwise,
    pub residual: Residual,
}

/// 5×5, stride 2, from luma; padded by one pixel left and above, two right and below.
#[derive(Debug, Clone)]
pub struct Stem {
    /// `[25][GROUP]`
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// A stem (luma bytes in) or none (f32 in), then blocks.
#[derive(Debug)]
pub struct Layers {
    pub stem: Option<Stem>,
    pub blocks: Vec<Block>,
}

/// The operator. Its weights are shared by all sizes that a network is built for.
#[derive(Debug, Clone)]
pub struct Chain {
    pub layers: Arc<Layers>,
    pub kernels: Kernels,
}

impl Chain {
    fn output_shape(&self, input: &[usize]) -> [usize; 3] {
        let (mut h, mut w) = (input[0], input[1]);
        if self.layers.stem.is_some() {
            (h, w) = (h / 2, w / 2);
        }
        let mut channels = GROUP;
        for block in &self.layers.blocks {
            (h, w, channels) = (h / block.stride, w / block.stride, block.pointwise.outputs);
        }
        [h, w, channels]
    }
}

/// The rows in flight.
#[derive(Debug, Clone, Default)]
struct ChainState {
    input: Vec<usize>,
    luma: LumaRows,
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, Default)]
struct Stage {
    height: usize,
    channels: usize,
    /// Values in an output row.
    out_width: usize,
    /// Row `r` lies in `rows[r % 3]`, one zero pixel before and after it.
    rows: [Vec<f32>; 3],
    /// What lies above and below the map.
    zeros: Vec<f32>,
    /// Pixels between depthwise and pointwise.
    mixed: Vec<f32>,
}

impl Stage {
    fn new(height: usize, width: usize, block: &Block) -> Self {
        let channels = block.pointwise.inputs;
        let row = || vec![0.0; (width + 2) * channels];
        let mixed = vec![0.0; CHUNK * channels];
        let out_width = width / block.stride * block.pointwise.outputs;
        Self { height, channels, out_width, rows: [row(), row(), row()], zeros: row(), mixed }
    }

    fn row(&self, r: isize) -> &[f32] {
        let inside = (0..self.height as isize).contains(&r);
        if inside { &self.rows[r as usize % 3] } else { &self.zeros }
    }

    /// The unpadded place of row `r`.
    fn place(&mut self, r: usize) -> &mut [f32] {
        let (pad, row) = (self.channels, &mut self.rows[r % 3]);
        let end = row.len() - pad;
        &mut row[pad..end]
    }
}

/// Takes note that input row `r` of the first stage is in its place, and makes all output rows that it completes.
fn feed(blocks: &[Block], stages: &mut [Stage], kernels: &Kernels, r: usize, out: &mut [f32]) {
    let Some((block, height)) = blocks.first().zip(stages.first().map(|s| s.height)) else { return };
    let last = r + 1 == height;
    match block.stride {
        1 => {
            if r > 0 {
                produce(blocks, stages, kernels, r - 1, out);
            }
            if last {
                produce(blocks, stages, kernels, r, out);
            }
        }
        _ => {
            if r > 0 && r.is_multiple_of(2) {
                produce(blocks, stages, kernels, r / 2 - 1, out);
            }
            if last {
                produce(blocks, stages, kernels, r / 2, out);
            }
        }
    }
}

/// Output row `y` of the first stage, into the next stage or, from the last one, into `out`.
fn produce(blocks: &[Block], stages: &mut [Stage], kernels: &Kernels, y: usize, out: &mut [f32]) {
    let (Some((block, later_blocks)), Some((stage, later))) =
        (blocks.split_first(), stages.split_first_mut())
    else {
        return;
    };
    let mut mixed = std::mem::take(&mut stage.mixed);
    let (first, skip) = match block.stride {
        1 => (y as isize - 1, 0),
        _ => (2 * y as isize, stage.channels),
    };
    let width = stage.out_width;
    kernels.block(BlockRow {
        rows: [0, 1, 2].map(|i| &stage.row(first + i)[skip..]),
        stride: block.stride,
        depthwise: &block.depthwise,
        pointwise: &block.pointwise,
        residual: block.residual,
        mixed: &mut mixed,
        out: match later.first_mut() {
            Some(next) => next.place(y),
            None => &mut out[y * width..][..width],
        },
    });
    stage.mixed = mixed;
    feed(later_blocks, later, kernels, y, out);
}

/// Luma bytes as the stem reads them: `x/127.5 − 1`, zero beyond the edges.
#[derive(Debug, Clone, Default)]
struct LumaRows {
    rows: [Vec<f32>; STEM_SIDE],
    zeros: Vec<f32>,
    /// Rows below this one are converted.
    ready: usize,
}

impl LumaRows {
    fn new(width: usize) -> Self {
        let row = || vec![0.0; width + 3];
        Self { rows: std::array::from_fn(|_| row()), zeros: row(), ready: 0 }
    }

    /// The five rows under output row `y`.
    fn window(&mut self, plane: &[u8], height: usize, width: usize, y: usize) -> [&[f32]; STEM_SIDE] {
        if y == 0 {
            self.ready = 0;
        }
        while self.ready < (2 * y + 4).min(height) {
            let from = &plane[self.ready * width..][..width];
            for (to, &v) in self.rows[self.ready % STEM_SIDE][1..].iter_mut().zip(from) {
                *to = f32::from(v) / 127.5 - 1.0;
            }
            self.ready += 1;
        }
        std::array::from_fn(|i| match (2 * y + i).checked_sub(1) {
            Some(r) if r < height => &self.rows[r % STEM_SIDE][..],
            _ => &self.zeros[..],
        })
    }
}

impl ChainState {
    fn plan(&mut self, chain: &Chain, input: &[usize]) {
        self.input = input.to_vec();
        let (mut h, mut w) = (input[0], input[1]);
        if chain.layers.stem.is_some() {
            self.luma = LumaRows::new(w);
            (h, w) = (h / 2, w / 2);
        }
        self.stages.clear();
        for block in &chain.layers.blocks {
            self.stages.push(Stage::new(h, w, block));
            (h, w) = (h / block.stride, w / block.stride);
        }
    }

    fn run(&mut self, chain: &Chain, input: &Tensor) -> TractResult<Tensor> {
        if self.input != input.shape() {
            self.plan(chain, input.shape());
        }
        let mut output = Tensor::zero::<f32>(&chain.output_shape(input.shape()))?;
        let mut view = output.try_as_plain_ram_mut()?;
        let out = view.as_slice_mut::<f32>()?;
        let (height, width) = (input.shape()[0], input.shape()[1]);
        let (blocks, kernels) = (&chain.layers.blocks[..], &chain.kernels);
        let plain = input.try_as_plain_ram()?;
        if let Some(stem) = &chain.layers.stem {
            let plane = plain.as_slice::<u8>()?;
            for y in 0..height / 2 {
                let rows = self.luma.window(plane, height, width, y);
                let place = self.stages.first_mut().context("a stem without blocks")?.place(y);
                kernels.stem(StemRow { rows, weights: &stem.weights, bias: &stem.bias, out: place });
                feed(blocks, &mut self.stages, kernels, y, out);
            }
        } else {
            let map = plain.as_slice::<f32>()?;
            for (y, row) in map.chunks_exact(map.len() / height).enumerate() {
                self.stages.first_mut().context("a chain without blocks")?.place(y).copy_from_slice(row);
                feed(blocks, &mut self.stages, kernels, y, out);
            }
        }
        Ok(output)
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layers, &other.layers)
    }
}
impl Eq for Chain {}

impl Op for Chain {
    fn name(&self) -> StaticName {
        "DepthwiseChain".into()
    }
    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{} blocks, {}", self.layers.blocks.len(), self.kernels.name)])
    }
    op_as_typed_op!();
}

impl TypedOp for Chain {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0].shape.as_concrete().context("a concrete shape")?;
        Ok(tvec!(f32::fact(self.output_shape(shape))))
    }
    as_op!();
}

impl EvalOp for Chain {
    not_out_of_plan!();
    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::<ChainState>::default()))
    }
}

impl OpState for ChainState {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let chain = op.downcast_ref::<Chain>().context("a DepthwiseChain")?;
        let output = self.run(chain, &inputs[0])?;
        Ok(tvec!(output.into()))
    }
    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(()) // every run starts afresh
    }
}

/// A bare 1×1 convolution: one of the detector's outputs, `[height, width, outputs]`.
#[derive(Debug, Clone)]
pub struct Head {
    pub pointwise: Arc<Pointwise>,
    pub kernels: Kernels,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pointwise, &other.pointwise)
    }
}
impl Eq for Head {}

impl Op for Head {
    fn name(&self) -> StaticName {
        "DetectorHead".into()
    }
    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{} outputs, {}", self.pointwise.outputs, self.kernels.name)])
    }
    op_as_typed_op!();
}

impl TypedOp for Head {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0].shape.as_concrete().context("a concrete shape")?;
        Ok(tvec!(f32::fact([shape[0], shape[1], self.pointwise.outputs])))
    }
    as_op!();
}

impl EvalOp for Head {
    not_out_of_plan!();
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let shape = inputs[0].shape();
        let mut output = Tensor::zero::<f32>(&[shape[0], shape[1], self.pointwise.outputs])?;
        let from = inputs[0].try_as_plain_ram()?;
        self.kernels.head(HeadRow {
            row: from.as_slice::<f32>()?,
            pointwise: &self.pointwise,
            out: output.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?,
        });
        Ok(tvec!(output.into()))
    }
}
