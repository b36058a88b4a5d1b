//! Where a ledger lives: in a state directory, or in a database on a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::database::Place;
use super::postgres::Address;
use super::store::DATABASE;

/// Where a ledger lives.
#[derive(Debug, Clone)]
pub enum Home {
    /// A state directory.
    Directory(PathBuf),
    /// A database on a server.
    Server(Box<Address>),
}

impl Home {
    pub(super) fn place(&self) -> Place {
        match self {
            Home::Directory(dir) => Place::File(dir.join(DATABASE)),
            Home::Server(address) => Place::Server(Arc::new(Address::clone(address))),
        }
    }

    /// The state directory, if it is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Home::Directory(dir) => Some(dir),
            Home::Server(_) => None,
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Home::Directory(dir) => dir.display().fmt(out),
            Home::Server(address) => address.fmt(out),
        }
    }
}

impl From<&Home> for Home {
    fn from(home: &Home) -> Home {
        home.clone()
    }
}

impl From<&Path> for Home {
    fn from(dir: &Path) -> Home {
        Home::Directory(dir.to_owned())
    }
}

impl From<&PathBuf> for Home {
    fn from(dir: &PathBuf) -> Home {
        Home::Directory(dir.clone())
    }
}

impl From<Address> for Home {
    fn from(address: Address) -> Home {
        Home::Server(Box::new(address))
    }
}
