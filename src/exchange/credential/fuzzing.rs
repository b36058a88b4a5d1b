//! What holds of every credential file.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use serde::Serialize;

use super::{KeptBy, REDACTED, SecretString, parse, written};

/// A credential file: one that can be used is read back from what YAML writes of it and redacts itself; any other is
/// told in one of a few sentences, for a sentence that quoted the file would be one of many.
pub fn credential(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let first = parse(&SecretString::from(text));
    let again = parse(&SecretString::from(text));
    match (first, again) {
        (Ok(first), Ok(again)) => {
            assert!(first.fingerprint() == again.fingerprint() && first.key_id() == again.key_id());
            assert_eq!(first.sign("prehash"), again.sign("prehash"));
            assert_eq!(first.kept_by(), KeptBy::Mode);
            assert_eq!(format!("{first:?}"), "Credential([redacted])");
            for secret in [first.key(), first.passphrase()] {
                assert!(!secret.is_empty() && secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                assert!(!first.redact(secret).contains(secret) || REDACTED.contains(secret), "not redacted");
            }
            let written = Written { key: first.key(), passphrase: first.passphrase(), secret: "test-secret" };
            let written = serde_yaml::to_string(&written).unwrap_or_default();
            let read = parse(&SecretString::from(written));
            let read = read.as_ref().map(|read| (read.key(), read.passphrase()));
            assert_eq!(read, Ok((first.key(), first.passphrase())), "read back");
        }
        (Err(first), Err(again)) => {
            assert_eq!(first, again);
            assert!(!first.contains(char::is_control), "{first:?}");
            let mut sentences = SENTENCES.lock();
            sentences.insert(without_quotations(&first));
            assert!(sentences.len() <= MOST, "{sentences:?}");
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("read twice, with two outcomes"),
    }
}

/// A sentence without its lines' numbers and without the names and the shapes of lines that it quotes: of a shape no more
/// than one character can be the file's own.
fn without_quotations(sentence: &str) -> String {
    let is_shape = |piece: &str| {
        let (name, shape) = piece.split_once(':').unwrap_or((piece, ""));
        written::is_known(name) && shape.chars().filter(|c| !" .:#'\"\\".contains(*c)).count() <= 1
    };
    let pieces = sentence.split('`').enumerate();
    let pieces = pieces.map(|(at, piece)| if at % 2 == 1 && is_shape(piece) { "" } else { piece });
    pieces.flat_map(str::chars).filter(|c| !c.is_ascii_digit()).collect()
}

#[derive(Serialize)]
struct Written<'a> {
    key: &'a str,
    passphrase: &'a str,
    secret: &'a str,
}

/// Those that were told so far.
static SENTENCES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// There are some forty different ones.
const MOST: usize = 64;
