//! TOML text → typed tables, with errors that a person can act on: file, line, column, and the key that was meant.
//!
//! Serde lists the known keys when it meets an unknown one; the nearest of them is offered. It reads no files.

use super::ConfigError;
use serde::de::DeserializeOwned;

/// Parses `text`, which came from `file` (only named in errors).
pub fn parse<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|e| {
        let (line, column) = e.span().map_or((1, 1), |span| position(text, span.start));
        ConfigError::Syntax { file: file.into(), line, column, reason: explain(e.message()) }
    })
}

/// Line and column of a byte offset, both from 1; columns count characters.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}

/// "unknown field `a`, expected one of `b`, `c`" → "unknown key `a`; did you mean `b`? (known here: b, c)"
fn explain(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let Some(rest) = message.strip_prefix("unknown field ").or(message.strip_prefix("unknown variant "))
    else {
        return message;
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let (Some(unknown), known) = (quoted.next(), quoted.collect::<Vec<_>>()) else {
        return message;
    };
    let what = if message.starts_with("unknown field") { "key" } else { "value" };
    match nearest(unknown, &known) {
        Some(near) => {
            format!("unknown {what} `{unknown}`; did you mean `{near}`? Known here: {}", known.join(", "))
        }
        None => format!("unknown {what} `{unknown}`; none is known here"),
    }
}

/// The known name that is written most like `typed`.
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |k: &str| strsim::jaro_winkler(typed, k);
    known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("thresold", &["hold_ms", "threshold", "dwell_ms"], Some("threshold"))]
    #[case("hapy", &["angry", "happy", "sad"], Some("happy"))]
    #[case("DWELL", &["dwell_ms"], Some("dwell_ms"))]
    #[case("x", &[], None)]
    fn offers_the_nearest(#[case] typed: &str, #[case] known: &[&str], #[case] expect: Option<&str>) {
        assert_eq!(nearest(typed, known), expect);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("a\nöä b", "a\nöä ".len()), (2, 4));
        assert_eq!(position("", 0), (1, 1));
    }
}
