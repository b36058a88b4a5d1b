//! Connections to the accounts at the exchange, from a directory of credential files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};

use crate::clock::Clock;
use crate::exchange::CoolDown;
use crate::exchange::bitget::{AccountClient, Bitget, Sockets, Trading};
use crate::exchange::credential::{self, Credential, KeptBy, Keyring};
use crate::facts::Requirements;
use crate::host::Host;
use crate::keeper::Environment;
use crate::position_mode::{AccountName, KeyId};

use super::options::{NotStarted, Options, unusable};

/// The exchange, with one connection per account, made from the account's credential file.
pub struct KeyFiles {
    pub(super) bitget: Bitget<Sockets>,
    pub(super) sockets: Sockets,
    dir: PathBuf,
    kept_by: KeptBy,
    keyring: Mutex<Keyring>,
    host: Host,
}

impl KeyFiles {
    /// Fails if there is no directory of key files, or the root certificate cannot be read.
    pub fn new(options: &Options, clock: &Clock) -> Result<KeyFiles, NotStarted> {
        let dir = options.credentials.clone().ok_or_else(|| {
            NotStarted::Unusable(
                "There is no directory of key files: write it after --credentials, or let systemd make one with \
                 LoadCredential="
                    .to_owned(),
            )
        })?;
        if !dir.is_dir() {
            return Err(NotStarted::Unusable(format!(
                "--credentials {}: there is no such directory; make it, with one key file per account.",
                dir.display()
            )));
        }
        let Options { base_url, ca, proxy, .. } = options;
        let sockets = Sockets::through(proxy.clone(), base_url.clone(), ca.as_deref()).map_err(unusable)?;
        let bitget = Bitget::new(sockets.clone(), clock.clone(), options.requests_per_second);
        Ok(KeyFiles {
            bitget,
            sockets,
            kept_by: kept_by(&dir),
            dir,
            keyring: Mutex::default(),
            host: Host::default(),
        })
    }

    fn key_of(&self, account: &AccountName) -> Option<KeyId> {
        credential::read(&self.dir, account, self.kept_by).ok().map(|credential| credential.key_id())
    }

    fn keyring(&self) -> MutexGuard<'_, Keyring> {
        self.keyring.lock()
    }
}

impl Environment for KeyFiles {
    type Exchange = AccountClient<Sockets>;

    fn connect(&self, account: &AccountName, demo: bool) -> Result<AccountClient<Sockets>, String> {
        let read = credential::read(&self.dir, account, self.kept_by);
        let key = read.as_ref().ok().map(Credential::key_id);
        self.keyring().opened(account, key, |other| self.key_of(other));
        let credential = read.map_err(|error| error.to_string())?;
        let trading = if demo { Trading::Demo } else { Trading::Real };
        Ok(self.bitget.account(account.clone(), credential, trading))
    }

    fn survey(&self, accounts: &BTreeSet<AccountName>) {
        self.keyring().replace(accounts, |account| self.key_of(account));
    }

    fn shared_key(&self, account: &AccountName) -> Option<String> {
        let other = self.keyring().shares_with(account)?.clone();
        Some(credential::say_shared(&self.dir, self.kept_by, account, &other))
    }

    fn cool_downs(&self) -> Vec<CoolDown> {
        self.bitget.cool_downs()
    }

    fn restore(&self, cool_down: &CoolDown) {
        self.bitget.restore(cool_down);
    }

    async fn unmet(&self, require: &Requirements) -> Vec<String> {
        self.host.unmet(require).await
    }
}

/// Others cannot read the directory that systemd makes, whatever the modes of the files in it.
fn kept_by(dir: &Path) -> KeptBy {
    let systemd = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|theirs| Path::new(&theirs) == dir);
    if systemd { KeptBy::Systemd } else { KeptBy::Mode }
}
