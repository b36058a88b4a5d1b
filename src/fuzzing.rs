//! What holds of every input that others write, whatever it is. Each function here is one fuzz target of `tests/fuzz`.
//!
//! In the builds of fuzz targets and of tests only. The ordinary tests try the corpora, and so every input that once
//! found a fault.

use std::str;
use std::time::Duration;

mod file;

pub use crate::cli::status::fuzzing::status;
pub use crate::exchange::bitget::fuzzing::answer;
pub use crate::exchange::credential::fuzzing::credential;
pub use crate::serve::fuzzing::request;
pub use file::file;

use crate::exchange::bitget::fuzzing::lane;
use crate::moment::{span, spell};
use crate::position_mode::{AccountName, KeyId, PositionMode, ProductType, Scope};
use crate::serve::Listen;
use crate::window::{Opens, WindowName, Zone};

/// The query of the history: it is understood or refused in one line, and brings the rows that it asks for.
pub fn history(bytes: &[u8]) {
    if let Ok(query) = str::from_utf8(bytes)
        && let Some(filter) = crate::serve::fuzzing::history(query)
    {
        crate::ledger::fuzzing::history(&filter);
    }
}

/// A word on a command line, in the file or in the ledger: what is accepted is read back from what is printed.
pub fn word(bytes: &[u8]) {
    let Ok(word) = str::from_utf8(bytes) else { return };
    lane(word);
    let printed = [
        word.parse::<AccountName>().map(|name| name.to_string()).ok(),
        word.parse::<WindowName>().map(|name| name.to_string()).ok(),
        word.parse::<Scope>().map(|scope| scope.to_string()).ok(),
        word.parse::<PositionMode>().map(|mode| mode.to_string()).ok(),
        word.parse::<ProductType>().map(|product| product.to_string()).ok(),
        word.parse::<KeyId>().map(|id| id.to_string()).ok(),
    ];
    for printed in printed.iter().flatten() {
        assert_eq!(printed, word);
        assert!(word.len() <= 63 && word.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Ok(listen) = word.parse::<Listen>() {
        assert_eq!(listen.to_string().parse(), Ok(listen.clone()));
        assert_eq!(listen.is_exposed(), listen.on_loopback_only().is_err());
    }
    if let Ok(length) = span(word) {
        // Spelled in two units, it is shorter by less than an hour in a day.
        let lost = length.checked_sub(span(&spell(length)).unwrap_or_default());
        assert!(lost.is_some_and(|lost| lost <= length / 24 + Duration::from_secs(1)), "{length:?}");
    }
    if Opens::read(word).is_ok() {
        assert_eq!(word.split_whitespace().count(), 6);
    }
    if let Some(zone) = Zone::named(word) {
        assert!(Zone::names().iter().any(|name| name == word), "{zone:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    type Target = (&'static str, fn(&[u8]));

    #[test]
    fn whatever_is_in_the_corpora_of_the_fuzz_targets_holds() {
        let targets: [Target; 7] = [
            ("file", file),
            ("answer", answer),
            ("credential", credential),
            ("request", request),
            ("history", history),
            ("word", word),
            ("status", status),
        ];
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        let mut known: Vec<String> = Vec::new();
        for (name, target) in targets {
            let inputs: Vec<_> = fs::read_dir(home.join("corpus").join(name)).unwrap().collect();
            assert!(inputs.len() > 2, "{name} begins with next to nothing");
            for input in inputs {
                let path = input.unwrap().path();
                let bytes = fs::read(&path).unwrap();
                assert!(bytes.len() <= 4096, "{}: a corpus is kept small", path.display());
                let held = std::panic::catch_unwind(|| target(&bytes));
                assert!(held.is_ok(), "{}", path.display());
            }
            known.push(format!("{name}.rs"));
        }
        let files = fs::read_dir(home.join("targets")).unwrap();
        let mut files: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        known.sort();
        assert_eq!(files, known, "each target is tried");
    }
}
