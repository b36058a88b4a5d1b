//! One account of either kind: the two halves of the exchange, `Observe` and `Apply`.
//!
//! The scope selects the API: v2 for a product type, v3 for the whole account; the account's kind is not stored here.
//! Reports what it reads and sends the set that it is given; never retries a request and never judges a mode.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::client::Bitget;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Session, SetPermit, our_fault};
use super::sign::Trading;
use super::{classic, identity, unified};
use crate::exchange::credential::{Credential, Fingerprint};
use crate::exchange::{Apply, Observe, Urgency};
use crate::facts::{Answer, Failure, Identity, List, SetAnswer};
use crate::ledger::Noted;
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, PositionMode, Scope};

/// Client of one account, with its credential.
pub struct AccountClient<T> {
    name: AccountName,
    session: Session<T>,
}

impl<T: Transport> Bitget<T> {
    /// Client of an account of either kind, with its credential.
    pub fn account(&self, name: AccountName, credential: Credential, trading: Trading) -> AccountClient<T> {
        AccountClient { name, session: Session::new(self.clone(), credential, trading) }
    }
}

impl<T: Transport> Observe for AccountClient<T> {
    fn fingerprint(&self) -> Fingerprint {
        self.session.fingerprint()
    }

    fn queued_for(&self) -> Option<Duration> {
        self.session.queued_for()
    }

    fn sent(&self) -> u64 {
        self.session.sent()
    }

    async fn clock(&self) -> Result<Answer<()>, Failure> {
        self.session.time().await
    }

    async fn account(&self) -> Result<Answer<Identity>, Failure> {
        let identity = identity::of(&self.session).await?;
        if let Some(uid) = &identity.value.uid {
            self.session.belongs_to(uid);
        }
        Ok(identity)
    }

    async fn mode(&self, scope: Scope, urgency: Urgency) -> Result<Answer<PositionMode>, Failure> {
        match scope {
            Scope::Product(product) => classic::mode(&self.session, product, urgency).await,
            Scope::Account => unified::mode(&self.session, urgency).await,
        }
    }

    async fn count(&self, scope: Scope, list: List, urgency: Urgency) -> Result<Answer<u32>, Failure> {
        match scope {
            Scope::Product(product) => classic::count(&self.session, product, list, urgency).await,
            Scope::Account => unified::count(&self.session, list, urgency).await,
        }
    }
}

impl<T: Transport> Apply for AccountClient<T> {
    type Permit = SetPermit;

    async fn permit(&self, scope: Scope) -> Result<SetPermit, Failure> {
        let endpoint = match scope {
            Scope::Product(_) => Endpoint::SetPositionMode,
            Scope::Account => Endpoint::SetHoldMode,
        };
        self.session.permit(endpoint).await
    }

    async fn set(&self, noted: Noted, permit: SetPermit) -> (SetAnswer, Option<Answer<()>>) {
        if noted.target().account != self.name {
            let other = our_fault("a set for another account was asked of this one; nothing was sent");
            return (SetAnswer::Refused(other), None);
        }
        self.send_set(noted.target().scope, noted.mode(), noted.stamp(), permit).await
    }
}

impl<T: Transport> AccountClient<T> {
    async fn send_set(
        &self,
        scope: Scope,
        mode: PositionMode,
        stamp: ServerTime,
        permit: SetPermit,
    ) -> (SetAnswer, Option<Answer<()>>) {
        let setter = match scope {
            Scope::Product(product) => classic::setter(product, mode),
            Scope::Account => unified::setter(mode),
        };
        self.session.send_set(setter, stamp, permit).await
    }
}

impl<T> fmt::Debug for AccountClient<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccountClient { name, session } = self;
        out.debug_struct("AccountClient").field("name", name).field("session", session).finish()
    }
}
