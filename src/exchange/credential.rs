//! The key to one account, read from `DIR/NAME`.
//!
//! No text of a credential file is ever shown, not even of a broken one: an error says what is wrong and what to do.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::position_mode::AccountName;

/// What signs an account's requests. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Credential {
    key: SecretString,
    secret: SecretString,
    passphrase: SecretString,
}

/// Who sees to it that nobody else reads the credential files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptBy {
    /// The files' own mode, which must be 0600 or stricter.
    Mode,
    /// systemd, in the directory that it made for the service.
    Systemd,
}

/// Why there is no credential: one sentence that says what to do, without a word of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Reads `dir/account`.
pub fn read(dir: &Path, account: &AccountName, kept_by: KeptBy) -> Result<Credential, Unusable> {
    let path = dir.join(account.to_string());
    let unreadable = |error: &io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            unusable(&path, "is missing: write key, passphrase and secret of the account there")
        } else {
            unusable(&path, &format!("cannot be read: {error}"))
        }
    };
    let about = fs::metadata(&path).map_err(|error| unreadable(&error))?;
    if !about.is_file() {
        return Err(unusable(&path, "is not a file"));
    }
    let mode = about.permissions().mode() & 0o7777;
    if kept_by == KeptBy::Mode && mode & 0o077 != 0 {
        let shown = path.display();
        return Err(unusable(
            &path,
            &format!("has mode {mode:04o}, so that others may use it: run `chmod 600 {shown}`"),
        ));
    }
    let file = File::open(&path).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > LONGEST => return Err(unusable(&path, "is too long for a credential")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(unusable(&path, "is not UTF-8 text"));
        }
        Err(error) => return Err(unreadable(&error)),
    }
    parse(&SecretString::from(text)).map_err(|what| unusable(&path, &what))
}

impl Credential {
    /// A credential of these three. None may be empty, and the key and the passphrase must fit into an HTTP header.
    pub fn new(key: String, secret: String, passphrase: String) -> Result<Credential, Unusable> {
        let parts = [("key", &key), ("secret", &secret), ("passphrase", &passphrase)];
        for (name, value) in parts {
            if value.is_empty() {
                return Err(Unusable(format!("{name} is empty")));
            }
            if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(Unusable(format!("{name} holds a character that is not printable ASCII")));
            }
        }
        Ok(Credential { key: key.into(), secret: secret.into(), passphrase: passphrase.into() })
    }

    /// What names the key to the exchange.
    pub(super) fn key(&self) -> &str {
        self.key.expose_secret()
    }

    /// What signs; never sent.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// What goes with the key.
    pub(super) fn passphrase(&self) -> &str {
        self.passphrase.expose_secret()
    }

    /// `text` without any of the three, as they are or as JSON writes them.
    pub(super) fn redact(&self, text: &str) -> String {
        [self.secret(), self.passphrase(), self.key()].into_iter().fold(text.to_owned(), |text, secret| {
            let in_json = serde_json::Value::from(secret).to_string();
            let in_json = in_json.trim_matches('"');
            text.replace(secret, REDACTED)
                .replace(in_json, REDACTED)
                .replace(&in_json.replace('/', "\\/"), REDACTED)
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credential([redacted])")
    }
}

/// The file's own shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: Option<String>,
    passphrase: Option<String>,
    secret: Option<String>,
    rsa_private_key: Option<IgnoredAny>,
}

fn parse(text: &SecretString) -> Result<Credential, String> {
    let written: Written = serde_saphyr::from_str(text.expose_secret()).map_err(|error| {
        // The error's own words may quote the file, so only its place is told.
        let line = error.location().map_or_else(String::new, |place| format!(" (line {})", place.line()));
        format!("is not a credential{line}: it must be YAML with exactly the keys key, passphrase and secret")
    })?;
    let Written { key, passphrase, secret, rsa_private_key } = written;
    if rsa_private_key.is_some() {
        return Err(
            "holds rsa_private_key, which is not supported by this version: use an HMAC key, with secret"
                .to_owned(),
        );
    }
    let missing = |name: &str| format!("lacks {name}: it must hold key, passphrase and secret");
    Credential::new(
        key.ok_or_else(|| missing("key"))?,
        secret.ok_or_else(|| missing("secret"))?,
        passphrase.ok_or_else(|| missing("passphrase"))?,
    )
    .map_err(|Unusable(what)| format!("is not usable: {what}"))
}

fn unusable(path: &Path, what: &str) -> Unusable {
    Unusable(format!("the credential file {} {what}", path.display()))
}

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// The longest file that is read, in bytes: an RSA key in PEM has some 3,300.
const LONGEST: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
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
        let read = (credential.key(), credential.secret(), credential.passphrase());
        assert_eq!(read, ("test-key", "test-secret", "test-passphrase"));
        assert_eq!(format!("{credential:?}"), "Credential([redacted])");
    }

    #[test]
    fn what_looks_like_a_number_is_taken_as_it_is_written() {
        let text = "key: 0012\npassphrase: 1e5\nsecret: 0x10\n";
        let credential = read_text(text.as_bytes(), 0o400, KeptBy::Mode).unwrap();
        let read = (credential.key(), credential.passphrase(), credential.secret());
        assert_eq!(read, ("0012", "1e5", "0x10"));
    }

    #[test]
    fn every_bad_file_says_what_to_do_and_nothing_of_what_it_holds() {
        let texts: [(&str, &[u8]); 12] = [
            ("empty", b""),
            ("a scalar", b"hidden-1"),
            ("unknown key", b"key: hidden-1\npassphrase: hidden-2\nsecret: hidden-3\nhidden-4: 1\n"),
            ("missing", b"key: hidden-1\nsecret: hidden-2\n"),
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
        expect_test::expect![[r"
            empty: the credential file DIR/desk-main lacks key: it must hold key, passphrase and secret
            a scalar: the credential file DIR/desk-main is not a credential (line 1): it must be YAML with exactly the keys key, passphrase and secret
            unknown key: the credential file DIR/desk-main is not a credential (line 4): it must be YAML with exactly the keys key, passphrase and secret
            missing: the credential file DIR/desk-main lacks passphrase: it must hold key, passphrase and secret
            twice: the credential file DIR/desk-main is not a credential (line 2): it must be YAML with exactly the keys key, passphrase and secret
            null: the credential file DIR/desk-main lacks key: it must hold key, passphrase and secret
            empty value: the credential file DIR/desk-main is not usable: key is empty
            a list: the credential file DIR/desk-main is not a credential (line 1): it must be YAML with exactly the keys key, passphrase and secret
            two documents: the credential file DIR/desk-main is not a credential (line 5): it must be YAML with exactly the keys key, passphrase and secret
            newline: the credential file DIR/desk-main is not usable: key holds a character that is not printable ASCII
            not text: the credential file DIR/desk-main is not UTF-8 text
            RSA: the credential file DIR/desk-main holds rsa_private_key, which is not supported by this version: use an HMAC key, with secret"]]
        .assert_eq(&told);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_unless_systemd_keeps_it() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o660] {
            let told = read_text(GOOD.as_bytes(), mode, KeptBy::Mode).unwrap_err();
            let expected = format!(
                "the credential file DIR/desk-main has mode {mode:04o}, so that others may use it: \
                 run `chmod 600 DIR/desk-main`"
            );
            assert_eq!(told, expected);
        }
        assert!(read_text(GOOD.as_bytes(), 0o440, KeptBy::Systemd).is_ok());
    }

    #[test]
    fn a_missing_file_is_one_sentence_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let told = read(dir.path(), &account(), KeptBy::Mode).unwrap_err().to_string();
        let expected = format!(
            "the credential file {} is missing: write key, passphrase and secret of the account there",
            dir.path().join("desk-main").display()
        );
        assert_eq!(told, expected);
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
