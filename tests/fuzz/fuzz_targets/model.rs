//! Model files that somebody else made: no bytes may panic, and none may ask for memory without end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moodlight::quant::kernels;
use moodlight::quant::onnx_file::OnnxFile;
use moodlight::quant::plan::Plan;
use moodlight::quant::pool::Pool;
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    // A file is mapped, so there must be one; each process has its own.
    let path = std::env::temp_dir().join(format!("moodlight-fuzz-{}.onnx", std::process::id()));
    std::fs::write(&path, data).unwrap();
    let Ok(file) = OnnxFile::open(&path) else { return };
    let _ = Plan::load(&file, kernels::available()[0], &Arc::new(Pool::new(1).unwrap()));
});
