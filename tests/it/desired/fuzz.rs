//! Random bytes and mutations crash nothing, and what is told of them is sound.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

#[test]
fn random_bytes_crash_nothing() {
    let yaml = prop::sample::select(b"\n\n\n    ab:::-\"'{}[],#&*!|>%?@~.\t\r\x00\xc3\xa9".to_vec());
    let bytes = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(yaml, 0..200),];
    run(&(bytes, any::<bool>()), |(mut bytes, ended)| {
        if ended {
            bytes.extend_from_slice(b"\n...\n");
        }
        sound(&bytes)
    });
}

#[test]
fn mutations_of_a_good_file_crash_nothing() {
    let pieces = prop::sample::select(vec![
        "",
        "\n",
        "  ",
        "\t",
        ":",
        ": ",
        "- ",
        "? ",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "|",
        ">",
        "---\n",
        "...\n",
        "null",
        "0",
        "key: ",
        "é",
        "\u{1b}",
        "\u{feff}",
        "desk-main",
        "drift: report\n",
    ]);
    let edit = (any::<prop::sample::Index>(), 0_usize..12, pieces);
    run(&prop::collection::vec(edit, 1..4), |edits| {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, cut, piece) in edits {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + cut).min(bytes.len()), piece.bytes());
        }
        sound(&bytes)
    });
}

/// 20,000 cases, the same in each run.
fn run<S: Strategy>(cases: &S, sound: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 5_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(found) = runner.run(cases, sound) {
        panic!("{found}");
    }
}

/// What holds of every file: it is good, or something is wrong at a place that it has, and nothing told is raw.
fn sound(bytes: &[u8]) -> Result<(), TestCaseError> {
    let outcome = read(bytes);
    match &outcome {
        Ok(Desired { max_changes, accounts }) => prop_assert!(*max_changes > 0 && !accounts.is_empty()),
        Err(problems) => {
            let places: Vec<_> = problems.0.iter().map(|problem| (problem.line, problem.column)).collect();
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(!places.is_empty());
            prop_assert!(places.is_sorted(), "{places:?}");
            prop_assert!(
                places.iter().all(|(line, column)| (1..=lines).contains(line) && *column > 0),
                "{places:?}"
            );
        }
    }
    for format in [Format::Text, Format::Json, Format::Github] {
        let raw = |c: char| c.is_control() && c != '\n';
        prop_assert!(!report("f", &outcome, format).contains(raw));
    }
    Ok(())
}
