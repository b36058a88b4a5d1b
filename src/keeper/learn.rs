//! One look, and what is learned from it: the half of a keeper that only reads. `plan` uses it without the other half.

use crate::exchange::{Answer, Observe, Urgency};
use crate::facts::{AccountFacts, Class, Failure, Identity, List, Reading, Seen, TargetFacts};
use crate::moment::{Jitter, Moment};
use crate::position_mode::{PositionMode, Scope};
use crate::protocol::Look;

/// What came back from a look.
#[derive(Debug)]
pub enum Learned {
    /// The exchange's time.
    Clock(Answer<()>),
    /// Whose key it is.
    Account(Answer<Identity>),
    /// The live mode.
    Mode(Answer<PositionMode>),
    /// Rows of a list.
    List(List, Answer<u32>),
    /// Nothing usable.
    Failed(Look, Failure),
}

/// Does one look.
pub async fn look<O: Observe>(exchange: &O, scope: Scope, look: Look, urgency: Urgency) -> Learned {
    let learned = match look {
        Look::Clock => exchange.clock().await.map(Learned::Clock),
        Look::Account => exchange.account().await.map(Learned::Account),
        Look::Mode => exchange.mode(scope, urgency).await.map(Learned::Mode),
        Look::List(list) => {
            exchange.count(scope, list, urgency).await.map(|count| Learned::List(list, count))
        }
    };
    learned.unwrap_or_else(|failure| Learned::Failed(look, failure))
}

/// Turns what came back into facts.
pub fn learn(
    account: &mut AccountFacts,
    target: &mut TargetFacts,
    learned: Learned,
    now: Moment,
    jitter: Jitter,
) {
    account.jitter = jitter;
    match learned {
        Learned::Clock(answer) => heard(account, answer),
        Learned::Account(answer) => {
            account.identity = Some(heard(account, answer));
        }
        Learned::Mode(answer) => {
            let Answer { value: _, asked, answered, server } = answer;
            target.saw(Seen { mode: heard(account, answer), asked, answered, server });
        }
        Learned::List(list, answer) => {
            let Answer { value: _, asked, answered, server: _ } = answer;
            target.read(list, Reading { count: heard(account, answer), asked, answered });
        }
        Learned::Failed(Look::Clock | Look::Account, failure) => account.failed(failure, now),
        Learned::Failed(look, failure) if is_of_the_account(look, failure.class) => {
            account.failed(failure, now);
        }
        Learned::Failed(look, failure) => {
            account.doubt_the_kind(&failure);
            let list = match look {
                Look::List(list) => Some(list),
                Look::Clock | Look::Account | Look::Mode => None,
            };
            target.failed(list, failure, now, jitter);
        }
    }
}

/// Whether it says something of the whole account. One list of the wrong kind, where the mode was just read, contradicts
/// that: it counts against the list, which then waits longer and longer, and the kind is observed again.
fn is_of_the_account(look: Look, class: Class) -> bool {
    let contradicts = matches!(look, Look::List(_)) && class == Class::WrongKind;
    class.row().account_wide && !contradicts
}

fn heard<T>(account: &mut AccountFacts, answer: Answer<T>) -> T {
    let Answer { value, asked, answered, server } = answer;
    account.heard(asked, answered, server);
    value
}
