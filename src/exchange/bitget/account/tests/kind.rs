//! The kind: every answer to the settings and to the requests after them, and the conclusion from it.

use super::*;
use crate::position_mode::{Kind, Uid};

const SETTINGS: &str = "account/settings";
const KEY: &str = "v3/account/info";
const INFO: &str = "spot/account/info";
const POSITIONS: &str = "mix/position/all-position";

type Given = (&'static str, Result<Response, TransportError>);

/// An exchange with these answers, and with an unknown code for every other call but its time.
fn gives<const N: usize>(answers: [Given; N]) -> (Bitget<Script>, Script) {
    Script::new(move |request| {
        let given = answers.iter().find(|(path, _)| request.path.ends_with(path));
        match given {
            Some((_, answer)) => answer.clone(),
            None if request.path.ends_with("public/time") => usual(request),
            None => coded(400, "12345"),
        }
    })
}

fn settings(mode: &str) -> Result<Response, TransportError> {
    done(&format!(r#"{{"uid":"1001","accountMode":"{mode}","holdMode":"hedge_mode"}}"#))
}

/// The conclusion, and the requests made for it.
async fn told(way: (Bitget<Script>, Script)) -> (Result<Identity, Failure>, Vec<String>) {
    let (bitget, script) = way;
    let desk = ready(&bitget, "desk").await;
    let found = desk.account(Purpose::New).await.map(|answer| {
        assert_eq!(answer.answered, script.clock.now());
        assert_eq!(answer.value.at, answer.answered);
        let asked =
            script.log.lock().unwrap().iter().find(|(_, request)| request.path.contains("/v3/")).unwrap().0;
        assert_eq!(answer.asked, asked, "from the first question on");
        answer.value
    });
    (found, script.asked())
}

async fn check<const N: usize>(
    answers: [Given; N],
    expected: Result<(Option<&str>, Kind), Class>,
    paths: &[&str],
) {
    let name = format!("{answers:?}");
    let (found, asked) = told(gives(answers)).await;
    let asked: Vec<&str> = asked.iter().filter_map(|asked| asked.split('?').next()).collect();
    let found = found.map(|Identity { uid, kind, uid_right: _, warnings: _, at: _ }| (uid, kind));
    let expected = expected.map(|(uid, kind)| (uid.map(|uid| Uid(uid.to_owned())), kind));
    assert_eq!(found.map_err(|failure| failure.class), expected, "{name}");
    assert!(
        asked.len() == paths.len() && asked.iter().zip(paths).all(|(asked, path)| asked.ends_with(path)),
        "{asked:?}, not {paths:?}: {name}"
    );
}

const CLASSIC: Result<(Option<&str>, Kind), Class> = Ok((Some("1001"), Kind::Classic));
const NAMELESS: Result<(Option<&str>, Kind), Class> = Ok((None, Kind::Classic));
const UNIFIED: Result<(Option<&str>, Kind), Class> = Ok((Some("1001"), Kind::Unified));

#[tokio::test(start_paused = true)]
async fn f50_settings_with_a_mode_are_those_of_a_unified_account() {
    let key = || (KEY, done(r#"{"userId":"1001"}"#));
    check([(SETTINGS, settings("unified")), key()], UNIFIED, &[SETTINGS, KEY]).await;
    check([(SETTINGS, settings("upgrading")), key()], Err(Class::Converting), &[SETTINGS]).await;
    check([(SETTINGS, settings("switching")), key()], Err(Class::Converting), &[SETTINGS]).await;
    // An unknown word does not contradict a mode.
    for word in ["hybrid", "UNIFIED", "unified2", ""] {
        check([(SETTINGS, settings(word)), key()], UNIFIED, &[SETTINGS, KEY]).await;
    }
    let wordless = done(r#"{"uid":"1001","holdMode":"hedge_mode"}"#);
    check([(SETTINGS, wordless), key()], UNIFIED, &[SETTINGS, KEY]).await;
    // An account that is being converted need not even have a mode.
    let bare = done(r#"{"accountMode":"upgrading"}"#);
    check([(SETTINGS, bare), key()], Err(Class::Converting), &[SETTINGS]).await;
}

#[tokio::test(start_paused = true)]
async fn f34_settings_that_lack_what_they_must_hold_tell_no_kind() {
    let key = || (KEY, done(r#"{"userId":"1001"}"#));
    for data in [
        "{}",
        "[]",
        "null",
        r#""success""#,
        r#"{"uid":"1001"}"#,
        r#"{"uid":"1001","accountMode":null}"#,
        r#"{"uid":"1001","accountMode":""}"#,
        r#"{"uid":"1001","accountMode":"two words"}"#,
        r#"{"uid":"1001","accountMode":"unified"}"#,
        r#"{"uid":"1001","accountMode":"hybrid","holdMode":null}"#,
        r#"{"uid":"1001","accountMode":"unified","holdMode":"both"}"#,
        r#"{"accountMode":"unified","holdMode":"hedge_mode"}"#,
        r#"{"uid":"","accountMode":"unified","holdMode":"hedge_mode"}"#,
        r#"{"uid":null,"accountMode":"unified","holdMode":"hedge_mode"}"#,
    ] {
        check([(SETTINGS, done(data)), key()], Err(Class::TryAgain), &[SETTINGS]).await;
    }
    // What is pinned is never as long as an answer may be, and has nothing in it that steers a terminal.
    for uid in ["7".repeat(33), "1001\\n".to_owned(), "10 01".to_owned()] {
        let data = format!(r#"{{"uid":"{uid}","accountMode":"unified","holdMode":"hedge_mode"}}"#);
        check([(SETTINGS, done(&data)), key()], Err(Class::TryAgain), &[SETTINGS]).await;
    }
    for answer in [
        body(200, ""),
        body(200, "<html></html>"),
        body(200, r#"{"code":"00000","requestTime":NOW,"data":{"uid":"1001","accountM"#),
        body(200, r#"{"code":"00000","data":{"uid":"1001","accountMode":"unified"}}"#),
        body(200, r#"{"code":"00000","requestTime":NOW}"#),
    ] {
        check([(SETTINGS, answer), key()], Err(Class::TryAgain), &[SETTINGS]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_settings_says_classic_in_two_codes_and_in_no_other() {
    let info = || (INFO, done(r#"{"userId":"1001"}"#));
    for code in ["40084", "25245"] {
        check([(SETTINGS, coded(400, code)), info()], CLASSIC, &[SETTINGS, INFO]).await;
        check([(SETTINGS, coded(200, code)), info()], CLASSIC, &[SETTINGS, INFO]).await;
        check([(SETTINGS, coded(500, code)), info()], Err(Class::TryAgain), &[SETTINGS]).await;
        check([(SETTINGS, coded(429, code)), info()], Err(Class::RateLimited), &[SETTINGS]).await;
    }
    let untimed = body(400, r#"{"code":"40084","msg":"m"}"#);
    check([(SETTINGS, untimed), info()], CLASSIC, &[SETTINGS, INFO]).await;
    for (code, class) in [
        ("40115", Class::Converting),
        ("40085", Class::WrongKind),
        ("40128", Class::WrongKind),
        ("40018", Class::Denied),
        ("40006", Class::Credential),
        ("40099", Class::Credential),
        ("40013", Class::AccountStatus),
        ("40008", Class::Clock),
        ("40404", Class::OurFault),
        ("40725", Class::TryAgain),
        ("30007", Class::RateLimited),
        ("40731", Class::LeadsCopies),
        ("99999", Class::UnknownCode),
    ] {
        check([(SETTINGS, coded(400, code)), info()], Err(class), &[SETTINGS]).await;
    }
    let lost = Err(TransportError::Unanswered("closed".to_owned()));
    check([(SETTINGS, lost), info()], Err(Class::TryAgain), &[SETTINGS]).await;
}

#[tokio::test(start_paused = true)]
async fn whose_a_classic_account_is_its_info_tells_or_nobody_and_never_another_kind() {
    let classic = || (SETTINGS, coded(400, "40084"));
    let both = &[SETTINGS, INFO];
    check([classic(), (INFO, coded(400, "40014"))], NAMELESS, both).await;
    for data in ["{}", r#"{"userId":""}"#, r#"{"userId":1001}"#, "[]"] {
        check([classic(), (INFO, done(data))], Err(Class::TryAgain), both).await;
    }
    for (code, class) in [
        ("40085", Class::WrongKind),
        ("40084", Class::WrongKind),
        ("40115", Class::Converting),
        ("40018", Class::Denied),
        ("40725", Class::TryAgain),
    ] {
        check([classic(), (INFO, coded(400, code))], Err(class), both).await;
    }
    check([classic(), (INFO, coded(500, "40014"))], Err(Class::TryAgain), both).await;
    let untimed = || body(400, r#"{"code":"40014","msg":"m"}"#);
    check([classic(), (INFO, untimed())], NAMELESS, both).await;
    let never = (SETTINGS, body(400, r#"{"code":"40084"}"#));
    check([never, (INFO, untimed())], Err(Class::TryAgain), both).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_settings_may_not_be_read_a_futures_read_tells_the_kind() {
    let info = || (INFO, done(r#"{"userId":"1001"}"#));
    let denied = |code| (SETTINGS, coded(400, code));
    let (two, three) = (&[SETTINGS, POSITIONS], &[SETTINGS, POSITIONS, INFO]);
    for code in ["40014", "40025", "40040", "40301", "25620", "40061", "40068", "25013"] {
        check([denied(code), (POSITIONS, done("[]")), info()], CLASSIC, three).await;
        check([denied(code), (POSITIONS, coded(400, "40085")), info()], Err(Class::Denied), two).await;
    }
    let held = r#"[{"total":"1"}]"#;
    check([denied("40014"), (POSITIONS, done(held)), info()], CLASSIC, three).await;
    check([denied("40014"), (POSITIONS, done("[]")), (INFO, coded(400, "40014"))], NAMELESS, three).await;
    check([(SETTINGS, coded(500, "40014")), info()], Err(Class::TryAgain), &[SETTINGS]).await;
    for (answer, class) in [
        (coded(400, "40014"), Class::Denied),
        (coded(400, "40084"), Class::WrongKind),
        (coded(400, "40128"), Class::Denied),
        // A classic account that leads copy trading receives its own code, too.
        (coded(400, "40731"), Class::LeadsCopies),
        (coded(400, "40115"), Class::Converting),
        (coded(400, "40725"), Class::TryAgain),
        (coded(500, "40085"), Class::TryAgain),
        (coded(400, "99999"), Class::UnknownCode),
        (body(200, ""), Class::TryAgain),
        (done("{}"), Class::TryAgain),
        (done(r#"{"list":[]}"#), Class::TryAgain),
    ] {
        check([denied("40014"), (POSITIONS, answer), info()], Err(class), two).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f54_whose_a_unified_account_is_its_settings_tell_whatever_the_call_for_rights_answers() {
    let unified = || (SETTINGS, settings("unified"));
    let both = &[SETTINGS, KEY];
    check([unified(), (KEY, coded(400, "40014"))], UNIFIED, both).await;
    check([unified(), (KEY, body(400, r#"{"code":"40014"}"#))], UNIFIED, both).await;
    check([unified(), (KEY, done("{}"))], UNIFIED, both).await;
    // This call only adds the key's rights: any other content leaves them unknown.
    for data in [r#"{"userId":1001}"#, "[]", "{}"] {
        check([unified(), (KEY, done(data))], UNIFIED, both).await;
    }
    for code in ["40404", "40081", "40105", "40725", "99999"] {
        check([unified(), (KEY, coded(400, code))], UNIFIED, both).await;
    }
    check([unified(), (KEY, body(404, "<html>"))], UNIFIED, both).await;
    check([unified(), (KEY, body(503, "<html>"))], UNIFIED, both).await;
    check([unified(), (KEY, body(429, ""))], UNIFIED, both).await;
    for data in [r#"{"userId":"1002"}"#, r#"{"userId":""}"#] {
        check([unified(), (KEY, done(data))], Err(Class::TryAgain), both).await;
    }
    for (code, class) in [
        ("40084", Class::WrongKind),
        ("25245", Class::WrongKind),
        ("40115", Class::Converting),
        ("40018", Class::Denied),
    ] {
        check([unified(), (KEY, coded(400, code))], Err(class), both).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_against_a_kind_is_told_in_a_sentence() {
    let mut sentences = Vec::new();
    for answers in [
        [(SETTINGS, settings("upgrading")), (KEY, done("{}"))],
        [(SETTINGS, done(r#"{"uid":"1001","accountMode":"hybrid"}"#)), (KEY, done("{}"))],
        [(SETTINGS, coded(400, "40115")), (KEY, done("{}"))],
        [(SETTINGS, coded(400, "40014")), (POSITIONS, coded(400, "40085"))],
        [(SETTINGS, coded(400, "40084")), (INFO, coded(400, "40085"))],
        [(SETTINGS, settings("unified")), (KEY, done(r#"{"userId":"1002"}"#))],
    ] {
        let Failure { class, code, say } = told(gives(answers)).await.0.unwrap_err();
        sentences.push(format!("{class:?} {}: {say}", code.unwrap_or_default()));
    }
    expect_test::expect![[r#"
        Converting : Bitget answered the call settings: accountMode upgrading, Bitget is converting the account; it is asked again every minute
        TryAgain : Bitget answered the call settings: settings without a holdMode (HTTP 200). The answer: code 00000, "m"
        Converting 40115: Bitget answered the call settings: 40115, Bitget is converting the account; it is asked again every minute
        Denied 40014: Bitget answered the call settings: 40014, the account is a unified one and the key lacks a right, so that its settings cannot be read: allow it "UTA mgt., read and write" and "UTA trade, read" at Bitget
        WrongKind 40085: Bitget answered the call account-info: 40085, the account is a unified one; its kind is looked at again
        TryAgain : Bitget answered the call unified-account-info: another userId than the settings have (HTTP 200). The answer: code 00000, "m""#]].assert_eq(&sentences.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_rights_of_a_key_are_warned_of_where_its_account_tells_them() {
    let reads = r#"{"userId":"1001","permType":"read-only","permissions":["uta_mgt","uta_trade"]}"#;
    let withdraws = r#"{"userId":"1001","authorities":["cpow","wwow"]}"#;
    let cases = [
        ([(SETTINGS, settings("unified")), (KEY, done(reads))], Some("may read the account's settings only")),
        ([(SETTINGS, settings("unified")), (KEY, coded(400, "40014"))], None),
        ([(SETTINGS, coded(400, "40084")), (INFO, done(withdraws))], Some("may withdraw")),
        ([(SETTINGS, coded(400, "40084")), (INFO, coded(400, "40014"))], None),
    ];
    for (answers, expected) in cases {
        let name = format!("{answers:?}");
        let warnings = told(gives(answers)).await.0.unwrap().warnings;
        assert_eq!(warnings.len(), expected.iter().count(), "{name}");
        assert!(expected.is_none_or(|part| warnings[0].contains(part)), "{name}: {warnings:?}");
    }
}
