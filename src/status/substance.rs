//! What of the status is more than the time, looks and ages: what is told at once when it changes.

use jiff::Timestamp;

use crate::facts::Stretch;
use crate::source::LastPull;
use crate::status::{Counts, HostStatus, LiveStatus, Status, TargetStatus, Warning};

/// A status in which all is alike that changes while nothing happens.
#[derive(Debug, PartialEq, Eq)]
pub struct Substance(Status);

impl Substance {
    /// What is news in `status` if it differs from the last.
    pub fn of(status: &Status) -> Substance {
        let Status {
            schema,
            version,
            host,
            now: _,
            paused,
            paused_accounts,
            config,
            held,
            targets,
            warnings,
            account_settings,
            http,
            stretch: Stretch(thousandths),
            source,
            hosts,
        } = status.clone();
        let of_warning = |Warning { account, say }| Warning { account, say: timeless(&say) };
        let of_pull = |LastPull { last_success_at: _, commit }| LastPull { last_success_at: NO_TIME, commit };
        Substance(Status {
            schema,
            version,
            host,
            now: NO_TIME,
            paused,
            paused_accounts,
            config,
            held,
            targets: targets.into_iter().map(of_target).collect(),
            warnings: warnings.into_iter().map(of_warning).collect(),
            account_settings,
            http,
            stretch: Stretch(thousandths / TENTH * TENTH),
            source: source.map(of_pull),
            hosts: hosts.into_iter().map(of_host).collect(),
        })
    }
}

fn of_host(host: HostStatus) -> HostStatus {
    let unknown_since = host.unknown_since.map(|_| NO_TIME);
    HostStatus { seen_at: NO_TIME, unknown_since, ..host }
}

fn of_target(target: TargetStatus) -> TargetStatus {
    let TargetStatus {
        account,
        scope,
        desired,
        applied,
        live,
        state,
        reason,
        blockers,
        wants,
        need,
        say,
        since,
        out_of_sync_since,
        detail,
        next_look_at: _,
        drift,
        host,
        counts: _,
        interrupted: _,
        basis: _,
    } = target;
    TargetStatus {
        account,
        scope,
        desired,
        applied,
        live: live.map(|LiveStatus { mode, at: _ }| LiveStatus { mode, at: NO_TIME }),
        state,
        reason,
        blockers,
        wants,
        need,
        say: say.as_deref().map(timeless),
        since,
        out_of_sync_since,
        detail,
        next_look_at: NO_TIME,
        drift,
        host,
        counts: Counts::default(),
        interrupted: None,
        basis: None,
    }
}

/// A sentence without its numbers: they are ages, times until something, and counts that the status gives beside it.
fn timeless(say: &str) -> String {
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    say.split(' ').filter(|word| !is_number(word)).collect::<Vec<_>>().join(" ")
}

const NO_TIME: Timestamp = Timestamp::UNIX_EPOCH;
/// In thousandths.
const TENTH: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position_mode::PositionMode;
    use crate::protocol::{Reason, State};
    use crate::serve::fixture::{at, view};

    #[test]
    fn looks_and_ages_are_no_news_and_all_else_is() {
        let (view, _) = view();
        let first = view.status();
        let is_news = |change: fn(&mut Status)| {
            let mut changed = first.clone();
            changed.source = Some(LastPull { last_success_at: at(0), commit: "a1b2c3d".to_owned() });
            let before = changed.clone();
            change(&mut changed);
            assert_ne!(before, changed);
            Substance::of(&before) != Substance::of(&changed)
        };
        let no_news: [fn(&mut Status); 7] = [
            |status| status.now = at(60),
            |status| status.targets[0].live.as_mut().unwrap().at = at(60),
            |status| status.targets[0].next_look_at = at(60),
            |status| status.targets[0].counts.drift += 1,
            |status| status.targets[1].say = Some("It 12s says 1m 30s. not_flat.".to_owned()),
            |status| status.stretch = Stretch(1690),
            |status| status.source.as_mut().unwrap().last_success_at = at(60),
        ];
        for (number, change) in no_news.into_iter().enumerate() {
            assert!(!is_news(change), "{number}");
        }
        let news: [fn(&mut Status); 9] = [
            |status| status.targets[0].live.as_mut().unwrap().mode = PositionMode::OneWay,
            |status| status.targets[0].state = State::Unknown,
            |status| status.targets[1].reason = Some(Reason::Settling),
            |status| status.targets[1].say = Some("It says more.".to_owned()),
            |status| status.targets[1].detail.positions = Some(3),
            |status| status.stretch = Stretch(1700),
            |status| status.config.problem = Some("It is bad.".to_owned()),
            |status| status.source.as_mut().unwrap().commit = "b2".to_owned(),
            |status| drop(status.targets.pop()),
        ];
        for (number, change) in news.into_iter().enumerate() {
            assert!(is_news(change), "{number}");
        }
    }
}
