//! Tables no wider than [`WIDTH`], and the text of their cells.

use std::time::Duration;

pub(super) use comfy_table::Cell;
use comfy_table::{Color, ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::moment::spell;
use crate::position_mode::PositionMode;
use crate::protocol::State;

/// A table without lines between its rows; long cells are wrapped so that it fits [`WIDTH`]. It contains colour codes,
/// which [`print::text`](crate::cli::print::text) removes where they do not belong.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [Cell; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .enforce_styling()
        .set_header(head.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The state of a target in its colour.
pub(super) fn state(state: State) -> Cell {
    let colour = match state {
        State::InSync => Color::DarkGreen,
        State::New | State::Pending => Color::DarkYellow,
        State::Drifted | State::Unknown => Color::DarkRed,
    };
    Cell::new(state).fg(colour)
}

/// The value, or `-` if it is unknown or absent.
pub(super) fn or_dash(value: Option<impl ToString>) -> Cell {
    value.map_or_else(|| Cell::new("-"), Cell::new)
}

/// The mode, or `-` if it is unknown.
pub(super) fn mode(mode: Option<PositionMode>) -> &'static str {
    mode.map_or("-", PositionMode::as_str)
}

/// The time from `since` to `now`, in words.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    spell(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// A count with its noun: `1 target`, `2 targets`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// In characters: fits a ticket, and a terminal beside another window.
const WIDTH: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_state_is_in_colour_and_no_account_that_is_called_like_one() {
        let rows =
            [State::InSync, State::Drifted].map(|of| [Cell::new("new"), state(of), or_dash(None::<&str>)]);
        let text = table(["account", "state", "reason"], rows);
        let coloured: Vec<&str> = text.split("\u{1b}[38;").skip(1).collect();
        assert_eq!(coloured.len(), 2, "{text:?}");
        assert!(coloured[0].contains("min_sync") && coloured[1].contains("mdrifted"), "{coloured:?}");
        expect_test::expect![[r#"
            ACCOUNT  STATE    REASON
            new      in_sync  -
            new      drifted  -
        "#]]
        .assert_eq(&anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn a_table_keeps_to_its_width_whatever_is_in_it() {
        let long = "x".repeat(63);
        let row = [
            long.as_str(),
            "SUSDT-FUTURES",
            "one_way_mode",
            "refused_though_flat",
            "some words of a sentence",
        ];
        let told = table(["account", "scope", "desired", "reason", "what"], [row.map(Cell::new)]);
        assert!(told.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{told}");
        let letters = told.chars().filter(|c| *c == 'x').count();
        assert_eq!(letters, 63, "{told}");
    }
}
