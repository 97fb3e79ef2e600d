//! The int8 operators that an ONNX graph is lowered to inside tract.
//!
//! tract loads, types and schedules the graph; this room replaces what its stock int8 path gets wrong or slow:
//! `QLinearConv` becomes one typed operator whose weights are read once, `QuantizeLinear` divides as onnxruntime does,
//! per-channel (de)quantisation outside of a convolution is refused, and large initialisers stay in the mapped file.

pub mod chain;
pub mod conv;
pub mod dense_f16;
pub mod fuse;
pub mod half;
pub mod inspect;
pub mod kernels;
pub mod lower;
pub mod observe;
pub mod onnx_file;
pub mod packed;
pub mod plan;
pub mod pool;
pub mod run;
#[cfg(test)]
mod run_tests;
pub mod winograd;
