//! The accounts that may stand at the end of a command line that is being typed: those of the file that it names.
//!
//! Says nothing of what it cannot read: whoever completes a word asked for no error.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::gates::SYSTEM_CONFIG;
use crate::desired::{self, Account};
use crate::position_mode::{Kind, targets};

/// Whether an argument is an account, or one target of it.
pub(super) fn is_of_accounts(arg: &clap::Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.starts_with("ACCOUNT")))
}

/// The names that go on with the last of `words`; the first is the program's. None where no account belongs.
pub(super) fn after(mut cli: clap::Command, words: &[OsString]) -> Vec<String> {
    let by_default = cli.get_arguments().find(|arg| arg.get_id() == "config").and_then(|arg| {
        let variable = arg.get_env().and_then(std::env::var_os).filter(|value| !value.is_empty());
        Some(Config { named: variable, default: arg.get_default_values().first()?.to_str()?.to_owned() })
    });
    cli.build();
    let Some((typed, before)) = words.split_last() else { return Vec::new() };
    let words: Vec<&str> = before.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let (Some(typed), Some(place)) = (typed.to_str(), Place::behind(&cli, &words)) else { return Vec::new() };
    let (false, Some(mut config)) = (typed.starts_with('-'), by_default) else { return Vec::new() };
    config.named = place.config.map(OsString::from).or(config.named);
    found(&config, typed, place.takes_scopes, &place.named)
}

/// What a command line has before the word that is typed, where that may be an account.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    /// What `--config` says.
    config: Option<&'a str>,
    /// Whether a target may stand there, too.
    takes_scopes: bool,
    /// What stands there already.
    named: BTreeSet<&'a str>,
}

impl<'a> Place<'a> {
    /// `None` if it may not.
    fn behind(cli: &clap::Command, words: &[&'a str]) -> Option<Place<'a>> {
        let (mut command, mut config, mut named) = (cli, None, Vec::new());
        let mut rest = words.iter().copied().peekable();
        while let Some(word) = rest.next() {
            if let Some(option) = option(command, word) {
                let long = word.strip_prefix("--").and_then(|word| word.split_once('='));
                let takes = option.get_num_args().is_some_and(|count| count.takes_values());
                let value = match long {
                    Some((_, value)) => Some(value),
                    None if !takes || (word.len() > 2 && !word.starts_with("--")) => None,
                    None => {
                        // Bash has `--config=FILE` as three words.
                        rest.next_if_eq(&"=");
                        // Without one, the word that is typed is the option's value.
                        Some(rest.next()?)
                    }
                };
                if option.get_id() == "config" {
                    config = value;
                }
            } else if word.starts_with('-') {
                // Nothing that is known: whether it takes a value is not.
                return None;
            } else if command.has_subcommands() {
                command = command.find_subcommand(word)?;
            } else {
                named.push(word);
            }
        }
        let positionals: Vec<&clap::Arg> = command.get_positionals().collect();
        let many = |arg: &&&clap::Arg| arg.get_num_args().is_some_and(|count| count.max_values() > 1);
        let arg = positionals.get(named.len()).or_else(|| positionals.last().filter(many))?;
        let takes_scopes = arg.get_value_names()?.iter().any(|name| name.contains("SCOPE"));
        is_of_accounts(arg).then(|| Place { config, takes_scopes, named: named.into_iter().collect() })
    }
}

fn option<'c>(command: &'c clap::Command, word: &str) -> Option<&'c clap::Arg> {
    let long = word.strip_prefix("--").map(|name| name.split('=').next().unwrap_or(name));
    let short = word.strip_prefix('-').and_then(|letters| letters.chars().next());
    command.get_arguments().find(|arg| match long {
        Some(long) => arg.get_long() == Some(long),
        None => short.is_some() && arg.get_short() == short,
    })
}

/// Where the file is.
struct Config {
    /// What the command line or the environment says.
    named: Option<OsString>,
    default: String,
}

fn found(config: &Config, typed: &str, with_scopes: bool, named: &BTreeSet<&str>) -> Vec<String> {
    let read = |path: &Path| desired::read(&fs::read(path).ok()?).ok();
    let file = match &config.named {
        Some(named) => read(&at_home(named)),
        None => read(Path::new(&config.default)).or_else(|| read(Path::new(SYSTEM_CONFIG))),
    };
    let accounts = file.map(|file| file.accounts).unwrap_or_default();
    let fitting =
        accounts.iter().filter(|(name, _)| name.as_str().starts_with(typed) || begins(typed, name.as_str()));
    let fitting: Vec<(&str, &Account)> =
        fitting.map(|(name, account)| (name.as_str(), account.as_ref())).collect();
    let mut all: Vec<String> = fitting.iter().map(|(name, _)| (*name).to_owned()).collect();
    // The targets of one account alone: of many, they would hide its name.
    if let (true, [(name, account)]) = (with_scopes, fitting.as_slice()) {
        all.extend(scopes(account).into_iter().map(|scope| format!("{name}/{scope}")));
    }
    all.retain(|name| name.starts_with(typed) && !named.contains(name.as_str()));
    all
}

/// Whether `typed` is a target of the account.
fn begins(typed: &str, name: &str) -> bool {
    typed.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
}

/// The scopes that the account may have: of which kind it is, the file does not say.
fn scopes(account: &Account) -> BTreeSet<String> {
    let of = |kind| targets(&account.declared, Some(kind)).into_keys().map(|scope| scope.to_string());
    of(Kind::Classic).chain(of(Kind::Unified)).collect()
}

/// A path that a shell has not expanded yet.
fn at_home(path: &OsStr) -> PathBuf {
    let path = Path::new(path);
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    const FILE: &str = "\
version: 1
max_changes: 1
defaults: { drift: report }
accounts:
  desk-arb: { position_mode: hedge_mode }
  desk-main: { position_mode: { USDT-FUTURES: hedge_mode } }
  paper: { position_mode: hedge_mode }
...
";

    #[test]
    fn names_are_those_of_the_file_where_accounts_belong_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.yaml");
        fs::write(&path, FILE).unwrap();
        let names = |line: &str| {
            let line = line.replace("FILE", path.to_str().unwrap());
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            after(command(), &words).join(" ")
        };
        for (line, expected) in [
            ("posmoded --config FILE status ", "desk-arb desk-main paper"),
            ("posmoded status --config FILE ", "desk-arb desk-main paper"),
            ("posmoded status --config = FILE d", "desk-arb desk-main"),
            ("posmoded status --config=FILE -o json --watch paper d", "desk-arb desk-main"),
            ("posmoded --config FILE status desk-arb ", "desk-main paper"),
            ("posmoded --config FILE status desk-main/", ""),
            ("posmoded --config FILE wait ", "desk-arb desk-main paper"),
            ("posmoded --config FILE wait desk-m", "desk-main desk-main/USDT-FUTURES desk-main/account"),
            ("posmoded --config FILE wait desk-arb/U", "desk-arb/USDC-FUTURES desk-arb/USDT-FUTURES"),
            (
                "posmoded --config FILE close-intent p",
                "paper paper/COIN-FUTURES paper/USDC-FUTURES paper/USDT-FUTURES paper/account",
            ),
            ("posmoded --config FILE close-intent paper ", ""),
            ("posmoded --config FILE pause --reason desk --for 2h p", "paper"),
            // No account belongs here.
            ("posmoded --config FILE pause --reason ", ""),
            ("posmoded --config FILE status -o ", ""),
            ("posmoded --config FILE status --", ""),
            ("posmoded --config FILE status --frobnicate ", ""),
            ("posmoded --config FILE approve d", ""),
            ("posmoded --config FILE ledger verify d", ""),
            ("posmoded --config FILE d", ""),
            ("posmoded --config ", ""),
            ("posmoded frobnicate ", ""),
            // Nothing can be read.
            ("posmoded --config FILE.none status ", ""),
            ("posmoded", ""),
        ] {
            assert_eq!(names(line), expected, "{line:?}");
        }
        fs::write(&path, FILE.replace("max_changes", "max")).unwrap();
        assert_eq!(names("posmoded --config FILE status "), "");
    }
}
