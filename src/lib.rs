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
//! A room may use only rooms above it, and no files use each other in a circle; a test holds both (`tests/it/arrows.rs`).
//!
//! | room | what is in it | |
//! |---|---|---|
//! | [`constants`] | the intervals and bounds that protocol, exchange and ledger go by, each with its reason | pure |
//! | [`moment`] | points in time as numbers | pure |
//! | [`position_mode`] | modes, product types, accounts, scopes, targets | pure |
//! | [`window`] | change windows: whether open at a moment, and when next | pure |
//! | [`schedule`] | which request goes next, out of one budget a second; [`exchange`] asks it | pure |
//! | [`facts`] | what is known, and how an answer changes it | pure |
//! | [`desired`] | the file's text to what it declares, or to every problem in it | pure |
//! | [`protocol`] | `Standing::of(facts, now)`, then `next(facts, standing, now) -> Step`: everything that decides what is sent | pure |
//! | [`clock`] | time and random numbers, which nothing else asks for; the exchange's time as far as it is known | |
//! | [`log`] | the lines of the log on their way out, which nothing waits for | |
//! | [`access`] | who else may use a file or write to a directory | |
//! | [`ledger`] | what was done, on disk: intents, applied modes, brakes, history | |
//! | [`exchange`] | Bitget in two halves: `Observe` reads, `Apply` sets | |
//! | [`host`] | checks what the file requires of this host | |
//! | [`source`] | the file's content, watched and polled | |
//! | [`status`] | the values that operators see | |
//! | [`keeper`] | one account: takes the step that the protocol wants, and updates the facts | |
//! | [`fleet`] | starts a keeper for each account, and gives it the newest revision | |
//! | [`serve`] | HTTP, metrics, the service manager: shows status, history and counters to others; changes nothing | |
//! | [`notify`] | messages to people: what to tell, when, and the posting of it, which nothing waits for | |
//! | [`daemon`] | all of the above, wired: what `run` and `apply` start | |
//! | [`cli`] | one file per command, and what they share | |
//! | `fuzzing` | what holds of every input that others write; in the builds of fuzz targets and of tests only | |
//!
//! # The words
//!
//! | word | meaning |
//! |---|---|
//! | account | a Bitget (sub-)account with one API key, under the name that the file gives it |
//! | scope | what of an account has a mode of its own: one product type of a classic account, or the whole of a unified one |
//! | target | one scope of one account: what has a desired and a live mode |
//! | desired, live, applied | the mode that the file wants; that the exchange shows; that was last live as the file wanted it, or that a set of ours made live |
//! | revision | an accepted content of the file, by its number (`generation`) |
//! | look | one question to the exchange (its clock, whose the key is, a mode, a list), in one or more requests; or to the host |
//! | standing | where a target is at a moment: its state, the wanted change, and the reasons |
//! | flat | without positions, orders and plan orders; a *verdict* is one complete reading of all three lists |
//! | plan, held plan | changes that are wanted, under one hash; those of them that wait for an approval |
//! | facts | everything that a decision goes by, as one value |
//! | step | what the protocol wants next for a target: look, note, send, withdraw, record or rest |
//! | brake | what forbids sets for a reason outside of the account and the file's own words: a pause, an unacceptable file, a ledger that cannot be written, a used up budget |
//! | set, intent, note | a request that changes a mode; its record on disk; to write that record, before the set is sent |
//! | fence | the moment from which the exchange refuses the timestamp of an unanswered set; should the set show after all, it is *late* |
//! | release | to forget what is on record for a target that the file does not name any more |
//! | kick | a request to look at every target now; a reload also reads the credentials again; a *refresh* is one for single accounts, and allows one more try of what is mended at the exchange |
//! | stamp | the exchange's time that a set is signed with |
//! | lane | one limit of the exchange, with the requests that wait for it |
//! | keeper | the task that keeps one account |
//! | pin | the user id that a name's key first showed, and must show from then on |
//! | drift, adopt | a change of the mode that is not ours; to record a live mode that is already the desired one |
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
//! * `plan`, `check` and `probe` hold no way to set anything; under `drift: report` no set has drift as its cause, but for one
//!   for each time that somebody approves it.
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

pub mod access;
pub mod cli;
pub mod clock;
pub mod constants;
pub mod daemon;
pub mod desired;
pub mod exchange;
pub mod facts;
pub mod fleet;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod keeper;
pub mod ledger;
pub mod log;
pub mod moment;
pub mod notify;
pub mod position_mode;
pub mod protocol;
pub mod schedule;
pub mod serve;
pub mod source;
pub mod status;
pub mod window;
