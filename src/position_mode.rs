//! The basic types: position mode, product type, account, kind, scope, target, and which targets an account has.
//!
//! Spelled as the exchange and the file spell them. Pure: no clock, no network, no decisions.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How positions are held: one net position per symbol, or a long and a short side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray, strum::VariantNames)]
#[strum(parse_err_ty = UnknownWord, parse_err_fn = no_mode)]
pub enum PositionMode {
    /// One net position per symbol.
    #[serde(rename = "one_way_mode")]
    #[strum(serialize = "one_way_mode")]
    OneWay,
    /// Long and short side by side.
    #[serde(rename = "hedge_mode")]
    #[strum(serialize = "hedge_mode")]
    Hedge,
}

/// A family of futures contracts; on a classic account each has a position mode of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray, strum::VariantNames)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
#[strum(serialize_all = "SCREAMING-KEBAB-CASE", parse_err_ty = UnknownWord, parse_err_fn = no_product_type)]
pub enum ProductType {
    /// Margined in USDT.
    UsdtFutures,
    /// Margined in the coin itself.
    CoinFutures,
    /// Margined in USDC.
    UsdcFutures,
    /// The demo twin of USDT-FUTURES.
    SusdtFutures,
    /// The demo twin of COIN-FUTURES.
    ScoinFutures,
    /// The demo twin of USDC-FUTURES.
    SusdcFutures,
}

/// The name that the file gives to one API key's account: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(Arc<str>);

/// The exchange's own number of an account ("user id").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub String);

/// Identifies an API key without containing it: the first digits of its SHA-256, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// Which of the exchange's two kinds of account it is; observed, never configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[derive(strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// API v2: one mode per product type.
    Classic,
    /// API v3: one mode for the whole account.
    Unified,
}

/// What one mode covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One product type of a classic account.
    Product(ProductType),
    /// The whole account: a unified one, or one whose kind is not known yet.
    Account,
}

/// One scope of one account, which has one mode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The account's name in the file.
    pub account: AccountName,
    /// What the mode covers.
    pub scope: Scope,
}

/// The position mode that the file declares for one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Declared {
    /// The short form: one mode for everything the account has.
    Everything(PositionMode),
    /// One mode per product type.
    PerProduct(BTreeMap<ProductType, PositionMode>),
}

/// The targets of an account, with the mode that the file wants for each. A desired mode is `None` if the kind is
/// unknown and the file names more than one mode, or if [`Declared::is_unsatisfiable`].
pub fn targets(declared: &Declared, kind: Option<Kind>) -> BTreeMap<Scope, Option<PositionMode>> {
    match (kind, declared) {
        (Some(Kind::Classic), Declared::Everything(mode)) => {
            ProductType::SHORT_FORM.iter().map(|product| (Scope::Product(*product), Some(*mode))).collect()
        }
        (Some(Kind::Classic), Declared::PerProduct(modes)) => {
            modes.iter().map(|(product, mode)| (Scope::Product(*product), Some(*mode))).collect()
        }
        (Some(Kind::Unified), declared) => BTreeMap::from([(Scope::Account, declared.mode_of_the_whole())]),
        (None, declared) => BTreeMap::from([(Scope::Account, declared.single_mode())]),
    }
}

impl Declared {
    /// The mode that the file wants, if it names only one.
    pub fn single_mode(&self) -> Option<PositionMode> {
        match self {
            Declared::Everything(mode) => Some(*mode),
            Declared::PerProduct(modes) => {
                let mut all = modes.values();
                let first = all.next()?;
                all.all(|mode| mode == first).then_some(*first)
            }
        }
    }

    /// The mode that the file wants for the whole account, if it names one for all products of the short form.
    pub fn mode_of_the_whole(&self) -> Option<PositionMode> {
        let speaks_for_all = match self {
            Declared::Everything(_) => true,
            Declared::PerProduct(modes) => {
                ProductType::SHORT_FORM.iter().all(|product| modes.contains_key(product))
            }
        };
        self.single_mode().filter(|_| speaks_for_all)
    }

    /// Whether an account of this kind cannot have the declared modes: a unified one has one mode for everything.
    pub fn is_unsatisfiable(&self, kind: Option<Kind>) -> bool {
        kind == Some(Kind::Unified) && self.mode_of_the_whole().is_none()
    }
}

impl PositionMode {
    /// As the exchange writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl ProductType {
    /// What the short form means on a classic account.
    pub const SHORT_FORM: [ProductType; 3] =
        [ProductType::UsdtFutures, ProductType::CoinFutures, ProductType::UsdcFutures];

    /// As the exchange writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Its ordinary twin, if it is one of the older demo trading, which had product types of its own.
    pub fn ordinary(self) -> Option<ProductType> {
        match self {
            ProductType::UsdtFutures | ProductType::CoinFutures | ProductType::UsdcFutures => None,
            ProductType::SusdtFutures => Some(ProductType::UsdtFutures),
            ProductType::ScoinFutures => Some(ProductType::CoinFutures),
            ProductType::SusdcFutures => Some(ProductType::UsdcFutures),
        }
    }
}

impl KeyId {
    /// The id of an API key.
    pub fn of(key: &str) -> KeyId {
        let mut digits = hex(&Sha256::digest(key));
        digits.truncate(KEY_ID_DIGITS);
        KeyId(digits.into())
    }
}

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scope {
    /// A product type as the exchange writes it, or `account`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Product(product) => product.as_str(),
            Scope::Account => "account",
        }
    }
}

/// A word that is unknown or not spelled as required.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not {expected}")]
pub struct UnknownWord {
    word: String,
    expected: &'static str,
}

fn no_mode(word: &str) -> UnknownWord {
    unknown(word, "a position mode (one_way_mode or hedge_mode)")
}

fn no_product_type(word: &str) -> UnknownWord {
    unknown(
        word,
        "a product type (USDT-FUTURES, COIN-FUTURES, USDC-FUTURES, or one of their demo twins SUSDT-FUTURES, \
         SCOIN-FUTURES, SUSDC-FUTURES)",
    )
}

impl FromStr for Scope {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        if word == "account" { Ok(Scope::Account) } else { word.parse().map(Scope::Product) }
    }
}

impl FromStr for AccountName {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = word.len() <= 63 && word.starts_with(plain) && word.chars().all(|c| plain(c) || c == '-');
        if good {
            Ok(AccountName(word.into()))
        } else {
            Err(unknown(word, "an account name (1 to 63 of a-z, 0-9 and -, the first a letter or a digit)"))
        }
    }
}

impl FromStr for KeyId {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let good = word.len() == KEY_ID_DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if good { Ok(KeyId(word.into())) } else { Err(unknown(word, "the id of a key (16 hex digits)")) }
    }
}

impl TryFrom<String> for AccountName {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> String {
        name.0.to_string()
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { account, scope } = self;
        write!(out, "{account} {scope}")
    }
}

/// Bytes as two lower-case hex digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unknown(word: &str, expected: &'static str) -> UnknownWord {
    UnknownWord { word: word.to_owned(), expected }
}

/// Enough that no two keys of a host share them by chance, and too few to test guessed keys against.
const KEY_ID_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for mode in PositionMode::VARIANTS.iter().copied() {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("{:?}", mode.as_str()));
        }
        for product in ProductType::VARIANTS.iter().copied() {
            assert_eq!(product.as_str().parse(), Ok(Scope::Product(product)));
            assert_eq!(serde_json::to_string(&product).unwrap(), format!("{:?}", product.as_str()));
        }
        assert_eq!("account".parse(), Ok(Scope::Account));
        assert!("usdt-futures".parse::<ProductType>().is_err());
    }

    #[test]
    fn account_names_are_short_and_plain() {
        for good in ["a", "0", "desk-main", &"a".repeat(63)] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "Desk", "a_b", "a/b", "..", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_classic_account_has_a_target_for_each_product_type_that_the_file_names() {
        let short = targets(&Declared::Everything(PositionMode::Hedge), Some(Kind::Classic));
        assert_eq!(short.len(), 3);
        assert!(short.values().all(|mode| *mode == Some(PositionMode::Hedge)));
        let coin = BTreeMap::from([(ProductType::CoinFutures, PositionMode::OneWay)]);
        let one = targets(&Declared::PerProduct(coin), Some(Kind::Classic));
        assert_eq!(
            one,
            BTreeMap::from([(Scope::Product(ProductType::CoinFutures), Some(PositionMode::OneWay))])
        );
    }

    #[test]
    fn until_its_kind_is_known_an_account_is_one_target() {
        let mixed = Declared::PerProduct(BTreeMap::from([
            (ProductType::UsdtFutures, PositionMode::Hedge),
            (ProductType::CoinFutures, PositionMode::OneWay),
        ]));
        assert_eq!(targets(&mixed, None), BTreeMap::from([(Scope::Account, None)]));
        let same = Declared::Everything(PositionMode::OneWay);
        assert_eq!(targets(&same, None), BTreeMap::from([(Scope::Account, Some(PositionMode::OneWay))]));
    }
}
