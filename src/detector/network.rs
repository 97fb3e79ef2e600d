//! BlazeFace-back as tract runs it: luma plane in, logits and box values of both grids out.
//!
//! The ONNX file wants three colour channels, 256×256, NHWC, `x/127.5 − 1`; luma is handed over three times.

use super::DetectorError;
use super::decode::{Grid, VALUES};
use std::path::Path;
use tract_onnx::tract_hir::internal::*;

/// Side of the network's square input in pixels.
pub(super) const SIDE: usize = 256;

/// The grids of anchors, finest first.
pub(super) const GRIDS: [Grid; 2] = [
    Grid { columns: 16, rows: 16, anchors: 2, stride: 16 },
    Grid { columns: 8, rows: 8, anchors: 6, stride: 32 },
];

pub(super) struct Network {
    state: TypedSimpleState,
    /// The model's output that holds each grid's (logits, values).
    outputs: [(usize, usize); 2],
}

impl Network {
    pub fn load(path: &Path) -> Result<Self, DetectorError> {
        let fail = |reason: String| DetectorError::Model { model: path.display().to_string(), reason };
        let model = read(path).map_err(|e| fail(format!("{e:#}")))?;
        let outputs = find_outputs(&model).map_err(fail)?;
        let state = model.into_runnable().and_then(|m| m.spawn()).map_err(|e| fail(format!("{e:#}")))?;
        Ok(Self { state, outputs })
    }

    /// Runs on a `SIDE`×`SIDE` luma plane and hands (grid, logits, values) of each grid to `each`.
    pub fn run(
        &mut self,
        plane: &[u8],
        mut each: impl FnMut(Grid, &[f32], &[f32]),
    ) -> Result<(), DetectorError> {
        let outputs = self.infer(plane).map_err(|e| DetectorError::Run(format!("{e:#}")))?;
        for (grid, &(logits, values)) in GRIDS.into_iter().zip(&self.outputs) {
            each(grid, floats(&outputs[logits])?, floats(&outputs[values])?);
        }
        Ok(())
    }

    fn infer(&mut self, plane: &[u8]) -> TractResult<TVec<TValue>> {
        let mut input = Tensor::zero::<f32>(&[1, SIDE, SIDE, 3])?;
        for (rgb, &v) in input.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?.chunks_exact_mut(3).zip(plane) {
            rgb.fill(f32::from(v) / 127.5 - 1.0);
        }
        self.state.run(tvec!(input.into()))
    }
}

fn read(path: &Path) -> TractResult<TypedModel> {
    tract_onnx::onnx()
        .model_for_path(path)?
        .with_input_fact(0, f32::fact([1, SIDE, SIDE, 3]).into())?
        .into_optimized()
}

/// The places of each grid's logits and values among the model's outputs, told by their shapes.
fn find_outputs(model: &TypedModel) -> Result<[(usize, usize); 2], String> {
    let mut shapes = Vec::new();
    for i in 0..model.outputs.len() {
        let fact = model.output_fact(i).map_err(|e| format!("{e:#}"))?;
        shapes.push(fact.shape.as_concrete().unwrap_or_default().to_vec());
    }
    let place = |shape: [usize; 3]| {
        shapes.iter().position(|s| s[..] == shape).ok_or_else(|| {
            format!("expected BlazeFace-back with an output of shape {shape:?}, found outputs {shapes:?}")
        })
    };
    let [fine, coarse]: [Result<_, String>; 2] =
        GRIDS.map(|g| Ok((place([1, g.len(), 1])?, place([1, g.len(), VALUES])?)));
    Ok([fine?, coarse?])
}

fn floats(tensor: &TValue) -> Result<&[f32], DetectorError> {
    tensor
        .try_as_plain_ram()
        .and_then(|view| view.as_slice::<f32>())
        .map_err(|e| DetectorError::Run(format!("{e:#}")))
}
