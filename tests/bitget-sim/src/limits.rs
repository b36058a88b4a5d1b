//! Bitget's limits, exactly: so many requests in every sliding second, per endpoint and UID, or per endpoint and IP where no
//! key is asked for; and 6000 in every sliding minute per IP, with five minutes' penalty. There is one IP: loopback.

use std::collections::{BTreeMap, VecDeque};

use crate::endpoint::Endpoint;
use crate::wire::UnixMs;
use crate::words::Uid;

/// Who a limit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    Ip,
    Account(Uid),
}

/// The requests that were let through of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    lanes: BTreeMap<(Endpoint, Whose), Lane>,
    ip: Window,
    penalty_until: Option<UnixMs>,
}

/// One request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Meter {
    /// Counts a request of this IP, whatever it is for.
    pub(crate) fn pass_ip(&mut self, now: UnixMs) -> Result<(), TooMany> {
        if self.penalty_until.is_some_and(|until| now < until) {
            return Err(TooMany);
        }
        self.penalty_until = None;
        self.ip.pass(now, IP_PER_MINUTE, MINUTE).map(|_| ()).inspect_err(|TooMany| {
            self.penalty_until = Some(UnixMs(now.0.saturating_add(PENALTY)));
        })
    }

    /// Counts a request for an endpoint, and says how many more it would let through now.
    pub(crate) fn pass(&mut self, now: UnixMs, endpoint: Endpoint, whose: Whose) -> Result<u32, TooMany> {
        let Lane { window, others } = self.lanes.entry((endpoint, whose)).or_default();
        // Evenly spaced, and before anybody else: every sliding second holds as many of them.
        window.pass(now, endpoint.per_second().saturating_sub(*others), SECOND)
    }

    /// From now on others ask this endpoint so many times in every second; 0 ends it.
    pub(crate) fn load(&mut self, endpoint: Endpoint, whose: Whose, per_second: u32) {
        self.lanes.entry((endpoint, whose)).or_default().others = per_second;
    }

    /// What others ask of an account in every second, by endpoint.
    pub(crate) fn loads(&self, uid: Uid) -> impl Iterator<Item = (Endpoint, u32)> {
        let of = self.lanes.iter().filter(move |((_, whose), _)| *whose == Whose::Account(uid));
        of.map(|((endpoint, _), lane)| (*endpoint, lane.others)).filter(|(_, others)| *others > 0)
    }
}

/// One limit: who has passed of late, and how many of each second others take who are not here.
#[derive(Clone, Debug, Default)]
struct Lane {
    window: Window,
    others: u32,
}

#[derive(Clone, Debug, Default)]
struct Window(VecDeque<UnixMs>);

impl Window {
    fn pass(&mut self, now: UnixMs, limit: u32, length: i64) -> Result<u32, TooMany> {
        while self.0.front().is_some_and(|oldest| now.since(*oldest) >= length) {
            self.0.pop_front();
        }
        // A clock that was set back must not close a lane for good, so what lies ahead is forgotten too.
        while self.0.back().is_some_and(|newest| *newest > now) {
            self.0.pop_back();
        }
        let taken = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let left = limit.checked_sub(taken).and_then(|left| left.checked_sub(1)).ok_or(TooMany)?;
        self.0.push_back(now);
        Ok(left)
    }
}

/// Milliseconds.
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60_000;
const PENALTY: i64 = 300_000;
const IP_PER_MINUTE: u32 = 6_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    const ME: Whose = Whose::Account(Uid(1));

    #[test]
    fn a_fifth_set_is_let_through_and_a_sixth_is_not_until_the_first_is_a_second_old() {
        let mut meter = Meter::default();
        let left: Vec<_> =
            (0..5).map(|n| meter.pass(UnixMs(n * 10), Endpoint::SetPositionMode, ME)).collect();
        assert_eq!(left, [Ok(4), Ok(3), Ok(2), Ok(1), Ok(0)]);
        assert_eq!(meter.pass(UnixMs(999), Endpoint::SetPositionMode, ME), Err(TooMany));
        assert_eq!(meter.pass(UnixMs(1_000), Endpoint::SetPositionMode, ME), Ok(0));
        assert_eq!(meter.pass(UnixMs(1_001), Endpoint::SetPositionMode, ME), Err(TooMany));
    }

    #[test]
    fn endpoints_and_accounts_do_not_share_a_limit() {
        let mut meter = Meter::default();
        assert_eq!(meter.pass(UnixMs(0), Endpoint::SpotAccountInfo, ME), Ok(0));
        assert_eq!(meter.pass(UnixMs(0), Endpoint::SpotAccountInfo, ME), Err(TooMany));
        assert_eq!(meter.pass(UnixMs(0), Endpoint::SpotAccountInfo, Whose::Account(Uid(2))), Ok(0));
        assert_eq!(meter.pass(UnixMs(0), Endpoint::AllPosition, ME), Ok(4));
    }

    #[test]
    fn the_request_after_six_thousand_in_a_minute_costs_five_minutes() {
        let mut meter = Meter::default();
        for _ in 0..6_000 {
            meter.pass_ip(UnixMs(0)).unwrap();
        }
        assert_eq!(meter.pass_ip(UnixMs(1)), Err(TooMany));
        assert_eq!(meter.pass_ip(UnixMs(300_000)), Err(TooMany));
        assert_eq!(meter.pass_ip(UnixMs(300_001)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_closes_no_lane() {
        let mut meter = Meter::default();
        assert_eq!(meter.pass(UnixMs(1_000_000), Endpoint::SpotAccountInfo, ME), Ok(0));
        assert_eq!(meter.pass(UnixMs(0), Endpoint::SpotAccountInfo, ME), Ok(0));
    }

    #[test]
    fn others_leave_what_they_do_not_take_in_every_sliding_second() {
        for (others, expected) in [(0, 5), (1, 4), (3, 2), (4, 1), (5, 0), (7, 0), (u32::MAX, 0)] {
            let mut meter = Meter::default();
            meter.load(Endpoint::AllPosition, ME, others);
            for at in [0_i64, 1_000, 2_500] {
                let mut ask = |ms: i64| meter.pass(UnixMs(at + ms), Endpoint::AllPosition, ME);
                let left: Vec<_> = (0..expected).map(|_| ask(0)).collect();
                assert_eq!(left, (0..expected).rev().map(Ok).collect::<Vec<_>>(), "{others} at {at}");
                assert_eq!((ask(0), ask(999)), (Err(TooMany), Err(TooMany)));
            }
        }
    }

    #[test]
    fn others_ask_one_account_at_one_endpoint_and_stop() {
        let mut meter = Meter::default();
        meter.load(Endpoint::AllPosition, ME, 5);
        assert_eq!(meter.pass(UnixMs(0), Endpoint::AllPosition, ME), Err(TooMany));
        assert_eq!(meter.pass(UnixMs(0), Endpoint::AllPosition, Whose::Account(Uid(2))), Ok(4));
        assert_eq!(meter.pass(UnixMs(0), Endpoint::SetPositionMode, ME), Ok(4));
        assert_eq!(meter.loads(Uid(1)).collect::<Vec<_>>(), [(Endpoint::AllPosition, 5)]);
        meter.load(Endpoint::AllPosition, ME, 0);
        assert_eq!(meter.pass(UnixMs(0), Endpoint::AllPosition, ME), Ok(4));
        assert_eq!(meter.loads(Uid(1)).count(), 0);
    }

    proptest! {
        #[test]
        fn no_sliding_second_ever_holds_more_than_the_limit_and_none_is_refused_for_nothing(
            gaps in prop::collection::vec(0_i64..400, 1..200),
        ) {
            let mut meter = Meter::default();
            let mut now = 0;
            let mut passed: Vec<i64> = Vec::new();
            for gap in gaps {
                now += gap;
                let recent = passed.iter().filter(|at| now - **at < 1_000).count();
                let answer = meter.pass(UnixMs(now), Endpoint::AllPosition, ME);
                prop_assert_eq!(answer.is_ok(), recent < 5);
                if answer.is_ok() {
                    passed.push(now);
                }
            }
            for window in passed.windows(6) {
                prop_assert!(window[5] - window[0] >= 1_000);
            }
        }
    }
}
