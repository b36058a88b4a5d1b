//! What is open, row by row: for people. Nothing is decided by it.

use serde::{Deserialize, Serialize};

use super::List;

/// One open position or order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRow {
    /// The contract, if the exchange named it with letters and digits.
    pub symbol: Option<String>,
    /// Its side, if the exchange named one.
    pub side: Option<Side>,
    /// The list that it is a row of.
    pub kind: List,
}

/// The side of a position, or of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[derive(strum::Display, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Side {
    /// A position that gains while the price rises; of an order, the position that it is for.
    Long,
    /// A position that gains while the price falls; of an order, the position that it is for.
    Short,
    /// An order that buys.
    Buy,
    /// An order that sells.
    Sell,
}

impl OpenRow {
    /// As many of a target are kept and shown.
    pub const SHOWN: usize = 5;

    /// `BTCUSDT long position`, with what is known of it.
    pub fn say(&self) -> String {
        let OpenRow { symbol, side, kind } = self;
        let side = side.map(|side| side.to_string());
        let words = [symbol.as_deref(), side.as_deref(), Some(kind.of_one())];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
