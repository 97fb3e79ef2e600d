//! The report page: one HTML file that needs nothing else, with inline SVG plots and the pictures that were read worst.

use super::Evaluation;
use super::metrics::{BINS, Figures, ratio};
use super::patches::png;
use super::words::percent;
use crate::emotion::Emotion;
use anyhow::Context;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The page's name inside the report's folder.
const PAGE: &str = "index.html";
/// How many of the surest mistakes are shown.
const HARDEST: usize = 32;

/// Writes the page into `dir`, which is made where it is missing.
pub fn write(dir: &Path, e: &Evaluation) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(PAGE);
    std::fs::write(&path, page(e)?).with_context(|| path.display().to_string())?;
    Ok(path)
}

// Writing to a String cannot fail, so the results of `write!` are let go in this file.
fn page(e: &Evaluation) -> anyhow::Result<String> {
    let mut body = String::new();
    let _ = write!(body, "<h1>moodlight eval</h1><p>{} pictures, {} skipped", e.images, e.skipped);
    if !e.treatment.is_empty() {
        let _ = write!(body, "; {}", escape(&e.treatment));
    }
    if let Some(found) = e.found {
        let rate = percent(ratio(found as f64, e.images as f64));
        let _ = write!(body, "; faces found again: {found} ({rate})");
    }
    body += "</p>";
    for (what, list) in
        [("Folders that are no class", e.unknown_folders.clone()), ("Classes without pictures", names(e))]
    {
        if !list.is_empty() {
            let _ = write!(body, "<p class=\"note\">{what}: {}</p>", escape(&list.join(", ")));
        }
    }
    body += &summary(e);
    for result in &e.results {
        let name = precision_name(result.precision);
        let _ = write!(body, "<h2>{name} <small>{}</small></h2><div class=\"row\">", escape(&result.model));
        body += &confusion_svg(&result.figures, name);
        body += &classes_svg(&result.figures, name);
        body += &calibration_svg(&result.figures, name);
        body += "</div>";
        body += &hardest(e, &result.verdicts)?;
    }
    Ok(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>moodlight eval</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>{body}</body></html>\n"
    ))
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#222}\
    h1,h2{font-weight:600}small,.note{color:#666;font-weight:400}table{border-collapse:collapse}\
    td,th{padding:.2em .8em;text-align:right}th:first-child,td:first-child{text-align:left}\
    tr{border-bottom:1px solid #ddd}.row{display:flex;flex-wrap:wrap;gap:24px}svg text{font:12px system-ui,sans-serif}\
    figure{margin:0}figcaption{font-size:12px;color:#444}.faces{display:flex;flex-wrap:wrap;gap:12px}\
    .faces figure{width:104px}.faces img{width:96px;height:96px;image-rendering:pixelated}";

fn names(e: &Evaluation) -> Vec<String> {
    e.missing_classes.iter().map(|c| c.name().to_string()).collect()
}

fn precision_name(p: crate::classifier::Precision) -> &'static str {
    match p {
        crate::classifier::Precision::Int8 => "int8",
        crate::classifier::Precision::F32 => "f32",
    }
}

fn summary(e: &Evaluation) -> String {
    let mut out =
        "<table><tr><th></th><th>accuracy</th><th>macro F1</th><th>calibration error</th>".to_string();
    out += if e.found.is_some() { "<th>accuracy, misses counted</th></tr>" } else { "</tr>" };
    for r in &e.results {
        let f = &r.figures;
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            precision_name(r.precision),
            percent(f.accuracy),
            percent(f.macro_f1),
            percent(f.calibration_error)
        );
        if e.found.is_some() {
            let _ = write!(out, "<td>{}</td>", percent(e.accuracy_with_misses(f)));
        }
        out += "</tr>";
    }
    out += "</table>";
    if let Some(agreement) = e.agreement() {
        let _ = write!(out, "<p>The two precisions agree on {}.</p>", percent(agreement));
    }
    out
}

/// Rows are the truth; the shade is the share of the row, the number the count.
fn confusion_svg(f: &Figures, name: &str) -> String {
    let (cell, left, top) = (46.0, 74.0, 34.0);
    let mut out = svg(left + 7.0 * cell + 8.0, top + 7.0 * cell + 26.0, &format!("Confusion matrix, {name}"));
    for (i, e) in Emotion::ALL.iter().enumerate() {
        let at = (i as f64 + 0.5) * cell;
        let _ =
            write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{e}</text>", left - 6.0, top + at + 4.0);
        let _ =
            write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{e}</text>", left + at, top - 8.0);
    }
    for (r, row) in f.confusion.iter().enumerate() {
        let sum: u32 = row.iter().sum();
        for (c, &count) in row.iter().enumerate() {
            let share = ratio(f64::from(count), f64::from(sum));
            let (x, y) = (left + c as f64 * cell, top + r as f64 * cell);
            let (fill, ink) = (shade(share), if share > 0.5 { "#fff" } else { "#222" });
            let _ = write!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{cell}\" fill=\"{fill}\" stroke=\"#fff\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{ink}\">{count}</text>",
                x + cell / 2.0,
                y + cell / 2.0 + 4.0
            );
        }
    }
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">what it was called; rows are the truth</text></svg>",
        left + 3.5 * cell,
        top + 7.0 * cell + 18.0
    );
    out
}

/// White to deep blue.
fn shade(share: f64) -> String {
    let mix = |from: f64, to: f64| (from + (to - from) * share.sqrt()).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(245.0, 8.0), mix(248.0, 64.0), mix(252.0, 129.0))
}

/// Recall, precision and F1 of each class as bars.
fn classes_svg(f: &Figures, name: &str) -> String {
    let (left, wide, step) = (74.0, 240.0, 46.0);
    let mut out = svg(left + wide + 50.0, 34.0 + 7.0 * step + 26.0, &format!("Per class, {name}"));
    let bars = [("recall", "#084081"), ("precision", "#4eb3d3"), ("F1", "#a8ddb5")];
    for (i, (label, colour)) in bars.iter().enumerate() {
        let x = left + i as f64 * 80.0;
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"14\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"23\">{label}</text>",
            x + 14.0
        );
    }
    for (e, class) in Emotion::ALL.iter().zip(&f.per_class) {
        let y = 34.0 + e.index() as f64 * step;
        let _ = write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{e}</text>", left - 6.0, y + 26.0);
        for (i, (value, (_, colour))) in
            [class.recall, class.precision, class.f1].iter().zip(bars).enumerate()
        {
            let (w, y) = (value * wide, y + 4.0 + i as f64 * 13.0);
            let _ = write!(
                out,
                "<rect x=\"{left}\" y=\"{y}\" width=\"{w:.1}\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{value:.3}</text>",
                left + w + 4.0,
                y + 10.0
            );
        }
    }
    out + "</svg>"
}

/// How often it was right against how sure it was; the diagonal is perfect.
fn calibration_svg(f: &Figures, name: &str) -> String {
    let (left, top, side) = (44.0, 34.0, 260.0);
    let mut out = svg(left + side + 16.0, top + side + 44.0, &format!("Calibration, {name}"));
    let most = f.bins.iter().map(|b| b.count).max().unwrap_or(0);
    let (x, y) = (|v: f64| left + v * side, |v: f64| top + (1.0 - v) * side);
    for (i, bin) in f.bins.iter().enumerate() {
        let h = ratio(f64::from(bin.count), f64::from(most));
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#e8eef5\"><title>{} faces</title></rect>",
            x(i as f64 / BINS as f64),
            y(h),
            side / BINS as f64 - 1.0,
            h * side,
            bin.count
        );
    }
    let _ = write!(
        out,
        "<path d=\"M{left} {top}V{b}H{r}\" fill=\"none\" stroke=\"#888\"/>\
         <path d=\"M{left} {b}L{r} {top}\" stroke=\"#bbb\" stroke-dasharray=\"4 4\"/>",
        b = top + side,
        r = left + side
    );
    let points: Vec<String> = (f.bins.iter().filter(|b| b.count > 0))
        .map(|b| format!("{:.1},{:.1}", x(b.confidence), y(b.accuracy)))
        .collect();
    let _ = write!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#084081\" stroke-width=\"2\"/>",
        points.join(" ")
    );
    for p in &points {
        let (px, py) = p.split_once(',').unwrap_or(("0", "0"));
        let _ = write!(out, "<circle cx=\"{px}\" cy=\"{py}\" r=\"3.5\" fill=\"#084081\"/>");
    }
    for v in [0.0, 0.5, 1.0] {
        let _ = write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{v}</text>", left - 5.0, y(v) + 4.0);
        let _ =
            write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{v}</text>", x(v), top + side + 16.0);
    }
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">how sure it was → how often it was right (error {})</text></svg>",
        left + side / 2.0,
        top + side + 36.0,
        percent(f.calibration_error)
    );
    out
}

fn svg(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\"><title>{title}</title>"
    )
}

/// The surest mistakes, with their pictures.
fn hardest(e: &Evaluation, verdicts: &[super::Verdict]) -> anyhow::Result<String> {
    let mut wrong: Vec<_> = e.judged.iter().zip(verdicts).filter(|(_, v)| !v.is_right()).collect();
    wrong.sort_by(|(_, a), (_, b)| b.scores.top().1.total_cmp(&a.scores.top().1));
    let mut out = format!("<h3>The surest of {} mistakes</h3><div class=\"faces\">", wrong.len());
    for ((sample, patch), verdict) in wrong.into_iter().take(HARDEST) {
        let (called, score) = verdict.scores.top();
        let _ = write!(
            out,
            "<figure><img alt=\"\" title=\"{name}\" src=\"data:image/png;base64,{}\"><figcaption>{} is called {called} \
             ({:.0} %)</figcaption></figure>",
            base64(&png(patch)?),
            sample.truth,
            score * 100.0,
            name = escape(&sample.name)
        );
    }
    Ok(out + "</div>")
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([0, 0].iter()).take(3).fold(0u32, |v, &b| v << 8 | u32::from(b));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i > group.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// RFC 4648, section 10.
    #[rstest]
    #[case("", "")]
    #[case("f", "Zg==")]
    #[case("fo", "Zm8=")]
    #[case("foo", "Zm9v")]
    #[case("foobar", "Zm9vYmFy")]
    fn base64_is_the_standards(#[case] plain: &str, #[case] coded: &str) {
        assert_eq!(base64(plain.as_bytes()), coded);
    }

    #[test]
    fn names_of_files_cannot_break_the_page() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
