//! Stories of keys, in virtual time: whose they are, what they may do, and how a new one takes the place of an old one.

use std::time::Duration;

use bitget_sim::{ApiKey, Exchange, NewAccount, PosMode, ProductType, Right, Uid};

use posmoded::ledger::CommandAnswer;

use crate::world::World;

const DESK: Uid = Uid(1001);
const OTHER: Uid = Uid(1002);
const USDT: ProductType = ProductType::UsdtFutures;
const TARGET: &str = "desk-a USDT-FUTURES";
const MINUTE: Duration = Duration::from_secs(60);

/// A file whose accounts want hedge mode for USDT-FUTURES; each with lines of its own.
fn file(accounts: &[(&str, &str)]) -> String {
    let one = |(name, lines): &(&str, &str)| {
        format!("  {name}:\n    position_mode: {{ USDT-FUTURES: hedge_mode }}\n{lines}")
    };
    format!(
        "version: 1\nmax_changes: 9\ndefaults: {{ drift: correct, settle: 10s }}\naccounts:\n{}...\n",
        accounts.iter().map(one).collect::<String>()
    )
}

fn account(exchange: &mut Exchange, uid: Uid, name: &str) {
    exchange.add_account(NewAccount::classic(uid, name).with_mode(USDT, PosMode::OneWayMode));
}

fn desk(exchange: &mut Exchange) {
    account(exchange, DESK, "desk-a");
}

fn refuses(code: Option<&str>) -> impl Fn(&mut Exchange) {
    let code = code.map(str::to_owned);
    move |exchange| exchange.key_mut("key-desk-a").unwrap().refused_with.clone_from(&code)
}

#[tokio::test(start_paused = true)]
async fn another_hosts_account_is_listed_and_not_one_request_is_made_for_it() {
    let world = World::started(&file(&[("desk-a", "    host: trade-02\n")]), desk).await;
    world.take_key("desk-a", true);
    world.pass(30 * MINUTE).await;
    let say = "unknown, elsewhere: The file gives this account to the host trade-02, and this one is called trade-01: it never \
               asks for the account and never sets it.";
    assert_eq!(world.line("desk-a account"), say);
    let asked = world.visitor().refresh(&["desk-a".parse().unwrap()]).unwrap();
    world.pass(3 * Duration::from_secs(1)).await;
    let nobody = "The file gives desk-a to the host trade-02, and no daemon of that name lives with this ledger: nobody looks at it.";
    let answer = world.visitor().answer(&asked.looked).unwrap();
    assert_eq!(answer, Some(CommandAnswer::Refused(nobody.to_owned())));
    assert_eq!(world.asked(), 0, "{:#?}", world.log());

    world.take_key("desk-a", false);
    world.write(&file(&[("desk-a", "    host: trade-01\n")]));
    world.until(MINUTE, "it is this host's now", |world| world.is_in_sync(TARGET)).await;
    world.write(&file(&[("desk-a", "    host: trade-02\n")]));
    world.until(MINUTE, "it is not any more", |world| world.line(TARGET) == say).await;
    let (before, flipped) = (world.asked(), PosMode::OneWayMode);
    world.exchange(|exchange| exchange.flip(DESK, USDT, flipped)).unwrap();
    world.pass(30 * MINUTE).await;
    assert_eq!((world.asked(), world.mode(DESK, USDT)), (before, flipped));
}

#[tokio::test(start_paused = true)]
async fn f74_a_host_that_is_renamed_keeps_what_the_file_gives_to_its_new_name_and_nothing_else() {
    let wants =
        file(&[("desk-a", "    host: trade-01.example\n"), ("desk-b", "    host: trade-02.example\n")]);
    let world = World::new(&wants, 1, |exchange| {
        account(exchange, DESK, "desk-a");
        account(exchange, OTHER, "desk-b");
    });
    // As before it is named: no host of a file.
    world.rename_host("(none)");
    let mut world = world;
    world.start().await;
    world.pass(10 * MINUTE).await;
    assert!(
        world.line("desk-a account").contains("this one is called (none)"),
        "{}",
        world.line("desk-a account")
    );
    assert_eq!(world.asked(), 0, "{:#?}", world.log());

    world.rename_host("trade-01");
    world.until(2 * MINUTE, "its account", |world| world.is_in_sync(TARGET)).await;
    let warnings = world.status().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].say.contains("this one is called trade-01: that is taken for the same host"),
        "{warnings:?}"
    );
    assert_eq!(world.mode(OTHER, USDT), PosMode::OneWayMode);

    // A rename counts before the next set: within the second in which the fleet has not seen it, too.
    world.exchange(|exchange| exchange.flip(DESK, USDT, PosMode::OneWayMode)).unwrap();
    let sets = || world.log().iter().filter(|entry| entry.method != "GET").count();
    let before = sets();
    world.rename_host("trade-02.example");
    world.until(2 * MINUTE, "the other one", |world| world.is_in_sync("desk-b USDT-FUTURES")).await;
    assert_eq!(world.mode(DESK, USDT), PosMode::OneWayMode);
    assert_eq!((sets(), world.status().warnings.len()), (before + 1, 0));
    let line = world.line(TARGET);
    assert!(line.contains("the host trade-01.example, and this one is called trade-02.example"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn f74_a_set_that_is_noted_when_the_host_is_renamed_does_not_leave() {
    let wants = file(&[("desk-a", "    host: trade-01\n")]);
    let sets = |world: &World| world.log().iter().filter(|entry| entry.method != "GET").count();
    let world = World::started(&wants, desk).await;
    let began = world.clock.now();
    world.pass(MINUTE).await;
    let set_at = world.sets(DESK, USDT).first().unwrap().at;
    let first = Duration::from_millis(u64::try_from(set_at.0 - began.0).unwrap());
    drop(world);
    for before in 1..20 {
        // The fleet looks once a second; the keeper before each step.
        let before = Duration::from_millis(50 * before);
        let world = World::started(&wants, desk).await;
        world.pass(first.saturating_sub(before)).await;
        world.rename_host("trade-02");
        world.pass(MINUTE).await;
        // What left already is on its way.
        if before > Duration::from_millis(50) {
            assert_eq!(sets(&world), 0, "renamed {before:?} before");
        }
        world.check_invariants(10 * Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_account_than_the_file_names_sets_nothing_until_one_of_the_two_is_corrected() {
    let named = |uid: &str| file(&[("desk-a", &format!("    uid: \"{uid}\"\n"))]);
    let world = World::started(&named("1002"), desk).await;
    world.pass(10 * MINUTE).await;
    // Its kind, too, is that of another account.
    let line = world.line("desk-a account");
    let says = "wrong_account: The key belongs to account 1001, and the file says that desk-a is account 1002: \
                nothing is changed.";
    assert!(line.contains(says), "{line}");
    assert_eq!(world.sets(DESK, USDT).len(), 0);
    world.write(&named("1001"));
    world.until(MINUTE, "the file is right", |world| world.is_in_sync(TARGET)).await;
    world.check_invariants(Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_say_whose_it_is_is_refused_where_the_file_names_an_account() {
    let nameless = |exchange: &mut Exchange| {
        desk(exchange);
        exchange.key_mut("key-desk-a").unwrap().reads_info = false;
    };
    let world = World::started(&file(&[("desk-a", "    uid: \"1001\"\n")]), nameless).await;
    world.pass(10 * MINUTE).await;
    let line = world.line("desk-a account");
    assert!(
        line.contains("wrong_account: ") && line.contains("lacks the right to say whose it is"),
        "{line}"
    );
    assert_eq!(world.sets(DESK, USDT).len(), 0);
    world.write(&file(&[("desk-a", "")]));
    world.until(MINUTE, "without it, it is no obstacle", |world| world.is_in_sync(TARGET)).await;
}

#[tokio::test(start_paused = true)]
async fn two_names_for_one_account_are_both_refused_until_one_is_gone() {
    let both = file(&[("desk-a", ""), ("desk-b", "    suspend: not yet\n")]);
    let two_keys = |exchange: &mut Exchange| {
        desk(exchange);
        exchange.add_key(DESK, ApiKey::named("desk-b")).unwrap();
    };
    let mut world = World::started(&both, two_keys).await;
    for _ in 0..2 {
        world.pass(10 * MINUTE).await;
        for (name, other) in [("desk-a", "desk-b"), ("desk-b", "desk-a")] {
            let says =
                format!("wrong_account: The key belongs to account 1001, and so does that of {other}:");
            let told = world.told();
            let of_it = told.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            assert!(of_it.contains(&says), "{told}");
        }
        assert_eq!(world.sets(DESK, USDT).len(), 0);
        world.kill().await;
        world.start().await;
    }
    world.write(&file(&[("desk-a", "")]));
    world.until(10 * MINUTE, "one is gone", |world| world.is_in_sync(TARGET)).await;
    assert_eq!(world.sets(DESK, USDT).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_given_another_key_of_the_account_of_another_is_refused_and_recovers_with_its_own() {
    let world = World::started(&file(&[("desk-a", ""), ("desk-b", "")]), |exchange| {
        desk(exchange);
        account(exchange, OTHER, "desk-b");
        exchange.add_key(DESK, ApiKey::named("second")).unwrap();
    })
    .await;
    world.until(MINUTE, "both are set", |world| world.is_in_sync("desk-b USDT-FUTURES")).await;
    world.give_key("desk-b", "second");
    world.reload();
    let changed = "this name has belonged to account 1002 so far";
    world.until(MINUTE, "told", |world| world.line("desk-b USDT-FUTURES").contains(changed)).await;
    assert!(
        !world.line(TARGET).contains("wrong_account"),
        "the other name's key is still its own: {}",
        world.told()
    );
    world.give_key("desk-b", "desk-b");
    world.reload();
    world.until(10 * MINUTE, "mended", |world| world.is_in_sync("desk-b USDT-FUTURES")).await;
}

#[tokio::test(start_paused = true)]
async fn f56_two_files_with_one_key_are_found_before_anything_is_asked_and_hold_both_names() {
    let mut world = World::new(&file(&[("desk-a", ""), ("desk-b", ""), ("desk-c", "")]), 1, |exchange| {
        desk(exchange);
        account(exchange, OTHER, "desk-b");
        account(exchange, Uid(1003), "desk-c");
    });
    world.give_key("desk-b", "desk-a");
    world.start().await;
    world.until(MINUTE, "the third is set", |world| world.is_in_sync("desk-c USDT-FUTURES")).await;
    world.pass(10 * MINUTE).await;
    for name in ["desk-a", "desk-b"] {
        let line = world.line(&format!("{name} account"));
        assert!(line.starts_with("unknown, wrong_account: The files of "), "{line}");
    }
    let asked = world.log().iter().filter(|entry| entry.account.is_some_and(|uid| uid != Uid(1003))).count();
    assert_eq!(asked, 0);
    let limited = world.log().iter().filter(|entry| entry.status == Some(429)).count();
    assert_eq!(limited, 0, "no lane is used twice");

    // Each has its own: both are kept from the reload on.
    world.give_key("desk-b", "desk-b");
    world.reload();
    world.until(MINUTE, "both", |world| world.told().matches("in_sync").count() == 3).await;
    // A file that is overwritten later holds both names, too, though the other one's is as it was.
    world.give_key("desk-b", "desk-a");
    world.reload();
    let held = |world: &World| world.told().matches("wrong_account").count() == 2;
    world.until(MINUTE, "both are held", held).await;
    world.exchange(|exchange| exchange.flip(DESK, USDT, PosMode::OneWayMode)).unwrap();
    world.pass(30 * MINUTE).await;
    assert_eq!(world.mode(DESK, USDT), PosMode::OneWayMode);
    // Without a reload the files are read again every quarter of an hour.
    world.give_key("desk-b", "desk-b");
    world.until(16 * MINUTE, "both", |world| world.told().matches("in_sync").count() == 3).await;
    world.check_invariants(Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_rests_and_a_new_one_in_its_file_is_tried_at_once() {
    let world = World::started(&file(&[("desk-a", "")]), desk).await;
    world.until(MINUTE, "set", |world| world.is_in_sync(TARGET)).await;

    // The file had its new key before the old one was refused.
    world.exchange(|exchange| exchange.add_key(DESK, ApiKey::named("second"))).unwrap();
    world.give_key("desk-a", "second");
    world.exchange(refuses(Some("40037")));
    world.pass(3 * MINUTE).await;
    assert!(world.is_in_sync(TARGET), "{}", world.told());

    // The key is refused and the file stays as it is: it is asked for once in a quarter of an hour.
    world.exchange(|exchange| exchange.remove_key("key-second")).unwrap();
    world.until(2 * MINUTE, "refused", |world| world.line(TARGET).contains("credential: ")).await;
    let before = world.asked();
    world.pass(14 * MINUTE).await;
    assert_eq!(world.asked(), before);

    // Put in place while it rests: taken up when the rest is over, without a reload.
    world.exchange(|exchange| exchange.add_key(DESK, ApiKey::named("third"))).unwrap();
    world.give_key("desk-a", "third");
    world.until(2 * MINUTE, "taken up", |world| world.is_in_sync(TARGET)).await;
    assert_eq!(world.sets(DESK, USDT).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_turns_from_refused_to_good_is_good_at_once_on_reload() {
    let world = World::started(&file(&[("desk-a", "")]), |exchange| {
        desk(exchange);
        refuses(Some("40012"))(exchange);
    })
    .await;
    world.until(MINUTE, "refused", |world| world.line(TARGET).contains("credential: ")).await;
    world.exchange(refuses(None));
    world.pass(5 * MINUTE).await;
    assert!(world.line(TARGET).contains("credential: "), "{}", world.told());
    world.reload();
    let took = world.until(MINUTE, "good", |world| world.is_in_sync(TARGET)).await;
    assert!(took <= Duration::from_secs(20), "settle and a few looks, not {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_key_of_another_account_never_sets_that_ones_mode() {
    let world = World::started(&file(&[("desk-a", "")]), |exchange| {
        desk(exchange);
        account(exchange, OTHER, "other");
    })
    .await;
    world.until(MINUTE, "set", |world| world.is_in_sync(TARGET)).await;
    world.give_key("desk-a", "other");
    world.exchange(refuses(Some("40037")));
    world.pass(30 * MINUTE).await;
    let says =
        "wrong_account: The key belongs to account 1002, and this name has belonged to account 1001 so far";
    assert!(world.line(TARGET).contains(says), "{}", world.told());
    assert_eq!((world.sets(OTHER, USDT).len(), world.mode(OTHER, USDT)), (0, PosMode::OneWayMode));
}

#[tokio::test(start_paused = true)]
async fn the_right_to_withdraw_and_a_missing_one_are_warned_of_in_the_status() {
    let world = World::started(&file(&[("desk-a", "")]), |exchange| {
        desk(exchange);
        let key = exchange.key_mut("key-desk-a").unwrap();
        (key.withdraws, key.right) = (true, Right::Read);
    })
    .await;
    world.until(MINUTE, "warned of", |world| world.status().warnings.len() == 2).await;
    let warnings = world.status().warnings;
    assert!(warnings[0].say.starts_with("The key may withdraw, "), "{warnings:?}");
    assert!(warnings[1].say.starts_with("The key may read futures only, "), "{warnings:?}");
    world.until(MINUTE, "refused", |world| world.line(TARGET).contains("denied: ")).await;
    assert!(world.line(TARGET).contains("\"futures, read and write\""), "{}", world.told());

    world.exchange(|exchange| {
        let key = exchange.key_mut("key-desk-a").unwrap();
        (key.withdraws, key.right) = (false, Right::ReadWrite);
    });
    world.reload();
    world.until(MINUTE, "mended", |world| world.is_in_sync(TARGET)).await;
    assert_eq!(world.status().warnings, []);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_keeper_takes_up_its_inputs_ends_it_at_once() {
    let mut world = World::started(&file(&[("desk-a", "")]), desk).await;
    world.until(MINUTE, "set", |world| world.is_in_sync(TARGET)).await;
    world.stop_at_the_next_key();
    let began = world.clock.now();
    world.reload();
    world.stop_comes().await;
    let took = world.clock.now().since(began);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
