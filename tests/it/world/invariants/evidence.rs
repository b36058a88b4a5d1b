//! What there is to judge by: every request on both lines of time, every intent, and what the daemon was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitget_sim::{AccountLevel, LateTimestamp, LogEntry, PosMode, ProductType, Uid};
use posmoded::desired::Desired;
use posmoded::ledger::IntentRow;
use posmoded::moment::Moment;
use posmoded::position_mode::AccountName;
use posmoded::source::FileState;
use serde_json::Value;

use super::file;
use crate::world::World;
use crate::world::journeys::{Heard, Journey};
use crate::world::told::Told;

/// Everything.
pub struct Evidence {
    /// The exchange's log.
    pub log: Vec<Arc<LogEntry>>,
    /// What arrived there, by when it left the daemon.
    pub sent: Vec<Sent>,
    /// Every intent on disk.
    pub intents: Vec<IntentRow>,
    /// What the daemon was told.
    pub told: Told,
    /// What the source said of the file, and what that declares if it is good.
    pub words: Vec<(Moment, FileState, Option<Desired>)>,
    /// Whether the exchange checks a timestamp again when it executes late: I1 and I5 need that.
    pub late_timestamp: LateTimestamp,
    /// The level of each account, which only a unified one shows.
    pub levels: BTreeMap<Uid, AccountLevel>,
    names: BTreeMap<Uid, AccountName>,
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Which process sent it.
    pub process: u32,
    /// When it left.
    pub left: Moment,
    /// When it arrived.
    pub arrived: Moment,
    /// Which entry of the log it is.
    pub index: usize,
    /// That entry.
    pub entry: Arc<LogEntry>,
    /// What came back to a daemon that still lived.
    pub answer: Option<Answer>,
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    /// When it was back.
    pub at: Moment,
    /// The HTTP status.
    pub status: u16,
    /// The code of the envelope, if it is one.
    pub code: Option<String>,
    /// The exchange's own time in it.
    pub server: Option<i64>,
    /// The mode that a look at one showed.
    pub mode: Option<PosMode>,
    /// How many rows a list had; `None` if there was no list, or a row that says too little.
    pub rows: Option<usize>,
}

/// What has one mode: a product type of a classic account, or (`None`) a whole unified one.
pub type TargetKey = (Uid, Option<ProductType>);

/// A target's scope as the ledger and the file spell it.
pub fn scope_of((_, product): TargetKey) -> &'static str {
    product.map_or("account", ProductType::as_str)
}

impl Evidence {
    /// All of it, as of now.
    pub fn of(world: &World) -> Evidence {
        let log: Vec<Arc<LogEntry>> =
            world.exchange(|exchange| exchange.log().iter().cloned().map(Arc::new).collect());
        let sent = world.journeys(|all| all.iter().filter_map(|journey| Sent::of(journey, &log)).collect());
        let intents = world.visitor().intents().expect("the ledger is read");
        let (keys, late_timestamp) =
            world.exchange(|exchange| (exchange.snapshot(), exchange.switches().late_timestamp));
        let levels = keys.iter().map(|account| (account.uid, account.settings.account_level)).collect();
        let names = keys.into_iter().filter_map(|account| {
            let name = account.keys.first()?.strip_prefix("key-")?.parse().ok()?;
            Some((account.uid, name))
        });
        let (names, told) = (names.collect(), world.told_so_far());
        let words = told.words.iter().map(|(at, word)| (*at, word.clone(), file::accepted(word))).collect();
        Evidence { log, sent, intents, told, words, late_timestamp, levels, names }
    }

    /// The sets that arrived, by target, in the order in which they left.
    pub fn sets_by_target(&self) -> BTreeMap<TargetKey, Vec<&Sent>> {
        let mut sets: BTreeMap<TargetKey, Vec<&Sent>> = BTreeMap::new();
        for set in self.sent.iter().filter(|sent| sent.is_set()) {
            sets.entry(set.target()).or_default().push(set);
        }
        sets
    }

    /// The file's name of an account.
    pub fn name(&self, uid: Uid) -> &AccountName {
        &self.names[&uid]
    }

    /// The intent that a set was signed for, if there is one.
    pub fn intent_of(&self, set: &Sent) -> Option<&IntentRow> {
        let target = set.target();
        self.intents.iter().find(|intent| {
            intent.target.account == *self.name(target.0)
                && intent.target.scope.as_str() == scope_of(target)
                && Some(intent.stamp.0) == set.entry.signed.map(|signed| signed.0)
        })
    }
}

impl Sent {
    fn of(journey: &Journey, log: &[Arc<LogEntry>]) -> Option<Sent> {
        let Journey { process, left, arrived, heard } = journey;
        let (process, left, (arrived, index)) = (*process, *left, (*arrived)?);
        let entry = log[index].clone();
        let answer = heard.as_ref().map(|heard| Answer::of(&entry.path, heard));
        Some(Sent { process, left, arrived, index, entry, answer })
    }

    /// Whether it sets a mode.
    pub fn is_set(&self) -> bool {
        self.entry.method == "POST"
    }

    /// Which target a set or a list is about.
    pub fn target(&self) -> TargetKey {
        match (self.entry.account, self.entry.product, self.is_unified()) {
            (Some(uid), _, true) => (uid, None),
            (Some(uid), Some(product), false) => (uid, Some(product)),
            (Some(_) | None, Some(_) | None, true | false) => {
                panic!("a request about no known target\n{self:#?}")
            }
        }
    }

    /// Whether it is about this target.
    pub fn is_about(&self, (uid, product): TargetKey) -> bool {
        self.entry.account == Some(uid)
            && self.is_unified() == product.is_none()
            && (product.is_none() || self.entry.product == product)
    }

    /// Whether it is a call for unified accounts.
    pub fn is_unified(&self) -> bool {
        self.entry.path.starts_with("/api/v3/")
    }
}

impl Answer {
    fn of(path: &str, Heard { at, status, body }: &Heard) -> Answer {
        let (at, status) = (*at, *status);
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let code = body["code"].as_str().map(str::to_owned);
        let mode = body["data"]["posMode"].as_str().or(body["data"]["holdMode"].as_str());
        let mode = mode.and_then(|mode| mode.parse().ok());
        let good = status == 200 && code.as_deref() == Some("00000");
        let rows = if good { rows(path, &body["data"]) } else { None };
        Answer { at, status, code, server: body["requestTime"].as_i64(), mode, rows }
    }
}

/// The rows of the lists that tell whether something is open; `null` is an empty one where the exchange writes it so.
fn rows(path: &str, data: &Value) -> Option<usize> {
    let (list, may_be_null) = match path.rsplit('/').next()? {
        "all-position" | "unfilled-strategy-orders" => (data, false),
        "orders-pending" | "orders-plan-pending" => (data.get("entrustedList")?, true),
        "current-position" | "unfilled-orders" => (data.get("list")?, true),
        _ => return None,
    };
    let are_positions = path.ends_with("position");
    match list {
        Value::Null => may_be_null.then_some(0),
        Value::Array(rows) if are_positions => {
            rows.iter().all(|row| row["total"].is_string()).then_some(rows.len())
        }
        Value::Array(rows) => Some(rows.len()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
    }
}
