//! `posmoded pause`: stops all sets, or some accounts', until `resume` or a time.

use std::time::Duration;

use anyhow::Context as _;

use crate::cli::flags::Printed;
use crate::cli::{Common, Exit, UsageError, accounts, asking};
use crate::ledger::{self, PauseRow};
use crate::moment::{span, spell};
use crate::position_mode::AccountName;

/// What `pause` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only these accounts [default: everything]
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountName>,
    /// Why: others read it in the status
    #[arg(long, env = "POSMODED_REASON", hide_env = true, value_name = "TEXT")]
    pub reason: String,
    /// End it by itself after this time, such as 2h [default: it lasts until `posmoded resume`]
    #[arg(long = "for", env = "POSMODED_FOR", hide_env = true, value_name = "TIME", value_parser = span)]
    pub lasting: Option<Duration>,
    /// How the result is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// 0 when the daemon has acknowledged it, 1 when it is written but not acknowledged, or could not be written.
pub async fn pause(args: &Args, common: &Common) -> anyhow::Result<Exit> {
    let Args { accounts, reason, lasting, printed } = args;
    let reason = one_line(reason).ok_or_else(|| {
        UsageError("Say why: --reason TEXT; others read it in the status and wonder.".to_owned())
    })?;
    let (visitor, clock) = asking::ledger(common).context("Nothing was paused.")?;
    accounts::only_known(accounts, &asking::known(&visitor)?, "in the file or the ledger")?;
    let beside = beside(
        &visitor.directives().context("Nothing was paused.")?.pauses,
        accounts,
        *lasting,
        clock.wall(),
    );
    let request = visitor.pause(accounts, &reason, *lasting).context("Nothing was paused.")?;
    let lasts = lasting.map_or_else(String::new, |lasting| format!("for {}, or ", spell(lasting)));
    let ends =
        accounts.iter().fold("posmoded resume".to_owned(), |ends, account| format!("{ends} {account}"));
    let done = format!("{} is paused {lasts}until `{ends}`: {reason}{beside}", asking::whom(accounts));
    asking::conclude((&visitor, &clock), &request, "Nothing was paused.", &done, printed.output).await
}

/// What the new pause comes in place of, or stands beside; of several accounts for each.
fn beside(standing: &[PauseRow], accounts: &[AccountName], lasting: Option<Duration>, now: i64) -> String {
    let of = |account: Option<&AccountName>| {
        let beside = ledger::beside(standing, account, lasting, now)?;
        let whose =
            account.filter(|_| accounts.len() > 1).map_or_else(String::new, |account| format!("{account} "));
        Some(format!("; {whose}{beside}"))
    };
    if accounts.is_empty() {
        of(None).unwrap_or_default()
    } else {
        accounts.iter().filter_map(|one| of(Some(one))).collect()
    }
}

/// The text with control characters as spaces, trimmed; `None` if nothing is left.
pub(super) fn one_line(text: &str) -> Option<String> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Pause;
    use crate::moment::ServerTime;

    #[test]
    fn a_pause_over_another_says_which_of_them_counts() {
        const NOW: i64 = 1_795_338_000_000;
        const HOUR: Duration = Duration::from_secs(3600);
        let row = |name: Option<&str>, reason: &str, hours: Option<i64>| {
            let account: Option<AccountName> = name.map(|name| name.parse().unwrap());
            let until = hours.map(|hours| ServerTime(NOW + hours * 3_600_000));
            let lasts = hours.map(|_| HOUR);
            let pause =
                Pause { account: account.clone(), reason: reason.to_owned(), who: None, lasts, until };
            PauseRow { account, pause, since: NOW }
        };
        let told = |standing: &[PauseRow], named: &[&str], hours: Option<u32>| {
            let named: Vec<AccountName> = named.iter().map(|name| name.parse().unwrap()).collect();
            beside(standing, &named, hours.map(|hours| HOUR * hours), NOW)
        };
        let lunch = [row(Some("desk-1"), "lunch", Some(2))];
        assert_eq!(told(&lunch, &["desk-1"], None), "; in place of: lunch, until 2026-11-22T11:00:00Z");
        assert_eq!(told(&lunch, &["desk-1"], Some(3)), "; in place of: lunch, until 2026-11-22T11:00:00Z");
        let longer = "; beside one that lasts longer: lunch, until 2026-11-22T11:00:00Z";
        assert_eq!(told(&lunch, &["desk-1"], Some(1)), longer);
        assert_eq!(told(&lunch, &["desk-2"], None) + &told(&lunch, &[], None), "", "another one's");
        let over = [row(None, "over", Some(-1)), row(None, "a", Some(1)), row(None, "b", None)];
        assert_eq!(told(&over[..1], &[], None), "");
        assert_eq!(told(&over, &[], None), "; in place of: b, until it is resumed");
        assert_eq!(told(&over, &[], Some(9)), "; beside one that lasts longer: b, until it is resumed");
        let two = [lunch[0].clone(), row(Some("desk-2"), "b", None)];
        assert_eq!(
            told(&two, &["desk-1", "desk-2", "desk-3"], None),
            "; desk-1 in place of: lunch, until 2026-11-22T11:00:00Z; desk-2 in place of: b, until it is resumed"
        );
    }

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(one_line(" exchange\nmaintenance ").as_deref(), Some("exchange maintenance"));
        assert_eq!(one_line(" \n"), None);
    }
}
