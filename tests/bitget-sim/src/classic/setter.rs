//! The setter of classic accounts: it changes the mode of one product type, or says why not, and touches nothing else.

use serde_json::{Map, Value, json};

use super::may;
use crate::account::{Account, Position};
use crate::gate::message;
use crate::journal::Executed;
use crate::key::{ApiKey, Right};
use crate::switches::{HiddenBlockers, NotFlat, SameMode, Switches};
use crate::wire::{Refusal, Request, UnixMs};
use crate::words::{PosMode, ProductType};

/// What a set came to.
#[derive(Debug)]
pub(crate) struct SetDone {
    pub(crate) executed: Executed,
    pub(crate) answer: Result<Value, Refusal>,
    /// The product type, where the request got as far as naming one.
    pub(crate) product: Option<ProductType>,
}

/// `POST /api/v2/mix/account/set-position-mode`
pub(crate) fn set_position_mode(
    account: &mut Account,
    api_key: &ApiKey,
    switches: &Switches,
    now: UnixMs,
    request: &Request,
) -> SetDone {
    let refused = |product, refusal| SetDone { executed: Executed::Refused, answer: Err(refusal), product };
    let (product, wanted) = match may(api_key, Right::ReadWrite).and_then(|()| wanted_mode(request)) {
        Ok(wanted) => wanted,
        Err(refusal) => return refused(None, refusal),
    };
    if let Some(code) = &account.set_refused_with {
        return refused(Some(product), Refusal::business(code, message(code)));
    }
    let current = account.mode(product).now();
    let blocked = is_blocked(account, product, switches);
    let executed = match (current == wanted, blocked, switches.same_mode_while_not_flat) {
        (true, false, _) | (true, true, SameMode::Success) => Executed::Same,
        (true, true, SameMode::Refused) | (false, true, _) => {
            let status = switches.not_flat_status.unwrap_or(switches.refusal_status);
            let msg = "The position mode cannot be adjusted while there is a position or an order";
            return refused(
                Some(product),
                Refusal::business(&switches.not_flat_code, msg).with_status(status),
            );
        }
        (false, false, _) => {
            account.mode_mut(product).change(now, wanted);
            Executed::Applied { from: current, to: wanted }
        }
    };
    SetDone { executed, answer: Ok(json!({ "posMode": wanted.as_str() })), product: Some(product) }
}

/// Whether an account truly holds nothing under a product type, hidden blockers included.
pub(crate) fn is_flat(account: &Account, product: ProductType) -> bool {
    let book = account.book(product);
    !book.positions.values().any(Position::is_open)
        && book.orders.is_empty()
        && book.plan_orders.is_empty()
        && !book.hidden
}

fn is_blocked(account: &Account, product: ProductType, switches: &Switches) -> bool {
    let book = account.book(product);
    let positions = book.positions.values().any(Position::is_open);
    let orders = !book.orders.is_empty() || !book.plan_orders.is_empty();
    let hidden = match switches.hidden_blockers {
        HiddenBlockers::Refuse => book.hidden,
        HiddenBlockers::Ignored => false,
    };
    match switches.not_flat {
        NotFlat::RefusedByAnything => positions || orders || hidden,
        NotFlat::RefusedByPositions => positions,
        NotFlat::Accepted => false,
    }
}

fn wanted_mode(request: &Request) -> Result<(ProductType, PosMode), Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(&request.body).map_err(|_| {
        Refusal::business("400171", "Parameter verification failed: the body is no JSON object")
    })?;
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Refusal::business("400172", format!("Parameter verification failed {name}")))
    };
    let illegal = |name: &str| Refusal::business("400172", format!("{name} Illegal type"));
    let product = text("productType")?.parse().map_err(|_| illegal("productType"))?;
    let mode = text("posMode")?.parse().map_err(|_| illegal("posMode"))?;
    Ok((product, mode))
}
