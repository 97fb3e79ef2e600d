//! How moodlight's own service is, by asking systemctl.

use crate::doctor::facts::Service;
use std::path::Path;
use std::process::Command;

const UNIT: &str = "moodlight.service";
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,NRestarts,StatusText";

pub fn service() -> Service {
    // What systemd itself looks for to know whether it runs the machine.
    if !Path::new("/run/systemd/system").is_dir() {
        return Service::NoManager;
    }
    match Command::new("systemctl").args(["show", UNIT, PROPERTIES]).output() {
        Ok(output) if output.status.success() => parse(&String::from_utf8_lossy(&output.stdout)),
        _ => Service::NoManager,
    }
}

/// `Key=value` lines.
fn parse(text: &str) -> Service {
    let value = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    match value("LoadState").as_str() {
        "loaded" => Service::State {
            active: value("ActiveState"),
            sub: value("SubState"),
            is_enabled: value("UnitFileState").starts_with("enabled"),
            restarts: value("NRestarts").parse().unwrap_or(0),
            says: value("StatusText"),
        },
        _ => Service::NotInstalled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::runs(
        "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=2\nStatusText=happy\n",
        Some(("active", "running", true, 2, "happy"))
    )]
    #[case::for_this_boot("LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled-runtime\n", Some(("failed", "failed", true, 0, "")))]
    #[case::absent("LoadState=not-found\nActiveState=inactive\nSubState=dead\n", None)]
    #[case::nonsense("", None)]
    fn reads(#[case] text: &str, #[case] expect: Option<(&str, &str, bool, u32, &str)>) {
        let expect = expect.map_or(Service::NotInstalled, |(active, sub, is_enabled, restarts, says)| {
            Service::State { active: active.into(), sub: sub.into(), is_enabled, restarts, says: says.into() }
        });
        assert_eq!(parse(text), expect);
    }
}
