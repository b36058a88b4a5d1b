//! Tables no wider than [`WIDTH`], and what stands in their cells.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::moment::spell;
use crate::position_mode::PositionMode;

/// A table without lines between its rows; a long cell is broken, so that the whole keeps to [`WIDTH`].
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(head.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The same table, up to the first empty line of the text, with its states in colour.
pub(super) fn painted(text: &str) -> String {
    let column = text.lines().next().and_then(|head| head.find(" STATE ").or_else(|| head.find(" WHY ")));
    let Some(column) = column.map(|before| before + 1) else { return text.to_owned() };
    let mut in_table = true;
    let lines = text.split_inclusive('\n').map(|line| {
        in_table &= !line.trim().is_empty();
        match (in_table, line.split_at_checked(column)) {
            (true, Some((before, from))) => format!("{before}{}", in_colour(from)),
            (_, _) => line.to_owned(),
        }
    });
    lines.collect()
}

fn in_colour(from: &str) -> String {
    let (word, rest) = from.split_at(from.find(char::is_whitespace).unwrap_or(from.len()));
    let colour = match word {
        "in_sync" => 32,
        "new" | "pending" => 33,
        "drifted" | "unknown" => 31,
        _ => return from.to_owned(),
    };
    format!("\u{1b}[{colour}m{word}\u{1b}[0m{rest}")
}

/// What stands for a value that is not known, or not there.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A mode that may not be known.
pub(super) fn mode(mode: Option<PositionMode>) -> String {
    or_dash(mode.map(PositionMode::as_str))
}

/// How long ago it was, at `now`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    spell(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// One more than one.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What fits a terminal beside something else, and a ticket.
const WIDTH: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_states_of_a_table_are_in_colour_and_no_account_that_is_called_like_one() {
        let rows = [["new", "in_sync"], ["desk-1", "drifted"], ["desk-2", "odd"]];
        let text = table(["account", "state"], rows.map(|row| row.map(str::to_owned)));
        let text = text.replace("STATE", "STATE ") + "\n        new words\n";
        let painted = painted(&text);
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), text);
        let words: Vec<&str> = painted.split('\u{1b}').filter(|part| !part.starts_with("[0m")).collect();
        assert_eq!(words.len(), 3, "{painted:?}");
        assert!(words[1].starts_with("[32min_sync") && words[2].starts_with("[31mdrifted"), "{painted:?}");
        assert_eq!(super::painted("No table.\n"), "No table.\n");
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
        let told = table(["account", "scope", "desired", "reason", "what"], [row.map(str::to_owned)]);
        assert!(told.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{told}");
        let letters = told.chars().filter(|c| *c == 'x').count();
        assert_eq!(letters, 63, "{told}");
    }
}
