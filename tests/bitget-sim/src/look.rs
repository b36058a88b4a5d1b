//! What an endpoint that reads has before it: the account, the key, the switches, the time. It reads the account as it is.

use serde_json::{Value, json};

use crate::account::Account;
use crate::gate::message;
use crate::key::{ApiKey, Right};
use crate::market::{Contract, Market, SymbolStatus};
use crate::switches::{EmptyList, Switches};
use crate::wire::{Refusal, UnixMs};
use crate::words::{PosMode, ProductType};

/// What an endpoint looks at.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) account: &'a Account,
    pub(crate) api_key: &'a ApiKey,
    pub(crate) market: &'a Market,
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

    /// A contract that a call is about, unless it is gone or a demo key does not have it.
    pub(crate) fn contract(&self, product: ProductType, symbol: &str) -> Result<&Contract, Refusal> {
        let contract = self.market.contract(product, symbol).ok_or_else(|| no_such_symbol(symbol))?;
        if contract.listing.symbol_status == SymbolStatus::Off {
            return Err(Refusal::business(
                &self.switches.removed_symbol_code,
                "The contract has been removed",
            ));
        }
        if self.api_key.demo && !contract.listing.in_demo {
            return Err(Refusal::business(
                &self.switches.missing_in_demo_code,
                "The contract does not exist",
            ));
        }
        Ok(contract)
    }

    /// The same for a symbol that a list is asked for with: one that nobody ever knew has no rows.
    pub(crate) fn may_filter(&self, product: ProductType, symbol: Option<&str>) -> Result<(), Refusal> {
        let known = symbol.filter(|symbol| self.market.contract(product, symbol).is_some());
        known.map_or(Ok(()), |symbol| self.contract(product, symbol).map(|_| ()))
    }

    /// The rows, or what stands for none.
    pub(crate) fn list(&self, rows: &[Value]) -> Value {
        match self.switches.empty_list {
            EmptyList::Null if rows.is_empty() => Value::Null,
            EmptyList::Null | EmptyList::Empty => json!(rows),
        }
    }
}

pub(crate) fn no_such_symbol(symbol: &str) -> Refusal {
    Refusal::business("40034", format!("Parameter {symbol} does not exist"))
}

/// Lets a key pass that has a right, or says that it lacks it.
pub(crate) fn may(granted: Right, needed: Right) -> Result<(), Refusal> {
    if granted >= needed { Ok(()) } else { Err(Refusal::business("40014", message("40014"))) }
}
