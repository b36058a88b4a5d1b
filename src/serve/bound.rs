//! A listener that is bound: to an address, or to a socket file.
//!
//! The socket file is put in place whole, for our user and group only, and is taken away at the end. One at which
//! somebody listens is never taken from him, and what is no socket is left alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::Listen;

/// Where the daemon is listening.
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

/// Why it cannot be listened there, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address that is taken, or not ours.
    #[error(
        "The daemon cannot listen at {at}: is another program listening there? Write another address after --listen, \
         or none."
    )]
    Address {
        /// As the operator wrote it.
        at: Listen,
        /// In the system's words.
        source: io::Error,
    },
    /// Somebody listens at the socket file.
    #[error(
        "Another program listens at {0}, perhaps a posmoded with another state directory: write another path after \
         --listen, or stop it."
    )]
    InUse(Listen),
    /// Something else has the path.
    #[error("{path} is in the way, and it is no socket: move it, or write another path after --listen.", path = .0.display())]
    NoSocket(PathBuf),
    /// The socket file cannot be made.
    #[error(
        "The socket {} cannot be made: its directory must be there and posmoded's user must be allowed to write to it, and a \
         path of more than some 90 bytes is too long.",
        at.display()
    )]
    File {
        /// Which.
        at: PathBuf,
        /// In the system's words.
        source: io::Error,
    },
}

impl Bound {
    /// Listens, or says why not; nothing where nothing is to be listened at.
    pub async fn to(listen: &Listen) -> Result<Option<Bound>, BindError> {
        match listen {
            Listen::Nowhere => Ok(None),
            Listen::At(address) => {
                let refused = |source| BindError::Address { at: listen.clone(), source };
                TcpListener::bind(address).await.map(Bound::Tcp).map(Some).map_err(refused)
            }
            Listen::Unix(path) => SocketFile::new(path).await.map(Bound::Unix).map(Some),
        }
    }

    /// Where others find it.
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

/// One connection, of whichever kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl SocketFile {
    async fn new(path: &Path) -> Result<SocketFile, BindError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        may_be_taken(&path).await?;
        let refused = |source| BindError::File { at: path.clone(), source };
        // Made beside it and moved there: nobody meets it with other rights, nor a moment without it.
        let mut made = path.clone().into_os_string();
        made.push(format!(".{}", std::process::id()));
        let made = PathBuf::from(made);
        let listener = UnixListener::bind(&made).map_err(refused)?;
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

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.file);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A socket file at which nobody listens was left behind by a process that was killed.
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

/// Our user and our group: who may read the status is who is in that group.
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
        // What somebody else has put in its place meanwhile is not ours to take away.
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
