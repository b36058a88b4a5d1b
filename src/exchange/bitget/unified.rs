//! Reads and the set of a unified account over API v3. One mode covers the whole account, so every futures category
//! counts.

use super::answer::{Payload, Reply};
use super::codes;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Ask, Session, Setter};
use super::wire::unified::{Page, PositionList, SetHoldMode, Settings, Stage, TYPES};
use super::wire::{Broken, Order, PAGE, Rows, shape, uid};
use crate::facts::{AccountSettings, Answer, Class, Failure, List};
use crate::moment::ServerTime;
use crate::position_mode::{PositionMode, ProductType, Scope, Uid};
use crate::schedule::Purpose;

/// The live mode of the whole account.
pub(super) async fn mode<T: Transport>(
    session: &Session<T>,
    purpose: Purpose,
) -> Result<Answer<PositionMode>, Failure> {
    let ask = Ask { scope: Scope::Account, purpose };
    let reply = session.ask(Endpoint::Settings, String::new(), ask).await?;
    let Settled { server, mode, uid: _, others, is_its_own } = settled(session, &reply)?;
    if !is_its_own {
        return Err(of_another(&reply));
    }
    session.remember(Some(others));
    Ok(Answer { value: mode, asked: reply.asked, answered: reply.answered, server })
}

/// The queries whose answers together are a list of an account with these settings.
pub(super) fn parts(list: List, settings: Option<&AccountSettings>) -> Vec<String> {
    let categories = categories(settings).iter().map(|category| format!("category={}", category.as_str()));
    match list {
        List::Positions => categories.collect(),
        List::Orders => categories.map(|category| format!("{category}&limit={PAGE}")).collect(),
        List::PlanOrders => {
            categories.flat_map(|category| TYPES.map(|of| format!("{category}{of}"))).collect()
        }
    }
}

/// The rows of one part that count.
pub(super) async fn rows<T: Transport>(
    session: &Session<T>,
    list: List,
    part: String,
    ask: Ask,
) -> Result<Answer<Rows>, Failure> {
    let mut rows = Rows::default();
    let whole = match list {
        List::Positions => {
            let take = |page: PositionList| {
                let positions = page.positions();
                rows.add_positions(&positions)?;
                Ok((positions.len(), None))
            };
            session.read(Endpoint::CurrentPosition, part, ask, take).await?
        }
        List::Orders => {
            let take = |page: Page| {
                let (orders, next) = page.rows()?;
                let count = orders.len();
                rows.add_orders(list, orders);
                Ok((count, next.map(|cursor| format!("cursor={cursor}"))))
            };
            session.read(Endpoint::UnfilledOrders, part, ask, take).await?
        }
        List::PlanOrders => {
            let take = |orders: Vec<Order>| {
                let count = orders.len();
                rows.add_orders(list, orders);
                Ok((count, None))
            };
            session.read(Endpoint::UnfilledStrategyOrders, part, ask, take).await?
        }
    };
    Ok(whole.with(rows))
}

/// The request that sets the account's mode.
pub(super) fn setter(mode: PositionMode) -> Setter {
    Setter { endpoint: Endpoint::SetHoldMode, body: serde_json::to_string(&SetHoldMode { mode }) }
}

/// Settings of a unified account that is not being converted.
pub(super) struct Settled {
    pub(super) server: ServerTime,
    pub(super) mode: PositionMode,
    /// Whose they say they are, if that is a uid.
    pub(super) uid: Result<Uid, Broken>,
    pub(super) others: AccountSettings,
    /// Whether those before them named the same account.
    pub(super) is_its_own: bool,
}

/// Parses settings; fails unless they are those of a unified account that is not being converted.
pub(super) fn settled<T: Transport>(session: &Session<T>, reply: &Reply) -> Result<Settled, Failure> {
    let Payload { server, data } = reply.look()?;
    let settings: Settings = shape(data).map_err(|broken| reply.broken(&broken))?;
    let uid = uid(settings.uid.as_deref().unwrap_or_default());
    match settings.stage().map_err(|broken| reply.broken(&broken))? {
        Stage::Unified(mode) => {
            let is_its_own = session.owns(uid.as_ref().ok());
            Ok(Settled { server, mode, uid, others: settings.others(), is_its_own })
        }
        // An account that is being converted need not name itself.
        Stage::Converting(_) if uid.as_ref().is_ok_and(|uid| !session.owns(Some(uid))) => {
            Err(of_another(reply))
        }
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

/// The failure for settings that do not name the account that those before them named. Whose key it is, is seen anew.
pub(super) fn of_another(reply: &Reply) -> Failure {
    let broken = Broken("settings that do not name the account that those before named (its uid)".to_owned());
    Failure { class: Class::WrongKind, ..reply.broken(&broken) }
}

/// The categories that the one mode covers, of an account with these settings. A basic account has no contracts in coins, and a
/// call for what it does not have may be refused as a whole; any other word may be a level that has everything.
pub(super) fn categories(settings: Option<&AccountSettings>) -> &'static [ProductType] {
    const ALL: [ProductType; 3] =
        [ProductType::UsdtFutures, ProductType::CoinFutures, ProductType::UsdcFutures];
    match settings.and_then(|settings| settings.account_level.as_deref()) {
        Some("basic") => &[ProductType::UsdtFutures, ProductType::UsdcFutures],
        Some(_) | None => &ALL,
    }
}
