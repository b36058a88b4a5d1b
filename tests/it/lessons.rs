//! What went wrong in other projects, each with an id, and that a test is named after each: the sources are read for
//! `f<id>_` in the names of tests. An id without one needs a line here that says why it does not apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[rustfmt::skip] // A table.
const LESSONS: [(&str, &str); 64] = [
    // The file.
    ("f1", "a watch on the file itself misses its second replacement"),
    ("f3", "a symlink above the file is swapped, and the old tree stays watched"),
    ("f5", "a mount of the single file pins what it held first"),
    ("f6", "a file that was cut off is a valid smaller one"),
    ("f7", "reading the file makes an event that makes a read"),
    ("f8", "an overflow of events comes without a path and is dropped"),
    ("f9", "a reload without a change"),
    ("f10", "bad, then the old good one again: an error for ever"),
    ("f12", "a reload that failed is answered with done"),
    ("f13", "the watching ends with the first bad file"),
    ("f14", "what changes while a change is waited out is lost"),
    ("f15", "a stream of changes puts the reload off for ever"),
    ("f17", "the directory is removed and made again: a dead watch"),
    // Loops, storms, herds.
    ("f20", "what is written wakes the loop that writes"),
    ("f21", "two that each know better"),
    ("f22", "what counted against a target is never forgotten"),
    ("f23", "too many requests end the process, and its restart makes more"),
    ("f24", "a path around the limiter"),
    ("f25", "everybody in step after a restart"),
    // Lost, stale, unknown.
    ("f30", "killed between the call and its record"),
    ("f31", "timed out and done all the same"),
    ("f32", "what was just written is not visible yet"),
    ("f33", "the state is lost when the disk, the process or a conversion fails"),
    ("f34", "what is absent is taken for an answer"),
    ("f35", "removing the keeper removes what it kept"),
    ("f36", "an approval is used for another plan"),
    // Time and the service manager.
    ("f40", "an hour off after the clocks were changed"),
    ("f41", "what is repeated stops for good"),
    ("f42", "what was wanted outside of a window never leaves; several windows are all demanded"),
    ("f43", "a reload that is announced without its time, or never ends"),
    ("f44", "the watchdog is fed by a timer while the loop hangs"),
    ("f45", "the clock is minutes off at the start, or moved while it runs"),
    ("f46", "alerts on metrics that are gone"),
    // The exchange as it is.
    ("f50", "an account mode that the documents do not know counts as no account"),
    ("f51", "one account's 429 stops the whole host"),
    ("f52", "a refusal that nobody foresaw is sent again and again, and uses up everybody's places"),
    ("f53", "one contract that is gone blinds every account"),
    ("f54", "a call beside the point stands in the way when it is refused"),
    ("f55", "a category that the account does not have is a list that cannot be read"),
    ("f56", "two key files hold one key"),
    ("f57", "YAML cuts, refuses or changes a passphrase without quotes, and nobody says so"),
    ("f58", "a demo account is given a product type of the older demo trading, which excludes it"),
    ("f59", "the proxy that the environment names is passed over in silence, and nothing gets out"),
    ("f60", "a spare answer on a kept connection is taken by the next question, which is another account's"),
    ("f61", "an answer from before its question, repeated by a cache, is believed"),
    ("f62", "an answer that says two things, goes on, or is another account's is believed"),
    // Operators and years.
    ("f63", "one wrong server time ends a fence or holds it for ever"),
    ("f64", "the ledger is lost, or a copy is put beside the log of another, and the next set goes by half of it"),
    ("f65", "a second writer with another state directory"),
    ("f66", "a pinned account, another key, and nothing that tells whose it is"),
    ("f70", "a clock that is years ahead deletes the audit trail"),
    ("f71", "a step of the clock ends a pause or an approval"),
    ("f72", "nobody reads the log, and everything waits for that"),
    ("f73", "what was seen before a suspend of the machine is believed after it"),
    ("f74", "a host is named after its boot, or renamed, and the accounts of its old name are kept or those of its new one are not"),
    ("f75", "ready is said of an older generation"),
    ("f76", "a cache of a repository fills the disk, breaks, or forks without end, and stands still for ever"),
    ("f77", "a key file that root mounts for our group is refused, with a command that cannot be run"),
    ("f78", "a local user, a full file or a core dump ends the daemon or shows its keys"),
    ("f79", "no descriptors, no inodes or a failing disk is told as a damaged ledger, which is then thrown away"),
    ("f80", "with many accounts some are asked again and again, and others never"),
    ("f81", "one change among many waits for looks at all of them"),
    ("f82", "waiting for our own pace shows as a reason, and flips alerts"),
    ("f83", "since when it waits begins anew with each process, and so does its alert"),
];
/// Ids that no test can be named after, and why not.
const DOES_NOT_APPLY: [(&str, &str); 0] = [];

#[test]
fn every_lesson_has_a_test_that_is_named_after_it() {
    let named = named_in_the_sources();
    let excused: BTreeMap<&str, &str> = DOES_NOT_APPLY.into();
    let without: Vec<String> = LESSONS
        .into_iter()
        .filter(|(id, _)| !named.contains(*id) && !excused.contains_key(id))
        .map(|(id, story)| format!("{id}: {story}"))
        .collect();
    assert!(without.is_empty(), "no test is named after\n{}", without.join("\n"));
    let unlisted: Vec<&String> =
        named.iter().filter(|id| !LESSONS.iter().any(|(listed, _)| listed == id)).collect();
    assert!(unlisted.is_empty(), "tests are named after what is not on the list: {unlisted:?}");
    let idle: Vec<&&str> = excused.keys().filter(|id| named.contains(**id)).collect();
    assert!(idle.is_empty(), "there is a test after all: {idle:?}");
}

#[test]
fn an_id_is_found_in_the_name_of_a_test_and_nowhere_else() {
    let text = "#[test]\nfn f1_a_b() {}\n#[tokio::test(start_paused = true)]\nasync fn f7_f8_c() {}\n\
                // f9_d\nfn f10_no_test() {}\n#[test]\nfn of11_e() { f12_f() }\n#[test]\n#[cfg(unix)]\nfn f13_g() {}\n";
    assert_eq!(named_in(text), ["f1", "f7", "f8", "f13"].map(str::to_owned).into());
}

fn named_in_the_sources() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ahead = vec![root.join("src"), root.join("tests")];
    let mut named = BTreeSet::new();
    while let Some(path) = ahead.pop() {
        if path.is_dir() {
            ahead.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            named.extend(named_in(&fs::read_to_string(path).unwrap()));
        }
    }
    named
}

/// The ids with which the names of tests begin: `f7_f8_what_it_says` holds two.
fn named_in(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.contains("test");
            continue;
        }
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = name.filter(|_| is_test) {
            named.extend(name.split('_').take_while(|word| is_id(word)).map(str::to_owned));
        }
        is_test = false;
    }
    named
}

fn is_id(word: &str) -> bool {
    word.strip_prefix('f')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}
