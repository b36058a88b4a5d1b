//! The setter of classic accounts: it changes the mode of one product type, or says why not, and touches nothing else.

use serde_json::json;

use crate::account::Account;
use crate::gate::message;
use crate::journal::Executed;
use crate::key::{ApiKey, Right};
use crate::look::may;
use crate::set::{Fields, SetDone, blocked};
use crate::switches::{SameMode, Switches};
use crate::wire::{Refusal, Request, UnixMs};
use crate::words::{PosMode, ProductType};

/// `POST /api/v2/mix/account/set-position-mode`
pub(crate) fn set_position_mode(
    account: &mut Account,
    api_key: &ApiKey,
    switches: &Switches,
    now: UnixMs,
    request: &Request,
) -> SetDone {
    let (product, wanted) = match may(api_key.right, Right::ReadWrite).and_then(|()| wanted_mode(request)) {
        Ok(wanted) => wanted,
        Err(refusal) => return SetDone::refused(None, refusal),
    };
    if let Some(code) = account.refuse_set() {
        return SetDone::refused(Some(product), Refusal::business(&code, message(&code)));
    }
    let current = account.mode(product).now();
    let blocked = blocked(account, &[product], switches).is_some();
    let executed = match (current == wanted, blocked, switches.same_mode_while_not_flat) {
        (true, false, _) | (true, true, SameMode::Success) => Executed::Same,
        (true, true, SameMode::Refused) | (false, true, _) => {
            let status = switches.not_flat_status.unwrap_or(switches.refusal_status);
            let msg = "The position mode cannot be adjusted while there is a position or an order";
            return SetDone::refused(
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

fn wanted_mode(request: &Request) -> Result<(ProductType, PosMode), Refusal> {
    let fields = Fields::of(request)?;
    Ok((fields.word("productType", "400172")?, fields.word("posMode", "400172")?))
}
