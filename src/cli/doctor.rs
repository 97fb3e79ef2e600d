//! `moodlight doctor`: what works, what does not, what to do. A table for people, JSON for programs; `--fix` prints the
//! commands and runs none.

use super::args::DoctorArgs;
use super::style::Style;
use super::{CommandResult, Exit, Failure, print, print_json};
use crate::app;
use crate::config::{Config, Loaded, Overrides, Settings};
use crate::doctor::{self, Check, Status};

pub fn run(args: DoctorArgs) -> CommandResult {
    let checks = examine(&args)?;
    if args.json {
        print_json(&checks)?;
    } else if args.fix {
        print(&fixes(&checks))?;
    } else {
        print(&in_words(&checks, Style::for_stdout()))?;
    }
    Ok(if doctor::worst(&checks) == Status::Fail { Exit::Incomplete } else { Exit::Done })
}

/// A config that can't be read is a finding, not the end: the rest is looked at with the board's defaults.
fn examine(args: &DoctorArgs) -> Result<Vec<Check>, Failure> {
    let flags = Overrides {
        board: args.place.board.clone(),
        remembered_board: super::run::known_board(),
        source: args.source.clone(),
        ..Overrides::default()
    };
    let tree = super::run::device_tree();
    let resolved = Config::find(args.place.config.as_deref())
        .and_then(|loaded| Settings::resolve(loaded, &flags, &tree));
    let (settings, broken) = match resolved {
        Ok(settings) => (settings, None),
        Err(e) => {
            // As if the file were there and empty, so that the board is recognised.
            let file = args.place.config.clone().or_else(|| Some(crate::config::SYSTEM_CONFIG.into()));
            let empty = Loaded { config: Config::default(), file };
            (Settings::resolve(empty, &flags, &tree).map_err(Failure::usage)?, Some(e))
        }
    };
    Ok(doctor::judge(&app::doctor_facts(&settings, broken.as_ref(), &tree)))
}

fn in_words(checks: &[Check], style: Style) -> String {
    let width = checks.iter().map(|c| c.check.len()).max().unwrap_or(0);
    let mut out = String::new();
    for c in checks {
        let status = format!("{:<4}", c.status.name());
        let status = match c.status {
            Status::Ok => style.good(&status),
            Status::Skip => style.dim(&status),
            Status::Warn => style.bold(&status),
            Status::Fail => style.bad(&status),
        };
        out += &format!("{status}  {:<width$}  {}\n", c.check, c.found);
        if !c.advice.is_empty() {
            out += &format!("      {:<width$}  → {}\n", "", c.advice);
        }
    }
    if checks.iter().any(|c| !c.fix.is_empty()) {
        out += "`moodlight doctor --fix` prints the commands that would help.\n";
    }
    out
}

/// One command a line, below a comment that says what for: a script to read first.
fn fixes(checks: &[Check]) -> String {
    let with_fix: Vec<&Check> = checks.iter().filter(|c| !c.fix.is_empty()).collect();
    if with_fix.is_empty() {
        return "# nothing that a command could mend\n".into();
    }
    let one = |c: &&Check| format!("# {}: {}\n{}\n", c.check, c.advice, c.fix.join("\n"));
    with_fix.iter().map(one).collect()
}
