//! Who is told: the credential file `_notify`, a name that no account can have.
//!
//! Its URLs are secrets, for who knows one can write there: nothing of the file is in any text that leaves here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::exchange::bitget::is_loopback;
use crate::exchange::credential::{self, KeptBy, Unusable};

/// Where messages go. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// What messages are posted to.
    pub(super) url: Url,
    /// What is sent with each of them.
    pub(super) headers: HeaderMap,
    /// What is asked once a minute while all is well, so that somebody misses us when it is not.
    pub(super) alive_url: Option<Url>,
}

impl Receiver {
    /// The one whose file is in the directory of key files; `None` if there is no such file.
    pub fn read(dir: &Path, kept_by: KeptBy) -> Result<Option<Receiver>, Unusable> {
        credential::read_beside(dir, FILE, kept_by, parse)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Receiver([redacted])")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    alive_url: Option<String>,
}

/// The error quotes nothing; it goes on where "the credential file NAME" stands.
fn parse(text: &str) -> Result<Receiver, String> {
    let written: Written = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or_else(String::new, |at| format!(" (line {})", at.line()));
        format!(
            "cannot be taken as it stands{line}: it must hold `url: '...'`, and may hold `alive_url: '...'` and `headers:` with \
             lines `NAME: '...'` below it, and nothing else"
        )
    })?;
    let Written { url, headers, alive_url } = written;
    let url = self::url("url", &url)?;
    let alive_url = alive_url.map(|alive| self::url("alive_url", &alive)).transpose()?;
    let headers = headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>()?;
    Ok(Receiver { url, headers, alive_url })
}

fn url(field: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| {
        format!("is not usable: `{field}` is no URL; write it like https://hooks.example/path")
    })?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(format!(
            "is not usable: `{field}` begins with http://, so that whoever is on the way could read it and write there: https:// is \
             for all but loopback"
        )),
        _ => Err(format!("is not usable: `{field}` begins neither with https:// nor with http://")),
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let unfit = || "is not usable: below `headers:` stands what cannot be the header of a request".to_owned();
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| unfit())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// No account's name begins with `_`.
const FILE: &str = "_notify";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_with_all_its_parts_and_shows_nothing_of_them() {
        let text = "url: 'https://hooks.example/T0/hidden'\nalive_url: http://127.0.0.1:8000/hidden\nheaders:\n  Authorization: 'Bearer hidden'\n";
        let receiver = parse(text).unwrap();
        assert_eq!(receiver.url.as_str(), "https://hooks.example/T0/hidden");
        assert_eq!(receiver.headers.get("authorization").unwrap(), "Bearer hidden");
        assert!(receiver.alive_url.is_some());
        assert!(!format!("{receiver:?} {:?}", receiver.headers).contains("hidden"));
        assert_eq!(parse("url: http://[::1]/x\n").unwrap().alive_url, None);
        assert!(parse("url: http://localhost:1/x\n").is_ok());
    }

    #[test]
    fn what_cannot_be_taken_is_told_in_a_sentence_that_quotes_nothing() {
        let texts = [
            "",
            "hidden",
            "url: [hidden]\n",
            "url: https://hidden.example/\nurls: hidden\n",
            "url: hidden\n",
            "url: http://hidden.example/\n",
            "url: ftp://hidden.example/\n",
            "url: https://a.example/\nalive_url: http://hidden.example/\n",
            "url: https://a.example/\nheaders:\n  'hid den': x\n",
            "url: https://a.example/\nheaders:\n  X-Token: \"hidden\\n\"\n",
        ];
        let told = texts.map(|text| parse(text).unwrap_err()).join("\n");
        assert!(!told.contains("hid"), "{told}");
        expect_test::expect![[r#"
            cannot be taken as it stands (line 1): it must hold `url: '...'`, and may hold `alive_url: '...'` and `headers:` with lines `NAME: '...'` below it, and nothing else
            cannot be taken as it stands (line 1): it must hold `url: '...'`, and may hold `alive_url: '...'` and `headers:` with lines `NAME: '...'` below it, and nothing else
            cannot be taken as it stands (line 1): it must hold `url: '...'`, and may hold `alive_url: '...'` and `headers:` with lines `NAME: '...'` below it, and nothing else
            cannot be taken as it stands (line 2): it must hold `url: '...'`, and may hold `alive_url: '...'` and `headers:` with lines `NAME: '...'` below it, and nothing else
            is not usable: `url` is no URL; write it like https://hooks.example/path
            is not usable: `url` begins with http://, so that whoever is on the way could read it and write there: https:// is for all but loopback
            is not usable: `url` begins neither with https:// nor with http://
            is not usable: `alive_url` begins with http://, so that whoever is on the way could read it and write there: https:// is for all but loopback
            is not usable: below `headers:` stands what cannot be the header of a request
            is not usable: below `headers:` stands what cannot be the header of a request"#]].assert_eq(&told);
    }

    #[test]
    fn the_file_may_be_missing_and_is_as_private_as_a_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("_notify");
        assert_eq!(Receiver::read(dir.path(), KeptBy::Mode), Ok(None));
        std::fs::write(&path, "url: https://hooks.example/hidden\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let told = Receiver::read(dir.path(), KeptBy::Mode).unwrap_err().to_string();
        assert!(told.contains("so that others may use it: run `chmod 600 "), "{told}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Receiver::read(dir.path(), KeptBy::Mode).unwrap().is_some());
        std::fs::rename(&path, dir.path().join("posmoded__notify")).unwrap();
        assert!(Receiver::read(dir.path(), KeptBy::Systemd).unwrap().is_some(), "as systemd names it");
    }
}
