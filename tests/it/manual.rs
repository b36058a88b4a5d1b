//! The manual pages and completions as the package has them, made by its own script and read by what reads them on a host.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the package's script with the built binary.
pub(crate) fn packaged(into: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/debian/pages");
    let made = Command::new(script)
        .args([Path::new(env!("CARGO_BIN_EXE_posmoded")), into])
        .env("SOURCE_DATE_EPOCH", "1795000000")
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Whether a program is there; where it is not, says so, unless nothing may be skipped.
pub(crate) fn there_is(program: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{program} is needed (Debian: {package})");
        let told = format!("\nskipped: there is no {program} (Debian: {package})\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    found
}

/// What a reader of a page complains of.
fn complaints(program: &str, words: &[&str], page: &Path) -> String {
    let mut command = Command::new(program);
    command.args(words).arg(page).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let read = command.output().unwrap();
    let told = String::from_utf8_lossy(&read.stderr).into_owned();
    // A linter tells on its output.
    if program == "mandoc" { told + &String::from_utf8_lossy(&read.stdout) } else { told }
}

#[test]
fn the_package_has_a_page_for_every_command_and_one_for_the_file_and_no_reader_finds_a_fault() {
    let home = tempfile::tempdir().unwrap();
    packaged(home.path());
    let pages: Vec<PathBuf> =
        fs::read_dir(home.path().join("man")).unwrap().map(|page| page.unwrap().path()).collect();
    let names: BTreeSet<String> =
        pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let commands = posmoded::cli::command();
    let mut expected = BTreeSet::from(["posmoded.1".to_owned(), "posmoded-desired-state.5".to_owned()]);
    for command in commands.get_subcommands() {
        expected.insert(format!("posmoded-{}.1", command.get_name()));
        let parts = command.get_subcommands().map(|part| part.get_name().to_owned());
        expected.extend(parts.map(|part| format!("posmoded-{}-{part}.1", command.get_name())));
    }
    assert_eq!(names, expected);

    for (program, package, words) in [
        ("man", "man-db", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"][..]),
        ("mandoc", "mandoc", &["-T", "lint", "-W", "warning"][..]),
    ] {
        if !there_is(program, package) {
            continue;
        }
        for page in &pages {
            let told = complaints(program, words, page);
            assert!(told.is_empty(), "{program} {}: {told}", page.display());
        }
    }
    // Whoever reads a page finds the pages that it names.
    let reference = regex::Regex::new(r"\\fB(posmoded[-a-z]*)\\fR\((\d)\)").unwrap();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap().replace("\\-", "-");
        let (_, see) = text.split_once(".SH \"SEE ALSO\"\n").unwrap();
        let found = reference.captures_iter(see).map(|found| format!("{}.{}", &found[1], &found[2]));
        let found: Vec<String> = found.collect();
        assert!(!found.is_empty(), "{}: {see}", page.display());
        assert!(found.iter().all(|name| names.contains(name)), "{}: {found:?}", page.display());
    }
}
