//! What the v2 endpoints of classic accounts answer. Every function here reads the account as it is; the setter, which changes
//! it, is a module of its own.

mod rows;
mod setter;

use serde_json::{Map, Value, json};

use crate::account::{Order, PlanOrder};
use crate::endpoint::no_such_url;
use crate::gate::message;
use crate::key::Right;
use crate::look::{Listed, Look, may};
use crate::market::{self, coin_of};
use crate::page::Page;
use crate::switches::{EndId, OrdersWithoutStatus};
use crate::wire::{Params, Refusal};
use crate::words::{OrderStatus, PlanType, ProductType};

use rows::balance;
pub(crate) use setter::set_position_mode;

impl Look<'_> {
    /// `GET /api/v2/mix/account/account`
    pub(crate) fn mix_account(&self, params: &Params) -> Result<Value, Refusal> {
        self.may_read()?;
        let symbol = params.required("symbol")?;
        let product = product_type(params)?;
        let coin = params.required("marginCoin")?;
        let coin = self
            .contract(product, symbol)?
            .margin_coins
            .iter()
            .find(|known| known.eq_ignore_ascii_case(coin))
            .ok_or_else(|| Refusal::business("40020", "Parameter marginCoin error"))?;
        let mut row = balance(coin);
        row.insert("crossedMarginLeverage".to_owned(), json!(20));
        row.insert("isolatedLongLever".to_owned(), json!(20));
        row.insert("isolatedShortLever".to_owned(), json!(20));
        row.insert("marginMode".to_owned(), json!("crossed"));
        row.insert("posMode".to_owned(), json!(self.shown_mode(product).as_str()));
        row.insert("isolatedMargin".to_owned(), Value::Null);
        row.insert("crossedMargin".to_owned(), json!("0"));
        Ok(Value::Object(row))
    }

    /// `GET /api/v2/mix/account/accounts`: no `posMode` here.
    pub(crate) fn mix_accounts(&self, params: &Params) -> Result<Value, Refusal> {
        self.may_read()?;
        let product = product_type(params)?;
        let mut row = balance(market::margin_coin(product));
        row.insert("unionTotalMargin".to_owned(), json!("0"));
        row.insert("unionAvailable".to_owned(), json!("0"));
        row.insert("unionMm".to_owned(), json!("0"));
        row.insert("assetList".to_owned(), json!([]));
        row.insert("isolatedMargin".to_owned(), json!("0"));
        row.insert("crossedMargin".to_owned(), json!("0"));
        Ok(json!([row]))
    }

    /// `GET /api/v2/mix/position/all-position`: no paging.
    pub(crate) fn all_position(&self, params: &Params) -> Result<Listed, Refusal> {
        self.may_read()?;
        let product = product_type(params)?;
        let coin = params.optional("marginCoin");
        let rows: Vec<Value> = self
            .account
            .book(product)
            .positions
            .iter()
            .filter(|((symbol, _), _)| {
                coin.is_none_or(|coin| coin_of(product, symbol).eq_ignore_ascii_case(coin))
            })
            .map(|((symbol, side), position)| self.position_row(product, symbol, *side, position))
            .collect();
        Ok(Listed { rows: rows.len(), data: Value::Array(rows) })
    }

    /// `GET /api/v2/mix/order/orders-pending`: newest first, pages of at most 100, orders of the last three months.
    pub(crate) fn orders_pending(&self, params: &Params) -> Result<Listed, Refusal> {
        self.may_read()?;
        let product = product_type(params)?;
        let page = Page::of(params, "idLessThan", self.now)?;
        self.may_filter(product, params.optional("symbol"))?;
        let wanted: &[OrderStatus] = match (params.optional("status"), self.switches.orders_without_status) {
            (Some("live"), _) | (None, OrdersWithoutStatus::LiveOnly) => &[OrderStatus::Live],
            (Some("partially_filled"), _) => &[OrderStatus::PartiallyFilled],
            (None, OrdersWithoutStatus::Both) => &[OrderStatus::Live, OrderStatus::PartiallyFilled],
            (Some(_), _) => return Err(Refusal::business("400172", "status Illegal type")),
        };
        let orders = self.account.book(product).orders.values().rev();
        let (rows, end_id) = page.cut(
            orders.filter(|order| wanted.contains(&rows::shown_status(order))),
            |Order { id, symbol, status: _, created }| (*id, symbol, *created),
            |order| self.order_row(product, order),
        );
        let data = json!({ "entrustedList": self.list(&rows), "endId": end_id });
        Ok(Listed { rows: rows.len(), data })
    }

    /// `GET /api/v2/mix/order/orders-plan-pending`: the same paging; `planType` is required.
    pub(crate) fn orders_plan_pending(&self, params: &Params) -> Result<Listed, Refusal> {
        self.may_read()?;
        let plan_type = params.required("planType")?;
        let product = product_type(params)?;
        let plan_type = PlanType::ALL
            .into_iter()
            .find(|known| known.as_str() == plan_type)
            .ok_or_else(|| Refusal::business("400172", "planType Illegal type"))?;
        let page = Page::of(params, "idLessThan", self.now)?;
        self.may_filter(product, params.optional("symbol"))?;
        let orders = self.account.book(product).plan_orders.values().rev();
        let (rows, end_id) = page.cut(
            orders.filter(|order| order.plan_type == plan_type),
            |PlanOrder { id, plan_type: _, symbol, created }| (*id, symbol, *created),
            |order| self.plan_order_row(product, order),
        );
        let mut data = Map::new();
        data.insert("entrustedList".to_owned(), self.list(&rows));
        match self.switches.plan_end_id {
            EndId::Present => drop(data.insert("endId".to_owned(), json!(end_id))),
            EndId::Missing => {}
        }
        Ok(Listed { rows: rows.len(), data: Value::Object(data) })
    }

    /// `GET /api/v2/spot/account/info`
    pub(crate) fn spot_account_info(&self) -> Result<Value, Refusal> {
        if !self.api_key.reads_info {
            return Err(Refusal::business("40014", message("40014")));
        }
        match &self.switches.demo_spot_info_code {
            Some(code) if self.api_key.demo && code == "40404" => return Err(no_such_url()),
            Some(code) if self.api_key.demo => return Err(Refusal::business(code, message(code))),
            Some(_) | None => {}
        }
        let authorities: &[&str] = match self.api_key.right {
            Right::Nothing => &["stor"],
            Right::Read => &["coor", "cpor", "stor"],
            Right::ReadWrite => &["coow", "cpow", "stow"],
        };
        let withdrawal: &[&str] = if self.api_key.withdraws { &["wwow"] } else { &[] };
        let authorities = [authorities, withdrawal].concat();
        let lead = self
            .account
            .sets_refused
            .as_ref()
            .is_some_and(|refused| refused.times > 0 && refused.code == "40731");
        Ok(json!({
            "userId": self.account.uid.to_string(),
            "inviterId": "0",
            "channelCode": "",
            "channel": "",
            "ips": self.api_key.ips,
            "authorities": authorities,
            "parentId": self.account.parent.unwrap_or(self.account.uid).0,
            "traderType": if lead { "trader" } else { "not_trader" },
            "regisTime": "1690000000000",
        }))
    }

    fn may_read(&self) -> Result<(), Refusal> {
        may(self.api_key.right, Right::Read)
    }
}

pub(crate) fn product_type(params: &Params) -> Result<ProductType, Refusal> {
    params
        .required("productType")?
        .parse()
        .map_err(|_| Refusal::business("400172", "productType Illegal type"))
}
