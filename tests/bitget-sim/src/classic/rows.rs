//! The rows of the lists, in Bitget's shape. Prices and sizes are made up; symbols, sides, modes and times are not.

use serde_json::{Map, Value, json};

use crate::account::{Order, PlanOrder, Position};
use crate::look::Look;
use crate::market::coin_of;
use crate::wire::UnixMs;
use crate::words::{HoldSide, OrderId, OrderStatus, PlanType, PosMode, ProductType};

impl Look<'_> {
    pub(super) fn position_row(
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
            "totalFee": "0.0144",
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

    pub(super) fn order_row(&self, product: ProductType, order: &Order) -> Value {
        let Order { id, symbol, status: _, created } = order;
        let status = shown_status(order);
        let filled = match status {
            OrderStatus::New | OrderStatus::Live => "0",
            OrderStatus::PartiallyFilled => "0.001",
        };
        let mut row = self.common_row(product, *id, symbol, *created);
        row.extend(fields(json!({
            "size": "0.002",
            "baseVolume": filled,
            "quoteVolume": "0",
            "fee": "0",
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

    pub(super) fn plan_order_row(&self, product: ProductType, order: &PlanOrder) -> Value {
        let PlanOrder { id, plan_type, symbol, created } = order;
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
            "orderSource": "normal",
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

/// v2 has no word for an order that is not yet on the book: it counts as live.
pub(super) fn shown_status(order: &Order) -> OrderStatus {
    match order.status {
        OrderStatus::New | OrderStatus::Live => OrderStatus::Live,
        OrderStatus::PartiallyFilled => OrderStatus::PartiallyFilled,
    }
}

/// What is the same for one account and in the list of them; of the two losses only the one of the margin mode in use is a
/// number.
pub(super) fn balance(coin: &str) -> Map<String, Value> {
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
        "unrealizedPL": "0",
        "coupon": "0",
        "crossedUnrealizedPL": "0",
        "isolatedUnrealizedPL": "",
        "grant": "",
        "assetMode": "single",
    }))
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
