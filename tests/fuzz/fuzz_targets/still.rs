//! Photos, their EXIF orientation among it: no bytes may panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moodlight::preprocess::Still;

fuzz_target!(|data: &[u8]| {
    let _ = Still::from_bytes(data, "fuzz").map(|still| still.patch(None));
});
