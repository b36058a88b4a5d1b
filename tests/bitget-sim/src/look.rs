//! What an endpoint that reads has before it: the account, the key, the switches, the time. It reads the account as it is.

use serde_json::{Value, json};

use crate::account::Account;
use crate::gate::message;
use crate::key::{ApiKey, Right};
use crate::switches::{EmptyList, Switches};
use crate::wire::{Refusal, UnixMs};
use crate::words::{PosMode, ProductType};

/// What an endpoint looks at.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) account: &'a Account,
    pub(crate) api_key: &'a ApiKey,
    pub(crate) switches: &'a Switches,
    pub(crate) now: UnixMs,
}

/// A list, and how many rows it has.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) data: Value,
    pub(crate) rows: usize,
}

impl Look<'_> {
    /// The mode as a read shows it: behind the truth by the read lag.
    pub(crate) fn shown_mode(&self, product: ProductType) -> PosMode {
        self.account.mode(product).shown(self.now, self.switches.read_lag_ms)
    }

    /// The rows, or what stands for none.
    pub(crate) fn list(&self, rows: &[Value]) -> Value {
        match self.switches.empty_list {
            EmptyList::Null if rows.is_empty() => Value::Null,
            EmptyList::Null | EmptyList::Empty => json!(rows),
        }
    }
}

/// Lets a key pass that has a right, or says that it lacks it.
pub(crate) fn may(granted: Right, needed: Right) -> Result<(), Refusal> {
    if granted >= needed { Ok(()) } else { Err(Refusal::business("40014", message("40014"))) }
}
