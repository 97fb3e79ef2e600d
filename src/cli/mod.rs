//! The command line: one file for each subcommand, raw flags in [`args`], exit codes here.
//!
//! Results go to stdout, everything else to stderr. A command returns an [`Exit`] or a [`Failure`]; this room turns
//! them into exit codes and nothing else does:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed while running |
//! | 2 | wrong usage or config; nothing was opened |
//! | 128 + n | ended cleanly by signal n (130 SIGINT, 143 SIGTERM, 129 SIGHUP) |

pub mod args;
mod bench;
mod classify;
mod doctor;
mod eval;
mod generate;
mod leds;
mod logging;
mod model;
mod model_install;
mod outputs_off;
mod read_ahead;
mod run;
mod style;
mod vision;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

/// How a command ended when nothing was left to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Part of the work failed and was reported where it belongs; exit code 1.
    Incomplete,
    /// Ended cleanly by this signal.
    Signal(i32),
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration: nothing was opened, nothing was changed.
    Usage(anyhow::Error),
    /// The work itself failed.
    Run(anyhow::Error),
}

impl Failure {
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Failure::Usage(error.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Run(error)
    }
}

pub type CommandResult = Result<Exit, Failure>;

/// Parses the process's arguments, runs the command and reports its failure.
pub fn main() -> ExitCode {
    logging::init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return refuse(&e),
    };
    match dispatch(cli) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Incomplete) => ExitCode::FAILURE,
        Ok(Exit::Signal(n)) => ExitCode::from(128u8.saturating_add(n.clamp(0, 127) as u8)),
        Err(Failure::Usage(e)) => report(&e, 2),
        Err(Failure::Run(e)) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(Failure::Run(e)) => report(&e, 1),
    }
}

fn dispatch(cli: Cli) -> CommandResult {
    match cli.command {
        None => help(),
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Classify(args)) => classify::run(&args),
        Some(Command::Eval(args)) => eval::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Doctor(args)) => doctor::run(args),
        Some(Command::Leds(args)) => leds::run(args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::ReadAhead(place)) => read_ahead::run(&place),
        Some(Command::OutputsOff(args)) => outputs_off::run(&args),
        Some(Command::Model(args)) => model::run(&args),
    }
}

/// `moodlight` alone: the help, on stdout, as an answer and not as a complaint.
fn help() -> CommandResult {
    let text = Cli::command().render_long_help();
    print(&text.to_string())?;
    Ok(Exit::Done)
}

/// Clap's own messages: help and version to stdout with 0, the rest to stderr with 2.
fn refuse(error: &clap::Error) -> ExitCode {
    let _ = error.print(); // a closed stderr leaves nobody to tell
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// One line: what failed, then why, from the outside in.
fn report(error: &anyhow::Error, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "moodlight: {error:#}"); // a closed stderr leaves nobody to tell
    ExitCode::from(code)
}

/// Whoever read our output has seen enough (`moodlight … | head`): not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes to stdout; unlike `print!`, a closed pipe or a full disk is an error and no panic.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// One JSON document on stdout, with a line end.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string(value)? + "\n"))
}
