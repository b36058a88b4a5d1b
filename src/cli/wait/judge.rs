//! What a status says of the targets that are waited for: pure.

use std::collections::BTreeSet;

use crate::cli::UsageError;
use crate::cli::accounts::{AccountOrScope, only_known};
use crate::position_mode::{AccountName, Scope};
use crate::protocol::{State, Wants};
use crate::status::{Config, Status, TargetStatus};

/// What one status says of them.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    /// The targets that are waited for, as far as the daemon shows them.
    pub(super) targets: Vec<&'a TargetStatus>,
    /// What there is to say; what was said before is not repeated.
    pub(super) news: Vec<News<'a>>,
    /// Why the wait ends, if it does.
    pub(super) end: Option<End>,
}

/// Why a wait ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All are as the newest content of the file wants them.
    InSync,
    /// The file gives one of them to another host.
    Elsewhere,
}

/// Something to say when its essence has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News<'a> {
    /// What it is about.
    pub(super) of: String,
    /// What makes it news: numbers that only count on do not.
    pub(super) essence: String,
    /// The sentence; `None` if there is nothing to say.
    pub(super) say: Option<String>,
    /// The target, if it is about one.
    pub(super) target: Option<&'a TargetStatus>,
}

/// Fails for what the newest content of the file, if it is in force, does not name. While the newest content of the file is not in force nothing is final.
pub(super) fn judge<'a>(status: &'a Status, waited: &[AccountOrScope]) -> anyhow::Result<Judged<'a>> {
    let newest = status.config.is_newest();
    let known: BTreeSet<AccountName> = status.targets.iter().map(|target| target.account.clone()).collect();
    if newest {
        let named: Vec<AccountName> = waited.iter().map(|of| of.account.clone()).collect();
        only_known(&named, &known, "in the file")?;
    }
    let (mut targets, mut news, mut all_shown): (Vec<&TargetStatus>, _, _) =
        (Vec::new(), vec![of_the_file(&status.config)], true);
    for of in waited {
        let account: Vec<&TargetStatus> =
            status.targets.iter().filter(|target| target.account == of.account).collect();
        let meant = |target: &&&TargetStatus| of.scope.is_none_or(|scope| scope == target.scope);
        let shown: Vec<&TargetStatus> = account.iter().filter(meant).copied().collect();
        if shown.is_empty() {
            all_shown = false;
            // The account's own word: of another host, or not looked at yet.
            targets.extend(account.iter().filter(|target| target.is_elsewhere()));
            news.push(not_shown(of, &account, newest)?);
        }
        news.extend(shown.iter().map(|target| of_a_target(target)));
        targets.extend(shown);
    }
    let end = if newest && targets.iter().any(|target| target.is_elsewhere()) {
        Some(End::Elsewhere)
    } else if newest && all_shown && targets.iter().all(|target| target.state == State::InSync) {
        Some(End::InSync)
    } else {
        None
    };
    Ok(Judged { targets, news, end })
}

impl Judged<'_> {
    /// What is not as it should be, in a few words.
    pub(super) fn waits_for(&self) -> String {
        let file = self.news.iter().filter(|news| news.of == FILE && news.essence != IN_FORCE);
        let file = file.map(|_| "the newest content of the file is not in force".to_owned());
        let unknown = self.news.iter().filter(|news| news.of != FILE && news.target.is_none());
        let unknown =
            unknown.filter_map(|news| news.say.as_ref()).map(|say| say.trim_end_matches('.').to_owned());
        let waiting = self.targets.iter().filter(|target| target.state != State::InSync);
        let waiting =
            waiting.map(|target| format!("{} {} is {}", target.account, target.scope, stands(target)));
        file.chain(unknown).chain(waiting).collect::<Vec<_>>().join("; ")
    }
}

fn of_the_file<'a>(config: &Config) -> News<'a> {
    let (essence, say) = match (&config.problem, config.next) {
        (Some(problem), _) => {
            (problem.clone(), format!("The newest content of the file is not in force: {problem}"))
        }
        (None, Some(next)) => {
            let say = format!("Revision {} is accepted, and not compared with every account yet.", next.0);
            (say.clone(), say)
        }
        (None, None) => {
            let say = format!("Revision {} is in force.", config.generation.0);
            (IN_FORCE.to_owned(), say)
        }
    };
    News { of: FILE.to_owned(), essence, say: Some(say), target: None }
}

fn of_a_target(target: &TargetStatus) -> News<'_> {
    let of = format!("{} {}", target.account, target.scope);
    let stands = stands(target);
    let say = match &target.say {
        Some(say) => format!("{of}: {stands}: {say}"),
        None => format!("{of}: {stands}"),
    };
    News { of, essence: stands, say: Some(say), target: Some(target) }
}

fn stands(target: &TargetStatus) -> String {
    let stands = match target.reason {
        _ if target.is_not_looked_at_yet() => return "not looked at yet".to_owned(),
        None => target.state.to_string(),
        Some(reason) => format!("{}, {reason}", target.state),
    };
    if wants_a_human(target) { format!("{stands}, wants a human") } else { stands }
}

/// Whether it does not come into sync by itself.
pub(super) fn wants_a_human(target: &TargetStatus) -> bool {
    target.wants == Some(Wants::Human) && target.state != State::InSync
}

/// What to say of a target that the daemon does not show: one that it will show later, if any.
fn not_shown<'a>(of: &AccountOrScope, account: &[&TargetStatus], newest: bool) -> anyhow::Result<News<'a>> {
    let news = |say: String| News { of: of.to_string(), essence: say.clone(), say: Some(say), target: None };
    if account.is_empty() {
        return Ok(news(format!("{}: the revision in force does not name it.", of.account)));
    }
    // Which targets an account has is known once its kind is.
    let is_open =
        account.iter().any(|target| target.scope == Scope::Account && target.state == State::Unknown);
    let unseen = account.iter().any(|target| target.is_not_looked_at_yet());
    let elsewhere = account.iter().any(|target| target.is_elsewhere());
    if is_open || unseen || elsewhere || !newest {
        return Ok(news(format!("{of}: which targets {} has is not known yet.", of.account)));
    }
    let scopes: Vec<String> =
        account.iter().map(|target| format!("{}/{}", target.account, target.scope)).collect();
    Err(UsageError(format!("There is no target {of} in the file: there is {}.", scopes.join(", "))).into())
}

/// Under which name it is kept how the file stands; no target is called so.
const FILE: &str = "the file";
const IN_FORCE: &str = "in force";

#[cfg(test)]
mod tests;
