//! What the daemon was told from outside, and when: files, pauses, resumes. The measure for what it then did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bitget_sim::Uid;
use posmoded::ledger::{CommandAnswer, CommandRequest};
use posmoded::moment::{Moment, ServerTime};
use posmoded::position_mode::AccountName;
use posmoded::source::FileState;

use super::{World, locked};

/// Everything that was said, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What the source said of the file.
    pub words: Vec<(Moment, FileState)>,
    /// Pauses.
    pub pauses: Vec<PauseTold>,
    /// Resumes, of everything where no account is named.
    pub resumes: Vec<(Moment, Option<AccountName>)>,
    /// When each process ended, by its number; one that still lives is not here.
    pub ends: BTreeMap<u32, Moment>,
    /// When the exchange's clock was moved against ours.
    pub skews: Vec<Moment>,
    /// The accounts whose strategies asked beside the daemon, at any time.
    pub busy: BTreeSet<Uid>,
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
    /// When it ends by itself, by the exchange's clock as it stood when the command wrote it.
    pub until: Option<ServerTime>,
    /// When somebody resumed.
    pub lifted: Option<Moment>,
    request: CommandRequest,
}

impl PauseTold {
    /// Whether it forbids sets of an account at a moment, given when it began to count. It ends by itself by the exchange's
    /// clock: that is what a set is signed with.
    pub fn stands(
        &self,
        account: &AccountName,
        began: Option<Moment>,
        at: Moment,
        signed: Option<ServerTime>,
    ) -> bool {
        let covers = self.account.as_ref().is_none_or(|own| own == account);
        let ended = self.until.zip(signed).is_some_and(|(until, signed)| until <= signed);
        let lifted = self.lifted.is_some_and(|lifted| lifted <= at);
        covers && !ended && !lifted && began.is_some_and(|began| began < at)
    }
}

impl World {
    /// `posmoded pause`, of everything where no account is named.
    pub fn pause(&self, account: Option<&str>, lasts: Option<Duration>) {
        let account: Option<AccountName> = account.map(|name| name.parse().expect("an account name"));
        let accounts: Vec<AccountName> = account.iter().cloned().collect();
        let written = self.clock.now();
        let until = lasts.map(|lasts| ServerTime(self.exchange_now().0) + lasts);
        let request = self.visitor().pause(&accounts, "hands off", lasts).expect("the pause is written");
        let pause = PauseTold { account, written, acknowledged: None, until, lifted: None, request };
        locked(&self.told).pauses.push(pause);
    }

    /// `posmoded refresh`.
    pub fn refresh(&self, account: &str) {
        let account: AccountName = account.parse().expect("an account name");
        self.visitor().refresh(&[account]).expect("the request is written");
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
            let answer = visitor.answer(&pause.request).expect("the ledger is read");
            if answer == Some(CommandAnswer::Acknowledged) {
                pause.acknowledged = Some(now);
            }
        }
    }

    /// Everything that was said so far.
    pub fn told_so_far(&self) -> Told {
        locked(&self.told).clone()
    }
}
