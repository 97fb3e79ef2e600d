//! BlazeFace-back as tract runs it: luma plane in, logits and box values of both grids out.
//!
//! The ONNX file wants three colour channels, 256×256, NHWC, `x/127.5 − 1`. tract's own f32 operators need 17–20 ms for
//! it on a core that could do it in 4, so the graph is rebuilt from five operators of our own (see [`chain`]), which
//! tract schedules. All of them are convolutions, so the same weights run on any picture whose sides are multiples of
//! [`STEP`].

mod chain;
mod dispatch;
mod graph;
pub mod inspect;
mod kernel;
mod lanes;

use super::DetectorError;
use super::decode::{Grid, VALUES};
use chain::{Chain, Head, Layers};
use dispatch::Kernels;
use graph::{Kind, Layer};
use kernel::Pointwise;
use std::path::Path;
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// The sides of the network's input are multiples of this many pixels.
pub(super) const STEP: usize = 32;

/// The two grids of anchors: (pixels between cells, anchors at each), finest first.
const GRIDS: [(usize, usize); 2] = [(16, 2), (32, 6)];

/// The network's weights, and a plan for each size of picture that was asked for.
pub(super) struct Network {
    nodes: Vec<Node>,
    kernels: Kernels,
    plans: Vec<Plan>,
}

/// A node of the rebuilt graph and the node that it reads (`None`: the picture).
struct Node {
    input: Option<usize>,
    op: NodeOp,
}

enum NodeOp {
    Chain(Arc<Layers>),
    Head(Arc<Pointwise>),
}

struct Plan {
    width: usize,
    height: usize,
    state: TypedSimpleState,
    /// For each grid, the places of its logits and values among the outputs.
    grids: [(Grid, usize, usize); 2],
}

impl Network {
    /// Reads the ONNX file at `path`. Fails when it is missing, no ONNX, or not BlazeFace-back.
    pub fn load(path: &Path) -> Result<Self, DetectorError> {
        Self::load_with(path, Kernels::best())
    }

    fn load_with(path: &Path, kernels: Kernels) -> Result<Self, DetectorError> {
        let fail = |reason: String| DetectorError::Model { model: path.display().to_string(), reason };
        let layers = graph::read(path).map_err(|e| fail(format!("{e:#}")))?;
        let nodes = join(layers);
        let mut network = Self { nodes, kernels, plans: Vec::new() };
        network.plan(STEP, STEP).map_err(|e| fail(format!("{e:#}")))?;
        Ok(network)
    }

    /// The convolutions of the file at `path`, without loading it for work.
    pub fn convolutions(path: &Path) -> Result<Vec<inspect::Convolution>, DetectorError> {
        let fail = |e| DetectorError::Model { model: path.display().to_string(), reason: format!("{e:#}") };
        Ok(inspect::convolutions(&graph::read(path).map_err(fail)?))
    }

    /// Which kernels the fastest are here: what [`Self::load`] takes.
    pub fn best_kernel_name() -> &'static str {
        Kernels::best().name
    }

    /// Which kernels run, for `bench` and `inspect`.
    pub fn kernel_name(&self) -> &'static str {
        self.kernels.name
    }

    /// Runs on a `width`×`height` luma plane (multiples of [`STEP`]) and hands (grid, logits, values) of each grid to
    /// `each`.
    pub fn run(
        &mut self,
        plane: &[u8],
        width: usize,
        height: usize,
        mut each: impl FnMut(Grid, &[f32], &[f32]),
    ) -> Result<(), DetectorError> {
        self.infer(plane, width, height, &mut each).map_err(|e| DetectorError::Run(format!("{e:#}")))
    }

    fn infer(
        &mut self,
        plane: &[u8],
        width: usize,
        height: usize,
        each: &mut impl FnMut(Grid, &[f32], &[f32]),
    ) -> TractResult<()> {
        let input = Tensor::from_shape(&[height, width], plane)?;
        let place = self.plan(width, height)?;
        let plan = &mut self.plans[place];
        let outputs = plan.state.run(tvec!(input.into()))?;
        for (grid, logits, values) in plan.grids {
            let (logits, values) = (outputs[logits].try_as_plain_ram()?, outputs[values].try_as_plain_ram()?);
            each(grid, logits.as_slice::<f32>()?, values.as_slice::<f32>()?);
        }
        Ok(())
    }

    /// The number of the plan for this size; made at the first call.
    fn plan(&mut self, width: usize, height: usize) -> TractResult<usize> {
        if let Some(place) = self.plans.iter().position(|p| (p.width, p.height) == (width, height)) {
            return Ok(place);
        }
        ensure!(
            width > 0 && width.is_multiple_of(STEP) && height > 0 && height.is_multiple_of(STEP),
            "the detector's input is {width}x{height}, expected multiples of {STEP}"
        );
        let model = self.model(width, height)?;
        let grids =
            [find_grid(&model, width, height, GRIDS[0])?, find_grid(&model, width, height, GRIDS[1])?];
        let state = model.into_runnable()?.spawn()?;
        self.plans.push(Plan { width, height, state, grids });
        Ok(self.plans.len() - 1)
    }

    fn model(&self, width: usize, height: usize) -> TractResult<TypedModel> {
        let mut model = TypedModel::default();
        let source = model.add_source("luma", u8::fact([height, width]))?;
        let (mut outlets, mut heads) = (Vec::new(), Vec::new());
        for (i, node) in self.nodes.iter().enumerate() {
            let from = node.input.map_or(source, |n| outlets[n]);
            let wired = match &node.op {
                NodeOp::Chain(layers) => {
                    let chain = Chain { layers: layers.clone(), kernels: self.kernels };
                    model.wire_node(format!("chain{i}"), chain, &[from])?
                }
                NodeOp::Head(pointwise) => {
                    let head = Head { pointwise: pointwise.clone(), kernels: self.kernels };
                    heads.extend(model.wire_node(format!("head{i}"), head, &[from])?);
                    tvec!(heads[heads.len() - 1])
                }
            };
            outlets.push(wired[0]);
        }
        model.select_output_outlets(&heads)?;
        Ok(model)
    }
}

/// Joins layers that follow each other into chains. A chain ends where its map is halved or has a second reader.
fn join(layers: Vec<Layer>) -> Vec<Node> {
    let mut readers = vec![0; layers.len() + 1];
    layers.iter().for_each(|l| readers[l.input] += 1);
    let mut nodes: Vec<Node> = Vec::new();
    // The node that ends in each layer's map.
    let mut ends: Vec<Option<usize>> = vec![None];
    let mut open: Option<(usize, usize, Layers)> = None; // first map, last map, layers so far
    for (i, layer) in layers.into_iter().enumerate() {
        let continues = open.as_ref().is_some_and(|(_, last, _)| *last == layer.input && readers[*last] == 1);
        if !continues {
            close(&mut open, &mut nodes, &mut ends);
        }
        ends.push(None);
        let halves = matches!(&layer.kind, Kind::Block(b) if b.stride == 2);
        match layer.kind {
            Kind::Head(pointwise) => {
                let input = ends[layer.input];
                nodes.push(Node { input, op: NodeOp::Head(Arc::new(pointwise)) });
                continue;
            }
            Kind::Stem(stem) => {
                open = Some((layer.input, i + 1, Layers { stem: Some(stem), blocks: Vec::new() }));
            }
            Kind::Block(block) => {
                let (_, last, layers) =
                    open.get_or_insert_with(|| (layer.input, 0, Layers { stem: None, blocks: Vec::new() }));
                *last = i + 1;
                layers.blocks.push(block);
            }
        }
        if halves {
            close(&mut open, &mut nodes, &mut ends);
        }
    }
    close(&mut open, &mut nodes, &mut ends);
    nodes
}

fn close(open: &mut Option<(usize, usize, Layers)>, nodes: &mut Vec<Node>, ends: &mut [Option<usize>]) {
    if let Some((first, last, layers)) = open.take() {
        nodes.push(Node { input: ends[first], op: NodeOp::Chain(Arc::new(layers)) });
        ends[last] = Some(nodes.len() - 1);
    }
}

/// Finds a grid's two outputs by their shapes.
fn find_grid(
    model: &TypedModel,
    width: usize,
    height: usize,
    (stride, anchors): (usize, usize),
) -> TractResult<(Grid, usize, usize)> {
    let grid = Grid { columns: width / stride, rows: height / stride, anchors, stride };
    let place = |numbers: usize| {
        let shape = [grid.rows, grid.columns, numbers];
        let is_it =
            |i: &usize| model.output_fact(*i).is_ok_and(|f| f.shape.as_concrete() == Some(&shape[..]));
        (0..model.outputs.len())
            .find(is_it)
            .with_context(|| format!("expected BlazeFace-back, which has an output of {shape:?}"))
    };
    Ok((grid, place(anchors)?, place(anchors * VALUES)?))
}

#[cfg(test)]
mod tests;
