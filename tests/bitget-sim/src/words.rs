//! The words of the field, as Bitget spells them. They parse and print, and hold nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// The number of an account or sub-account; limits count per UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub u64);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which API an account answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// v2 `mix`: one mode per product type.
    Classic,
    /// v3: one mode for the whole account.
    Unified,
}

/// The `accountMode` of a unified account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountMode {
    /// The usual one.
    #[default]
    Unified,
    /// An ordinary unified account, too: it has a mode and trades.
    Hybrid,
    /// On its way to unified.
    Upgrading,
    /// On its way to another mode.
    Switching,
}

impl AccountMode {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Hybrid => "hybrid",
            Self::Upgrading => "upgrading",
            Self::Switching => "switching",
        }
    }
}

/// A position mode, in Bitget's literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PosMode {
    /// `one_way_mode`
    OneWayMode,
    /// `hedge_mode`
    HedgeMode,
}

impl PosMode {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneWayMode => "one_way_mode",
            Self::HedgeMode => "hedge_mode",
        }
    }
}

impl FromStr for PosMode {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        [Self::OneWayMode, Self::HedgeMode]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| Unknown::new("position mode", text))
    }
}

/// A product type; the last three are the old demo ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ProductType {
    /// `USDT-FUTURES`
    UsdtFutures,
    /// `COIN-FUTURES`
    CoinFutures,
    /// `USDC-FUTURES`
    UsdcFutures,
    /// `SUSDT-FUTURES`
    SusdtFutures,
    /// `SCOIN-FUTURES`
    ScoinFutures,
    /// `SUSDC-FUTURES`
    SusdcFutures,
}

impl ProductType {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::UsdtFutures,
        Self::CoinFutures,
        Self::UsdcFutures,
        Self::SusdtFutures,
        Self::ScoinFutures,
        Self::SusdcFutures,
    ];

    /// The three that a unified account has, unless its level lacks one; its one mode covers them all.
    pub const FUTURES: [Self; 3] = [Self::UsdtFutures, Self::CoinFutures, Self::UsdcFutures];

    /// As Bitget's pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsdtFutures => "USDT-FUTURES",
            Self::CoinFutures => "COIN-FUTURES",
            Self::UsdcFutures => "USDC-FUTURES",
            Self::SusdtFutures => "SUSDT-FUTURES",
            Self::ScoinFutures => "SCOIN-FUTURES",
            Self::SusdcFutures => "SUSDC-FUTURES",
        }
    }
}

impl FromStr for ProductType {
    type Err = Unknown;

    /// In any case: the exchange takes `usdt-futures` as well.
    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL
            .into_iter()
            .find(|product| product.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| Unknown::new("product type", text))
    }
}

impl TryFrom<String> for ProductType {
    type Error = Unknown;

    fn try_from(text: String) -> Result<Self, Unknown> {
        text.parse()
    }
}

impl From<ProductType> for &'static str {
    fn from(product: ProductType) -> Self {
        product.as_str()
    }
}

/// The side of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldSide {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
}

impl HoldSide {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

/// The status of an open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Accepted, and not yet on the book. v2 has no word for it and shows it as live.
    New,
    /// Nothing filled yet.
    Live,
    /// Filled in part.
    PartiallyFilled,
}

impl OrderStatus {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Live => "live",
            Self::PartiallyFilled => "partially_filled",
        }
    }
}

/// The `planType` that a list of plan orders is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanType {
    /// A trigger order.
    NormalPlan,
    /// A trailing stop.
    TrackPlan,
    /// Take profit or stop loss.
    ProfitLoss,
}

impl PlanType {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::NormalPlan, Self::TrackPlan, Self::ProfitLoss];

    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NormalPlan => "normal_plan",
            Self::TrackPlan => "track_plan",
            Self::ProfitLoss => "profit_loss",
        }
    }
}

/// The number of an order or a plan order; later ones are greater. Text in JSON, being more than a double holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A name that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such {what}: {name}")]
pub struct Unknown {
    what: &'static str,
    name: String,
}

impl Unknown {
    pub(crate) fn new(what: &'static str, name: impl fmt::Display) -> Self {
        Self { what, name: name.to_string() }
    }
}
