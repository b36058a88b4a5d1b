//! What a set comes to, and what stands in its way. The setters themselves are in `classic` and `unified`.

use serde_json::{Map, Value};

use crate::account::{Account, Position};
use crate::journal::Executed;
use crate::switches::{HiddenBlockers, NotFlat, SpotOrders, Switches};
use crate::wire::{Refusal, Request};
use crate::words::ProductType;

/// What a set came to.
#[derive(Debug)]
pub(crate) struct SetDone {
    pub(crate) executed: Executed,
    pub(crate) answer: Result<Value, Refusal>,
    /// The product type, where the request got as far as naming one; none for a whole account.
    pub(crate) product: Option<ProductType>,
}

impl SetDone {
    pub(crate) fn refused(product: Option<ProductType>, refusal: Refusal) -> Self {
        Self { executed: Executed::Refused, answer: Err(refusal), product }
    }
}

/// What makes the exchange refuse a set, the gravest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// A position.
    ByPosition,
    /// Orders or plan orders, or what no list shows.
    ByOrders,
}

/// What the exchange holds against a set that is about these product types, and no others.
pub(crate) fn blocked(account: &Account, products: &[ProductType], switches: &Switches) -> Option<Blocked> {
    let held = Held::of(account, products);
    let hidden = match switches.hidden_blockers {
        HiddenBlockers::Refuse => held.hidden,
        HiddenBlockers::Ignored => false,
    };
    let position = held.positions.then_some(Blocked::ByPosition);
    match switches.not_flat {
        NotFlat::RefusedByAnything => position.or((held.orders || hidden).then_some(Blocked::ByOrders)),
        NotFlat::RefusedByPositions => position,
        NotFlat::Accepted => None,
    }
}

/// What the exchange holds against a set that is about a whole unified account.
pub(crate) fn whole_blocked(account: &Account, switches: &Switches) -> Option<Blocked> {
    let spot = match (switches.spot_orders, switches.not_flat) {
        (SpotOrders::Refuse, NotFlat::RefusedByAnything) => !account.spot_orders.is_empty(),
        (SpotOrders::Ignored, _) | (_, NotFlat::RefusedByPositions | NotFlat::Accepted) => false,
    };
    blocked(account, account.categories(), switches).or(spot.then_some(Blocked::ByOrders))
}

/// Whether an account truly holds nothing under these product types, hidden blockers included.
pub(crate) fn is_flat(account: &Account, products: &[ProductType]) -> bool {
    let Held { positions, orders, hidden } = Held::of(account, products);
    !positions && !orders && !hidden
}

struct Held {
    positions: bool,
    orders: bool,
    hidden: bool,
}

impl Held {
    fn of(account: &Account, products: &[ProductType]) -> Self {
        let books = || products.iter().map(|product| account.book(*product));
        Self {
            positions: books().any(|book| book.positions.values().any(Position::is_open)),
            orders: books().any(|book| !book.orders.is_empty() || !book.plan_orders.is_empty()),
            hidden: books().any(|book| book.hidden),
        }
    }
}

/// The body of a set, taken apart.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn of(request: &Request) -> Result<Self, Refusal> {
        serde_json::from_slice(&request.body).map(Self).map_err(|_| {
            Refusal::business("400171", "Parameter verification failed: the body is no JSON object")
        })
    }

    /// A text that must be there, and mean something: one that does not is refused with the code `illegal`.
    pub(crate) fn word<T: std::str::FromStr>(&self, name: &str, illegal: &str) -> Result<T, Refusal> {
        let text = self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let text =
            text.ok_or_else(|| Refusal::business("400172", format!("Parameter verification failed {name}")))?;
        text.parse().map_err(|_| Refusal::business(illegal, format!("{name} Illegal type")))
    }
}
