//! What must always hold, checked from the exchange's request log, from the intents on disk and from what the daemon was
//! told: the daemon's own word counts for nothing here.

pub mod company;
mod evidence;
mod fence;
mod file;
mod flat;
mod intents;
mod limits;

use std::time::Duration;

use posmoded::ledger::HistoryFilter;

use super::World;
use evidence::Evidence;

impl World {
    /// Checks everything below over all that has happened so far; each target had to be flat for `settle`.
    #[track_caller]
    pub fn check_invariants(&self, settle: Duration) {
        self.check(Some(settle));
    }

    /// The same, with the `settle` that the file had when a set left.
    #[track_caller]
    pub fn check_invariants_by_the_file(&self) {
        self.check(None);
    }

    #[track_caller]
    fn check(&self, settle: Option<Duration>) {
        self.hear_acknowledgements();
        let evidence = Evidence::of(self);
        for sets in evidence.sets_by_target().values() {
            fence::never_two_unresolved(&evidence, sets);
            for set in sets {
                flat::flat_before(&evidence, set, settle);
                file::as_the_file_says(&evidence, set);
                file::no_brake(&evidence, set);
            }
            intents::at_most_three_corrections(&evidence, sets);
        }
        intents::one_for_each_set(&evidence);
        intents::at_most_max_changes(&evidence);
        intents::one_correction_for_each_approval(&evidence);
        limits::none_exceeded(&evidence);
        self.check_secrets();
    }

    /// I11: no key, secret or passphrase in what operators see.
    #[track_caller]
    fn check_secrets(&self) {
        let status = self.status();
        let filter =
            HistoryFilter { accounts: Vec::new(), since_wall: None, until_wall: None, limit: usize::MAX };
        let history = self.visitor().history(&filter).expect("the ledger is read");
        let shown = [
            serde_json::to_string(&status).expect("a status is JSON"),
            serde_json::to_string(&history).expect("a history is JSON"),
            format!("{status:?}{history:?}"),
        ];
        for text in shown {
            no_secret_in(&text);
        }
    }
}

/// I11 for any text: the simulator's secrets all begin alike.
#[track_caller]
pub fn no_secret_in(text: &str) {
    for secret in ["test-secret-", "test-passphrase-", "key-desk"] {
        if let Some(at) = text.find(secret) {
            panic!(
                "I11: a secret is shown: ...{}",
                text[at.saturating_sub(200)..].chars().take(400).collect::<String>()
            );
        }
    }
}
