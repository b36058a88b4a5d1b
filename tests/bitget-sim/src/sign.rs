//! Bitget's signature: HMAC-SHA256 over timestamp, method, path, query and body exactly as sent, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::key::ApiKey;
use crate::wire::{Request, UnixMs};

impl ApiKey {
    /// The request with the headers that a client with this key puts on it, signed for this moment.
    #[must_use]
    pub fn sign(&self, request: Request, at: UnixMs) -> Request {
        let timestamp = at.0.to_string();
        let signature = signature(&self.secret.0, &timestamp, &request);
        let signed = request
            .with_header("access-key", &self.key)
            .with_header("access-sign", signature)
            .with_header("access-timestamp", timestamp)
            .with_header("access-passphrase", &self.passphrase.0)
            .with_header("content-type", "application/json");
        if self.demo { signed.with_header("paptrading", "1") } else { signed }
    }
}

/// What `ACCESS-SIGN` has to be.
pub(crate) fn signature(secret: &str, timestamp: &str, request: &Request) -> String {
    mac(secret, timestamp, request)
        .map_or_else(String::new, |mac| STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether `ACCESS-SIGN` is what it has to be.
pub(crate) fn is_signed(secret: &str, timestamp: &str, request: &Request, given: &str) -> bool {
    let Ok(given) = STANDARD.decode(given) else {
        return false;
    };
    mac(secret, timestamp, request).is_some_and(|mac| mac.verify_slice(&given).is_ok())
}

fn mac(secret: &str, timestamp: &str, request: &Request) -> Option<Hmac<Sha256>> {
    let Request { method, path, query, headers: _, body } = request;
    // A key of any length is fine for HMAC; the type allows for failure all the same.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(timestamp.as_bytes());
    mac.update(method.to_ascii_uppercase().as_bytes());
    mac.update(path.as_bytes());
    if !query.is_empty() {
        mac.update(b"?");
        mac.update(query.as_bytes());
    }
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[track_caller]
    fn check(secret: &str, timestamp: &str, request: &Request, expected: &str) {
        assert_eq!(signature(secret, timestamp, request), expected);
        assert!(is_signed(secret, timestamp, request, expected));
        let other = request.clone().with_header("x", "headers are not signed");
        assert!(is_signed(secret, timestamp, &other, expected));
        let changed = Request { body: b" ".to_vec(), ..request.clone() };
        assert!(!is_signed(secret, timestamp, &changed, expected));
    }

    #[test]
    fn signatures_are_those_that_were_published() {
        check(
            "testsecret",
            "1659927630000",
            &Request::get("/api/mix/v2/market/depth", "limit=20&symbol=BTCUSDT"),
            "BUbassOUwHdAjeOFu8D5FZfp4i2JGYCsS9yBvRLaC0U=",
        );
        check(
            "testsecret",
            "1659927630000",
            &Request::get("/user/verify", ""),
            "ReLoBF0dP2l8UDnVe5VABcut6c7GGb+QFkEZ/KeNw8k=",
        );
    }

    #[test]
    fn signatures_are_those_that_openssl_and_two_public_clients_agree_on() {
        check(
            "test-secret",
            "1659076670000",
            &Request::post(
                "/api/v2/mix/account/set-position-mode",
                r#"{"productType":"USDT-FUTURES","posMode":"hedge_mode"}"#,
            ),
            "rTvSYicc4lEbKek3SOBKahiI4fQO4ATGUPz0XmdG5Uo=",
        );
        check(
            "test-secret",
            "1659076670000",
            &Request::get(
                "/api/v2/mix/account/account",
                "marginCoin=usdt&productType=USDT-FUTURES&symbol=btcusdt",
            ),
            "fCdm26HtotpMS+mVerq6IiJrlEyQ2K7sNeTul209WNA=",
        );
    }

    #[test]
    fn a_signature_that_is_no_base64_is_wrong() {
        assert!(!is_signed("test-secret", "1", &Request::get("/", ""), "not base64!"));
    }
}
