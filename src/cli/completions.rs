//! `posmoded completions`: completion scripts, generated from the command definitions, and what they ask for: the names of the
//! accounts. It changes nothing.

mod names;

use std::ffi::OsString;

use clap_complete::Shell;

use crate::cli::{Exit, manual, print};

/// What `completions` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    pub shell: Shell,
    /// A command line that is being typed, up to the cursor; its last word may be empty. The scripts ask with it for names.
    #[arg(value_name = "WORD", last = true, hide = true)]
    pub words: Vec<OsString>,
}

/// Prints the completion script that the shell sources; or the names, one a line, that may stand at the end of a command line.
/// A file that cannot be read has none.
pub fn completions(cli: clap::Command, args: &Args) -> anyhow::Result<Exit> {
    let Args { shell, words } = args;
    if words.is_empty() {
        print::bytes(script(manual::as_offered(cli), *shell).as_bytes())?;
    } else {
        let found = names::after(cli, words);
        print::bytes(found.iter().flat_map(|name| [name.as_str(), "\n"]).collect::<String>().as_bytes())?;
    }
    Ok(Exit::DONE)
}

fn script(mut cli: clap::Command, shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli, "posmoded", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script + BASH,
        Shell::Fish => script + &fish(&cli),
        Shell::Zsh => zsh(&cli, &script),
        // These have the commands and options alone.
        Shell::Elvish | Shell::PowerShell | _ => script,
    }
}

/// The parts of a command that take names of accounts, by the words that lead to them.
fn of_accounts(cli: &clap::Command) -> Vec<(String, String)> {
    let named = |command: &clap::Command| {
        let mut all = command.get_positionals().filter(|arg| names::is_of_accounts(arg));
        all.next().map(|arg| (command.get_name().to_owned(), arg.get_id().to_string()))
    };
    cli.get_subcommands().filter_map(named).collect()
}

/// Runs after what clap wrote: whatever it found, where accounts belong they are what is meant.
const BASH: &str = r#"
# The accounts of the file, which the program itself is asked for.
_posmoded_with_accounts() {
    _posmoded "$@"
    local found
    mapfile -t found < <("$1" completions bash -- "${COMP_WORDS[@]:0:COMP_CWORD}" "$2" 2>/dev/null)
    if ((${#found[@]})); then
        COMPREPLY=("${found[@]}")
    fi
}

complete -F _posmoded_with_accounts -o bashdefault -o default posmoded
"#;

fn fish(cli: &clap::Command) -> String {
    let mut lines = "\n# The accounts of the file, which the program itself is asked for.\n".to_owned();
    for (command, _) in of_accounts(cli) {
        lines += "complete -c posmoded -n \"__fish_posmoded_using_subcommand ";
        lines += &command;
        lines +=
            "\" -f -a \"(posmoded completions fish -- (commandline -opc) (commandline -ct) 2>/dev/null)\"\n";
    }
    lines
}

fn zsh(cli: &clap::Command, script: &str) -> String {
    let ids: Vec<String> = of_accounts(cli).into_iter().map(|(_, id)| id).collect();
    let is_of_accounts = |line: &str| {
        let name = line.trim_start_matches(['\'', '*', ':']);
        ids.iter().any(|id| name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with(" -- ")))
    };
    let mut lines = Vec::new();
    for line in script.lines() {
        match line.strip_suffix(":_default' \\") {
            Some(of) if is_of_accounts(line) => lines.push(format!("{of}:_posmoded_accounts' \\")),
            _ => lines.push(line.to_owned()),
        }
        if line == "_posmoded() {" {
            // What is typed, before the parts below take the words that they know off it.
            lines.push("    local -a _posmoded_words=(\"${(@Q)words[1,CURRENT-1]}\")".to_owned());
        }
        if line == "autoload -U is-at-least" {
            lines.push(ZSH.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

const ZSH: &str = r#"
# The accounts of the file, which the program itself is asked for.
(( $+functions[_posmoded_accounts] )) ||
_posmoded_accounts() {
    local -a found
    found=(${(f)"$($_posmoded_words[1] completions zsh -- "${_posmoded_words[@]}" "$PREFIX" 2>/dev/null)"})
    compadd -- "${found[@]}"
}"#;
