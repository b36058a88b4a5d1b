//! What is depended on, against the lists of `.deny.toml`: licences, forbidden packages, where packages come from.
//!
//! It asks cargo, not the network; advisories are `cargo deny`'s.

use std::path::Path;
use std::process::Command;

const DENY: &str = include_str!("../../.deny.toml");

#[test]
fn every_package_has_an_allowed_licence_and_comes_from_the_public_registry() {
    let tree = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix=none", "--no-dedupe"])
        .args(["--edges=normal,build,dev", "--format={p}|{l}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let wrong = violations(&tree, DENY, Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tree.lines().count() > 100, "cargo named hardly any package:\n{tree}");
}

#[test]
fn the_lists_can_be_broken() {
    let cases = [
        ("a v1.0.0|MIT", ""),
        ("a v1.0.0 (proc-macro)|Apache-2.0/MIT", ""),
        ("a v1.0.0|GPL-3.0-only OR MIT", ""),
        ("a v1.0.0|Apache-2.0 WITH LLVM-exception OR MIT", ""),
        ("a v1.0.0|(GPL-3.0-only OR MIT) AND ISC", ""),
        ("here v1.0.0 (/home/it/tests/here)|MIT", ""),
        ("a v1.0.0|GPL-3.0-only", "a v1.0.0: the licence `GPL-3.0-only` is not allowed"),
        ("a v1.0.0|MIT AND GPL-3.0-only", "a v1.0.0: the licence `MIT AND GPL-3.0-only` is not allowed"),
        ("a v1.0.0|", "a v1.0.0: the licence `` is not allowed"),
        ("rsa v0.9.0|MIT", "rsa v0.9.0: the package is forbidden"),
        (
            "a v1.0.0 (https://example.com/a?rev=1#1)|MIT",
            "a v1.0.0: comes from (https://example.com/a?rev=1#1)",
        ),
        ("a v1.0.0 (/elsewhere/a)|MIT", "a v1.0.0: comes from (/elsewhere/a)"),
    ];
    for (line, told) in cases {
        assert_eq!(violations(line, DENY, Path::new("/home/it")).join("; "), told, "{line}");
    }
}

/// `tree` has a line `NAME VERSION [(where from)]|LICENCE` for each package.
fn violations(tree: &str, deny: &str, home: &Path) -> Vec<String> {
    let allowed = quoted(deny, "allow = [");
    let forbidden = quoted(deny, "deny = [");
    let mut lines: Vec<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut wrong = Vec::new();
    for line in lines {
        let (package, licence) = line.split_once('|').unwrap();
        let mut words = package.splitn(3, ' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let from = words.next().unwrap_or_default().trim_start_matches("(proc-macro)").trim();
        if !allows(licence, &allowed) {
            wrong.push(format!("{name} {version}: the licence `{licence}` is not allowed"));
        }
        if forbidden.contains(&name) {
            wrong.push(format!("{name} {version}: the package is forbidden"));
        }
        if !from.is_empty() && !from.starts_with(&format!("({}", home.display())) {
            wrong.push(format!("{name} {version}: comes from {from}"));
        }
    }
    wrong
}

/// Whether one may choose so that all that remains is allowed. `OR` binds looser than `AND`, as in SPDX.
fn allows(licence: &str, allowed: &[&str]) -> bool {
    if let Some((before, inner)) = licence.split_once('(') {
        let (inner, after) = inner.split_once(')').unwrap();
        // No licence in the lists has either name.
        let verdict = if allows(inner, allowed) { "+" } else { "-" };
        return allows(&format!("{before}{verdict}{after}"), allowed);
    }
    let one = |name: &str| name == "+" || allowed.contains(&name.split(" WITH ").next().unwrap_or(name));
    licence
        .replace('/', " OR ")
        .split(" OR ")
        .any(|choice| choice.split(" AND ").all(|name| one(name.trim())))
}

/// The first quoted word of each line of a list that begins with the line `head`.
fn quoted<'t>(text: &'t str, head: &str) -> Vec<&'t str> {
    let list = text.lines().skip_while(|line| *line != head).skip(1).take_while(|line| *line != "]");
    let words: Vec<&str> = list.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(!words.is_empty(), "no list `{head}`");
    words
}
