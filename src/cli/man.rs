//! `posmoded man`: manual pages in roff, section 1 for each command and section 5 for the file. It reads no state and changes
//! nothing.

mod file;
mod parts;

use clap_mangen::roff::{Roff, bold, italic, roman};

use self::parts::{head, joined, lines, see_also, tagged};
use crate::cli::manual::{self, Entry};
use crate::cli::{Exit, UsageError, print};

/// What `man` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The page of this command, such as `run` or `ledger backup`, or `desired-state`, that of the file [default: the page of
    /// posmoded, which names them all]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Prints a manual page.
pub fn man(cli: clap::Command, args: &Args) -> anyhow::Result<Exit> {
    let Args { command } = args;
    print::bytes(&page(cli, command)?)?;
    Ok(Exit::DONE)
}

fn page(cli: clap::Command, words: &[String]) -> anyhow::Result<Vec<u8>> {
    if words == ["desired-state"] {
        return Ok(file::page());
    }
    let command = command(cli, words)?;
    let entry = Entry::of(&words.join(" "));
    let mut page = Vec::new();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    head(&title(words), "1", &about).to_writer(&mut page)?;

    let is_parent = command.has_subcommands();
    let man = clap_mangen::Man::new(command.clone());
    man.render_synopsis_section(&mut page)?;
    let mut roff = Roff::new();
    description(&mut roff, &about, words.is_empty());
    roff.to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if is_parent {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    if let Some(entry) = entry {
        sections(&mut roff, entry, &command);
    }
    roff.to_writer(&mut page)?;
    Ok(joined(&page))
}

/// The command with these words, its options shown as its page has them.
fn command(cli: clap::Command, words: &[String]) -> anyhow::Result<clap::Command> {
    let common: Vec<clap::Id> =
        cli.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().clone()).collect();
    let mut shown = cli;
    shown.build();
    if words.is_empty() {
        // What no command line needs to hide: this page has them all.
        for id in common {
            shown = shown.mut_arg(id, |arg| arg.hide(false));
        }
    }
    for name in words {
        let known: Vec<&str> = shown.get_subcommands().map(clap::Command::get_name).collect();
        let there_are = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let unknown = || UsageError(format!("There is no command {name:?}. There are: {there_are}."));
        shown = shown.find_subcommand(name).ok_or_else(unknown)?.clone();
    }
    Ok(shown.subcommand_help_heading("COMMANDS").subcommand_value_name("COMMAND"))
}

fn description(roff: &mut Roff, about: &str, is_of_all: bool) {
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(format!("{about}."))]);
    for paragraph in DESCRIPTION.iter().filter(|_| is_of_all) {
        roff.control("PP", []);
        roff.text([roman(*paragraph)]);
    }
}

fn sections(roff: &mut Roff, entry: &Entry, command: &clap::Command) {
    roff.control("SH", ["EXAMPLES"]);
    for (at, (typed, does)) in entry.examples.iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*does)]);
        lines(roff, &[typed]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, when) in manual::exits(entry) {
        tagged(roff, [bold(code.to_string())], &[when]);
    }
    environment(roff, entry, command);
    let files: Vec<_> = FILES.iter().filter(|(of, ..)| entry.takes.contains(of)).collect();
    if !files.is_empty() {
        roff.control("SH", ["FILES"]);
    }
    for (_, path, holds) in files {
        tagged(roff, [italic(*path)], &[holds]);
    }
    let own = title(&entry.command.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let mut pages: Vec<(String, &str)> = entry
        .see
        .iter()
        .map(|words| (format!("posmoded-{}", words.replace(' ', "-")), "1"))
        .chain((own != "posmoded").then(|| ("posmoded".to_owned(), "1")))
        .chain([("posmoded-desired-state".to_owned(), "5")])
        .collect();
    pages.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    see_also(roff, &pages);
}

fn environment(roff: &mut Roff, entry: &Entry, command: &clap::Command) {
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman("Every option is also read from the environment; the command line goes before it.")]);
    for option in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        if let (Some(variable), Some(long)) = (option.get_env(), option.get_long()) {
            tagged(roff, [bold(variable.to_string_lossy())], &[&format!("--{long}")]);
        }
    }
    for (_, variable, means) in VARIABLES.iter().filter(|(of, ..)| of.is_empty() || entry.takes.contains(of))
    {
        tagged(roff, [bold(*variable)], &[means]);
    }
}

/// `posmoded-ledger-backup`.
fn title(words: &[String]) -> String {
    std::iter::once("posmoded").chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-")
}

/// What the page of posmoded says of it.
const DESCRIPTION: &[&str] = &[
    "posmoded compares, for each account that the file names, the position mode (one-way or hedge) that the file declares with \
     the one that was last applied and with the one that is live at the exchange, and changes it where they differ: only when \
     it has found the account flat, only after that has lasted for as long as the file says, and never a second time while the \
     first may still take effect. While it waits, it says for what and since when. It closes no position and cancels no order.",
    "A credential file has the name of its account, no ending, and the lines `key: '...'`, `secret: '...'` and \
     `passphrase: '...'` (a key made with RSA has rsa_private_key in place of secret). Nobody but its owner may read it.",
];
/// Files by the option that says where they are.
const FILES: &[(&str, &str, &str)] = &[
    (
        "config",
        "desired-state.yaml",
        "The declared modes; the service has them in /etc/posmoded/desired-state.yaml.",
    ),
    (
        "credentials",
        "/etc/posmoded/credentials/ACCOUNT",
        "The key of an account, for the service; without it they are where --credentials says.",
    ),
    (
        "credentials",
        "/etc/posmoded/credentials/_notify",
        "Where messages are posted to: url, headers and alive_url.",
    ),
    (
        "state",
        "/var/lib/posmoded/posmoded.sqlite",
        "The ledger: what was done, and what was asked for. Without that directory it is in ~/.local/state/posmoded.",
    ),
];
/// Variables that are no option's, by the option that they stand in for; with none, they are every command's.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("state", "STATE_DIRECTORY", "Where the ledger is, if no option says it; the service manager sets it."),
    (
        "state",
        "PGPASSFILE",
        "A file with the password of a ledger on a server, one line HOST:PORT:DATABASE:USER:PASSWORD; else the systemd \
         credential `pgpass`.",
    ),
    (
        "credentials",
        "CREDENTIALS_DIRECTORY",
        "Where the key files are, if no option says it; the service manager sets it.",
    ),
    ("log", "RUST_LOG", "Which lines are logged, such as info or posmoded=debug."),
    ("", "NO_COLOR", "If it is set, nothing is coloured."),
];

#[cfg(test)]
mod tests;
