//! The README's cost table is the one that the bench writes: every row, in its order, none of it empty.

#[path = "../bench/rows.rs"]
#[allow(dead_code, reason = "the bench uses the rest")]
mod rows;

use rows::{Measured, ROWS};

const README: &str = include_str!("../../README.md");

/// The table that stands in a README.
fn in_readme(readme: &str) -> Option<&str> {
    let (_, rest) = readme.split_once(rows::BEGIN)?;
    rest.split_once(rows::END).map(|(table, _)| table.trim())
}

#[test]
fn the_readme_has_every_row_of_the_cost_table_and_none_is_empty() {
    let table = in_readme(README).expect("the markers of the table");
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let told: Vec<&str> = lines.iter().skip(2).map(|cells| cells[0]).collect();
    let rows: Vec<&str> = ROWS.iter().map(|row| row.what).collect();
    assert_eq!(told, rows, "`cargo run --example bench -- --readme` writes it");
    for cells in lines.iter().skip(2) {
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{cells:?}");
        assert!(!cells[3].starts_with("WORSE"), "{cells:?}");
    }
}

#[test]
fn a_row_says_whether_it_holds_and_how_far_it_is() {
    let row = |name: &str| *ROWS.iter().find(|row| row.name == name).unwrap();
    let (least, most) = (row("rest"), row("ready"));
    let said =
        |row: rows::Row, value| row.line(&Measured::Value(value)).rsplit('|').nth(1).unwrap().to_owned();
    assert_eq!(said(least, 0.7), " holds ");
    assert_eq!(said(least, 0.35), " not yet: 2.0 times the goal ");
    assert_eq!(said(most, 150.0), " holds ");
    assert_eq!(said(most, 300.0), " not yet: 2.0 times the goal ");
    assert!(said(most, most.bound + 1.0).starts_with(" WORSE than the bound of "));
    let left_out = most.line(&Measured::LeftOut("there is none".to_owned()));
    assert!(left_out.contains("| left out |") && left_out.ends_with("| there is none |"), "{left_out}");
}

#[test]
fn only_what_is_between_the_markers_is_written() {
    let readme = format!("before\n{}\nold\n{}\nafter\n", rows::BEGIN, rows::END);
    let new = rows::into_readme(&readme, "| new |\n").unwrap();
    assert!(new.starts_with("before\n") && new.ends_with("\nafter\n") && !new.contains("old"), "{new}");
    assert_eq!(in_readme(&new), Some("| new |"));
    assert_eq!(rows::into_readme(&new, "| new |\n").as_ref(), Some(&new));
    assert_eq!(rows::into_readme("no markers", "| new |"), None);
}
