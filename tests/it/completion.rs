//! Completion of account names in the shells themselves, with the scripts that the package has.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::GOOD;
use crate::manual::{packaged, there_is};

/// Where a shell completes: a home with the file, the scripts, and no configuration of its own.
struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        packaged(home.path());
        let text = GOOD.replace("  desk-2:", "  other:");
        fs::write(home.path().join("desired-state.yaml"), &text).unwrap();
        fs::write(home.path().join("named.yaml"), text.replace("desk-1", "named-1")).unwrap();
        fs::write(home.path().join("bad.yaml"), "accounts: {}\n...\n").unwrap();
        Place { home }
    }

    /// What a shell prints that runs `script`; whatever it complains of fails the test.
    fn says(&self, shell: &str, words: &[&str], script: &str, environment: &[(&str, &str)]) -> String {
        let bin = Path::new(env!("CARGO_BIN_EXE_posmoded")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell);
        command.args(words).args(["-c", script]).env_clear().env("PATH", path).env("HOME", self.home.path());
        command.envs(environment.iter().copied()).current_dir(self.home.path()).stdin(Stdio::null());
        let ran = command.output().unwrap();
        assert!(ran.stderr.is_empty() && ran.status.success(), "{shell}: {ran:?}");
        let mut lines: Vec<String> =
            String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ")
    }
}

/// What is set in the environment.
type Variables = &'static [(&'static str, &'static str)];

/// A line, what is set in the environment with it, and what belongs behind it.
const LINES: [(&str, Variables, &str); 8] = [
    ("posmoded status ", &[], "desk-1 other"),
    ("posmoded status d", &[], "desk-1"),
    ("posmoded --config named.yaml pause ", &[], "named-1 other"),
    ("posmoded history --limit 7 ", &[("POSMODED_CONFIG", "named.yaml")], "named-1 other"),
    ("posmoded wait desk-1", &[], "desk-1 desk-1/USDT-FUTURES desk-1/account"),
    ("posmoded wait other desk-1/U", &[], "desk-1/USDT-FUTURES"),
    ("posmoded refresh --config=named.yaml n", &[], "named-1"),
    ("posmoded close-intent o", &[], "other other/USDT-FUTURES other/account"),
];

#[test]
fn bash_completes_accounts_options_and_commands() {
    if !there_is("bash", "bash") {
        return;
    }
    let place = Place::new();
    // As readline calls it: the words, split where bash splits them; the command, the word, and the word before it.
    let complete = |line: &str, environment: &[(&str, &str)]| {
        let mut words: Vec<String> = line.replace('=', " = ").split(' ').map(str::to_owned).collect();
        let (last, count) = (words.last().unwrap().clone(), words.len() - 1);
        let before = words[count - 1].clone();
        for word in &mut words {
            *word = format!("'{word}'");
        }
        let script = format!(
            "source posmoded.bash; function=$(complete -p posmoded | sed 's/.* -F \\([^ ]*\\).*/\\1/'); COMP_WORDS=({}); \
             COMP_CWORD={count}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; $function posmoded '{last}' '{before}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" ")
        );
        place.says("bash", &["--norc", "--noprofile"], &script, environment)
    };
    for (line, environment, expected) in LINES {
        assert_eq!(complete(line, environment), expected, "{line:?}");
    }
    assert_eq!(complete("posmoded sta", &[]), "status");
    assert_eq!(complete("posmoded status --p", &[]), "--problems");
    assert!(!complete("posmoded status --c", &[]).contains("--credentials"));
    // With a file that cannot be used there are no names, and no word about it.
    assert!(!complete("posmoded --config bad.yaml status o", &[]).contains("other"));
}

#[test]
fn fish_completes_accounts_options_and_commands() {
    if !there_is("fish", "fish") {
        return;
    }
    let place = Place::new();
    let complete = |line: &str, environment: &[(&str, &str)]| {
        // Every candidate has its description behind a tab.
        let script =
            format!("source posmoded.fish; complete -C '{line}' | string replace -r '\\t.*' ''; true");
        place.says("fish", &["--no-config"], &script, environment)
    };
    for (line, environment, expected) in LINES {
        assert_eq!(complete(line, environment), expected, "{line:?}");
    }
    assert_eq!(complete("posmoded sta", &[]), "status");
    assert_eq!(complete("posmoded status --p", &[]), "--problems");
    assert_eq!(complete("posmoded --config bad.yaml status o", &[]), "");
}

#[test]
fn zsh_completes_accounts_options_and_commands() {
    if !there_is("zsh", "zsh") {
        return;
    }
    let place = Place::new();
    let scripts = place.home.path().join("functions");
    fs::create_dir(&scripts).unwrap();
    fs::copy(place.home.path().join("posmoded.zsh"), scripts.join("_posmoded")).unwrap();
    // A second zsh with a terminal, in which the line is typed and Tab pressed; it shows its candidates between marks.
    fs::write(
        place.home.path().join("inner.zsh"),
        "PS1= PROMPT=; fpath=($HOME/functions $fpath); autoload -Uz compinit; compinit -u -D; \
         compadd() { local -a found; builtin compadd -O found \"$@\"; print -r -- \"<${(j: :)found}>\"; builtin compadd \"$@\"; }; \
         bindkey '^I' complete-word; setopt no_beep; print -r -- READY\n",
    )
    .unwrap();
    let complete = |line: &str, environment: &[(&str, &str)]| {
        let script = format!(
            "zmodload zsh/zpty; zpty inner 'zsh -f -i'; zpty -w inner 'source inner.zsh'; \
             zpty -r -m inner seen '*READY*'; zpty -w -n inner '{line}'$'\\t'; zpty -r -m -t inner seen 'x' ; \
             repeat 100 {{ zpty -r -t inner more && seen+=$more; [[ $seen == *'>'* ]] && break; sleep 0.1 }}; print -r -- $seen"
        );
        place.says("zsh", &["-f"], &script, environment)
    };
    for (line, environment, expected) in LINES {
        let shown = complete(line, environment);
        assert!(shown.contains(&format!("<{expected}>")), "{line:?}: {shown}");
    }
}
