//! One account of either kind: the two halves of the exchange, `Observe` and `Apply`.
//!
//! The scope says which API is asked: a product type v2, the whole account v3. What kind the account is of is not kept
//! here. Says what is there and sends the one set that it is given. Never repeats a request and never judges a mode.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::DeserializeOwned;

use super::answer::{Reply, Told};
use super::http::{Request, Transport};
use super::sign::{Trading, sign};
use super::wire::{Broken, Time, shape};
use super::{Bitget, Turn, classic, kind, lock, unanswered, unified};
use crate::constants::PAGES;
use crate::exchange::credential::{Credential, Fingerprint};
use crate::exchange::{Apply, Observe, Urgency};
use crate::facts::Answer;
use crate::facts::{Class, Failure, Identity, List, SetAnswer};
use crate::ledger::Noted;
use crate::moment::ServerTime;
use crate::pace::{Endpoint, LaneName};
use crate::position_mode::{AccountName, KeyId, PositionMode, Scope};

/// One account, asked with its credential.
pub struct Account<T> {
    pub(super) bitget: Bitget<T>,
    name: AccountName,
    key: KeyId,
    credential: Credential,
    trading: Trading,
}

/// The right to send one set now: a permit of the setter's own limit, and a turn among all requests.
#[derive(Debug)]
#[must_use = "it is free again when dropped"]
pub struct SetPermit {
    turn: Turn,
    endpoint: Endpoint,
}

/// An endpoint and its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call(pub(super) Endpoint, pub(super) &'static str);

/// A set as it leaves: where to, and its body as it is signed.
#[derive(Debug)]
pub(super) struct Setter {
    pub(super) call: Call,
    pub(super) body: serde_json::Result<String>,
}

/// What was asked for, as the wire has it.
pub(super) struct Brought<D> {
    pub(super) data: D,
    pub(super) reply: Reply,
    pub(super) server: ServerTime,
}

impl<T: Transport> Observe for Account<T> {
    fn fingerprint(&self) -> Fingerprint {
        self.credential.fingerprint()
    }

    async fn clock(&self) -> Result<Answer<()>, Failure> {
        let brought: Brought<Time> =
            Brought::of(self.ask_public(TIME, String::new(), Urgency::Routine).await?)?;
        brought.data.server_time().map_err(|broken| brought.reply.broken(&broken))?;
        Ok(brought.answer(()))
    }

    async fn account(&self) -> Result<Answer<Identity>, Failure> {
        let identity = kind::identity(self).await?;
        if let Some(uid) = &identity.value.uid {
            lock(&self.bitget.shared.pace).belongs(&self.key, uid);
        }
        Ok(identity)
    }

    async fn mode(&self, scope: Scope, urgency: Urgency) -> Result<Answer<PositionMode>, Failure> {
        match scope {
            Scope::Product(product) => classic::mode(self, product, urgency).await,
            Scope::Account => unified::mode(self, urgency).await,
        }
    }

    async fn count(&self, scope: Scope, list: List, urgency: Urgency) -> Result<Answer<u32>, Failure> {
        match scope {
            Scope::Product(product) => classic::count(self, product, list, urgency).await,
            Scope::Account => unified::count(self, list, urgency).await,
        }
    }
}

impl<T: Transport> Apply for Account<T> {
    type Permit = SetPermit;

    async fn permit(&self, scope: Scope) -> Result<SetPermit, Failure> {
        let endpoint = match scope {
            Scope::Product(_) => classic::SET_POSITION_MODE.0,
            Scope::Account => unified::SET_HOLD_MODE.0,
        };
        let turn = self.bitget.turn(self.lane(endpoint), Urgency::PartWay).await?;
        Ok(SetPermit { turn, endpoint })
    }

    async fn set(&self, noted: Noted, permit: SetPermit) -> (SetAnswer, Option<Answer<()>>) {
        if noted.target().account != self.name {
            let other = our_fault("a set for another account was asked of this one; nothing was sent");
            return (SetAnswer::Refused(other), None);
        }
        self.send_set(noted.target().scope, noted.mode(), noted.stamp(), permit).await
    }
}

impl<T: Transport> Account<T> {
    pub(super) fn new(
        bitget: Bitget<T>,
        name: AccountName,
        credential: Credential,
        trading: Trading,
    ) -> Account<T> {
        Account { bitget, name, key: credential.key_id(), credential, trading }
    }

    /// The one place that writes.
    async fn send_set(
        &self,
        scope: Scope,
        mode: PositionMode,
        stamp: ServerTime,
        SetPermit { turn, endpoint: permitted }: SetPermit,
    ) -> (SetAnswer, Option<Answer<()>>) {
        let Setter { call: Call(endpoint, path), body } = match scope {
            Scope::Product(product) => classic::setter(product, mode),
            Scope::Account => unified::setter(mode),
        };
        let lane = self.lane(endpoint);
        if let Some(until) = self.bitget.stopped_until(&lane) {
            return (SetAnswer::Refused(self.bitget.busy(&lane, until)), None);
        }
        let body = match body {
            Ok(body) if endpoint == permitted => body,
            Ok(_) => {
                let other = our_fault("a set was asked with the permit of another; nothing was sent");
                return (SetAnswer::Refused(other), None);
            }
            Err(_) => {
                return (SetAnswer::Refused(our_fault("a set cannot be written; nothing was sent")), None);
            }
        };
        let mut request = Request::post(path, body);
        sign(&mut request, &self.credential, self.trading, stamp);
        let now = self.bitget.now();
        let stamped = self.bitget.server_clock().map_or(now, |clock| clock.moment(stamp));
        match self.bitget.send(endpoint, request, turn, stamped, Some(&self.credential)).await {
            Ok(reply) => {
                let told = reply.server().map(|server| Answer {
                    value: (),
                    asked: reply.asked,
                    answered: reply.answered,
                    server,
                });
                (reply.set(), told)
            }
            Err(error) => (SetAnswer::Unclear(unanswered(endpoint, &error).say), None),
        }
    }

    /// Reads lists one after the other, each page by page, from the first question to the last answer. `take` looks at a
    /// page and says what to add to the question for the next one, if there may be one.
    pub(super) async fn read<D: DeserializeOwned + Send>(
        &self,
        call: Call,
        lists: Vec<String>,
        urgency: Urgency,
        mut take: impl FnMut(D) -> Result<Option<String>, Broken> + Send,
    ) -> Result<Answer<()>, Failure> {
        let mut whole: Option<Answer<()>> = None;
        for list in lists {
            let mut query = list.clone();
            let mut followed = BTreeSet::new();
            for _ in 0..PAGES {
                let urgency = if whole.is_some() { Urgency::PartWay } else { urgency };
                let Brought { data, reply, server } = Brought::of(self.ask(call, query, urgency).await?)?;
                let next = take(data).map_err(|broken| reply.broken(&broken))?;
                let began = whole.map_or(reply.asked, |whole| whole.asked);
                whole = Some(Answer { value: (), asked: began, answered: reply.answered, server });
                let Some(next) = next else { break };
                query = format!("{list}&{next}");
                if !followed.insert(next) {
                    return Err(reply.broken(&Broken("a page that leads back to one before it".to_owned())));
                }
            }
        }
        whole.ok_or_else(|| our_fault("no list was asked for"))
    }

    /// A read, signed with the exchange's own time.
    pub(super) async fn ask(
        &self,
        Call(endpoint, path): Call,
        query: String,
        urgency: Urgency,
    ) -> Result<Reply, Failure> {
        self.bitget.server_now()?;
        let turn = self.bitget.turn(self.lane(endpoint), urgency).await?;
        let stamp = self.bitget.server_now()?;
        let mut request = Request::get(path, sorted(&query));
        sign(&mut request, &self.credential, self.trading, stamp);
        let now = self.bitget.now();
        let sent = self.bitget.send(endpoint, request, turn, now, Some(&self.credential)).await;
        sent.map_err(|error| unanswered(endpoint, &error))
    }

    /// A read of what is public, unsigned.
    pub(super) async fn ask_public(
        &self,
        Call(endpoint, path): Call,
        query: String,
        urgency: Urgency,
    ) -> Result<Reply, Failure> {
        let turn = self.bitget.turn(LaneName::Public(endpoint), urgency).await?;
        let now = self.bitget.now();
        let sent = self.bitget.send(endpoint, Request::get(path, sorted(&query)), turn, now, None).await;
        sent.map_err(|error| unanswered(endpoint, &error))
    }

    fn lane(&self, endpoint: Endpoint) -> LaneName {
        LaneName::Account(self.key.clone(), endpoint)
    }
}

impl<T> fmt::Debug for Account<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { bitget: _, name, key: _, credential, trading } = self;
        out.debug_struct("Account")
            .field("name", name)
            .field("credential", credential)
            .field("trading", trading)
            .finish_non_exhaustive()
    }
}

impl<D> Brought<D> {
    pub(super) fn of(reply: Reply) -> Result<Brought<D>, Failure>
    where
        D: DeserializeOwned,
    {
        let Told { server, data } = reply.look()?;
        let data = shape(data).map_err(|broken| reply.broken(&broken))?;
        Ok(Brought { data, reply, server })
    }

    pub(super) fn answer<V>(&self, value: V) -> Answer<V> {
        Answer { value, asked: self.reply.asked, answered: self.reply.answered, server: self.server }
    }
}

/// By name, as every client in daily use signs its questions.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn our_fault(say: &str) -> Failure {
    Failure { class: Class::OurFault, code: None, say: say.to_owned() }
}

pub(super) const TIME: Call = Call(Endpoint::Time, "/api/v2/public/time");
