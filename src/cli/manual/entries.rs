//! What is said of each command, as a table.

/// What is said of one command.
pub(in crate::cli) struct Entry {
    /// Its words, such as `ledger backup`; none for posmoded itself.
    pub(in crate::cli) command: &'static str,
    /// The common options that it goes by, by their ids. It accepts the others, which a script may give to every command,
    /// and does not offer them.
    pub(in crate::cli) takes: &'static [&'static str],
    /// What to type, and what that does.
    pub(in crate::cli) examples: &'static [(&'static str, &'static str)],
    /// How it ends, beside 64 for what cannot be meant.
    pub(in crate::cli) ends: &'static [(u8, &'static str)],
    /// The commands to read of next.
    pub(in crate::cli) see: &'static [&'static str],
}

impl Entry {
    /// That of the command with these words.
    pub(in crate::cli) fn of(command: &str) -> Option<&'static Entry> {
        ENTRIES.iter().find(|entry| entry.command == command)
    }
}

/// How a command ends, in the order of the codes.
pub(in crate::cli) fn exits(entry: &Entry) -> Vec<(u8, &'static str)> {
    let mut exits = entry.ends.to_vec();
    if entry.ends.iter().all(|(code, _)| *code != 64) {
        exits.push((64, "the command line cannot be meant"));
    }
    exits.sort_by_key(|(code, _)| *code);
    exits
}

/// Every common option: of a command that asks the exchange.
pub(super) const ASKS: &[&str] =
    &["config", "state", "credentials", "host", "base_url", "ca", "proxy", "log"];
const STATE: &[&str] = &["state"];
const ACKNOWLEDGED: &[(u8, &str)] =
    &[(0, "the daemon has acknowledged it"), (1, "it has not, within 5 s, or nothing could be written")];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        command: "",
        takes: ASKS,
        examples: &[
            ("posmoded import desk-main > new.yaml", "What is live, as a file to begin with."),
            ("posmoded check", "Is desired-state.yaml good; if not, what to write."),
            ("posmoded plan", "What would change, and why not now; changes nothing."),
            ("posmoded run", "Keep it so: the daemon."),
            ("posmoded status", "What the daemon knows: what wants a human first."),
        ],
        ends: &[
            (0, "done"),
            (1, "not done"),
            (2, "something is not in sync (status, apply, wait, plan --exit-code)"),
            (75, "another instance holds the state, or a key"),
            (78, "run: what it is to start with cannot be used"),
        ],
        see: &[],
    },
    Entry {
        command: "run",
        takes: ASKS,
        examples: &[
            ("posmoded run --credentials keys", "Keep ./desired-state.yaml with the keys in ./keys."),
            (
                "posmoded run --config /etc/desks.yaml --listen unix:/run/posmoded/sock",
                "Another file; the status at a socket file, in place of a port.",
            ),
            ("posmoded run --schedule '0 0 8 * * Mon-Fri'", "Compare everything at 08:00 UTC, too."),
            ("POSMODED_LOG=json posmoded run 2>posmoded.log", "Log JSON lines to a file."),
        ],
        ends: &[
            (0, "stopped by SIGTERM or SIGINT"),
            (1, "it could not go on"),
            (75, "another instance holds the state"),
            (78, "what it is to start with cannot be used: the file, a key, an address"),
        ],
        see: &["status", "check"],
    },
    Entry {
        command: "check",
        takes: &["config", "credentials", "host", "state"],
        examples: &[
            ("posmoded check", "Is desired-state.yaml good?"),
            ("posmoded check --credentials keys", "With the key files, and who may write where they are."),
            ("git show HEAD:desired-state.yaml | posmoded check -", "A file from somewhere else."),
            (
                "posmoded check --format github desired-state.yaml",
                "Mistakes as annotations beside their lines, in a workflow.",
            ),
        ],
        ends: &[(0, "all that was checked is good"), (1, "it is not, or cannot be read")],
        see: &["plan", "schema"],
    },
    Entry {
        command: "plan",
        takes: ASKS,
        examples: &[
            ("posmoded plan", "What would change, and why not now."),
            ("posmoded plan desk-main desk-arb", "The same for two accounts."),
            ("posmoded plan --exit-code -o json", "For a program: ends with 3 where something drifted."),
        ],
        ends: &[
            (0, "it was looked; with --exit-code: there is nothing to do"),
            (1, "nothing could be read"),
            (2, "with --exit-code: something is pending or new"),
            (3, "with --exit-code: something drifted, reported drift too"),
            (4, "with --exit-code: something is blocked or unknown"),
        ],
        see: &["apply", "check"],
    },
    Entry {
        command: "apply",
        takes: ASKS,
        examples: &[
            ("posmoded apply", "What the daemon would do: once, without a daemon."),
            ("posmoded apply --wait 30m", "Stay until all are in sync, for 30 minutes at most."),
            ("posmoded apply desk-main", "One account."),
        ],
        ends: &[
            (0, "all are in sync"),
            (1, "not done"),
            (2, "some wait, and the last lines say for what"),
            (75, "a daemon holds the state, or a key that is needed"),
        ],
        see: &["plan", "run"],
    },
    Entry {
        command: "status",
        takes: STATE,
        examples: &[
            ("posmoded status", "What wants a human, what passes by itself, what is in sync."),
            ("posmoded status --problems desk-main", "One account, and of it only what is not in sync."),
            ("posmoded status --watch", "Drawn again in place; q ends it."),
            (
                "posmoded status -o json | jq '.targets[] | select(.wants == \"human\")'",
                "For programs: what /api/status has.",
            ),
        ],
        ends: &[
            (0, "all is in sync, and the newest file is in force"),
            (1, "no daemon has answered"),
            (2, "something is not in sync, or the newest file is refused"),
        ],
        see: &["history", "wait"],
    },
    Entry {
        command: "wait",
        takes: &["config", "state"],
        examples: &[
            ("posmoded wait desk-main", "Return once all of an account is in sync."),
            (
                "posmoded wait desk-main/USDT-FUTURES desk-uta --timeout 5m",
                "One target and an account, for five minutes at most.",
            ),
            (
                "systemctl start posmoded-wait@desk-main.service",
                "As a unit, which a strategy's unit names in Requires= and After=.",
            ),
        ],
        ends: &[
            (0, "they are in sync, and the newest file is in force"),
            (1, "nothing has answered until the time was up"),
            (2, "not in time, or the file gives one to another host"),
            (64, "the command line cannot be meant, or the file names no such account"),
        ],
        see: &["status"],
    },
    Entry {
        command: "refresh",
        takes: STATE,
        examples: &[
            ("posmoded refresh", "Look at everything now, before its time."),
            ("posmoded refresh desk-main", "Try again what was denied or refused, and is mended."),
            (
                "posmoded refresh desk-main --wait",
                "Return once that account was looked at, and say how it stands.",
            ),
        ],
        ends: &[
            (0, "the daemon has acknowledged it, and with --wait has looked"),
            (1, "it has not, within 5 s, or nothing could be written"),
        ],
        see: &["status"],
    },
    Entry {
        command: "history",
        takes: STATE,
        examples: &[
            ("posmoded history desk-main", "The last 100 events of an account."),
            ("posmoded history --since 7d --limit 1000", "Everything of the last week."),
            ("posmoded history --since 2026-11-22 --until 2026-11-23", "One day (UTC)."),
            ("posmoded history --follow -o json", "What happens from now on, one object a line."),
        ],
        ends: &[(0, "printed, with or without events"), (1, "there was no answer")],
        see: &["status"],
    },
    Entry {
        command: "pause",
        takes: STATE,
        examples: &[
            (
                "posmoded pause desk-main --reason 'order book replay' --for 2h",
                "No change of one account for two hours.",
            ),
            (
                "posmoded pause --reason 'exchange maintenance'",
                "No change anywhere, until `posmoded resume`.",
            ),
        ],
        ends: ACKNOWLEDGED,
        see: &["resume", "status"],
    },
    Entry {
        command: "resume",
        takes: STATE,
        examples: &[
            ("posmoded resume desk-main", "End the pause of an account, and its wait after a fight."),
            ("posmoded resume", "End every pause there is."),
        ],
        ends: ACKNOWLEDGED,
        see: &["pause", "status"],
    },
    Entry {
        command: "approve",
        takes: STATE,
        examples: &[(
            "posmoded approve 3f9a1c",
            "Let the plan go that `posmoded status` shows under this hash.",
        )],
        ends: &[
            (0, "the daemon has acknowledged it"),
            (1, "the plan is unknown or stale, or nobody has acknowledged it within 5 s"),
        ],
        see: &["status", "plan"],
    },
    Entry {
        command: "close-intent",
        takes: STATE,
        examples: &[(
            "posmoded close-intent desk-main/USDT-FUTURES --reason 'signed for 2027'",
            "End a set whose outcome is unknown and stays so.",
        )],
        ends: &[
            (0, "it is closed, as the mode shows that was read"),
            (1, "refused, with the reason, or no daemon runs"),
        ],
        see: &["status", "history"],
    },
    Entry {
        command: "hosts",
        takes: STATE,
        examples: &[(
            "posmoded hosts --state postgres://posmoded@db1/posmoded",
            "Who works with the ledger there, and does each of them live?",
        )],
        ends: &[
            (0, "every host lives, or its daemon has ended by itself"),
            (1, "a host shows no sign of life, or the ledger cannot be read"),
        ],
        see: &["status", "ledger"],
    },
    Entry {
        command: "ledger",
        takes: STATE,
        examples: &[
            ("posmoded ledger backup /var/backups/posmoded.sqlite", "A whole copy, while the daemon runs."),
            ("posmoded ledger verify", "Is the ledger sound?"),
        ],
        ends: &[
            (0, "done, or sound"),
            (1, "not done, or not sound"),
            (75, "restore and copy: a daemon runs"),
        ],
        see: &["ledger backup", "ledger verify", "ledger restore", "ledger copy"],
    },
    Entry {
        command: "ledger backup",
        takes: STATE,
        examples: &[(
            "posmoded ledger backup /var/backups/2026-11-29.sqlite",
            "A whole copy, while the daemon runs.",
        )],
        ends: &[(0, "the copy is whole"), (1, "there is no copy")],
        see: &["ledger verify", "ledger restore"],
    },
    Entry {
        command: "ledger verify",
        takes: STATE,
        examples: &[
            ("posmoded ledger verify", "The ledger in the state directory."),
            ("posmoded ledger verify /var/backups/posmoded.sqlite", "A copy."),
        ],
        ends: &[(0, "it is sound"), (1, "it is not, or cannot be read")],
        see: &["ledger backup", "ledger restore"],
    },
    Entry {
        command: "ledger restore",
        takes: STATE,
        examples: &[(
            "posmoded ledger restore /var/backups/posmoded.sqlite",
            "With no daemon: put a copy in place, and pause everything.",
        )],
        ends: &[(0, "it is in place"), (1, "nothing was changed"), (75, "a daemon runs")],
        see: &["ledger backup", "resume"],
    },
    Entry {
        command: "ledger copy",
        takes: &["log"],
        examples: &[
            (
                "posmoded ledger copy --from /var/lib/posmoded --to postgres://pm@db1/ledger",
                "With no daemon: from a file to a database of PostgreSQL.",
            ),
            ("posmoded ledger copy --from postgres://pm@db1/ledger --to /var/lib/posmoded", "And back."),
        ],
        ends: &[(0, "all of it is there"), (1, "nothing was copied"), (75, "a daemon runs with one of them")],
        see: &["ledger", "run"],
    },
    Entry {
        command: "import",
        takes: &["credentials", "host", "base_url", "ca", "proxy", "log"],
        examples: &[(
            "posmoded import desk-main desk-arb --credentials keys > new.yaml",
            "A file that declares what is live.",
        )],
        ends: &[(0, "every account was read"), (1, "one could not be, and nothing is printed")],
        see: &["check", "plan"],
    },
    Entry {
        command: "probe",
        takes: &["config", "credentials", "host", "base_url", "ca", "proxy", "log"],
        examples: &[(
            "posmoded probe desk-main > report.txt",
            "What the exchange answers, without anything private.",
        )],
        ends: &[(0, "all was asked that could be"), (1, "nothing could be asked")],
        see: &["plan"],
    },
    Entry {
        command: "completions",
        takes: &[],
        examples: &[
            ("posmoded completions bash >> ~/.bash_completion", "Bash, for one user."),
            ("posmoded completions zsh > ~/.zfunc/_posmoded", "Zsh, with ~/.zfunc in `fpath`."),
            ("posmoded completions fish > ~/.config/fish/completions/posmoded.fish", "Fish."),
        ],
        ends: &[(0, "printed")],
        see: &[],
    },
    Entry {
        command: "man",
        takes: &[],
        examples: &[
            ("posmoded man | man -l -", "Read the page that names all commands."),
            ("posmoded man ledger backup | man -l -", "That of a command."),
            ("posmoded man desired-state | man -l -", "That of the file, with every key."),
        ],
        ends: &[(0, "printed")],
        see: &[],
    },
    Entry {
        command: "schema",
        takes: &[],
        examples: &[(
            "posmoded schema > desired-state.schema.json",
            "For an editor, named in the first line of the file.",
        )],
        ends: &[(0, "printed")],
        see: &["check"],
    },
];
