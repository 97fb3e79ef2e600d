//! `outputs-off`: what config or profile ask for goes dark, and is named where it could not.

use crate::harness::{Scratch, moodlight};
use rstest::rstest;

const NO_BUS: &str = "[oled]\nbus = \"/dev/no-such-bus\"\n";

/// A board without LEDs, whose screen is left to others: only the small panel counts.
#[rstest]
#[case::nothing_asked_for("", "", 0, &[])]
#[case::configs_panel(NO_BUS, "", 1, &["OLED on /dev/no-such-bus"])]
#[case::boards_panel("", NO_BUS, 1, &["OLED on /dev/no-such-bus"])]
fn a_panel_that_stays_lit_is_told(
    #[case] config: &str,
    #[case] profile: &str,
    #[case] code: i32,
    #[case] words: &[&str],
) {
    let scratch = Scratch::new();
    let board = format!("name = \"Mine\"\n[gpio]\nchip = \"none\"\n{profile}");
    let board = scratch.write("mine.toml", board.as_bytes());
    let config = scratch.write("my.toml", format!("[screen]\nenabled = false\n{config}").as_bytes());
    moodlight(["outputs-off", "--config", &config, "--board", &board]).expect(code, words);
}
