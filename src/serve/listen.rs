//! Where the daemon listens: a loopback address, any address if the operator insists, a socket file, or nowhere.
//!
//! Parses and judges; binds nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The value of `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// At this address and port.
    At(SocketAddr),
    /// At this socket file.
    Unix(PathBuf),
    /// Not at all.
    Nowhere,
}

/// A value of `--listen` that is refused, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// `unix:` without a path.
    #[error("`unix:` needs the path of the socket file: write for example unix:/run/posmoded/status.sock")]
    NoPath,
    /// Neither an address nor `none`.
    #[error(
        "{0:?} is not an address: write ADDRESS:PORT as in 127.0.0.1:9848 or [::1]:9848, unix:PATH, or none"
    )]
    NoAddress(String),
    /// Reachable from other machines, without the flag that allows it.
    #[error(
        "{0} can be reached from other machines, and nobody is asked for a password there: write a loopback address or unix:PATH, or \
         add --listen-anywhere if that is what you want"
    )]
    Exposed(SocketAddr),
}

impl Listen {
    /// Whether other machines can reach it.
    pub fn is_exposed(&self) -> bool {
        match self {
            Listen::At(address) => !address.ip().to_canonical().is_loopback(),
            Listen::Unix(_) | Listen::Nowhere => false,
        }
    }

    /// Refuses an address that other machines can reach.
    pub fn on_loopback_only(self) -> Result<Listen, ListenError> {
        match self {
            Listen::At(address) if self.is_exposed() => Err(ListenError::Exposed(address)),
            Listen::At(_) | Listen::Unix(_) | Listen::Nowhere => Ok(self),
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Listen, ListenError> {
        if text == "none" {
            return Ok(Listen::Nowhere);
        }
        match text.strip_prefix("unix:") {
            None => {}
            Some("") => return Err(ListenError::NoPath),
            Some(path) => return Ok(Listen::Unix(path.into())),
        }
        let by_name = text
            .strip_prefix("localhost:")
            .and_then(|port| port.parse().ok())
            .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        by_name
            .or_else(|| text.parse().ok())
            .map(Listen::At)
            .ok_or_else(|| ListenError::NoAddress(text.to_owned()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::At(address) => write!(out, "{address}"),
            Listen::Unix(path) => write!(out, "unix:{}", path.display()),
            Listen::Nowhere => out.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let told = text.parse::<Listen>().and_then(Listen::on_loopback_only);
        let told = told.map(|listen| listen.to_string()).map_err(|refused| refused.to_string());
        match expected {
            Ok(good) => assert_eq!(told.as_deref(), Ok(good)),
            Err(part) => assert!(told.as_ref().is_err_and(|told| told.contains(part)), "{told:?}"),
        }
    }

    #[test]
    fn a_loopback_address_or_none_is_listened_at_and_anything_else_is_told_what_to_write() {
        check("127.0.0.1:9848", Ok("127.0.0.1:9848"));
        check("127.8.0.1:1", Ok("127.8.0.1:1"));
        check("[::1]:9848", Ok("[::1]:9848"));
        check("[::ffff:127.0.0.1]:9848", Ok("[::ffff:127.0.0.1]:9848"));
        check("localhost:9848", Ok("127.0.0.1:9848"));
        check("none", Ok("none"));
        check("0.0.0.0:9848", Err("--listen-anywhere"));
        check("[::]:9848", Err("--listen-anywhere"));
        check("10.0.0.7:9848", Err("--listen-anywhere"));
        check("unix:/run/posmoded.sock", Ok("unix:/run/posmoded.sock"));
        check("unix:", Err("unix:/run/posmoded/status.sock"));
        check("9848", Err("ADDRESS:PORT"));
        check("127.0.0.1", Err("ADDRESS:PORT"));
        check("localhost:99999", Err("ADDRESS:PORT"));
        check("", Err("ADDRESS:PORT"));
    }
}
