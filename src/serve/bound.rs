//! A listener bound to an address or to a socket file.
//!
//! The socket file appears complete, for our user and group only, and is removed at the end. A socket file at which
//! another process listens is never replaced, and a file that is not a socket is left alone.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, UnixStream};

use super::Listen;

/// A bound listener.
#[derive(Debug)]
pub enum Bound {
    /// At an address.
    Tcp(TcpListener),
    /// At a socket file.
    Unix(SocketFile),
}

/// A socket file of ours.
#[derive(Debug)]
pub struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

/// Why the daemon cannot listen there, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not one of this host.
    #[error(
        "The daemon cannot listen at {at}: is another program listening there? Write another address after --listen, \
         or none."
    )]
    Address {
        /// The address as the operator wrote it.
        at: Listen,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process listens at the socket file.
    #[error(
        "Another program listens at {0}, perhaps a posmoded with another state directory: write another path after \
         --listen, or stop it."
    )]
    InUse(Listen),
    /// The path exists and is not a socket.
    #[error("{path} is in the way, and it is no socket: move it, or write another path after --listen.", path = .0.display())]
    NoSocket(PathBuf),
    /// The socket file cannot be made.
    #[error(
        "The socket {} cannot be made: its directory must be there and posmoded's user must be allowed to write to it, and a \
         path of more than some 90 bytes is too long.",
        at.display()
    )]
    File {
        /// The path of the socket file.
        at: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl Bound {
    /// Binds `listen`; `None` for [`Listen::Nowhere`].
    pub async fn to(listen: &Listen) -> Result<Option<Bound>, BindError> {
        match listen {
            Listen::Nowhere => Ok(None),
            Listen::At(address) => {
                let refused = |source| BindError::Address { at: listen.clone(), source };
                tcp(*address).map(Bound::Tcp).map(Some).map_err(refused)
            }
            Listen::Unix(path) => SocketFile::new(path).await.map(Bound::Unix).map(Some),
        }
    }

    /// The address or socket file to connect to.
    pub fn listen(&self) -> Option<Listen> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().ok().map(Listen::At),
            Bound::Unix(SocketFile { path, .. }) => Some(Listen::Unix(path.clone())),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Bound::Tcp(listener) => Box::new(listener.accept().await?.0),
            Bound::Unix(SocketFile { listener, .. }) => Box::new(listener.accept().await?.0),
        })
    }
}

impl From<TcpListener> for Bound {
    fn from(listener: TcpListener) -> Bound {
        Bound::Tcp(listener)
    }
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl SocketFile {
    async fn new(path: &Path) -> Result<SocketFile, BindError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        may_be_taken(&path).await?;
        let refused = |source| BindError::File { at: path.clone(), source };
        // Made beside the path and moved there: the path never has other rights and is never missing in between.
        let mut made = path.clone().into_os_string();
        made.push(format!(".{}", std::process::id()));
        let made = PathBuf::from(made);
        let socket = UnixSocket::new_stream().map_err(refused)?;
        let listener = socket.bind(&made).and_then(|()| socket.listen(NOT_ACCEPTED_YET)).map_err(refused)?;
        let placed = fs::set_permissions(&made, Permissions::from_mode(SOCKET_MODE))
            .and_then(|()| fs::rename(&made, &path))
            .and_then(|()| fs::symlink_metadata(&path));
        match placed {
            Ok(about) => Ok(SocketFile { listener, file: (about.dev(), about.ino()), path }),
            Err(error) => {
                let _ = fs::remove_file(&made);
                Err(refused(error))
            }
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Else the port cannot be had for a minute after a stop.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(NOT_ACCEPTED_YET)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.file);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the path is free, or holds a socket file at which no process listens: one left behind by a killed process.
async fn may_be_taken(path: &Path) -> Result<(), BindError> {
    let refused = |source| BindError::File { at: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(about) if !about.file_type().is_socket() => return Err(BindError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(_) => Err(BindError::InUse(Listen::Unix(path.to_owned()))),
    }
}

/// Connections that the system keeps for us until we come to them; it may keep fewer. Where it has no room whoever connects is
/// put off for a second, or refused: others must not be able to fill it faster than it is emptied.
const NOT_ACCEPTED_YET: u32 = 4096;
/// Our user and our group: membership of the group decides who may read the status.
const SOCKET_MODE: u32 = 0o660;

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(path: &Path) -> Result<Bound, BindError> {
        Bound::to(&Listen::Unix(path.to_owned())).await.map(Option::unwrap)
    }

    #[tokio::test]
    async fn a_socket_is_for_our_user_and_group_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.sock");
        let bound = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o660);
        assert_eq!(bound.listen().unwrap().to_string(), format!("unix:{}", path.display()));
        let (asked, accepted) = tokio::join!(UnixStream::connect(&path), bound.accept());
        assert!(asked.is_ok() && accepted.is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left beside it");
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_at_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = bind(&path).await.unwrap();
        let told = bind(&path).await.unwrap_err().to_string();
        assert!(told.starts_with("Another program listens at unix:"), "{told}");
        assert!(UnixStream::connect(&path).await.is_ok(), "the first is still there");
        // A socket that another process has put in its place meanwhile is not removed.
        fs::remove_file(&path).unwrap();
        let _second = bind(&path).await.unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        fs::write(&path, "mine").unwrap();
        let told = bind(&path).await.unwrap_err().to_string();
        assert!(told.contains("is in the way, and it is no socket"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let told = bind(&dir.path().join("nowhere/status.sock")).await.unwrap_err().to_string();
        assert!(told.contains("its directory must be there"), "{told}");
    }
}
