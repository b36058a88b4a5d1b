//! Everything that is specific to Bitget.
//!
//! From the wire up: its calls and shapes, the client that all accounts share, a session with one key, an account of
//! either kind.

mod account;
mod address;
mod answer;
mod classic;
mod client;
mod codes;
mod door;
mod endpoint;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod identity;
mod pace;
pub mod probe;
mod requests;
mod rights;
mod session;
mod sign;
mod unified;
mod unreached;
mod wire;

pub use account::AccountClient;
pub use address::{BaseUrl, Proxy, Unusable, is_loopback};
pub use client::Bitget;
pub use http::{Method, Request, Response, Sockets, Transport, TransportError, outwards};
pub use session::SetPermit;
pub use sign::Trading;
