//! The int8 operators that an ONNX graph is lowered to inside tract, and their kernels.
//!
//! tract loads, types and schedules the graph. This room replaces what its stock int8 path gets wrong or slow:
//! `QLinearConv` becomes a typed operator whose weights are packed once, `QuantizeLinear` divides as onnxruntime does,
//! per-channel (de)quantisation outside of a convolution is refused, and large initialisers stay in the mapped file.
//!
//! # The way of a file
//! [`onnx_file`] splits it · [`lower`] builds tract's typed model from it ([`conv`] holds one convolution's numbers) ·
//! [`fuse`] turns runs of int8 nodes into a [`chain`] · [`packed`] orders their weights, [`run`] computes them with a
//! kernel of [`kernels`] on the threads of [`pool`] · [`plan`] is the result · [`inspect`] and [`observe`] tell about it.
//! [`dense_f16`] is the f32 network's share: its linear layers.
//!
//! # Exactness
//! Every method and kernel gives the same bytes as [`conv::reference`]: sums are exact integers (modulo 2³², which
//! [`winograd`] shows to be enough), and there is one requantisation, [`conv::requantise`].
//!
//! # What was chosen, by measurement
//! One thread of an EPYC (Zen 3, AVX2, no VNNI), minima of 300 runs while the machine was busy, so read the ratios;
//! M = million multiplications of the direct form.
//!
//! | Layer | M | method | ms | equals |
//! |---|---|---|---|---|
//! | 48² 1→64 | 1.3 | gather | 0.14 | 9 GMAC/s |
//! | 48² 64→64 | 85 | Winograd 4×4 | 0.49 | 172 |
//! | 24² 64→128, 128→128 | 42, 85 | Winograd 4×4 | 0.23, 0.44 | 182, 194 |
//! | 12² 128→256, 256→256 | 42, 85 | Winograd 4×4 | 0.30, 0.59 | 140, 143 |
//! | 6² 256→512, 512→512 | 42, 85 | Winograd 2×2 | 0.50, 0.94 | 85, 91 |
//! | 4608→4096→4096→7 | 36 | dense | 2.08 | 17 GB/s |
//!
//! `vpmaddwd`'s own ceiling is 83 GMAC/s there, memory's 23 GB/s.
//!
//! # What was rejected
//! - Direct convolution through `vpmaddwd`: at its ceiling 469 M of convolutions take 5.6 ms; Winograd takes 3.5.
//! - `vpmaddubsw`: 99 GMAC/s, but saturates at i16 unless |w| ≤ 63, and is still slower than Winograd.
//! - Winograd 2×2 everywhere: at 12² and above 4×4 needs 1.8 times fewer products. At 6² both need 144 per channel
//!   and 4×4 reads 2.25 times the weight bytes (19 MB for the last layer), so 2×2 stays there.
//! - `vpdpbusd` on bytes under VNNI: 64 products an instruction directly; `vpdpwssd` has 32, but Winograd 4×4 needs a
//!   quarter of them.
//! - Winograd under SDOT: SMLAL gives four products an instruction, once a cycle on a Cortex-A76; SDOT sixteen, twice.
//!   Winograd's factor of four cannot make up eight.
//! - Weights of the linear layers read from the mapped file: no copy at load, but 4 KiB pages, and under memory
//!   pressure a frame would wait for the SD card.

pub mod active;
pub mod buffers;
pub mod chain;
pub mod conv;
pub mod dense_f16;
pub mod fuse;
pub mod half;
mod halve;
pub mod inspect;
pub mod kernels;
pub mod lower;
pub mod observe;
pub mod onnx_file;
pub mod packed;
mod packing;
mod pages;
pub mod plan;
pub mod pool;
mod qlinear_conv;
mod quantise;
mod resolve;
pub mod run;
#[cfg(test)]
mod run_tests;
mod side;
pub mod winograd;
mod work;
