//! A stateful Bitget for tests: accounts, keys, modes, positions, orders, limits, faults, and the API in front of them.
//!
//! The core is [`Exchange::handle`]: a request and the exchange's time in, an answer out, no clock and no socket. Over HTTP it
//! is served by [`serve()`], on loopback only. It is written for any client and knows none.

mod account;
mod classic;
mod control;
mod endpoint;
mod exchange;
mod fault;
mod gate;
mod journal;
mod key;
mod limits;
mod look;
mod mangle;
mod market;
mod page;
mod serve;
mod set;
mod settings;
mod sign;
#[cfg(test)]
mod stories;
mod switches;
mod tls;
mod unified;
mod wire;
mod words;

pub use account::{NewAccount, NewOrder, Order, PlanOrder};
pub use exchange::{AccountState, Blocker, Exchange, ProductState};
pub use fault::{FOREVER, Fault, FaultKind};
pub use journal::{By, Executed, LogEntry, ModeChange};
pub use key::{ApiKey, Right, Secret};
pub use market::{Listing, SymbolStatus};
pub use serve::{ServeError, Simulator, serve};
pub use settings::{AccountLevel, AssetMode, Settings, StpMode};
pub use switches::{
    EmptyList, EndId, HiddenBlockers, LastCursor, LateTimestamp, Limits, NotFlat, OrdersWithoutStatus,
    RequestTime, SameMode, SettingsWhileConverting, SpotOrders, StrategyOrdersWithoutType, Switches,
};
pub use tls::{Flaw, Identity, TlsError};
pub use wire::{Outcome, Reply, Request, Response, UnixMs};
pub use words::{
    AccountMode, HoldSide, Kind, OrderId, OrderStatus, PlanType, PosMode, ProductType, Uid, Unknown,
};
