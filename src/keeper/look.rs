//! One look at the exchange: the read-only half of a keeper. `plan` uses it without the other half.

use crate::exchange::{Extent, Observe};
use crate::position_mode::Scope;
use crate::protocol::{Learned, Look};
use crate::schedule::Purpose;

/// Does one look; a failure is returned as `Learned::Failed`.
pub async fn look<O: Observe>(exchange: &O, scope: Scope, look: Look, purpose: Purpose) -> Learned {
    let learned = match look {
        Look::Clock => exchange.clock().await.map(Learned::Clock),
        Look::Kind => exchange.kind(purpose).await.map(Learned::Kind),
        Look::Account => exchange.account(purpose).await.map(Learned::Account),
        Look::Mode => exchange.mode(scope, purpose).await.map(Learned::Mode),
        Look::List(list) => {
            let count = exchange.count(scope, list, Extent::Whole, purpose).await;
            count.map(|count| Learned::List(list, count))
        }
        Look::Open(list) => {
            let count = exchange.count(scope, list, Extent::WhereOpen, purpose).await;
            count.map(|count| Learned::Open(list, count))
        }
    };
    learned.unwrap_or_else(|failure| Learned::Failed(look, failure))
}
