//! Command lines that are accepted, and those that are refused.

use super::*;

fn said(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("posmoded").chain(words.split_whitespace()))
}

#[test]
fn the_definitions_are_consistent() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

#[test]
fn the_readme_names_every_command() {
    use clap::CommandFactory as _;
    let readme = include_str!("../../README.md");
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(
            readme.contains(&format!("`posmoded {name}")) || readme.contains(&format!("`{name}")),
            "{name}"
        );
        for part in command.get_subcommands().map(clap::Command::get_name) {
            assert!(readme.contains(&format!("`posmoded {name} {part}")), "{name} {part}");
        }
    }
}

#[test]
fn common_flags_may_stand_before_and_behind_the_command() {
    let before = said("--state /x status -o json").unwrap();
    let behind = said("status --state /x -o json").unwrap();
    assert_eq!(before.common.state, behind.common.state);
    assert_eq!(before.common.state.as_deref(), Some(std::path::Path::new("/x")));
}

#[test]
fn every_option_can_be_given_in_the_environment_by_its_own_name() {
    use clap::CommandFactory as _;
    let cli = Cli::command();
    let parts = cli.get_subcommands().flat_map(clap::Command::get_subcommands);
    let commands = std::iter::once(&cli).chain(cli.get_subcommands()).chain(parts);
    let all = commands.flat_map(|command| command.get_arguments().map(move |option| (command, option)));
    let mut seen = std::collections::BTreeMap::new();
    for (command, option) in all {
        let Some(long) = option.get_long().filter(|long| !["help", "version"].contains(long)) else {
            continue;
        };
        let in_capitals = |name: &str| name.to_uppercase().replace('-', "_");
        let own = format!("POSMODED_{}", in_capitals(long));
        // One that another command means otherwise has the name of its command in front.
        let of_the_command = format!("POSMODED_{}_{}", in_capitals(command.get_name()), in_capitals(long));
        let env = option.get_env().and_then(std::ffi::OsStr::to_str).unwrap();
        assert!(env == own || (env == of_the_command && !option.is_hide_env_set()), "--{long}: {env}");
        let takes = option.get_action().takes_values();
        assert_eq!(
            *seen.entry(env).or_insert(takes),
            takes,
            "{env} is a switch here and takes a value there"
        );
    }
    assert!(seen.len() > 15 && seen.contains_key("POSMODED_REFRESH_WAIT"), "{seen:?}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_write() {
    let told = |words: &str| said(words).unwrap_err().to_string();
    for (words, part) in [
        ("frobnicate", "unrecognized subcommand"),
        ("status Desk-1", "an account name"),
        ("--base-url http://api.bitget.com plan", "loopback"),
        ("run --listen unix:", "unix:/run/posmoded/status.sock"),
        ("run --requests-per-second 0", "--requests-per-second"),
        ("pause", "--reason"),
        ("pause --reason x --for soon", "90s, 2h or 7d"),
        ("history --limit 0", "--limit"),
        ("history --since 7", "a date such as 2026-11-22"),
        ("approve", "HASH"),
        ("ledger", "backup"),
        ("ledger backup", "FILE"),
        ("ledger restore", "FILE"),
        ("status -o yaml", "table, json"),
        ("--log syslog run", "text, json, journald"),
    ] {
        let told = told(words);
        assert!(told.contains(part), "{words}: {told}");
    }
}

#[test]
fn an_address_that_others_can_reach_needs_to_be_asked_for() {
    let run = |words: &str| match said(words).unwrap() {
        Cli { common, command: Command::Run(args) } => {
            args.options(&common).map(|run| run.listen.to_string())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(run("run --state x").as_deref(), Ok("127.0.0.1:9848"));
    assert_eq!(run("run --state x --listen none").as_deref(), Ok("none"));
    assert_eq!(run("run --state x --listen unix:/run/x").as_deref(), Ok("unix:/run/x"));
    assert_eq!(run("run --state x --listen 0.0.0.0:1 --listen-anywhere").as_deref(), Ok("0.0.0.0:1"));
    let refused = run("run --state x --listen 0.0.0.0:1").unwrap_err().to_string();
    assert!(refused.contains("--listen-anywhere"), "{refused}");
}
