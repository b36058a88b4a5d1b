//! A probe: asks the exchange, with reads alone, what nobody could tell of it, and reports shapes, codes, statuses.
//!
//! First it reads what posmoded itself reads of an account, with the same code; then what only the questions are about.
//! All of it goes through `asking::Asking`, which lets nothing but reads leave.

mod asking;
mod questions;
mod redact;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use self::asking::{Asking, Record};
use self::questions::{NEVER_ASKED, NOT_ASKABLE, Question, UNKNOWN_SYMBOL, questions};
pub use self::report::{Asked, ClockReading, ListRead, Made, Refused, Report, Scoped, Told};
use super::client::Bitget;
use super::endpoint::Endpoint;
use super::http::{Request, Transport};
use super::session::{Ask, Session, our_fault};
use super::sign::{Trading, sign};
use super::wire::classic::{Contract, Sample};
use super::wire::{Envelope, shape};
use super::{classic, identity, unified};
use crate::clock::Clock;
use crate::constants::REQUESTS_PER_SECOND;
use crate::exchange::credential::Credential;
use crate::facts::{Answer, Class, Failure, Identity, List};
use crate::moment::millis;
use crate::position_mode::{AccountName, Kind, ProductType, Scope};
use crate::schedule::Purpose;

/// The questions to one account, with its credential.
pub struct Probe<T> {
    asking: Asking<T>,
    clock: Clock,
    session: Session<Asking<T>>,
    credential: Credential,
    trading: Trading,
}

impl<T: Transport> Probe<T> {
    /// Over `transport`, with limits and a measured clock of its own.
    pub fn new(
        transport: T,
        clock: &Clock,
        account: AccountName,
        credential: Credential,
        trading: Trading,
    ) -> Probe<T> {
        let clock = clock.of_a_new_process();
        let asking = Asking::new(transport, clock.clone());
        // Its own pace would be a burst and then long waits; `Asking` lets one a second leave, whatever the client wants.
        let budget = NonZeroU32::new(REQUESTS_PER_SECOND).unwrap_or(NonZeroU32::MIN);
        let client = Bitget::new(asking.clone(), clock.clone(), budget);
        let session = Session::new(client, account, credential.clone(), trading);
        Probe { asking, clock, session, credential, trading }
    }

    /// How many questions were asked so far.
    pub fn asked(&self) -> usize {
        self.asking.asked()
    }

    /// Asks all that it can. Fails if not even the exchange's time is known, without which no private read can be signed.
    pub async fn run(&self) -> Result<Report, Failure> {
        let time = self.session.time().await;
        if self.clock.exchange().is_none() {
            return Err(time.err().unwrap_or_else(|| our_fault("the time is not known")));
        }
        let identity = identity::of(&self.session, ask_for(Scope::Account)).await;
        let kind = identity.as_ref().ok().map(|identity| identity.value.kind);
        let is_refused = identity.as_ref().is_err_and(|failure| failure.class == Class::Credential);
        let scopes = self.scopes(kind).await;
        let off = off(&self.asking.records().await);
        let mut not_asked = Vec::new();
        if is_refused {
            not_asked.push("All other private reads: the exchange does not accept the key.".to_owned());
        } else {
            self.ask_all(questions(kind, off.as_ref()), &mut not_asked).await;
            if kind == Some(Kind::Classic) && off.is_none() {
                not_asked.push("The account read with a contract that is off: none is listed.".to_owned());
            }
        }
        not_asked.extend(NEVER_ASKED.map(str::to_owned));
        let symbols = off.into_iter().map(|sample| (sample.symbol, "off"));
        let symbols = symbols.chain([(UNKNOWN_SYMBOL.to_owned(), "unknown")]).collect();
        Ok(Report {
            demo: self.trading == Trading::Demo,
            clock: self.reading(),
            asked: self.asking.records().await.iter().map(|record| Asked::of(record, &symbols)).collect(),
            made: self.made(identity, scopes),
            not_asked,
            not_askable: NOT_ASKABLE.to_vec(),
        })
    }

    /// Reads what posmoded reads of each scope, part by part.
    async fn scopes(&self, kind: Option<Kind>) -> Vec<Scoped> {
        let scopes: Vec<Scope> = match kind {
            Some(Kind::Classic) => ProductType::SHORT_FORM.map(Scope::Product).to_vec(),
            Some(Kind::Unified) => vec![Scope::Account],
            None => Vec::new(),
        };
        let mut all = Vec::new();
        for scope in scopes {
            let (mode, endpoint) = match scope {
                Scope::Product(product) => {
                    (classic::mode(&self.session, product, Purpose::New).await, Endpoint::Account)
                }
                // The settings, from which the kind is known, carry it.
                Scope::Account => (unified::mode(&self.session, Purpose::New).await, Endpoint::Settings),
            };
            let mode = Told::of(mode.map(|mode| mode.value), endpoint);
            all.push(Scoped { scope: scope.as_str(), mode, lists: self.lists(scope).await });
        }
        all
    }

    async fn lists(&self, scope: Scope) -> Vec<ListRead> {
        let mut lists = Vec::new();
        for list in [List::Positions, List::Orders, List::PlanOrders] {
            let parts = match scope {
                Scope::Product(product) => classic::parts(product, list),
                Scope::Account => unified::parts(list, self.session.settings().as_ref()),
            };
            for part in parts {
                let query = redact::query(&part, &BTreeMap::new());
                let rows = match scope {
                    Scope::Product(_) => classic::rows(&self.session, list, part, ask_for(scope)).await,
                    Scope::Account => unified::rows(&self.session, list, part, ask_for(scope)).await,
                };
                let empty = Told::of(rows.map(|rows| rows.value.count() == 0), endpoint(scope, list));
                lists.push(ListRead { of: name(list), query, empty });
            }
        }
        lists
    }

    /// Asks what was not asked yet.
    async fn ask_all(&self, questions: Vec<Question>, not_asked: &mut Vec<String>) {
        let asked = self.asking.records().await;
        let asked: BTreeSet<(&str, &str)> =
            asked.iter().map(|record| (record.path.as_str(), record.query.as_str())).collect();
        let new = questions.into_iter().filter(|question| !asked.contains(&(question.path, &question.query)));
        let mut left = 0;
        for question in new {
            if self.asking.over().await.is_some() {
                left += 1;
            } else {
                self.ask(question).await;
            }
        }
        if let Some(over) = self.asking.over().await {
            not_asked.push(format!("{left} more questions: {}.", over.say()));
        }
    }

    async fn ask(&self, Question { path, query }: Question) {
        let Some(stamp) = self.clock.exchange_time() else { return };
        let mut request = Request::get(path, query);
        sign(&mut request, &self.credential, self.trading, stamp);
        // Whatever comes of it is kept on the way.
        let _ = self.asking.send(request).await;
    }

    fn reading(&self) -> Option<ClockReading> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let exchange = self.clock.exchange()?;
        let doubt_ms = millis(exchange.doubt_at(now));
        Some(ClockReading { ahead_ms: exchange.at(now).0 - wall, doubt_ms })
    }

    fn made(&self, identity: Result<Answer<Identity>, Failure>, scopes: Vec<Scoped>) -> Made {
        let settings = self.session.settings();
        let [account_level, asset_mode, stp_mode] = report::words(settings.as_ref());
        let is_unified = identity.as_ref().is_ok_and(|identity| identity.value.kind == Kind::Unified);
        let categories = if is_unified { unified::categories(settings.as_ref()) } else { &[] };
        let categories = categories.iter().map(|category| category.as_str()).collect();
        let (uid_told, warnings) = identity
            .as_ref()
            .map(|identity| (identity.value.uid.is_some(), identity.value.warnings.clone()))
            .unwrap_or_default();
        let kind = Told::of(identity.map(|identity| identity.value.kind), Endpoint::Settings);
        Made { kind, uid_told, warnings, account_level, asset_mode, stp_mode, categories, scopes }
    }
}

fn ask_for(scope: Scope) -> Ask {
    Ask { scope, purpose: Purpose::New }
}

fn endpoint(scope: Scope, list: List) -> Endpoint {
    match (scope, list) {
        (Scope::Product(_), List::Positions) => Endpoint::Positions,
        (Scope::Product(_), List::Orders) => Endpoint::Orders,
        (Scope::Product(_), List::PlanOrders) => Endpoint::PlanOrders,
        (Scope::Account, List::Positions) => Endpoint::CurrentPosition,
        (Scope::Account, List::Orders) => Endpoint::UnfilledOrders,
        (Scope::Account, List::PlanOrders) => Endpoint::UnfilledStrategyOrders,
    }
}

fn name(list: List) -> &'static str {
    match list {
        List::Positions => "positions",
        List::Orders => "orders",
        List::PlanOrders => "plan orders",
    }
}

/// A contract of USDT-FUTURES that the exchange's list calls off.
fn off(records: &[Record]) -> Option<Sample> {
    let query = format!("productType={}", ProductType::UsdtFutures.as_str());
    let is_the_list = |record: &&Record| record.path == Endpoint::Contracts.path() && record.query == query;
    let answer = records.iter().find(is_the_list)?.answer.as_ref()?;
    let rows: Vec<serde_json::Value> = shape(Envelope::parse(&answer.body).ok()?.data?).ok()?;
    let mut contracts = rows.into_iter().filter_map(|row| shape::<Contract>(row).ok());
    contracts.find(Contract::is_off)?.sample()
}
