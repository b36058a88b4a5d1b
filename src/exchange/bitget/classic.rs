//! A classic account over API v2: the two halves of the exchange, `Observe` and `Apply`.
//!
//! Says what is there and sends the one set that it is given. Never repeats a request and never judges a mode.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::DeserializeOwned;

use super::answer::{Reply, Told};
use super::http::{Request, Transport};
use super::sign::{Trading, sign};
use super::wire::{
    Account, AccountInfo, Broken, Contract, OPEN_STATUSES, PAGE, PLAN_TYPES, Page, Position, Sample,
    SetPositionMode, Time, shape,
};
use super::{Bitget, Turn, busy, codes, unanswered};
use crate::constants::{PAGES, PERMIT_BACK, PERMIT_WAIT};
use crate::exchange::credential::{Credential, Fingerprint};
use crate::exchange::{Answer, Apply, Observe, Urgency};
use crate::facts::{Class, Failure, Identity, List, Rights, SetAnswer};
use crate::ledger::Noted;
use crate::moment::ServerTime;
use crate::pace::{Endpoint, LaneName};
use crate::position_mode::{AccountName, Kind, PositionMode, ProductType, Scope, Uid};

/// One classic account.
pub struct Classic<T> {
    bitget: Bitget<T>,
    account: AccountName,
    credential: Credential,
    trading: Trading,
}

/// The right to send one set now: a permit of the account's own limit, and a turn among all requests.
#[derive(Debug)]
#[must_use = "it is free again when dropped"]
pub struct SetPermit(Turn);

/// What was asked for, as the wire has it.
struct Brought<D> {
    data: D,
    reply: Reply,
    server: ServerTime,
}

impl<T: Transport> Observe for Classic<T> {
    fn fingerprint(&self) -> Fingerprint {
        self.credential.fingerprint()
    }

    async fn clock(&self) -> Result<Answer<()>, Failure> {
        let brought: Brought<Time> =
            self.public(Endpoint::Time, TIME, String::new(), Urgency::Routine).await?;
        brought.data.server_time().map_err(|broken| brought.reply.broken(&broken))?;
        Ok(brought.answer(()))
    }

    async fn account(&self) -> Result<Answer<Identity>, Failure> {
        let asked = self.ask(Endpoint::AccountInfo, ACCOUNT_INFO, String::new(), Urgency::Routine).await?;
        let told = |info: AccountInfo| match info.user_id.as_str() {
            "" => Err(Broken("an empty userId".to_owned())),
            id => Ok((Some(Uid(id.to_owned())), info.rights())),
        };
        let lacks_a_right = asked.look().is_err_and(|Failure { class, code, say: _ }| {
            class == Class::Denied && code.as_deref().is_some_and(codes::lacks_a_right)
        });
        if !lacks_a_right {
            return identity(&asked, |data| shape(data).and_then(told));
        }
        // The key may not ask whose it is, but a futures read tells the kind.
        let query = format!("productType={}", ProductType::UsdtFutures.as_str());
        let asked = self.ask(Endpoint::Positions, POSITIONS, query, Urgency::Routine).await?;
        identity(&asked, |data| shape::<Vec<Position>>(data).map(|_| (None, None)))
    }

    async fn mode(&self, scope: Scope, urgency: Urgency) -> Result<Answer<PositionMode>, Failure> {
        let product = product(scope)?;
        let Sample { symbol, margin_coin } = self.sample(product, urgency).await?;
        let query = format!("symbol={symbol}&productType={}&marginCoin={margin_coin}", product.as_str());
        let asked = self.ask(Endpoint::Account, ACCOUNT, query, urgency).await?;
        let brought: Result<Brought<Account>, Failure> = Brought::of(asked);
        if brought.as_ref().is_err_and(|failure| failure.class == Class::OurFault) {
            // The symbol may have left the list since.
            super::lock(&self.bitget.shared.samples).remove(&product);
        }
        let brought = brought?;
        let mode = brought.data.pos_mode;
        Ok(brought.answer(mode))
    }

    async fn count(&self, scope: Scope, list: List, urgency: Urgency) -> Result<Answer<u32>, Failure> {
        let product = product(scope)?.as_str();
        match list {
            List::Positions => self.positions(product, urgency).await,
            List::Orders => {
                let lists = OPEN_STATUSES.map(|status| format!("productType={product}&status={status}"));
                self.pages(Endpoint::Orders, ORDERS, lists.to_vec(), urgency).await
            }
            List::PlanOrders => {
                let lists = PLAN_TYPES.map(|plan_type| format!("productType={product}&planType={plan_type}"));
                self.pages(Endpoint::PlanOrders, PLAN_ORDERS, lists.to_vec(), urgency).await
            }
        }
    }
}

impl<T: Transport> Apply for Classic<T> {
    type Permit = SetPermit;

    async fn permit(&self, scope: Scope) -> Result<SetPermit, Failure> {
        product(scope)?;
        self.bitget.turn(self.lane(Endpoint::SetPositionMode), Urgency::PartWay).await.map(SetPermit)
    }

    async fn set(&self, noted: Noted, permit: SetPermit) -> (SetAnswer, Option<Answer<()>>) {
        if noted.target().account != self.account {
            let other = our_fault("a set for another account was asked of this one; nothing was sent");
            return (SetAnswer::Refused(other), None);
        }
        self.send_set(noted.target().scope, noted.mode(), noted.stamp(), permit).await
    }
}

impl<T: Transport> Classic<T> {
    pub(super) fn new(
        bitget: Bitget<T>,
        account: AccountName,
        credential: Credential,
        trading: Trading,
    ) -> Classic<T> {
        Classic { bitget, account, credential, trading }
    }

    /// The one place that writes.
    async fn send_set(
        &self,
        scope: Scope,
        mode: PositionMode,
        stamp: ServerTime,
        SetPermit(turn): SetPermit,
    ) -> (SetAnswer, Option<Answer<()>>) {
        let lane = self.lane(Endpoint::SetPositionMode);
        let stopped = super::lock(&self.bitget.shared.pace).stopped_until(&lane, self.bitget.now());
        let request = match (product(scope), stopped) {
            (Err(failure), _) => return (SetAnswer::Refused(failure), None),
            (Ok(_), Some(until)) => return (SetAnswer::Refused(busy(&lane, until)), None),
            (Ok(product), None) => serde_json::to_string(&SetPositionMode { product, mode }),
        };
        let mut request = match request {
            Ok(body) => Request::post(SET_POSITION_MODE, body),
            Err(_) => {
                return (SetAnswer::Refused(our_fault("a set cannot be written; nothing was sent")), None);
            }
        };
        sign(&mut request, &self.credential, self.trading, stamp);
        let now = self.bitget.now();
        let stamped = self.bitget.server_clock().map_or(now, |clock| clock.moment(stamp));
        let endpoint = Endpoint::SetPositionMode;
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

    async fn positions(&self, product: &str, urgency: Urgency) -> Result<Answer<u32>, Failure> {
        let query = format!("productType={product}");
        let asked = self.ask(Endpoint::Positions, POSITIONS, query, urgency).await?;
        let brought: Brought<Vec<Position>> = Brought::of(asked)?;
        let open = brought
            .data
            .iter()
            .try_fold(0, |open, row| row.is_open().map(|is_open| open + u32::from(is_open)));
        let open = open.map_err(|broken| brought.reply.broken(&broken))?;
        Ok(brought.answer(open))
    }

    /// How many orders are in several lists, one after the other, each page by page.
    async fn pages(
        &self,
        endpoint: Endpoint,
        path: &str,
        lists: Vec<String>,
        urgency: Urgency,
    ) -> Result<Answer<u32>, Failure> {
        let mut ids = BTreeSet::new();
        let mut whole: Option<Answer<()>> = None;
        for list in lists {
            let mut query = format!("{list}&limit={PAGE}");
            for _ in 0..PAGES {
                let urgency = if whole.is_some() { Urgency::PartWay } else { urgency };
                let asked = self.ask(endpoint, path, query, urgency).await?;
                let Brought { data, reply, server } = Brought::<Page>::of(asked)?;
                let (rows, next) = data.rows().map_err(|broken| reply.broken(&broken))?;
                ids.extend(rows.into_iter().map(|order| order.order_id));
                let began = whole.map_or(reply.asked, |whole| whole.asked);
                whole = Some(Answer { value: (), asked: began, answered: reply.answered, server });
                let Some(next) = next else { break };
                query = format!("{list}&limit={PAGE}&idLessThan={next}");
            }
        }
        let Answer { value: (), asked, answered, server } =
            whole.ok_or_else(|| our_fault("no list was asked for"))?;
        let value = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        Ok(Answer { value, asked, answered, server })
    }

    /// A symbol and a margin coin of a product type: from the exchange's list, which is read once, else a usual one.
    async fn sample(&self, product: ProductType, urgency: Urgency) -> Result<Sample, Failure> {
        let clock = &self.bitget.shared.clock;
        let came = clock.now();
        let known = || super::lock(&self.bitget.shared.samples).get(&product).cloned();
        if let Some(known) = known() {
            return Ok(known);
        }
        let _asking = tokio::select! {
            biased;
            asking = self.bitget.shared.asking_for_samples.lock() => asking,
            () = clock.sleep_until(came + PERMIT_WAIT) => {
                let lane = LaneName::Public(Endpoint::Contracts);
                return Err(busy(&lane, clock.now() + PERMIT_BACK));
            }
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        let query = format!("productType={}", product.as_str());
        let asked = self.ask_public(Endpoint::Contracts, CONTRACTS, query, urgency).await?;
        let listed = match asked.look() {
            Ok(Told { data, server: _ }) => {
                let rows: Vec<serde_json::Value> = shape(data).map_err(|broken| asked.broken(&broken))?;
                rows.into_iter().find_map(|row| shape::<Contract>(row).ok()?.sample())
            }
            // The list of a product type that the exchange does not offer any more; its accounts still have a mode.
            Err(failure) if failure.class == Class::OurFault => None,
            Err(failure) => return Err(failure),
        };
        let sample = listed.unwrap_or_else(|| Sample::fallback(product));
        super::lock(&self.bitget.shared.samples).insert(product, sample.clone());
        Ok(sample)
    }

    /// A read, signed with the exchange's own time.
    async fn ask(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: String,
        urgency: Urgency,
    ) -> Result<Reply, Failure> {
        self.bitget.server_now()?;
        let turn = self.bitget.turn(self.lane(endpoint), urgency).await?;
        let stamp = self.bitget.server_now()?;
        let mut request = Request::get(path, query);
        sign(&mut request, &self.credential, self.trading, stamp);
        let now = self.bitget.now();
        let sent = self.bitget.send(endpoint, request, turn, now, Some(&self.credential)).await;
        sent.map_err(|error| unanswered(endpoint, &error))
    }

    /// A read of what is public, unsigned.
    async fn ask_public(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: String,
        urgency: Urgency,
    ) -> Result<Reply, Failure> {
        let turn = self.bitget.turn(LaneName::Public(endpoint), urgency).await?;
        let now = self.bitget.now();
        let sent = self.bitget.send(endpoint, Request::get(path, query), turn, now, None).await;
        sent.map_err(|error| unanswered(endpoint, &error))
    }

    async fn public<D: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: String,
        urgency: Urgency,
    ) -> Result<Brought<D>, Failure> {
        Brought::of(self.ask_public(endpoint, path, query, urgency).await?)
    }

    fn lane(&self, endpoint: Endpoint) -> LaneName {
        LaneName::Account(self.account.clone(), endpoint)
    }
}

impl<T> fmt::Debug for Classic<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Classic { bitget: _, account, credential, trading } = self;
        out.debug_struct("Classic")
            .field("account", account)
            .field("credential", credential)
            .field("trading", trading)
            .finish_non_exhaustive()
    }
}

impl<D> Brought<D> {
    fn of(reply: Reply) -> Result<Brought<D>, Failure>
    where
        D: DeserializeOwned,
    {
        let Told { server, data } = reply.look()?;
        let data = shape(data).map_err(|broken| reply.broken(&broken))?;
        Ok(Brought { data, reply, server })
    }

    fn answer<V>(&self, value: V) -> Answer<V> {
        Answer { value, asked: self.reply.asked, answered: self.reply.answered, server: self.server }
    }
}

/// What a v2 answer says of the kind, and of the UID and the key's rights as far as its data has them.
fn identity(
    reply: &Reply,
    told: impl FnOnce(serde_json::Value) -> Result<(Option<Uid>, Option<Rights>), Broken>,
) -> Result<Answer<Identity>, Failure> {
    let (asked, answered) = (reply.asked, reply.answered);
    let found = |(uid, rights), kind, server| {
        let value = Identity { uid, kind, rights, at: answered };
        Ok(Answer { value, asked, answered, server })
    };
    match (reply.look(), reply.server()) {
        (Ok(Told { server, data }), _) => {
            let told = told(data).map_err(|broken| reply.broken(&broken))?;
            found(told, Kind::Classic, server)
        }
        // Said before anything else of the request is checked, so it is an answer to what was asked.
        (Err(Failure { class: Class::WrongKind, code, say: _ }), Some(server))
            if code.as_deref() == Some(codes::UNIFIED) =>
        {
            found((None, None), Kind::Unified, server)
        }
        (Err(failure), _) => Err(failure),
    }
}

fn product(scope: Scope) -> Result<ProductType, Failure> {
    match scope {
        Scope::Product(product) => Ok(product),
        Scope::Account => Err(our_fault(
            "a classic account has a mode per product type, none for the whole account; nothing was sent",
        )),
    }
}

fn our_fault(say: &str) -> Failure {
    Failure { class: Class::OurFault, code: None, say: say.to_owned() }
}

const TIME: &str = "/api/v2/public/time";
const CONTRACTS: &str = "/api/v2/mix/market/contracts";
const ACCOUNT_INFO: &str = "/api/v2/spot/account/info";
const ACCOUNT: &str = "/api/v2/mix/account/account";
const POSITIONS: &str = "/api/v2/mix/position/all-position";
const ORDERS: &str = "/api/v2/mix/order/orders-pending";
const PLAN_ORDERS: &str = "/api/v2/mix/order/orders-plan-pending";
const SET_POSITION_MODE: &str = "/api/v2/mix/account/set-position-mode";
