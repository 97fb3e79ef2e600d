//! moodlight: a frame goes in at the camera, a light comes out at the pin.
//!
//! Everything between is a straight corridor:
//!
//! ```text
//! FrameSource → (latest frame) → FaceDetector → tracks → FacePatch → Classifier → Decision → Indicators
//!  hal | sim                        tract         48×48    tract int8                hal | sim
//! ```
//!
//! # Invariants
//! - [`pipeline`], [`decision`], [`preprocess`], [`detector`], [`classifier`] and [`outputs`] never read a clock:
//!   time is an argument. Only [`runtime`] reads it.
//! - [`hal`] and [`sim`] implement the same inner traits and never name each other; [`app`] is the only room that
//!   names both.
//! - No frame leaves the process unless a snapshot or preview was asked for.
//! - Nothing panics because of a cable, a file or a peer.
//!
//! `tests/tidy.rs` holds the first two.

pub mod app;
pub mod backoff;
pub mod classifier;
pub mod cli;
pub mod config;
pub mod decision;
pub mod detector;
pub mod doctor;
pub mod emotion;
pub mod frame;
pub mod hal;
pub mod outputs;
pub mod pipeline;
pub mod preprocess;
pub mod quant;
pub mod runtime;
pub mod sim;
pub mod source;
