//! Who is asking: everything that Bitget checks of a private request before it looks at what was asked for, in its order.
//! The kind of the account comes before the signature, as it does live.

use crate::account::Account;
use crate::endpoint::{Door, Endpoint};
use crate::key::ApiKey;
use crate::sign;
use crate::switches::{SettingsWhileConverting, Switches};
use crate::wire::{Refusal, Request, UnixMs};
use crate::words::Kind;

/// Lets a request with this key pass, or says why not.
pub(crate) fn admit(
    request: &Request,
    api_key: &ApiKey,
    account: &Account,
    endpoint: Endpoint,
    switches: &Switches,
    now: UnixMs,
) -> Result<(), Refusal> {
    // An account on its way is of neither kind.
    if !account.is_converting() {
        right_kind(account.kind, endpoint.door(), switches)?;
    }
    let signature = required(request, "access-sign", "40002")?;
    let timestamp = required(request, "access-timestamp", "40003")?;
    let passphrase = required(request, "access-passphrase", "40011")?;
    if (request.header("paptrading") == Some("1")) != api_key.demo {
        return Err(Refusal::gate("40099", "exchange environment is incorrect"));
    }
    let signed: i64 = timestamp.parse().map_err(|_| Refusal::gate("40005", "Invalid ACCESS_TIMESTAMP"))?;
    if now.since(UnixMs(signed)).abs() > TIMESTAMP_WINDOW {
        return Err(Refusal::gate("40008", "Request timestamp expired"));
    }
    if !sign::is_signed_with(api_key, timestamp, request, signature) {
        return Err(Refusal::gate("40009", "sign signature error"));
    }
    if passphrase != api_key.passphrase.0 {
        return Err(Refusal::gate("40012", "apikey/passphrase is incorrect"));
    }
    if let Some(code) = &api_key.refused_with {
        return Err(Refusal::gate(code, message(code)));
    }
    if account.is_converting() && !is_shown_while_converting(endpoint, switches) {
        return Err(Refusal::gate("40115", message("40115")));
    }
    Ok(())
}

fn is_shown_while_converting(endpoint: Endpoint, switches: &Switches) -> bool {
    match switches.settings_while_converting {
        SettingsWhileConverting::Shown => endpoint == Endpoint::UnifiedSettings,
        SettingsWhileConverting::Refused => false,
    }
}

/// A header that must be there, or the refusal for its absence.
pub(crate) fn required<'a>(request: &'a Request, name: &str, code: &str) -> Result<&'a str, Refusal> {
    request.header(name).ok_or_else(|| {
        let name = name.to_ascii_uppercase().replace('-', "_");
        Refusal::gate(code, format!("The request header \"{name}\" cannot be empty"))
    })
}

/// A text for a code that a test chose. No client may go by the text.
pub(crate) fn message(code: &str) -> &'static str {
    match code {
        "40013" => "User status is abnormal",
        "40014" => "Incorrect permissions",
        "40018" => "Invalid IP",
        "40115" => "The account is being upgraded, please try again later",
        "40731" => "The account is a copy trading lead account",
        "429" => "Too Many Requests",
        _other => "The request was refused",
    }
}

fn right_kind(kind: Kind, door: Door, switches: &Switches) -> Result<(), Refusal> {
    match (door, kind) {
        (Door::Public, Kind::Classic | Kind::Unified)
        | (Door::Classic, Kind::Classic)
        | (Door::Unified, Kind::Unified) => Ok(()),
        (Door::Classic, Kind::Unified) => Err(Refusal::gate(
            &switches.unified_on_v2_code,
            "You are in Unified Account mode, and the Classic Account API is not supported at this time",
        )),
        (Door::Unified, Kind::Classic) => Err(Refusal::gate(
            &switches.classic_on_v3_code,
            "You are in Classic Account mode, and the Unified Account API is not supported at this time",
        )),
    }
}

/// Milliseconds that a timestamp may be off, either way.
const TIMESTAMP_WINDOW: i64 = 30_000;
