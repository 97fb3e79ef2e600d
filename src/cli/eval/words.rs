//! An evaluation in words and columns, for a terminal.

use super::Evaluation;
use super::metrics::{Figures, ratio};
use crate::cli::style::{Style, table};
use crate::emotion::Emotion;
use std::fmt::Write as _;

pub fn describe(e: &Evaluation) -> String {
    let style = Style::for_stdout();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} pictures, {} skipped{}", e.images, e.skipped, in_brackets(&e.treatment));
    if let Some(found) = e.found {
        let _ = writeln!(out, "faces found: {found} ({})", percent(ratio(found as f64, e.images as f64)));
    }
    for result in &e.results {
        let figures = &result.figures;
        let name = format!("{:?}", result.precision).to_lowercase();
        let accuracy = format!("{} accuracy {}", name, percent(figures.accuracy));
        let _ = write!(out, "\n{}", style.bold(&accuracy));
        if e.found.is_some() {
            let _ = write!(out, " among the found, {} of all", percent(e.accuracy_with_misses(figures)));
        }
        let details = format!(
            "macro F1 {}, calibration error {}, model {}",
            percent(figures.macro_f1),
            percent(figures.calibration_error),
            result.model
        );
        let _ = writeln!(out, "  {}\n{}", style.dim(&details), confusion(figures));
    }
    if let Some(agreement) = e.agreement() {
        let _ = writeln!(out, "the two precisions agree on {}", percent(agreement));
    }
    out
}

/// One row for each class: how many of its pictures were called what, then recall, precision and F1.
fn confusion(figures: &Figures) -> String {
    let mut header = vec!["truth \\ called".to_string()];
    header.extend(Emotion::ALL.iter().map(|e| e.name().to_string()));
    header.extend(["recall", "precision", "F1"].map(String::from));
    let mut rows = vec![header];
    for truth in Emotion::ALL {
        let mut row = vec![truth.name().to_string()];
        row.extend(figures.confusion[truth.index()].iter().map(u32::to_string));
        let class = figures.per_class[truth.index()];
        row.extend([class.recall, class.precision, class.f1].map(|v| format!("{v:.3}")));
        rows.push(row);
    }
    table(&rows)
}

pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}
