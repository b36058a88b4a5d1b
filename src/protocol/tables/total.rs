//! Every combination of facts has a step, a reason and a sentence; and the protocol never spins.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use strum::{IntoEnumIterator as _, VariantArray as _};

use super::situation::{OFFSET, Situation, failure, hours, minutes, required, seconds, window};
use super::story::{Exchange, take};
use super::{in_words, of_a_desk, step_for};
use crate::facts::{
    AccountFacts, Applied, Brakes, Cause, Change, Class, Closing, DriftPolicy, Elsewhere, Failing, FlatSpan,
    Flatness, Generation, Guard, HostReading, How, Identity, Intent, IntentId, IntentState, LateSet,
    LedgerTrouble, OwnerDue, Pause, Policy, Reading, Refusals, RequestId, Requirements, Seen, ServerClock,
    SetAnswer, Stretch, TargetFacts, VerdictInProgress, Wait, Wanted,
};
use crate::facts::{HeldPlan, List};
use crate::moment::{Jitter, Moment, ServerTime};
use crate::position_mode::{Declared, Kind, PositionMode};
use crate::protocol::{Look, Reason, Rest, Standing, State, Step, say};
use crate::window::Windows;

const NOW: Moment = Moment(1_800_000_000_000);

/// More steps than this at one moment are a spin: the longest valid run leads from an unseen account to a recorded set.
const AT_ONCE: usize = 25;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_is_always_a_step_a_reason_and_a_sentence(situation in situations()) {
        let (facts, now) = (situation.facts(), situation.now);
        let Standing { state, blockers, .. } = Standing::of(&facts, now);
        let may_be_empty = matches!(state, State::InSync | State::Unknown);
        prop_assert!(!blockers.is_empty() || may_be_empty);
        if let Step::Rest(Rest { until, ends_with: _ }) = step_for(&situation) {
            prop_assert!(until > now, "rests until {} ms ago", now.0 - until.0);
        }
        let is_quiet = now < situation.account.quiet_until;
        prop_assert!(!is_quiet || !matches!(step_for(&situation), Step::Note(_)));
        let accepted = |intent: &Intent| matches!(intent.state, IntentState::Accepted { .. });
        let may_read = facts.account.ledger_away.is_none() || facts.target.intent.as_ref().is_some_and(accepted);
        prop_assert!(may_read || !matches!(step_for(&situation), Step::Look(_) | Step::LookAtHost | Step::Note(_)));
        for reason in blockers.iter() {
            let told = say(reason, &facts, &of_a_desk(), now);
            prop_assert!(is_a_sentence(&told), "{}: {:?}", reason, told);
        }
    }

    #[test]
    fn it_never_spins_though_looks_take_no_time(start in situations(), exchange in exchanges()) {
        let (mut situation, mut exchange) = (start, exchange);
        let mut at_once = Vec::new();
        for _ in 0..120 {
            let step = step_for(&situation);
            if matches!(step, Step::Rest(_)) {
                at_once.clear();
            } else {
                at_once.push(in_words(&step, situation.now));
            }
            prop_assert!(at_once.len() <= AT_ONCE, "{at_once:#?}");
            take(&step, &mut situation, &mut exchange);
        }
    }
}

/// Begins with a capital, ends with a full stop, and contains no artefact of formatting.
fn is_a_sentence(told: &str) -> bool {
    let artefacts = ["None", "Some(", "Moment", "Duration", "  ", "..", " .", ": ,", ": ."];
    told.len() > 8
        && told.ends_with('.')
        && told.starts_with(char::is_uppercase)
        && !artefacts.iter().any(|artefact| told.contains(artefact))
}

fn fails() -> BoxedStrategy<Option<(Look, Class)>> {
    let list = prop_oneof![Just(List::PlanOrders), Just(List::Orders), Just(List::Positions)];
    let look = prop_oneof![3 => list.clone().prop_map(Look::List), 1 => list.prop_map(Look::Open), 1 => Just(Look::Mode)];
    option::of((look, answered())).boxed()
}

/// The classes that an exchange may answer: all but our own limits, which never promise a permit for the past.
fn answered() -> BoxedStrategy<Class> {
    classes().prop_filter("no answer", |class| class.our_own_limit().is_none()).boxed()
}

fn exchanges() -> BoxedStrategy<Exchange> {
    let rows = || prop_oneof![3 => Just(0_u32), 1 => 1..3_u32];
    let answer = prop_oneof![
        3 => Just(SetAnswer::Accepted),
        1 => Just(SetAnswer::unclear("timeout")),
        2 => answered().prop_map(|class| SetAnswer::Refused(failure(class))),
        1 => Just(SetAnswer::NotSent(failure(Class::TryAgain))),
    ];
    (modes(), rows(), rows(), rows(), answer, any::<bool>(), -40_000..40_000_i64, hosts(), fails())
        .prop_map(|(mode, plan_orders, orders, positions, answer, obeys, drift, unmet, fails)| Exchange {
            mode,
            plan_orders,
            orders,
            positions,
            answer,
            obeys,
            offset: OFFSET + drift,
            unmet,
            took: Duration::ZERO,
            fails,
        })
        .boxed()
}

fn situations() -> BoxedStrategy<Situation> {
    (accounts(), brakes(), targets())
        .prop_map(|(account, brakes, target)| Situation { account, brakes, target, now: NOW })
        .boxed()
}

/// Up to two hours ago, and often only seconds ago.
fn past() -> BoxedStrategy<Moment> {
    prop_oneof![Just(0_i64), 0..12_000_i64, 0..400_000_i64, 0..7_200_000_i64]
        .prop_map(|ago| Moment(NOW.0 - ago))
        .boxed()
}

fn around() -> BoxedStrategy<Moment> {
    prop_oneof![past(), past().prop_map(|at| NOW + NOW.since(at))].boxed()
}

fn server() -> BoxedStrategy<ServerTime> {
    around().prop_map(|at| ServerTime(at.0 + OFFSET)).boxed()
}

fn modes() -> BoxedStrategy<PositionMode> {
    prop_oneof![Just(PositionMode::OneWay), Just(PositionMode::Hedge)].boxed()
}

fn jitters() -> BoxedStrategy<Jitter> {
    (0..=1000_u16).prop_map(Jitter).boxed()
}

fn classes() -> BoxedStrategy<Class> {
    let all: Vec<Class> = Class::iter().collect();
    (proptest::sample::select(all), around()).prop_map(|(class, until)| class.ending(until)).boxed()
}

fn failings() -> BoxedStrategy<Failing> {
    (classes(), past(), past(), any::<u32>(), jitters())
        .prop_map(|(class, since, at, tries, jitter)| Failing {
            failure: failure(class),
            since,
            at,
            tries,
            jitter,
        })
        .boxed()
}

fn accounts() -> BoxedStrategy<AccountFacts> {
    let kinds = || prop_oneof![4 => Just(Kind::Classic), 1 => Just(Kind::Unified)];
    let owners = prop_oneof![
        Just(OwnerDue::BeforeAnything),
        Just(OwnerDue::OnceAModeDiffers),
        Just(OwnerDue::BeforeASet)
    ];
    let identity = (kinds(), past()).prop_map(|(kind, at)| Identity {
        uid: None,
        kind,
        uid_right: "read",
        warnings: Vec::new(),
        at,
    });
    let clock = (-30_000..30_000_i64, 0..25_000_u64, past()).prop_map(|(off, doubt, measured)| ServerClock {
        offset: OFFSET + off,
        doubt: Duration::from_millis(doubt),
        measured,
    });
    (
        (
            option::weighted(
                0.05,
                Just(Elsewhere { host: "trade-02".to_owned(), here: "trade-01".to_owned() }),
            ),
            option::weighted(0.05, Just(vec!["trade-01".to_owned(), "trade-02".to_owned()])),
        ),
        (
            option::weighted(0.05, Just("The ledger's database cannot be reached.".to_owned())),
            option::weighted(0.1, Just("There is no file desk-main: put one there.".to_owned())),
        ),
        option::weighted(0.1, Just("The files a and b hold the same key.".to_owned())),
        (
            option::weighted(0.9, kinds()),
            option::weighted(0.9, identity),
            owners,
            option::weighted(0.2, failings()),
        ),
        option::weighted(0.1, Just("The key belongs to another account.".to_owned())),
        option::weighted(0.1, Just(Declared::PerProduct(BTreeMap::new()))),
        (option::weighted(0.1, server()), gone_or(around()), gone_or(around())),
        option::weighted(0.3, failings()),
        (option::weighted(0.9, clock), option::weighted(0.1, Just("It has jumped.".to_owned()))),
        option::weighted(0.5, host_readings()),
        jitters(),
    )
        .prop_map(
            |(
                (elsewhere, unassigned),
                (ledger_away, credential),
                shared_key,
                (kind, identity, owner_due, owner_failing),
                wrong,
                unsatisfiable,
                (orphaned_set_at, orphaned_fence, quiet_until),
                failing,
                (clock, clock_contradicted),
                host,
                jitter,
            )| {
                AccountFacts {
                    elsewhere,
                    unassigned,
                    ledger_away,
                    credential,
                    keys_are_copies: false,
                    ledger_replaced_at: None,
                    shared_key,
                    kind,
                    identity,
                    owner_due,
                    owner_failing,
                    key_taken: None,
                    wrong,
                    quiet_until,
                    unsatisfiable,
                    orphaned_set_at,
                    orphaned_fence,
                    failing,
                    clock,
                    clock_contradicted,
                    host,
                    jitter,
                    stretch: Stretch::default(),
                }
            },
        )
        .boxed()
}

/// Mostly long over.
fn gone_or(moments: BoxedStrategy<Moment>) -> BoxedStrategy<Moment> {
    prop_oneof![4 => Just(Moment(0)), 1 => moments].boxed()
}

fn host_readings() -> BoxedStrategy<HostReading> {
    (1..=2_u64, past(), hosts())
        .prop_map(|(generation, asked, unmet)| HostReading {
            generation: Generation(generation),
            asked,
            unmet,
        })
        .boxed()
}

fn hosts() -> BoxedStrategy<Vec<String>> {
    prop_oneof![2 => Just(Vec::new()), 1 => Just(vec!["arb.service is active".to_owned()])].boxed()
}

fn windows() -> BoxedStrategy<Windows> {
    let daily = || [window("nightly", "0 0 22 * * *", hours(2)), window("now", "0 59 7 * * *", minutes(2))];
    let often = || window("often", "*/20 * * * * *", seconds(6));
    prop_oneof![
        3 => Just(Windows::default()),
        1 => Just(Windows(daily().into())),
        1 => Just(Windows([often()].into())),
        1 => Just(Windows(daily().into_iter().take(1).collect())),
    ]
    .boxed()
}

fn brakes() -> BoxedStrategy<Brakes> {
    let paused =
        (option::of(Just(Duration::from_secs(7200))), option::of(server())).prop_map(|(lasts, until)| {
            Pause { account: None, reason: "maintenance".to_owned(), who: None, lasts, until }
        });
    let ledger = around()
        .prop_map(|retry_at| LedgerTrouble { say: "The ledger cannot be written.".to_owned(), retry_at });
    let plan =
        option::of((1..4_usize).prop_map(|changes| HeldPlan { hash: "0123456789ab".to_owned(), changes }));
    let approvals = (any::<bool>(), any::<bool>());
    let guard = (0..2_u32, option::of(around()), any::<bool>(), approvals, plan).prop_map(
        |(left, frees_at, has_place, (approved, tried), plan)| Guard {
            left,
            frees_at,
            has_place,
            approved,
            tried,
            plan,
        },
    );
    (
        option::weighted(0.2, paused),
        option::weighted(0.2, Just("line 3: unknown key.".to_owned())),
        option::weighted(0.2, ledger),
        guard,
    )
        .prop_map(|(paused, file, ledger, guard)| Brakes { paused, file, ledger, guard })
        .boxed()
}

fn wanted() -> BoxedStrategy<Wanted> {
    let drift = prop_oneof![Just(DriftPolicy::Correct), Just(DriftPolicy::Report)];
    let suspended = option::weighted(0.2, Just("until the risk review is done".to_owned()));
    let require = prop_oneof![Just(Requirements::default()), Just(required())];
    (option::weighted(0.9, modes()), drift, 5..=3600_u64, 0..600_u64, suspended, windows(), require)
        .prop_map(|(mode, drift, check_every, settle, suspended, windows, require)| Wanted {
            mode,
            generation: Generation(2),
            policy: Policy {
                drift,
                check_every: Duration::from_secs(check_every),
                settle: Duration::from_secs(settle),
                suspended,
                windows,
                require,
            },
        })
        .boxed()
}

fn flatness() -> BoxedStrategy<Flatness> {
    let reading = || {
        option::of((prop_oneof![Just(0_u32), 0..3_u32], past()).prop_map(|(count, at)| Reading {
            count,
            asked: at,
            answered: at,
        }))
    };
    let list = || prop_oneof![Just(List::PlanOrders), Just(List::Orders), Just(List::Positions)];
    let in_progress =
        option::of((past(), list()).prop_map(|(began, next)| VerdictInProgress { began, next }));
    let flat_span = option::of((past(), past(), past()).prop_map(|(since, newest, kept)| FlatSpan {
        since,
        newest,
        kept,
    }));
    let wait = option::of((past(), option::of((list(), past()))).prop_map(|(since, open)| Wait {
        since,
        open,
        again: false,
        glimpsed: None,
    }));
    ((reading(), reading(), reading()), in_progress, option::of(past()), flat_span, wait)
        .prop_map(|((plan_orders, orders, positions), in_progress, too_slow, flat_span, wait)| Flatness {
            plan_orders,
            orders,
            positions,
            newest: Some(Moment(0)),
            in_progress,
            too_slow,
            flat_span,
            wait,
        })
        .boxed()
}

fn intents() -> BoxedStrategy<Intent> {
    let state = prop_oneof![
        past().prop_map(|at| IntentState::Noted { at }),
        past().prop_map(|at| IntentState::Accepted { at }),
        classes().prop_map(|class| IntentState::Refused(failure(class))),
        Just(IntentState::NotSent(failure(Class::TryAgain))),
        classes().prop_map(|class| IntentState::Unclear(failure(class))),
    ];
    let cause = prop_oneof![Just(Cause::New), Just(Cause::Pending), Just(Cause::Drift)];
    (modes(), modes(), cause, server(), option::of(around()), state)
        .prop_map(|(from, to, cause, stamp, own_fence, state)| Intent {
            id: IntentId(7),
            change: Change { from, to, cause },
            generation: Generation(1),
            stamp,
            own_fence,
            state,
        })
        .boxed()
}

fn closings() -> BoxedStrategy<Closing> {
    (past(), past(), option::of((past(), server())))
        .prop_map(|(watched, since, time)| Closing {
            request: RequestId(3),
            intent: IntentId(7),
            watched,
            since,
            time,
        })
        .boxed()
}

fn targets() -> BoxedStrategy<TargetFacts> {
    let seen = (modes(), past(), server()).prop_map(|(mode, at, server)| Seen {
        mode,
        asked: at,
        answered: at,
        server,
    });
    let applied = (modes(), server()).prop_map(|(mode, at)| Applied {
        mode,
        how: How::Adopted,
        at,
        generation: Generation(1),
    });
    let refusals =
        (1..9_u32, past(), any::<bool>()).prop_map(|(count, last, waits)| Refusals { count, last, waits });
    let late = (modes(), server()).prop_map(|(mode, stamp)| LateSet {
        id: IntentId(5),
        mode,
        cause: Cause::Drift,
        stamp,
        generation: Generation(1),
    });
    let known = (
        wanted(),
        option::weighted(0.9, seen),
        flatness(),
        option::of(applied),
        option::weighted(0.4, intents()),
        option::weighted(0.3, closings()),
    );
    let against = (
        option::weighted(0.3, failings()),
        option::of(prop_oneof![Just(List::PlanOrders), Just(List::Orders), Just(List::Positions)]),
        option::weighted(0.3, failings()),
        option::weighted(0.2, failings()),
        option::weighted(0.2, refusals),
        vec(server(), 0..5),
        option::weighted(0.3, late),
        past(),
    );
    (known, against)
        .prop_map(
            |(
                (wanted, seen, flatness, applied, intent, closing),
                (
                    failing,
                    unread,
                    set_refused,
                    lost,
                    refused_though_flat,
                    mut corrections,
                    may_come_late,
                    look_since,
                ),
            )| {
                corrections.sort();
                TargetFacts {
                    wanted,
                    seen,
                    first_asked: None,
                    jitter: Jitter(0),
                    flatness,
                    applied,
                    intent,
                    closing,
                    failing,
                    unread,
                    set_refused,
                    lost,
                    refused_though_flat,
                    corrections,
                    may_come_late,
                    look_since,
                }
            },
        )
        .boxed()
}

#[test]
fn a_state_and_a_reason_are_spelled_in_one_way_everywhere() {
    let states =
        State::VARIANTS.iter().map(|state| (state.as_str(), state.to_string(), serde_json::to_value(state)));
    let reasons = Reason::VARIANTS
        .iter()
        .map(|reason| (reason.as_str(), reason.to_string(), serde_json::to_value(reason)));
    for (word, displayed, written) in states.chain(reasons) {
        assert_eq!((word, written.unwrap().as_str()), (displayed.as_str(), Some(word)));
        assert!(!word.is_empty());
    }
}
