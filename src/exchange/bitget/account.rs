//! One account of either kind: the two halves of the exchange, `Observe` and `Apply`.
//!
//! The scope selects the API: v2 for a product type, v3 for the whole account; the account's kind is not stored here.
//! Reports what it reads and sends the set that it is given; never retries a request and never judges a mode.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;

use super::client::Bitget;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Ask, Session, SetPermit, our_fault};
use super::sign::Trading;
use super::wire::Rows;
use super::{classic, identity, unified};
use crate::exchange::credential::{Credential, Fingerprint};
use crate::exchange::{Apply, Extent, Observe};
use crate::facts::{AccountSettings, Answer, Failure, Identity, List, OpenRow, SetAnswer, Stretch};
use crate::ledger::Noted;
use crate::moment::ServerTime;
use crate::position_mode::{AccountName, KeyId, Kind, PositionMode, Scope};
use crate::schedule::Purpose;

/// Client of one account, with its credential.
pub struct AccountClient<T> {
    name: AccountName,
    session: Session<T>,
    /// What each list had when it was last read.
    open: Mutex<BTreeMap<(Scope, List), Open>>,
}

/// What a list had when it was last read.
#[derive(Debug, Clone, Default)]
struct Open {
    /// The parts of it with rows.
    parts: BTreeSet<String>,
    /// The first of the rows, for people.
    rows: Vec<OpenRow>,
}

impl<T: Transport> Bitget<T> {
    /// Client of an account of either kind, with its credential.
    pub fn account(&self, name: AccountName, credential: Credential, trading: Trading) -> AccountClient<T> {
        let session = Session::new(self.clone(), name.clone(), credential, trading);
        AccountClient { name, session, open: Mutex::default() }
    }
}

impl<T: Transport> Observe for AccountClient<T> {
    fn fingerprint(&self) -> Fingerprint {
        self.session.fingerprint()
    }

    fn key_id(&self) -> KeyId {
        self.session.key_id().clone()
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

    fn stretch(&self) -> Stretch {
        self.session.client.stretch()
    }

    fn clock_contradicted(&self) -> Option<String> {
        self.session.clock_contradicted()
    }

    fn settings(&self) -> Option<AccountSettings> {
        self.session.settings()
    }

    fn open(&self, scope: Scope) -> Vec<OpenRow> {
        let open = self.open.lock();
        let rows = |list| open.get(&(scope, list)).map(|open| open.rows.clone()).unwrap_or_default();
        [List::Positions, List::Orders, List::PlanOrders].into_iter().flat_map(rows).collect()
    }

    fn watches(&self, scope: Scope, every: Duration) {
        self.session.client.watches(&self.session.target(scope), every);
    }

    fn leaves(&self, scope: Scope) {
        self.session.client.leaves(&self.session.target(scope));
    }

    fn waits_no_more(&self, scope: Scope) {
        self.session.client.waits_no_more(&self.session.target(scope));
    }

    fn ended(&self, scope: Scope) {
        self.session.client.ended(&self.session.target(scope));
    }

    fn verdict_cost(&self, scope: Scope) -> u32 {
        let lists = [List::PlanOrders, List::Orders, List::Positions];
        let requests = lists.map(|list| self.parts(scope, list).len()).iter().sum::<usize>();
        u32::try_from(requests).unwrap_or(u32::MAX).saturating_add(SET_AND_CONFIRM)
    }

    async fn kind(&self, purpose: Purpose) -> Result<Answer<Kind>, Failure> {
        identity::kind(&self.session, Ask { scope: Scope::Account, purpose }).await
    }

    async fn account(&self, purpose: Purpose) -> Result<Answer<Identity>, Failure> {
        let identity = identity::of(&self.session, Ask { scope: Scope::Account, purpose }).await?;
        if let Some(uid) = &identity.value.uid {
            self.session.belongs_to(uid);
        }
        Ok(identity)
    }

    async fn mode(&self, scope: Scope, purpose: Purpose) -> Result<Answer<PositionMode>, Failure> {
        match scope {
            Scope::Product(product) => classic::mode(&self.session, product, purpose).await,
            Scope::Account => unified::mode(&self.session, purpose).await,
        }
    }

    async fn count(
        &self,
        scope: Scope,
        list: List,
        extent: Extent,
        purpose: Purpose,
    ) -> Result<Answer<u32>, Failure> {
        let had_rows = match extent {
            Extent::Whole => None,
            Extent::WhereOpen => self.open.lock().get(&(scope, list)).map(|open| open.parts.clone()),
        };
        let asked = self.parts(scope, list).into_iter().filter(|part| {
            had_rows.as_ref().is_none_or(|had_rows| had_rows.is_empty() || had_rows.contains(part))
        });
        let ask = Ask { scope, purpose };
        // Side by side: in sequence they would take longer than a verdict may when the exchange is far away. All are awaited
        // even if one has failed, because a request dropped in flight holds its permit for long.
        let reads = asked.map(async |part| {
            let rows = match scope {
                Scope::Product(_) => classic::rows(&self.session, list, part.clone(), ask).await,
                Scope::Account => unified::rows(&self.session, list, part.clone(), ask).await,
            };
            Ok((part, rows?))
        });
        let read: Result<Vec<(String, Answer<Rows>)>, Failure> = join_all(reads).await.into_iter().collect();
        let read = read?;
        let parts =
            read.iter().filter(|(_, rows)| rows.value.count() > 0).map(|(part, _)| part.clone()).collect();
        let whole = read.into_iter().map(|(_, rows)| rows).reduce(|all, part| all.and(part, Rows::and));
        let whole = whole.ok_or_else(|| our_fault("no list was asked for"))?;
        let Answer { value: rows, asked, answered, server } = whole;
        let count = rows.count();
        let rows = rows
            .into_shown()
            .into_iter()
            .map(|row| OpenRow { symbol: row.symbol.filter(|symbol| self.session.may_show(symbol)), ..row });
        self.open.lock().insert((scope, list), Open { parts, rows: rows.collect() });
        Ok(Answer { value: count, asked, answered, server })
    }
}

/// What a change needs after its verdict.
const SET_AND_CONFIRM: u32 = 2;

impl<T: Transport> Apply for AccountClient<T> {
    type Permit = SetPermit;

    async fn permit(&self, scope: Scope) -> Result<SetPermit, Failure> {
        let endpoint = match scope {
            Scope::Product(_) => Endpoint::SetPositionMode,
            Scope::Account => Endpoint::SetHoldMode,
        };
        self.session.permit(endpoint, scope).await
    }

    async fn set(&self, noted: Noted, permit: SetPermit) -> (SetAnswer, Option<Answer<()>>) {
        if noted.target().account != self.name {
            let other = our_fault("a set for another account was asked of this one; nothing was sent");
            return (SetAnswer::NotSent(other), None);
        }
        self.send_set(noted.target().scope, noted.mode(), noted.stamp(), permit).await
    }
}

impl<T: Transport> AccountClient<T> {
    /// The queries whose answers together are a list.
    fn parts(&self, scope: Scope, list: List) -> Vec<String> {
        match scope {
            Scope::Product(product) => classic::parts(product, list),
            Scope::Account => unified::parts(list, self.session.settings().as_ref()),
        }
    }

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
        let AccountClient { name, session, open: _ } = self;
        out.debug_struct("AccountClient").field("name", name).field("session", session).finish()
    }
}
