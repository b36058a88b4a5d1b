//! What there is to judge by: every request on both lines of time, every intent, and what the daemon was told.

use std::collections::BTreeMap;

use bitget_sim::{LateTimestamp, LogEntry, PosMode, ProductType, Uid};
use posmoded::ledger::IntentRow;
use posmoded::moment::Moment;
use posmoded::position_mode::AccountName;
use serde_json::Value;

use crate::world::World;
use crate::world::journeys::{Heard, Journey};
use crate::world::told::Told;

/// Everything.
pub struct Evidence {
    /// The exchange's log.
    pub log: Vec<LogEntry>,
    /// What arrived there, by when it left the daemon.
    pub sent: Vec<Sent>,
    /// Every intent on disk.
    pub intents: Vec<IntentRow>,
    /// What the daemon was told.
    pub told: Told,
    /// Whether the exchange checks a timestamp again when it executes late: I1 and I5 need that.
    pub late_timestamp: LateTimestamp,
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
    pub entry: LogEntry,
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

/// What has one mode.
pub type TargetKey = (Uid, ProductType);

impl Evidence {
    /// All of it, as of now.
    pub fn of(world: &World) -> Evidence {
        let log = world.log();
        let sent = world.journeys().into_iter().filter_map(|journey| Sent::of(journey, &log)).collect();
        let intents = world.visitor().intents().expect("the ledger is read");
        let (keys, late_timestamp) =
            world.exchange(|exchange| (exchange.snapshot(), exchange.switches().late_timestamp));
        let names = keys.into_iter().filter_map(|account| {
            let name = account.keys.first()?.strip_prefix("key-")?.parse().ok()?;
            Some((account.uid, name))
        });
        let names = names.collect();
        Evidence { log, sent, intents, told: world.told_so_far(), late_timestamp, names }
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
        let (uid, product) = set.target();
        self.intents.iter().find(|intent| {
            intent.target.account == *self.name(uid)
                && intent.target.scope.to_string() == product.as_str()
                && Some(intent.stamp.0) == set.entry.signed.map(|signed| signed.0)
        })
    }
}

impl Sent {
    fn of(journey: Journey, log: &[LogEntry]) -> Option<Sent> {
        let Journey { process, left, arrived, heard } = journey;
        let (arrived, index) = arrived?;
        let entry = log[index].clone();
        Some(Sent { process, left, arrived, index, entry, answer: heard.map(Answer::of) })
    }

    /// Whether it sets a mode.
    pub fn is_set(&self) -> bool {
        self.entry.method == "POST"
    }

    /// Which target a set or a list is about.
    pub fn target(&self) -> TargetKey {
        let (Some(uid), Some(product)) = (self.entry.account, self.entry.product) else {
            panic!("a request about no known target\n{self:#?}");
        };
        (uid, product)
    }

    /// Whether it is about this target.
    pub fn is_about(&self, target: TargetKey) -> bool {
        (self.entry.account, self.entry.product) == (Some(target.0), Some(target.1))
    }
}

impl Answer {
    fn of(Heard { at, status, body }: Heard) -> Answer {
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let code = body["code"].as_str().map(str::to_owned);
        let mode = body["data"]["posMode"].as_str().and_then(|mode| mode.parse().ok());
        let good = status == 200 && code.as_deref() == Some("00000");
        let rows = if good { rows(&body["data"]) } else { None };
        Answer { at, status, code, server: body["requestTime"].as_i64(), mode, rows }
    }
}

/// Positions are an array, and each has a size; orders are in an `entrustedList`, where `null` is an empty one.
fn rows(data: &Value) -> Option<usize> {
    match data {
        Value::Array(rows) => rows.iter().all(|row| row["total"].is_string()).then_some(rows.len()),
        Value::Object(fields) => match fields.get("entrustedList")? {
            Value::Null => Some(0),
            Value::Array(rows) => Some(rows.len()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
