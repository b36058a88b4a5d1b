//! Accounts and what they hold: modes, positions, orders, plan orders, and the API keys that open them.
//! It knows nothing of HTTP, signatures or limits.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::UnixMs;

/// The number of an account or sub-account; limits count per UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub u64);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which API an account answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// v2 `mix`: one mode per product type.
    Classic,
    /// v3: one mode for the whole account.
    Unified,
}

/// The `accountMode` of a unified account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountMode {
    /// The usual one.
    #[default]
    Unified,
    /// Nobody could tell what it means.
    Hybrid,
    /// On its way to unified.
    Upgrading,
    /// On its way to another mode.
    Switching,
}

impl AccountMode {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Hybrid => "hybrid",
            Self::Upgrading => "upgrading",
            Self::Switching => "switching",
        }
    }
}

/// A position mode, in Bitget's literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PosMode {
    /// `one_way_mode`
    OneWayMode,
    /// `hedge_mode`
    HedgeMode,
}

impl PosMode {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneWayMode => "one_way_mode",
            Self::HedgeMode => "hedge_mode",
        }
    }
}

impl FromStr for PosMode {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        [Self::OneWayMode, Self::HedgeMode]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| Unknown::new("position mode", text))
    }
}

/// A product type; the last three are the old demo ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ProductType {
    /// `USDT-FUTURES`
    UsdtFutures,
    /// `COIN-FUTURES`
    CoinFutures,
    /// `USDC-FUTURES`
    UsdcFutures,
    /// `SUSDT-FUTURES`
    SusdtFutures,
    /// `SCOIN-FUTURES`
    ScoinFutures,
    /// `SUSDC-FUTURES`
    SusdcFutures,
}

impl ProductType {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::UsdtFutures,
        Self::CoinFutures,
        Self::UsdcFutures,
        Self::SusdtFutures,
        Self::ScoinFutures,
        Self::SusdcFutures,
    ];

    /// As Bitget's pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsdtFutures => "USDT-FUTURES",
            Self::CoinFutures => "COIN-FUTURES",
            Self::UsdcFutures => "USDC-FUTURES",
            Self::SusdtFutures => "SUSDT-FUTURES",
            Self::ScoinFutures => "SCOIN-FUTURES",
            Self::SusdcFutures => "SUSDC-FUTURES",
        }
    }
}

impl FromStr for ProductType {
    type Err = Unknown;

    /// In any case: the exchange takes `usdt-futures` as well.
    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL
            .into_iter()
            .find(|product| product.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| Unknown::new("product type", text))
    }
}

impl TryFrom<String> for ProductType {
    type Error = Unknown;

    fn try_from(text: String) -> Result<Self, Unknown> {
        text.parse()
    }
}

impl From<ProductType> for &'static str {
    fn from(product: ProductType) -> Self {
        product.as_str()
    }
}

/// The side of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldSide {
    /// Gains when the price rises.
    Long,
    /// Gains when the price falls.
    Short,
}

impl HoldSide {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

/// The status of an open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Nothing filled yet.
    Live,
    /// Filled in part.
    PartiallyFilled,
}

impl OrderStatus {
    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::PartiallyFilled => "partially_filled",
        }
    }
}

/// The `planType` that a list of plan orders is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanType {
    /// A trigger order.
    NormalPlan,
    /// A trailing stop.
    TrackPlan,
    /// Take profit or stop loss.
    ProfitLoss,
}

impl PlanType {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::NormalPlan, Self::TrackPlan, Self::ProfitLoss];

    /// As Bitget spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NormalPlan => "normal_plan",
            Self::TrackPlan => "track_plan",
            Self::ProfitLoss => "profit_loss",
        }
    }
}

/// The number of an order or a plan order; later ones are greater. Text in JSON, being more than a double holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

impl Serialize for OrderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

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
    /// What requests are signed with.
    pub secret: Secret,
    /// Sent as `ACCESS-PASSPHRASE`.
    pub passphrase: Secret,
    /// Made in demo mode: its requests must carry `paptrading: 1`, those of other keys must not.
    #[serde(default)]
    pub demo: bool,
    /// Futures on a classic account, "UTA mgt." on a unified one.
    #[serde(default)]
    pub right: Right,
    /// Whether it may read whose key it is; without it `40014`.
    #[serde(default = "yes")]
    pub reads_info: bool,
    /// A code that every private call of this key is refused with: `40018` for an IP that is not on its list, `40013` for a
    /// frozen account, `40115` for one being converted ...
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
            passphrase: format!("test-passphrase-{name}").into(),
            demo: false,
            right: Right::ReadWrite,
            reads_info: true,
            refused_with: None,
            ips: String::new(),
        }
    }
}

/// An account to be opened at the exchange. Every product type starts flat and in hedge mode, as at Bitget, unless `modes` says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAccount {
    /// Its number.
    pub uid: Uid,
    /// Which API it answers to.
    pub kind: Kind,
    /// Its first API key; in JSON a mere name makes an [`ApiKey::named`].
    #[serde(deserialize_with = "named_or_whole")]
    pub api_key: ApiKey,
    /// Modes other than hedge mode; on a unified account the one of `USDT-FUTURES` is the account's.
    #[serde(default)]
    pub modes: BTreeMap<ProductType, PosMode>,
    /// A code that the setter is always refused with, such as `40731` for a copy-trading lead.
    #[serde(default)]
    pub set_refused_with: Option<String>,
    /// The account that a sub-account belongs to.
    #[serde(default)]
    pub parent: Option<Uid>,
}

impl NewAccount {
    /// A classic account with [`ApiKey::named`].
    pub fn classic(uid: Uid, name: &str) -> Self {
        Self {
            uid,
            kind: Kind::Classic,
            api_key: ApiKey::named(name),
            modes: BTreeMap::new(),
            set_refused_with: None,
            parent: None,
        }
    }

    /// A unified account with [`ApiKey::named`].
    pub fn unified(uid: Uid, name: &str) -> Self {
        Self {
            kind: Kind::Unified,
            ..Self::classic(uid, name)
        }
    }

    /// The same account with another mode to start with.
    #[must_use]
    pub fn with_mode(mut self, product: ProductType, mode: PosMode) -> Self {
        self.modes.insert(product, mode);
        self
    }
}

/// An order to be placed by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Such as `BTCUSDT`.
    pub symbol: String,
    /// How far it has got.
    pub status: OrderStatus,
    /// How long ago it was placed. One older than three months blocks, and is not listed.
    pub age: Duration,
}

impl NewOrder {
    /// An order placed just now, with nothing filled.
    pub fn live(symbol: &str) -> Self {
        Self {
            symbol: symbol.to_owned(),
            status: OrderStatus::Live,
            age: Duration::ZERO,
        }
    }
}

/// An open order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Such as `BTCUSDT`.
    pub symbol: String,
    /// How far it has got.
    pub status: OrderStatus,
    /// When it was placed.
    pub created: UnixMs,
}

/// An open plan order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanOrder {
    /// Its number.
    pub id: OrderId,
    /// The list that it stands in.
    pub plan_type: PlanType,
    /// Such as `BTCUSDT`.
    pub symbol: String,
    /// When it was placed.
    pub created: UnixMs,
}

/// What an account holds under one product type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    /// Sizes, as text, by symbol and side.
    pub(crate) positions: BTreeMap<(String, HoldSide), Position>,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    pub(crate) plan_orders: BTreeMap<OrderId, PlanOrder>,
    /// Bots, TWAP or copy orders: no list shows them.
    pub(crate) hidden: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) total: String,
    pub(crate) opened: UnixMs,
}

impl Position {
    /// A row whose size is zero is no position.
    pub(crate) fn is_open(&self) -> bool {
        self.total.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
    }
}

/// A mode over time, so that a read can be made to show an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModeHistory {
    first: PosMode,
    changes: Vec<(UnixMs, PosMode)>,
}

impl ModeHistory {
    fn new(first: PosMode) -> Self {
        Self {
            first,
            changes: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> PosMode {
        self.changes.last().map_or(self.first, |(_, mode)| *mode)
    }

    /// The mode as it was at `moment`.
    pub(crate) fn at(&self, moment: UnixMs) -> PosMode {
        self.changes
            .iter()
            .rev()
            .find(|(at, _)| *at <= moment)
            .map_or(self.first, |(_, mode)| *mode)
    }

    pub(crate) fn change(&mut self, at: UnixMs, mode: PosMode) {
        self.changes.push((at, mode));
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) kind: Kind,
    pub(crate) stage: AccountMode,
    pub(crate) parent: Option<Uid>,
    pub(crate) set_refused_with: Option<String>,
    modes: BTreeMap<ProductType, ModeHistory>,
    hold_mode: ModeHistory,
    books: BTreeMap<ProductType, Book>,
}

impl Account {
    pub(crate) fn open(new: &NewAccount) -> Self {
        let mode = |product| {
            new.modes
                .get(&product)
                .copied()
                .unwrap_or(PosMode::HedgeMode)
        };
        Self {
            uid: new.uid,
            kind: new.kind,
            stage: AccountMode::default(),
            parent: new.parent,
            set_refused_with: new.set_refused_with.clone(),
            modes: ProductType::ALL
                .into_iter()
                .map(|product| (product, ModeHistory::new(mode(product))))
                .collect(),
            hold_mode: ModeHistory::new(mode(ProductType::UsdtFutures)),
            books: BTreeMap::new(),
        }
    }

    /// The mode that covers a product type: its own on a classic account, the account's on a unified one.
    pub(crate) fn mode(&self, product: ProductType) -> &ModeHistory {
        match self.kind {
            Kind::Classic => self.modes.get(&product).unwrap_or(&self.hold_mode),
            Kind::Unified => &self.hold_mode,
        }
    }

    pub(crate) fn mode_mut(&mut self, product: ProductType) -> &mut ModeHistory {
        match self.kind {
            Kind::Classic => self
                .modes
                .entry(product)
                .or_insert_with(|| ModeHistory::new(PosMode::HedgeMode)),
            Kind::Unified => &mut self.hold_mode,
        }
    }

    /// What is held under a product type.
    pub(crate) fn book(&self, product: ProductType) -> &Book {
        self.books.get(&product).unwrap_or(&EMPTY)
    }

    pub(crate) fn book_mut(&mut self, product: ProductType) -> &mut Book {
        self.books.entry(product).or_default()
    }
}

/// A name that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such {what}: {name}")]
pub struct Unknown {
    what: &'static str,
    name: String,
}

impl Unknown {
    pub(crate) fn new(what: &'static str, name: impl fmt::Display) -> Self {
        Self {
            what,
            name: name.to_string(),
        }
    }
}

pub(crate) fn named_or_whole<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ApiKey, D::Error> {
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

static EMPTY: Book = Book {
    positions: BTreeMap::new(),
    orders: BTreeMap::new(),
    plan_orders: BTreeMap::new(),
    hidden: false,
};
