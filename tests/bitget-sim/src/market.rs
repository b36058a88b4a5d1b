//! The contracts that are listed, in the shape of Bitget's public list. Prices and sizes are made up.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::words::ProductType;

/// What becomes of a contract in the course of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listing {
    /// Whether it is traded.
    pub symbol_status: SymbolStatus,
    /// Whether demo keys have it; the public list shows it all the same.
    pub in_demo: bool,
}

/// The `symbolStatus` of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymbolStatus {
    /// Not traded yet.
    Listed,
    /// Traded.
    Normal,
    /// Not traded for a while.
    Maintain,
    /// Positions can be closed only.
    LimitOpen,
    /// Not traded over the API.
    #[serde(rename = "restrictedAPI")]
    RestrictedApi,
    /// Not traded any more: a private call that names it is refused.
    Off,
}

impl SymbolStatus {
    /// What v3 calls it.
    fn on_v3(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Normal => "online",
            Self::Maintain | Self::LimitOpen => "limit_open",
            Self::RestrictedApi => "restrictedAPI",
            Self::Off => "offline",
        }
    }
}

/// One contract of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) product: ProductType,
    pub(crate) symbol: &'static str,
    base: &'static str,
    quote: &'static str,
    pub(crate) margin_coins: &'static [&'static str],
    pub(crate) listing: Listing,
}

impl Contract {
    fn is(&self, product: ProductType, symbol: &str) -> bool {
        self.product == product && self.symbol.eq_ignore_ascii_case(symbol)
    }

    fn is_usual(&self) -> bool {
        self.listing.symbol_status == SymbolStatus::Normal
    }

    /// The margin coin that rows about this contract name.
    pub(crate) fn margin_coin(&self) -> &'static str {
        self.margin_coins.first().copied().unwrap_or(self.quote)
    }

    fn off_time(&self) -> &'static str {
        if self.listing.symbol_status == SymbolStatus::Off { "1690000000000" } else { "-1" }
    }

    pub(crate) fn row(&self) -> Value {
        let Self { product: _, symbol, base, quote, margin_coins, listing } = self;
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
            "symbolStatus": listing.symbol_status,
            "offTime": self.off_time(),
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
        let Self { product, symbol, base, quote, margin_coins: _, listing } = self;
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
            "quotePrecision": "8",
            "priceMultiplier": "0.1",
            "quantityMultiplier": "0.001",
            "type": "perpetual",
            "symbolType": "crypto",
            "minOrderAmount": "5",
            "maxSymbolOrderNum": "200",
            "maxProductOrderNum": "1000",
            "maxPositionNum": "150",
            "status": listing.symbol_status.on_v3(),
            "offTime": self.off_time(),
            "limitOpenTime": "-1",
            "deliveryTime": "",
            "deliveryStartTime": "",
            "deliveryPeriod": "",
            "launchTime": "1690000000000",
            "fundInterval": "8",
            "minLeverage": "1",
            "maxLeverage": "125",
            "maintainTime": "",
            "isRwa": "NO",
        })
    }
}

/// The contracts as they are at present, in the order of the public list.
#[derive(Clone, Debug)]
pub(crate) struct Market(Vec<Contract>);

impl Default for Market {
    fn default() -> Self {
        Self(CONTRACTS.to_vec())
    }
}

impl Market {
    /// The contracts of a product type.
    pub(crate) fn contracts(&self, product: ProductType) -> impl Iterator<Item = &Contract> {
        self.0.iter().filter(move |contract| contract.product == product)
    }

    /// A contract by its symbol, in any case.
    pub(crate) fn contract(&self, product: ProductType, symbol: &str) -> Option<&Contract> {
        self.0.iter().find(|contract| contract.is(product, symbol))
    }

    pub(crate) fn contract_mut(&mut self, product: ProductType, symbol: &str) -> Option<&mut Contract> {
        self.0.iter_mut().find(|contract| contract.is(product, symbol))
    }
}

/// The coin that a product type's accounts are kept in.
pub(crate) fn margin_coin(product: ProductType) -> &'static str {
    let usual = CONTRACTS.iter().find(|contract| contract.product == product && contract.is_usual());
    usual.map_or("USDT", Contract::margin_coin)
}

/// The coin that a row about a symbol names.
pub(crate) fn coin_of(product: ProductType, symbol: &str) -> &'static str {
    let contract = CONTRACTS.iter().find(|contract| contract.is(product, symbol));
    contract.map_or_else(|| margin_coin(product), Contract::margin_coin)
}

/// A contract that is traded, also by demo keys.
const fn usual(
    product: ProductType,
    symbol: &'static str,
    base: &'static str,
    quote: &'static str,
    margin_coins: &'static [&'static str],
) -> Contract {
    let listing = Listing { symbol_status: SymbolStatus::Normal, in_demo: true };
    Contract { product, symbol, base, quote, margin_coins, listing }
}

/// The same contract, unknown to demo keys.
const fn not_in_demo(contract: Contract) -> Contract {
    Contract { listing: Listing { in_demo: false, ..contract.listing }, ..contract }
}

/// The same contract, not as usual, and unknown to demo keys.
const fn once(symbol_status: SymbolStatus, contract: Contract) -> Contract {
    not_in_demo(Contract { listing: Listing { symbol_status, ..contract.listing }, ..contract })
}

use ProductType::{CoinFutures, ScoinFutures, SusdcFutures, SusdtFutures, UsdcFutures, UsdtFutures};
use SymbolStatus::{Maintain, Off};

/// Each list begins with a contract that is off: whoever takes the first one must come to no harm.
const CONTRACTS: [Contract; 16] = [
    once(Off, usual(UsdtFutures, "OLDUSDT", "OLD", "USDT", &["USDT"])),
    once(Maintain, usual(UsdtFutures, "EOSUSDT", "EOS", "USDT", &["USDT"])),
    usual(UsdtFutures, "BTCUSDT", "BTC", "USDT", &["USDT"]),
    usual(UsdtFutures, "ETHUSDT", "ETH", "USDT", &["USDT"]),
    not_in_demo(usual(UsdtFutures, "SOLUSDT", "SOL", "USDT", &["USDT"])),
    once(Off, usual(CoinFutures, "OLDUSD", "OLD", "USD", &["OLD"])),
    usual(CoinFutures, "BTCUSD", "BTC", "USD", &["BTC", "ETH", "USDC"]),
    not_in_demo(usual(CoinFutures, "ETHUSD", "ETH", "USD", &["ETH", "BTC", "USDC"])),
    once(Off, usual(UsdcFutures, "OLDPERP", "OLD", "USDC", &["USDC"])),
    usual(UsdcFutures, "BTCPERP", "BTC", "USDC", &["USDC"]),
    not_in_demo(usual(UsdcFutures, "ETHPERP", "ETH", "USDC", &["USDC"])),
    usual(SusdtFutures, "SBTCSUSDT", "SBTC", "SUSDT", &["SUSDT"]),
    usual(SusdtFutures, "SETHSUSDT", "SETH", "SUSDT", &["SUSDT"]),
    usual(ScoinFutures, "SBTCSUSD", "SBTC", "SUSD", &["SBTC", "SETH"]),
    usual(ScoinFutures, "SETHSUSD", "SETH", "SUSD", &["SETH", "SBTC"]),
    usual(SusdcFutures, "SBTCSPERP", "SBTC", "SUSDC", &["SUSDC"]),
];
