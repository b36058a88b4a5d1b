//! Tables, and the text of their cells.

use std::time::Duration;

pub(super) use comfy_table::Cell;
use comfy_table::{Attribute, Color, ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::moment::spell;
use crate::position_mode::PositionMode;
use crate::protocol::{State, Wants};
use crate::status::TargetStatus;

/// A table without lines between its rows; long cells are wrapped so that it fits `width`, if there is one. It contains colour codes,
/// which [`print::text`](crate::cli::print::text) removes where they do not belong.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
    width: Option<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).enforce_styling().set_header(head.map(str::to_uppercase));
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX)),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Rows of which each is a line of its own. The first column holds names: one that leaves the rest no place within `width` stands
/// on a line above it.
pub(super) struct Rows {
    pub(super) head: String,
    /// In the order in which they came.
    pub(super) lines: Vec<String>,
    /// Whether every name stands beside the rest of its row.
    pub(super) are_single: bool,
}

/// Lays out rows of which each has as many cells as `head`. Contains colour codes, as [`table`] does.
pub(super) fn lines(head: &[&str], rows: &[Vec<Cell>], width: Option<usize>) -> Rows {
    let (name_head, head) = head.split_first().unwrap_or((&"", &[]));
    let mut rest = Table::new();
    rest.load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .enforce_styling()
        .set_header(head.iter().map(|word| word.to_uppercase()));
    for row in rows {
        rest.add_row(row.iter().skip(1).cloned());
    }
    for column in rest.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let rest: Vec<String> = rest.lines().map(|line| line.trim_end().to_owned()).collect();
    let length = |text: &str| anstream::adapter::strip_str(text).to_string().trim_end().chars().count();
    let widest = rest.iter().map(|line| length(line)).max().unwrap_or_default();
    let place = width.map_or(usize::MAX, |width| width.saturating_sub(widest + 2));
    let names: Vec<String> =
        std::iter::once(name_head.to_uppercase()).chain(rows.iter().map(|row| name(row))).collect();
    let fits = |name: &&String| name.chars().count() <= place;
    let column = names.iter().filter(fits).map(|name| name.chars().count()).max().unwrap_or_default();
    let beside = |(name, rest): (&String, &String)| {
        if fits(&name) {
            format!("{name:column$}  {rest}")
        } else {
            format!("{name}\n{:column$}  {rest}", "")
        }
    };
    let mut all = names.iter().zip(&rest).map(beside);
    Rows {
        head: all.next().unwrap_or_default(),
        lines: all.collect(),
        are_single: names.iter().all(|name| fits(&name)),
    }
}

fn name(row: &[Cell]) -> String {
    row.first().map(Cell::content).unwrap_or_default()
}

/// The heads of [`modes`].
pub(super) const MODES: [&str; 2] = ["desired", "live"];

/// What the file wants, then what the exchange has: in every command in this order.
pub(super) fn modes(target: &TargetStatus) -> [Cell; 2] {
    [or_dash(target.desired), or_dash(target.live.as_ref().map(|live| live.mode))]
}

/// The state of a target in the colour of who has to act.
pub(super) fn state(target: &TargetStatus) -> Cell {
    match need(target) {
        Some(colour) => Cell::new(target.state).fg(colour),
        None => Cell::new(target.state),
    }
}

fn need(target: &TargetStatus) -> Option<Color> {
    match target.wants {
        Some(_) | None if target.is_elsewhere() => None,
        None => (target.state == State::InSync).then_some(Color::DarkGreen),
        Some(wants) => Some(colour(wants)),
    }
}

/// The colour of who has to act.
pub(super) fn colour(wants: Wants) -> Color {
    match wants {
        Wants::Human => Color::DarkRed,
        Wants::Time | Wants::Itself => Color::DarkYellow,
    }
}

/// Words in bold, and in a colour.
pub(super) fn bold(words: &str, colour: Option<Color>) -> String {
    let mut cell = Table::new();
    let words = Cell::new(words).add_attribute(Attribute::Bold);
    let words = if let Some(colour) = colour { words.fg(colour) } else { words };
    cell.load_style(presets::NOTHING).enforce_styling().add_row([words]);
    cell.column_iter_mut().for_each(|column| {
        column.set_padding((0, 0));
    });
    cell.to_string()
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

/// The summary where the file gives all targets to other hosts, as the status has it.
pub(super) fn of_other_hosts(count: usize) -> String {
    format!("{} of other hosts, none of this one", counted(count, "target", "targets"))
}

/// In characters: fits a ticket, and a terminal beside another window.
pub(super) const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Reason;
    use crate::serve::fixture::target;

    #[test]
    fn only_a_state_is_in_colour_by_who_has_to_act_and_no_account_that_is_called_like_one() {
        let of =
            [None, Some(Reason::NotFlat), Some(Reason::Window), Some(Reason::Held), Some(Reason::Elsewhere)];
        let rows = of.map(|reason| vec![Cell::new("new"), state(&target("desk-1", reason)), or_dash(reason)]);
        let Rows { head, lines: rows, are_single } = lines(&["account", "state", "reason"], &rows, None);
        assert!(are_single);
        let colours: Vec<Option<&str>> =
            rows.iter().map(|row| row.split_once("\u{1b}[38;5;").map(|(_, rest)| &rest[..1])).collect();
        assert_eq!(colours, [Some("2"), Some("3"), Some("3"), Some("1"), None], "{rows:?}");
        let text = format!("{head}\n{}\n", rows.join("\n"));
        expect_test::expect![[r#"
            ACCOUNT  STATE    REASON
            new      in_sync  -
            new      pending  not_flat
            new      pending  window
            new      pending  held
            new      pending  elsewhere
        "#]]
        .assert_eq(&anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn a_name_that_leaves_the_rest_no_place_stands_above_it_whole() {
        let (long, short) = ("x".repeat(63), "desk-1");
        let rows = [long.as_str(), short].map(|name| vec![Cell::new(name), Cell::new("hedge_mode")]);
        let told = |width| lines(&["account", "desired"], &rows, width);
        assert!(told(None).are_single && told(Some(75)).are_single);
        let Rows { head, lines: rows, are_single } = told(Some(74));
        assert!(!are_single);
        assert_eq!(head, "ACCOUNT  DESIRED");
        assert_eq!(rows, [format!("{long}\n         hedge_mode"), "desk-1   hedge_mode".to_owned()]);
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
        let told =
            table(["account", "scope", "desired", "reason", "what"], [row.map(Cell::new)], Some(WIDTH));
        assert!(told.lines().all(|line| line.chars().count() <= WIDTH), "{told}");
        let letters = told.chars().filter(|c| *c == 'x').count();
        assert_eq!(letters, 63, "{told}");
    }
}
