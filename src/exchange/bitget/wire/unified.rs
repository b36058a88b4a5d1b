//! Shapes of API v3, for unified accounts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Broken, Order, Position, is_plain, may_go_on, there_or_null};
use crate::exchange::bitget::rights::{FuturesRight, Rights};
use crate::facts::AccountSettings;
use crate::position_mode::PositionMode;

/// `GET /api/v3/account/settings`. Clients recognise a unified account by its `holdMode`, not by its `accountMode`, for
/// which the exchange has invented more than one word.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Settings {
    /// UID of the account.
    #[serde(default)]
    pub(in super::super) uid: Option<String>,
    /// `unified`, `hybrid`, or a word for an account that is being converted from one kind to the other.
    #[serde(rename = "accountMode", default)]
    account_mode: Option<String>,
    #[serde(rename = "holdMode", default)]
    hold_mode: Option<PositionMode>,
    #[serde(rename = "accountLevel", default)]
    account_level: Option<Value>,
    #[serde(rename = "assetMode", default)]
    asset_mode: Option<Value>,
    #[serde(rename = "stpMode", default)]
    stp_mode: Option<Value>,
}

/// The stage of the account, from its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Stage {
    /// Unified, with this mode.
    Unified(PositionMode),
    /// Being converted from one kind to the other, with its `accountMode`.
    Converting(&'static str),
}

impl Settings {
    /// Whatever its `accountMode`, a `holdMode` proves a unified account, except during a conversion.
    pub(in super::super) fn stage(&self) -> Result<Stage, Broken> {
        let Settings { account_mode, hold_mode, .. } = self;
        match (account_mode.as_deref(), hold_mode) {
            (Some("upgrading"), _) => Ok(Stage::Converting("upgrading")),
            (Some("switching"), _) => Ok(Stage::Converting("switching")),
            (Some(_) | None, Some(mode)) => Ok(Stage::Unified(*mode)),
            (Some(_) | None, None) => Err(Broken("settings without a holdMode".to_owned())),
        }
    }

    /// What else they say. Nothing waits for these, so one that is no plain word is as good as missing.
    pub(in super::super) fn others(&self) -> AccountSettings {
        let word = |value: &Option<Value>| {
            value.as_ref().and_then(Value::as_str).filter(|word| is_plain(word)).map(str::to_owned)
        };
        AccountSettings {
            account_level: word(&self.account_level),
            asset_mode: word(&self.asset_mode),
            stp_mode: word(&self.stp_mode),
        }
    }
}

/// `GET /api/v3/account/info`
#[derive(Debug, Deserialize)]
pub(in super::super) struct KeyInfo {
    #[serde(rename = "userId", default)]
    pub(in super::super) user_id: Option<String>,
    /// Read-only or read-and-write, for all of the permissions alike.
    #[serde(rename = "permType", default)]
    perm_type: Option<String>,
    #[serde(default)]
    permissions: Option<Vec<String>>,
}

impl KeyInfo {
    /// The key's rights; `None` if the answer lacks them. Reading the mode needs management, reading positions needs
    /// trading: one of the two alone is useless here.
    pub(in super::super) fn rights(&self) -> Option<Rights> {
        let permissions = self.permissions.as_ref()?;
        let has = |one: &str| permissions.iter().any(|permission| permission == one);
        let serves = has("uta_mgt") && has("uta_trade");
        let futures = match (self.perm_type.as_deref()?, serves) {
            ("read-and-write" | "read_and_write", true) => FuturesRight::ReadWrite,
            ("read-only" | "read_only", true) => FuturesRight::Read,
            ("read-and-write" | "read_and_write" | "read-only" | "read_only", false) => FuturesRight::Nothing,
            _ => return None,
        };
        Some(Rights { futures, withdraws: has("withdraw") })
    }
}

/// `GET /api/v3/position/current-position`
#[derive(Debug, Deserialize)]
pub(in super::super) struct PositionList {
    /// Required; the exchange may write an empty list as `null`.
    #[serde(deserialize_with = "there_or_null")]
    list: Option<Vec<Position>>,
}

impl PositionList {
    pub(in super::super) fn positions(self) -> Vec<Position> {
        self.list.unwrap_or_default()
    }
}

/// One page of `GET /api/v3/trade/unfilled-orders`: one list for orders of every status.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Page {
    /// Required; the exchange may write an empty list as `null`.
    #[serde(deserialize_with = "there_or_null")]
    list: Option<Vec<Order>>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Page {
    /// Its rows, and the cursor of the next page, if there may be one.
    pub(in super::super) fn rows(self) -> Result<(Vec<Order>, Option<String>), Broken> {
        let Page { list, cursor } = self;
        let rows = list.unwrap_or_default();
        match cursor.filter(|cursor| may_go_on(rows.len()) && !cursor.is_empty()) {
            Some(cursor) if !is_plain(&cursor) => {
                Err(Broken("a cursor that cannot stand in a query".to_owned()))
            }
            // A full page without a cursor counts as the last one: a single row is enough not to be flat.
            next => Ok((rows, next)),
        }
    }
}

/// `POST /api/v3/account/set-hold-mode`
#[derive(Debug, Serialize)]
pub(in super::super) struct SetHoldMode {
    #[serde(rename = "holdMode")]
    pub(in super::super) mode: PositionMode,
}

/// Query suffixes for strategy orders: those listed without a type, and those listed only when their type is named.
pub(in super::super) const TYPES: [&str; 2] = ["", "&type=trigger"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::shape;
    use super::*;

    #[test]
    fn f34_a_mode_of_a_unified_account_is_one_of_two_words_or_nothing() {
        let stage = |data: Value| shape::<Settings>(data).and_then(|settings| settings.stage());
        assert_eq!(
            stage(json!({"holdMode": "one_way_mode", "more": []})),
            Ok(Stage::Unified(PositionMode::OneWay))
        );
        assert_eq!(stage(json!({"holdMode": "hedge_mode"})), Ok(Stage::Unified(PositionMode::Hedge)));
        let bad = [json!({}), json!([]), json!({"holdMode": null}), json!({"holdMode": ""})];
        for data in bad.into_iter().chain([
            json!({"posMode": "hedge_mode"}),
            json!({"holdMode": 1}),
            json!(["hedge_mode"]),
            json!({"accountMode": 1, "holdMode": "hedge_mode"}),
        ]) {
            assert!(stage(data.clone()).is_err(), "{data}");
        }
    }

    #[test]
    fn f50_settings_with_a_mode_are_those_of_a_unified_account_whatever_they_call_it() {
        let stage = |word: &str| {
            let settings = json!({"uid": "1001", "accountMode": word, "holdMode": "hedge_mode"});
            shape::<Settings>(settings).unwrap().stage()
        };
        for word in ["unified", "hybrid", "UNIFIED", "unified2", "two words", ""] {
            assert_eq!(stage(word), Ok(Stage::Unified(PositionMode::Hedge)), "{word}");
        }
        for word in ["upgrading", "switching"] {
            assert_eq!(stage(word), Ok(Stage::Converting(word)));
        }
    }

    #[test]
    fn f34_a_list_that_is_missing_is_no_empty_list() {
        for empty in [json!({"list": []}), json!({"list": null, "cursor": null})] {
            assert!(shape::<PositionList>(empty.clone()).unwrap().positions().is_empty());
            let (rows, next) = shape::<Page>(empty).and_then(Page::rows).unwrap();
            assert!(rows.is_empty() && next.is_none());
        }
        let bad = [json!({}), json!([]), json!({"cursor": "1"}), json!({"list": {}}), json!({"list": ""})];
        for data in bad.into_iter().chain([
            json!({"list": [{}]}),
            json!({"entrustedList": []}),
            json!([[]]),
            json!([null]),
        ]) {
            assert!(shape::<Page>(data.clone()).is_err(), "{data}");
            assert!(shape::<PositionList>(data.clone()).is_err(), "{data}");
        }
    }

    #[test]
    fn a_full_page_is_followed_by_its_cursor() {
        let page = |count: usize, cursor: Value| {
            let rows: Vec<Value> = (0..count).map(|id| json!({"orderId": format!("{id}")})).collect();
            let (rows, next) = shape::<Page>(json!({"list": rows, "cursor": cursor}))?.rows()?;
            Ok::<_, Broken>((rows.len(), next))
        };
        assert_eq!(page(100, json!("401")), Ok((100, Some("401".to_owned()))));
        assert_eq!(page(100, json!("")), Ok((100, None)));
        assert_eq!(page(100, json!(null)), Ok((100, None)));
        assert_eq!(page(99, json!("401")), Ok((99, None)));
        assert_eq!(page(99, json!("4 1&x=y")), Ok((99, None)));
        assert!(page(100, json!("4 1&x=y")).is_err());
        assert!(page(100, json!(401)).is_err());
    }

    #[test]
    fn f62_an_empty_page_is_followed_as_long_as_it_has_a_cursor() {
        let page = |list: Value, cursor: Value| {
            let (rows, next) = shape::<Page>(json!({"list": list, "cursor": cursor}))?.rows()?;
            Ok::<_, Broken>((rows.len(), next))
        };
        for list in [json!([]), json!(null)] {
            assert_eq!(page(list.clone(), json!("7002")), Ok((0, Some("7002".to_owned()))));
            assert_eq!(page(list.clone(), json!("")), Ok((0, None)));
            assert!(page(list, json!("4 1&x=y")).is_err());
        }
    }

    #[test]
    fn what_a_unified_key_may_do_is_known_only_from_the_documented_words() {
        let rights = |kind: Value, permissions: Value| {
            let data = json!({"userId": "1", "permType": kind, "permissions": permissions});
            shape::<KeyInfo>(data).unwrap().rights().map(|rights| (rights.futures, rights.withdraws))
        };
        let both = || json!(["uta_mgt", "uta_trade"]);
        assert_eq!(rights(json!("read-and-write"), both()), Some((FuturesRight::ReadWrite, false)));
        assert_eq!(
            rights(json!("read_and_write"), both()),
            Some((FuturesRight::ReadWrite, false)),
            "as seen live"
        );
        assert_eq!(rights(json!("read-only"), both()), Some((FuturesRight::Read, false)));
        let more = json!(["withdraw", "uta_trade", "uta_mgt", "copy_futures_order"]);
        assert_eq!(rights(json!("read-and-write"), more), Some((FuturesRight::ReadWrite, true)));
        for few in [json!([]), json!(["uta_mgt"]), json!(["uta_trade"]), json!(["copy_futures_order"])] {
            assert_eq!(rights(json!("read-and-write"), few.clone()), Some((FuturesRight::Nothing, false)));
            assert_eq!(rights(json!("read-only"), few), Some((FuturesRight::Nothing, false)));
        }
        for unknown in [json!(null), json!(""), json!("read_write"), json!("rw")] {
            assert_eq!(rights(unknown.clone(), both()), None, "{unknown}");
        }
        assert_eq!(rights(json!("read-and-write"), json!(null)), None);
        assert_eq!(shape::<KeyInfo>(json!({"userId": "1"})).unwrap().rights(), None);
    }

    #[test]
    fn a_set_of_a_unified_account_is_written_as_it_is_documented() {
        let body = serde_json::to_string(&SetHoldMode { mode: PositionMode::OneWay }).unwrap();
        assert_eq!(body, r#"{"holdMode":"one_way_mode"}"#);
    }
}
