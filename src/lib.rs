//! posmoded keeps Bitget futures accounts in the position mode that a file in git declares, and never touches an account
//! that is not flat.
//!
//! # The way data flows
//!
//! ```text
//! desired-state.yaml --source--> desired --+
//!                     ledger (applied, intents, brakes) --+--> facts --> protocol::next --> step --> keeper does it --+
//!                  exchange (mode, flatness, its clock) --+                 (pure)                                     |
//!                                 ^---------------- what came back is a new fact <-------------------------------------+
//!                                                   status (one cell per account) --> JSON, metrics, systemd, commands
//! ```
//!
//! # The rooms, in reading order
//!
//! A room may name only rooms above it; a test holds that (`tests/it/arrows.rs`).
//!
//! | room | what is in it | |
//! |---|---|---|
//! | [`constants`] | every interval and bound, with its reason | pure |
//! | [`moment`] | points in time as numbers | pure |
//! | [`position_mode`] | the words: mode, product type, account, scope, target | pure |
//! | [`window`] | change windows: open at a moment, or when next | pure |
//! | [`facts`] | what is known, and how what comes back changes it | pure |
//! | [`desired`] | the file's text to what it wants, or every problem of it | pure |
//! | [`protocol`] | `next(&Facts, now) -> Step`: everything that decides | pure |
//! | [`clock`] | the only door to time and random numbers; the exchange's time as far as it is known | |
//! | [`ledger`] | what we did, on disk: intents, applied modes, brakes, history | |
//! | [`exchange`] | Bitget in two halves: `Observe` reads, `Apply` sets | |
//! | [`host`] | what this host shows of what the file requires of it | |
//! | [`source`] | the file's content, watched and polled | |
//! | [`status`] | the values that operators see | |
//! | [`keeper`] | one account: do the step, keep the facts | |
//! | [`fleet`] | which accounts have a keeper, and the guard over all | |
//! | [`serve`] | HTTP, metrics, the service manager: only render `status` | |
//! | [`daemon`] | all of the above, wired: what `run` and `apply` start | |
//! | [`cli`] | one file per command | |
//!
//! # What always holds
//!
//! Checked by tests from the exchange's request log and from the disk, not from the daemon's own word.
//!
//! * Never two unresolved sets for one target.
//! * No set without two complete flat verdicts at least `settle` apart (one, if `settle` is 0) and no other answer between
//!   them, the last at most 5 s old.
//! * Every set asks for what the newest accepted revision says when it leaves, and no brake stood when its intent was
//!   written.
//! * Every set was preceded by its intent on disk: `ledger::Noted` has one maker, and `Apply::set` uses it up.
//! * "In sync" means that live was as desired when last read, and that nothing older can still take effect.
//! * `plan` and `check` hold no way to set anything; under `drift: report` no set has drift as its cause.
//! * A target that left the file gets no set. A bad file releases nothing and sends nothing.
//! * No sliding window exceeds a limit of the exchange, across restarts, over answered requests.
//! * No secret is in any log, status, metric or error.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::disallowed_methods,
        reason = "a test may panic and wait"
    )
)]

pub mod cli;
pub mod clock;
pub mod constants;
pub mod daemon;
pub mod desired;
pub mod exchange;
pub mod facts;
pub mod fleet;
pub mod host;
pub mod keeper;
pub mod ledger;
pub mod moment;
pub mod position_mode;
pub mod protocol;
pub mod serve;
pub mod source;
pub mod status;
pub mod window;
