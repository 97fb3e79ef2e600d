//! What the terminal can do: live pictures, colours, Unicode; and how large its window is.

use rustix::termios::tcgetwinsize;
use std::env;
use std::io::IsTerminal;

/// How colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    None,
    /// 256 colours: a 6×6×6 cube.
    Cube,
    /// 24 bits.
    True,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalStyle {
    /// Redraw in place; otherwise plain lines.
    pub live: bool,
    pub colors: Colors,
    /// Dots and blocks rather than ASCII.
    pub unicode: bool,
}

impl TerminalStyle {
    /// Plain lines: files, pipes, dumb terminals.
    pub const PLAIN: TerminalStyle = TerminalStyle { live: false, colors: Colors::None, unicode: false };

    /// What stdout can do, by the usual variables: `TERM`, `NO_COLOR` (any value, see no-color.org), `COLORTERM`,
    /// `LC_ALL`, `LC_CTYPE`, `LANG`.
    pub fn of_stdout() -> Self {
        Self::detect(std::io::stdout().is_terminal(), |key| env::var(key).ok().filter(|v| !v.is_empty()))
    }

    fn detect(is_terminal: bool, var: impl Fn(&str) -> Option<String>) -> Self {
        let term = var("TERM").unwrap_or_default();
        if !is_terminal || term == "dumb" {
            return Self::PLAIN;
        }
        let colors = match var("COLORTERM").as_deref() {
            _ if var("NO_COLOR").is_some() => Colors::None,
            Some("truecolor" | "24bit") => Colors::True,
            _ => Colors::Cube,
        };
        let locale = var("LC_ALL").or_else(|| var("LC_CTYPE")).or_else(|| var("LANG")).unwrap_or_default();
        // The Linux console's font has blocks but no large dots; both are fine there.
        let unicode = locale.to_uppercase().replace('-', "").contains("UTF8");
        Self { live: true, colors, unicode }
    }
}

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    pub columns: usize,
    pub rows: usize,
}

impl WindowSize {
    /// The window of stdout; 80×24 where it does not say.
    pub fn of_stdout() -> Self {
        match tcgetwinsize(std::io::stdout()) {
            Ok(s) if s.ws_col > 0 && s.ws_row > 0 => Self { columns: s.ws_col.into(), rows: s.ws_row.into() },
            _ => Self { columns: 80, rows: 24 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::pipe(false, &[("TERM", "xterm")], TerminalStyle::PLAIN)]
    #[case::dumb(true, &[("TERM", "dumb"), ("LANG", "C.UTF-8")], TerminalStyle::PLAIN)]
    #[case::xterm(true, &[("TERM", "xterm"), ("LANG", "de_DE.utf8")],
        TerminalStyle { live: true, colors: Colors::Cube, unicode: true })]
    #[case::truecolor(true, &[("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")],
        TerminalStyle { live: true, colors: Colors::True, unicode: true })]
    #[case::no_color_wins(true, &[("COLORTERM", "truecolor"), ("NO_COLOR", "1"), ("LANG", "C")],
        TerminalStyle { live: true, colors: Colors::None, unicode: false })]
    #[case::lc_all_wins(true, &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")],
        TerminalStyle { live: true, colors: Colors::Cube, unicode: false })]
    fn style_follows_the_environment(
        #[case] is_terminal: bool,
        #[case] vars: &[(&str, &str)],
        #[case] expect: TerminalStyle,
    ) {
        let var = |key: &str| vars.iter().find(|(k, _)| *k == key).map(|(_, v)| v.to_string());
        assert_eq!(TerminalStyle::detect(is_terminal, var), expect);
    }
}
