//! How results look on stdout: bars, and bold where a person reads it on a terminal.

use std::fmt::Write as _;
use std::io::IsTerminal;

/// Escape codes, or nothing: `NO_COLOR` and anything that is no terminal get plain text.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    coloured: bool,
}

impl Style {
    pub fn for_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { coloured: wanted && std::io::stdout().is_terminal() }
    }

    #[cfg(test)]
    const PLAIN: Self = Self { coloured: false };

    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// A bar of `width` cells, filled to `share` (0..=1) in eighths of a cell.
pub fn bar(share: f32, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * width as f32 * 8.0).round() as usize;
    let mut out = "█".repeat(eighths / 8);
    if eighths / 8 < width {
        out.push(EIGHTHS[eighths % 8]);
    }
    let used = out.chars().count();
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    out
}

/// Columns, as wide as their widest cell; all but the first are right-aligned. No trailing spaces.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, w)) in row.iter().zip(&widths).enumerate() {
            let gap = if c == 0 { "" } else { "  " };
            // Writing to a String cannot fail.
            let _ = if c == 0 { write!(line, "{cell:<w$}") } else { write!(line, "{gap}{cell:>w$}") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_always_as_wide_as_asked() {
        for i in 0..=100 {
            assert_eq!(bar(i as f32 / 100.0, 10).chars().count(), 10, "{i} %");
        }
        assert_eq!((bar(1.0, 3), bar(0.0, 3), bar(0.5, 3)), ("███".into(), "   ".into(), "█▌ ".into()));
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_string(), "1".into()], vec!["bcd".into(), "22".into()]];
        assert_eq!(table(&rows), "a     1\nbcd  22\n");
        assert_eq!(Style::PLAIN.bold("x"), "x");
    }
}
