//! `moodlight generate DIR`: manual pages and shell completions from the same flags that the program reads. For packages;
//! hidden from the help.

use super::args::{Cli, GenerateArgs};
use super::{CommandResult, Exit};
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Shells that Debian's own packages carry completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

pub fn run(args: &GenerateArgs) -> CommandResult {
    let GenerateArgs { dir } = args;
    std::fs::create_dir_all(dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
    write(dir).with_context(|| format!("{}: cannot be written", dir.display()))?;
    Ok(Exit::Done)
}

/// `moodlight.1`, a page for each command that is shown, `moodlight.bash`, `_moodlight`, `moodlight.fish`.
fn write(dir: &Path) -> std::io::Result<()> {
    // Two built commands: building names subcommands "moodlight-run", which completions must not see.
    let mut command = Cli::command();
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut command, "moodlight", dir)?;
    }
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), dir)
}
