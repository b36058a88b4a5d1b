//! All of an open database into one file, as of one moment.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::files::Part;

/// Copies all of an open database into an empty file, as of one moment.
pub(super) fn copy_into(connection: &Connection, part: &Part) -> rusqlite::Result<()> {
    connection.execute("VACUUM INTO ?1", [uri(part.path())]).map(|_| ())
}

/// A path as the database takes it, whatever bytes it has.
pub(super) fn uri(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_have_any_bytes() {
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/a b/50%?#\xff-1.x_Y"));
        assert_eq!(uri(odd), "file:///a%20b/50%25%3F%23%FF-1.x_Y");
    }
}
