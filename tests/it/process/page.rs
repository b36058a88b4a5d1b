//! The page at `/`, in a real browser.

pub(super) mod browser;
mod desks;
mod fleet;
mod live;
mod looks;
mod reach;
mod unseen;
mod whole;

use std::process::Command;

use serde_json::Value;

use super::get;

/// What `posmoded status` says of the daemon there.
fn command_says(at: std::net::SocketAddr) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posmoded"));
    let output = command.args(["status", "--listen", &at.to_string()]).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn status(at: std::net::SocketAddr) -> Value {
    let (code, body) = get(at, "/api/status");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}
