//! Finding a line among what the kernel shows, and saying what is wrong with it. Pure.

use super::GpioError;
use std::path::PathBuf;

/// Which line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LineAt {
    /// Offset on the board's chip.
    Offset(u32),
    /// The kernel's name for it: on the board's chip if that has it, else on any.
    Name(String),
}

/// A chip as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipView {
    pub path: PathBuf,
    pub label: String,
    /// Index is the offset.
    pub lines: Vec<LineView>,
}

/// A line as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineView {
    pub offset: u32,
    /// Empty where the device tree gives none.
    pub name: String,
    /// Who holds it; an empty string: the kernel, without saying for what.
    pub holder: Option<String>,
}

/// A line and its chip.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub chip: &'a ChipView,
    pub line: &'a LineView,
}

/// Finds `line`; `chip` is the label or the name of the board's chip.
///
/// # Errors
/// No such chip (the ones there are), no such offset (how many there are), no such name (the names there are), held by
/// someone (who, and which are free).
pub(super) fn find<'a>(chips: &'a [ChipView], chip: &str, line: &LineAt) -> Result<Found<'a>, GpioError> {
    let found = locate(chips, chip, line)?;
    match &found.line.holder {
        Some(_) => Err(found.why_refused("")),
        None => Ok(found),
    }
}

/// As [`find`], whoever holds it.
pub(super) fn locate<'a>(chips: &'a [ChipView], chip: &str, line: &LineAt) -> Result<Found<'a>, GpioError> {
    let board = chips.iter().find(|c| c.is_called(chip));
    match line {
        LineAt::Offset(offset) => {
            let board = board.ok_or_else(|| no_chip(chips, chip))?;
            let line = board.lines.get(*offset as usize).ok_or_else(|| {
                let last = board.lines.len().saturating_sub(1);
                GpioError::new(&board.label, format!("it has no line {offset}: its lines are 0 to {last}"))
            })?;
            Ok(Found { chip: board, line })
        }
        LineAt::Name(name) => board
            .into_iter()
            .chain(chips)
            .find_map(|chip| Some(Found { chip, line: chip.lines.iter().find(|l| l.name == *name)? }))
            .ok_or_else(|| no_name(chips, name)),
    }
}

impl ChipView {
    fn is_called(&self, name: &str) -> bool {
        self.label == name || self.path.file_name().is_some_and(|f| f == name)
    }

    /// "3, 5 and 12 others": the first lines that nobody holds.
    fn free(&self) -> String {
        let free: Vec<String> =
            self.lines.iter().filter(|l| l.holder.is_none()).map(LineView::short).collect();
        match free.len() {
            0 => "none is free".into(),
            n if n <= SHOWN => format!("free: {}", free.join(", ")),
            n => format!("free: {} and {} others", free[..SHOWN].join(", "), n - SHOWN),
        }
    }
}

/// How many lines a message lists.
const SHOWN: usize = 12;

impl LineView {
    fn short(&self) -> String {
        if self.name.is_empty() {
            self.offset.to_string()
        } else {
            format!("{} ({})", self.offset, self.name)
        }
    }
}

impl Found<'_> {
    /// "line 17 (GPIO17) of pinctrl-bcm2711".
    pub fn name(&self) -> String {
        format!("line {} of {}", self.line.short(), self.chip.label)
    }

    /// Why the kernel refused it: held by someone, or what it said.
    pub fn why_refused(&self, kernel: &str) -> GpioError {
        let who = match self.line.holder.as_deref() {
            None => return GpioError::new(&self.name(), format!("the kernel refused it: {kernel}")),
            Some("") => "the kernel".to_owned(),
            Some(super::CONSUMER) => "another moodlight".to_owned(),
            Some(other) => format!("\"{other}\""),
        };
        GpioError::new(
            &self.name(),
            format!("held by {who}; end that, or use another pin ({})", self.chip.free()),
        )
    }
}

fn no_chip(chips: &[ChipView], wanted: &str) -> GpioError {
    let list: Vec<String> = chips.iter().map(|c| format!("{} ({} lines)", c.label, c.lines.len())).collect();
    GpioError::new(
        "gpio",
        format!(
            "no chip \"{wanted}\"; there is {}. Is this the board that the profile is for?",
            list.join(", ")
        ),
    )
}

fn no_name(chips: &[ChipView], wanted: &str) -> GpioError {
    let names: Vec<&str> =
        chips.iter().flat_map(|c| &c.lines).map(|l| l.name.as_str()).filter(|n| !n.is_empty()).collect();
    let list = match names.len() {
        0 => "this kernel names no lines: give an offset or a header pin".to_owned(),
        n if n <= 2 * SHOWN => format!("there is {}", names.join(", ")),
        n => format!("there is {} and {} others", names[..2 * SHOWN].join(", "), n - 2 * SHOWN),
    };
    GpioError::new("gpio", format!("no line \"{wanted}\"; {list}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// "label: name=holder name …", `_` for a line without a name; `=` alone: held by the kernel.
    fn chip(index: usize, text: &str) -> ChipView {
        let (label, lines) = text.split_once(": ").unwrap();
        let line = |(offset, word): (usize, &str)| {
            let (name, holder) = word.split_once('=').map_or((word, None), |(n, h)| (n, Some(h.to_owned())));
            LineView { offset: offset as u32, name: name.trim_matches('_').into(), holder }
        };
        ChipView {
            path: format!("/dev/gpiochip{index}").into(),
            label: label.into(),
            lines: lines.split(' ').enumerate().map(line).collect(),
        }
    }

    fn check(line: LineAt, chip_name: &str, expect: Result<(&str, u32), &str>) {
        let chips = [
            chip(0, "raspberrypi-exp: BT_ON WL_ON="),
            chip(1, "pinctrl-bcm2711: ID_SDA _ GPIO2=i2c GPIO3 BT_ON"),
        ];
        let found = find(&chips, chip_name, &line).map(|f| (f.chip.label.as_str(), f.line.offset));
        match (found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect),
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
            (found, _) => panic!("{found:?}, expected {expect:?}"),
        }
    }

    const BOARD: &str = "pinctrl-bcm2711";

    #[rstest]
    #[case::by_offset(LineAt::Offset(3), BOARD, Ok((BOARD, 3)))]
    #[case::chip_by_name(LineAt::Offset(3), "gpiochip1", Ok((BOARD, 3)))]
    #[case::by_name(LineAt::Name("GPIO3".into()), BOARD, Ok((BOARD, 3)))]
    #[case::name_on_the_boards_chip_first(LineAt::Name("BT_ON".into()), BOARD, Ok((BOARD, 4)))]
    #[case::name_without_the_boards_chip(LineAt::Name("GPIO3".into()), "other", Ok((BOARD, 3)))]
    #[case::no_chip(
        LineAt::Offset(3),
        "pinctrl-rp1",
        Err("there is raspberrypi-exp (2 lines), pinctrl-bcm2711 (5 lines)")
    )]
    #[case::no_offset(LineAt::Offset(5), BOARD, Err("its lines are 0 to 4"))]
    #[case::no_name(LineAt::Name("GPIO99".into()), BOARD, Err("no line \"GPIO99\"; there is BT_ON, WL_ON, ID_SDA"))]
    #[case::held(LineAt::Offset(2), BOARD, Err("line 2 (GPIO2) of pinctrl-bcm2711: held by \"i2c\""))]
    #[case::held_says_what_is_free(
        LineAt::Offset(2),
        BOARD,
        Err("free: 0 (ID_SDA), 1, 3 (GPIO3), 4 (BT_ON)")
    )]
    #[case::held_by_kernel(LineAt::Name("WL_ON".into()), BOARD, Err("held by the kernel"))]
    fn finds(#[case] line: LineAt, #[case] chip: &str, #[case] expect: Result<(&str, u32), &str>) {
        check(line, chip, expect);
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..60).map(|n| format!("PIN{n}")).collect();
        let big = [chip(0, &format!("big: {}", names.join(" ")))];
        let error = find(&big, "big", &LineAt::Name("X".into())).unwrap_err().to_string();
        assert!(error.contains("PIN23 and 36 others") && !error.contains("PIN24,"), "{error}");
    }
}
