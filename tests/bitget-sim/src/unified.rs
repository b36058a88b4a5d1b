//! What the v3 endpoints of unified accounts answer. Every function here reads the account as it is; the setter, which changes
//! it, is a module of its own.

mod rows;
mod setter;

use serde_json::{Value, json};

use crate::account::{Book, EMPTY, Order, PlanOrder};
use crate::gate::message;
use crate::key::Right;
use crate::look::{Listed, Look, may};
use crate::market::{Contract, Market};
use crate::page::Page;
use crate::settings::Settings;
use crate::switches::{LastCursor, StrategyOrdersWithoutType};
use crate::wire::{Params, Refusal};
use crate::words::{PlanType, ProductType};

pub(crate) use setter::set_hold_mode;

impl Look<'_> {
    /// `GET /api/v3/account/settings`
    pub(crate) fn unified_settings(&self) -> Result<Value, Refusal> {
        may(self.api_key.uta_mgt, Right::Read)?;
        let hold_mode = self.shown_mode(ProductType::UsdtFutures);
        let Settings { account_level, asset_mode, stp_mode } = self.account.settings;
        Ok(json!({
            "uid": self.account.uid.to_string(),
            "accountMode": self.account.stage.as_str(),
            "assetMode": asset_mode,
            "accountLevel": account_level,
            "holdMode": hold_mode.as_str(),
            "stpMode": stp_mode,
            "symbolConfigList": [],
            "coinConfigList": [],
        }))
    }

    /// `GET /api/v3/account/info`: any key may.
    pub(crate) fn unified_info(&self) -> Result<Value, Refusal> {
        if !self.api_key.reads_info {
            return Err(Refusal::business("40014", message("40014")));
        }
        let granted = [("uta_mgt", self.api_key.uta_mgt), ("uta_trade", self.api_key.uta_trade)];
        let writes = granted.iter().any(|(_, right)| *right == Right::ReadWrite);
        let granted = granted.into_iter().filter(|(_, right)| *right >= Right::Read).map(|(name, _)| name);
        let permissions: Vec<&str> = granted.chain(self.api_key.withdraws.then_some("withdraw")).collect();
        Ok(json!({
            "userId": self.account.uid.to_string(),
            "inviterId": "0",
            // A number where there is one, as seen; the pages have a text.
            "parentId": self.account.parent.map_or_else(|| json!(""), |parent| json!(parent)),
            "channelCode": "",
            "channel": "",
            "ips": self.api_key.ips,
            "permType": if writes { "read_and_write" } else { "read_only" },
            "permissions": permissions,
            "regisTime": "1690000000000",
        }))
    }

    /// `GET /api/v3/account/assets`: there is no money here, and a coin without a balance has no row.
    pub(crate) fn unified_assets(&self) -> Result<Value, Refusal> {
        may(self.api_key.uta_mgt, Right::Read)?;
        Ok(json!({
            "accountEquity": "0",
            "usdtEquity": "0",
            "btcEquity": "0",
            "unrealisedPnl": "0",
            "usdtUnrealisedPnl": "0",
            "btcUnrealizedPnl": "0",
            "effEquity": "0",
            "mmr": "0",
            "imr": "0",
            "mgnRatio": "0",
            "positionMgnRatio": "0",
            "positionValue": "0",
            "leverage": "0",
            "assets": [],
        }))
    }

    /// `GET /api/v3/position/current-position`: no paging.
    pub(crate) fn current_position(&self, params: &Params) -> Result<Listed, Refusal> {
        may(self.api_key.uta_trade, Right::Read)?;
        let category = futures(category(params)?)?;
        let (symbol, side) = (params.optional("symbol"), params.optional("posSide"));
        let positions = self.held(category)?.positions.iter();
        self.may_filter(category, symbol)?;
        let rows: Vec<Value> = positions
            .filter(|((known, _), _)| symbol.is_none_or(|symbol| known.eq_ignore_ascii_case(symbol)))
            .filter(|((_, known), _)| side.is_none_or(|side| known.as_str() == side))
            .map(|((symbol, side), position)| self.unified_position_row(category, symbol, *side, position))
            .collect();
        Ok(Listed { rows: rows.len(), data: json!({ "list": self.list(&rows) }) })
    }

    /// `GET /api/v3/trade/unfilled-orders`: newest first, pages of at most 100, every status. Without a category, every one.
    pub(crate) fn unfilled_orders(&self, params: &Params) -> Result<Listed, Refusal> {
        may(self.api_key.uta_trade, Right::Read)?;
        let page = Page::of(params, "cursor", self.now)?;
        let category = params.optional("category").map(Category::of).transpose()?;
        let mut orders: Vec<(Category, &Order)> = Vec::new();
        if let Some(Category::Futures(product)) = category {
            self.held(product)?;
            self.may_filter(product, params.optional("symbol"))?;
        }
        for &product in self.account.categories() {
            let open = self.account.book(product).orders.values();
            orders.extend(open.map(|order| (Category::Futures(product), order)));
        }
        orders.extend(self.account.spot_orders.values().map(|order| (Category::Spot, order)));
        orders.retain(|(known, _)| category.is_none_or(|category| category == *known));
        orders.sort_by_key(|(_, order)| std::cmp::Reverse(order.id));
        let (rows, last) = page.cut(
            orders.iter(),
            |(_, Order { id, symbol, status: _, created })| (*id, symbol, *created),
            |(category, order)| self.unified_order_row(*category, order),
        );
        let cursor = match self.switches.last_cursor {
            LastCursor::Missing if page.is_last(&rows) => None,
            LastCursor::Missing | LastCursor::Present => last,
        };
        let data = json!({ "list": self.list(&rows), "cursor": cursor });
        Ok(Listed { rows: rows.len(), data })
    }

    /// `GET /api/v3/trade/unfilled-strategy-orders`: a bare array, no paging.
    pub(crate) fn unfilled_strategy_orders(&self, params: &Params) -> Result<Listed, Refusal> {
        may(self.api_key.uta_trade, Right::Read)?;
        let category = futures(category(params)?)?;
        let wanted: &[Strategy] = match (params.optional("type"), self.switches.strategy_orders_without_type)
        {
            (Some("tpsl"), _) | (None, StrategyOrdersWithoutType::TpslOnly) => &[Strategy::Tpsl],
            (Some("trigger"), _) => &[Strategy::Trigger],
            (None, StrategyOrdersWithoutType::Both) => &[Strategy::Tpsl, Strategy::Trigger],
            (Some(_), _) => return Err(Refusal::business("400172", "type Illegal type")),
        };
        let orders = self.held(category)?.plan_orders.values().rev();
        let rows: Vec<Value> = orders
            .filter(|order| wanted.contains(&Strategy::of(order)))
            .map(|order| self.strategy_order_row(category, order))
            .collect();
        Ok(Listed { rows: rows.len(), data: Value::Array(rows) })
    }

    /// What the account holds under a category that is asked for, if its level has it.
    fn held(&self, category: ProductType) -> Result<&Book, Refusal> {
        if self.account.categories().contains(&category) {
            return Ok(self.account.book(category));
        }
        match &self.switches.missing_category_code {
            None => Ok(&EMPTY),
            Some(code) => Err(Refusal::business(code, "The account level does not support this category")),
        }
    }
}

/// `GET /api/v3/market/instruments`: clients load it at start. Nothing is traded here but futures.
pub(crate) fn instruments(market: &Market, params: &Params) -> Result<Value, Refusal> {
    let symbol = params.optional("symbol");
    let listed = match Category::of(category(params)?)? {
        Category::Futures(product) => Some(market.contracts(product)),
        Category::Spot => None,
    };
    let wanted = |known: &str| symbol.is_none_or(|symbol| known.eq_ignore_ascii_case(symbol));
    let listed = listed.into_iter().flatten().filter(|contract| wanted(contract.symbol));
    Ok(listed.map(Contract::instrument_row).collect())
}

/// Where an order is listed on v3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    Futures(ProductType),
    Spot,
}

impl Category {
    fn of(text: &str) -> Result<Self, Refusal> {
        if text.eq_ignore_ascii_case("SPOT") { Ok(Self::Spot) } else { futures(text).map(Self::Futures) }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Futures(product) => product.as_str(),
            Self::Spot => "SPOT",
        }
    }
}

/// The type that a strategy order is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Tpsl,
    Trigger,
}

impl Strategy {
    fn of(order: &PlanOrder) -> Self {
        match order.plan_type {
            PlanType::NormalPlan | PlanType::TrackPlan => Self::Trigger,
            PlanType::ProfitLoss => Self::Tpsl,
        }
    }
}

/// The category, where one is required; v3 has a code of its own for a parameter that is missing.
fn category(params: &Params) -> Result<&str, Refusal> {
    params
        .optional("category")
        .ok_or_else(|| Refusal::business("400172", "Parameter verification failed category"))
}

/// A futures category; a unified account has no others, and none of the old demo ones.
fn futures(text: &str) -> Result<ProductType, Refusal> {
    text.parse()
        .ok()
        .filter(|product| ProductType::FUTURES.contains(product))
        .ok_or_else(|| Refusal::business("400172", "category Illegal type"))
}
