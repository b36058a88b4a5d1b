//! Accounts and what they hold: modes, positions, orders, plan orders. It knows nothing of HTTP, signatures or limits.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::FOREVER;
use crate::key::{ApiKey, named_or_whole};
use crate::settings::{AccountLevel, Settings};
use crate::wire::UnixMs;
use crate::words::{AccountMode, HoldSide, Kind, OrderId, OrderStatus, PlanType, PosMode, ProductType, Uid};

/// An account to be opened at the exchange. Every product type starts flat, and in hedge mode unless `modes` says otherwise.
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
    /// What the settings of a unified account call it.
    #[serde(default)]
    pub account_mode: AccountMode,
    /// What they say beside that.
    #[serde(default)]
    pub settings: Settings,
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
            account_mode: AccountMode::default(),
            settings: Settings::default(),
        }
    }

    /// A unified account with [`ApiKey::named`].
    pub fn unified(uid: Uid, name: &str) -> Self {
        Self { kind: Kind::Unified, ..Self::classic(uid, name) }
    }

    /// The same account, of this level once it is unified.
    #[must_use]
    pub fn with_level(mut self, level: AccountLevel) -> Self {
        self.settings.account_level = level;
        self
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
        Self { symbol: symbol.to_owned(), status: OrderStatus::Live, age: Duration::ZERO }
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
        Self { first, changes: Vec::new() }
    }

    pub(crate) fn now(&self) -> PosMode {
        self.changes.last().map_or(self.first, |(_, mode)| *mode)
    }

    /// The mode as a read shows it that lags behind by so many milliseconds. A change that lies ahead, because the clock was
    /// set back since, shows.
    pub(crate) fn shown(&self, now: UnixMs, lag_ms: u32) -> PosMode {
        let visible = |at: UnixMs| at > now || now.since(at) >= i64::from(lag_ms);
        let last = self.changes.iter().rev().find(|(at, _)| visible(*at));
        last.map_or(self.first, |(_, mode)| *mode)
    }

    pub(crate) fn change(&mut self, at: UnixMs, mode: PosMode) {
        self.changes.push((at, mode));
    }
}

/// The sets of an account are refused with this code, so many more times.
#[derive(Clone, Debug)]
pub(crate) struct SetsRefused {
    pub(crate) code: String,
    pub(crate) times: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) kind: Kind,
    pub(crate) stage: AccountMode,
    pub(crate) settings: Settings,
    pub(crate) parent: Option<Uid>,
    pub(crate) sets_refused: Option<SetsRefused>,
    /// Spot orders: no list of a futures category shows them.
    pub(crate) spot_orders: BTreeMap<OrderId, Order>,
    modes: BTreeMap<ProductType, ModeHistory>,
    hold_mode: ModeHistory,
    books: BTreeMap<ProductType, Book>,
}

impl Account {
    pub(crate) fn open(new: &NewAccount) -> Self {
        let mode = |product| new.modes.get(&product).copied().unwrap_or(PosMode::HedgeMode);
        Self {
            uid: new.uid,
            kind: new.kind,
            stage: new.account_mode,
            settings: new.settings,
            parent: new.parent,
            sets_refused: new.set_refused_with.clone().map(|code| SetsRefused { code, times: FOREVER }),
            spot_orders: BTreeMap::new(),
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
            Kind::Classic => {
                self.modes.entry(product).or_insert_with(|| ModeHistory::new(PosMode::HedgeMode))
            }
            Kind::Unified => &mut self.hold_mode,
        }
    }

    /// The code that a set is refused with, whatever it asks for; it counts.
    pub(crate) fn refuse_set(&mut self) -> Option<String> {
        let refused = self.sets_refused.as_mut().filter(|refused| refused.times > 0)?;
        if refused.times != FOREVER {
            refused.times -= 1;
        }
        Some(refused.code.clone())
    }

    /// Whether it is on its way from one kind to the other.
    pub(crate) fn is_converting(&self) -> bool {
        match self.stage {
            AccountMode::Upgrading | AccountMode::Switching => true,
            AccountMode::Unified | AccountMode::Hybrid => false,
        }
    }

    /// Becomes an account of this kind, with all that it holds. The one mode of a unified account becomes that of
    /// `USDT-FUTURES`; back on classic, every product type has the account's. The product types whose mode is another now,
    /// with both.
    pub(crate) fn convert(&mut self, to: Kind) -> Vec<(ProductType, PosMode, PosMode)> {
        let before = ProductType::ALL.map(|product| (product, self.mode(product).now()));
        match (self.kind, to) {
            (Kind::Classic, Kind::Unified) => {
                self.hold_mode = self.mode(ProductType::UsdtFutures).clone();
            }
            (Kind::Unified, Kind::Classic) => {
                self.modes = ProductType::ALL.map(|product| (product, self.hold_mode.clone())).into();
            }
            (Kind::Classic, Kind::Classic) | (Kind::Unified, Kind::Unified) => {}
        }
        (self.kind, self.stage) = (to, AccountMode::default());
        let after = before.into_iter().map(|(product, from)| (product, from, self.mode(product).now()));
        after.filter(|(_, from, to)| from != to).collect()
    }

    /// The futures categories that it has as a unified account.
    pub(crate) fn categories(&self) -> &'static [ProductType] {
        self.settings.account_level.categories()
    }

    /// What is held under a product type.
    pub(crate) fn book(&self, product: ProductType) -> &Book {
        self.books.get(&product).unwrap_or(&EMPTY)
    }

    pub(crate) fn book_mut(&mut self, product: ProductType) -> &mut Book {
        self.books.entry(product).or_default()
    }
}

/// Nothing.
pub(crate) static EMPTY: Book =
    Book { positions: BTreeMap::new(), orders: BTreeMap::new(), plan_orders: BTreeMap::new(), hidden: false };
