//! Reads and sets of a classic account over API v2, where each product type has a mode of its own.

use super::answer::Payload;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Ask, Parsed, Session, Setter};
use super::wire::classic::{
    Contract, OPEN_STATUSES, PLAN_TYPES, Page, Sample, SetPositionMode, SingleAccount,
};
use super::wire::{PAGE, Position, Rows, open, shape};
use crate::facts::Answer;
use crate::facts::{Class, Failure, List};
use crate::position_mode::{PositionMode, ProductType, Scope};
use crate::schedule::Purpose;

/// The live mode of a product type.
pub(super) async fn mode<T: Transport>(
    session: &Session<T>,
    product: ProductType,
    purpose: Purpose,
) -> Result<Answer<PositionMode>, Failure> {
    let ask = Ask { scope: Scope::Product(product), purpose };
    let Sample { symbol, margin_coin } = sample(session, product).await?;
    let query = format!("symbol={symbol}&productType={}&marginCoin={margin_coin}", product.as_str());
    let parsed: Result<Parsed<SingleAccount>, Failure> =
        Parsed::of(session.ask(Endpoint::Account, query, ask).await?);
    if parsed.as_ref().is_err_and(|failure| failure.class == Class::OurFault) {
        // The symbol may have been delisted since.
        session.client.shared.samples.lock().remove(&product);
    }
    let parsed = parsed?;
    let mode = parsed.data.pos_mode;
    Ok(parsed.answer(mode))
}

/// The queries whose answers together are a list.
pub(super) fn parts(product: ProductType, list: List) -> Vec<String> {
    let product = product.as_str();
    match list {
        List::Positions => vec![format!("productType={product}")],
        List::Orders => {
            OPEN_STATUSES.map(|status| format!("productType={product}&status={status}&limit={PAGE}")).to_vec()
        }
        List::PlanOrders => {
            PLAN_TYPES.map(|plan| format!("productType={product}&planType={plan}&limit={PAGE}")).to_vec()
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
    let endpoint = match list {
        List::Positions => {
            let whole = session.read(Endpoint::Positions, part, ask, |page: Vec<Position>| {
                rows.positions += open(&page)?;
                Ok(None)
            });
            return Ok(whole.await?.with(rows));
        }
        List::Orders => Endpoint::Orders,
        List::PlanOrders => Endpoint::PlanOrders,
    };
    let whole = session.read(endpoint, part, ask, |page: Page| {
        let (orders, next) = page.rows()?;
        rows.orders.extend(orders.into_iter().map(|order| order.order_id));
        Ok(next.map(|id| format!("idLessThan={id}")))
    });
    Ok(whole.await?.with(rows))
}

/// The request that sets a product type's mode.
pub(super) fn setter(product: ProductType, mode: PositionMode) -> Setter {
    Setter {
        endpoint: Endpoint::SetPositionMode,
        body: serde_json::to_string(&SetPositionMode { product, mode }),
    }
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
    let asked = session.ask_public(Endpoint::Contracts, query).await?;
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
