//! What the v2 endpoints of classic accounts answer. Every function reads the account as it is; only `set_position_mode`
//! changes it, and it changes nothing but the mode.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::account::{
    Account, ApiKey, HoldSide, Order, OrderId, OrderStatus, PlanOrder, PlanType, PosMode, Position,
    ProductType, Right,
};
use crate::gate::message;
use crate::journal::Executed;
use crate::market::{self, Contract};
use crate::switches::{
    EmptyList, EndId, HiddenBlockers, NotFlat, OrdersWithoutStatus, SameMode, Switches,
};
use crate::wire::{Params, Refusal, Request, UnixMs};

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
    /// `GET /api/v2/mix/account/account`
    pub(crate) fn mix_account(&self, params: &Params) -> Result<Value, Refusal> {
        self.may_read()?;
        let symbol = params.required("symbol")?;
        let product = product_type(params)?;
        let coin = params.required("marginCoin")?;
        let contract = market::contract(product, symbol).ok_or_else(|| {
            Refusal::business("40034", format!("Parameter {symbol} does not exist"))
        })?;
        let coin = contract
            .margin_coins
            .iter()
            .find(|known| known.eq_ignore_ascii_case(coin))
            .ok_or_else(|| Refusal::business("40020", "Parameter marginCoin error"))?;
        let mut row = balance(coin);
        row.insert("crossedMarginLeverage".to_owned(), json!(20));
        row.insert("isolatedLongLever".to_owned(), json!(20));
        row.insert("isolatedShortLever".to_owned(), json!(20));
        row.insert("marginMode".to_owned(), json!("crossed"));
        row.insert(
            "posMode".to_owned(),
            json!(self.shown_mode(product).as_str()),
        );
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
        Ok(Listed {
            rows: rows.len(),
            data: Value::Array(rows),
        })
    }

    /// `GET /api/v2/mix/order/orders-pending`: newest first, pages of at most 100, orders of the last three months.
    pub(crate) fn orders_pending(&self, params: &Params) -> Result<Listed, Refusal> {
        self.may_read()?;
        let product = product_type(params)?;
        let page = Page::of(params, self.now)?;
        let wanted: &[OrderStatus] = match (
            params.optional("status"),
            self.switches.orders_without_status,
        ) {
            (Some("live"), _) | (None, OrdersWithoutStatus::LiveOnly) => &[OrderStatus::Live],
            (Some("partially_filled"), _) => &[OrderStatus::PartiallyFilled],
            (None, OrdersWithoutStatus::Both) => &[OrderStatus::Live, OrderStatus::PartiallyFilled],
            (Some(_), _) => return Err(Refusal::business("400172", "status Illegal type")),
        };
        let orders = self.account.book(product).orders.values().rev();
        let (rows, end_id) = page.cut(
            orders.filter(|order| wanted.contains(&order.status)),
            |Order {
                 id,
                 symbol,
                 status: _,
                 created,
             }| (*id, symbol, *created),
            |order| self.order_row(product, order),
        );
        let data = json!({ "entrustedList": self.list(&rows), "endId": end_id });
        Ok(Listed {
            rows: rows.len(),
            data,
        })
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
        let page = Page::of(params, self.now)?;
        let orders = self.account.book(product).plan_orders.values().rev();
        let (rows, end_id) = page.cut(
            orders.filter(|order| order.plan_type == plan_type),
            |PlanOrder {
                 id,
                 plan_type: _,
                 symbol,
                 created,
             }| (*id, symbol, *created),
            |order| self.plan_order_row(product, order),
        );
        let mut data = Map::new();
        data.insert("entrustedList".to_owned(), self.list(&rows));
        match self.switches.plan_end_id {
            EndId::Present => drop(data.insert("endId".to_owned(), json!(end_id))),
            EndId::Missing => {}
        }
        Ok(Listed {
            rows: rows.len(),
            data: Value::Object(data),
        })
    }

    /// `GET /api/v2/spot/account/info`
    pub(crate) fn spot_account_info(&self) -> Result<Value, Refusal> {
        if !self.api_key.reads_info {
            return Err(Refusal::business("40014", message("40014")));
        }
        let authorities: &[&str] = match self.api_key.right {
            Right::Nothing => &["stor"],
            Right::Read => &["coor", "cpor", "stor"],
            Right::ReadWrite => &["coow", "cpow", "stow"],
        };
        let lead = self.account.set_refused_with.as_deref() == Some("40731");
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
        may(self.api_key, Right::Read)
    }

    /// The mode as a read shows it: behind the truth by the read lag.
    fn shown_mode(&self, product: ProductType) -> PosMode {
        let lag = i64::from(self.switches.read_lag_ms);
        self.account
            .mode(product)
            .at(UnixMs(self.now.0.saturating_sub(lag)))
    }

    fn list(&self, rows: &[Value]) -> Value {
        match self.switches.empty_list {
            EmptyList::Null if rows.is_empty() => Value::Null,
            EmptyList::Null | EmptyList::Empty => json!(rows),
        }
    }

    fn position_row(
        &self,
        product: ProductType,
        symbol: &str,
        side: HoldSide,
        position: &Position,
    ) -> Value {
        let Position { total, opened } = position;
        json!({
            "marginCoin": coin_of(product, symbol),
            "symbol": symbol,
            "holdSide": side.as_str(),
            "openDelegateSize": "0",
            "marginSize": "1.2",
            "available": total,
            "locked": "0",
            "total": total,
            "leverage": "20",
            "achievedProfits": "0",
            "openPriceAvg": "24000",
            "marginMode": "crossed",
            "posMode": self.shown_mode(product).as_str(),
            "unrealizedPL": "0",
            "liquidationPrice": "0",
            "keepMarginRate": "0.004",
            "markPrice": "24000",
            "marginRatio": "0.01",
            "breakEvenPrice": "24010",
            "totalFee": "",
            "deductedFee": "0.01",
            "grant": "",
            "assetMode": "single",
            "autoMargin": "off",
            "takeProfit": "",
            "stopLoss": "",
            "takeProfitId": "",
            "stopLossId": "",
            "cTime": opened.0.to_string(),
            "uTime": opened.0.to_string(),
        })
    }

    fn order_row(&self, product: ProductType, order: &Order) -> Value {
        let Order {
            id,
            symbol,
            status,
            created,
        } = order;
        let filled = match status {
            OrderStatus::Live => "0",
            OrderStatus::PartiallyFilled => "0.001",
        };
        let mut row = self.common_row(product, *id, symbol, *created);
        row.extend(fields(json!({
            "size": "0.002",
            "baseVolume": filled,
            "quoteVolume": "0",
            "fee": "",
            "price": "20000",
            "priceAvg": "",
            "status": status.as_str(),
            "force": "gtc",
            "totalProfits": "0",
            "leverage": "20",
            "reduceOnly": "NO",
            "orderType": "limit",
            "orderSource": "normal",
            "presetStopSurplusPrice": "",
            "presetStopSurplusType": "",
            "presetStopSurplusExecutePrice": "",
            "presetStopLossPrice": "",
            "presetStopLossType": "",
            "presetStopLossExecutePrice": "",
        })));
        Value::Object(row)
    }

    fn plan_order_row(&self, product: ProductType, order: &PlanOrder) -> Value {
        let PlanOrder {
            id,
            plan_type,
            symbol,
            created,
        } = order;
        // A list asked for with `profit_loss` names the finer type in its rows.
        let shown_type = match plan_type {
            PlanType::NormalPlan => "normal_plan",
            PlanType::TrackPlan => "track_plan",
            PlanType::ProfitLoss => "pos_loss",
        };
        let mut row = self.common_row(product, *id, symbol, *created);
        row.extend(fields(json!({
            "planType": shown_type,
            "size": "0.002",
            "price": "19900",
            "executePrice": "19900",
            "callbackRatio": "",
            "triggerPrice": "20000",
            "triggerType": "mark_price",
            "planStatus": "live",
            "orderType": "limit",
            "stopSurplusExecutePrice": "",
            "stopSurplusTriggerPrice": "",
            "stopSurplusTriggerType": "fill_price",
            "stopLossExecutePrice": "",
            "stopLossTriggerPrice": "",
            "stopLossTriggerType": "fill_price",
        })));
        Value::Object(row)
    }

    fn common_row(
        &self,
        product: ProductType,
        id: OrderId,
        symbol: &str,
        created: UnixMs,
    ) -> Map<String, Value> {
        let (pos_side, trade_side) = match self.shown_mode(product) {
            PosMode::OneWayMode => ("net", "buy_single"),
            PosMode::HedgeMode => ("long", "open"),
        };
        fields(json!({
            "symbol": symbol,
            "orderId": id.0.to_string(),
            "clientOid": format!("sim-{}", id.0),
            "side": "buy",
            "posSide": pos_side,
            "tradeSide": trade_side,
            "marginCoin": coin_of(product, symbol),
            "marginMode": "crossed",
            "enterPointSource": "API",
            "posMode": self.shown_mode(product).as_str(),
            "cTime": created.0.to_string(),
            "uTime": created.0.to_string(),
        }))
    }
}

/// What a set came to.
#[derive(Debug)]
pub(crate) struct SetDone {
    pub(crate) executed: Executed,
    pub(crate) answer: Result<Value, Refusal>,
    /// The product type, where the request got as far as naming one.
    pub(crate) product: Option<ProductType>,
}

/// `POST /api/v2/mix/account/set-position-mode`
pub(crate) fn set_position_mode(
    account: &mut Account,
    api_key: &ApiKey,
    switches: &Switches,
    now: UnixMs,
    request: &Request,
) -> SetDone {
    let refused = |product, refusal| SetDone {
        executed: Executed::Refused,
        answer: Err(refusal),
        product,
    };
    let (product, wanted) = match may(api_key, Right::ReadWrite).and_then(|()| wanted_mode(request))
    {
        Ok(wanted) => wanted,
        Err(refusal) => return refused(None, refusal),
    };
    if let Some(code) = &account.set_refused_with {
        return refused(Some(product), Refusal::business(code, message(code)));
    }
    let current = account.mode(product).now();
    let blocked = is_blocked(account, product, switches);
    let executed = match (
        current == wanted,
        blocked,
        switches.same_mode_while_not_flat,
    ) {
        (true, false, _) | (true, true, SameMode::Success) => Executed::Same,
        (true, true, SameMode::Refused) | (false, true, _) => {
            let status = switches.not_flat_status.unwrap_or(switches.refusal_status);
            let msg = "The position mode cannot be adjusted while there is a position or an order";
            return refused(
                Some(product),
                Refusal::business(&switches.not_flat_code, msg).with_status(status),
            );
        }
        (false, false, _) => {
            account.mode_mut(product).change(now, wanted);
            Executed::Applied {
                from: current,
                to: wanted,
            }
        }
    };
    SetDone {
        executed,
        answer: Ok(json!({ "posMode": wanted.as_str() })),
        product: Some(product),
    }
}

/// Whether an account truly holds nothing under a product type, hidden blockers included.
pub(crate) fn is_flat(account: &Account, product: ProductType) -> bool {
    let book = account.book(product);
    !book.positions.values().any(Position::is_open)
        && book.orders.is_empty()
        && book.plan_orders.is_empty()
        && !book.hidden
}

/// The product type that a request is about, and the mode that it wants, as far as it names them.
pub(crate) fn subject(request: &Request) -> (Option<ProductType>, Option<PosMode>) {
    let body: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let params = request.params();
    let product = params
        .optional("productType")
        .or_else(|| text("productType"));
    let mode = text("posMode").or_else(|| text("holdMode"));
    (
        product.and_then(|product| product.parse().ok()),
        mode.and_then(|mode| mode.parse().ok()),
    )
}

fn is_blocked(account: &Account, product: ProductType, switches: &Switches) -> bool {
    let book = account.book(product);
    let positions = book.positions.values().any(Position::is_open);
    let orders = !book.orders.is_empty() || !book.plan_orders.is_empty();
    let hidden = match switches.hidden_blockers {
        HiddenBlockers::Refuse => book.hidden,
        HiddenBlockers::Ignored => false,
    };
    match switches.not_flat {
        NotFlat::RefusedByAnything => positions || orders || hidden,
        NotFlat::RefusedByPositions => positions,
        NotFlat::Accepted => false,
    }
}

fn wanted_mode(request: &Request) -> Result<(ProductType, PosMode), Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(&request.body).map_err(|_| {
        Refusal::business(
            "400171",
            "Parameter verification failed: the body is no JSON object",
        )
    })?;
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                Refusal::business("400172", format!("Parameter verification failed {name}"))
            })
    };
    let illegal = |name: &str| Refusal::business("400172", format!("{name} Illegal type"));
    let product = text("productType")?
        .parse()
        .map_err(|_| illegal("productType"))?;
    let mode = text("posMode")?.parse().map_err(|_| illegal("posMode"))?;
    Ok((product, mode))
}

/// Which part of a list is asked for.
struct Page<'a> {
    below: Option<OrderId>,
    limit: usize,
    from: UnixMs,
    to: Option<UnixMs>,
    symbol: Option<&'a str>,
    order_id: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn of(params: &'a Params, now: UnixMs) -> Result<Self, Refusal> {
        let limit = number(params, "limit")?.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&limit) {
            return Err(Refusal::business(
                "400172",
                "Parameter verification failed limit",
            ));
        }
        let moment = |name| {
            Ok(number(params, name)?.map(|ms| UnixMs(i64::try_from(ms).unwrap_or(i64::MAX))))
        };
        let default_from = UnixMs(now.0.saturating_sub(UnixMs(0).plus(LISTED_FOR).0));
        Ok(Self {
            below: number(params, "idLessThan")?.map(OrderId),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            from: moment("startTime")?.unwrap_or(default_from),
            to: moment("endTime")?,
            symbol: params.optional("symbol"),
            order_id: params.optional("orderId"),
        })
    }

    /// The rows of this page, and the number of the last of them.
    fn cut<'b, T: 'b>(
        &self,
        newest_first: impl Iterator<Item = &'b T>,
        key: impl Fn(&'b T) -> (OrderId, &'b String, UnixMs),
        row: impl Fn(&'b T) -> Value,
    ) -> (Vec<Value>, Option<String>) {
        let mut last = None;
        let rows = newest_first
            .filter(|item| {
                let (id, symbol, created) = key(item);
                self.below.is_none_or(|below| id < below)
                    && created >= self.from
                    && self.to.is_none_or(|to| created <= to)
                    && self
                        .symbol
                        .is_none_or(|wanted| wanted.eq_ignore_ascii_case(symbol))
                    && self
                        .order_id
                        .is_none_or(|wanted| wanted == id.0.to_string())
            })
            .take(self.limit)
            .inspect(|item| last = Some(key(item).0.0.to_string()))
            .map(row)
            .collect();
        (rows, last)
    }
}

fn number(params: &Params, name: &str) -> Result<Option<u64>, Refusal> {
    let illegal = |_| Refusal::business("400172", format!("Parameter verification failed {name}"));
    params
        .optional(name)
        .map(str::parse)
        .transpose()
        .map_err(illegal)
}

pub(crate) fn product_type(params: &Params) -> Result<ProductType, Refusal> {
    params
        .required("productType")?
        .parse()
        .map_err(|_| Refusal::business("400172", "productType Illegal type"))
}

pub(crate) fn may(api_key: &ApiKey, needed: Right) -> Result<(), Refusal> {
    if api_key.right >= needed {
        Ok(())
    } else {
        Err(Refusal::business("40014", message("40014")))
    }
}

fn coin_of(product: ProductType, symbol: &str) -> &'static str {
    market::contract(product, symbol)
        .map_or_else(|| market::margin_coin(product), Contract::margin_coin)
}

fn balance(coin: &str) -> Map<String, Value> {
    fields(json!({
        "marginCoin": coin,
        "locked": "0",
        "available": "0",
        "crossedMaxAvailable": "0",
        "isolatedMaxAvailable": "0",
        "maxTransferOut": "0",
        "accountEquity": "0",
        "usdtEquity": "0",
        "btcEquity": "0",
        "crossedRiskRate": "0",
        "unrealizedPL": null,
        "coupon": "0",
        "crossedUnrealizedPL": null,
        "isolatedUnrealizedPL": null,
        "grant": "",
        "assetMode": "single",
    }))
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// Rows on a page at most, and by default.
const PAGE: u64 = 100;
/// How long an order stays on the list.
const LISTED_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);
