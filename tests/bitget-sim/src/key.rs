//! API keys: what opens an account, and what it may do there.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A right of an API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Not granted.
    Nothing,
    /// May look.
    Read,
    /// May look and change.
    #[default]
    ReadWrite,
}

/// A text that is not shown by accident. What it holds is for tests, and yet it stays out of logs.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// An API key and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKey {
    /// Sent as `ACCESS-KEY`.
    pub key: String,
    /// What requests are signed with, unless there is an RSA key.
    pub secret: Secret,
    /// The public half of the RSA key that requests are signed with, in PEM as `openssl pkey -pubout` writes it.
    #[serde(default)]
    pub rsa_public_key: Option<String>,
    /// Sent as `ACCESS-PASSPHRASE`.
    pub passphrase: Secret,
    /// Made in demo mode: its requests must carry `paptrading: 1`, those of other keys must not.
    #[serde(default)]
    pub demo: bool,
    /// Futures, on a classic account.
    #[serde(default)]
    pub right: Right,
    /// "UTA mgt." on a unified account: the settings to read, the setter to change.
    #[serde(default)]
    pub uta_mgt: Right,
    /// "UTA trade" on a unified account: positions and orders.
    #[serde(default)]
    pub uta_trade: Right,
    /// Whether it may withdraw, as shown in the account's information.
    #[serde(default)]
    pub withdraws: bool,
    /// Whether it may read whose key it is; without it `40014`.
    #[serde(default = "yes")]
    pub reads_info: bool,
    /// A code that every private call of this key is refused with: `40018` for an IP that is not on its list, `40013` for a
    /// frozen account ...
    #[serde(default)]
    pub refused_with: Option<String>,
    /// The list of addresses it may be used from, as shown in the account's information.
    #[serde(default)]
    pub ips: String,
}

impl ApiKey {
    /// A key with every right, of which nothing looks real: `key-NAME`, `test-secret-NAME`, `test-passphrase-NAME`.
    pub fn named(name: &str) -> Self {
        Self {
            key: format!("key-{name}"),
            secret: format!("test-secret-{name}").into(),
            rsa_public_key: None,
            passphrase: format!("test-passphrase-{name}").into(),
            demo: false,
            right: Right::ReadWrite,
            uta_mgt: Right::ReadWrite,
            uta_trade: Right::ReadWrite,
            withdraws: false,
            reads_info: true,
            refused_with: None,
            ips: String::new(),
        }
    }
}

pub(crate) fn named_or_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiKey, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Name(String),
        Whole(ApiKey),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::Name(name) => ApiKey::named(&name),
        Given::Whole(api_key) => api_key,
    })
}

fn yes() -> bool {
    true
}
