//! The exchange: its state, what hands do to it at the website, and `handle`, which does what a request asks for. No clock,
//! no socket, no random number: the same calls give the same answers and the same log.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{
    Account, AccountMode, ApiKey, HoldSide, Kind, NewAccount, NewOrder, Order, OrderId, PlanOrder,
    PlanType, PosMode, Position, ProductType, Uid, Unknown,
};
use crate::classic::{self, Listed, Look};
use crate::endpoint::{Door, Endpoint};
use crate::fault::{FOREVER, Fault, FaultKind};
use crate::gate;
use crate::journal::{By, Executed, LogEntry, ModeChange};
use crate::limits::{Meter, TooMany, Whose};
use crate::mangle;
use crate::market;
use crate::switches::{LateTimestamp, Limits, Switches};
use crate::wire::{Outcome, Refusal, RefusalStatus, Reply, Request, Response, UnixMs, envelope};

/// A Bitget.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    now: UnixMs,
    accounts: BTreeMap<Uid, Account>,
    keys: BTreeMap<String, (Uid, ApiKey)>,
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
        let caller = request
            .header("access-key")
            .and_then(|key| self.keys.get(key))
            .map(|(uid, _)| *uid);
        let fault = self.take_fault(request, caller);
        let index = self.log.len();
        let mut entry = entry(now, request, caller, fault.clone());
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
            let Late {
                due,
                arrived,
                request,
                index,
            } = self.late.remove(position);
            self.now = due;
            let judged = match self.switches.late_timestamp {
                LateTimestamp::CheckedAgain => due,
                LateTimestamp::CheckedOnArrival => arrived,
            };
            let caller = request
                .header("access-key")
                .and_then(|key| self.keys.get(key))
                .map(|(uid, _)| *uid);
            let mut entry = entry(due, &request, caller, None);
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

    /// Every change of a mode, in order.
    pub fn mode_changes(&self) -> &[ModeChange] {
        &self.mode_changes
    }

    /// The accounts as they are now.
    pub fn snapshot(&self) -> Vec<AccountState> {
        self.accounts
            .values()
            .map(|account| self.account_state(account))
            .collect()
    }

    /// The time of the last call.
    pub fn now(&self) -> UnixMs {
        self.now
    }
}

/// What hands do at the exchange's website. It happens at the time of the last call of `handle` or `advance`.
impl Exchange {
    /// Opens an account. One with the same number is replaced, with all its keys.
    pub fn add_account(&mut self, new: NewAccount) -> Uid {
        let uid = new.uid;
        self.keys.retain(|_, (owner, _)| *owner != uid);
        self.accounts.insert(uid, Account::open(&new));
        self.keys
            .insert(new.api_key.key.clone(), (uid, new.api_key));
        uid
    }

    /// Gives an account one more API key; one of the same name is replaced, whoever had it.
    pub fn add_key(&mut self, uid: Uid, api_key: ApiKey) -> Result<(), Unknown> {
        self.account(uid)?;
        self.keys.insert(api_key.key.clone(), (uid, api_key));
        Ok(())
    }

    /// Deletes an API key.
    pub fn remove_key(&mut self, key: &str) -> Result<(), Unknown> {
        self.keys
            .remove(key)
            .map(|_| ())
            .ok_or_else(|| Unknown::new("key", key))
    }

    /// An API key, to be changed.
    pub fn key_mut(&mut self, key: &str) -> Result<&mut ApiKey, Unknown> {
        self.keys
            .get_mut(key)
            .map(|(_, api_key)| api_key)
            .ok_or_else(|| Unknown::new("key", key))
    }

    /// Makes a position as large as this, or a row of size `0`, which is no position.
    pub fn open_position(
        &mut self,
        uid: Uid,
        product: ProductType,
        symbol: &str,
        side: HoldSide,
        total: &str,
    ) -> Result<(), Unknown> {
        let position = Position {
            total: total.to_owned(),
            opened: self.now,
        };
        self.account(uid)?
            .book_mut(product)
            .positions
            .insert((symbol.to_owned(), side), position);
        Ok(())
    }

    /// Closes a position: its row is gone.
    pub fn close_position(
        &mut self,
        uid: Uid,
        product: ProductType,
        symbol: &str,
        side: HoldSide,
    ) -> Result<(), Unknown> {
        let removed = self
            .account(uid)?
            .book_mut(product)
            .positions
            .remove(&(symbol.to_owned(), side));
        removed
            .map(|_| ())
            .ok_or_else(|| Unknown::new("position", symbol))
    }

    /// Places an order.
    pub fn place_order(
        &mut self,
        uid: Uid,
        product: ProductType,
        new: NewOrder,
    ) -> Result<OrderId, Unknown> {
        let id = self.next_order_id();
        let age = UnixMs(0).plus(new.age).0;
        let created = UnixMs(self.now.0.saturating_sub(age));
        let NewOrder {
            symbol,
            status,
            age: _,
        } = new;
        self.account(uid)?.book_mut(product).orders.insert(
            id,
            Order {
                id,
                symbol,
                status,
                created,
            },
        );
        Ok(id)
    }

    /// Cancels an order, or lets it be filled: it is gone.
    pub fn cancel_order(
        &mut self,
        uid: Uid,
        product: ProductType,
        id: OrderId,
    ) -> Result<(), Unknown> {
        let removed = self.account(uid)?.book_mut(product).orders.remove(&id);
        removed
            .map(|_| ())
            .ok_or_else(|| Unknown::new("order", id.0))
    }

    /// Places a plan order.
    pub fn place_plan_order(
        &mut self,
        uid: Uid,
        product: ProductType,
        plan_type: PlanType,
        symbol: &str,
    ) -> Result<OrderId, Unknown> {
        let (id, created) = (self.next_order_id(), self.now);
        let order = PlanOrder {
            id,
            plan_type,
            symbol: symbol.to_owned(),
            created,
        };
        self.account(uid)?
            .book_mut(product)
            .plan_orders
            .insert(id, order);
        Ok(id)
    }

    /// Cancels a plan order: it is gone.
    pub fn cancel_plan_order(
        &mut self,
        uid: Uid,
        product: ProductType,
        id: OrderId,
    ) -> Result<(), Unknown> {
        let removed = self.account(uid)?.book_mut(product).plan_orders.remove(&id);
        removed
            .map(|_| ())
            .ok_or_else(|| Unknown::new("plan order", id.0))
    }

    /// Starts or stops what no list shows: a bot, a TWAP order, a copied order.
    pub fn set_hidden_blocker(
        &mut self,
        uid: Uid,
        product: ProductType,
        blocker: Blocker,
    ) -> Result<(), Unknown> {
        self.account(uid)?.book_mut(product).hidden = blocker == Blocker::Running;
        Ok(())
    }

    /// Changes the mode by hand, flat or not. On a unified account it is the account's, whatever the product type.
    pub fn flip(&mut self, uid: Uid, product: ProductType, to: PosMode) -> Result<(), Unknown> {
        let at = self.now;
        let history = self.account(uid)?.mode_mut(product);
        let from = history.now();
        if from != to {
            history.change(at, to);
            self.mode_changes.push(ModeChange {
                at,
                account: uid,
                product,
                from,
                to,
                by: By::Hand,
            });
        }
        Ok(())
    }

    /// Makes an account classic or unified.
    pub fn set_kind(&mut self, uid: Uid, kind: Kind) -> Result<(), Unknown> {
        self.account(uid)?.kind = kind;
        Ok(())
    }

    /// Sets what a unified account says it is.
    pub fn set_account_mode(&mut self, uid: Uid, mode: AccountMode) -> Result<(), Unknown> {
        self.account(uid)?.stage = mode;
        Ok(())
    }

    /// Makes the setter refuse every set of an account with this code, or no longer.
    pub fn refuse_sets(&mut self, uid: Uid, code: Option<&str>) -> Result<(), Unknown> {
        self.account(uid)?.set_refused_with = code.map(str::to_owned);
        Ok(())
    }

    /// The mode as it really is, whatever a read may show.
    pub fn mode(&self, uid: Uid, product: ProductType) -> Result<PosMode, Unknown> {
        let account = self
            .accounts
            .get(&uid)
            .ok_or_else(|| Unknown::new("account", uid))?;
        Ok(account.mode(product).now())
    }

    /// Whether a product type really holds nothing, hidden blockers included.
    pub fn is_flat(&self, uid: Uid, product: ProductType) -> Result<bool, Unknown> {
        let account = self
            .accounts
            .get(&uid)
            .ok_or_else(|| Unknown::new("account", uid))?;
        Ok(classic::is_flat(account, product))
    }

    /// How the exchange behaves where nobody could tell.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// The same, to be changed.
    pub fn switches_mut(&mut self) -> &mut Switches {
        &mut self.switches
    }

    /// From now on, this goes wrong.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// What goes wrong from now on.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Nothing goes wrong any more. What is held up still executes.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    fn account(&mut self, uid: Uid) -> Result<&mut Account, Unknown> {
        self.accounts
            .get_mut(&uid)
            .ok_or_else(|| Unknown::new("account", uid))
    }

    fn next_order_id(&mut self) -> OrderId {
        self.orders_placed += 1;
        OrderId(FIRST_ORDER + self.orders_placed)
    }
}

/// Whether something runs that no list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocker {
    /// It does.
    Running,
    /// It does not.
    Absent,
}

/// An account as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountState {
    /// Its number.
    pub uid: Uid,
    /// Which API it answers to.
    pub kind: Kind,
    /// Its API keys, without their secrets.
    pub keys: Vec<String>,
    /// Every product type.
    pub products: BTreeMap<&'static str, ProductState>,
}

/// What an account has under one product type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductState {
    /// The mode as it really is.
    pub mode: PosMode,
    /// Symbol, side and size of every position.
    pub positions: Vec<(String, HoldSide, String)>,
    /// Open orders.
    pub orders: Vec<Order>,
    /// Open plan orders.
    pub plan_orders: Vec<PlanOrder>,
    /// Whether something runs that no list shows.
    pub hidden_blocker: bool,
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
    fn answer(
        &mut self,
        now: UnixMs,
        request: &Request,
        fault: Option<FaultKind>,
        index: usize,
        entry: &mut LogEntry,
    ) -> Reply {
        let at_once = |outcome| Reply {
            after: Duration::ZERO,
            outcome,
        };
        let Some(fault) = fault else {
            return at_once(Outcome::Response(self.process(now, now, request, entry)));
        };
        match fault {
            FaultKind::DropRequest => at_once(Outcome::Dropped),
            FaultKind::Hang => at_once(Outcome::Hang),
            FaultKind::HangReply => {
                self.process(now, now, request, entry);
                at_once(Outcome::Hang)
            }
            FaultKind::DropReply => {
                self.process(now, now, request, entry);
                at_once(Outcome::Dropped)
            }
            FaultKind::ExecuteLater { after } => {
                self.late.push(Late {
                    due: now.plus(after),
                    arrived: now,
                    request: request.clone(),
                    index,
                });
                at_once(Outcome::Dropped)
            }
            FaultKind::Delay { after } => Reply {
                after,
                outcome: Outcome::Response(self.process(now, now, request, entry)),
            },
            FaultKind::Status { status, body } => {
                at_once(Outcome::Response(mangle::plain(status, body)))
            }
            FaultKind::ExecutedButStatus { status, body } => {
                self.process(now, now, request, entry);
                at_once(Outcome::Response(mangle::plain(status, body)))
            }
            FaultKind::Code { status, code } => at_once(Outcome::Response(refused(
                now,
                status,
                &code,
                gate::message(&code),
            ))),
            FaultKind::TooManyRequests => at_once(Outcome::Response(too_many(now))),
            FaultKind::EmptyBody
            | FaultKind::Garbage
            | FaultKind::Html { .. }
            | FaultKind::MissingField { .. }
            | FaultKind::NullData => {
                let response = self.process(now, now, request, entry);
                at_once(Outcome::Response(mangle::mangled(response, &fault)))
            }
        }
    }

    /// Executes a request at `now`; its timestamp is held against `judged`.
    fn process(
        &mut self,
        now: UnixMs,
        judged: UnixMs,
        request: &Request,
        entry: &mut LogEntry,
    ) -> Response {
        let mut remaining = None;
        let response = match self.execute(now, judged, request, entry, &mut remaining) {
            Ok(data) => {
                entry.code = Some(SUCCESS.to_owned());
                json_response(200, &envelope(now, SUCCESS, "success", &data))
            }
            Err(Stop::TooMany) => {
                entry.code = Some("429".to_owned());
                return too_many(now);
            }
            Err(Stop::Refused(Refusal { status, code, msg })) => {
                let status = match status {
                    RefusalStatus::Fixed(status) => status,
                    RefusalStatus::Business => self.switches.refusal_status,
                };
                let response = refused(now, status, &code, &msg);
                entry.code = Some(code);
                response
            }
        };
        with_remaining(response, remaining)
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
        let door = endpoint.door();
        if door == Door::Public {
            self.count(now, endpoint, Whose::Ip, remaining)?;
            return Ok(public(endpoint, now, request)?);
        }
        let key = gate::required(request, "access-key", "40001")?;
        let (uid, api_key) = self
            .keys
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::gate("40006", "Invalid ACCESS_KEY"))?;
        let kind = self
            .accounts
            .get(&uid)
            .map(|account| account.kind)
            .ok_or_else(abnormal)?;
        gate::admit(
            request,
            &api_key,
            kind,
            door,
            &self.switches.classic_on_v3_code,
            judged,
        )?;
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
        if endpoint == Endpoint::SetPositionMode {
            let done = classic::set_position_mode(account, api_key, &self.switches, now, request);
            let classic::SetDone {
                executed,
                answer,
                product,
            } = done;
            entry.executed = executed;
            if let (Executed::Applied { from, to }, Some(product)) = (executed, product) {
                self.mode_changes.push(ModeChange {
                    at: now,
                    account: uid,
                    product,
                    from,
                    to,
                    by: By::Set,
                });
            }
            return answer;
        }
        let look = Look {
            account,
            api_key,
            switches: &self.switches,
            now,
        };
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
            // Answered before: the public ones need no key, the last one changes the account.
            Endpoint::ServerTime
            | Endpoint::Contracts
            | Endpoint::SpotCoins
            | Endpoint::SpotSymbols
            | Endpoint::MarginCurrencies
            | Endpoint::SetPositionMode => Err(other_door()),
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

    fn take_fault(&mut self, request: &Request, caller: Option<Uid>) -> Option<FaultKind> {
        let fits = |fault: &Fault| {
            fault.times > 0
                && fault
                    .path
                    .as_ref()
                    .is_none_or(|path| request.path.ends_with(path.as_str()))
                && fault.account.is_none_or(|uid| caller == Some(uid))
        };
        let fault = self.faults.iter_mut().find(|fault| fits(fault))?;
        if fault.times != FOREVER {
            fault.times -= 1;
        }
        let what = fault.what.clone();
        self.faults.retain(|fault| fault.times > 0);
        Some(what)
    }

    fn next_due(&self, now: UnixMs) -> Option<usize> {
        let due = self
            .late
            .iter()
            .enumerate()
            .filter(|(_, late)| late.due <= now);
        due.min_by_key(|(position, late)| (late.due, *position))
            .map(|(position, _)| position)
    }

    fn account_state(&self, account: &Account) -> AccountState {
        let product = |product: ProductType| {
            let book = account.book(product);
            let position = |((symbol, side), position): (&(String, HoldSide), &Position)| {
                (symbol.clone(), *side, position.total.clone())
            };
            let state = ProductState {
                mode: account.mode(product).now(),
                positions: book.positions.iter().map(position).collect(),
                orders: book.orders.values().cloned().collect(),
                plan_orders: book.plan_orders.values().cloned().collect(),
                hidden_blocker: book.hidden,
            };
            (product.as_str(), state)
        };
        let keys = self
            .keys
            .iter()
            .filter(|(_, (owner, _))| *owner == account.uid);
        AccountState {
            uid: account.uid,
            kind: account.kind,
            keys: keys.map(|(key, _)| key.clone()).collect(),
            products: ProductType::ALL.into_iter().map(product).collect(),
        }
    }
}

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

fn public(endpoint: Endpoint, now: UnixMs, request: &Request) -> Result<Value, Refusal> {
    match endpoint {
        Endpoint::ServerTime => Ok(json!({ "serverTime": now.0.to_string() })),
        Endpoint::Contracts => contracts(request),
        // Nothing is traded here but futures; clients load these lists all the same.
        Endpoint::SpotCoins | Endpoint::SpotSymbols | Endpoint::MarginCurrencies => Ok(json!([])),
        Endpoint::MixAccount
        | Endpoint::MixAccounts
        | Endpoint::SetPositionMode
        | Endpoint::AllPosition
        | Endpoint::OrdersPending
        | Endpoint::OrdersPlanPending
        | Endpoint::SpotAccountInfo
        | Endpoint::UnifiedSettings => Err(other_door()),
    }
}

fn contracts(request: &Request) -> Result<Value, Refusal> {
    let params = request.params();
    let product = classic::product_type(&params)?;
    match params.optional("symbol") {
        None => Ok(market::contracts(product)
            .map(market::Contract::row)
            .collect()),
        Some(symbol) => market::contract(product, symbol)
            .map(|contract| json!([contract.row()]))
            .ok_or_else(|| {
                Refusal::business("40034", format!("Parameter {symbol} does not exist"))
            }),
    }
}

/// For an endpoint that is answered behind another door: it cannot come here.
fn other_door() -> Refusal {
    Refusal::gate("40404", "Request URL NOT FOUND")
}

fn observed_flat(
    endpoint: Endpoint,
    account: &Account,
    product: Option<ProductType>,
) -> Option<bool> {
    match endpoint {
        Endpoint::AllPosition
        | Endpoint::OrdersPending
        | Endpoint::OrdersPlanPending
        | Endpoint::SetPositionMode => product.map(|product| classic::is_flat(account, product)),
        Endpoint::ServerTime
        | Endpoint::Contracts
        | Endpoint::SpotCoins
        | Endpoint::SpotSymbols
        | Endpoint::MarginCurrencies
        | Endpoint::MixAccount
        | Endpoint::MixAccounts
        | Endpoint::SpotAccountInfo
        | Endpoint::UnifiedSettings => None,
    }
}

fn entry(
    at: UnixMs,
    request: &Request,
    account: Option<Uid>,
    fault: Option<FaultKind>,
) -> LogEntry {
    let Request {
        method,
        path,
        query,
        headers: _,
        body,
    } = request;
    let (product, wanted) = classic::subject(request);
    LogEntry {
        at,
        answered_at: None,
        account,
        method: method.clone(),
        path: path.clone(),
        query: query.clone(),
        body: String::from_utf8_lossy(body).into_owned(),
        signed: request
            .header("access-timestamp")
            .and_then(|text| text.parse().ok())
            .map(UnixMs),
        status: None,
        code: None,
        product,
        wanted,
        executed: Executed::None,
        listed: None,
        flat: None,
        fault,
        late_of: None,
    }
}

fn abnormal() -> Refusal {
    Refusal::gate("40013", gate::message("40013"))
}

fn too_many(now: UnixMs) -> Response {
    with_remaining(refused(now, 429, "429", gate::message("429")), Some(0))
}

fn refused(now: UnixMs, status: u16, code: &str, msg: &str) -> Response {
    json_response(status, &envelope(now, code, msg, &Value::Null))
}

fn json_response(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: vec![(
            "content-type".to_owned(),
            "application/json;charset=UTF-8".to_owned(),
        )],
        body: body.to_string().into_bytes(),
    }
}

fn with_remaining(mut response: Response, remaining: Option<u32>) -> Response {
    if let Some(remaining) = remaining {
        response
            .headers
            .push(("x-mbx-used-remain-limit".to_owned(), remaining.to_string()));
    }
    response
}

const SUCCESS: &str = "00000";
/// Nineteen digits, as the exchange's own: more than a double holds.
const FIRST_ORDER: u64 = 1_300_000_000_000_000_000;
