//! What a person and a program see: lights, page, terminal and trace.

#[path = "../stage/mod.rs"]
mod stage;

mod display;
mod leds;
mod terminal;
mod trace;
