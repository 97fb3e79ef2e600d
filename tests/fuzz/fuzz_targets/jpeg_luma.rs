//! A camera's JPEG → luma, missing Huffman tables among it: no bytes may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moodlight::frame::GrayImage;
use moodlight::preprocess::LumaJpeg;

fuzz_target!(|data: &[u8]| {
    let mut out = GrayImage::default();
    if LumaJpeg::default().decode(data, &mut out).is_ok() {
        assert_eq!(out.data.len(), out.width * out.height);
    }
});
