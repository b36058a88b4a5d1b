//! The contracts that are listed, in the shape of Bitget's public list. Prices and sizes are made up.

use serde_json::{Value, json};

use crate::words::ProductType;

/// One listed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) product: ProductType,
    pub(crate) symbol: &'static str,
    base: &'static str,
    quote: &'static str,
    pub(crate) margin_coins: &'static [&'static str],
    status: &'static str,
}

impl Contract {
    /// The margin coin that rows about this contract name.
    pub(crate) fn margin_coin(&self) -> &'static str {
        self.margin_coins.first().copied().unwrap_or(self.quote)
    }

    pub(crate) fn row(&self) -> Value {
        let Self { product: _, symbol, base, quote, margin_coins, status } = self;
        json!({
            "symbol": symbol,
            "baseCoin": base,
            "quoteCoin": quote,
            "buyLimitPriceRatio": "0.05",
            "sellLimitPriceRatio": "0.05",
            "feeRateUpRatio": "0.005",
            "makerFeeRate": "0.0002",
            "takerFeeRate": "0.0006",
            "openCostUpRatio": "0.01",
            "supportMarginCoins": margin_coins,
            "minTradeNum": "0.001",
            "priceEndStep": "1",
            "volumePlace": "3",
            "pricePlace": "1",
            "sizeMultiplier": "0.001",
            "symbolType": "perpetual",
            "minTradeUSDT": "5",
            "maxSymbolOrderNum": "200",
            "maxProductOrderNum": "1000",
            "maxPositionNum": "150",
            "symbolStatus": status,
            "offTime": "-1",
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "deliveryStartTime": "",
            "deliveryPeriod": "",
            "launchTime": "",
            "fundInterval": "8",
            "minLever": "1",
            "maxLever": "125",
            "posLimit": "0.1",
            "maintainTime": "",
            "openTime": "",
            "maxMarketOrderQty": "220",
            "maxOrderQty": "1200",
            "isRwa": "NO",
        })
    }
}

impl Contract {
    /// The same contract as v3 lists it.
    pub(crate) fn instrument_row(&self) -> Value {
        let Self { product, symbol, base, quote, margin_coins: _, status } = self;
        json!({
            "symbol": symbol,
            "category": product.as_str(),
            "baseCoin": base,
            "quoteCoin": quote,
            "buyLimitPriceRatio": "0.05",
            "sellLimitPriceRatio": "0.05",
            "feeRateUpRatio": "0.005",
            "makerFeeRate": "0.0002",
            "takerFeeRate": "0.0006",
            "openCostUpRatio": "0.01",
            "minOrderQty": "0.001",
            "maxOrderQty": "1200",
            "maxMarketOrderQty": "220",
            "pricePrecision": "1",
            "quantityPrecision": "3",
            "quotePrecision": null,
            "priceMultiplier": "0.1",
            "quantityMultiplier": "0.001",
            "type": "perpetual",
            "symbolType": "crypto",
            "minOrderAmount": "5",
            "maxSymbolOrderNum": "200",
            "maxProductOrderNum": "1000",
            "maxPositionNum": "150",
            "status": if *status == "normal" { "online" } else { "limit_open" },
            "offTime": "-1",
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "deliveryStartTime": "",
            "deliveryPeriod": "",
            "launchTime": "",
            "fundInterval": "8",
            "minLeverage": "1",
            "maxLeverage": "125",
            "maintainTime": "",
            "isRwa": "NO",
        })
    }
}

/// The contracts of a product type, in the order of the list.
pub(crate) fn contracts(product: ProductType) -> impl Iterator<Item = &'static Contract> {
    LISTED.iter().filter(move |contract| contract.product == product)
}

/// A contract by its symbol, in any case.
pub(crate) fn contract(product: ProductType, symbol: &str) -> Option<&'static Contract> {
    contracts(product).find(|contract| contract.symbol.eq_ignore_ascii_case(symbol))
}

/// The coin that a product type's accounts are kept in.
pub(crate) fn margin_coin(product: ProductType) -> &'static str {
    contracts(product).next().map_or("USDT", Contract::margin_coin)
}

/// The coin that a row about a symbol names.
pub(crate) fn coin_of(product: ProductType, symbol: &str) -> &'static str {
    contract(product, symbol).map_or_else(|| margin_coin(product), Contract::margin_coin)
}

const fn listed(
    product: ProductType,
    symbol: &'static str,
    base: &'static str,
    quote: &'static str,
    margin_coins: &'static [&'static str],
    status: &'static str,
) -> Contract {
    Contract { product, symbol, base, quote, margin_coins, status }
}

use ProductType::{CoinFutures, ScoinFutures, SusdcFutures, SusdtFutures, UsdcFutures, UsdtFutures};

const LISTED: [Contract; 13] = [
    listed(UsdtFutures, "BTCUSDT", "BTC", "USDT", &["USDT"], "normal"),
    listed(UsdtFutures, "ETHUSDT", "ETH", "USDT", &["USDT"], "normal"),
    listed(UsdtFutures, "SOLUSDT", "SOL", "USDT", &["USDT"], "normal"),
    listed(UsdtFutures, "EOSUSDT", "EOS", "USDT", &["USDT"], "maintain"),
    listed(CoinFutures, "BTCUSD", "BTC", "USD", &["BTC", "ETH", "USDC"], "normal"),
    listed(CoinFutures, "ETHUSD", "ETH", "USD", &["ETH", "BTC", "USDC"], "normal"),
    listed(UsdcFutures, "BTCPERP", "BTC", "USDC", &["USDC"], "normal"),
    listed(UsdcFutures, "ETHPERP", "ETH", "USDC", &["USDC"], "normal"),
    listed(SusdtFutures, "SBTCSUSDT", "SBTC", "SUSDT", &["SUSDT"], "normal"),
    listed(SusdtFutures, "SETHSUSDT", "SETH", "SUSDT", &["SUSDT"], "normal"),
    listed(ScoinFutures, "SBTCSUSD", "SBTC", "SUSD", &["SBTC", "SETH"], "normal"),
    listed(ScoinFutures, "SETHSUSD", "SETH", "SUSD", &["SETH", "SBTC"], "normal"),
    listed(SusdcFutures, "SBTCSPERP", "SBTC", "SUSDC", &["SUSDC"], "normal"),
];
