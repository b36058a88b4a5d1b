//! The endpoints that the simulator has: their paths, which kind of account they are for, their limits.

use crate::wire::{Refusal, Request};

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    ServerTime,
    Contracts,
    SpotCoins,
    SpotSymbols,
    MarginCurrencies,
    Instruments,
    UnifiedTime,
    UnifiedMarketTime,
    MixAccount,
    MixAccounts,
    SetPositionMode,
    AllPosition,
    OrdersPending,
    OrdersPlanPending,
    SpotAccountInfo,
    UnifiedSettings,
    UnifiedInfo,
    UnifiedAssets,
    SetHoldMode,
    CurrentPosition,
    UnfilledOrders,
    UnfilledStrategyOrders,
}

/// Whom an endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Anybody, without a key.
    Public,
    /// Classic accounts.
    Classic,
    /// Unified accounts.
    Unified,
}

impl Endpoint {
    pub(crate) fn of(request: &Request) -> Result<Self, Refusal> {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        if path.starts_with("/api/mix/v1/") || path.starts_with("/api/spot/v1/") {
            return Err(Refusal::gate("30032", "The V1 API has been shut down"));
        }
        ALL.into_iter().find(|endpoint| endpoint.place() == (method, path)).ok_or_else(no_such_url)
    }

    /// Those whose path ends like this.
    pub(crate) fn ending(path: &str) -> impl Iterator<Item = Self> {
        ALL.into_iter().filter(move |endpoint| endpoint.path().ends_with(path))
    }

    pub(crate) fn path(self) -> &'static str {
        self.place().1
    }

    pub(crate) fn door(self) -> Door {
        match self {
            Self::ServerTime
            | Self::Contracts
            | Self::SpotCoins
            | Self::SpotSymbols
            | Self::MarginCurrencies
            | Self::Instruments
            | Self::UnifiedTime
            | Self::UnifiedMarketTime => Door::Public,
            Self::MixAccount
            | Self::MixAccounts
            | Self::SetPositionMode
            | Self::AllPosition
            | Self::OrdersPending
            | Self::OrdersPlanPending
            | Self::SpotAccountInfo => Door::Classic,
            Self::UnifiedSettings
            | Self::UnifiedInfo
            | Self::UnifiedAssets
            | Self::SetHoldMode
            | Self::CurrentPosition
            | Self::UnfilledOrders
            | Self::UnfilledStrategyOrders => Door::Unified,
        }
    }

    /// Requests in every sliding second: per UID, or per IP at the public door.
    pub(crate) fn per_second(self) -> u32 {
        match self {
            Self::ServerTime
            | Self::Contracts
            | Self::SpotSymbols
            | Self::Instruments
            | Self::UnifiedTime
            | Self::UnifiedMarketTime
            | Self::UnifiedSettings
            | Self::UnifiedAssets
            | Self::CurrentPosition
            | Self::UnfilledOrders
            | Self::UnfilledStrategyOrders => 20,
            Self::MixAccount
            | Self::MixAccounts
            | Self::OrdersPending
            | Self::OrdersPlanPending
            | Self::MarginCurrencies
            | Self::SetHoldMode => 10,
            Self::SetPositionMode | Self::AllPosition | Self::UnifiedInfo => 5,
            Self::SpotCoins => 3,
            Self::SpotAccountInfo => 1,
        }
    }

    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::ServerTime => ("GET", "/api/v2/public/time"),
            Self::Contracts => ("GET", "/api/v2/mix/market/contracts"),
            Self::SpotCoins => ("GET", "/api/v2/spot/public/coins"),
            Self::SpotSymbols => ("GET", "/api/v2/spot/public/symbols"),
            Self::MarginCurrencies => ("GET", "/api/v2/margin/currencies"),
            Self::Instruments => ("GET", "/api/v3/market/instruments"),
            Self::UnifiedTime => ("GET", "/api/v3/public/time"),
            Self::UnifiedMarketTime => ("GET", "/api/v3/market/time"),
            Self::MixAccount => ("GET", "/api/v2/mix/account/account"),
            Self::MixAccounts => ("GET", "/api/v2/mix/account/accounts"),
            Self::SetPositionMode => ("POST", "/api/v2/mix/account/set-position-mode"),
            Self::AllPosition => ("GET", "/api/v2/mix/position/all-position"),
            Self::OrdersPending => ("GET", "/api/v2/mix/order/orders-pending"),
            Self::OrdersPlanPending => ("GET", "/api/v2/mix/order/orders-plan-pending"),
            Self::SpotAccountInfo => ("GET", "/api/v2/spot/account/info"),
            Self::UnifiedSettings => ("GET", "/api/v3/account/settings"),
            Self::UnifiedInfo => ("GET", "/api/v3/account/info"),
            Self::UnifiedAssets => ("GET", "/api/v3/account/assets"),
            Self::SetHoldMode => ("POST", "/api/v3/account/set-hold-mode"),
            Self::CurrentPosition => ("GET", "/api/v3/position/current-position"),
            Self::UnfilledOrders => ("GET", "/api/v3/trade/unfilled-orders"),
            Self::UnfilledStrategyOrders => ("GET", "/api/v3/trade/unfilled-strategy-orders"),
        }
    }
}

/// For a path that is not there, or not for this key.
pub(crate) fn no_such_url() -> Refusal {
    Refusal::gate("40404", "Request URL NOT FOUND").with_status(404)
}

const ALL: [Endpoint; 22] = [
    Endpoint::ServerTime,
    Endpoint::Contracts,
    Endpoint::SpotCoins,
    Endpoint::SpotSymbols,
    Endpoint::MarginCurrencies,
    Endpoint::Instruments,
    Endpoint::UnifiedTime,
    Endpoint::UnifiedMarketTime,
    Endpoint::MixAccount,
    Endpoint::MixAccounts,
    Endpoint::SetPositionMode,
    Endpoint::AllPosition,
    Endpoint::OrdersPending,
    Endpoint::OrdersPlanPending,
    Endpoint::SpotAccountInfo,
    Endpoint::UnifiedSettings,
    Endpoint::UnifiedInfo,
    Endpoint::UnifiedAssets,
    Endpoint::SetHoldMode,
    Endpoint::CurrentPosition,
    Endpoint::UnfilledOrders,
    Endpoint::UnfilledStrategyOrders,
];
