//! What the settings of a unified account say beside its mode. Only the level changes what the account can do.

use serde::{Deserialize, Serialize};

use crate::words::ProductType;

/// The settings of a unified account; a classic one shows none of them before it is converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Which categories there are.
    pub account_level: AccountLevel,
    /// What counts as margin.
    pub asset_mode: AssetMode,
    /// What becomes of orders that would meet each other.
    pub stp_mode: StpMode,
}

/// The `accountLevel` of a unified account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountLevel {
    /// The one of new sub-accounts: it has no `COIN-FUTURES`.
    Basic,
    /// The usual one.
    #[default]
    Advanced,
    /// Isolated margin.
    Isolated,
    /// Delta neutral.
    Delta,
}

impl AccountLevel {
    /// The futures categories of an account of this level; its one mode covers them all.
    pub fn categories(self) -> &'static [ProductType] {
        match self {
            Self::Basic => &[ProductType::UsdtFutures, ProductType::UsdcFutures],
            Self::Advanced | Self::Isolated | Self::Delta => &ProductType::FUTURES,
        }
    }
}

/// The `assetMode` of a unified account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetMode {
    /// The coin of the contract alone.
    Single,
    /// The older word for several coins.
    Union,
    /// Several coins.
    #[default]
    MultiAssets,
}

/// The `stpMode` of a unified account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StpMode {
    /// They meet.
    #[default]
    None,
    /// The new one is cancelled.
    CancelTaker,
    /// The old one is cancelled.
    CancelMaker,
    /// Both are cancelled.
    CancelBoth,
}
