//! Status and counters as metrics, in the `OpenMetrics` text form that Prometheus reads.
//!
//! The status has no copy here: every scrape renders what the keepers published last, so a released target's series
//! disappear by themselves.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::facts::AccountSettings;
use crate::position_mode::AccountName;
use crate::protocol::{Need, Reason, State, Wants};
use crate::serve::View;
use crate::source::LastPull;
use crate::status::{Config, Counts, HostStatus, Paused, Peers, Status, TargetStatus};

/// The prefix of every metric's name.
pub const PREFIX: &str = "posmoded";

/// The content of `/metrics`: the rendered status, and the counters.
#[derive(Debug)]
pub struct Metrics {
    rendered: Registry,
    counted: Arc<Registry>,
}

impl Metrics {
    /// The content type of [`Metrics::text`].
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// The metrics of a view.
    pub fn of(view: View) -> Metrics {
        let (mut rendered, counted) = (Registry::with_prefix(PREFIX), view.counters.clone());
        rendered.register_collector(Box::new(Rendered(view)));
        Metrics { rendered, counted }
    }

    /// All metrics as of now.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.rendered)?;
        encode_registry(&mut text, &self.counted)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Rendered(View);

impl Collector for Rendered {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Families(encoder);
        let status = self.0.status();
        of_the_daemon(&mut out, &status)?;
        of_targets(&mut out, &status.targets)?;
        of_accounts(&mut out, &status)?;
        of_hosts(&mut out, &self.0.peers())?;
        let accounts = self.0.board.accounts();
        let offsets = accounts.iter().filter_map(|(account, status)| Some((account, status.clock_offset?)));
        out.gauges(
            "clock_offset",
            "What must be added to this machine's time to get the exchange's",
            Some(&Unit::Seconds),
            offsets
                .map(|(account, milliseconds)| ([("account", account.as_str())], thousandth(milliseconds))),
        )
    }
}

fn of_the_daemon(out: &mut Families<'_>, status: &Status) -> fmt::Result {
    let Status {
        version,
        paused: _,
        paused_accounts: _,
        config,
        schema: _,
        host: _,
        now: _,
        held: _,
        targets: _,
        warnings: _,
        account_settings,
        http,
        stretch,
        source,
        hosts: _,
    } = status;
    let Config { generation, sha256, commit, loaded_at, problem, behind, path: _, next: _ } = config;
    out.info("build", "The version of posmoded", &[("version", version)])?;
    if let Some(http) = http {
        out.info("http", "The version of HTTP of the exchange's last answer", &[("version", http.as_str())])?;
    }
    out.gauges(
        "look_interval_stretch_ratio",
        "By how much intervals between looks come out longer than check_every: 1 while the budget of requests suffices",
        None,
        [([], f64::from(*stretch))],
    )?;
    let good = i64::from(problem.is_none() && generation.0 > 0);
    out.gauges(
        "config_last_load_successful",
        "1 while the newest content of the file is in force",
        None,
        [([], good)],
    )?;
    out.gauges(
        "config_last_load_success_timestamp",
        "When the revision in force was accepted; 0 if there is none",
        Some(&Unit::Seconds),
        [([], loaded_at.map_or(0, Timestamp::as_second))],
    )?;
    out.gauges(
        "config_behind",
        "1 while the file of this host is another than what another host has put in force",
        None,
        [([], i64::from(behind.is_some()))],
    )?;
    if let Some(LastPull { last_success_at, commit: _ }) = source {
        out.gauges(
            "source_last_success_timestamp",
            "When the newest commit was last brought from git; absent where nothing does that",
            Some(&Unit::Seconds),
            [([], last_success_at.as_second())],
        )?;
    }
    let revision = [
        ("generation", generation.0.to_string()),
        ("sha256", sha256.clone()),
        ("commit", commit.clone().unwrap_or_default()),
    ];
    out.info("config", "The revision in force", &revision)?;
    of_pauses(out, status)?;
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let settings: Vec<(&AccountName, [String; 3])> = account_settings
        .iter()
        .map(|(account, AccountSettings { account_level, asset_mode, stp_mode })| {
            (account, [word(account_level), word(asset_mode), word(stp_mode)])
        })
        .collect();
    out.gauges(
        "account_info",
        "1; what else the settings of a unified account say, which are never set here",
        None,
        settings.iter().map(|(account, [level, asset_mode, stp_mode])| {
            let words = [
                ("account", account.as_str()),
                ("account_level", level.as_str()),
                ("asset_mode", asset_mode.as_str()),
                ("stp_mode", stp_mode.as_str()),
            ];
            (words, 1_i64)
        }),
    )?;
    let waiting = i64::try_from(status.changes_held()).unwrap_or(i64::MAX);
    let help = "Changes that max_changes holds back until posmoded approve";
    out.gauges("held_changes", help, None, [([], waiting)])
}

fn of_pauses(out: &mut Families<'_>, status: &Status) -> fmt::Result {
    let Status { paused, paused_accounts, targets, .. } = status;
    out.gauges(
        "paused",
        "1 while an operator has paused everything",
        None,
        [([], i64::from(paused.is_some()))],
    )?;
    // Its beginning is in the ledger, so it outlasts restarts and gaps between scrapes; how long something was seen does not.
    out.gauges(
        "paused_since_timestamp",
        "When everything was paused; absent while it is not",
        Some(&Unit::Seconds),
        paused.iter().map(|paused| ([], paused.since.as_second())),
    )?;
    let accounts: BTreeSet<&AccountName> = targets.iter().map(|target| &target.account).collect();
    let is_paused = |account: &AccountName| i64::from(paused_accounts.contains_key(account));
    out.gauges(
        "account_paused",
        "1 while an operator has paused this account",
        None,
        accounts.iter().map(|account| ([("account", account.as_str())], is_paused(account))),
    )?;
    out.gauges(
        "account_paused_since_timestamp",
        "When this account was paused; absent while it is not",
        Some(&Unit::Seconds),
        accounts.iter().filter_map(|account| {
            let Paused { since, .. } = paused_accounts.get(*account)?;
            Some(([("account", account.as_str())], since.as_second()))
        }),
    )
}

fn of_targets(out: &mut Families<'_>, targets: &[TargetStatus]) -> fmt::Result {
    // That host's metrics cover its targets: an alert here, too, would be one too many.
    let here = || targets.iter().filter(|target| !target.is_elsewhere());
    let in_sync = |target: &TargetStatus| i64::from(target.state == State::InSync);
    out.gauges(
        "target_in_sync",
        "1 while the live mode is the desired one",
        None,
        here().map(|target| (labels(target), in_sync(target))),
    )?;
    out.gauges(
        "target_state",
        "1 for the state and the reason that a target is in now; the reason is none only in sync",
        None,
        targets.iter().map(|target| {
            let [account, scope] = labels(target);
            let reason = target.reason.map_or("none", Reason::as_str);
            ([account, scope, ("state", target.state.as_str()), ("reason", reason)], 1_i64)
        }),
    )?;
    out.gauges(
        "target_wants",
        "1 for who or what ends the strongest of what stands in the way of a target now: human, time or itself; none only in \
         sync",
        None,
        here().map(|target| {
            let [account, scope] = labels(target);
            ([account, scope, ("wants", target.wants.map_or("none", Wants::as_str))], 1_i64)
        }),
    )?;
    out.gauges(
        "target_need",
        "1 for what is asked of a human about a target now: now, to_be_decided or stopped_on_purpose; none where no human is wanted",
        None,
        here().map(|target| {
            let [account, scope] = labels(target);
            ([account, scope, ("need", target.need.map_or("none", Need::as_str))], 1_i64)
        }),
    )?;
    out.gauges(
        "target_reason_since_timestamp",
        "Since when a target has had its reason in this process; absent without one",
        Some(&Unit::Seconds),
        here()
            .filter(|target| target.reason.is_some())
            .map(|target| (labels(target), target.since.as_second())),
    )?;
    out.gauges(
        "target_not_in_sync_since_timestamp",
        "Since when a target has not been in sync; absent while it is",
        Some(&Unit::Seconds),
        here().filter_map(|target| Some((labels(target), target.out_of_sync_since?.as_second()))),
    )?;
    out.gauges(
        "target_last_look_timestamp",
        "When the exchange last said which mode is live; 0 if it has not yet",
        Some(&Unit::Seconds),
        here().map(|target| {
            let at = target.live.as_ref().map_or(0, |live| live.at.as_second());
            (labels(target), at)
        }),
    )?;
    let unknown = |target: &TargetStatus| i64::from(target.blockers.contains(&Reason::OutcomeUnknown));
    out.gauges(
        "outcome_unknown",
        "1 while it is not known whether a set that was sent has taken effect",
        None,
        targets.iter().map(|target| (labels(target), unknown(target))),
    )?;
    out.counters(
        "mode_changes",
        "Sets since the start, by what became of them",
        targets.iter().flat_map(|target| {
            let Counts { confirmed, late: _, refused, unknown, withdrawn, drift: _ } = target.counts;
            let results = [
                ("confirmed", confirmed),
                ("refused", refused),
                ("unknown", unknown),
                ("withdrawn", withdrawn),
            ];
            let [account, scope] = labels(target);
            results.map(|(result, count)| ([account, scope, ("result", result)], count))
        }),
    )?;
    out.counters(
        "drift_detected",
        "Times since the start that the live mode was found changed by somebody else",
        targets.iter().map(|target| (labels(target), target.counts.drift)),
    )
}

/// What the first line of `posmoded status` counts as wanting a human.
fn of_accounts(out: &mut Families<'_>, status: &Status) -> fmt::Result {
    out.gauges(
        "account_needs",
        "How many targets of an account want a human, and 1 more if the account itself does, by what is asked: now, to_be_decided \
         or stopped_on_purpose",
        None,
        status.needs().into_iter().flat_map(|(account, needs)| {
            needs.each().map(|(need, count)| {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                ([("account", account.as_str()), ("need", need.as_str())], count)
            })
        }),
    )
}

/// Whoever works with the same ledger; all 0 where it is in a file.
fn of_hosts(out: &mut Families<'_>, peers: &Peers) -> fmt::Result {
    let count = |is: fn(&HostStatus) -> bool| peers.hosts.iter().filter(|host| is(host)).count();
    let states = [
        ("living", count(|host| host.lives)),
        ("silent", count(|host| !host.lives && !host.ended && host.unknown_since.is_none())),
        ("ended", count(|host| !host.lives && host.ended)),
        ("unknown", count(|host| host.unknown_since.is_some())),
    ];
    out.gauges(
        "hosts",
        "Hosts whose daemons work with this ledger, this one too, by whether they live, show no sign of life, have ended by themselves, or nobody knows here",
        None,
        states.map(|(state, count)| ([("state", state)], i64::try_from(count).unwrap_or(i64::MAX))),
    )
}

fn labels(target: &TargetStatus) -> [(&'static str, &str); 2] {
    [("account", target.account.as_str()), ("scope", target.scope.as_str())]
}

fn thousandth(milliseconds: i64) -> f64 {
    // Clock offsets are far below the 2^53 that a double holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "an offset of 285,000 years is still exact")]
    let milliseconds = milliseconds as f64;
    milliseconds / 1000.0
}

/// Encodes metric families, one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn gauges<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = ([(&'static str, &'l str); N], V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in samples {
            if N == 0 {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'static str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in samples {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        Ok(())
    }

    fn info<V: AsRef<str>>(&mut self, name: &str, help: &str, labels: &[(&'static str, V)]) -> fmt::Result {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}

#[cfg(test)]
mod tests;
