//! The setter of unified accounts: it changes the one mode of the whole account, or says why not, and touches nothing else.

use serde_json::json;

use crate::account::Account;
use crate::gate::message;
use crate::journal::Executed;
use crate::key::{ApiKey, Right};
use crate::look::may;
use crate::set::{Blocked, Fields, SetDone, whole_blocked};
use crate::switches::{SameMode, Switches};
use crate::wire::{Refusal, Request, UnixMs};
use crate::words::{PosMode, ProductType};

/// `POST /api/v3/account/set-hold-mode`
pub(crate) fn set_hold_mode(
    account: &mut Account,
    api_key: &ApiKey,
    switches: &Switches,
    now: UnixMs,
    request: &Request,
) -> SetDone {
    match try_set(account, api_key, switches, now, request) {
        Ok(executed) => SetDone { executed, answer: Ok(json!("success")), product: None },
        Err(refusal) => SetDone::refused(None, refusal),
    }
}

fn try_set(
    account: &mut Account,
    api_key: &ApiKey,
    switches: &Switches,
    now: UnixMs,
    request: &Request,
) -> Result<Executed, Refusal> {
    may(api_key.uta_mgt, Right::ReadWrite)?;
    let to: PosMode = Fields::of(request)?.word("holdMode", "40034")?;
    if let Some(code) = account.refuse_set() {
        return Err(Refusal::business(&code, message(&code)));
    }
    let from = account.mode(ProductType::UsdtFutures).now();
    match (from == to, whole_blocked(account, switches), switches.same_mode_while_not_flat) {
        (true, None, _) | (true, Some(_), SameMode::Success) => match &switches.same_mode_on_v3_code {
            None => Ok(Executed::Same),
            Some(code) => Err(Refusal::business(code, "The holding mode is this one already")),
        },
        (true, Some(blocked), SameMode::Refused) | (false, Some(blocked), _) => {
            Err(not_flat(blocked, switches))
        }
        (false, None, _) => {
            account.mode_mut(ProductType::UsdtFutures).change(now, to);
            Ok(Executed::Applied { from, to })
        }
    }
}

fn not_flat(blocked: Blocked, switches: &Switches) -> Refusal {
    let (code, msg) = match blocked {
        Blocked::ByPosition => {
            (&switches.not_flat_on_v3_code, "The holding mode cannot be changed while there is a position")
        }
        Blocked::ByOrders => {
            (&switches.orders_on_v3_code, "The holding mode cannot be changed while there are open orders")
        }
    };
    Refusal::business(code, msg).with_status(switches.not_flat_status.unwrap_or(switches.refusal_status))
}
