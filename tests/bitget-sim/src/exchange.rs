//! The exchange: its state, what hands do to it at the website, and `handle`, which does what a request asks for. No clock,
//! no socket, no random number: the same calls give the same answers and the same log.

mod faulty;
mod hands;
mod state;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account::Account;
use crate::classic;
use crate::endpoint::{Door, Endpoint};
use crate::fault::Fault;
use crate::gate;
use crate::journal::{By, Executed, LogEntry, ModeChange};
use crate::key::ApiKey;
use crate::limits::{Meter, TooMany, Whose};
use crate::look::{Listed, Look, no_such_symbol};
use crate::market::{Contract, Market};
use crate::set::{SetDone, is_flat};
use crate::switches::{LateTimestamp, Limits, RequestTime, Switches};
use crate::unified;
use crate::wire::{Outcome, Refusal, RefusalStatus, Reply, Request, Response, SUCCESS, UnixMs};
use crate::words::{ProductType, Uid};

pub use hands::Blocker;
pub use state::{AccountState, ProductState};

/// A Bitget.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    now: UnixMs,
    accounts: BTreeMap<Uid, Account>,
    keys: BTreeMap<String, (Uid, ApiKey)>,
    market: Market,
    switches: Switches,
    faults: Vec<Fault>,
    late: Vec<Late>,
    meter: Meter,
    orders_placed: u64,
    log: Vec<LogEntry>,
    mode_changes: Vec<ModeChange>,
}

impl Exchange {
    /// An exchange without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does what a request asks for at `now`, the exchange's own time, and says what the client gets. Everything that was
    /// due before `now` executes first.
    pub fn handle(&mut self, now: UnixMs, request: &Request) -> Reply {
        self.advance(now);
        let caller = request.header("access-key").and_then(|key| self.keys.get(key)).map(|(uid, _)| *uid);
        let fault = self.take_fault(request, caller);
        let index = self.log.len();
        let mut entry = LogEntry::arrived(now, request, caller, fault.clone());
        let reply = self.answer(now, request, fault, index, &mut entry);
        match &reply.outcome {
            Outcome::Response(response) => {
                entry.status = Some(response.status);
                entry.answered_at = Some(now.plus(reply.after));
            }
            Outcome::Dropped | Outcome::Hang => {}
        }
        self.log.push(entry);
        reply
    }

    /// Lets the time become `now`: requests that were held up until then execute, in the order in which they are due.
    pub fn advance(&mut self, now: UnixMs) {
        while let Some(position) = self.next_due(now) {
            let Late { due, arrived, request, index } = self.late.remove(position);
            self.now = due;
            let judged = match self.switches.late_timestamp {
                LateTimestamp::CheckedAgain => due,
                LateTimestamp::CheckedOnArrival => arrived,
            };
            let caller = request.header("access-key").and_then(|key| self.keys.get(key)).map(|(uid, _)| *uid);
            let mut entry = LogEntry::arrived(due, &request, caller, None);
            entry.late_of = Some(index);
            self.process(due, judged, &request, &mut entry);
            self.log.push(entry);
        }
        self.now = now;
    }

    /// Everything that was asked for, in order.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The same, of an exchange that is not needed any more.
    pub fn into_log(self) -> Vec<LogEntry> {
        self.log
    }

    /// Every change of a mode, in order.
    pub fn mode_changes(&self) -> &[ModeChange] {
        &self.mode_changes
    }

    /// The time of the last call.
    pub fn now(&self) -> UnixMs {
        self.now
    }
}

/// A request that executes later.
#[derive(Clone, Debug)]
struct Late {
    due: UnixMs,
    arrived: UnixMs,
    request: Request,
    /// The log entry of its arrival.
    index: usize,
}

/// How a request gets from its arrival to an answer.
impl Exchange {
    /// Executes a request at `now`; its timestamp is held against `judged`.
    fn process(&mut self, now: UnixMs, judged: UnixMs, request: &Request, entry: &mut LogEntry) -> Response {
        let mut remaining = None;
        let response = match self.execute(now, judged, request, entry, &mut remaining) {
            Ok(data) => {
                entry.code = Some(SUCCESS.to_owned());
                let silent = self.switches.public_time_request_time == RequestTime::Missing
                    && request.path.ends_with("/public/time");
                Response::success((!silent).then_some(now), &data)
            }
            Err(Stop::TooMany) => {
                entry.code = Some("429".to_owned());
                return Response::too_many(now);
            }
            Err(Stop::Refused(Refusal { status, code, msg })) => {
                let status = match status {
                    RefusalStatus::Fixed(status) => status,
                    RefusalStatus::Business => self.switches.refusal_status,
                };
                let response = Response::refused(now, status, &code, &msg);
                entry.code = Some(code);
                response
            }
        };
        response.with_remaining(remaining)
    }

    fn execute(
        &mut self,
        now: UnixMs,
        judged: UnixMs,
        request: &Request,
        entry: &mut LogEntry,
        remaining: &mut Option<u32>,
    ) -> Result<Value, Stop> {
        if self.switches.limits == Limits::Kept {
            self.meter.pass_ip(now)?;
        }
        let endpoint = Endpoint::of(request)?;
        if endpoint.door() == Door::Public {
            self.count(now, endpoint, Whose::Ip, remaining)?;
            return Ok(public(&self.market, endpoint, now, request)?);
        }
        let key = gate::required(request, "access-key", "40001")?;
        let (uid, api_key) =
            self.keys.get(key).cloned().ok_or_else(|| Refusal::gate("40006", "Invalid ACCESS_KEY"))?;
        let account = self.accounts.get(&uid).ok_or_else(abnormal)?;
        entry.kind = Some(account.kind);
        gate::admit(request, &api_key, account, endpoint, &self.switches, judged)?;
        self.count(now, endpoint, Whose::Account(uid), remaining)?;
        let answered = self.private(endpoint, now, uid, &api_key, request, entry);
        if let Some(account) = self.accounts.get(&uid) {
            entry.flat = observed_flat(endpoint, account, entry.product);
        }
        Ok(answered?)
    }

    fn private(
        &mut self,
        endpoint: Endpoint,
        now: UnixMs,
        uid: Uid,
        api_key: &ApiKey,
        request: &Request,
        entry: &mut LogEntry,
    ) -> Result<Value, Refusal> {
        let params = request.params();
        let account = self.accounts.get_mut(&uid).ok_or_else(abnormal)?;
        if let Some((_, set)) = SETTERS.iter().find(|(setter, _)| *setter == endpoint) {
            let SetDone { executed, answer, product } = set(account, api_key, &self.switches, now, request);
            entry.executed = executed;
            if let Executed::Applied { from, to } = executed {
                self.mode_changes.push(ModeChange { at: now, account: uid, product, from, to, by: By::Set });
            }
            return answer;
        }
        let look = Look { account, api_key, market: &self.market, switches: &self.switches, now };
        let mut list = |listed: Listed| {
            entry.listed = Some(listed.rows);
            listed.data
        };
        match endpoint {
            Endpoint::MixAccount => look.mix_account(&params),
            Endpoint::MixAccounts => look.mix_accounts(&params),
            Endpoint::AllPosition => look.all_position(&params).map(&mut list),
            Endpoint::OrdersPending => look.orders_pending(&params).map(&mut list),
            Endpoint::OrdersPlanPending => look.orders_plan_pending(&params).map(&mut list),
            Endpoint::SpotAccountInfo => look.spot_account_info(),
            Endpoint::UnifiedSettings => look.unified_settings(),
            Endpoint::UnifiedInfo => look.unified_info(),
            Endpoint::UnifiedAssets => look.unified_assets(),
            Endpoint::CurrentPosition => look.current_position(&params).map(&mut list),
            Endpoint::UnfilledOrders => look.unfilled_orders(&params).map(&mut list),
            Endpoint::UnfilledStrategyOrders => look.unfilled_strategy_orders(&params).map(&mut list),
            // Answered before: the public ones need no key, the last two change the account.
            Endpoint::ServerTime
            | Endpoint::Contracts
            | Endpoint::SpotCoins
            | Endpoint::SpotSymbols
            | Endpoint::MarginCurrencies
            | Endpoint::Instruments
            | Endpoint::UnifiedTime
            | Endpoint::UnifiedMarketTime
            | Endpoint::SetPositionMode
            | Endpoint::SetHoldMode => Err(other_door()),
        }
    }

    fn count(
        &mut self,
        now: UnixMs,
        endpoint: Endpoint,
        whose: Whose,
        remaining: &mut Option<u32>,
    ) -> Result<(), TooMany> {
        if self.switches.limits == Limits::Kept {
            *remaining = Some(self.meter.pass(now, endpoint, whose)?);
        }
        Ok(())
    }

    fn next_due(&self, now: UnixMs) -> Option<usize> {
        let due = self.late.iter().enumerate().filter(|(_, late)| late.due <= now);
        due.min_by_key(|(position, late)| (late.due, *position)).map(|(position, _)| position)
    }
}

type Setter = fn(&mut Account, &ApiKey, &Switches, UnixMs, &Request) -> SetDone;

const SETTERS: [(Endpoint, Setter); 2] = [
    (Endpoint::SetPositionMode, classic::set_position_mode),
    (Endpoint::SetHoldMode, unified::set_hold_mode),
];

/// Why a request got no further.
enum Stop {
    TooMany,
    Refused(Refusal),
}

impl From<TooMany> for Stop {
    fn from(TooMany: TooMany) -> Self {
        Self::TooMany
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn public(market: &Market, endpoint: Endpoint, now: UnixMs, request: &Request) -> Result<Value, Refusal> {
    match endpoint {
        Endpoint::ServerTime | Endpoint::UnifiedTime | Endpoint::UnifiedMarketTime => {
            Ok(json!({ "serverTime": now.0.to_string() }))
        }
        Endpoint::Contracts => contracts(market, request),
        Endpoint::Instruments => unified::instruments(market, &request.params()),
        // Nothing is traded here but futures; clients load these lists all the same.
        Endpoint::SpotCoins | Endpoint::SpotSymbols | Endpoint::MarginCurrencies => Ok(json!([])),
        Endpoint::MixAccount
        | Endpoint::MixAccounts
        | Endpoint::SetPositionMode
        | Endpoint::AllPosition
        | Endpoint::OrdersPending
        | Endpoint::OrdersPlanPending
        | Endpoint::SpotAccountInfo
        | Endpoint::UnifiedSettings
        | Endpoint::UnifiedInfo
        | Endpoint::UnifiedAssets
        | Endpoint::SetHoldMode
        | Endpoint::CurrentPosition
        | Endpoint::UnfilledOrders
        | Endpoint::UnfilledStrategyOrders => Err(other_door()),
    }
}

fn contracts(market: &Market, request: &Request) -> Result<Value, Refusal> {
    let params = request.params();
    let product = classic::product_type(&params)?;
    match params.optional("symbol") {
        None => Ok(market.contracts(product).map(Contract::row).collect()),
        Some(symbol) => {
            let contract = market.contract(product, symbol).ok_or_else(|| no_such_symbol(symbol))?;
            Ok(json!([contract.row()]))
        }
    }
}

/// For an endpoint that is answered behind another door: it cannot come here.
fn other_door() -> Refusal {
    Refusal::gate("40404", "Request URL NOT FOUND")
}

fn observed_flat(endpoint: Endpoint, account: &Account, product: Option<ProductType>) -> Option<bool> {
    match endpoint {
        Endpoint::AllPosition
        | Endpoint::OrdersPending
        | Endpoint::OrdersPlanPending
        | Endpoint::SetPositionMode => product.map(|product| is_flat(account, &[product])),
        Endpoint::SetHoldMode
        | Endpoint::CurrentPosition
        | Endpoint::UnfilledOrders
        | Endpoint::UnfilledStrategyOrders => Some(is_flat(account, account.categories())),
        Endpoint::ServerTime
        | Endpoint::Contracts
        | Endpoint::SpotCoins
        | Endpoint::SpotSymbols
        | Endpoint::MarginCurrencies
        | Endpoint::Instruments
        | Endpoint::UnifiedTime
        | Endpoint::UnifiedMarketTime
        | Endpoint::MixAccount
        | Endpoint::MixAccounts
        | Endpoint::SpotAccountInfo
        | Endpoint::UnifiedSettings
        | Endpoint::UnifiedInfo
        | Endpoint::UnifiedAssets => None,
    }
}

fn abnormal() -> Refusal {
    Refusal::gate("40013", gate::message("40013"))
}
