//! The key to one account, read from `DIR/NAME` (or systemd's `DIR/posmoded_NAME`): key, passphrase, and a secret or an
//! RSA private key.
//!
//! No text of a credential file is ever shown, not even of a broken one: an error says what is wrong and what to do.

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod keyring;
mod place;
mod signer;
mod written;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::access::Ourselves;
use crate::position_mode::{AccountName, KeyId};
pub use keyring::Keyring;
use signer::Signer;
use written::Written;

/// What signs an account's requests. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Credential {
    key: SecretString,
    passphrase: SecretString,
    signer: Signer,
    fingerprint: Fingerprint,
    kept_by: KeptBy,
    /// Secret, passphrase and key, each verbatim and in both forms in which JSON may write it.
    unshown: Arc<[SecretString]>,
}

/// A hash that tells one credential from another. Held in memory only; `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// What protects the credential files from other readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptBy {
    /// The files' own mode, which must be 0600 or stricter (or root's, for a group of ours to read), in a directory that nobody
    /// else may write to.
    Mode,
    /// systemd, in the directory that it made for the service.
    Systemd,
}

/// Why a credential is unusable: one sentence that says what to do and quotes nothing of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// The operator's sentence for two accounts whose files in `dir` hold the same key.
pub fn say_shared(dir: &Path, kept_by: KeptBy, account: &AccountName, other: &AccountName) -> String {
    let shown = |account: &AccountName| {
        let name = account.as_str();
        kept_by.file_of(dir, name).unwrap_or_else(|_| dir.join(name))
    };
    format!(
        "The key files {} and {} hold the same key, so that {account} and {other} are two names for one account: nothing is \
         asked and nothing is changed for either. Put each account's own key in place{}, or take one of the two out of the \
         file.",
        shown(account).display(),
        shown(other).display(),
        kept_by.hint_beside()
    )
}

/// Reads the file of `account` in `dir`.
pub fn read(dir: &Path, account: &AccountName, kept_by: KeptBy) -> Result<Credential, Unusable> {
    let path = kept_by.file_of(dir, account.as_str())?;
    let text = text_of(dir, &path, kept_by, || {
        let beside = named_nearly(dir, account);
        beside.map_or_else(|| kept_by.missing(account), |beside| kept_by.misnamed(account, &beside))
    })?;
    match parse(&text) {
        Ok(credential) => Ok(Credential { kept_by, ..credential }),
        Err(what) => Err(unusable(&path, &format!("{what}{}", kept_by.hint()))),
    }
}

/// Reads another file that lies beside the key files and is as secret, if it is there. The error of `parse` goes on where
/// "the credential file NAME" stands, and must quote nothing.
pub fn read_beside<T>(
    dir: &Path,
    name: &str,
    kept_by: KeptBy,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Unusable> {
    let path = kept_by.file_of(dir, name)?;
    if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let text = text_of(dir, &path, kept_by, || "is a link to what is not there".to_owned())?;
    let read = parse(text.expose_secret());
    read.map(Some).map_err(|what| unusable(&path, &format!("{what}{}", kept_by.hint())))
}

/// The text of a file that nobody else may use. `missing` says what to do if it is not there.
fn text_of(
    dir: &Path,
    path: &Path,
    kept_by: KeptBy,
    missing: impl Fn() -> String,
) -> Result<SecretString, Unusable> {
    let us = Ourselves::of_the_process();
    if kept_by == KeptBy::Mode {
        place::check_directories(dir, path, &us).map_err(Unusable)?;
    }
    let unreadable = |error: &io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            unusable(path, &missing())
        } else {
            let mend = (kept_by == KeptBy::Mode && error.kind() == io::ErrorKind::PermissionDenied)
                .then(|| place::say_unreadable(path, &us))
                .flatten();
            unusable(path, &mend.unwrap_or_else(|| format!("cannot be read: {error}")))
        }
    };
    // Opened before its mode is looked at, so that both are of the same file; without waiting for the writer of a fifo.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| unreadable(&error))?;
    let about = file.metadata().map_err(|error| unreadable(&error))?;
    if !about.is_file() {
        return Err(unusable(path, "is not a file"));
    }
    if kept_by == KeptBy::Mode {
        place::check_file(path, &about, &us).map_err(|what| unusable(path, &what))?;
    }
    // Never grown, for a buffer that is left behind would not be wiped.
    let mut text = String::with_capacity(usize::try_from(LONGEST).unwrap_or_default() + 1);
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > LONGEST => return Err(unusable(path, "is too long for a credential")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(unusable(path, "is not UTF-8 text"));
        }
        Err(error) => return Err(unreadable(&error)),
    }
    Ok(SecretString::from(text))
}

impl Credential {
    /// A credential that signs with a secret. None of the three may be empty, and the key and the passphrase must fit
    /// into an HTTP header.
    pub fn new(key: String, secret: String, passphrase: String) -> Result<Credential, Unusable> {
        check("secret", &secret)?;
        let fingerprint = Fingerprint::of([&key, &passphrase, "secret", &secret]);
        Credential::with(key, passphrase, Signer::Hmac(secret.into()), fingerprint)
    }

    /// A credential that signs with an RSA private key in PEM (PKCS#1 or PKCS#8, not encrypted, 2048 to 4096 bits).
    pub fn rsa(key: String, pem: String, passphrase: String) -> Result<Credential, Unusable> {
        let fingerprint = Fingerprint::of([&key, &passphrase, "rsa", &pem]);
        let signer = Signer::rsa(&pem.into()).map_err(Unusable)?;
        Credential::with(key, passphrase, signer, fingerprint)
    }

    fn with(
        key: String,
        passphrase: String,
        signer: Signer,
        fingerprint: Fingerprint,
    ) -> Result<Credential, Unusable> {
        check("key", &key)?;
        check("passphrase", &passphrase)?;
        let secret = match &signer {
            Signer::Hmac(secret) => Some(secret.expose_secret()),
            // It is never sent, so it cannot be echoed.
            Signer::Rsa(_) => None,
        };
        let unshown = secret.into_iter().chain([passphrase.as_str(), key.as_str()]).flat_map(|secret| {
            let in_json = serde_json::Value::from(secret).to_string();
            let in_json = in_json.trim_matches('"').to_owned();
            let escaped = in_json.replace('/', "\\/");
            [secret.to_owned(), in_json, escaped].map(SecretString::from)
        });
        let unshown = unshown.collect();
        let (key, passphrase) = (key.into(), passphrase.into());
        Ok(Credential { key, passphrase, signer, fingerprint, kept_by: KeptBy::Mode, unshown })
    }

    /// The hash that tells it from another one.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The id of its API key.
    pub fn key_id(&self) -> KeyId {
        KeyId::of(self.key())
    }

    /// What protects the file that it was read from.
    pub(super) fn kept_by(&self) -> KeptBy {
        self.kept_by
    }

    /// The signature of a request, in base64.
    pub(super) fn sign(&self, prehash: &str) -> String {
        self.signer.sign(prehash)
    }

    /// The API key, which is sent with each private request.
    pub(super) fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// The passphrase, which is sent with each private request.
    pub(super) fn passphrase(&self) -> &str {
        self.passphrase.expose_secret()
    }

    /// `text` with key, passphrase and secret redacted, verbatim or as JSON writes them.
    pub(super) fn redact(&self, text: &str) -> String {
        self.unshown
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), REDACTED))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credential([redacted])")
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Fingerprint([redacted])")
    }
}

impl Fingerprint {
    fn of(parts: [&str; 4]) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Fingerprint(hash.finalize().into())
    }
}

impl KeptBy {
    /// Path of the file that is called `name`, as a key file is by its account. systemd names a file after the `LoadCredential=` line that gave it: one line
    /// for a directory named `posmoded` makes `posmoded_NAME`, a line for the file alone makes `NAME`. Both together
    /// are an error, because either could be meant.
    fn file_of(self, dir: &Path, name: &str) -> Result<PathBuf, Unusable> {
        let alone = dir.join(name);
        let of_directory = dir.join(format!("{DIRECTORY_ID}_{name}"));
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        match self {
            KeptBy::Systemd if is_there(&of_directory) => {
                if is_there(&alone) {
                    let other = of_directory.display();
                    let what =
                        format!("is one of two, beside {other}: keep one LoadCredential= for the account");
                    return Err(unusable(&alone, &format!("{what}{}", self.hint())));
                }
                Ok(of_directory)
            }
            KeptBy::Systemd | KeptBy::Mode => Ok(alone),
        }
    }

    fn missing(self, account: &AccountName) -> String {
        match self {
            KeptBy::Mode => "is missing: write key and passphrase of the account there, and its secret or \
                             rsa_private_key"
                .to_owned(),
            KeptBy::Systemd => format!(
                "is missing: write it to /etc/posmoded/credentials/{account}, or where LoadCredential= of the unit points, \
                 and restart posmoded"
            ),
        }
    }

    /// The same where a file is there whose name somebody may have meant.
    fn misnamed(self, account: &AccountName, beside: &str) -> String {
        let rename = match self {
            KeptBy::Mode => "rename it".to_owned(),
            KeptBy::Systemd => {
                "rename it in /etc/posmoded/credentials, or where LoadCredential= of the unit points, and restart posmoded".to_owned()
            }
        };
        format!(
            "is missing, and `{beside}` is there: a key file is named as its account is, `{account}`, without any ending; \
             {rename}"
        )
    }

    /// Text to add inside a sentence that asks the operator to replace a file.
    fn hint_beside(self) -> &'static str {
        match self {
            KeptBy::Mode => "",
            KeptBy::Systemd => " and restart posmoded, for systemd copied the files when it started",
        }
    }

    /// Text to add after a sentence that asks the operator to replace a file.
    pub(super) fn hint(self) -> &'static str {
        match self {
            KeptBy::Mode => "",
            KeptBy::Systemd => {
                "; systemd copied the file when the service started, so restart posmoded after changing it"
            }
        }
    }
}

fn parse(text: &SecretString) -> Result<Credential, String> {
    let Written { key, passphrase, secret, rsa_private_key } = written::read(text.expose_secret())?;
    let lacks = |name: &str| {
        format!("lacks {name}: it must hold key, passphrase, and secret (HMAC) or rsa_private_key (RSA)")
    };
    let (key, passphrase) =
        (key.ok_or_else(|| lacks("key"))?, passphrase.ok_or_else(|| lacks("passphrase"))?);
    let credential = match (secret, rsa_private_key) {
        (Some(secret), None) => Credential::new(key, secret, passphrase),
        (None, Some(pem)) => Credential::rsa(key, pem, passphrase),
        (None, None) => return Err(lacks("secret or rsa_private_key")),
        (Some(_), Some(_)) => {
            return Err("holds both secret and rsa_private_key: keep the one that the key was made with at \
                        Bitget"
                .to_owned());
        }
    };
    credential.map_err(|Unusable(what)| format!("is not usable: {what}"))
}

/// Checks that a value is not empty and may stand in an HTTP header.
fn check(name: &str, value: &str) -> Result<(), Unusable> {
    if value.is_empty() {
        return Err(Unusable(format!("{name} is empty")));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Unusable(format!("{name} holds a character that is not printable ASCII")));
    }
    Ok(())
}

/// The first file in the directory whose name is the account's but for an ending, capitals, or `_` in place of `-`.
fn named_nearly(dir: &Path, account: &AccountName) -> Option<String> {
    let names = fs::read_dir(dir).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| is_nearly(name, account)).min()
}

fn is_nearly(name: &str, account: &AccountName) -> bool {
    let of_directory = name.strip_prefix(DIRECTORY_ID).and_then(|name| name.strip_prefix('_'));
    let plain = of_directory.unwrap_or(name).to_ascii_lowercase().replace('_', "-");
    let stem = ENDINGS.iter().find_map(|ending| plain.strip_suffix(ending)).unwrap_or(&plain);
    name != account.as_str() && stem == account.as_str()
}

fn unusable(path: &Path, what: &str) -> Unusable {
    Unusable(format!("the credential file {} {what}", path.display()))
}

/// The name of the directory in `LoadCredential=` of the shipped unit.
const DIRECTORY_ID: &str = "posmoded";
/// What people let the name of a key file end with.
const ENDINGS: [&str; 7] = [".yaml", ".yml", ".json", ".txt", ".key", ".cred", ".env"];
/// The replacement for a secret.
const REDACTED: &str = "[redacted]";
/// The longest file that is read, in bytes: an RSA key in PEM has some 3,300.
const LONGEST: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const GOOD: &str = "key: test-key\npassphrase: test-passphrase\nsecret: test-secret\n";

    fn account() -> AccountName {
        "desk-main".parse().unwrap()
    }

    fn read_text(text: &[u8], mode: u32, kept_by: KeptBy) -> Result<Credential, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk-main");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(dir.path(), &account(), kept_by)
            .map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), "DIR"))
    }

    #[test]
    fn three_keys_make_a_credential_that_shows_nothing() {
        let credential = read_text(GOOD.as_bytes(), 0o600, KeptBy::Mode).unwrap();
        assert_eq!((credential.key(), credential.passphrase()), ("test-key", "test-passphrase"));
        assert_eq!(credential.redact("test-secret"), REDACTED);
        assert_eq!(format!("{credential:?}"), "Credential([redacted])");
    }

    #[test]
    fn what_looks_like_a_number_is_taken_as_it_is_written() {
        let text = "key: 0012\npassphrase: 1e5\nsecret: 0x10\n";
        let credential = read_text(text.as_bytes(), 0o400, KeptBy::Mode).unwrap();
        assert_eq!((credential.key(), credential.passphrase()), ("0012", "1e5"));
        assert_eq!(credential.redact("0x10 16"), "[redacted] 16");
    }

    #[test]
    fn every_bad_file_says_what_to_do_and_nothing_of_what_it_holds() {
        let texts: [(&str, &[u8]); 14] = [
            ("empty", b""),
            ("a scalar", b"hidden-1"),
            ("unknown key", b"key: hidden-1\npassphrase: hidden-2\nsecret: hidden-3\nhidden-4: 1\n"),
            ("missing", b"key: hidden-1\nsecret: hidden-2\n"),
            ("neither", b"key: hidden-1\npassphrase: hidden-2\n"),
            ("both", b"key: hidden-1\npassphrase: hidden-2\nsecret: hidden-3\nrsa_private_key: hidden-4\n"),
            ("twice", b"key: hidden-1\nkey: hidden-2\npassphrase: hidden-3\nsecret: hidden-4\n"),
            ("null", b"key: ~\npassphrase: hidden-1\nsecret: hidden-2\n"),
            ("empty value", b"key: ''\npassphrase: hidden-1\nsecret: hidden-2\n"),
            ("a list", b"key: [hidden-1]\npassphrase: hidden-2\nsecret: hidden-3\n"),
            ("two documents", b"key: hidden-1\npassphrase: hidden-2\nsecret: hidden-3\n---\nkey: hidden-4\n"),
            ("newline", b"key: \"hidden-1\\n\"\npassphrase: hidden-2\nsecret: hidden-3\n"),
            ("not text", b"key: \xff\xfe"),
            ("RSA", b"key: hidden-1\npassphrase: hidden-2\nrsa_private_key: |\n  hidden-3\n"),
        ];
        let told: Vec<String> = texts
            .map(|(name, text)| format!("{name}: {}", read_text(text, 0o600, KeptBy::Mode).unwrap_err()))
            .to_vec();
        let told = told.join("\n");
        assert!(!told.contains("hidden"), "{told}");
        expect_test::expect![[r#"
            empty: the credential file DIR/desk-main lacks key: it must hold key, passphrase, and secret (HMAC) or rsa_private_key (RSA)
            a scalar: the credential file DIR/desk-main is not a credential (line 1): it must be YAML with exactly the keys key, passphrase, and secret or rsa_private_key
            unknown key: the credential file DIR/desk-main is not a credential (line 4): it must be YAML with exactly the keys key, passphrase, and secret or rsa_private_key
            missing: the credential file DIR/desk-main lacks passphrase: it must hold key, passphrase, and secret (HMAC) or rsa_private_key (RSA)
            neither: the credential file DIR/desk-main lacks secret or rsa_private_key: it must hold key, passphrase, and secret (HMAC) or rsa_private_key (RSA)
            both: the credential file DIR/desk-main holds both secret and rsa_private_key: keep the one that the key was made with at Bitget
            twice: the credential file DIR/desk-main is not clear (lines 1, 2): `key` stands twice, keep one of the two
            null: the credential file DIR/desk-main cannot be taken as it stands (line 1): the value of `key` is a word that YAML takes for none, as `~` and `null` are; put it in quotes, as in `key: '...'` (a ' inside is written twice)
            empty value: the credential file DIR/desk-main is not usable: key is empty
            a list: the credential file DIR/desk-main cannot be taken as it stands (line 1): in `key: [...` YAML takes the first character for a sign of its own; put it in quotes, as in `key: '...'` (a ' inside is written twice)
            two documents: the credential file DIR/desk-main is not a credential (line 4): it must be YAML with exactly the keys key, passphrase, and secret or rsa_private_key
            newline: the credential file DIR/desk-main cannot be taken as it stands (line 1): in `key: "...\..."` YAML takes the backslash for the beginning of an escape; put it in single quotes, as in `key: '...'` (a ' inside is written twice)
            not text: the credential file DIR/desk-main is not UTF-8 text
            RSA: the credential file DIR/desk-main is not usable: rsa_private_key is no private key in PEM: write `rsa_private_key: |` and below it, indented by two spaces, the lines from `-----BEGIN ... PRIVATE KEY-----` to `-----END ... PRIVATE KEY-----`"#]]
        .assert_eq(&told);
    }

    #[test]
    fn f57_a_value_is_taken_exactly_as_it_stands() {
        let file = |value: &str| format!("key: test-key\npassphrase: {value}\nsecret: test-secret\n");
        let whole = [
            "two words",
            "a#b",
            "a:b",
            "a&b*c!d@e%f`g",
            "-a",
            "?a",
            ":a",
            "a,b",
            "a]b}",
            "a\\b",
            "it's",
            "a\"b",
            "0012",
            "1e5",
            "0x10",
            "1_000",
            "true",
            "no",
            "off",
            "nan",
            ".inf",
            "2026-11-29",
            "=",
            "<<",
            "nulls",
            "~a",
            "a ~",
            "a  b",
            "---",
            "...",
        ];
        for value in whole {
            for written in [value.to_owned(), format!("'{}'", value.replace('\'', "''"))] {
                let text = file(&written);
                let read =
                    read_text(text.as_bytes(), 0o600, KeptBy::Mode).map(|read| read.passphrase().to_owned());
                assert_eq!(read.as_deref(), Ok(value), "{text}");
            }
        }
    }

    #[test]
    fn f57_quotes_are_asked_for_where_yaml_would_cut_refuse_or_change_a_value() {
        let file = |field: &str, value: &str| {
            let of = |name: &str| if name == field { value.to_owned() } else { format!(" test-{name}") };
            format!("key:{}\npassphrase:{}\nsecret:{}\n", of("key"), of("passphrase"), of("secret"))
        };
        let broken = [
            "hidden #3",
            "hidden\t#3",
            "#hidden",
            "~",
            "null",
            "NULL",
            "&hidden",
            "&hidden 2",
            "*hidden",
            "!hidden",
            "!!str hidden",
            "@hidden",
            "%hidden",
            "`hidden",
            "|hidden",
            ">hidden",
            "[hidden",
            "[hidden]",
            "{hidden",
            "{hidden: 1}",
            "]hidden",
            "}hidden",
            ",hidden",
            "- hidden",
            "? hidden",
            ": hidden",
            "hidden: x",
            "hidden:",
            "hidden ",
            "hidden\t",
            "hidden\n  more",
            "\n  hidden\n  more",
            "",
            "\n  - hidden",
            "'hidden",
            "\"hidden",
            "'hidden'2",
            "\"hidden\" 2",
            "\"hidden\\b\"",
            "\"hid\n  den\"",
            "|\n  hidden",
        ];
        for field in ["key", "passphrase", "secret"] {
            for value in broken {
                let text = file(field, &format!(" {value}"));
                let told = read_text(text.as_bytes(), 0o600, KeptBy::Mode).unwrap_err();
                assert!(!told.contains("hid"), "{text}{told}");
                assert!(told.contains("in quotes") || told.contains("in single quotes"), "{text}{told}");
                assert!(
                    told.contains(&format!("`{field}: '...'`")) && told.contains("(line "),
                    "{text}{told}"
                );
            }
        }
        let told: Vec<String> = ["hidden #3", "&hidden", "~", "hidden ", "'hidden", "", "hidden: x"]
            .map(|value| {
                read_text(file("passphrase", &format!(" {value}")).as_bytes(), 0o600, KeptBy::Mode)
                    .unwrap_err()
            })
            .to_vec();
        expect_test::expect![[r#"
            the credential file DIR/desk-main cannot be taken as it stands (line 2): of `passphrase: ... #...` YAML takes the end for a comment, which would leave half of it; put it in quotes, as in `passphrase: '...'` (a ' inside is written twice)
            the credential file DIR/desk-main cannot be taken as it stands (line 2): in `passphrase: &...` YAML takes the first character for a sign of its own; put it in quotes, as in `passphrase: '...'` (a ' inside is written twice)
            the credential file DIR/desk-main cannot be taken as it stands (line 2): the value of `passphrase` is a word that YAML takes for none, as `~` and `null` are; put it in quotes, as in `passphrase: '...'` (a ' inside is written twice)
            the credential file DIR/desk-main cannot be taken as it stands (line 2): the value of `passphrase` ends in white space, which YAML drops; remove that, or put it in quotes, as in `passphrase: '...'` (a ' inside is written twice)
            the credential file DIR/desk-main cannot be taken as it stands (line 2): the quotes of `passphrase` must be around all of its value, in one line; put all of it in quotes, as in `passphrase: '...'` (a ' inside is written twice)
            the credential file DIR/desk-main cannot be taken as it stands (line 2): `passphrase` has no value; write it in quotes, as in `passphrase: '...'` (a ' inside is written twice)
            the credential file DIR/desk-main cannot be taken as it stands (line 2): in `passphrase: ...: ...` YAML takes the second colon for that of a key; put it in quotes, as in `passphrase: '...'` (a ' inside is written twice)"#]].assert_eq(&told.join("\n"));
    }

    #[test]
    fn f57_the_rules_hold_wherever_a_value_stands() {
        let refused = [
            "  key: test-key\n  passphrase: hidden #3\n  secret: test-secret\n",
            "{key: test-key, passphrase: hidden #3\n, secret: test-secret}\n",
            "passphrase: hidden #3\r\nkey: test-key\r\nsecret: test-secret\r\n",
            "\"passphrase\": hidden #3\nkey: test-key\nsecret: test-secret\n",
            "---\nkey: test-key\nsecret: test-secret\npassphrase: hidden #3",
            "key: test-key\npassphrase = hidden\nsecret: test-secret\n",
            "key: test-key\npassphrase:hidden\nsecret: test-secret\n",
        ];
        for text in refused {
            let told = read_text(text.as_bytes(), 0o600, KeptBy::Mode).unwrap_err();
            assert!(
                told.contains("in quotes, as in `passphrase: '...'`") && !told.contains("hidden"),
                "{text}{told}"
            );
        }
        let taken = [
            "# of the desk\nkey: test-key\n\npassphrase: 'a #b' # said so\nsecret: \"test-secret\"  # too\n",
            "{\"key\":\"test-key\",\"passphrase\":\"a #b\",\"secret\":\"test-secret\"}\n",
            "{\n  \"key\": \"test-key\",\n  \"passphrase\": \"a #b\",\n  \"secret\": \"test-secret\"\n}\n",
            "\u{feff}---\r\nkey:   test-key\r\npassphrase: \"a #b\"\r\nsecret:\ttest-secret\r\n...\r\n",
        ];
        for text in taken {
            let read = read_text(text.as_bytes(), 0o600, KeptBy::Mode);
            let read = read.as_ref().map(|read| (read.key(), read.passphrase()));
            assert_eq!(read, Ok(("test-key", "a #b")), "{text}");
        }
    }

    #[test]
    fn f57_what_other_programs_call_the_fields_is_named_together_with_their_names_here() {
        let texts = [
            "apiKey: hidden-1\nsecret: hidden-2\npassword: hidden-3\n",
            "API_KEY: hidden-1\nAPI_SECRET: hidden-2\nAPI_PASSPHRASE: hidden-3\n",
            "api-key: hidden-1\nsecret_key: hidden #2\npass: hidden-3\n",
            "Key: hidden-1\nSecret: hidden-2\nPassphrase: hidden-3\n",
            "access_key: hidden-1\nprivateKey: |\n  apiKey: no\npassphrase: hidden-3\n",
            "{\"apiKey\":\"hidden-1\",\"secret\":\"hidden-2\",\"passphrase\":\"hidden-3\"}\n",
        ];
        let told = texts.map(|text| read_text(text.as_bytes(), 0o600, KeptBy::Mode).unwrap_err()).join("\n");
        assert!(!told.contains("hidden"), "{told}");
        expect_test::expect![[r#"
            the credential file DIR/desk-main has other names in it (lines 1, 3): `apiKey` is called `key` here, and `password` is called `passphrase` here
            the credential file DIR/desk-main has other names in it (lines 1, 2, 3): `API_KEY` is called `key` here, and `API_SECRET` is called `secret` here, and `API_PASSPHRASE` is called `passphrase` here
            the credential file DIR/desk-main has other names in it (lines 1, 2, 3): `api-key` is called `key` here, and `secret_key` is called `secret` here, and `pass` is called `passphrase` here
            the credential file DIR/desk-main has other names in it (lines 1, 2, 3): `Key` is called `key` here, and `Secret` is called `secret` here, and `Passphrase` is called `passphrase` here
            the credential file DIR/desk-main has other names in it (lines 1, 2): `access_key` is called `key` here, and `privateKey` is called `rsa_private_key` here
            the credential file DIR/desk-main has other names in it (line 1): `apiKey` is called `key` here"#]].assert_eq(&told);
    }

    #[test]
    fn what_other_programs_write_beside_the_fields_or_around_them_is_told_with_where_it_belongs() {
        let texts = [
            "bitget_perpetual_api_key: hidden-1\nbitget_perpetual_secret_key: hidden-2\nFREQTRADE__EXCHANGE__PASSWORD: hidden-3\n",
            "key: hidden-1\nsecret: hidden-2\npassphrase: hidden-3\nuid: hidden-4\n",
            "sandbox: true\nkey: hidden-1\nsecret: hidden-2\npassphrase: hidden-3\n",
            "exchange:\n  key: hidden-1\n  secret: hidden-2\n  passphrase: hidden-3\n",
            "{\"name\":\"hidden-1\",\"key\":\"hidden-2\"}\n",
        ];
        let told = texts.map(|text| read_text(text.as_bytes(), 0o600, KeptBy::Mode).unwrap_err()).join("\n");
        assert!(!told.contains("hidden"), "{told}");
        expect_test::expect![[r#"
            the credential file DIR/desk-main has other names in it (lines 1, 2, 3): `bitget_perpetual_api_key` is called `key` here, and `bitget_perpetual_secret_key` is called `secret` here, and `FREQTRADE__EXCHANGE__PASSWORD` is called `passphrase` here
            the credential file DIR/desk-main has something in it that is not the key's (line 4): `uid`; write it in the account, in desired-state.yaml, and remove it here
            the credential file DIR/desk-main has something in it that is not the key's (line 1): `sandbox`; write `demo: true` in the account, in desired-state.yaml, and remove it here
            the credential file DIR/desk-main has something in it that is not the key's (line 1): `exchange`; remove it, and let key, passphrase, and secret or rsa_private_key begin their lines, with nothing around them
            the credential file DIR/desk-main has something in it that is not the key's (line 1): `name`; remove it, and let key, passphrase, and secret or rsa_private_key begin their lines, with nothing around them"#]].assert_eq(&told);
    }

    #[test]
    fn f57_a_key_file_whose_name_is_nearly_right_is_named() {
        for name in
            ["desk-main.yaml", "desk-main.yml", "desk-main.json", "Desk-Main", "desk_main", "DESK-MAIN.YAML"]
        {
            let dir = tempfile::tempdir().unwrap();
            for other in ["desk-mains", "desk-main-2", "desk", name, "main.yaml"] {
                fs::write(dir.path().join(other), GOOD).unwrap();
            }
            let told = read(dir.path(), &account(), KeptBy::Mode).unwrap_err().to_string();
            let expected = format!(
                "desk-main is missing, and `{name}` is there: a key file is named as its account is, `desk-main`, without \
                 any ending; rename it"
            );
            assert!(told.ends_with(&expected), "{told}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("posmoded_desk-main.yaml"), GOOD).unwrap();
        let told = read(dir.path(), &account(), KeptBy::Systemd).unwrap_err().to_string();
        let expected = "`posmoded_desk-main.yaml` is there: a key file is named as its account is, `desk-main`, without any \
                        ending; rename it in /etc/posmoded/credentials, or where LoadCredential= of the unit points, and \
                        restart posmoded";
        assert!(told.ends_with(expected), "{told}");
        // The file of an account called posmoded-desk-main is no hint.
        fs::rename(dir.path().join("posmoded_desk-main.yaml"), dir.path().join("posmoded-desk-main"))
            .unwrap();
        let told = read(dir.path(), &account(), KeptBy::Mode).unwrap_err().to_string();
        assert!(!told.contains("is there"), "{told}");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_unless_systemd_keeps_it() {
        // What root's files may be besides, `access` tries.
        for mode in [0o644, 0o604, 0o620, 0o660] {
            let told = read_text(GOOD.as_bytes(), mode, KeptBy::Mode).unwrap_err();
            let expected =
                format!(" and has mode {mode:04o}, so that others may use it: run `chmod 600 DIR/desk-main`");
            assert!(told.ends_with(&expected), "{told}");
        }
        assert!(read_text(GOOD.as_bytes(), 0o440, KeptBy::Systemd).is_ok());
    }

    #[test]
    fn a_missing_file_is_one_sentence_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let told = read(dir.path(), &account(), KeptBy::Mode).unwrap_err().to_string();
        let expected = format!(
            "the credential file {} is missing: write key and passphrase of the account there, and its secret or \
             rsa_private_key",
            dir.path().join("desk-main").display()
        );
        assert_eq!(told, expected);
    }

    #[test]
    fn systemd_names_a_file_after_the_account_or_after_its_directory_too_and_both_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let read = |kept_by| {
            let read = read(dir.path(), &account(), kept_by).map(|credential| credential.key().to_owned());
            read.map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), "DIR"))
        };
        let write = |name: &str, key: &str| {
            let path = dir.path().join(name);
            fs::write(&path, GOOD.replace("test-key", key)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        expect_test::expect!["the credential file DIR/desk-main is missing: write it to /etc/posmoded/credentials/desk-main, or where LoadCredential= of the unit points, and restart posmoded"]
            .assert_eq(&read(KeptBy::Systemd).unwrap_err());
        write("posmoded_desk-main", "of-directory");
        assert_eq!(read(KeptBy::Systemd).as_deref(), Ok("of-directory"));
        assert!(
            read(KeptBy::Mode).unwrap_err().contains("DIR/desk-main is missing"),
            "an operator names it plainly"
        );
        write("desk-main", "alone");
        expect_test::expect!["the credential file DIR/desk-main is one of two, beside DIR/posmoded_desk-main: keep one LoadCredential= for the account; systemd copied the file when the service started, so restart posmoded after changing it"]
            .assert_eq(&read(KeptBy::Systemd).unwrap_err());
        assert_eq!(read(KeptBy::Mode).as_deref(), Ok("alone"));
        fs::remove_file(dir.path().join("posmoded_desk-main")).unwrap();
        assert_eq!(read(KeptBy::Systemd).as_deref(), Ok("alone"));
    }

    #[test]
    fn what_systemd_copied_changes_only_with_a_restart_and_the_sentence_says_so() {
        let told = read_text(b"key: test-key\npassphrase: test-pass\n", 0o400, KeptBy::Systemd).unwrap_err();
        assert!(told.ends_with("(RSA); systemd copied the file when the service started, so restart posmoded after changing it"), "{told}");
    }

    #[test]
    fn an_rsa_key_makes_a_credential_that_shows_nothing() {
        let Some(pem) = signer::tests::generated("2048") else { return };
        let block = pem.trim_end().replace('\n', "\n  ");
        let text = format!("key: test-key\npassphrase: test-pass\nrsa_private_key: |\n  {block}\n");
        let credential = read_text(text.as_bytes(), 0o600, KeptBy::Mode).unwrap();
        assert_eq!(format!("{credential:?}"), "Credential([redacted])");
        assert_eq!(credential.sign("").len(), 344, "256 bytes in base64");
    }

    #[test]
    fn a_fingerprint_tells_any_change_and_nothing_else() {
        let print = |text: &str| read_text(text.as_bytes(), 0o600, KeptBy::Mode).unwrap().fingerprint();
        assert_eq!(print(GOOD), print(&format!("# rewritten\n{GOOD}")));
        for (from, to) in [("test-key", "key-2"), ("test-passphrase", "pass-2"), ("test-secret", "secret-2")]
        {
            assert_ne!(print(GOOD), print(&GOOD.replace(from, to)), "{to}");
        }
        assert_eq!(format!("{:?}", print(GOOD)), "Fingerprint([redacted])");
    }

    #[test]
    fn secrets_are_redacted_as_they_are_and_as_json_writes_them() {
        let credential =
            Credential::new("test-key".into(), "test/secret".into(), "test \"pass\\phrase".into()).unwrap();
        let echoed =
            r#"test-key {"a":"test/secret","b":"test\/secret","c":"test \"pass\\phrase"} test "pass\phrase"#;
        assert_eq!(
            credential.redact(echoed),
            r#"[redacted] {"a":"[redacted]","b":"[redacted]","c":"[redacted]"} [redacted]"#
        );
    }
}
