//! `posmoded completions` and `posmoded man`: completion scripts and manual pages, generated from the command
//! definitions. They read no state and change nothing.

use std::io::Write as _;

use clap_complete::Shell;

use crate::cli::{Exit, UsageError, print};

/// What `completions` takes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Args {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    pub shell: Shell,
}

/// What `man` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// The page of this command, such as `run` or `ledger backup` [default: the page of posmoded, which names them all]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Prints the completion script that the shell sources.
pub fn completions(mut cli: clap::Command, args: Args) -> anyhow::Result<Exit> {
    let Args { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli, "posmoded", &mut script);
    print::bytes(&script)?;
    Ok(Exit::DONE)
}

/// Prints a manual page in roff, section 1.
pub fn man(cli: clap::Command, args: &ManArgs) -> anyhow::Result<Exit> {
    let ManArgs { command } = args;
    print::bytes(&page(cli, command)?)?;
    Ok(Exit::DONE)
}

fn page(cli: clap::Command, command: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut shown = cli.version(env!("CARGO_PKG_VERSION"));
    shown.build();
    for name in command {
        let known: Vec<&str> = shown.get_subcommands().map(clap::Command::get_name).collect();
        let there_are = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let unknown = || UsageError(format!("There is no command {name:?}. There are: {there_are}."));
        let found = shown.find_subcommand(name).ok_or_else(unknown)?.clone();
        shown = found.version(env!("CARGO_PKG_VERSION"));
    }
    let mut page = Vec::new();
    let source = concat!("posmoded ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(shown).source(source).manual("posmoded").render(&mut page)?;
    page.flush()?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn there_is_a_page_for_every_command_and_one_that_names_them_all() {
        let all = String::from_utf8(page(Cli::command(), &[]).unwrap()).unwrap();
        let named = |of: &clap::Command| -> Vec<String> {
            of.get_subcommands().map(|command| command.get_name().to_owned()).collect()
        };
        let of_the_page = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let page = String::from_utf8(page(Cli::command(), &words).unwrap()).unwrap();
            let title =
                format!(".TH posmoded-{} 1  \"posmoded {}\"", words.join("-"), env!("CARGO_PKG_VERSION"));
            assert!(page.contains(&title), "{page}");
            assert!(page.contains("SYNOPSIS"), "{page}");
            page
        };
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let written = name.replace('-', "\\-");
            assert!(all.contains(&format!("posmoded\\-{written}(1)")), "{name}: {all}");
            let page = of_the_page(&[name]);
            for part in named(command) {
                assert!(page.contains(&format!("posmoded\\-{written}\\-{part}(1)")), "{name} {part}: {page}");
                of_the_page(&[name, &part]);
            }
        }
        let told = page(Cli::command(), &["frobnicate".to_owned()]).unwrap_err().to_string();
        assert!(told.starts_with("There is no command \"frobnicate\". There are: run, "), "{told}");
    }
}
