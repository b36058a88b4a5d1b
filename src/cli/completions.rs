//! `posmoded completions`: completion scripts, generated from the command definitions. It reads no state and changes nothing.

use clap_complete::Shell;

use crate::cli::{Exit, print};

/// What `completions` takes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Args {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    pub shell: Shell,
}

/// Prints the completion script that the shell sources.
pub fn completions(mut cli: clap::Command, args: Args) -> anyhow::Result<Exit> {
    let Args { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli, "posmoded", &mut script);
    print::bytes(&script)?;
    Ok(Exit::DONE)
}
