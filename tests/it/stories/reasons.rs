//! Every reason there is: what brings it about in the whole daemon, and that the operators' guide has a row for it.

use bitget_sim::{Blocker, Fault, FaultKind, HoldSide, PosMode};
use posmoded::facts::Requirement;
use posmoded::protocol::Reason;
use posmoded::source::FileState;
use strum::VariantArray as _;

use super::*;

/// What an operator sees, or somebody does, until a reason is the first one of desk-a.
struct Scene {
    file: String,
    /// Before the daemon starts.
    first: fn(&World),
    /// Once desk-a has been looked at.
    then: fn(&World),
}

fn scene(file: String, first: fn(&World), then: fn(&World)) -> Scene {
    Scene { file, first, then }
}

/// One per reason: a new one does not compile without.
fn scene_of(reason: Reason) -> Scene {
    let hedge = || file(&[("desk-a", HEDGE)]);
    let with = |more: &str| file(&[("desk-a", &format!("{HEDGE}, {more}"))]);
    match reason {
        Reason::Crashed => scene(hedge(), |world| world.crash("desk-a", true), nothing),
        Reason::Unexpected => {
            scene(hedge(), |world| faulty(world, code("98765"), "account/account"), nothing)
        }
        Reason::Elsewhere => scene(with("host: trade-02"), nothing, nothing),
        Reason::WrongAccount => scene(with("uid: \"1002\""), nothing, nothing),
        Reason::KeyTaken => {
            scene(hedge(), |world| world.claim_keys(Some("Another process has it: stop one.")), nothing)
        }
        Reason::Credential => scene(hedge(), |world| world.take_key("desk-a", true), nothing),
        Reason::Denied => scene(hedge(), |world| faulty(world, code("40014"), "all-position"), nothing),
        Reason::Refused => scene(
            hedge(),
            |world| world.exchange(|exchange| exchange.refuse_sets(DESK_A, Some("40775"))).unwrap(),
            nothing,
        ),
        Reason::Unsatisfiable => scene(
            hedge(),
            |world| world.exchange(|exchange| exchange.set_kind(DESK_A, Kind::Unified)).unwrap(),
            nothing,
        ),
        Reason::KindUnknown => scene(hedge(), |world| faulty(world, code("40085"), "settings"), nothing),
        Reason::Converting => scene(
            hedge(),
            |world| {
                world.exchange(|exchange| {
                    exchange.key_mut("key-desk-a").unwrap().refused_with = Some("40115".to_owned());
                });
            },
            nothing,
        ),
        Reason::Unreachable => scene(hedge(), nothing, |world| world.cut(true)),
        Reason::Clock => scene(hedge(), |world| faulty(world, code("40008"), "all-position"), nothing),
        Reason::Ledger => {
            scene(hedge(), nothing, |world| {
                world.sql("CREATE TRIGGER trouble BEFORE INSERT ON intents BEGIN SELECT RAISE(ABORT, 'trouble'); END");
            })
        }
        Reason::OutcomeUnknown => scene(hedge(), |world| faulty(world, FaultKind::DropRequest, SET), nothing),
        Reason::Verifying => scene(
            hedge(),
            |world| world.exchange(|exchange| exchange.switches_mut().read_lag_ms = 5_000),
            nothing,
        ),
        Reason::RateLimited => {
            scene(hedge(), |world| faulty(world, FaultKind::TooManyRequests, "orders-pending"), nothing)
        }
        Reason::Suspended => scene(with("suspend: until the review is done"), nothing, nothing),
        Reason::Paused => scene(hedge(), nothing, |world| {
            world.visitor().pause(&[], "maintenance", None).map(drop).unwrap();
        }),
        Reason::File => scene(hedge(), nothing, |world| world.say(FileState::Changing)),
        Reason::Held => scene(
            file_with(1, "drift: correct", &[("desk-a", HEDGE), ("desk-b", HEDGE)]),
            // desk-b goes first.
            |world| faulty(world, FaultKind::Delay { after: 2 * SECOND }, "all-position"),
            nothing,
        ),
        Reason::Reported => scene(with("drift: report"), nothing, nothing),
        Reason::Window => {
            let newyear =
                "windows: { newyear: { opens: 0 0 2 1 1 *, lasts: 1h, time_zone: UTC } }\naccounts:";
            scene(with("windows: [newyear]").replace("accounts:", newyear), nothing, nothing)
        }
        Reason::Requirement => scene(
            with("require: [{ unit_inactive: arb.service }]"),
            |world| {
                let requirement = Requirement::UnitInactive("arb.service".to_owned());
                world.host_shows(&requirement, Some("arb.service is active"));
            },
            nothing,
        ),
        Reason::NotFlat => scene(
            hedge(),
            |world| {
                world
                    .exchange(|exchange| exchange.open_position(DESK_A, USDT, "BTCUSDT", HoldSide::Long, "1"))
                    .unwrap();
            },
            nothing,
        ),
        Reason::RefusedThoughFlat => scene(
            hedge(),
            |world| {
                world
                    .exchange(|exchange| exchange.set_hidden_blocker(DESK_A, USDT, Blocker::Running))
                    .unwrap();
            },
            nothing,
        ),
        // The one comes by itself; of the other somebody takes care below.
        Reason::Settling | Reason::Fighting => scene(hedge(), nothing, nothing),
        Reason::Acting => {
            scene(hedge(), |world| faulty(world, FaultKind::Delay { after: 3 * SECOND }, SET), nothing)
        }
    }
}

fn nothing(_: &World) {}

fn code(code: &str) -> FaultKind {
    FaultKind::Code { status: 400, code: code.to_owned() }
}

fn faulty(world: &World, kind: FaultKind, path: &str) {
    world.exchange(|exchange| exchange.inject(Fault::always(kind).on(path).for_account(DESK_A)));
}

#[tokio::test(start_paused = true)]
async fn every_reason_is_brought_about_and_told_in_a_sentence() {
    for reason in Reason::VARIANTS.iter().copied() {
        let Scene { file, first, then } = scene_of(reason);
        let mut world = World::new(&file, 1, desks);
        first(&world);
        world.start().await;
        world.pass(10 * SECOND).await;
        then(&world);
        let is_shown = |world: &World| {
            if reason == Reason::Fighting && world.is_in_sync(A_USDT) {
                // Somebody sets it back whenever it is right.
                world.exchange(|exchange| exchange.flip(DESK_A, USDT, PosMode::OneWayMode)).unwrap();
            }
            world.status().targets.iter().any(|target| {
                let said = target.say.as_ref().is_some_and(|say| say.len() > 20);
                target.account.as_str() == "desk-a" && target.reason == Some(reason) && said
            })
        };
        world.until(30 * MINUTE, reason.as_str(), is_shown).await;
    }
}

#[test]
fn the_guide_has_a_row_for_every_reason_and_for_no_other() {
    let guide = std::fs::read_to_string("deploy/README.md").unwrap();
    let rows: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| <a id=\"")?.split_once("\"></a>`"))
        .filter_map(|(anchor, row)| row.starts_with(anchor).then_some(anchor))
        .collect();
    let reasons: Vec<&str> = Reason::VARIANTS.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(rows, reasons, "one row per reason, in the order in which they win");
}

const SET: &str = "set-position-mode";
