//! `bench`: the promised object, with times that hang together.

use crate::harness::moodlight;
use serde_json::Value;

fn ms(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no {key} in {value:#}"))
}

#[test]
fn the_json_is_the_promised_one() {
    let ran = moodlight(["bench", "--precision", "both", "--seconds", "100ms", "--layers", "--json"])
        .expect(0, &[]);
    let result = ran.json();
    assert!(!result["cpu"].as_str().unwrap().is_empty());
    assert_eq!(result["threads"], 1);
    for precision in ["int8", "f32"] {
        let one = &result[precision];
        let t = &one["classify_ms"];
        assert!(
            0.0 < ms(t, "min") && ms(t, "min") <= ms(t, "p50") && ms(t, "p50") <= ms(t, "p95"),
            "{one:#}"
        );
        assert!(ms(one, "load_ms") > 0.0 && ms(one, "peak_rss_mib") > 10.0, "{one:#}");
        assert!(
            one["kernel"].is_string() && one["layers"].as_array().is_some_and(|l| l.len() >= 11),
            "{one:#}"
        );
        let named = |l: &Value| l["op"].is_string() && l["kernel"].is_string();
        assert!(one["layers"].as_array().unwrap().iter().all(named), "{one:#}");
    }
    // tract runs the f32 convolutions, not the int8 kernel.
    assert!(result["f32"]["kernel"].as_str().unwrap().contains("tract"), "{result:#}");
    assert!(!result["int8"]["kernel"].as_str().unwrap().contains("tract"), "{result:#}");
    for stage in ["decode_ms", "detect_ms", "frame_ms"] {
        assert!(ms(&result[stage], "min") > 0.0, "{result:#}");
    }
    // The whole frame has the decoding in it (and a full scan only now and then: faces are followed between).
    assert!(ms(&result["frame_ms"], "min") > ms(&result["decode_ms"], "min"), "{result:#}");
    // Four times smaller weights: the reason for int8 on a small board.
    assert!(ms(&result["int8"], "peak_rss_mib") < ms(&result["f32"], "peak_rss_mib"), "{result:#}");
}

#[test]
fn people_get_a_table() {
    moodlight(["bench", "--precision", "int8", "--seconds", "50ms"])
        .expect(0, &["classify int8", "decode", "detect", "whole frame", "p95 ms", "peak memory"]);
}
