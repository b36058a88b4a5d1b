//! Shapes of API v2, for classic accounts.

use serde::{Deserialize, Serialize};

use super::{Broken, Order, is_plain, may_go_on, there_or_null};
use crate::exchange::bitget::rights::{FuturesRight, Rights};
use crate::position_mode::{PositionMode, ProductType};

/// One row of `GET /api/v2/mix/market/contracts`: any contract of a product type serves to read the mode.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in super::super) struct Contract {
    symbol: String,
    #[serde(rename = "supportMarginCoins")]
    margin_coins: Vec<String>,
    /// `normal`, or a word for a contract that is coming, restricted, or gone.
    #[serde(rename = "symbolStatus", default)]
    status: Option<String>,
}

impl Contract {
    /// Whether it trades as usual, as far as the list says.
    pub(in super::super) fn is_normal(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "normal")
    }

    /// Whether it is gone.
    pub(in super::super) fn is_off(&self) -> bool {
        self.status.as_deref() == Some("off")
    }

    /// Symbol and margin coin, if both may stand in a query unencoded.
    pub(in super::super) fn sample(&self) -> Option<Sample> {
        let coin = self.margin_coins.first()?;
        let plain = is_plain(&self.symbol) && is_plain(coin);
        plain.then(|| Sample { symbol: self.symbol.clone(), margin_coin: coin.clone() })
    }
}

/// A symbol and a margin coin of a product type: the call that returns the mode requires one of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Sample {
    pub(in super::super) symbol: String,
    pub(in super::super) margin_coin: String,
}

impl Sample {
    /// The values that clients in daily use send; those of the demo product types are inferred.
    pub(in super::super) fn fallback(product: ProductType) -> Sample {
        let (symbol, margin_coin) = match product {
            ProductType::UsdtFutures => ("BTCUSDT", "USDT"),
            ProductType::CoinFutures => ("BTCUSD", "BTC"),
            ProductType::UsdcFutures => ("BTCPERP", "USDC"),
            ProductType::SusdtFutures => ("SBTCSUSDT", "SUSDT"),
            ProductType::ScoinFutures => ("SBTCSUSD", "SBTC"),
            ProductType::SusdcFutures => ("SBTCSPERP", "SUSDC"),
        };
        Sample { symbol: symbol.to_owned(), margin_coin: margin_coin.to_owned() }
    }
}

/// `GET /api/v2/spot/account/info`
#[derive(Debug, Deserialize)]
pub(in super::super) struct AccountInfo {
    #[serde(rename = "userId")]
    pub(in super::super) user_id: String,
    /// If it is missing, the rights are unknown and show only when a call is refused.
    #[serde(default)]
    authorities: Option<Vec<String>>,
}

impl AccountInfo {
    /// The key's rights; `None` if the answer lacks them.
    pub(in super::super) fn rights(&self) -> Option<Rights> {
        let authorities = self.authorities.as_ref()?;
        let any = |some: &[&str]| authorities.iter().any(|one| some.contains(&one.as_str()));
        // It is not established which of the two the setter requires.
        let futures = if any(&["coow", "cpow"]) {
            FuturesRight::ReadWrite
        } else if any(&["coor", "cpor"]) {
            FuturesRight::Read
        } else {
            FuturesRight::Nothing
        };
        Some(Rights { futures, withdraws: any(&["wwow"]) })
    }
}

/// `GET /api/v2/mix/account/account`
#[derive(Debug, Deserialize)]
pub(in super::super) struct SingleAccount {
    #[serde(rename = "posMode")]
    pub(in super::super) pos_mode: PositionMode,
}

/// One page of orders or plan orders.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Page {
    /// Required; the exchange may write an empty list as `null`.
    #[serde(rename = "entrustedList", deserialize_with = "there_or_null")]
    list: Option<Vec<Order>>,
    #[serde(rename = "endId", default)]
    end_id: Option<String>,
}

impl Page {
    /// Its rows, and the id before which the next page begins, if there may be one.
    pub(in super::super) fn rows(self) -> Result<(Vec<Order>, Option<String>), Broken> {
        let Page { list, end_id } = self;
        let rows = list.unwrap_or_default();
        if !may_go_on(rows.len()) {
            return Ok((rows, None));
        }
        let last = rows.last().map(|order| order.id.clone());
        match end_id.filter(|id| !id.is_empty()).or(last) {
            None => Ok((rows, None)),
            Some(id) if is_plain(&id) => Ok((rows, Some(id))),
            Some(_) => Err(Broken("a page without an id to go on from".to_owned())),
        }
    }
}

/// `POST /api/v2/mix/account/set-position-mode`, with the fields in the order in which they are signed.
#[derive(Debug, Serialize)]
pub(in super::super) struct SetPositionMode {
    #[serde(rename = "productType")]
    pub(in super::super) product: ProductType,
    #[serde(rename = "posMode")]
    pub(in super::super) mode: PositionMode,
}

/// The kinds of plan order; the exchange lists one at a time.
pub(in super::super) const PLAN_TYPES: [&str; 3] = ["normal_plan", "track_plan", "profit_loss"];
/// The statuses of an open order, requested one by one, because without one only `live` is promised. The order matters:
/// an order that begins to fill between the two requests is in the second list.
pub(in super::super) const OPEN_STATUSES: [&str; 2] = ["live", "partially_filled"];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::shape;
    use super::*;

    #[test]
    fn f34_a_mode_is_one_of_two_words_or_nothing() {
        let mode = |data: Value| shape::<SingleAccount>(data).map(|account| account.pos_mode);
        assert_eq!(mode(json!({"posMode": "one_way_mode", "more": []})), Ok(PositionMode::OneWay));
        assert_eq!(mode(json!({"posMode": "hedge_mode"})), Ok(PositionMode::Hedge));
        let bad = [json!({}), json!([]), json!({"posMode": null}), json!({"posMode": ""})];
        for data in bad.into_iter().chain([
            json!({"posMode": "HEDGE_MODE"}),
            json!({"posMode": 1}),
            json!("x"),
            json!(["hedge_mode"]),
        ]) {
            assert!(mode(data.clone()).is_err(), "{data}");
        }
    }

    #[test]
    fn f34_a_page_without_its_list_is_no_empty_page() {
        for empty in [json!({"entrustedList": []}), json!({"entrustedList": null, "endId": null})] {
            let (rows, next) = shape::<Page>(empty).and_then(Page::rows).unwrap();
            assert!(rows.is_empty() && next.is_none());
        }
        let bad = [json!({}), json!([]), json!({"endId": "1"}), json!({"entrustedList": {}})];
        for data in bad.into_iter().chain([
            json!({"entrustedList": [{}]}),
            json!({"list": []}),
            json!([[]]),
            json!([null, "1"]),
        ]) {
            assert!(shape::<Page>(data.clone()).is_err(), "{data}");
        }
    }

    #[test]
    fn a_full_page_is_followed_from_its_end() {
        let page = |count: usize, end_id: Value| {
            let rows: Vec<Value> = (0..count).map(|id| json!({"orderId": format!("{}", 500 - id)})).collect();
            let (rows, next) = shape::<Page>(json!({"entrustedList": rows, "endId": end_id}))?.rows()?;
            Ok::<_, Broken>((rows.len(), next))
        };
        assert_eq!(page(100, json!("401")), Ok((100, Some("401".to_owned()))));
        assert_eq!(page(100, json!(null)), Ok((100, Some("401".to_owned()))), "from its last row");
        assert_eq!(page(99, json!("402")), Ok((99, None)));
        assert!(page(100, json!("4 1&x=y")).is_err());
    }

    #[test]
    fn f62_an_empty_page_is_followed_as_long_as_it_names_another() {
        let page = |list: Value, end_id: Value| {
            let (rows, next) = shape::<Page>(json!({"entrustedList": list, "endId": end_id}))?.rows()?;
            Ok::<_, Broken>((rows.len(), next))
        };
        for list in [json!([]), json!(null)] {
            assert_eq!(page(list.clone(), json!("7002")), Ok((0, Some("7002".to_owned()))));
            assert_eq!(page(list.clone(), json!("")), Ok((0, None)));
            assert_eq!(page(list.clone(), json!(null)), Ok((0, None)));
            assert!(page(list, json!("4 1&x=y")).is_err());
        }
    }

    #[test]
    fn a_contract_serves_if_its_names_are_plain() {
        let sample = |data: Value| shape::<Contract>(data).ok().and_then(|contract| contract.sample());
        let good = json!({"symbol": "BTCUSDT", "supportMarginCoins": ["USDT", "X"], "more": 1});
        assert_eq!(sample(good), Some(Sample::fallback(ProductType::UsdtFutures)));
        assert_eq!(sample(json!({"symbol": "BTC USDT", "supportMarginCoins": ["USDT"]})), None);
        assert_eq!(sample(json!({"symbol": "BTCUSDT", "supportMarginCoins": []})), None);
        assert_eq!(sample(json!({"symbol": "BTCUSDT"})), None);
    }

    #[test]
    fn rights_are_read_from_their_short_words_and_unknown_without_them() {
        let rights = |authorities: Value| {
            let data = json!({"userId": "1", "authorities": authorities});
            shape::<AccountInfo>(data).unwrap().rights().map(|rights| (rights.futures, rights.withdraws))
        };
        assert_eq!(rights(json!(["coow", "cpow", "stow"])), Some((FuturesRight::ReadWrite, false)));
        assert_eq!(rights(json!(["cpor", "wwow"])), Some((FuturesRight::Read, true)));
        assert_eq!(rights(json!(["stow"])), Some((FuturesRight::Nothing, false)));
        assert_eq!(rights(json!([])), Some((FuturesRight::Nothing, false)));
        assert_eq!(rights(json!(null)), None);
        assert_eq!(shape::<AccountInfo>(json!({"userId": "1"})).unwrap().rights(), None);
    }

    #[test]
    fn a_set_is_written_as_it_is_documented() {
        let body = SetPositionMode { product: ProductType::UsdtFutures, mode: PositionMode::Hedge };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"productType":"USDT-FUTURES","posMode":"hedge_mode"}"#
        );
    }
}
