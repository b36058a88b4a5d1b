//! Connections to the accounts at the exchange, from a directory of credential files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::exchange::bitget::probe::Probe;
use crate::exchange::bitget::{AccountClient, BaseUrl, Bitget, Sockets, Trading};
use crate::exchange::credential::{self, Credential, KeptBy, Keyring};
use crate::exchange::{CoolDown, HttpVersion};
use crate::facts::Requirements;
use crate::host::{Claim, Holder, Host, HostName, Unclaimed};
use crate::keeper::Environment;
use crate::moment::Moment;
use crate::notify::Receiver;
use crate::position_mode::{AccountName, KeyId, hex};

use super::options::{NotStarted, Options, unusable};

/// The exchange, with one connection per account, made from the account's credential file.
pub struct KeyFiles {
    pub(super) bitget: Bitget<Sockets>,
    pub(super) sockets: Sockets,
    dir: PathBuf,
    kept_by: KeptBy,
    keyring: Mutex<Keyring>,
    /// The keys that this process has claimed, until it ends.
    claims: Mutex<BTreeMap<KeyId, (Claim, Moment)>>,
    clock: Clock,
    base_url: BaseUrl,
    host: Host,
    host_name: HostName,
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
            claims: Mutex::default(),
            clock: clock.clone(),
            base_url: base_url.clone(),
            host: Host::default(),
            host_name: options.host.clone(),
        })
    }

    /// A probe of an account, which can only read; the error is one sentence on why there is none.
    pub fn probe(&self, account: &AccountName, demo: bool, clock: &Clock) -> Result<Probe<Sockets>, String> {
        let credential =
            credential::read(&self.dir, account, self.kept_by).map_err(|error| error.to_string())?;
        Ok(Probe::new(self.sockets.clone(), clock, account.clone(), credential, trading(demo)))
    }

    /// The version of HTTP of the last answer; `None` before the first.
    pub fn spoken(&self) -> Option<HttpVersion> {
        self.sockets.spoken()
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
        Ok(self.bitget.account(account.clone(), credential, trading(demo)))
    }

    fn keys_are_copies(&self) -> bool {
        self.kept_by == KeptBy::Systemd
    }

    fn survey(&self, accounts: &BTreeSet<AccountName>) {
        self.keyring().replace(accounts, |account| self.key_of(account));
    }

    fn shared_key(&self, account: &AccountName) -> Option<String> {
        let other = self.keyring().shares_with(account)?.clone();
        Some(credential::say_shared(&self.dir, self.kept_by, account, &other))
    }

    fn let_go(&self, key: &KeyId) {
        self.claims.lock().remove(key);
    }

    fn claim(&self, key: &KeyId) -> Result<Moment, String> {
        let mut claims = self.claims.lock();
        if let Some((_, since)) = claims.get(key) {
            return Ok(*since);
        }
        match Claim::take(&claim_name(&self.base_url, key)) {
            Ok(claim) => {
                let since = self.clock.now();
                claims.insert(key.clone(), (claim, since));
                Ok(since)
            }
            Err(Unclaimed::Taken(holder)) => Err(say_taken(holder)),
            Err(Unclaimed::Failed(error)) => Err(format!(
                "Whether another process changes accounts with this key cannot be seen, so nothing is changed: {error}."
            )),
        }
    }

    fn cool_downs(&self) -> Vec<CoolDown> {
        self.bitget.cool_downs()
    }

    fn restore(&self, limit: &str, until: Moment) {
        self.bitget.restore(limit, until);
    }

    fn host_name(&self) -> String {
        self.host_name.now()
    }

    async fn unmet(&self, require: &Requirements) -> Vec<String> {
        self.host.unmet(require).await
    }
}

/// What is wrong with the key files of these accounts in `dir`, and with the file of who is told, each problem once.
pub fn key_problems(dir: &Path, accounts: &BTreeSet<AccountName>) -> Vec<String> {
    let kept_by = kept_by(dir);
    let mut keyring = Keyring::default();
    let key_of = |account: &AccountName| credential::read(dir, account, kept_by);
    keyring.replace(accounts, |account| key_of(account).ok().map(|credential| credential.key_id()));
    let mut problems = Vec::new();
    for account in accounts {
        let problem = match (key_of(account), keyring.shares_with(account)) {
            (Err(error), _) => Some(error.to_string()),
            (Ok(_), Some(other)) if account < other => {
                Some(credential::say_shared(dir, kept_by, account, other))
            }
            (Ok(_), _) => None,
        };
        problems.extend(problem.filter(|problem| !problems.contains(problem)));
    }
    let of_messages = Receiver::read(dir, kept_by).err().map(|error| error.to_string());
    problems.extend(of_messages.filter(|problem| !problems.contains(problem)));
    problems
}

fn trading(demo: bool) -> Trading {
    if demo { Trading::Demo } else { Trading::Real }
}

/// Others cannot read the directory that systemd makes, whatever the modes of the files in it.
pub(super) fn kept_by(dir: &Path) -> KeptBy {
    let systemd = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|theirs| Path::new(&theirs) == dir);
    if systemd { KeptBy::Systemd } else { KeptBy::Mode }
}

/// The same for all processes on a host that reach the same exchange with the same key.
fn claim_name(base_url: &BaseUrl, key: &KeyId) -> String {
    format!("posmoded-key-{}", hex(&Sha256::digest(format!("{base_url}\0{key}"))))
}

fn say_taken(holder: Option<Holder>) -> String {
    let who = match holder {
        Some(Holder { pid: Some(pid), user }) => {
            format!("Another process on this host (PID {pid}, user {user})")
        }
        Some(Holder { pid: None, user }) => format!("Another process on this host (of user {user})"),
        None => "Another process on this host".to_owned(),
    };
    format!("{who} changes accounts with the same key, so this one does not: stop one of the two.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::options::REQUESTS;
    use super::*;
    use crate::constants::QUIET;
    use crate::serve::Listen;

    #[tokio::test(start_paused = true)]
    async fn f65_a_key_is_claimed_by_one_and_whoever_takes_it_over_has_it_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(0, 1);
        let options = Options {
            config: dir.path().join("desired-state.yaml"),
            state: dir.path().into(),
            credentials: Some(dir.path().to_owned()),
            host: HostName::Kernel,
            base_url: "http://127.0.0.1:9".parse().unwrap(),
            ca: None,
            proxy: None,
            listen: Listen::Nowhere,
            schedule: None,
            requests_per_second: REQUESTS,
            quiet: QUIET,
        };
        let [first, second] = [(); 2].map(|()| KeyFiles::new(&options, &clock).unwrap());
        let key = KeyId::of(&format!("test-key-{}", std::process::id()));
        let since = first.claim(&key).unwrap();
        let said = second.claim(&key).unwrap_err();
        assert!(
            said.starts_with(&format!("Another process on this host (PID {}", std::process::id())),
            "{said}"
        );
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(first.claim(&key), Ok(since), "it has it all the time");
        drop(first);
        assert_eq!(
            second.claim(&key),
            Ok(clock.now()),
            "not from its start on: the first may have sent a set just now"
        );
    }
}
