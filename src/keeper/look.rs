//! One look at the exchange: the read-only half of a keeper. `plan` uses it without the other half.

use crate::exchange::{Observe, Urgency};
use crate::position_mode::Scope;
use crate::protocol::{Learned, Look};

/// Does one look; a failure is returned as `Learned::Failed`.
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
