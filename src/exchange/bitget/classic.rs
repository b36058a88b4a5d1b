//! Reads and sets of a classic account over API v2, where each product type has a mode of its own.

use std::collections::BTreeSet;

use super::answer::Payload;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Parsed, Session, Setter};
use super::wire::classic::{
    Contract, OPEN_STATUSES, PLAN_TYPES, Page, Sample, SetPositionMode, SingleAccount,
};
use super::wire::{PAGE, Position, open, shape};
use crate::exchange::Urgency;
use crate::facts::Answer;
use crate::facts::{Class, Failure, List};

use crate::position_mode::{PositionMode, ProductType};

/// The live mode of a product type.
pub(super) async fn mode<T: Transport>(
    session: &Session<T>,
    product: ProductType,
    urgency: Urgency,
) -> Result<Answer<PositionMode>, Failure> {
    let Sample { symbol, margin_coin } = sample(session, product).await?;
    let query = format!("symbol={symbol}&productType={}&marginCoin={margin_coin}", product.as_str());
    let parsed: Result<Parsed<SingleAccount>, Failure> =
        Parsed::of(session.ask(Endpoint::Account, query, urgency).await?);
    if parsed.as_ref().is_err_and(|failure| failure.class == Class::OurFault) {
        // The symbol may have been delisted since.
        session.client.shared.samples.lock().remove(&product);
    }
    let parsed = parsed?;
    let mode = parsed.data.pos_mode;
    Ok(parsed.answer(mode))
}

/// Number of open positions or distinct orders in a list.
pub(super) async fn count<T: Transport>(
    session: &Session<T>,
    product: ProductType,
    list: List,
    urgency: Urgency,
) -> Result<Answer<u32>, Failure> {
    let product = product.as_str();
    match list {
        List::Positions => {
            let mut count = 0;
            let lists = vec![format!("productType={product}")];
            let whole = session.read(Endpoint::Positions, lists, urgency, |rows: Vec<Position>| {
                count += open(&rows)?;
                Ok(None)
            });
            Ok(whole.await?.with(count))
        }
        List::Orders => {
            let lists =
                OPEN_STATUSES.map(|status| format!("productType={product}&status={status}&limit={PAGE}"));
            orders(session, Endpoint::Orders, lists.to_vec(), urgency).await
        }
        List::PlanOrders => {
            let lists = PLAN_TYPES.map(|plan| format!("productType={product}&planType={plan}&limit={PAGE}"));
            orders(session, Endpoint::PlanOrders, lists.to_vec(), urgency).await
        }
    }
}

/// The request that sets a product type's mode.
pub(super) fn setter(product: ProductType, mode: PositionMode) -> Setter {
    Setter {
        endpoint: Endpoint::SetPositionMode,
        body: serde_json::to_string(&SetPositionMode { product, mode }),
    }
}

/// Number of distinct orders over several lists.
async fn orders<T: Transport>(
    session: &Session<T>,
    endpoint: Endpoint,
    lists: Vec<String>,
    urgency: Urgency,
) -> Result<Answer<u32>, Failure> {
    let mut ids = BTreeSet::new();
    let whole = session.read(endpoint, lists, urgency, |page: Page| {
        let (rows, next) = page.rows()?;
        ids.extend(rows.into_iter().map(|order| order.order_id));
        Ok(next.map(|id| format!("idLessThan={id}")))
    });
    Ok(whole.await?.with(u32::try_from(ids.len()).unwrap_or(u32::MAX)))
}

/// A symbol and a margin coin of a product type: from the exchange's list of contracts (cached), else a fallback.
async fn sample<T: Transport>(session: &Session<T>, product: ProductType) -> Result<Sample, Failure> {
    let shared = &session.client.shared;
    let known = || shared.samples.lock().get(&product).cloned();
    if let Some(known) = known() {
        return Ok(known);
    }
    let came = shared.clock.now();
    let mut failures = shared.asking_for_samples.lock().await;
    if let Some(known) = known() {
        return Ok(known);
    }
    if let Some((at, failure)) = failures.get(&product)
        && *at > came
    {
        return Err(failure.clone());
    }
    let asked = ask_for_sample(session, product).await;
    if let Err(failure) = &asked {
        failures.insert(product, (shared.clock.now(), failure.clone()));
    }
    let sample = asked?;
    shared.samples.lock().insert(product, sample.clone());
    Ok(sample)
}

async fn ask_for_sample<T: Transport>(session: &Session<T>, product: ProductType) -> Result<Sample, Failure> {
    let query = format!("productType={}", product.as_str());
    let asked = session.ask_public(Endpoint::Contracts, query, Urgency::PartWay).await?;
    let listed = match asked.look() {
        Ok(Payload { data, server: _ }) => {
            let rows: Vec<serde_json::Value> = shape(data).map_err(|broken| asked.broken(&broken))?;
            rows.into_iter().find_map(|row| shape::<Contract>(row).ok()?.sample())
        }
        // The exchange does not offer this product type any more; accounts still have a mode for it.
        Err(failure) if failure.class == Class::OurFault => None,
        Err(failure) => return Err(failure),
    };
    Ok(listed.unwrap_or_else(|| Sample::fallback(product)))
}
