//! A claim that one process on this host can have at a time, whatever its user and its directories: an abstract socket, which
//! ends with the process that holds it. Processes in other network namespaces do not see it.

use std::io;

/// A claim that is held until it is dropped, or until the process ends.
#[derive(Debug)]
pub struct Claim {
    #[cfg(target_os = "linux")]
    _held: std::os::unix::net::UnixListener,
}

/// Why there is no claim.
#[derive(Debug)]
pub enum Unclaimed {
    /// Another process has it; who, as far as the system tells.
    Taken(Option<Holder>),
    /// The system does not let anybody have it.
    Failed(io::Error),
}

/// The process that has a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its number; `None` where that is hidden.
    pub pid: Option<i32>,
    /// The number of its user.
    pub user: u32,
}

impl Claim {
    /// Takes the claim of this name, within tokio's runtime.
    #[cfg(target_os = "linux")]
    pub fn take(name: &str) -> Result<Claim, Unclaimed> {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};

        let address = SocketAddr::from_abstract_name(name).map_err(Unclaimed::Failed)?;
        match UnixListener::bind_addr(&address) {
            Ok(held) => Ok(Claim { _held: held }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Unclaimed::Taken(holder(&address))),
            Err(error) => Err(Unclaimed::Failed(error)),
        }
    }

    /// Elsewhere there is nothing to hold it by.
    #[cfg(not(target_os = "linux"))]
    pub fn take(_name: &str) -> Result<Claim, Unclaimed> {
        Ok(Claim {})
    }
}

/// Asks the system whose socket it is. Nobody answers at it, and nothing is sent.
#[cfg(target_os = "linux")]
fn holder(address: &std::os::unix::net::SocketAddr) -> Option<Holder> {
    let stream = std::os::unix::net::UnixStream::connect_addr(address).ok()?;
    stream.set_nonblocking(true).ok()?;
    let peer = tokio::net::UnixStream::from_std(stream).ok()?.peer_cred().ok()?;
    Some(Holder { pid: peer.pid().filter(|pid| *pid > 0), user: peer.uid() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f65_a_claim_is_held_by_one_at_a_time_and_says_by_whom() {
        let name = format!("posmoded-test-{}", std::process::id());
        let first = Claim::take(&name).unwrap();
        let Err(Unclaimed::Taken(Some(Holder { pid, user: _ }))) = Claim::take(&name) else { panic!("two") };
        assert_eq!(pid, Some(i32::try_from(std::process::id()).unwrap()));
        let _other = Claim::take(&format!("{name}-other")).unwrap();
        drop(first);
        let _again = Claim::take(&name).unwrap();
    }
}
