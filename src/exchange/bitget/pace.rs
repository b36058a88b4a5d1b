//! Rate limits: every limit of the exchange as permits, which are data and not timers.
//!
//! A permit is free again a second after the *answer*, so that the limit holds in every sliding second as the exchange
//! counts it. Pure: `now` is an argument, and nothing here waits.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use strum::VariantArray as _;

use super::endpoint::Endpoint;
use crate::constants::{
    ADDRESS_REST_FIRST, ADDRESS_REST_LONGEST, COOL_DOWN_FIRST, COOL_DOWN_LONGEST, PERMIT_BACK,
    PERMIT_BACK_UNANSWERED, QUIET_START, REMAINING_FLOOR, WITNESS_EVERY,
};
use crate::moment::Moment;
use crate::position_mode::{KeyId, Uid};

/// The name of a limit: an account's at one endpoint, this address's at a public one, or that of everything together.
/// The exchange counts by UID; keys that are known to belong to one UID share their lanes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LaneName {
    /// `key:ID/ENDPOINT`
    Account(KeyId, Endpoint),
    /// `*/ENDPOINT`
    Public(Endpoint),
    /// `*`
    Everything,
}

/// The right to send one request in a lane. It must be given back in one of three ways, or the lane loses it for good.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not given back narrows its lane for good"]
pub(super) struct Permit {
    lane: LaneName,
}

/// What an answer means for the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Answered without a rate limit: served, refused for another reason, or malformed.
    Served {
        /// Requests that remain in the lane by the exchange's count, if the answer has it.
        remaining: Option<u32>,
    },
    /// Too many requests: HTTP 429, or a code that means the same.
    TooMany,
}

/// What a 429 has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// One lane.
    Lane,
    /// Everything: the limit of this host's address is used up.
    Address,
}

/// All lanes of a process.
#[derive(Debug)]
pub(super) struct Pace {
    lanes: BTreeMap<LaneName, Lane>,
    /// The first key seen of each UID; it names the lanes of all keys of the UID.
    first_keys: BTreeMap<Uid, KeyId>,
    /// Each further key of a UID, with the UID's first key.
    further_keys: BTreeMap<KeyId, KeyId>,
    quiet_until: Moment,
    address: Address,
}

/// The limit of this host's address. A 429 may concern its own lane or the address; the call for the exchange's time is
/// the witness, because the address is its only limit.
#[derive(Debug, Default)]
struct Address {
    /// A lane received a 429, or an answer did not agree with the known clock, and the witness has not been asked
    /// since.
    wanted: bool,
    /// When the witness was last asked.
    asked: Option<Moment>,
    rest: Option<AddressRest>,
}

/// Everything rests because the witness received a 429, too.
#[derive(Debug, Clone, Copy)]
struct AddressRest {
    until: Moment,
    length: Duration,
    /// The witness has been asked again since the rest began.
    asked_again: bool,
}

/// One limit: its permits, outstanding or recently used, and its rests.
#[derive(Debug)]
pub(super) struct Lane {
    name: LaneName,
    permits: usize,
    outstanding: usize,
    coming_back: Vec<Moment>,
    breather: Option<Moment>,
    cooling: Option<Cooling>,
}

#[derive(Debug, Clone, Copy)]
struct Cooling {
    until: Moment,
    length: Duration,
}

impl Pace {
    /// The limits of a process that starts now: all free, after a quiet second.
    pub(super) fn new(now: Moment) -> Pace {
        Pace {
            lanes: BTreeMap::new(),
            first_keys: BTreeMap::new(),
            further_keys: BTreeMap::new(),
            quiet_until: now + QUIET_START,
            address: Address::default(),
        }
    }

    /// Records that the key belongs to this UID; from now on it shares the lanes of the UID's other keys.
    pub(super) fn belongs(&mut self, key: &KeyId, uid: &Uid) {
        // A key belongs to one UID at a time, whatever the exchange says next.
        self.first_keys.retain(|of, first| of == uid || first != key);
        let first = self.first_keys.entry(uid.clone()).or_insert_with(|| key.clone()).clone();
        if first == *key {
            // It may have been a further key of another UID.
            self.further_keys.remove(key);
            return;
        }
        self.further_keys.insert(key.clone(), first.clone());
        for endpoint in Endpoint::VARIANTS.iter().copied() {
            if let Some(lane) = self.lanes.remove(&LaneName::Account(key.clone(), endpoint)) {
                self.lane(&LaneName::Account(first.clone(), endpoint)).join(lane);
            }
        }
    }

    /// An answer does not agree with the exchange's clock as it is known: the call for the time is asked.
    pub(super) fn doubt_the_clock(&mut self) {
        self.address.wanted = true;
    }

    /// The permit for the witness, the call for the exchange's time, when it is due: once after a 429 or an answer that
    /// does not agree with the known clock (at most every `WITNESS_EVERY`), and after each rest of the address, until
    /// it is answered.
    pub(super) fn witness(&mut self, now: Moment) -> Option<Permit> {
        let Address { wanted, asked, rest } = &self.address;
        let due = match rest {
            Some(rest) => rest.until <= now,
            None => *wanted && asked.is_none_or(|at| now.since(at) >= WITNESS_EVERY),
        };
        if !due || self.quiet_until > now {
            return None;
        }
        let permit = self.lane(&LaneName::Public(Endpoint::Time)).take(now).ok()?;
        self.address.wanted = false;
        self.address.asked = Some(now);
        // Everything keeps resting until it is answered.
        if let Some(rest) = &mut self.address.rest {
            rest.until = now + rest.length;
            rest.asked_again = true;
        }
        Some(permit)
    }

    /// A permit of the lane, or the moment before which there is none.
    pub(super) fn take(&mut self, lane: &LaneName, now: Moment) -> Result<Permit, Moment> {
        match self.everything_rests_until(now) {
            Some(until) => Err(until),
            None => self.lane(lane).take(now),
        }
    }

    /// Until when nothing may be sent in the lane even with a permit, if a 429 arrived after the permit was taken.
    pub(super) fn stopped_until(&self, lane: &LaneName, now: Moment) -> Option<Moment> {
        self.everything_rests_until(now).max(self.cools_until(lane, now))
    }

    /// What a 429 has stopped, the address or the lane; `None` if only our own pace holds the lane back.
    pub(super) fn stopped(&self, lane: &LaneName, now: Moment) -> Option<Stopped> {
        let lane = self.cools_until(lane, now).map(|_| Stopped::Lane);
        self.address_rests_until(now).map(|_| Stopped::Address).or(lane)
    }

    /// Gives back the permit of a request that was answered at `at`.
    pub(super) fn give_back(&mut self, permit: Permit, at: Moment, word: Word) {
        let Permit { lane } = self.todays(permit);
        self.lane(&lane).give_back(Permit { lane: lane.clone() }, at);
        match (word, &lane) {
            (Word::Served { remaining }, _) => {
                self.lane(&lane).served(remaining, at);
                if lane == LaneName::Public(Endpoint::Time) {
                    self.address.rest = None;
                }
            }
            (Word::TooMany, LaneName::Public(Endpoint::Time)) => self.address.too_many(at),
            (Word::TooMany, LaneName::Account(..) | LaneName::Public(_) | LaneName::Everything) => {
                self.lane(&lane).cool_down(at);
                self.address.wanted = true;
            }
        }
    }

    /// Gives back the permit of an unanswered request, which counts until the exchange would refuse its timestamp.
    pub(super) fn give_back_unanswered(&mut self, permit: Permit, stamp: Moment) {
        let permit = self.todays(permit);
        self.lane(&permit.lane.clone()).give_back_unanswered(permit, stamp);
    }

    /// Gives back a permit with which nothing was sent.
    pub(super) fn give_back_unused(&mut self, permit: Permit) {
        let permit = self.todays(permit);
        self.lane(&permit.lane.clone()).give_back_unused(permit);
    }

    /// The lanes that rest now because of a 429, and until when; a lane of several keys is listed under each of them.
    pub(super) fn cool_downs(&self, now: Moment) -> Vec<(LaneName, Moment)> {
        let mut all = Vec::new();
        if let Some(rest) = self.address.rest {
            all.push((LaneName::Everything, rest.until));
        }
        for (name, Cooling { until, length: _ }) in
            self.lanes.iter().filter_map(|(name, lane)| Some((name, lane.cooling?)))
        {
            all.push((name.clone(), until));
            if let LaneName::Account(first, endpoint) = name {
                let further = self.further_keys.iter().filter(|(_, of)| *of == first);
                all.extend(further.map(|(key, _)| (LaneName::Account(key.clone(), *endpoint), until)));
            }
        }
        all.retain(|(_, until)| *until > now);
        all
    }

    /// Resumes the cool-down of an earlier process, capped at the longest one from `now`.
    pub(super) fn restore(&mut self, lane: &LaneName, until: Moment, now: Moment) {
        match lane {
            LaneName::Everything => {
                let until = until.min(now + ADDRESS_REST_LONGEST);
                if self.address.rest.is_none_or(|rest| rest.until < until) {
                    self.address.rest =
                        Some(AddressRest { until, length: ADDRESS_REST_FIRST, asked_again: false });
                }
            }
            LaneName::Account(..) | LaneName::Public(_) => {
                self.lane(lane).restore(until.min(now + COOL_DOWN_LONGEST), now);
            }
        }
    }

    fn lane(&mut self, name: &LaneName) -> &mut Lane {
        let name = self.shared(name);
        self.lanes.entry(name).or_insert_with_key(|name| Lane::new(name.clone()))
    }

    /// The lane that all keys of the UID share, if this is the lane of a further key; else the lane itself.
    fn shared(&self, name: &LaneName) -> LaneName {
        match name {
            LaneName::Account(key, endpoint) => {
                LaneName::Account(self.further_keys.get(key).unwrap_or(key).clone(), *endpoint)
            }
            LaneName::Public(_) | LaneName::Everything => name.clone(),
        }
    }

    /// The permit under the current name of its lane.
    fn todays(&self, permit: Permit) -> Permit {
        let Permit { lane } = permit;
        Permit { lane: self.shared(&lane) }
    }

    fn cools_until(&self, lane: &LaneName, now: Moment) -> Option<Moment> {
        self.lanes.get(&self.shared(lane)).and_then(|lane| lane.cools_until(now))
    }

    fn everything_rests_until(&self, now: Moment) -> Option<Moment> {
        Some(self.quiet_until).filter(|until| *until > now).max(self.address_rests_until(now))
    }

    /// Until when the address rests, if it does. While the witness may be under way, at most `PERMIT_BACK` from now:
    /// its answer may end the rest at once.
    fn address_rests_until(&self, now: Moment) -> Option<Moment> {
        let Address { wanted: _, asked, rest } = &self.address;
        let until = rest.as_ref()?.until.max(after(now, Duration::ZERO));
        let is_asked = asked.is_some_and(|at| now.since(at) < PERMIT_BACK);
        Some(if is_asked { until.min(after(now, PERMIT_BACK)) } else { until })
    }
}

impl Address {
    /// The witness received a 429: everything rests, twice as long as before if it was asked again after a rest.
    fn too_many(&mut self, at: Moment) {
        let length = match self.rest {
            None => ADDRESS_REST_FIRST,
            Some(rest) if rest.asked_again => (rest.length * 2).min(ADDRESS_REST_LONGEST),
            Some(_) => return,
        };
        self.rest = Some(AddressRest { until: at + length, length, asked_again: false });
    }
}

impl Lane {
    /// A lane with all permits free.
    pub(super) fn new(name: LaneName) -> Lane {
        let permits = name.permits();
        Lane { name, permits, outstanding: 0, coming_back: Vec::new(), breather: None, cooling: None }
    }

    /// A permit, or the moment before which there is none. If that depends on an answer still to come, the earliest
    /// moment possible.
    pub(super) fn take(&mut self, now: Moment) -> Result<Permit, Moment> {
        if let Some(until) = self.rests_until(now) {
            return Err(until);
        }
        self.coming_back.retain(|back| *back > now);
        // After a 429 others need nearly all of it: one request a second, until that went well for as long as it rested.
        let width = if self.cooling.is_some() { 1 } else { self.permits };
        if self.outstanding + self.coming_back.len() < width {
            self.outstanding += 1;
            return Ok(Permit { lane: self.name.clone() });
        }
        Err(self.coming_back.iter().copied().min().unwrap_or_else(|| after(now, PERMIT_BACK)))
    }

    /// Answered at `answered`: the permit is free again a second later.
    pub(super) fn give_back(&mut self, permit: Permit, answered: Moment) {
        self.comes_back(permit, Some(after(answered, PERMIT_BACK)));
    }

    /// Not answered: the permit is free again a second after the exchange begins to refuse its timestamp.
    pub(super) fn give_back_unanswered(&mut self, permit: Permit, stamp: Moment) {
        self.comes_back(permit, Some(after(stamp, PERMIT_BACK_UNANSWERED)));
    }

    /// Nothing was sent: the permit is free again at once.
    pub(super) fn give_back_unused(&mut self, permit: Permit) {
        self.comes_back(permit, None);
    }

    /// The exchange answered 429: rests twice as long as the last time; one that rests already rests `COOL_DOWN_FIRST` from
    /// now on at least: this was the answer to a request that had left before.
    pub(super) fn cool_down(&mut self, at: Moment) {
        let length = match self.cooling {
            Some(Cooling { until, length }) if at < until => {
                self.cooling = Some(Cooling { until: until.max(at + COOL_DOWN_FIRST), length });
                return;
            }
            Some(cooling) => (cooling.length * 2).min(COOL_DOWN_LONGEST),
            None => COOL_DOWN_FIRST,
        };
        self.cooling = Some(Cooling { until: at + length, length });
    }

    /// Until when the lane grants no permit even if some are free, if it rests.
    pub(super) fn rests_until(&self, now: Moment) -> Option<Moment> {
        self.cools_until(now).max(self.breather.filter(|until| *until > now))
    }

    fn cools_until(&self, now: Moment) -> Option<Moment> {
        self.cooling.map(|cooling| cooling.until).filter(|until| *until > now)
    }

    /// An answer without a rate limit. It resets the doubling if it comes at least as long after a cool-down as that
    /// lasted.
    fn served(&mut self, remaining: Option<u32>, at: Moment) {
        if remaining.is_some_and(|remaining| remaining < REMAINING_FLOOR) {
            self.breather = self.breather.max(Some(after(at, PERMIT_BACK)));
        }
        if self.cooling.is_some_and(|cooling| at >= cooling.until + cooling.length) {
            self.cooling = None;
        }
    }

    fn restore(&mut self, until: Moment, now: Moment) {
        if self.cooling.is_none_or(|cooling| cooling.until < until) {
            self.cooling = Some(Cooling { until, length: until.since(now).max(COOL_DOWN_FIRST) });
        }
    }

    /// Merges the permits and rests of another lane into this one.
    fn join(&mut self, other: Lane) {
        let Lane { name: _, permits: _, outstanding, coming_back, breather, cooling } = other;
        self.outstanding += outstanding;
        self.coming_back.extend(coming_back);
        self.breather = self.breather.max(breather);
        self.cooling = match (self.cooling, cooling) {
            (Some(ours), Some(theirs)) if ours.until >= theirs.until => Some(ours),
            (ours, theirs) => theirs.or(ours),
        };
    }

    fn comes_back(&mut self, permit: Permit, free: Option<Moment>) {
        let Permit { lane } = permit;
        debug_assert_eq!(lane, self.name, "a permit goes back where it came from");
        self.outstanding = self.outstanding.saturating_sub(1);
        self.coming_back.extend(free);
    }
}

impl LaneName {
    /// How many permits the lane has.
    pub(super) fn permits(&self) -> usize {
        match self {
            LaneName::Account(_, endpoint) | LaneName::Public(endpoint) => endpoint.permits(),
            LaneName::Everything => 0,
        }
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LaneName::Account(key, endpoint) => write!(out, "key:{key}/{endpoint}"),
            LaneName::Public(endpoint) => write!(out, "*/{endpoint}"),
            LaneName::Everything => out.write_str("*"),
        }
    }
}

/// A text that names no lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no lane")]
pub(super) struct UnknownLane(String);

impl FromStr for LaneName {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<LaneName, UnknownLane> {
        let unknown = || UnknownLane(text.to_owned());
        let Some((whose, endpoint)) = text.split_once('/') else {
            return if text == "*" { Ok(LaneName::Everything) } else { Err(unknown()) };
        };
        let endpoint = endpoint.parse().map_err(|_| unknown())?;
        if whose == "*" {
            return Ok(LaneName::Public(endpoint));
        }
        let key = whose.strip_prefix("key:").and_then(|key| key.parse().ok()).ok_or_else(unknown)?;
        Ok(LaneName::Account(key, endpoint))
    }
}

/// `span` after `moment`, plus a millisecond: moments are truncated to whole ones, so a second may really be less.
fn after(moment: Moment, span: Duration) -> Moment {
    moment + span + Duration::from_millis(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lane(key: &str, endpoint: Endpoint) -> LaneName {
        LaneName::Account(KeyId::of(key), endpoint)
    }

    fn mode_lane() -> Lane {
        Lane::new(lane("desk", Endpoint::Account))
    }

    /// A pace whose quiet second is over at moment 0.
    fn pace() -> Pace {
        Pace::new(Moment(-1000))
    }

    #[test]
    fn half_of_every_read_limit_is_left_to_the_strategies_and_the_setters_are_ours() {
        let table: Vec<String> = Endpoint::VARIANTS
            .iter()
            .map(|endpoint| {
                format!("{endpoint}: {} of {}", endpoint.permits(), endpoint.documented_per_second())
            })
            .collect();
        expect_test::expect![[r"
            time: 10 of 20
            contracts: 10 of 20
            account-info: 1 of 1
            account: 5 of 10
            all-position: 2 of 5
            orders-pending: 5 of 10
            orders-plan-pending: 5 of 10
            set-position-mode: 5 of 5
            settings: 10 of 20
            unified-account-info: 1 of 1
            current-position: 10 of 20
            unfilled-orders: 10 of 20
            unfilled-strategy-orders: 10 of 20
            set-hold-mode: 5 of 10"]]
        .assert_eq(&table.join("\n"));
    }

    #[test]
    fn lane_names_are_read_as_they_are_written() {
        let names = [
            lane("desk-main", Endpoint::SetPositionMode),
            LaneName::Public(Endpoint::Time),
            LaneName::Everything,
        ];
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let id = KeyId::of("desk");
        for bad in ["", "desk", "desk/time", "key:desk/time", &format!("key:{id}/other"), "*/", "/time"] {
            assert!(bad.parse::<LaneName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_permit_is_free_again_a_second_after_its_answer() {
        let mut lane = Lane::new(lane("desk", Endpoint::AccountInfo));
        let permit = lane.take(Moment(0)).unwrap();
        assert_eq!(lane.take(Moment(0)), Err(Moment(1001)), "the earliest moment possible");
        lane.give_back(permit, Moment(400));
        assert_eq!(lane.take(Moment(1400)), Err(Moment(1401)));
        assert!(lane.take(Moment(1401)).is_ok());
    }

    #[test]
    fn f31_an_unanswered_request_holds_its_permit_until_its_timestamp_is_refused() {
        let mut lane = Lane::new(lane("desk", Endpoint::AccountInfo));
        let permit = lane.take(Moment(0)).unwrap();
        lane.give_back_unanswered(permit, Moment(5));
        assert_eq!(lane.take(Moment(31_000)), Err(Moment(31_006)));
        assert!(lane.take(Moment(31_006)).is_ok());
    }

    #[test]
    fn an_unused_permit_is_free_at_once() {
        let mut lane = Lane::new(lane("desk", Endpoint::AccountInfo));
        let permit = lane.take(Moment(0)).unwrap();
        lane.give_back_unused(permit);
        assert!(lane.take(Moment(0)).is_ok());
    }

    #[test]
    fn cool_downs_double_up_to_the_longest_and_a_good_answer_some_time_later_ends_that() {
        let mut lane = mode_lane();
        let mut at = Moment(0);
        let mut lengths = Vec::new();
        for _ in 0..8 {
            lane.cool_down(at);
            let until = lane.rests_until(at).unwrap();
            lengths.push(until.since(at).as_secs());
            lane.cool_down(at + Duration::from_secs(1));
            let until = until.max(at + Duration::from_secs(6));
            assert_eq!(
                lane.rests_until(at),
                Some(until),
                "f23: five seconds from the last answer on, at least"
            );
            lane.served(None, until + Duration::from_secs(1));
            at = until + Duration::from_secs(1);
        }
        assert_eq!(lengths, [5, 10, 20, 40, 60, 60, 60, 60]);
        lane.served(None, at + Duration::from_secs(300));
        lane.cool_down(at + Duration::from_secs(301));
        assert_eq!(lane.rests_until(at), Some(at + Duration::from_secs(306)));
    }

    #[test]
    fn fewer_than_two_remaining_is_a_second_of_rest() {
        let mut pace = pace();
        let name = lane("desk", Endpoint::Account);
        for remaining in [Some(2), None, Some(1)] {
            let permit = pace.take(&name, Moment(0)).unwrap();
            pace.give_back(permit, Moment(0), Word::Served { remaining });
        }
        assert_eq!(pace.take(&name, Moment(0)), Err(Moment(1001)), "though two permits are free");
        assert_eq!(pace.stopped_until(&name, Moment(0)), None, "a permit taken before may still be used");
        assert_eq!(pace.cool_downs(Moment(0)), [], "a breather is no cool-down");
    }

    #[test]
    fn f23_nothing_leaves_in_the_first_second_nor_in_a_cool_down_of_the_process_before() {
        let mut pace = Pace::new(Moment(0));
        let name = lane("desk", Endpoint::Account);
        assert_eq!(pace.take(&name, Moment(999)), Err(Moment(1000)));
        let until = Moment(50_000);
        pace.restore(&name, until, Moment(0));
        assert_eq!(pace.take(&name, Moment(1000)), Err(until));
        assert_eq!(pace.cool_downs(Moment(1000)), [(name, until)]);
        assert!(pace.take(&lane("other", Endpoint::Account), Moment(1000)).is_ok());
        pace.restore(&LaneName::Everything, Moment(i64::MAX), Moment(1000));
        let longest = Moment(61_000);
        assert_eq!(pace.take(&lane("other", Endpoint::Account), Moment(2000)), Err(longest));
        let further = lane("third", Endpoint::Account);
        pace.restore(&further, Moment(i64::MAX), Moment(2000));
        assert_eq!(pace.lane(&further).cools_until(Moment(2000)), Some(Moment(62_000)));
    }

    fn too_many(pace: &mut Pace, name: &LaneName, at: Moment) {
        let permit = pace.take(name, at).unwrap();
        pace.give_back(permit, at, Word::TooMany);
    }

    const SERVED: Word = Word::Served { remaining: None };

    #[test]
    fn f51_too_many_on_any_number_of_lanes_stops_these_lanes_and_nothing_else() {
        let mut pace = pace();
        let free = lane("calm", Endpoint::Account);
        for (at, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
            too_many(&mut pace, &lane(key, Endpoint::Account), Moment(i64::try_from(at).unwrap()));
        }
        let now = Moment(4);
        assert_eq!(pace.stopped_until(&free, now), None);
        assert_eq!(pace.stopped(&lane("a", Endpoint::Account), now), Some(Stopped::Lane));
        let witness = pace.witness(now).expect("the witness is asked once");
        assert_eq!(pace.witness(now), None);
        pace.give_back(witness, now, SERVED);
        too_many(&mut pace, &lane("a", Endpoint::Orders), Moment(10_003));
        assert_eq!(pace.witness(Moment(10_003)), None, "not more often than every 10 s");
        assert!(pace.witness(Moment(10_004)).is_some());
        assert!(pace.take(&free, Moment(10_004)).is_ok());
    }

    #[test]
    fn f51_a_witness_that_meets_a_429_too_stops_everything_until_it_is_answered() {
        let mut pace = pace();
        let names = [lane("d", Endpoint::SetPositionMode), LaneName::Public(Endpoint::Time)];
        too_many(&mut pace, &lane("a", Endpoint::Account), Moment(0));
        let mut now = Moment(0);
        let mut rests = Vec::new();
        for _ in 0..5 {
            let witness = pace.witness(now).unwrap();
            pace.give_back(witness, now, Word::TooMany);
            let later = now + Duration::from_secs(2);
            let until = pace.stopped_until(&names[0], later).unwrap();
            for name in &names {
                assert_eq!(pace.take(name, later), Err(until));
                assert_eq!(pace.stopped(name, later), Some(Stopped::Address));
            }
            let everything = (LaneName::Everything, until);
            assert!(pace.cool_downs(later).contains(&everything));
            assert_eq!(pace.witness(until - Duration::from_millis(1)), None);
            rests.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(rests, [10, 20, 40, 60, 60]);
        // An unanswered witness proves nothing: everything keeps resting.
        let lost = pace.witness(now).unwrap();
        assert_eq!(pace.take(&names[0], now), Err(now + Duration::from_millis(1001)), "it may end at once");
        pace.give_back_unanswered(lost, now);
        now = now + Duration::from_secs(60);
        let witness = pace.witness(now).unwrap();
        pace.give_back(witness, now, SERVED);
        assert!(pace.take(&names[0], now).is_ok());
        assert_eq!(pace.witness(now), None);
    }

    #[test]
    fn f56_two_keys_of_one_uid_are_one_lane_from_when_that_is_known() {
        let mut pace = pace();
        let uid = Uid("1001".to_owned());
        let (first, second) = (KeyId::of("first"), KeyId::of("second"));
        let [a, b] = [&first, &second].map(|key| LaneName::Account(key.clone(), Endpoint::Positions));
        let held = [pace.take(&a, Moment(0)).unwrap(), pace.take(&b, Moment(0)).unwrap()];
        let more = pace.take(&b, Moment(0)).unwrap();
        pace.belongs(&first, &uid);
        pace.belongs(&second, &uid);
        pace.belongs(&second, &uid);
        assert!(pace.take(&a, Moment(0)).is_err() && pace.take(&b, Moment(0)).is_err());
        for permit in held {
            pace.give_back(permit, Moment(0), SERVED);
        }
        pace.give_back_unused(more);
        assert_eq!(pace.take(&b, Moment(1000)), Err(Moment(1001)));
        let permit = pace.take(&b, Moment(1001)).unwrap();
        pace.give_back(permit, Moment(1001), Word::TooMany);
        let until = Moment(6001);
        assert_eq!(pace.stopped_until(&a, Moment(1001)), Some(until));
        // Both, because the next process may ask with either key first.
        let kept = pace.cool_downs(Moment(1001));
        assert_eq!(kept, [a, b].map(|lane| (lane, until)));
    }

    /// How many permits a key has left at an endpoint.
    fn left(pace: &mut Pace, key: &str, endpoint: Endpoint) -> usize {
        let name = lane(key, endpoint);
        let taken: Vec<Permit> = std::iter::from_fn(|| pace.take(&name, Moment(0)).ok()).collect();
        let count = taken.len();
        for permit in taken {
            pace.give_back_unused(permit);
        }
        count
    }

    #[test]
    fn f56_a_key_shares_the_lanes_of_the_uid_that_it_was_last_said_to_belong_to_and_of_no_other() {
        let mut pace = pace();
        let mut told = Vec::new();
        for (key, uid) in
            [("a", "1"), ("x", "2"), ("b", "1"), ("b", "2"), ("b", "3"), ("c", "3"), ("a", "4"), ("d", "1")]
        {
            pace.belongs(&KeyId::of(key), &Uid(uid.to_owned()));
            let held = pace.take(&lane(key, Endpoint::AccountInfo), Moment(0)).unwrap();
            let sharing =
                ["a", "b", "c", "d", "x"].map(|other| left(&mut pace, other, Endpoint::AccountInfo) == 0);
            pace.give_back_unused(held);
            let sharing: String =
                "abcdx".chars().zip(sharing).filter_map(|(key, is)| is.then_some(key)).collect();
            told.push(format!("{key} of {uid}: {sharing}"));
        }
        expect_test::expect![[r"
            a of 1: a
            x of 2: x
            b of 1: ab
            b of 2: bx
            b of 3: b
            c of 3: bc
            a of 4: a
            d of 1: d"]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn a_permit_that_is_given_back_in_any_way_is_there_again() {
        let mut pace = pace();
        let name = lane("desk", Endpoint::AccountInfo);
        let permit = pace.take(&name, Moment(0)).unwrap();
        pace.give_back_unused(permit);
        let permit = pace.take(&name, Moment(0)).unwrap();
        pace.give_back_unanswered(permit, Moment(0));
        assert_eq!(pace.take(&name, Moment(0)), Err(Moment(31_001)));
        let permit = pace.take(&name, Moment(31_001)).unwrap();
        pace.give_back(permit, Moment(31_001), SERVED);
        assert_eq!(pace.take(&name, Moment(31_001)), Err(Moment(32_002)));
        assert!(pace.take(&name, Moment(32_002)).is_ok());
    }

    #[test]
    fn a_rest_is_over_at_its_end_and_the_longer_one_counts_when_two_are_restored() {
        let mut pace = pace();
        let name = lane("desk", Endpoint::Account);
        for until in [20_000, 30_000, 10_000] {
            pace.restore(&LaneName::Everything, Moment(until), Moment(0));
            pace.restore(&name, Moment(until), Moment(0));
        }
        let until = Moment(30_000);
        assert_eq!(pace.cool_downs(Moment(29_999)), [(LaneName::Everything, until), (name, until)]);
        assert_eq!(pace.cool_downs(until), []);
    }

    #[test]
    fn a_lane_is_free_at_the_very_end_of_a_rest_and_the_next_is_twice_as_long() {
        let mut lane = mode_lane();
        lane.served(Some(1), Moment(0));
        assert_eq!(
            (lane.rests_until(Moment(1000)), lane.rests_until(Moment(1001))),
            (Some(Moment(1001)), None)
        );
        lane.restore(Moment(30_000), Moment(0));
        lane.restore(Moment(30_000), Moment(20_000));
        assert_eq!(
            (lane.cools_until(Moment(29_999)), lane.cools_until(Moment(30_000))),
            (Some(Moment(30_000)), None)
        );
        lane.cool_down(Moment(30_000));
        assert_eq!(
            lane.rests_until(Moment(30_000)),
            Some(Moment(90_000)),
            "restored once more, it lasts no less"
        );
    }

    #[test]
    fn f56_two_lanes_that_become_one_keep_the_permits_that_are_out_and_the_later_end_of_each_rest() {
        let rests = |breather: i64, until: i64| {
            let mut lane = Lane::new(lane("desk", Endpoint::AccountInfo));
            lane.served(Some(0), Moment(breather));
            lane.restore(Moment(until), Moment(0));
            lane
        };
        for (ours, theirs) in [(10_000, 20_000), (20_000, 10_000)] {
            let mut lane = rests(ours * 3, ours);
            lane.join(rests(theirs * 3, theirs));
            assert_eq!(
                (lane.cools_until(Moment(0)), lane.rests_until(Moment(0))),
                (Some(Moment(20_000)), Some(Moment(61_001)))
            );
        }
        let (mut ours, mut theirs, mut third) = (rests(0, 0), rests(0, 0), rests(0, 0));
        let permit = theirs.take(Moment(2000)).unwrap();
        ours.join(theirs);
        assert_eq!(ours.take(Moment(2000)), Err(Moment(3001)), "theirs is out");
        ours.give_back(permit, Moment(2500));
        third.join(ours);
        assert_eq!(third.take(Moment(2600)), Err(Moment(3501)), "theirs comes back");
        assert!(third.take(Moment(3501)).is_ok());
    }

    #[test]
    fn f51_a_rest_of_the_address_doubles_only_if_the_witness_was_asked_again_after_it() {
        let mut pace = pace();
        let time = LaneName::Public(Endpoint::Time);
        let permits = [pace.take(&time, Moment(0)).unwrap(), pace.take(&time, Moment(0)).unwrap()];
        for permit in permits {
            pace.give_back(permit, Moment(0), Word::TooMany);
        }
        assert_eq!(
            pace.cool_downs(Moment(0)),
            [(LaneName::Everything, Moment(10_000))],
            "not twice for one wave"
        );
        let witness = pace.witness(Moment(10_000)).unwrap();
        let rests = |pace: &Pace, now| pace.stopped_until(&time, Moment(now));
        assert_eq!(rests(&pace, 10_999), Some(Moment(12_000)), "it may end at once");
        assert_eq!(rests(&pace, 11_000), Some(Moment(20_000)));
        pace.give_back(witness, Moment(11_500), Word::TooMany);
        assert_eq!(rests(&pace, 11_500), Some(Moment(31_500)));
        pace.restore(&LaneName::Everything, Moment(31_500), Moment(11_500));
        let witness = pace.witness(Moment(31_500)).unwrap();
        pace.give_back(witness, Moment(31_500), Word::TooMany);
        assert_eq!(
            pace.cool_downs(Moment(31_500)),
            [(LaneName::Everything, Moment(71_500))],
            "four times as long"
        );
    }

    proptest! {
        /// The exchange counts a request when it arrives, some time between its sending and its answer.
        #[test]
        fn in_no_sliding_second_more_than_the_limit_arrive(
            requests in prop::collection::vec((0_i64..400, 0_i64..3000, 0_i64..=1000), 1..200)
        ) {
            let mut lane = mode_lane();
            let limit = lane.permits;
            let mut now = Moment(0);
            let mut under_way: Vec<(Moment, Permit)> = Vec::new();
            let mut arrivals: Vec<i64> = Vec::new();
            for (pause, round_trip, share) in requests {
                now = now + Duration::from_millis(pause.unsigned_abs());
                let permit = loop {
                    under_way.sort_by_key(|(answered, _)| *answered);
                    while under_way.first().is_some_and(|(answered, _)| *answered <= now) {
                        let (answered, permit) = under_way.remove(0);
                        lane.give_back(permit, answered);
                    }
                    match lane.take(now) {
                        Ok(permit) => break permit,
                        Err(free) => {
                            prop_assert!(free > now, "a moment to come back at, not a spin");
                            now = under_way.first().map_or(free, |(answered, _)| free.min(*answered));
                        }
                    }
                };
                // In tenths of a millisecond, because moments are truncated to whole ones.
                let answered = now + Duration::from_millis(round_trip.unsigned_abs());
                arrivals.push(now.0 * 10 + 9 * share / 1000 + round_trip * 10 * share / 1000);
                under_way.push((answered, permit));
            }
            arrivals.sort_unstable();
            for window in arrivals.windows(limit + 1) {
                let (first, last) = (window[0], window[limit]);
                prop_assert!(last - first >= 10_000, "{} within {} tenths", limit + 1, last - first);
            }
        }
    }
}
