//! The local time of day, by the system's own `date`, which knows the time zone's rules. Asked once in a while, so that a child
//! process costs nothing that counts; the C library's localtime would need a dependency that builds all the others anew.

use std::process::{Command, Stdio};

/// Minutes after midnight; `None` where nobody can tell.
pub fn local_minute() -> Option<u16> {
    let output =
        Command::new("date").arg("+%H:%M").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    parse(std::str::from_utf8(&output.stdout).ok()?.trim())
}

fn parse(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_some_time_of_day() {
        assert!(local_minute().is_some());
        assert_eq!(
            [parse("23:59"), parse("00:00"), parse("24:00"), parse("")],
            [Some(1439), Some(0), None, None]
        );
    }
}
