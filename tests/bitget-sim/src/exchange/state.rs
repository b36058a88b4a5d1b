//! The accounts as they are, for tests and people to look at. It changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Exchange;
use crate::account::{Account, Order, PlanOrder, Position};
use crate::settings::Settings;
use crate::words::{AccountMode, HoldSide, Kind, PosMode, ProductType, Uid};

impl Exchange {
    /// The accounts as they are now.
    pub fn snapshot(&self) -> Vec<AccountState> {
        self.accounts.values().map(|account| self.account_state(account)).collect()
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
        let keys = self.keys.iter().filter(|(_, (owner, _))| *owner == account.uid);
        AccountState {
            uid: account.uid,
            kind: account.kind,
            account_mode: account.stage,
            settings: account.settings,
            keys: keys.map(|(key, _)| key.clone()).collect(),
            products: ProductType::ALL.into_iter().map(product).collect(),
            spot_orders: account.spot_orders.values().cloned().collect(),
            load: self.meter.loads(account.uid).map(|(endpoint, others)| (endpoint.path(), others)).collect(),
        }
    }
}

/// An account as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountState {
    /// Its number.
    pub uid: Uid,
    /// Which API it answers to.
    pub kind: Kind,
    /// What it says it is if it is unified, or on its way to another kind.
    pub account_mode: AccountMode,
    /// What its settings say beside that.
    pub settings: Settings,
    /// Its API keys, without their secrets.
    pub keys: Vec<String>,
    /// Every product type.
    pub products: BTreeMap<&'static str, ProductState>,
    /// Open spot orders.
    pub spot_orders: Vec<Order>,
    /// How many times in a second its strategies ask, by path.
    pub load: BTreeMap<&'static str, u32>,
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
