//! The int8 operators that an ONNX graph is lowered to inside tract, and their kernels.
//!
//! tract loads, types and schedules the graph. This room replaces what its stock int8 path gets wrong or slow:
//! `QLinearConv` becomes a typed operator whose weights are packed once, `QuantizeLinear` divides as onnxruntime does,
//! per-channel (de)quantisation outside of a convolution is refused, and large initialisers stay in the mapped file.
//!
//! # The way of a file
//! [`onnx_file`] splits it · [`lower`] builds tract's typed model from it, with the operators of `qlinear_conv`,
//! `quantise`, `resolve`, `side` and `stock` ([`conv`] holds one convolution's numbers) · [`fuse`] turns runs of int8 nodes
//! into a [`chain`] · [`packed`] chooses a method, [`layout`] places the pictures, `packing` orders the weights · [`run`]
//! goes through the steps, `work` and `rows` compute one with a kernel of [`kernels`] on the threads of [`pool`], in the
//! memory of [`buffers`] · [`plan`] is the result · [`inspect`] and [`observe`] tell about it. [`dense_f16`] with `widen`, and
//! `halve`, are the f32 network's share: its linear layers and pools.
//!
//! # Exactness
//! Every method and kernel gives the same bytes as [`conv::reference`]: sums are exact integers (modulo 2³², which
//! [`winograd`] shows to be enough), and there is one requantisation, [`conv::requantise`].
//!
//! # What was chosen, by measurement
//! One thread of an EPYC (Zen 5) in real time while other programs kept the second core and the memory busy; medians.
//! M = million multiplications of the direct form; ms and, in brackets, what GMAC/s of the direct form that equals.
//!
//! | Layer | M | avx512-vnni | avx-vnni | avx2 |
//! |---|---|---|---|---|
//! | 48² 1→64 | 1.3 | direct rows 0.012 | direct rows 0.032 | gather 0.051 |
//! | 48² 64→64 | 85 | direct 0.154 (552) | direct 0.335 (254) | Winograd 4×4 0.245 (347) |
//! | 24² 64→128 | 42 | direct 0.074 (574) | direct 0.165 (257) | Winograd 4×4 0.124 (342) |
//! | 24² 128→128 | 85 | direct 0.147 (578) | direct 0.322 (264) | Winograd 4×4 0.213 (399) |
//! | 12² 128→256 | 42 | direct 0.071 (598) | direct 0.162 (262) | Winograd 4×4 0.124 (342) |
//! | 12² 256→256 | 85 | direct 0.140 (607) | direct 0.315 (270) | Winograd 4×4 0.240 (354) |
//! | 6² 256→512 | 42 | direct 0.069 (615) | direct 0.167 (254) | Winograd 2×2 0.222 (191) |
//! | 6² 512→512 | 85 | direct 0.136 (625) | direct 0.314 (270) | Winograd 2×2 0.419 (203) |
//! | 4608→4096 | 19 | dense 0.22–0.32 | dense 0.29 | dense 0.33 |
//! | 4096→4096 | 17 | dense 0.024 | dense 0.028 | dense 0.034 |
//!
//! `vpdpbusd` on 512 bits has a ceiling of 128 products a cycle, about 530 GMAC/s at that core's clock: what is above it are
//! products with the padding's zeros that are left out. What the dense layers read depends on the face's zeros (with the first
//! committed weights 72 % of the first one's inputs counted and 5 % of the second's); they read at 40–60 GB/s, which is what
//! memory gave.
//!
//! # What was rejected
//! - Winograd under VNNI: `vpdpwssd` has half of `vpdpbusd`'s products, of which 4×4 needs a quarter, but the transforms take
//!   what that gains. With 512-bit products and transforms compiled for AVX-512 the first three 64-channel layers took 0.196,
//!   0.100 and 0.160 ms against 0.159, 0.079 and 0.156 directly; with AVX2's transforms the later ones took 0.28, 0.52, 0.45
//!   and 0.80 ms against 0.08, 0.16, 0.09 and 0.17; and their weights are 3.6 to 8 times the bytes (91 against 60 MiB of peak).
//! - Dense layers by rows, all weights read: 0.47 and 0.41 ms there against 0.27 and 0.03 by columns. Under AVX-512 columns
//!   come in blocks of 256 rows: in a loop of its own on a busy machine 0.16 to 0.18 ms instead of 0.18 to 0.20 with 64. The
//!   other kernels lack the registers.
//! - Weights left to the hardware's own fetching: a convolution's first row of each group then waits for the third-level
//!   cache. Fetched while the group before is computed, the layers at 6² take 0.071 and 0.138 ms instead of 0.090 and 0.18;
//!   the whole network under AVX2, 4 KiB ahead, 2.3 ms instead of 3.4 (busy machine, in turns).
//! - Fewer bits for the dense weights: the first dense layer's fill i8 evenly (entropy 7.9 bits).
//! - Under AVX2, direct convolution through `vpmaddwd`: at its ceiling (83 GMAC/s on a Zen 3) 469 M of convolutions take
//!   5.6 ms; Winograd took 3.5 there.
//! - `vpmaddubsw`: 99 GMAC/s there, but saturates at i16 unless |w| ≤ 63, and is still slower than Winograd.
//! - Winograd 2×2 everywhere: at 12² and above 4×4 needs 1.8 times fewer products. At 6² both need 144 per channel
//!   and 4×4 reads 2.25 times the weight bytes (19 MB for the last layer), so 2×2 stays there.
//! - U of F(2×2) made from its 9 bytes a kernel where it is used, instead of read as 32: 7 MiB of peak memory less, but in a loop
//!   of its own the last layer's products took 0.34 ms with U ready and 0.45 with it made in pieces that stay in the first-level
//!   cache. The corner points of both forms are the weights themselves, and those lie as bytes: 2 MiB less for the same time.
//!   Widened into memory before the product instead of in it, they made the whole network 1.07 times as slow.
//! - Winograd under SDOT: SMLAL gives four products an instruction, once a cycle on a Cortex-A76; SDOT sixteen, twice.
//!   Winograd's factor of four cannot make up eight.
//! - I8MM (SMMLA, USMMLA): no core of the supported boards has it (A53, A57, A72, A76, A78AE).
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
pub mod layout;
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
mod rows;
pub mod run;
#[cfg(test)]
mod run_tests;
mod side;
mod stock;
mod widen;
pub mod winograd;
mod work;
