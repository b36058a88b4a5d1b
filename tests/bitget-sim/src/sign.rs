//! Bitget's signature over timestamp, method, path, query and body exactly as sent, in base64: HMAC-SHA256, or `SHA256withRSA`
//! (PKCS#1 v1.5) where the key was registered with an RSA public key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::Sha256;

use crate::key::ApiKey;
use crate::wire::{Request, UnixMs};

impl ApiKey {
    /// The request with the headers that a client with this key and its secret puts on it, signed for this moment.
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

/// Whether `ACCESS-SIGN` is what it has to be for this key.
pub(crate) fn is_signed_with(api_key: &ApiKey, timestamp: &str, request: &Request, given: &str) -> bool {
    match &api_key.rsa_public_key {
        None => is_signed(&api_key.secret.0, timestamp, request, given),
        Some(pem) => is_signed_by_rsa(pem, timestamp, request, given),
    }
}

fn is_signed_by_rsa(pem: &str, timestamp: &str, request: &Request, given: &str) -> bool {
    let (Ok(info), Ok(given)) =
        (SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()), STANDARD.decode(given))
    else {
        return false;
    };
    rsa_key(&info).is_some_and(|key| {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        key.verify(&prehash(timestamp, request), &given).is_ok()
    })
}

/// The key itself in its envelope, which says first that it is an RSA key. What follows is a bit string: its tag, its
/// length in two bytes (any key of 1024 bits or more has as much), the count of unused bits.
fn rsa_key(info: &[u8]) -> Option<&[u8]> {
    let at = info.windows(IS_RSA.len()).position(|window| window == IS_RSA)?;
    match info.get(at + IS_RSA.len()..)? {
        [0x03, 0x82, _, _, 0x00, key @ ..] => Some(key),
        _other => None,
    }
}

/// The object identifier `rsaEncryption`, without parameters.
const IS_RSA: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

fn prehash(timestamp: &str, request: &Request) -> Vec<u8> {
    let Request { method, path, query, headers: _, body, from: _ } = request;
    let mark = if query.is_empty() { "" } else { "?" };
    let method = method.to_ascii_uppercase();
    [timestamp, &method, path, mark, query]
        .concat()
        .into_bytes()
        .into_iter()
        .chain(body.iter().copied())
        .collect()
}

/// Whether it is signed with a secret.
fn is_signed(secret: &str, timestamp: &str, request: &Request, given: &str) -> bool {
    let Ok(given) = STANDARD.decode(given) else {
        return false;
    };
    mac(secret, timestamp, request).is_some_and(|mac| mac.verify_slice(&given).is_ok())
}

fn mac(secret: &str, timestamp: &str, request: &Request) -> Option<Hmac<Sha256>> {
    // A key of any length is fine for HMAC; the type allows for failure all the same.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(&prehash(timestamp, request));
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
