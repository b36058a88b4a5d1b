//! The signature of a request: over timestamp, method, path, query and body, byte for byte, whatever the kind of key.
//!
//! Depends neither on the clock nor on what is requested.

use super::http::{Method, Request};
use crate::exchange::credential::Credential;
use crate::moment::ServerTime;

/// Real money, or the exchange's demo trading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trading {
    /// Ordinary keys.
    Real,
    /// Keys made in demo mode; their requests carry the header `paptrading`.
    Demo,
}

/// Adds the headers of a private request to `request`, signed for `stamp`.
pub(super) fn sign(request: &mut Request, credential: &Credential, trading: Trading, stamp: ServerTime) {
    let Request { method, path, query, headers, body } = request;
    let timestamp = stamp.0.to_string();
    let prehash = prehash(&timestamp, *method, path, query, body);
    headers.push(("access-key", credential.key().to_owned()));
    headers.push(("access-sign", credential.sign(&prehash)));
    headers.push(("access-timestamp", timestamp));
    headers.push(("access-passphrase", credential.passphrase().to_owned()));
    match trading {
        Trading::Real => {}
        Trading::Demo => headers.push(("paptrading", "1".to_owned())),
    }
}

fn prehash(timestamp: &str, method: Method, path: &str, query: &str, body: &str) -> String {
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{timestamp}{}{path}{mark}{query}{body}", method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(secret: &str, prehash: &str) -> String {
        let (key, passphrase) = ("test-key".to_owned(), "test-pass".to_owned());
        Credential::new(key, secret.to_owned(), passphrase).unwrap().sign(prehash)
    }

    #[test]
    fn the_published_vectors_hold() {
        let vectors = [
            (
                "1659927630000GET/api/mix/v2/market/depth?limit=20&symbol=BTCUSDT",
                "BUbassOUwHdAjeOFu8D5FZfp4i2JGYCsS9yBvRLaC0U=",
            ),
            ("1659927630000GET/user/verify", "ReLoBF0dP2l8UDnVe5VABcut6c7GGb+QFkEZ/KeNw8k="),
        ];
        for (prehash, expected) in vectors {
            assert_eq!(signature("testsecret", prehash), expected);
        }
    }

    #[test]
    fn a_set_and_a_read_are_signed_as_other_clients_sign_them() {
        let stamp = "1659076670000";
        let body = r#"{"productType":"USDT-FUTURES","posMode":"hedge_mode"}"#;
        let set = prehash(stamp, Method::Post, "/api/v2/mix/account/set-position-mode", "", body);
        assert_eq!(signature("test-secret", &set), "rTvSYicc4lEbKek3SOBKahiI4fQO4ATGUPz0XmdG5Uo=");
        let query = "marginCoin=usdt&productType=USDT-FUTURES&symbol=btcusdt";
        let read = prehash(stamp, Method::Get, "/api/v2/mix/account/account", query, "");
        assert_eq!(signature("test-secret", &read), "fCdm26HtotpMS+mVerq6IiJrlEyQ2K7sNeTul209WNA=");
    }

    #[test]
    fn a_demo_key_says_so() {
        let credential =
            Credential::new("test-key".into(), "test-secret".into(), "test-pass".into()).unwrap();
        let names = |trading| {
            let mut request = Request::get("/path", String::new());
            sign(&mut request, &credential, trading, ServerTime(1));
            request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        };
        let private = ["locale", "access-key", "access-sign", "access-timestamp", "access-passphrase"];
        assert_eq!(names(Trading::Real), private);
        assert_eq!(names(Trading::Demo), [&private[..], &["paptrading"]].concat());
    }
}
