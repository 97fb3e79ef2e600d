//! A config written by hand: no text may panic, and every error has a place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moodlight::config::Config;

fuzz_target!(|data: &str| {
    let _ = Config::parse(data, "fuzz.toml");
});
