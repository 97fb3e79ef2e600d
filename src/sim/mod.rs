//! (see ARCHITECTURE.md)
pub mod pins;
pub mod terminal;
