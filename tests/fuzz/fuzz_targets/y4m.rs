//! Y4M headers and frames: no bytes may panic or play for ever.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moodlight::frame::Frame;
use moodlight::sim::intake::{InMemory, Intake};
use moodlight::sim::y4m::Y4m;
use moodlight::source::{Delivery, FrameSource, SourceError};
use std::io::Cursor;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let intake = Intake::new(Box::new(InMemory(Cursor::new(data.to_vec()))));
    let Ok(mut source) = Y4m::open(intake, "fuzz".into()) else { return };
    let mut frame = Frame::default();
    for _ in 0..=data.len() {
        match source.next_frame(&mut frame, Duration::ZERO) {
            Ok(Delivery::Frame) | Err(SourceError::BadFrame { .. }) => {}
            Ok(Delivery::End | Delivery::Idle) | Err(_) => return,
        }
    }
    panic!("more frames than bytes");
});
