//! The measurements as a table.

use crate::cli::style::{Style, table};
use serde_json::{Map, Value};

pub fn describe(result: &Map<String, Value>) -> String {
    let style = Style::for_stdout();
    let text = |key: &str| result.get(key).map_or_else(String::new, plain);
    let mut out = format!("{}\n", style.bold(&format!("{}, {} thread(s)", text("cpu"), text("threads"))));
    let mut rows = vec![["", "p50 ms", "p95 ms", "min ms", "runs"].map(String::from).to_vec()];
    for precision in ["int8", "f32"] {
        if let Some(one) = result.get(precision) {
            rows.push(row(&format!("classify {precision} ({})", plain(&one["kernel"])), &one["classify_ms"]));
        }
    }
    for (name, key) in [("decode", "decode_ms"), ("detect", "detect_ms")] {
        rows.push(row(name, &result[key]));
    }
    rows.push(row(&format!("whole frame ({})", text("frame_precision")), &result["frame_ms"]));
    out += &table(&rows);
    for precision in ["int8", "f32"] {
        if let Some(one) = result.get(precision) {
            let (load, peak) = (plain(&one["load_ms"]), plain(&one["peak_rss_mib"]));
            out += &format!("{precision}: loads in {load} ms, peak memory {peak} MiB\n");
        }
    }
    out += &format!("frame: {}, peak memory {} MiB\n", text("frame"), text("frame_peak_rss_mib"));
    for precision in ["int8", "f32"] {
        if let Some(layers) = result.get(precision).and_then(|one| one["layers"].as_array()) {
            out += &format!("\n{}\n{}", style.bold(&format!("layers, {precision}")), layer_table(layers));
        }
    }
    out
}

fn row(name: &str, figures: &Value) -> Vec<String> {
    let mut row = vec![name.to_string()];
    row.extend(["p50", "p95", "min", "runs"].map(|k| plain(&figures[k])));
    row
}

fn layer_table(layers: &[Value]) -> String {
    let mut rows = vec![["layer", "operator", "ms", "GMAC/s", "kernel"].map(String::from).to_vec()];
    for l in layers {
        rows.push(["name", "op", "ms", "gmac_per_s", "kernel"].map(|k| plain(&l[k])).to_vec());
    }
    table(&rows)
}

/// A value without quotes; nothing is a dash.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}
