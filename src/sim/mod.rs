//! (see ARCHITECTURE.md)
pub mod pins;
