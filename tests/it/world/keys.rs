//! The environment of the keepers: keys as the simulator makes them, and a host that shows what a test wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bitget_sim::ApiKey;
use posmoded::clock::Clock;
use posmoded::exchange::CoolDown;
use posmoded::exchange::bitget::{AccountClient, Bitget, Trading};
use posmoded::exchange::credential::{Credential, Keyring};
use posmoded::facts::Requirements;
use posmoded::keeper::Environment;
use posmoded::moment::Moment;
use posmoded::position_mode::{AccountName, KeyId};
use tokio_util::sync::CancellationToken;

use super::wire::{Direct, Wire, locked};

/// Keys as the simulator makes them, by the account's name.
pub(super) struct SimulatedKeys {
    pub(super) stop: CancellationToken,
    pub(super) keyring: Mutex<Keyring>,
    pub(super) bitget: Bitget<Direct>,
    pub(super) wire: Arc<Wire>,
    pub(super) clock: Clock,
    /// Since when this process has which key.
    pub(super) claims: Mutex<BTreeMap<KeyId, Moment>>,
}

impl SimulatedKeys {
    fn key_of(&self, account: &AccountName) -> Option<KeyId> {
        let keyless = locked(&self.wire.state).keyless.contains(account.as_str());
        (!keyless).then(|| KeyId::of(&self.key(account).key))
    }

    /// What the credential file of an account holds.
    fn key(&self, account: &AccountName) -> ApiKey {
        let name = locked(&self.wire.state).keys.get(account.as_str()).cloned();
        ApiKey::named(name.as_deref().unwrap_or(account.as_str()))
    }
}

impl Environment for SimulatedKeys {
    type Exchange = AccountClient<Direct>;

    fn connect(&self, account: &AccountName, demo: bool) -> Result<AccountClient<Direct>, String> {
        let crashes = locked(&self.wire.state).crashing.contains(account.as_str());
        assert!(!crashes, "a keeper that fails, as the test wants");
        if locked(&self.wire.state).stop_at_the_next_key {
            self.stop.cancel();
        }
        if locked(&self.wire.state).keyless.contains(account.as_str()) {
            locked(&self.keyring).opened(account, None, |other| self.key_of(other));
            return Err(format!("There is no credential file for {account}: put one in place."));
        }
        let ApiKey { key, secret, passphrase, .. } = self.key(account);
        let credential = Credential::new(key, secret.0, passphrase.0).map_err(|error| error.to_string())?;
        locked(&self.keyring).opened(account, Some(credential.key_id()), |other| self.key_of(other));
        let trading = if demo { Trading::Demo } else { Trading::Real };
        Ok(self.bitget.account(account.clone(), credential, trading))
    }

    fn keys_are_copies(&self) -> bool {
        false
    }

    fn survey(&self, accounts: &BTreeSet<AccountName>) {
        locked(&self.keyring).replace(accounts, |account| self.key_of(account));
    }

    fn shared_key(&self, account: &AccountName) -> Option<String> {
        let other = locked(&self.keyring).shares_with(account)?.clone();
        Some(format!("The files of {account} and {other} hold the same key."))
    }

    /// The claims of these worlds are not counted.
    fn let_go(&self, _: &KeyId) {}

    fn claim(&self, key: &KeyId) -> Result<Moment, String> {
        if locked(&self.wire.state).stop_at_the_next_claim {
            self.stop.cancel();
        }
        match locked(&self.wire.state).key_taken.clone() {
            Some(say) => Err(say),
            None => Ok(*locked(&self.claims).entry(key.clone()).or_insert(self.clock.now())),
        }
    }

    fn cool_downs(&self) -> Vec<CoolDown> {
        self.bitget.cool_downs()
    }

    fn restore(&self, limit: &str, until: Moment) {
        self.bitget.restore(limit, until);
    }

    fn host_name(&self) -> String {
        locked(&self.wire.state).host_name.clone()
    }

    async fn unmet(&self, Requirements(all): &Requirements) -> Vec<String> {
        let state = &mut locked(&self.wire.state);
        state.looks_at_host.push(self.clock.now());
        all.iter().filter_map(|requirement| state.unmet.get(requirement).cloned()).collect()
    }
}
