//! What the help and the manual pages say of a command beside its options: which of the common options it goes by, examples,
//! how it ends, and what to read next. One table for both.

mod entries;

pub(super) use self::entries::{Entry, exits};

/// Gives every command its examples, and hides the common options that it does not go by.
pub(super) fn complete(mut cli: clap::Command) -> clap::Command {
    let common: Vec<clap::Arg> = cli.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    for arg in &common {
        cli = cli.mut_arg(arg.get_id(), |arg| arg.hide(true));
    }
    cli = each_part(cli, "", |command, words| with_entry(command, words, &common));
    if let Some(entry) = Entry::of("") {
        cli = cli.after_help(FIRST_STEPS).after_long_help(format!("{FIRST_STEPS}\n\n{}", ends(entry)));
    }
    cli
}

fn with_entry(command: clap::Command, words: &str, common: &[clap::Arg]) -> clap::Command {
    let Some(entry) = Entry::of(words) else { return command };
    // One that is there already is not taken over from above.
    let is_taken = |arg: &clap::Arg| entry.takes.contains(&arg.get_id().as_str());
    let command = common.iter().fold(command, |of, arg| of.arg(arg.clone().hide(!is_taken(arg))));
    let short = format!("--help has examples, and how it ends; so has `posmoded man {words}`.");
    each_part(command, words, |part, words| with_entry(part, words, common))
        .after_help(short)
        .after_long_help(after(entry))
}

/// The same commands with no more options than they go by, for whoever completes what is typed.
pub(super) fn as_offered(mut cli: clap::Command) -> clap::Command {
    let common: Vec<clap::Arg> = cli.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    for arg in &common {
        cli = cli.mut_arg(arg.get_id(), |arg| arg.global(false));
    }
    each_part(cli, "", |command, words| with_its_own(command, words, &common))
}

fn with_its_own(command: clap::Command, words: &str, common: &[clap::Arg]) -> clap::Command {
    let Some(entry) = Entry::of(words) else { return command };
    let taken = common.iter().filter(|arg| entry.takes.contains(&arg.get_id().as_str()));
    let command = taken.fold(command, |of, arg| of.arg(arg.clone().global(false)));
    each_part(command, words, |part, words| with_its_own(part, words, common))
}

/// The command with each of its parts as `change` makes it, which is given the part's words.
fn each_part(
    mut command: clap::Command,
    words: &str,
    change: impl Fn(clap::Command, &str) -> clap::Command,
) -> clap::Command {
    let parts: Vec<String> = command.get_subcommands().map(|part| part.get_name().to_owned()).collect();
    for part in parts {
        let all = format!("{words} {part}");
        command = command.mut_subcommand(&part, |of| change(of, all.trim_start()));
    }
    command
}

fn after(entry: &Entry) -> String {
    let examples = entry.examples.iter().map(|(typed, does)| format!("  {typed}\n      {does}\n"));
    let see = entry.see.iter().map(|command| format!("posmoded {command}")).collect::<Vec<_>>().join(", ");
    let see = if see.is_empty() { see } else { format!("\n\nSee also: {see}") };
    format!("Examples:\n{}\n{}{see}", examples.collect::<String>(), ends(entry))
}

fn ends(entry: &Entry) -> String {
    let lines = exits(entry).into_iter().map(|(code, when)| format!("  {code:<2}  {when}\n"));
    let options =
        "Every option also reads POSMODED_<OPTION> from the environment: POSMODED_OUTPUT for --output.";
    format!("Ends with:\n{}\n{options}", lines.collect::<String>())
}

/// What somebody sees who types `posmoded`.
const FIRST_STEPS: &str = "\
To begin, with a key file for each account in keys/ (key, secret, passphrase):
  export POSMODED_CREDENTIALS=$PWD/keys
  posmoded import desk-main > new.yaml     what is live, as a file to begin with
  mv new.yaml desired-state.yaml           the name that is looked for
  posmoded check                           is it good; if not, what to write
  posmoded plan                            what would change; changes nothing
  posmoded run                             keep it so

Then, in another terminal: `posmoded status`. `posmoded COMMAND --help` has the
options of a command, and examples.";

#[cfg(test)]
mod tests {
    use super::entries::{ASKS, ENTRIES};
    use super::*;
    use crate::cli::command;

    /// The words of every command, `ledger backup` and the like among them.
    fn commands() -> Vec<String> {
        let cli = command();
        let parts = |of: &clap::Command| -> Vec<String> {
            of.get_subcommands().map(|part| format!("{} {}", of.get_name(), part.get_name())).collect()
        };
        cli.get_subcommands().flat_map(|of| [vec![of.get_name().to_owned()], parts(of)].concat()).collect()
    }

    /// Splits as a shell does, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        let words = parts.flat_map(|(at, part)| match at % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        });
        words.collect()
    }

    #[test]
    fn every_command_has_its_entry_and_every_entry_a_command() {
        let mut known = commands();
        known.push(String::new());
        known.sort();
        let mut entries: Vec<&str> = ENTRIES.iter().map(|entry| entry.command).collect();
        entries.sort_unstable();
        assert_eq!(entries, known);
        for entry in ENTRIES {
            assert!(!entry.examples.is_empty() && !entry.ends.is_empty(), "{}", entry.command);
            assert!(entry.see.iter().all(|see| known.iter().any(|of| of == see)), "{}", entry.command);
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_is_accepted_and_of_its_command() {
        for entry in ENTRIES {
            let typed =
                entry.examples.iter().filter_map(|(typed, _)| typed.find("posmoded ").map(|at| &typed[at..]));
            let mut of_it = 0;
            for typed in typed {
                let line = words(typed.split([';', '|', '>']).next().unwrap().trim_end_matches('2'));
                command().try_get_matches_from(&line).unwrap_or_else(|error| panic!("{typed}: {error}"));
                let begins = format!("posmoded {}", entry.command);
                of_it += usize::from(line.join(" ").starts_with(begins.trim_end()));
            }
            assert!(of_it > 0, "no example of {}", entry.command);
        }
    }

    #[test]
    fn a_command_offers_the_common_options_that_it_goes_by_and_accepts_all() {
        let mut cli = command();
        cli.build();
        for words in commands() {
            let command = words.split(' ').fold(&cli, |of, word| of.find_subcommand(word).unwrap());
            let common = command.get_arguments().filter(|arg| arg.is_global_set());
            let (offered, hidden): (Vec<_>, Vec<_>) = common.partition(|arg| !arg.is_hide_set());
            let mut offered: Vec<&str> = offered.iter().map(|arg| arg.get_id().as_str()).collect();
            let mut takes = Entry::of(&words).unwrap().takes.to_vec();
            offered.sort_unstable();
            takes.sort_unstable();
            assert_eq!(offered, takes, "{words}");
            assert_eq!(offered.len() + hidden.len(), ASKS.len(), "{words}");
        }
    }

    #[test]
    fn the_help_fits_a_terminal_of_80_columns_without_folding_an_example() {
        let entries = ENTRIES.iter().flat_map(|entry| entry.examples);
        for (typed, does) in entries {
            assert!(typed.len() + 2 <= 80, "{typed}");
            assert!(does.len() + 6 <= 80, "{does}");
        }
        for line in FIRST_STEPS.lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }
}
