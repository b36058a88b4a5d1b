//! What a probe asks beyond what posmoded itself reads, and what it cannot ask. Pure.

use crate::exchange::bitget::endpoint::Endpoint;
use crate::exchange::bitget::wire::classic::Sample;
use crate::exchange::bitget::{classic, unified};
use crate::facts::List;
use crate::position_mode::{Kind, ProductType};

/// A private read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) path: &'static str,
    /// Its parameters, sorted by name.
    pub(super) query: String,
}

/// The questions for an account of this kind; `None` if the kind did not show.
pub(super) fn questions(kind: Option<Kind>, off: Option<&Sample>) -> Vec<Question> {
    match kind {
        Some(Kind::Unified) => [of_unified(), classic_calls()].concat(),
        Some(Kind::Classic) => [of_classic(off), unified_calls()].concat(),
        None => [unified_calls(), classic_calls()].concat(),
    }
}

/// Every list of every category, whether or not the account's level has it.
fn of_unified() -> Vec<Question> {
    let mut all = Vec::new();
    for (list, endpoint) in [
        (List::Positions, Endpoint::CurrentPosition),
        (List::Orders, Endpoint::UnfilledOrders),
        (List::PlanOrders, Endpoint::UnfilledStrategyOrders),
    ] {
        all.extend(unified::parts(list, None).into_iter().map(|query| question(endpoint, &query)));
    }
    for product in ProductType::SHORT_FORM {
        let query = format!("category={}&type=tpsl", product.as_str());
        all.push(question(Endpoint::UnfilledStrategyOrders, &query));
    }
    all.push(Question { path: CFD_POSITIONS, query: String::new() });
    all
}

/// Orders without a status, and the account read with contracts that are not there.
fn of_classic(off: Option<&Sample>) -> Vec<Question> {
    let mut all: Vec<Question> = ProductType::SHORT_FORM
        .map(|product| question(Endpoint::Orders, &format!("limit=100&productType={}", product.as_str())))
        .to_vec();
    let unknown = Sample { symbol: UNKNOWN_SYMBOL.to_owned(), ..Sample::fallback(ProductType::UsdtFutures) };
    all.extend(off.into_iter().chain([&unknown]).map(account));
    all
}

/// One v2 call of each sort, which a unified account refuses.
fn classic_calls() -> Vec<Question> {
    let product = ProductType::UsdtFutures;
    let first = |list, endpoint| {
        classic::parts(product, list).into_iter().take(1).map(move |q| question(endpoint, &q))
    };
    let mut all = vec![question(Endpoint::AccountInfo, ""), account(&Sample::fallback(product))];
    all.extend(first(List::Positions, Endpoint::Positions));
    all.extend(first(List::Orders, Endpoint::Orders));
    all.extend(first(List::PlanOrders, Endpoint::PlanOrders));
    all
}

/// One v3 call of each sort, which a classic account refuses; that for the settings comes first in any case.
fn unified_calls() -> Vec<Question> {
    let first =
        |list, endpoint| unified::parts(list, None).into_iter().take(1).map(move |q| question(endpoint, &q));
    let mut all = vec![question(Endpoint::UnifiedAccountInfo, "")];
    all.extend(first(List::Positions, Endpoint::CurrentPosition));
    all.extend(first(List::Orders, Endpoint::UnfilledOrders));
    all.extend(first(List::PlanOrders, Endpoint::UnfilledStrategyOrders));
    all
}

fn account(Sample { symbol, margin_coin }: &Sample) -> Question {
    let product = ProductType::UsdtFutures.as_str();
    question(Endpoint::Account, &format!("marginCoin={margin_coin}&productType={product}&symbol={symbol}"))
}

fn question(endpoint: Endpoint, query: &str) -> Question {
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    Question { path: endpoint.path(), query: pairs.join("&") }
}

/// CFD positions of a unified account.
const CFD_POSITIONS: &str = "/api/v3/cfd/trade/current-positions";
/// A contract that there never was.
pub(super) const UNKNOWN_SYMBOL: &str = "NOSUCHUSDT";
/// What is never asked, and why.
pub(super) const NEVER_ASKED: [&str; 2] = [
    "Grid bots (/api/v3/trade/grid/bot-detail and list-details): these reads want a bot's own number, and no read lists the bots.",
    "Copy-trading and TWAP orders: no list that posmoded knows shows them.",
];
/// What no read can tell.
pub(super) const NOT_ASKABLE: [&str; 8] = [
    "The code with which a unified account refuses a set while only orders are open.",
    "The answer to a set of the mode that the account has already.",
    "The answer to such a set while positions are open.",
    "The HTTP status of the refusal 40920.",
    "Whether bot and copy orders that no list shows, CFD positions, or spot orders of a unified account block a set.",
    "Whether the timestamp of a request that was queued is checked again when it executes.",
    "How soon a read shows a set.",
    "Whether adjust-account-mode changes holdMode by the way.",
];

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn each_kind_is_asked_what_posmoded_itself_does_not_read() {
        let off = Sample { symbol: "LUNAUSDT".to_owned(), margin_coin: "USDT".to_owned() };
        let mut told = String::new();
        for (name, kind) in
            [("unified", Some(Kind::Unified)), ("classic", Some(Kind::Classic)), ("unknown", None)]
        {
            writeln!(told, "{name}").unwrap();
            for Question { path, query } in questions(kind, Some(&off)) {
                writeln!(told, "  {} {query}", path.trim_start_matches("/api/")).unwrap();
            }
        }
        expect_test::expect![[r#"
            unified
              v3/position/current-position category=USDT-FUTURES
              v3/position/current-position category=COIN-FUTURES
              v3/position/current-position category=USDC-FUTURES
              v3/trade/unfilled-orders category=USDT-FUTURES&limit=100
              v3/trade/unfilled-orders category=COIN-FUTURES&limit=100
              v3/trade/unfilled-orders category=USDC-FUTURES&limit=100
              v3/trade/unfilled-strategy-orders category=USDT-FUTURES
              v3/trade/unfilled-strategy-orders category=USDT-FUTURES&type=trigger
              v3/trade/unfilled-strategy-orders category=COIN-FUTURES
              v3/trade/unfilled-strategy-orders category=COIN-FUTURES&type=trigger
              v3/trade/unfilled-strategy-orders category=USDC-FUTURES
              v3/trade/unfilled-strategy-orders category=USDC-FUTURES&type=trigger
              v3/trade/unfilled-strategy-orders category=USDT-FUTURES&type=tpsl
              v3/trade/unfilled-strategy-orders category=COIN-FUTURES&type=tpsl
              v3/trade/unfilled-strategy-orders category=USDC-FUTURES&type=tpsl
              v3/cfd/trade/current-positions 
              v2/spot/account/info 
              v2/mix/account/account marginCoin=USDT&productType=USDT-FUTURES&symbol=BTCUSDT
              v2/mix/position/all-position productType=USDT-FUTURES
              v2/mix/order/orders-pending limit=100&productType=USDT-FUTURES&status=live
              v2/mix/order/orders-plan-pending limit=100&planType=normal_plan&productType=USDT-FUTURES
            classic
              v2/mix/order/orders-pending limit=100&productType=USDT-FUTURES
              v2/mix/order/orders-pending limit=100&productType=COIN-FUTURES
              v2/mix/order/orders-pending limit=100&productType=USDC-FUTURES
              v2/mix/account/account marginCoin=USDT&productType=USDT-FUTURES&symbol=LUNAUSDT
              v2/mix/account/account marginCoin=USDT&productType=USDT-FUTURES&symbol=NOSUCHUSDT
              v3/account/info 
              v3/position/current-position category=USDT-FUTURES
              v3/trade/unfilled-orders category=USDT-FUTURES&limit=100
              v3/trade/unfilled-strategy-orders category=USDT-FUTURES
            unknown
              v3/account/info 
              v3/position/current-position category=USDT-FUTURES
              v3/trade/unfilled-orders category=USDT-FUTURES&limit=100
              v3/trade/unfilled-strategy-orders category=USDT-FUTURES
              v2/spot/account/info 
              v2/mix/account/account marginCoin=USDT&productType=USDT-FUTURES&symbol=BTCUSDT
              v2/mix/position/all-position productType=USDT-FUTURES
              v2/mix/order/orders-pending limit=100&productType=USDT-FUTURES&status=live
              v2/mix/order/orders-plan-pending limit=100&planType=normal_plan&productType=USDT-FUTURES
        "#]]
        .assert_eq(&told);
    }
}
