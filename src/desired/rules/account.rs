//! The rules of one account: its name, its position mode, its own settings.
//!
//! Does not decide what the modes mean for a kind of account: the kind is observed later.

use strum::VariantNames as _;

use std::collections::BTreeMap;

use super::entries::{Entry, Given, Rules};
use super::settings::Everywhere;
use crate::desired::Account;
use crate::desired::foreign;
use crate::desired::keys::{ACCOUNT, CHECK_EVERY, LONGEST_HOST, LONGEST_UID, SETTLE};
use crate::desired::problem::{Place, counted, quoted};
use crate::desired::scalar::Value;
use crate::desired::tree::{Content, Node};
use crate::desired::word;
use crate::facts::{Policy, Requirements};
use crate::position_mode::{AccountName, Declared, PositionMode, ProductType, Uid};
use crate::window::Windows;

/// The accounts without a drift policy of their own or in `defaults`.
#[derive(Default)]
pub(super) struct Lacking {
    names: Vec<String>,
    first: Option<Place>,
}

impl Lacking {
    fn add(&mut self, entry: &Entry<'_>) {
        self.first.get_or_insert(entry.key.place);
        self.names.push(quoted(entry.name));
    }

    /// The place of the first of them, and one sentence on all of them.
    pub(super) fn told(&self) -> Option<(Place, String)> {
        let Lacking { names, first } = self;
        let named = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let what = match names.len().saturating_sub(3) {
            0 => format!("`drift` is missing for {named}"),
            more => format!("`drift` is missing for {named} and {}", counted(more, "other account")),
        };
        first.map(|place| (place, what))
    }
}

impl Rules {
    pub(super) fn account_name(&mut self, Entry { name, key, value }: &Entry<'_>) -> Option<AccountName> {
        let parsed = name.parse().ok();
        if parsed.is_none() {
            self.bad_name(&Entry { name, key, value }, "account");
        }
        parsed
    }

    /// Remarks on a bad name; `of` is `account` or `window`.
    pub(super) fn bad_name(&mut self, Entry { name, key, value: _ }: &Entry<'_>, of: &str) {
        let article = if of == "account" { "an" } else { "a" };
        let rule =
            format!("{article} {of} name is 1 to 63 of a-z, 0-9 and `-`, the first a letter or a digit");
        let remedy = match word::meant_name(name) {
            Some(meant) => format!("write for example `{meant}`; {rule}"),
            None => rule,
        };
        self.remark(key.place, format!("{} is no {of} name", quoted(name)), remedy);
    }

    pub(super) fn account(
        &mut self,
        entry: &Entry<'_>,
        everywhere: &Everywhere<'_>,
        lacking: &mut Lacking,
    ) -> Option<Account> {
        if let Value::Nothing = Value::of(entry.value) {
            let remedy = "add `position_mode: one_way_mode` or `position_mode: hedge_mode` below it";
            self.remark(entry.key.place, format!("{} says nothing", quoted(entry.name)), remedy);
            return None;
        }
        if let Value::Text(text) = Value::of(entry.value)
            && let Some(mode) = text.parse().ok().or_else(|| foreign::mode(text))
        {
            let what = format!("{} is a mode alone, where the keys of an account belong", quoted(entry.name));
            self.remark(entry.value.place, what, format!("write `position_mode: {mode}` below it, indented"));
            return None;
        }
        let entries = self.section(&ACCOUNT, entry.key.place, entry.value)?;
        let Everywhere { defaults, suspended, windows } = everywhere;
        let uid = self.uid(entries.get("uid"));
        let host = self.host(entries.get("host"));
        let declared = self.declared(entry, entries.get("position_mode"));
        let demo = self.demo(entries.get("demo"));
        if demo == Some(true) {
            self.no_older_demo(entries.get("position_mode"));
        }
        let own = self.settings(&entries);
        let drift = match own.drift.or(&defaults.drift) {
            Given::As(drift) => Some(drift),
            Given::Badly => None,
            Given::Absent => {
                lacking.add(entry);
                None
            }
        };
        let check_every = own.check_every.or(&defaults.check_every).unless_given(CHECK_EVERY);
        let settle = own.settle.or(&defaults.settle).unless_given(SETTLE);
        let suspended = self.suspend(entries.get("suspend")).or(suspended).if_given();
        let windows = self.windows_of(entries.get("windows"), windows).unless_given(Windows::default());
        let require = self.requirements(entries.get("require")).unless_given(Requirements::default());
        Some(Account {
            declared: declared?,
            uid: uid.if_given(),
            host: host.if_given(),
            demo: demo?,
            policy: Policy {
                drift: drift?,
                check_every: check_every?,
                settle: settle?,
                suspended,
                windows: windows?,
                require: require?,
            },
        })
    }

    fn uid(&mut self, entry: Option<&Entry<'_>>) -> Given<Uid> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let (given, so) = (Value::of(value), "uid: \"1234567890\"");
        if let Value::Text(text) = given {
            if is_uid(text) {
                return Given::As(Uid(text.to_owned()));
            }
            let what = format!("{} is no UID: one is 1 to {LONGEST_UID} digits", quoted(text));
            self.remark(value.place, what, format!("write it as Bitget shows it, such as `{so}`"));
        } else if let Value::Number(digits) = given
            && is_uid(digits)
        {
            let remedy = format!("write `uid: \"{digits}\"`, so that nobody reads it as an amount");
            self.remark(value.place, "`uid` is a number without quotes", remedy);
        } else {
            self.wrong_kind(name, (key.place, value.place), given, "a UID in quotes", so);
        }
        Given::Badly
    }

    fn host(&mut self, entry: Option<&Entry<'_>>) -> Given<String> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let (given, so) = (Value::of(value), "host: trade-01");
        if let Value::Text(text) = given {
            if is_host(text) {
                return Given::As(text.to_owned());
            }
            let what = format!(
                "{} is no host name: one is 1 to {LONGEST_HOST} of a-z, A-Z, 0-9, `-`, `_` and `.`",
                quoted(text)
            );
            self.remark(value.place, what, "write what `hostname` prints on the host that is to keep it");
        } else {
            self.wrong_kind(name, (key.place, value.place), given, "the name of a host", so);
        }
        Given::Badly
    }

    fn demo(&mut self, entry: Option<&Entry<'_>>) -> Option<bool> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Some(false) };
        let given = Value::of(value);
        if let Value::Bool(demo) = given {
            return Some(demo);
        }
        self.wrong_kind(name, (key.place, value.place), given, "true or false", "demo: true");
        None
    }

    fn declared(&mut self, account: &Entry<'_>, entry: Option<&Entry<'_>>) -> Option<Declared> {
        let Some(Entry { name, key, value }) = entry.copied() else {
            let what = format!("{} has no `position_mode`", quoted(account.name));
            self.remark(
                account.key.place,
                what,
                "add `position_mode: one_way_mode` or `position_mode: hedge_mode`",
            );
            return None;
        };
        let given = Value::of(value);
        if let Value::Map([]) = given {
            let remedy = "name a product type below it, such as `USDT-FUTURES: hedge_mode`";
            self.remark(key.place, "`position_mode` names no product type", remedy);
            return None;
        }
        if let Value::Map(_) = given {
            return self.per_product(key.place, value).map(Declared::PerProduct);
        }
        self.mode(Entry { name, key, value }).map(Declared::Everything)
    }

    fn per_product(&mut self, key: Place, node: &Node) -> Option<BTreeMap<ProductType, PositionMode>> {
        let entries = self.mapping("under `position_mode`", key, node)?;
        let entries = entries.into_iter().filter(|entry| !self.refuses_secret(entry)).collect();
        let modes: Vec<_> = self
            .once(entries)
            .into_iter()
            .map(|entry| {
                let (product, mode) = (self.product(&entry), self.mode(entry));
                Some((product?, mode?))
            })
            .collect();
        modes.into_iter().collect()
    }

    fn product(&mut self, entry: &Entry<'_>) -> Option<ProductType> {
        let Entry { name, key, value: _ } = entry;
        if let Ok(product) = name.parse() {
            return Some(product);
        }
        let remedy = match foreign::product(name) {
            Some(meant) => format!("write `{meant}`"),
            None => foreign::no_product(name)
                .unwrap_or_else(|| format!("write one of {}", ProductType::VARIANTS.join(", "))),
        };
        self.remark(key.place, format!("{} is no product type", quoted(name)), remedy);
        None
    }

    /// Remarks on each product type that an account with `demo: true` cannot have.
    fn no_older_demo(&mut self, entry: Option<&Entry<'_>>) {
        let Some(Value::Map(modes)) = entry.map(|entry| Value::of(entry.value)) else { return };
        for (key, _) in modes {
            let Content::Scalar { text, plain: _ } = &key.content else { continue };
            let Some(ordinary) = text.parse().ok().and_then(ProductType::ordinary) else { continue };
            let remedy = format!(
                "write `{ordinary}`, for a key made in demo mode has the ordinary product types; if this key was not made \
                 in demo mode, remove `demo: true`"
            );
            let what = format!(
                "{} belongs to Bitget's older demo trading, and `demo: true` to the newer one",
                quoted(text)
            );
            self.remark(key.place, what, remedy);
        }
    }

    fn mode(&mut self, Entry { name, key, value }: Entry<'_>) -> Option<PositionMode> {
        let given = Value::of(value);
        let Value::Text(word) = given else {
            let so = format!("{name}: hedge_mode");
            self.wrong_kind(name, (key.place, value.place), given, "a position mode", &so);
            return None;
        };
        let mode = word.parse().ok();
        if mode.is_none() {
            let remedy = match foreign::mode(word) {
                Some(meant) => format!("write `{meant}`"),
                None => {
                    foreign::unclear_mode(word).unwrap_or("write `one_way_mode` or `hedge_mode`").to_owned()
                }
            };
            self.remark(value.place, format!("{} is no position mode", quoted(word)), remedy);
        }
        mode
    }
}

fn is_uid(text: &str) -> bool {
    (1..=LONGEST_UID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_HOST).contains(&text.len()) && text.bytes().all(plain)
}
