//! What the detector's convolutions are and cost, for `moodlight model inspect`. They are listed as they run, which is not
//! as the file has them: the stem reads luma instead of three colours.

use super::chain::Stem;
use super::graph::{Kind, Layer};

/// Side of the picture that costs are counted for: the file's own.
const SIDE: usize = 256;

/// One convolution and its multiply-accumulates for a square of [`SIDE`] pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    pub name: String,
    pub macs: u64,
}

/// In the order in which they run.
pub fn convolutions(layers: &[Layer]) -> Vec<Convolution> {
    // The side of each map; the first is the picture.
    let mut sides = vec![SIDE];
    let mut found = Vec::new();
    let mut add = |name: String, side: usize, each: usize| {
        found.push(Convolution { name, macs: (side * side * each) as u64 });
    };
    for (i, layer) in layers.iter().enumerate() {
        let from = sides[layer.input];
        let (name, to) = (|part: &str| format!("layer {}, {part}", i + 1), out_side(&layer.kind, from));
        match &layer.kind {
            Kind::Stem(Stem { weights, .. }) => add(name("stem"), to, weights.len()),
            Kind::Block(block) => {
                let pointwise = &block.pointwise;
                add(name("depthwise"), to, block.depthwise.len());
                add(name("pointwise"), to, pointwise.inputs * pointwise.outputs);
            }
            Kind::Head(pointwise) => add(name("head"), to, pointwise.inputs * pointwise.outputs),
        }
        sides.push(to);
    }
    found
}

fn out_side(kind: &Kind, from: usize) -> usize {
    match kind {
        Kind::Stem(_) => from / 2,
        Kind::Block(block) => from / block.stride,
        Kind::Head(_) => from,
    }
}
