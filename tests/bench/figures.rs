//! The figures that ordinary tests count in virtual time. A test hands one over by printing `figure: NAME = VALUE`.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Runs the tests that have figures, and returns what they printed.
pub(crate) fn collect() -> anyhow::Result<BTreeMap<String, f64>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tests = Command::new(cargo);
    tests.args(["test", "--locked", "--test", "it", "--"]).args(WITH_FIGURES);
    tests.args(["--nocapture", "--test-threads", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = tests.output().context("cargo cannot be run")?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "a test with a figure fails:\n{told}");
    read(&told)
}

/// A figure that two tests tell would be whichever came last.
fn read(told: &str) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut figures = BTreeMap::new();
    // The name of a test that runs alone stands before what it prints, in the same line.
    for line in told.lines().filter_map(|line| Some(line.split_once("figure: ")?.1)) {
        let (name, value) = line.split_once(" = ").with_context(|| format!("no figure: {line}"))?;
        let value = value.trim().parse().with_context(|| format!("no number: {line}"))?;
        ensure!(figures.insert(name.to_owned(), value).is_none(), "two tests tell the figure {name:?}");
    }
    Ok(figures)
}

/// Where tests with figures are, as the test program selects them.
const WITH_FIGURES: [&str; 1] = ["stories::budget"];
