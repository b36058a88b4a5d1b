//! Reads and the set of a unified account over API v3. One mode covers the whole account, so every futures category
//! counts.

use std::collections::BTreeSet;

use super::answer::{Payload, Reply};
use super::codes;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Session, Setter};
use super::wire::unified::{Page, PositionList, SetHoldMode, Settings, Stage, TYPES};
use super::wire::{Order, PAGE, open, shape};
use crate::exchange::Urgency;
use crate::facts::Answer;
use crate::facts::{Class, Failure, List};
use crate::moment::ServerTime;
use crate::position_mode::{PositionMode, ProductType};

/// The live mode of the whole account.
pub(super) async fn mode<T: Transport>(
    session: &Session<T>,
    urgency: Urgency,
) -> Result<Answer<PositionMode>, Failure> {
    let reply = session.ask(Endpoint::Settings, String::new(), urgency).await?;
    let Settled { server, uid: _, mode } = settled(&reply)?;
    Ok(Answer { value: mode, asked: reply.asked, answered: reply.answered, server })
}

/// Number of rows of a list that count, over all categories. The categories are read concurrently: in sequence they
/// would take longer than a verdict may when the exchange is far away. All are awaited even if one has failed, because
/// a request dropped in flight holds its permit for long.
pub(super) async fn count<T: Transport>(
    session: &Session<T>,
    list: List,
    urgency: Urgency,
) -> Result<Answer<u32>, Failure> {
    let categories = CATEGORIES.map(|category| format!("category={}", category.as_str()));
    let ids = match list {
        List::Positions => {
            let [one, two, three] = categories.map(|category| positions(session, category, urgency));
            let (one, two, three) = tokio::join!(one, two, three);
            return Ok(one?.and(two?, u32::saturating_add).and(three?, u32::saturating_add));
        }
        List::Orders => {
            let [one, two, three] = categories.map(|category| orders(session, category, urgency));
            let (one, two, three) = tokio::join!(one, two, three);
            one?.and(two?, both).and(three?, both)
        }
        List::PlanOrders => {
            let [one, two, three] = categories.map(|category| strategy_orders(session, category, urgency));
            let (one, two, three) = tokio::join!(one, two, three);
            one?.and(two?, both).and(three?, both)
        }
    };
    let count = u32::try_from(ids.value.len()).unwrap_or(u32::MAX);
    Ok(ids.with(count))
}

/// Ids of orders; one that is in several lists counts once.
type Ids = BTreeSet<String>;

async fn positions<T: Transport>(
    session: &Session<T>,
    category: String,
    urgency: Urgency,
) -> Result<Answer<u32>, Failure> {
    let mut count = 0;
    let take = |rows: PositionList| {
        count += open(&rows.positions())?;
        Ok(None)
    };
    let whole = session.read(Endpoint::CurrentPosition, vec![category], urgency, take).await?;
    Ok(whole.with(count))
}

async fn orders<T: Transport>(
    session: &Session<T>,
    category: String,
    urgency: Urgency,
) -> Result<Answer<Ids>, Failure> {
    let mut ids = Ids::new();
    let take = |page: Page| {
        let (rows, next) = page.rows()?;
        ids.extend(rows.into_iter().map(|order| order.order_id));
        Ok(next.map(|cursor| format!("cursor={cursor}")))
    };
    let whole = session
        .read(Endpoint::UnfilledOrders, vec![format!("{category}&limit={PAGE}")], urgency, take)
        .await?;
    Ok(whole.with(ids))
}

/// Ids of the strategy orders listed without a type, and of those of type `trigger`.
async fn strategy_orders<T: Transport>(
    session: &Session<T>,
    category: String,
    urgency: Urgency,
) -> Result<Answer<Ids>, Failure> {
    let of = |query| async move {
        let mut ids = Ids::new();
        let take = |rows: Vec<Order>| {
            ids.extend(rows.into_iter().map(|order| order.order_id));
            Ok(None)
        };
        let whole = session.read(Endpoint::UnfilledStrategyOrders, vec![query], urgency, take).await?;
        Ok::<_, Failure>(whole.with(ids))
    };
    let [plain, trigger] = TYPES.map(|of| format!("{category}{of}"));
    let (plain, trigger) = tokio::join!(of(plain), of(trigger));
    Ok(plain?.and(trigger?, both))
}

fn both(mut ids: Ids, more: Ids) -> Ids {
    ids.extend(more);
    ids
}

/// The request that sets the account's mode.
pub(super) fn setter(mode: PositionMode) -> Setter {
    Setter { endpoint: Endpoint::SetHoldMode, body: serde_json::to_string(&SetHoldMode { mode }) }
}

/// Settings of a unified account that is not being converted.
pub(super) struct Settled {
    pub(super) server: ServerTime,
    pub(super) uid: Option<String>,
    pub(super) mode: PositionMode,
}

/// Parses settings; fails unless they are those of a unified account that is not being converted.
pub(super) fn settled(reply: &Reply) -> Result<Settled, Failure> {
    let Payload { server, data } = reply.look()?;
    let settings: Settings = shape(data).map_err(|broken| reply.broken(&broken))?;
    match settings.stage().map_err(|broken| reply.broken(&broken))? {
        Stage::Unified(mode) => Ok(Settled { server, uid: settings.uid, mode }),
        Stage::Converting(word) => {
            let say = format!(
                "Bitget answered the call {}: accountMode {word}, {}",
                reply.endpoint,
                codes::CONVERTING
            );
            Err(Failure { class: Class::Converting, code: None, say })
        }
    }
}

/// The categories that the one mode covers.
const CATEGORIES: [ProductType; 3] =
    [ProductType::UsdtFutures, ProductType::CoinFutures, ProductType::UsdcFutures];
