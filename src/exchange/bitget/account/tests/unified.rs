//! A unified account: its one mode, its lists over all categories, its set.

use super::*;
use crate::position_mode::{Kind, Uid};

const WHOLE: Scope = Scope::Account;
const CATEGORIES: [&str; 3] = ["USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES"];

/// A flat unified account in hedge mode.
fn flat(request: &Request) -> Result<Response, TransportError> {
    match request.path.trim_start_matches("/api/v3/") {
        "/api/v2/public/time" => usual(request),
        "account/settings" => done(r#"{"uid":"1001","accountMode":"unified","holdMode":"hedge_mode"}"#),
        "account/info" => done(r#"{"userId":"1001"}"#),
        "position/current-position" => done(r#"{"list":null}"#),
        "trade/unfilled-orders" => done(r#"{"list":null,"cursor":null}"#),
        "trade/unfilled-strategy-orders" => done("[]"),
        "account/set-hold-mode" => done(r#""success""#),
        other => panic!("nobody asks a unified account for {other}"),
    }
}

fn but(
    path: &'static str,
    answer: impl Fn(&Request) -> Result<Response, TransportError> + Send + Sync + 'static,
) -> (Bitget<Script>, Script) {
    Script::new(move |request| if request.path.ends_with(path) { answer(request) } else { flat(request) })
}

/// The count of `list` if the calls to `path` are answered with `data`.
async fn counted(path: &'static str, list: List, data: &str) -> Result<u32, Class> {
    let data = data.to_owned();
    let (bitget, _) = but(path, move |_| done(&data));
    let desk = ready(&bitget, "desk").await;
    let count = desk.count(WHOLE, list, Extent::Whole, Purpose::New).await;
    count.map(|answer| answer.value).map_err(|failure| failure.class)
}

#[tokio::test(start_paused = true)]
async fn a_verdict_asks_every_category_and_both_sorts_of_strategy_orders() {
    let (bitget, script) = Script::new(flat);
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.mode(WHOLE, Purpose::New).await.unwrap().value, PositionMode::Hedge);
    for list in [List::PlanOrders, List::Orders, List::Positions] {
        let began = script.clock.now();
        let count = desk.count(WHOLE, list, Extent::Whole, Purpose::New).await.unwrap();
        assert_eq!(count.value, 0, "{list:?}");
        assert!(count.asked >= began && count.answered == script.clock.now());
        assert!(count.asked < count.answered, "from first to last");
    }
    let mut expected = vec!["GET v3/account/settings".to_owned()];
    for category in CATEGORIES {
        for of in ["", "&type=trigger"] {
            expected.push(format!("GET v3/trade/unfilled-strategy-orders?category={category}{of}"));
        }
    }
    expected.extend(
        CATEGORIES.map(|category| format!("GET v3/trade/unfilled-orders?category={category}&limit=100")),
    );
    expected
        .extend(CATEGORIES.map(|category| format!("GET v3/position/current-position?category={category}")));
    assert_eq!(script.asked(), expected);
}

#[tokio::test(start_paused = true)]
async fn four_requests_a_second_are_enough_for_a_verdict_and_its_set_in_time() {
    let clock = Clock::simulated(START, 1);
    let (_, script) = Script::new(flat);
    let script = Script { clock: clock.clone(), takes: Duration::from_millis(200), ..script };
    let bitget = Bitget::new(script.clone(), clock.clone(), NonZeroU32::new(4).unwrap());
    let desk = ready(&bitget, "desk").await;
    let mut began = None;
    for list in [List::PlanOrders, List::Orders, List::Positions] {
        let asked = desk.count(WHOLE, list, Extent::Whole, Purpose::New).await.unwrap().asked;
        began.get_or_insert(asked);
    }
    desk.mode(WHOLE, Purpose::New).await.unwrap();
    let permit = desk.permit(WHOLE).await.unwrap();
    let age = script.clock.now().since(began.unwrap());
    assert!(age < crate::constants::VERDICT_AGE, "{age:?}");
    let stamp = ServerTime(script.server_now());
    assert_eq!(desk.send_set(WHOLE, PositionMode::OneWay, stamp, permit).await.0, SetAnswer::Accepted);
    assert_eq!(script.asked().len(), 14);
}

#[tokio::test(start_paused = true)]
async fn f34_what_is_absent_is_never_flat_and_never_a_mode_of_a_unified_account() {
    let bodies = [
        "",
        "{}",
        "null",
        "<html></html>",
        r#"{"code":"00000","requestTime":NOW}"#,
        r#"{"code":"00000","requestTime":NOW,"data":null}"#,
        r#"{"code":"00000","requestTime":NOW,"data":{}}"#,
        r#"{"code":"00000","requestTime":NOW,"data":""}"#,
        r#"{"code":"00000","requestTime":NOW,"data":[{}]}"#,
        r#"{"code":"00000","requestTime":NOW,"data":{"list":[{}],"holdMode":null,"accountMode":"unified"}}"#,
        r#"{"code":"00000","requestTime":NOW,"data":{"list":{},"holdMode":"hedge"}}"#,
        r#"{"code":"00000","requestTime":NOW,"data":{"cursor":"","holdMode":"x","accountMode":"unified"}}"#,
        r#"{"code":"00000","data":{"list":[],"holdMode":"hedge_mode","accountMode":"unified"}}"#,
        r#"{"code":"00000","requestTime":NOW,"data":{"list":[],"accountMode":"unified","holdMode":"hedge_m"#,
    ];
    for text in bodies {
        let (bitget, _) =
            Script::new(
                move |request| {
                    if request.path.ends_with("time") { flat(request) } else { body(200, text) }
                },
            );
        let desk = ready(&bitget, "desk").await;
        let mode = desk.mode(WHOLE, Purpose::New).await.map_err(|failure| failure.class);
        assert_eq!(mode.map(|answer| answer.value), Err(Class::TryAgain), "{text}");
        for list in [List::Positions, List::Orders, List::PlanOrders] {
            let count =
                desk.count(WHOLE, list, Extent::Whole, Purpose::New).await.map_err(|failure| failure.class);
            assert_eq!(count.map(|answer| answer.value), Err(Class::TryAgain), "{list:?} {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f34_each_list_is_empty_in_its_own_shape_only() {
    let (positions, orders) = ("current-position", "unfilled-orders");
    let strategy = "unfilled-strategy-orders";
    for (path, list, good, bad) in [
        (positions, List::Positions, [r#"{"list":[]}"#, r#"{"list":null}"#], ["[]", r#"{"cursor":""}"#]),
        (
            orders,
            List::Orders,
            [r#"{"list":[]}"#, r#"{"list":null,"cursor":""}"#],
            ["[]", r#"{"cursor":""}"#],
        ),
        (strategy, List::PlanOrders, ["[]", "[ ]"], [r#"{"list":[]}"#, r#"{"list":null}"#]),
    ] {
        for data in good {
            assert_eq!(counted(path, list, data).await, Ok(0), "{list:?} {data}");
        }
        for data in bad {
            assert_eq!(counted(path, list, data).await, Err(Class::TryAgain), "{list:?} {data}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f34_one_category_that_cannot_be_read_makes_a_failed_look_of_all() {
    for (path, list, empty) in [
        ("current-position", List::Positions, r#"{"list":[]}"#),
        ("unfilled-orders", List::Orders, r#"{"list":[]}"#),
        ("unfilled-strategy-orders", List::PlanOrders, "[]"),
    ] {
        for category in CATEGORIES {
            let (bitget, _) =
                but(
                    path,
                    move |request| {
                        if request.query.contains(category) { body(200, "") } else { done(empty) }
                    },
                );
            let desk = ready(&bitget, "desk").await;
            let look =
                desk.count(WHOLE, list, Extent::Whole, Purpose::New).await.map_err(|failure| failure.class);
            assert_eq!(look, Err(Class::TryAgain), "{list:?} {category}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn positions_of_every_category_count_unless_their_total_is_zero() {
    let (bitget, _) = but("current-position", |request| match &request.query {
        query if query.contains("USDT") => done(r#"{"list":[{"total":"0"},{"total":"0.5"}]}"#),
        query if query.contains("COIN") => {
            done(r#"{"list":[{"symbol":"BTCUSD","posSide":"short","total":"3","available":"0"}]}"#)
        }
        _ => done(r#"{"list":[{"total":"0.000"}]}"#),
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(WHOLE, List::Positions, Extent::Whole, Purpose::New).await.unwrap().value, 2);
    assert_eq!(shown(&desk, WHOLE), ["position", "BTCUSD short position"]);
    for data in [r#"{"list":[{}]}"#, r#"{"list":[{"size":"0"}]}"#, r#"{"list":[{"total":""}]}"#] {
        assert_eq!(counted("current-position", List::Positions, data).await, Err(Class::TryAgain), "{data}");
    }
}

/// Pages of orders with the ids `count` down to 1, of one category.
fn paged(request: &Request, count: usize) -> Result<Response, TransportError> {
    let cursor = request.query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
    let first = cursor.map_or(count, |id| id.parse::<usize>().unwrap() - 1);
    let ids: Vec<usize> = (1..=first).rev().take(100).collect();
    let rows: Vec<String> =
        ids.iter().map(|id| format!(r#"{{"orderId":"{id}","orderStatus":"new"}}"#)).collect();
    let cursor = ids.last().map_or("null".to_owned(), |id| format!("\"{id}\""));
    done(&format!(r#"{{"list":[{}],"cursor":{cursor}}}"#, rows.join(",")))
}

#[tokio::test(start_paused = true)]
async fn orders_are_counted_over_every_page_of_every_category_and_once_each() {
    let (bitget, script) = but("unfilled-orders", |request| match &request.query {
        query if query.contains("USDT") => paged(request, 230),
        query if query.contains("COIN") => {
            done(r#"{"list":[{"orderId":"7"},{"orderId":"900"}],"cursor":"7"}"#)
        }
        _ => done(r#"{"list":[]}"#),
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(WHOLE, List::Orders, Extent::Whole, Purpose::New).await.unwrap().value, 231);
    let asked = [
        "category=USDT-FUTURES&limit=100",
        "category=COIN-FUTURES&limit=100",
        "category=USDC-FUTURES&limit=100",
        "category=USDT-FUTURES&cursor=131&limit=100",
        "category=USDT-FUTURES&cursor=31&limit=100",
    ];
    assert_eq!(script.asked(), asked.map(|query| format!("GET v3/trade/unfilled-orders?{query}")));
}

#[tokio::test(start_paused = true)]
async fn a_full_page_without_a_cursor_is_the_last_and_one_that_leads_back_is_broken() {
    let page = |cursor: &'static str| {
        but("unfilled-orders", move |request| {
            let rows: Vec<String> = (0..100).map(|id| format!(r#"{{"orderId":"{id}"}}"#)).collect();
            let end = if request.query.contains("USDT") { cursor } else { "null" };
            done(&format!(r#"{{"list":[{}],"cursor":{end}}}"#, rows.join(",")))
        })
    };
    for (cursor, expected, asked) in [
        ("null", Ok(100), 3),
        (r#""""#, Ok(100), 3),
        (r#""9""#, Err(Class::TryAgain), 4),
        (r#""9&category=SPOT""#, Err(Class::TryAgain), 3),
    ] {
        let (bitget, script) = page(cursor);
        let desk = ready(&bitget, "desk").await;
        let count = desk.count(WHOLE, List::Orders, Extent::Whole, Purpose::New).await;
        assert_eq!(count.map(|answer| answer.value).map_err(|failure| failure.class), expected, "{cursor}");
        assert_eq!(script.asked().len(), asked, "{cursor}");
    }
}

#[tokio::test(start_paused = true)]
async fn f62_an_empty_page_that_still_has_a_cursor_is_followed_to_the_end() {
    let (bitget, script) = but("unfilled-orders", |request| match &request.query {
        query if query.contains("cursor=7001") => done(r#"{"list":[{"orderId":"1"}],"cursor":"1"}"#),
        query if query.contains("cursor=7002") => done(r#"{"list":null,"cursor":"7001"}"#),
        query if query.contains("COIN") => done(r#"{"list":[],"cursor":"7002"}"#),
        _ => done(r#"{"list":[],"cursor":""}"#),
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(WHOLE, List::Orders, Extent::Whole, Purpose::New).await.unwrap().value, 1);
    assert_eq!(script.asked().len(), 5, "three categories, and two pages more of one");
    assert_eq!(
        counted("unfilled-orders", List::Orders, r#"{"list":[],"cursor":"7002"}"#).await,
        Err(Class::TryAgain),
        "one that leads back says nothing"
    );
    // A short page ends the list if it has rows: the usual case costs no request more.
    let (bitget, script) = but("unfilled-orders", |_| done(r#"{"list":[{"orderId":"7"}],"cursor":"7"}"#));
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(WHOLE, List::Orders, Extent::Whole, Purpose::New).await.unwrap().value, 1);
    assert_eq!(script.asked().len(), 3);
}

/// Answers to the call for the settings with these uids, one after the other, the last one for good; and to the call
/// for the key's account with `info`.
fn named(uids: &[&'static str], info: &'static str) -> (Bitget<Script>, Script) {
    let uids: Mutex<Vec<&'static str>> = Mutex::new(uids.iter().rev().copied().collect());
    Script::new(move |request| match request.path.trim_start_matches("/api/v3/") {
        "account/settings" => {
            let mut uids = uids.lock().unwrap();
            let uid = if uids.len() > 1 { uids.pop().unwrap() } else { uids[0] };
            done(&format!(r#"{{{uid}"holdMode":"hedge_mode","accountLevel":"basic"}}"#))
        }
        "account/info" => done(info),
        _ => flat(request),
    })
}

#[tokio::test(start_paused = true)]
async fn f62_settings_that_name_another_account_than_before_are_not_this_ones() {
    const OWN: &str = r#""uid":"1001","#;
    let info = r#"{"userId":"1001"}"#;
    for other in [r#""uid":"1002","#, r#""uid":"","#, r#""uid":null,"#, ""] {
        let (bitget, _) = named(&[OWN, other, OWN, OWN, other, OWN], info);
        let desk = ready(&bitget, "desk").await;
        assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
        let failure = desk.mode(WHOLE, Purpose::New).await.unwrap_err();
        assert_eq!(failure.class, Class::WrongKind, "so that kind and owner are seen anew: {other}");
        assert!(failure.class.row().doubts_kind);
        assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
        assert_eq!(desk.kind(Purpose::New).await.unwrap().value, Kind::Unified);
        // What names another account tells no kind of this one either.
        assert!(desk.kind(Purpose::New).await.is_err(), "{other}");
        assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
    }
    // If the first ones were another's, the account's own two calls agree on whose it is.
    let (bitget, _) = named(&[r#""uid":"1002","#, OWN], info);
    let desk = ready(&bitget, "desk").await;
    assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
    assert_eq!(desk.mode(WHOLE, Purpose::New).await.unwrap_err().class, Class::WrongKind);
    let identity = desk.account(Purpose::New).await.unwrap().value;
    assert_eq!(identity.uid, Some(Uid("1001".to_owned())));
    assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
    // One call alone is not enough against what was named before.
    let (bitget, _) = named(&[OWN, r#""uid":"1002","#], "{}");
    let desk = ready(&bitget, "desk").await;
    assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
    for _ in 0..2 {
        assert_eq!(desk.account(Purpose::New).await.unwrap_err().class, Class::WrongKind);
        assert_eq!(desk.kind(Purpose::New).await.unwrap_err().class, Class::WrongKind);
    }
    // Settings that never named anybody are as they were.
    let (bitget, _) = named(&[""], info);
    let desk = ready(&bitget, "desk").await;
    for _ in 0..2 {
        assert!(desk.mode(WHOLE, Purpose::New).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_a_unified_account_without_end_is_read_for_twenty_pages() {
    let (bitget, script) = but("unfilled-orders", |request| paged(request, 1_000_000));
    let desk = ready(&bitget, "desk").await;
    let count = desk.count(WHOLE, List::Orders, Extent::Whole, Purpose::New).await.unwrap();
    assert_eq!((count.value, script.asked().len()), (2000, 60), "three categories of the same ids");
}

#[tokio::test(start_paused = true)]
async fn strategy_orders_that_both_lists_show_count_once() {
    let (bitget, _) = but("unfilled-strategy-orders", |request| match &request.query {
        query if query.contains("type=trigger") => {
            done(r#"[{"orderId":"1"},{"orderId":"2","symbol":"BTCUSDT","posSide":"long"}]"#)
        }
        query if query.contains("USDC") => done(r#"[{"orderId":"3"}]"#),
        _ => done(r#"[{"orderId":"1"}]"#),
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(WHOLE, List::PlanOrders, Extent::Whole, Purpose::New).await.unwrap().value, 3);
    assert_eq!(shown(&desk, WHOLE), ["plan order", "BTCUSDT long plan order", "plan order"]);
    let (bitget, _) = but("unfilled-strategy-orders", |request| {
        let hidden = request.query == "category=COIN-FUTURES&type=trigger";
        done(if hidden { r#"[{"orderId":"1"}]"# } else { "[]" })
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.count(WHOLE, List::PlanOrders, Extent::Whole, Purpose::New).await.unwrap().value, 1);
}

#[tokio::test(start_paused = true)]
async fn no_mode_is_read_from_an_account_that_is_not_unified_for_good() {
    for (mode, class) in [("upgrading", Class::Converting), ("switching", Class::Converting)] {
        let (bitget, _) = but("account/settings", move |_| {
            done(&format!(r#"{{"uid":"1001","accountMode":"{mode}","holdMode":"hedge_mode"}}"#))
        });
        let desk = ready(&bitget, "desk").await;
        assert_eq!(desk.mode(WHOLE, Purpose::New).await.unwrap_err().class, class, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_kinds_calls_are_refused_by_the_exchange_and_nothing_is_guessed() {
    let (bitget, _) = Script::new(|request| match &request.path {
        path if path.ends_with("public/time") || path.ends_with("contracts") => usual(request),
        path if path.contains("/v3/") => coded(400, "40084"),
        _ => coded(400, "40085"),
    });
    let desk = ready(&bitget, "desk").await;
    for scope in [WHOLE, USDT] {
        assert_eq!(desk.mode(scope, Purpose::New).await.unwrap_err().class, Class::WrongKind);
        for list in [List::Positions, List::Orders, List::PlanOrders] {
            let look = desk.count(scope, list, Extent::Whole, Purpose::New).await;
            assert_eq!(look.unwrap_err().class, Class::WrongKind, "{list:?}");
        }
        let permit = desk.permit(scope).await.unwrap();
        let (answer, _) = desk.send_set(scope, PositionMode::Hedge, ServerTime(START), permit).await;
        assert!(matches!(answer, SetAnswer::Refused(Failure { class: Class::WrongKind, .. })), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_of_a_unified_account_is_signed_over_the_very_bytes_sent() {
    let (bitget, script) = Script::new(flat);
    let desk = ready(&bitget, "desk").await;
    let permit = desk.permit(WHOLE).await.unwrap();
    let stamp = ServerTime(1_659_076_670_000);
    let (answer, heard) = desk.send_set(WHOLE, PositionMode::OneWay, stamp, permit).await;
    assert_eq!((answer, heard.is_some()), (SetAnswer::Accepted, true));
    let Request { method, path, query, headers, body } = script.last();
    assert_eq!((method, path.as_str(), query.as_str()), (Method::Post, "/api/v3/account/set-hold-mode", ""));
    assert_eq!(body, r#"{"holdMode":"one_way_mode"}"#);
    let expected = [
        ("locale", "en-US"),
        ("content-type", "application/json"),
        ("access-key", "test-key"),
        ("access-sign", "60BD05XZ1r7ade3GmR45tGkIWvaV0QrEHia25WDvPA4="),
        ("access-timestamp", "1659076670000"),
        ("access-passphrase", "test-pass"),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(headers, expected);
}

#[tokio::test(start_paused = true)]
async fn f31_what_a_set_of_a_unified_account_came_to_is_judged_as_any_other() {
    let lost = Err(TransportError::Unanswered("closed".to_owned()));
    for (given, expected) in [
        (done("null"), "accepted"),
        (coded(400, "25107"), "refused NotFlat"),
        (coded(400, "25113"), "refused NotFlat"),
        (coded(429, "429"), "refused RateLimited"),
        (body(200, ""), "unclear"),
        (coded(400, "25001"), "unclear"),
        (coded(500, "25107"), "unclear"),
        (lost, "unclear"),
    ] {
        let name = format!("{given:?}");
        let (bitget, script) = but("set-hold-mode", move |_| given.clone());
        let desk = ready(&bitget, "desk").await;
        let permit = desk.permit(WHOLE).await.unwrap();
        let stamp = ServerTime(script.server_now());
        let came_to = match desk.send_set(WHOLE, PositionMode::Hedge, stamp, permit).await.0 {
            SetAnswer::Accepted => "accepted".to_owned(),
            SetAnswer::Refused(Failure { class, .. }) => format!("refused {class:?}"),
            SetAnswer::NotSent(_) => "not sent".to_owned(),
            SetAnswer::Unclear(_) => "unclear".to_owned(),
        };
        assert_eq!(came_to, expected, "{name}");
        assert_eq!(script.asked().len(), 1, "sent once: {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_cools_down_between_note_and_send_stops_the_set() {
    let (bitget, script) = but("set-hold-mode", |_| coded(429, "429"));
    let desk = ready(&bitget, "desk").await;
    let (first, second) = (desk.permit(WHOLE).await.unwrap(), desk.permit(WHOLE).await.unwrap());
    let stamp = ServerTime(script.server_now());
    desk.send_set(WHOLE, PositionMode::Hedge, stamp, first).await;
    let (answer, _) = desk.send_set(WHOLE, PositionMode::Hedge, stamp, second).await;
    assert!(matches!(answer, SetAnswer::NotSent(Failure { class: Class::Stopped { .. }, .. })), "{answer:?}");
    assert_eq!(script.asked().len(), 1);
    let [cool_down] = &bitget.cool_downs()[..] else { panic!("one lane rests") };
    assert_eq!(cool_down.limit, lane("desk", Endpoint::SetHoldMode).to_string());
}

#[tokio::test(start_paused = true)]
async fn i8_no_sliding_second_sees_more_than_five_answered_sets_of_a_unified_account() {
    let (bitget, script) = Script::new(flat);
    let desk = ready(&bitget, "desk").await;
    for _ in 0..23 {
        let permit = loop {
            match desk.permit(WHOLE).await {
                Ok(permit) => break permit,
                Err(Failure { class: Class::Busy { until }, .. }) => script.clock.sleep_until(until).await,
                Err(other) => panic!("{other}"),
            }
        };
        let stamp = ServerTime(script.server_now());
        desk.send_set(WHOLE, PositionMode::Hedge, stamp, permit).await;
    }
    let log = script.log.lock().unwrap();
    let left: Vec<i64> = log.iter().skip(1).map(|(at, _)| at.0).collect();
    assert_eq!(left.len(), 23);
    assert!(left.windows(6).all(|window| window[5] - window[0] >= 1000), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn i11_no_secret_of_a_unified_account_is_told_even_if_the_exchange_echoes_it() {
    let echo = r#"{"code":"12345","msg":"test-secret test-key","requestTime":NOW,"data":"test-pass"}"#;
    let (bitget, _) =
        Script::new(
            move |request| {
                if request.path.contains("/v3/") { body(400, echo) } else { flat(request) }
            },
        );
    let desk = ready(&bitget, "desk").await;
    let whose = desk.account(Purpose::New).await.unwrap_err();
    let look = desk.mode(WHOLE, Purpose::New).await.unwrap_err();
    let permit = desk.permit(WHOLE).await.unwrap();
    let shown = format!("{permit:?}");
    let (set, _) = desk.send_set(WHOLE, PositionMode::Hedge, ServerTime(START), permit).await;
    let told = format!("{whose:?} {look:?} {shown} {set:?} {desk:?} {bitget:?}");
    assert!(told.contains("12345") && told.contains("[redacted]"), "{told}");
    for secret in ["test-secret", "test-key", "test-pass"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn f55_a_basic_account_is_asked_for_the_categories_that_it_has() {
    let lists = [List::PlanOrders, List::Orders, List::Positions];
    for (level, categories, cost) in [
        (r#""basic""#, &["USDT-FUTURES", "USDC-FUTURES"][..], 10),
        (r#""advanced""#, &CATEGORIES, 14),
        (r#""isolated""#, &CATEGORIES, 14),
        (r#""delta""#, &CATEGORIES, 14),
        (r#""BASIC""#, &CATEGORIES, 14),
        ("7", &CATEGORIES, 14),
        ("null", &CATEGORIES, 14),
    ] {
        let settings = format!(r#"{{"uid":"1001","holdMode":"hedge_mode","accountLevel":{level}}}"#);
        let (bitget, script) = Script::new(move |request| {
            if request.path.ends_with("settings") {
                return done(&settings);
            }
            let refused = request.query.contains("COIN") && level == r#""basic""#;
            if refused { coded(400, "25240") } else { flat(request) }
        });
        let desk = ready(&bitget, "desk").await;
        desk.mode(WHOLE, Purpose::New).await.unwrap();
        for list in lists {
            let count = desk.count(WHOLE, list, Extent::Whole, Purpose::New).await.unwrap();
            assert_eq!(count.value, 0, "{level} {list:?}");
        }
        for category in CATEGORIES {
            let asked = script.asked().iter().filter(|asked| asked.contains(category)).count();
            assert_eq!(asked, if categories.contains(&category) { 4 } else { 0 }, "{level} {category}");
        }
        assert_eq!(desk.verdict_cost(WHOLE), cost, "{level}: and the set, and the read that confirms it");
    }
}

#[tokio::test(start_paused = true)]
async fn f55_a_category_that_is_refused_although_the_level_has_it_is_a_failed_look() {
    for code in ["25240", "25002", "25101", "40034"] {
        let (bitget, _) =
            Script::new(
                move |request| {
                    if request.query.contains("COIN") { coded(400, code) } else { flat(request) }
                },
            );
        let desk = ready(&bitget, "desk").await;
        desk.mode(WHOLE, Purpose::New).await.unwrap();
        assert!(desk.count(WHOLE, List::Orders, Extent::Whole, Purpose::New).await.is_err(), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_else_the_settings_say_is_kept_until_the_account_is_a_classic_one() {
    let classic = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_classic = Arc::clone(&classic);
    let (bitget, _) = Script::new(move |request| match request.path.ends_with("settings") {
        true if is_classic.load(std::sync::atomic::Ordering::Relaxed) => coded(400, "40084"),
        true => done(
            r#"{"holdMode":"hedge_mode","accountLevel":"advanced","assetMode":"multi_assets","stpMode":"a b\u001b"}"#,
        ),
        false => flat(request),
    });
    let desk = ready(&bitget, "desk").await;
    assert_eq!(desk.settings(), None);
    desk.kind(Purpose::New).await.unwrap();
    let word = |word: &str| Some(word.to_owned());
    let settings =
        AccountSettings { account_level: word("advanced"), asset_mode: word("multi_assets"), stp_mode: None };
    assert_eq!(desk.settings(), Some(settings));
    classic.store(true, std::sync::atomic::Ordering::Relaxed);
    desk.kind(Purpose::New).await.unwrap();
    assert_eq!(desk.settings(), None);
}
