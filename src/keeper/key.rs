//! The key: reads the credential, checks that it belongs to the right account, and warns of its rights.

use super::{Environment, Keeper, is_about_the_key};
use crate::exchange::Observe as _;
use crate::facts::{AccountFacts, Flatness, KeyTaken, OwnerDue};
use crate::protocol::{undotted, wrong};

impl<D: Environment> Keeper<D> {
    /// Pins the UID that the key showed, and compares it with the file, with the pinned one and with the other names.
    pub(super) async fn check_identity(&mut self) {
        let file = self.spec.account.uid.clone();
        let file = file.as_ref();
        let directives = self.directives.borrow().clone();
        let was_shown_by_this_key = directives.pins.was_shown_by(&self.account, self.key_id.as_ref());
        self.facts.owner_due = match was_shown_by_this_key {
            _ if file.is_some() => OwnerDue::BeforeAnything,
            Some(false) => OwnerDue::BeforeAnything,
            Some(true) => OwnerDue::BeforeASet,
            None => OwnerDue::OnceAModeDiffers,
        };
        let Some(identity) = self.facts.identity.clone() else { return };
        // A UID that contradicts the file is not pinned.
        let uid = identity.uid.as_ref().filter(|uid| file.is_none_or(|file| file == *uid));
        let is_asked = uid == self.pinned.as_ref();
        if let (Some(uid), Some(key)) =
            (uid.filter(|_| !is_asked && self.ledger_trouble.is_none()), self.key_id.as_ref())
        {
            match self.ledger.pin(&self.account, uid, key).await {
                Ok(_) => self.pinned = Some(uid.clone()),
                Err(error) => self.ledger_failed(&error),
            }
        }
        // A ledger that could not be asked is itself a brake; it is asked again before that brake ends.
        let directives = self.directives.borrow().clone();
        let claims = directives.pins.claims(&self.account, file, &identity, self.key_id.as_ref());
        self.facts.wrong = wrong(&self.account, &identity, claims);
    }

    /// Records the kind of the account, unless the key belongs to another account. A kind that could not be written is
    /// written later.
    pub(super) async fn observe(&mut self) {
        let is_its_own = self.facts.wrong.is_none() && !self.facts.is_unidentified();
        let Some(kind) = self.facts.kind.filter(|_| is_its_own) else { return };
        if let Some(before) = self.kind.filter(|before| *before != kind) {
            tracing::warn!(account = %self.account, "{}: it was a {before} account and is a {kind} one now", self.account);
        }
        self.kind = Some(kind);
        if self.ledger_trouble.is_none()
            && self.directives.borrow().kinds.get(&self.account) != Some(&kind)
            && let Err(error) = self.ledger.record_kind(&self.account, kind).await
        {
            self.ledger_failed(&error);
        }
    }

    /// Logs, once each, the rights that the key has too many or too few of.
    pub(super) fn warn(&mut self) {
        let AccountFacts { identity, owner_failing, .. } = &self.facts;
        let unseen = owner_failing.as_ref().filter(|_| identity.is_none()).map(|failing| {
            format!(
                "Whose key this is, and what it may do, could not be seen, which holds up nothing: {}.",
                undotted(&failing.failure.say)
            )
        });
        let told = identity.iter().flat_map(|identity| identity.warnings.clone());
        let warnings: Vec<String> = told.chain(unseen).collect();
        for say in warnings.iter().filter(|say| !self.warnings.contains(say)) {
            tracing::warn!(account = %self.account, "{}: {say}", self.account);
        }
        self.warnings = warnings;
    }

    /// Reads the credential and makes the exchange client with it. A new key may belong to another account, so it is
    /// tried at once, whatever the exchange answered to the previous one.
    pub(super) fn connect(&mut self) {
        self.connect_tried = self.clock.now();
        self.facts.keys_are_copies = self.environment.keys_are_copies();
        if self.facts.is_not_ours() {
            if let Some(key) = &self.key_id {
                self.environment.let_go(key);
            }
            self.exchange = None;
            self.facts.credential = None;
            return;
        }
        match self.environment.connect(&self.account, self.spec.account.demo) {
            Ok(exchange) => {
                let key = Some(exchange.fingerprint());
                if self.key != key {
                    self.key = key;
                    self.key_id = Some(exchange.key_id());
                    self.forget_the_key_before();
                    self.facts.kind = None;
                    // What another key read need not hold for the account of this one.
                    for slot in self.targets.values_mut() {
                        slot.facts.seen = None;
                        slot.facts.look_again(self.connect_tried);
                        slot.facts.flatness = Flatness::default();
                        slot.facts.refused_though_flat = None;
                    }
                }
                self.exchange = Some(exchange);
                self.targets.values_mut().for_each(|slot| slot.watched = None);
                self.facts.credential = None;
                self.claim();
            }
            Err(say) => {
                self.exchange = None;
                self.facts.credential = Some(say);
            }
        }
    }

    /// Claims the key for this process. Who had it before may have sent a set with it that nothing here knows of.
    pub(super) fn claim(&mut self) {
        let Some(exchange) = &self.exchange else { return };
        match self.environment.claim(&exchange.key_id()) {
            Ok(since) => {
                self.facts.key_taken = None;
                self.facts.quiet_until = since + self.quiet;
            }
            Err(say) => self.facts.key_taken = Some(KeyTaken { say, at: self.clock.now() }),
        }
    }

    pub(super) fn forget_the_key_before(&mut self) {
        self.facts.identity = None;
        self.facts.owner_failing = None;
        self.facts.key_taken = None;
        self.facts.failing = None;
        self.facts.wrong = None;
        self.pinned = None;
        for slot in self.targets.values_mut() {
            slot.facts.set_refused = None;
        }
    }

    /// Whether only another key file can help.
    pub(super) fn waits_for_a_key(&self) -> bool {
        let AccountFacts { credential, shared_key, .. } = &self.facts;
        credential.is_some() || shared_key.is_some() || self.is_key_refused()
    }

    fn is_key_refused(&self) -> bool {
        self.facts.failing.as_ref().is_some_and(|failing| is_about_the_key(&failing.failure))
    }
}
