//! The Bitget calls that are used: name, path and rate limit of each.

use crate::constants::SETS_PER_SECOND;

/// A call that has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Endpoint {
    /// The exchange's time; public.
    Time,
    /// The contracts of a product type; public.
    Contracts,
    /// UID and rights of a classic account's key.
    AccountInfo,
    /// The single account, which carries the mode.
    Account,
    /// All positions of a product type.
    #[strum(serialize = "all-position")]
    Positions,
    /// Plain orders.
    #[strum(serialize = "orders-pending")]
    Orders,
    /// Plan orders.
    #[strum(serialize = "orders-plan-pending")]
    PlanOrders,
    /// The setter of a product type's mode.
    SetPositionMode,
    /// The settings of a unified account, which carry its kind and its mode.
    Settings,
    /// UID and rights of a unified account's key.
    UnifiedAccountInfo,
    /// All positions of a category.
    CurrentPosition,
    /// Plain orders of a category.
    UnfilledOrders,
    /// Strategy orders of a category: what classic accounts call plan orders.
    UnfilledStrategyOrders,
    /// The setter of a unified account's mode.
    SetHoldMode,
}

impl Endpoint {
    /// Its name in metrics, sentences and the ledger.
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }

    /// The path of its URL.
    pub(super) fn path(self) -> &'static str {
        match self {
            Endpoint::Time => "/api/v2/public/time",
            Endpoint::Contracts => "/api/v2/mix/market/contracts",
            Endpoint::AccountInfo => "/api/v2/spot/account/info",
            Endpoint::Account => "/api/v2/mix/account/account",
            Endpoint::Positions => "/api/v2/mix/position/all-position",
            Endpoint::Orders => "/api/v2/mix/order/orders-pending",
            Endpoint::PlanOrders => "/api/v2/mix/order/orders-plan-pending",
            Endpoint::SetPositionMode => "/api/v2/mix/account/set-position-mode",
            Endpoint::Settings => "/api/v3/account/settings",
            Endpoint::UnifiedAccountInfo => "/api/v3/account/info",
            Endpoint::CurrentPosition => "/api/v3/position/current-position",
            Endpoint::UnfilledOrders => "/api/v3/trade/unfilled-orders",
            Endpoint::UnfilledStrategyOrders => "/api/v3/trade/unfilled-strategy-orders",
            Endpoint::SetHoldMode => "/api/v3/account/set-hold-mode",
        }
    }

    /// The exchange's documented limit in requests a second: per UID, or per address for a public call.
    pub(super) fn documented_per_second(self) -> usize {
        match self {
            Endpoint::AccountInfo | Endpoint::UnifiedAccountInfo => 1,
            Endpoint::Positions | Endpoint::SetPositionMode => 5,
            Endpoint::Account | Endpoint::Orders | Endpoint::PlanOrders | Endpoint::SetHoldMode => 10,
            Endpoint::Time
            | Endpoint::Contracts
            | Endpoint::Settings
            | Endpoint::CurrentPosition
            | Endpoint::UnfilledOrders
            | Endpoint::UnfilledStrategyOrders => 20,
        }
    }

    /// Requests a second that we use. Only we call the setters, though neither is needed more often than the slower one
    /// allows; half of each read limit is left to the account's own strategies, but at least one request is ours.
    pub(super) fn permits(self) -> usize {
        let documented = self.documented_per_second();
        match self {
            Endpoint::SetPositionMode | Endpoint::SetHoldMode => documented.min(SETS_PER_SECOND),
            Endpoint::Time
            | Endpoint::Contracts
            | Endpoint::AccountInfo
            | Endpoint::Account
            | Endpoint::Positions
            | Endpoint::Orders
            | Endpoint::PlanOrders
            | Endpoint::Settings
            | Endpoint::UnifiedAccountInfo
            | Endpoint::CurrentPosition
            | Endpoint::UnfilledOrders
            | Endpoint::UnfilledStrategyOrders => (documented / 2).max(1),
        }
    }
}
