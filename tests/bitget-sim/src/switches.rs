//! The points on which nobody could tell how Bitget behaves, or on which its pages and its conduct differ. Each is a
//! switch with the likelier answer as its default; a client must come out right under every setting.

use serde::{Deserialize, Serialize};

/// How the exchange behaves where it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Switches {
    /// A set of the mode that the account has, while it is not flat.
    pub same_mode_while_not_flat: SameMode,
    /// The code that a v3 set of the mode that the account has is refused with; without one it succeeds.
    pub same_mode_on_v3_code: Option<String>,
    /// What makes the exchange itself refuse a set.
    pub not_flat: NotFlat,
    /// The code of that refusal on v2.
    pub not_flat_code: String,
    /// Its code on v3 where there is a position.
    pub not_flat_on_v3_code: String,
    /// Its code on v3 where there are only orders, or only what no list shows: `25570`, `25270`, or one nobody has seen.
    pub orders_on_v3_code: String,
    /// The HTTP status of that refusal; without one it is `refusal_status`.
    pub not_flat_status: Option<u16>,
    /// The HTTP status of every refusal for what was asked for: parameters, rights, the state of the account.
    pub refusal_status: u16,
    /// Whether bots, TWAP and copy orders, which no list shows, make a set be refused.
    pub hidden_blockers: HiddenBlockers,
    /// Whether spot orders make a set of a unified account be refused.
    pub spot_orders: SpotOrders,
    /// Whether the timestamp of a request that had to wait is checked again when it executes.
    pub late_timestamp: LateTimestamp,
    /// How long after a change of mode a read still shows the old one, in milliseconds.
    pub read_lag_ms: u32,
    /// What an empty list of orders looks like, and on v3 one of positions.
    pub empty_list: EmptyList,
    /// Whether the list of plan orders says `endId`.
    pub plan_end_id: EndId,
    /// What the list of orders shows when no status is asked for.
    pub orders_without_status: OrdersWithoutStatus,
    /// Whether the last page of orders on v3 carries a cursor.
    pub last_cursor: LastCursor,
    /// Which strategy orders v3 lists when no type is asked for.
    pub strategy_orders_without_type: StrategyOrdersWithoutType,
    /// The code that a v3 call from a classic account gets: `40084` as seen, `25245` as written.
    pub classic_on_v3_code: String,
    /// The code that a private v2 call from a unified account gets: `40085`; `40128` and `40731` are told of too.
    pub unified_on_v2_code: String,
    /// The code that a call gets which names a category that the account's level does not have; without one it gets an
    /// empty list.
    pub missing_category_code: Option<String>,
    /// The code that a private call gets which names a contract that is off: `40309`, `40845`, `40034`.
    pub removed_symbol_code: String,
    /// The code that a private call with a demo key gets which names a contract that only others have.
    pub missing_in_demo_code: String,
    /// What a demo key gets for `GET /api/v2/spot/account/info`: this code, `40404` with HTTP 404; without one the answer.
    pub demo_spot_info_code: Option<String>,
    /// Whether the answer of `GET /api/v2/public/time` carries `requestTime`, as every other one does.
    pub public_time_request_time: RequestTime,
    /// What the settings answer while an account is converted; every other private call is refused with `40115`.
    pub settings_while_converting: SettingsWhileConverting,
    /// Whether limits are kept.
    pub limits: Limits,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            same_mode_while_not_flat: SameMode::Success,
            same_mode_on_v3_code: None,
            not_flat: NotFlat::RefusedByAnything,
            not_flat_code: "40920".to_owned(),
            not_flat_on_v3_code: "25107".to_owned(),
            orders_on_v3_code: "25570".to_owned(),
            not_flat_status: None,
            refusal_status: 400,
            hidden_blockers: HiddenBlockers::Refuse,
            spot_orders: SpotOrders::Ignored,
            late_timestamp: LateTimestamp::CheckedAgain,
            read_lag_ms: 0,
            empty_list: EmptyList::Null,
            plan_end_id: EndId::Present,
            orders_without_status: OrdersWithoutStatus::LiveOnly,
            last_cursor: LastCursor::Present,
            strategy_orders_without_type: StrategyOrdersWithoutType::TpslOnly,
            classic_on_v3_code: "40084".to_owned(),
            unified_on_v2_code: "40085".to_owned(),
            missing_category_code: Some("25240".to_owned()),
            removed_symbol_code: "40309".to_owned(),
            missing_in_demo_code: "40034".to_owned(),
            demo_spot_info_code: None,
            public_time_request_time: RequestTime::Present,
            settings_while_converting: SettingsWhileConverting::Shown,
            limits: Limits::Kept,
        }
    }
}

/// The answer to a set of the mode that the account has, while it is not flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameMode {
    /// Success, and nothing changes.
    Success,
    /// Refused like any other set.
    Refused,
}

/// What makes the exchange refuse a set; the documentation only says that a set "may fail".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFlat {
    /// Positions, orders and plan orders.
    RefusedByAnything,
    /// Positions alone.
    RefusedByPositions,
    /// Nothing: the mode of an account that is not flat changes.
    Accepted,
}

/// Whether what no list shows makes a set be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenBlockers {
    /// It does.
    Refuse,
    /// It does not.
    Ignored,
}

/// Whether spot orders make a set of a unified account be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpotOrders {
    /// They do not.
    Ignored,
    /// They do.
    Refuse,
}

/// Whether a request that had to wait has its timestamp checked when it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateTimestamp {
    /// It is: past 30 s it is refused.
    CheckedAgain,
    /// It was checked on arrival, and never again.
    CheckedOnArrival,
}

/// What `entrustedList`, or `list` on v3, is when there is nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyList {
    /// `null`
    Null,
    /// `[]`
    Empty,
}

/// Whether the list of plan orders carries `endId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndId {
    /// It does.
    Present,
    /// It does not.
    Missing,
}

/// What the list of orders shows when no status is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrdersWithoutStatus {
    /// Only `live`, as the documentation promises.
    LiveOnly,
    /// `partially_filled` too.
    Both,
}

/// Whether the last page of orders on v3 carries a cursor. An empty page never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastCursor {
    /// It does, and the page after it is empty.
    Present,
    /// It does not.
    Missing,
}

/// Which strategy orders v3 lists when no type is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyOrdersWithoutType {
    /// Take profit and stop loss.
    TpslOnly,
    /// Trigger orders too.
    Both,
}

/// What the settings answer while an account is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsWhileConverting {
    /// Success, with `accountMode` `upgrading` or `switching`.
    Shown,
    /// `40115`, as everything else.
    Refused,
}

/// Whether an answer carries `requestTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestTime {
    /// It does.
    Present,
    /// It does not.
    Missing,
}

/// Whether limits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// They are.
    Kept,
    /// They are not, for a load that no exchange would take.
    Ignored,
}
