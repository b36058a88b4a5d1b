//! The rows of the v3 lists, in Bitget's shape. Prices and sizes are made up; symbols, sides, modes and times are not.

use serde_json::{Value, json};

use super::{Category, Strategy};
use crate::account::{Order, PlanOrder, Position};
use crate::look::Look;
use crate::market::coin_of;
use crate::words::{HoldSide, OrderStatus, PosMode, ProductType};

impl Look<'_> {
    pub(super) fn unified_position_row(
        &self,
        category: ProductType,
        symbol: &str,
        side: HoldSide,
        position: &Position,
    ) -> Value {
        let Position { total, opened } = position;
        json!({
            "category": category.as_str(),
            "symbol": symbol,
            "marginCoin": coin_of(category, symbol),
            "holdMode": self.shown_mode(category).as_str(),
            "posSide": side.as_str(),
            "marginMode": "crossed",
            "positionBalance": "1.2",
            "available": total,
            "frozen": "0",
            "total": total,
            "leverage": "20",
            "curRealisedPnl": "0",
            "avgPrice": "24000",
            "positionStatus": "normal",
            "unrealisedPnl": "0",
            "liquidationPrice": "0",
            "mmr": "0.004",
            "profitRate": "0",
            "markPrice": "24000",
            "breakEvenPrice": "24010",
            "totalFunding": "0",
            "openFeeTotal": "0",
            "closeFeeTotal": "0",
            "createdTime": opened.0.to_string(),
            "updatedTime": opened.0.to_string(),
        })
    }

    pub(super) fn unified_order_row(&self, category: Category, order: &Order) -> Value {
        let Order { id, symbol, status, created } = order;
        let filled = match status {
            OrderStatus::New | OrderStatus::Live => "0",
            OrderStatus::PartiallyFilled => "0.001",
        };
        json!({
            "orderId": id.0.to_string(),
            "clientOid": format!("sim-{}", id.0),
            "category": category.as_str(),
            "symbol": symbol,
            "orderType": "limit",
            "side": "buy",
            "price": "20000",
            "qty": "0.002",
            "amount": "0",
            "cumExecQty": filled,
            "cumExecValue": "0",
            "avgPrice": "0",
            "timeInForce": "gtc",
            "orderStatus": status.as_str(),
            "posSide": match category {
                Category::Futures(product) => self.pos_side(product),
                Category::Spot => "",
            },
            "holdMode": self.shown_mode(ProductType::UsdtFutures).as_str(),
            "reduceOnly": "NO",
            "stpMode": "none",
            "feeDetail": [{ "feeCoin": "", "fee": "" }],
            "createdTime": created.0.to_string(),
            "updatedTime": created.0.to_string(),
        })
    }

    pub(super) fn strategy_order_row(&self, category: ProductType, order: &PlanOrder) -> Value {
        let PlanOrder { id, plan_type: _, symbol, created } = order;
        let mut row = json!({
            "orderId": id.0.to_string(),
            "clientOid": format!("sim-{}", id.0),
            "category": category.as_str(),
            "symbol": symbol,
            "qty": "0.002",
            "posSide": self.pos_side(category),
            "status": "pending",
            "createdTime": created.0.to_string(),
            "updatedTime": created.0.to_string(),
        });
        let finer = match Strategy::of(order) {
            Strategy::Tpsl => json!({
                "tpTriggerBy": "market",
                "slTriggerBy": "market",
                "takeProfit": "30000",
                "stopLoss": "20000",
                "tpOrderType": "market",
                "slOrderType": "market",
                "tpLimitPrice": "",
                "slLimitPrice": "",
            }),
            Strategy::Trigger => json!({
                "triggerBy": "mark",
                "triggerPrice": "20000",
                "triggerOrderType": "limit",
                "triggerOrderPrice": "19900",
            }),
        };
        if let (Value::Object(row), Value::Object(finer)) = (&mut row, finer) {
            row.extend(finer);
        }
        row
    }

    fn pos_side(&self, category: ProductType) -> &'static str {
        match self.shown_mode(category) {
            PosMode::OneWayMode => "net",
            PosMode::HedgeMode => "long",
        }
    }
}
