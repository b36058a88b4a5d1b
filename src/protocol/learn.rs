//! The result of a look, and how it updates the facts.

use super::step::Look;
use crate::facts::{
    AccountFacts, Answer, Class, Failing, Failure, Identity, List, OwnerDue, Reading, Seen, TargetFacts,
};
use crate::moment::{Jitter, Moment};
use crate::position_mode::{Kind, PositionMode};

/// The result of a look.
#[derive(Debug)]
pub enum Learned {
    /// The exchange's time.
    Clock(Answer<()>),
    /// The kind of the account.
    Kind(Answer<Kind>),
    /// The account that the key belongs to.
    Account(Answer<Identity>),
    /// The live mode.
    Mode(Answer<PositionMode>),
    /// How many rows of a list count.
    List(List, Answer<u32>),
    /// The same of those parts of it that had rows before.
    Open(List, Answer<u32>),
    /// The look failed.
    Failed(Look, Failure),
}

/// Updates the facts with the result of a look.
pub fn learn(
    account: &mut AccountFacts,
    target: &mut TargetFacts,
    learned: Learned,
    now: Moment,
    jitter: Jitter,
) {
    account.jitter = jitter;
    match learned {
        Learned::Clock(answer) => {
            if let Some(closing) = &mut target.closing {
                closing.time = Some((answer.asked, answer.server));
            }
            take(account, answer);
        }
        Learned::Kind(answer) => {
            // After the answer is taken: a failure that asked for the kind is not mended by it.
            let kind = take(account, answer);
            account.kind = Some(kind);
        }
        Learned::Account(answer) => {
            let identity = take(account, answer);
            account.kind = Some(identity.kind);
            account.identity = Some(identity);
            account.owner_failing = None;
        }
        Learned::Mode(answer) => {
            let Answer { value: _, asked, answered, server } = answer;
            target.jitter = jitter;
            target.record_mode(Seen { mode: take(account, answer), asked, answered, server });
        }
        Learned::List(list, answer) => {
            let Answer { value: _, asked, answered, server: _ } = answer;
            let reading = Reading { count: take(account, answer), asked, answered };
            target.read(list, false, reading, account.stretch);
        }
        Learned::Open(list, answer) => {
            let Answer { value: _, asked, answered, server: _ } = answer;
            let reading = Reading { count: take(account, answer), asked, answered };
            target.read(list, true, reading, account.stretch);
        }
        Learned::Failed(Look::Account, failure) if is_no_obstacle(account, failure.class) => {
            let before = account.owner_failing.take();
            account.owner_failing = Some(Failing::once_more(before, failure, now, jitter));
        }
        Learned::Failed(look, failure) if is_of_the_account(look, failure.class) => {
            account.failed(failure, now);
        }
        Learned::Failed(look, failure) => {
            account.doubt_the_kind(&failure);
            let list = match look {
                Look::List(list) | Look::Open(list) => Some(list),
                Look::Clock | Look::Kind | Look::Account | Look::Mode => None,
            };
            target.failed(list, failure, now, jitter);
        }
    }
}

/// Whether looks and changes go on though it could not be seen whose key this is.
fn is_no_obstacle(account: &AccountFacts, class: Class) -> bool {
    account.owner_due != OwnerDue::BeforeAnything && account.kind.is_some() && !class.row().account_wide
}

/// Whether the failure concerns the whole account. `WrongKind` from one list contradicts the mode that was just read:
/// it counts against that list, which is retried at growing intervals, and the kind is observed again.
fn is_of_the_account(look: Look, class: Class) -> bool {
    match look {
        Look::Clock | Look::Kind | Look::Account => true,
        Look::Mode => class.row().account_wide,
        Look::List(_) | Look::Open(_) => class.row().account_wide && class != Class::WrongKind,
    }
}

fn take<T>(account: &mut AccountFacts, answer: Answer<T>) -> T {
    let Answer { value, asked, answered, server } = answer;
    account.note_server_time(asked, answered, server);
    value
}
