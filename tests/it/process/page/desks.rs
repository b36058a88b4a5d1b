//! 21 accounts in 14 states, as a bad night has them.

use posmoded::ledger::{Event, EventKind};
use posmoded::status::Paused;
use serde_json::{Value, json};

use super::fleet::{Fleet, ago};

pub(super) fn bad_night() -> Fleet {
    let fleet = Fleet::of(&targets(), events());
    fleet.board.frame(|frame| {
        let reason = "exchange maintenance, ask <b>Kim</b>".to_owned();
        let who = Some("kim (sudo) on pts/3, trade-01".to_owned());
        let paused = Paused { reason, who, since: ago(1500), until: Some(ago(-5700)) };
        frame.paused_accounts.insert("desk-13".parse().unwrap(), paused);
    });
    fleet.show("desk-1", |cell| {
        let say = "The key of desk-1 may withdraw: posmoded needs no such right. Make one without it.";
        cell.warnings = vec![say.to_owned()];
    });
    fleet.show("desk-uta-1", |cell| {
        let settings = json!({ "account_level": "advanced", "asset_mode": "union", "stp_mode": null });
        cell.settings = Some(serde_json::from_value(settings).unwrap());
    });
    fleet
}

fn targets() -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for number in 1..=6 {
        for scope in ["USDT-FUTURES", "COIN-FUTURES"] {
            all.push(
                json!({ "account": format!("desk-{number}"), "scope": scope, "since": 86_400 * number }),
            );
        }
    }
    all.push(json!({ "account": "desk-1", "scope": "USDC-FUTURES", "desired": "one_way_mode" }));
    all.extend([
        json!({ "account": "desk-7", "state": "drifted", "reason": "fighting", "live": "one_way_mode", "out": 8_040, "since": 2_820,
            "say": "It was corrected 3 times within 24h and somebody keeps changing it back: find out who, then `posmoded resume desk-7` or change the file." }),
        json!({ "account": "desk-8", "state": "unknown", "reason": "denied", "live": null, "out": 15_300, "since": 15_300, "detail": {},
            "say": "The key may not set the position mode (code 40014): give it the right \"futures, read and write\"; then `posmoded refresh desk-8` (it is tried again by itself in 11m 4s)." }),
        json!({ "account": "desk-20", "state": "unknown", "reason": "denied", "live": null, "out": 15_200, "since": 15_200, "detail": {},
            "say": "The key may not set the position mode (code 40014): give it the right \"futures, read and write\"; then `posmoded refresh desk-20` (it is tried again by itself in 9m 59s)." }),
        json!({ "account": "desk-9", "state": "pending", "reason": "not_flat", "live": "one_way_mode", "out": 840,
            "detail": { "positions": 2, "orders": null, "plan_orders": null, "complete": false,
                "open": [{ "symbol": "BTCUSDT", "side": "long", "kind": "position" }] },
            "say": "Open: at least 2 positions. The mode is changed once nothing is open; nothing is closed or cancelled for it." }),
        json!({ "account": "desk-9", "scope": "COIN-FUTURES", "state": "pending", "reason": "settling", "live": "one_way_mode", "out": 900, "since": 40,
            "say": "Flat for 40s; it must be so for 5m before the mode is changed." }),
        json!({ "account": "desk-10", "state": "pending", "reason": "not_flat", "live": "one_way_mode", "out": 840,
            "detail": { "positions": 0, "orders": 1, "plan_orders": null, "complete": false,
                "open": [{ "symbol": null, "side": "buy", "kind": "order" }] },
            "say": "Open: at least 1 order. The mode is changed once nothing is open; nothing is closed or cancelled for it." }),
        json!({ "account": "desk-11", "state": "new", "reason": "suspended", "live": "one_way_mode", "out": 86_400 * 6,
            "say": "The file suspends it: until the risk review is done." }),
        json!({ "account": "desk-12", "state": "drifted", "reason": "reported", "live": "one_way_mode", "out": 1_260, "drift": "report",
            "say": "Somebody changed it at the exchange and the file says `drift: report`: change it back there, or change the file." }),
        json!({ "account": "desk-13", "state": "pending", "reason": "paused", "live": "one_way_mode", "out": 1_560, "wants": "time",
            "blockers": ["paused", "not_flat"],
            "say": "kim (sudo) on pts/3, trade-01 paused it, for 1h 35m more, or until `posmoded resume desk-13`: exchange maintenance, ask <b>Kim</b>." }),
        json!({ "account": "desk-14", "state": "pending", "reason": "window", "live": "one_way_mode", "out": 40_000,
            "say": "Its change window weekend is closed; it opens at 2026-12-04T22:00:00Z (Fri 22:00 in Europe/London), 4d 23h from now." }),
        json!({ "account": "desk-15", "state": "unknown", "reason": "outcome_unknown", "live": null, "out": 300, "since": 22,
            "say": "A set was sent and no usable answer came back: it may have taken effect, or may yet. Nothing more is sent before its time is over, 13s from now; then the mode is read." }),
        json!({ "account": "desk-16", "state": "in_sync", "reason": "unreachable", "since": 9,
            "say": "The exchange gave no answer (timed out after 8s). Next try in 4s." }),
        json!({ "account": "desk-17", "state": "unknown", "reason": "elsewhere", "live": null, "wants": "itself", "detail": {},
            "say": "The file gives this account to the host trade-02, and this one is called trade-01: it never asks for the account and never sets it." }),
        json!({ "account": "desk-18", "state": "unknown", "live": null, "wants": "itself", "since": 3, "detail": {} }),
        json!({ "account": "desk-19", "state": "pending", "reason": "requirement", "live": "one_way_mode", "out": 3_700,
            "say": "This host is not as the file requires: strategy-arb.service is active. It is looked at again every 30s, and the mode is changed once it is so and the account is flat." }),
        json!({ "account": "desk-uta-1", "scope": "account", "desired": "one_way_mode" }),
        json!({ "account": "desk-uta-2", "scope": "account", "state": "new", "reason": "unsatisfiable", "live": "one_way_mode", "out": 7_200, "desired": "hedge_mode",
            "say": "This is a unified account, which has one mode for all that it holds, and the file speaks of USDT-FUTURES only: nothing is changed. If hedge_mode is meant for the whole account, write `position_mode: hedge_mode`." }),
    ]);
    all
}

fn events() -> Vec<Event> {
    let event = |id: i64, seconds: i64, kind, account: Option<&str>, text: &str| {
        let event = Event { id, at: ago(seconds).as_millisecond(), ..Event::new(kind, text) };
        match account {
            Some(account) => Event {
                account: Some(account.parse().unwrap()),
                scope: Some("USDT-FUTURES".parse().unwrap()),
                ..event
            },
            None => event,
        }
    };
    let by = |event: Event| event.by(Some("kim (sudo) on pts/3, trade-01"));
    vec![
        event(1, 86_400 * 3, EventKind::Started, None, "posmoded 0.1.0 started."),
        event(2, 86_400 * 3, EventKind::Revision, None, "Revision 16 is in force."),
        event(3, 11_000, EventKind::Revision, None, "Revision 17 is in force."),
        event(4, 8_040, EventKind::Drift, Some("desk-7"), "Somebody changed the mode at the exchange."),
        event(5, 7_900, EventKind::Confirmed, Some("desk-7"), "A read shows the mode that was set."),
        event(
            6,
            2_820,
            EventKind::Fighting,
            Some("desk-7"),
            "It was corrected 3 times within 24h, and is not any more.",
        ),
        by(event(
            7,
            1_500,
            EventKind::Paused,
            Some("desk-13"),
            "exchange maintenance, ask <b>Kim</b> (for 2h)",
        )),
        event(
            8,
            1_260,
            EventKind::Drift,
            Some("desk-12"),
            "Somebody changed the mode at the exchange; the file says report.",
        ),
    ]
}
