//! What the daemon was told from outside, and when: files, pauses, resumes. The measure for what it then did.

use std::collections::BTreeMap;
use std::time::Duration;

use posmoded::ledger::Request;
use posmoded::moment::Moment;
use posmoded::position_mode::AccountName;
use posmoded::source::Word;

use super::{World, locked};

/// Everything that was said, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What the source said of the file.
    pub words: Vec<(Moment, Word)>,
    /// Pauses.
    pub pauses: Vec<PauseTold>,
    /// Resumes, of everything where no account is named.
    pub resumes: Vec<(Moment, Option<AccountName>)>,
    /// When each process ended, by its number; one that still lives is not here.
    pub ends: BTreeMap<u32, Moment>,
    /// When the exchange's clock was moved against ours.
    pub skews: Vec<Moment>,
}

/// One pause.
#[derive(Debug, Clone)]
pub struct PauseTold {
    /// Of which account; `None`: of everything.
    pub account: Option<AccountName>,
    /// When the command wrote it.
    pub written: Moment,
    /// When the daemon was first seen to have acknowledged it.
    pub acknowledged: Option<Moment>,
    /// When it ends by itself.
    pub until: Option<Moment>,
    /// When somebody resumed.
    pub lifted: Option<Moment>,
    request: Request,
}

impl PauseTold {
    /// Whether it forbids sets of an account at a moment, given when it began to count.
    pub fn stands(&self, account: &AccountName, began: Option<Moment>, at: Moment) -> bool {
        let covers = self.account.as_ref().is_none_or(|own| own == account);
        let over = [self.until, self.lifted].into_iter().flatten().any(|end| end <= at);
        covers && !over && began.is_some_and(|began| began < at)
    }
}

impl World {
    /// `posmoded pause`, of everything where no account is named.
    pub fn pause(&self, account: Option<&str>, lasts: Option<Duration>) {
        let account: Option<AccountName> = account.map(|name| name.parse().expect("an account name"));
        let accounts: Vec<AccountName> = account.iter().cloned().collect();
        let written = self.clock.now();
        let until = lasts.map(|lasts| written + lasts);
        let until_wall = until.map(|until| self.clock.wall_of(until));
        let request = self.visitor().pause(&accounts, "hands off", until_wall).expect("the pause is written");
        let pause = PauseTold { account, written, acknowledged: None, until, lifted: None, request };
        locked(&self.told).pauses.push(pause);
    }

    /// `posmoded resume`; gives back whether there was something to resume.
    pub fn resume(&self, account: Option<&str>) -> bool {
        let account: Option<AccountName> = account.map(|name| name.parse().expect("an account name"));
        let accounts: Vec<AccountName> = account.iter().cloned().collect();
        if self.visitor().resume(&accounts).is_err() {
            return false;
        }
        let now = self.clock.now();
        let mut told = locked(&self.told);
        let lifts = |pause: &PauseTold| account.is_none() || pause.account == account;
        for pause in told.pauses.iter_mut().filter(|pause| pause.lifted.is_none() && lifts(pause)) {
            pause.lifted = Some(now);
        }
        told.resumes.push((now, account));
        true
    }

    /// Notes which pauses the daemon has acknowledged by now.
    pub fn hear_acknowledgements(&self) {
        let now = self.clock.now();
        let mut told = locked(&self.told);
        let mut waiting = told.pauses.iter_mut().filter(|pause| pause.acknowledged.is_none()).peekable();
        if waiting.peek().is_none() {
            return;
        }
        let visitor = self.visitor();
        for pause in waiting {
            if visitor.acknowledged(&pause.request).expect("the ledger is read") {
                pause.acknowledged = Some(now);
            }
        }
    }

    /// Everything that was said so far.
    pub fn told_so_far(&self) -> Told {
        locked(&self.told).clone()
    }
}
