//! Reads and sets of a classic account over API v2, where each product type has a mode of its own.

use super::answer::Payload;
use super::codes;
use super::endpoint::Endpoint;
use super::http::Transport;
use super::session::{Ask, Parsed, Session, Setter, our_fault};
use super::wire::classic::{
    Contract, OPEN_STATUSES, PLAN_TYPES, Page, Sample, SetPositionMode, SingleAccount,
};
use super::wire::{PAGE, Position, Rows, shape};
use crate::facts::Answer;
use crate::facts::{Class, Failure, List};
use crate::position_mode::{PositionMode, ProductType, Scope};
use crate::schedule::Purpose;

/// The live mode of a product type. Where the exchange refuses the contract that has to be named, the next one serves.
pub(super) async fn mode<T: Transport>(
    session: &Session<T>,
    product: ProductType,
    purpose: Purpose,
) -> Result<Answer<PositionMode>, Failure> {
    let mut ask = Ask { scope: Scope::Product(product), purpose };
    let mut refused = None;
    for _ in 0..SAMPLES {
        let sample = sample(session, product).await?;
        let Sample { symbol, margin_coin } = &sample;
        let query = format!("symbol={symbol}&productType={}&marginCoin={margin_coin}", product.as_str());
        match Parsed::<SingleAccount>::of(session.ask(Endpoint::Account, query, ask).await?) {
            Ok(parsed) => {
                let mode = parsed.data.pos_mode;
                return Ok(parsed.answer(mode));
            }
            Err(failure) if failure.code.as_deref().is_some_and(codes::is_about_the_symbol) => {
                let is_left = session.client.shared.no_sample((product, session.trading()), &sample);
                refused = Some(failure);
                if !is_left {
                    break;
                }
                ask = ask.goes_on();
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(refused.unwrap_or_else(|| our_fault("no contract was asked for")))
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
                rows.add_positions(&page)?;
                Ok((page.len(), None))
            });
            return Ok(whole.await?.with(rows));
        }
        List::Orders => Endpoint::Orders,
        List::PlanOrders => Endpoint::PlanOrders,
    };
    let whole = session.read(endpoint, part, ask, |page: Page| {
        let (orders, next) = page.rows()?;
        let count = orders.len();
        rows.add_orders(list, orders);
        Ok((count, next.map(|id| format!("idLessThan={id}"))))
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
    let universe = (product, session.trading());
    if let Some(known) = shared.sample(universe) {
        return Ok(known);
    }
    let came = shared.clock.now();
    let mut failures = shared.asking_for_samples.lock().await;
    if let Some(known) = shared.sample(universe) {
        return Ok(known);
    }
    if let Some((at, failure)) = failures.get(&product)
        && *at > came
    {
        return Err(failure.clone());
    }
    let asked = ask_for_samples(session, product).await;
    if let Err(failure) = &asked {
        failures.insert(product, (shared.clock.now(), failure.clone()));
    }
    let samples = asked?;
    let first = samples.first().cloned().unwrap_or_else(|| Sample::fallback(product));
    shared.samples.lock().insert(universe, samples);
    Ok(first)
}

async fn ask_for_samples<T: Transport>(
    session: &Session<T>,
    product: ProductType,
) -> Result<Vec<Sample>, Failure> {
    let query = format!("productType={}", product.as_str());
    let asked = session.ask_public(Endpoint::Contracts, query).await?;
    match asked.look() {
        Ok(Payload { data, server: _ }) => {
            let rows: Vec<serde_json::Value> = shape(data).map_err(|broken| asked.broken(&broken))?;
            let contracts = rows.into_iter().filter_map(|row| shape::<Contract>(row).ok());
            Ok(samples(contracts, product))
        }
        // The exchange does not offer this product type any more; accounts still have a mode for it.
        Err(failure) if failure.class == Class::OurFault => Ok(samples(std::iter::empty(), product)),
        Err(failure) => Err(failure),
    }
}

/// The contracts with which the mode may be read, those first that will be there longest: the well-known one, then others
/// that trade normally. Where the list has none of these, the well-known one is tried all the same.
fn samples(contracts: impl Iterator<Item = Contract>, product: ProductType) -> Vec<Sample> {
    let fallback = Sample::fallback(product);
    let mut listed: Vec<(bool, bool, Sample)> = contracts
        .filter(|contract| !contract.is_off())
        .filter_map(|contract| {
            let sample = contract.sample()?;
            Some((!contract.is_normal(), sample.symbol != fallback.symbol, sample))
        })
        .collect();
    listed.sort_by_key(|(unusual, other, _)| (*unusual, *other));
    let samples: Vec<Sample> = listed.into_iter().map(|(_, _, sample)| sample).take(SAMPLES).collect();
    if samples.is_empty() { vec![fallback] } else { samples }
}

/// How many contracts are tried, one after the other.
const SAMPLES: usize = 5;
