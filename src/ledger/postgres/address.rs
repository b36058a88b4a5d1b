//! Where the database is, and how it is spoken to: `postgres://USER@HOST[,HOST]/DATABASE[?...]`.
//!
//! No password is taken from it: it would be seen in the list of processes, in a unit and in a shell's history.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt as _;
use secrecy::zeroize::Zeroizing;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::access::{Ourselves, Rights};

/// Where the database is. Its `Display` and `Debug` name no password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    /// As sentences name it.
    told: String,
    tls: Option<Tls>,
}

/// With TLS the certificate and its name are always verified.
#[derive(Debug, Clone)]
struct Tls {
    /// The file of the roots, if not those of the system.
    roots: Option<PathBuf>,
}

/// Why it is no address to use.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It holds a password.
    #[error(
        "A password in the address of the database is seen by whoever lists the processes: take it out, and put it in a file for \
         PGPASSFILE, or in a systemd credential with the name `{CREDENTIAL}` (one line, HOST:PORT:DATABASE:USER:PASSWORD)."
    )]
    Password,
    /// It would be spoken to without verification.
    #[error(
        "The database is on another host, so it is spoken to with `sslmode=verify-full` only, which is the default: leave \
         `sslmode={0}` out, and name the file of its root certificate with `sslrootcert=FILE` if the system does not know it."
    )]
    Unverified(String),
    /// It cannot be read.
    #[error(
        "The address of the database cannot be used ({0}): write postgres://USER@HOST/DATABASE, with a comma between several \
         hosts."
    )]
    Malformed(String),
    /// The file with the password is not for us alone.
    #[error("The file with the password of the database, {}, {rights}: {mend}.", file.display())]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its owner, group and mode.
        rights: Rights,
        /// What to run.
        mend: String,
    },
    /// A file that it takes cannot be read.
    #[error("The file {} cannot be read, which the address of the database needs.", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's own error.
        source: std::io::Error,
    },
}

impl Address {
    /// Whether this is the address of a database, and not a directory.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads the address, and the password from where this process was told to find it.
    pub fn new(text: &str) -> Result<Address, AddressError> {
        let passwords = std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(|| {
            let credentials = std::env::var_os("CREDENTIALS_DIRECTORY")?;
            Some(Path::new(&credentials).join(CREDENTIAL)).filter(|file| file.exists())
        });
        Address::with_passwords(text, passwords.as_deref())
    }

    /// The same with this file of passwords.
    pub fn with_passwords(text: &str, passwords: Option<&Path>) -> Result<Address, AddressError> {
        let (rest, options) = text.split_once('?').unwrap_or((text, ""));
        let (ours, theirs): (Vec<&str>, Vec<&str>) = options
            .split('&')
            .filter(|option| !option.is_empty())
            .partition(|option| option.starts_with("sslmode=") || option.starts_with("sslrootcert="));
        let of = |name: &str| ours.iter().rev().find_map(|option| option.strip_prefix(name));
        // What is wrong is not repeated: it may hold a password.
        let config = Config::from_str(&format!("{rest}?{}", theirs.join("&")));
        let mut config = config.map_err(|_| AddressError::Malformed("it cannot be read".to_owned()))?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressError::Malformed("it names no host".to_owned()));
        }
        let tls = match of("sslmode=") {
            None | Some("disable") if is_local(&config) => None,
            None | Some("verify-full") => Some(Tls { roots: of("sslrootcert=").map(PathBuf::from) }),
            Some(other) => return Err(AddressError::Unverified(other.to_owned())),
        };
        config
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("posmoded");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER);
        }
        if let Some(file) = passwords
            && let Some(password) = password(&config, file)?
        {
            config.password(password.as_bytes());
        }
        let told = told(&config);
        Ok(Address { config, told, tls })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// How long all its hosts together may take.
    pub(super) fn patience(&self) -> Duration {
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len()).max(1);
        CONNECT * u32::try_from(hosts).unwrap_or(1) + Duration::from_secs(1)
    }

    /// How to verify whom we speak to; `None` where nobody can be between.
    pub(super) fn tls(&self) -> Result<Option<ClientConfig>, String> {
        let Some(Tls { roots }) = &self.tls else { return Ok(None) };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Some(file) = roots else {
            return ClientConfig::with_platform_verifier().map(Some).map_err(|error| error.to_string());
        };
        let unusable =
            |why: String| format!("the root certificates in {} cannot be used: {why}", file.display());
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            store.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        Ok(Some(ClientConfig::builder().with_root_certificates(store).with_no_client_auth()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.told)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Address({})", self.told)
    }
}

/// Whether nobody can be between us and any of its hosts.
fn is_local(config: &Config) -> bool {
    let loopback =
        |name: &str| name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => loopback(name),
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// The address in sentences: who, where and which, and nothing else.
fn told(config: &Config) -> String {
    let hosts: Vec<String> = each_host(config)
        .map(|(host, port)| if port == PORT { host } else { format!("{host}:{port}") })
        .collect();
    let user = config.get_user().map_or_else(String::new, |user| format!("{user}@"));
    format!("postgres://{user}{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

/// Its hosts with their ports.
fn each_host(config: &Config) -> impl Iterator<Item = (String, u16)> {
    let name = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let port =
        |number: usize| *config.get_ports().get(number).or(config.get_ports().first()).unwrap_or(&PORT);
    config.get_hosts().iter().enumerate().map(move |(number, host)| (name(host), port(number)))
}

/// The first password that the file has for one of the hosts.
fn password(config: &Config, file: &Path) -> Result<Option<Zeroizing<String>>, AddressError> {
    let unreadable = |source| AddressError::Unreadable { file: file.to_owned(), source };
    let rights = Rights::from(&fs::metadata(file).map_err(unreadable)?);
    let us = Ourselves::of_the_process();
    if !rights.is_private(&us) {
        let mend = rights.mend_secret(&us, file);
        return Err(AddressError::Exposed { file: file.to_owned(), rights, mend });
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(unreadable)?);
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    let found = each_host(config).find_map(|(host, port)| {
        let port = port.to_string();
        let wanted = [host.as_str(), port.as_str(), database, user];
        text.lines().filter(|line| !line.starts_with('#')).find_map(|line| of_line(line, wanted))
    });
    Ok(found)
}

/// The password of a line `HOST:PORT:DATABASE:USER:PASSWORD`, if it is for these; `*` is for all, and a backslash takes a
/// colon or a backslash as it is.
fn of_line(line: &str, wanted: [&str; 4]) -> Option<Zeroizing<String>> {
    let mut rest = line;
    for wanted in wanted {
        let (field, after) = field(rest);
        if rest.get(..1) != Some("*") && *field != wanted || after.is_none() {
            return None;
        }
        rest = after?;
    }
    Some(field(rest).0)
}

/// The text up to the next colon, and what follows it.
fn field(line: &str) -> (Zeroizing<String>, Option<&str>) {
    let mut found = Zeroizing::new(String::with_capacity(line.len()));
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ':' => return (found, line.get(at + 1..)),
            '\\' => found.extend(characters.next().map(|(_, escaped)| escaped)),
            other => found.push(other),
        }
    }
    (found, None)
}

/// How long one host may take to answer.
const CONNECT: Duration = Duration::from_secs(4);
/// How long bytes may stay unacknowledged.
const TCP_USER: Duration = Duration::from_secs(5);
/// Where PostgreSQL listens unless told otherwise.
const PORT: u16 = 5432;
/// The systemd credential that may hold the password.
const CREDENTIAL: &str = "pgpass";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn read(text: &str) -> Result<Address, String> {
        Address::with_passwords(text, None).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_names_hosts_and_a_database_and_never_a_password() {
        let told = |text: &str| read(text).unwrap().to_string();
        assert_eq!(
            told("postgres://posmoded@db1,db2:5433/posmoded"),
            "postgres://posmoded@db1,db2:5433/posmoded"
        );
        assert_eq!(
            told("postgresql://p@%2Frun%2Fpostgresql/x?application_name=y"),
            "postgres://p@/run/postgresql/x"
        );
        for with in ["postgres://p:s3cret@db/x", "postgres://p@db/x?password=s3cret"] {
            let refused = read(with).unwrap_err();
            assert!(refused.starts_with("A password in the address of the database is seen"), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
        for wrong in ["postgres://p:s3cret@db:port/x", "postgres:///x", "postgres://p@db/x?s3cret=1"] {
            let refused = read(wrong).unwrap_err();
            assert!(refused.starts_with("The address of the database cannot be used"), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn another_host_is_always_verified() {
        for local in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"] {
            assert!(read(&format!("postgres://p@{local}/x")).unwrap().tls.is_none(), "{local}");
            assert!(read(&format!("postgres://p@{local}/x?sslmode=verify-full")).unwrap().tls.is_some());
        }
        assert!(read("postgres://p@db/x").unwrap().tls.is_some());
        assert!(read("postgres://p@localhost,db/x").unwrap().tls.is_some());
        assert!(read("postgres://p@localhost/x?hostaddr=10.0.0.1").unwrap().tls.is_some());
        for mode in ["disable", "prefer", "require", "verify-ca"] {
            let refused = read(&format!("postgres://p@db/x?sslmode={mode}")).unwrap_err();
            assert!(refused.contains("verify-full"), "{refused}");
        }
        let roots = read("postgres://p@db/x?sslrootcert=/r.pem&sslmode=verify-full").unwrap();
        assert_eq!(roots.tls.unwrap().roots.unwrap(), Path::new("/r.pem"));
    }

    #[test]
    fn the_password_comes_from_a_private_file_by_host_port_database_and_user() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("pgpass");
        fs::write(
            &file,
            "# a comment\nother:*:*:*:wrong\ndb\\:1:*:x:p:wrong\ndb2:5433:x:p:ri\\:gh\\\\t\n*:*:*:*:last\n",
        )
        .unwrap();
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        let of = |text: &str| {
            let address = Address::with_passwords(text, Some(&file)).unwrap();
            assert!(!format!("{address:?}{address}").contains("gh"));
            String::from_utf8(address.config.get_password().unwrap().to_owned()).unwrap()
        };
        assert_eq!(of("postgres://p@db2:5433/x"), "ri:gh\\t");
        assert_eq!(of("postgres://p@db2:5434/x"), "last");
        mode(0o644);
        let refused = Address::with_passwords("postgres://p@db/x", Some(&file)).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        assert!(!refused.contains("last"), "{refused}");
    }
}
