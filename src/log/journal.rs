//! Entries of systemd's journal, with the fields of each line: `POSMODED_ACCOUNT=desk-main`.
//!
//! The form is that of <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>. Whether an entry is sent at once or through a buffer is
//! its caller's: the journal's own socket makes its writers wait once it is full, and no public layer does without that.

use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::dropped::say_missing;

/// The socket of the journal.
#[derive(Debug)]
pub(super) struct Journal(UnixDatagram);

/// Makes an entry of each line.
pub struct Entries {
    send: Box<SendEntry>,
}

type SendEntry = dyn Fn(&[u8]) + Send + Sync;

impl Journal {
    /// Fails if nobody listens there.
    pub(super) fn connect() -> io::Result<Journal> {
        // By another socket, and without sending anything: that would wait for a journal that hangs.
        UnixDatagram::unbound()?.connect(SOCKET)?;
        Ok(Journal(UnixDatagram::unbound()?))
    }

    /// Sends one entry. By path each time: a journal that was started again listens at another socket.
    pub(super) fn send(&self, entry: &[u8]) -> io::Result<()> {
        let Journal(socket) = self;
        socket.send_to(entry, SOCKET).map(drop)
    }
}

impl Entries {
    pub(super) fn new(send: impl Fn(&[u8]) + Send + Sync + 'static) -> Entries {
        Entries { send: Box::new(send) }
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Entries").finish_non_exhaustive()
    }
}

impl<S: Subscriber> Layer<S> for Entries {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let mut entry = Entry::new(*about.level(), about.target());
        if let (Some(file), Some(line)) = (about.file(), about.line()) {
            entry.field("CODE_FILE", file);
            entry.field("CODE_LINE", &line.to_string());
        }
        event.record(&mut entry);
        (self.send)(&entry.0);
    }
}

/// What is sent where entries are missing.
pub(super) fn missing_entry(entries: u64) -> Vec<u8> {
    let mut entry = Entry::new(Level::WARN, module_path!());
    entry.field("MESSAGE", &say_missing(entries));
    entry.field("POSMODED_DROPPED", &entries.to_string());
    entry.0
}

struct Entry(Vec<u8>);

impl Entry {
    fn new(level: Level, target: &str) -> Entry {
        let mut entry = Entry(Vec::with_capacity(512));
        entry.field("PRIORITY", priority(level));
        entry.field("SYSLOG_IDENTIFIER", "posmoded");
        entry.field("TARGET", target);
        entry
    }

    /// With its length before the value, which may hold a newline.
    fn field(&mut self, name: &str, value: &str) {
        let Entry(bytes) = self;
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(&field_name(field.name()), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string fails only where the value's own form does.
        let _ = write!(text, "{value:?}");
        self.field(&field_name(field.name()), &text);
    }
}

/// The journal takes capital letters, digits and `_`, and a letter first.
fn field_name(name: &str) -> String {
    if name == "message" {
        return "MESSAGE".to_owned();
    }
    let letters = name.chars().map(|letter| if letter == '.' { '_' } else { letter.to_ascii_uppercase() });
    let letters = letters.filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
    std::iter::once("POSMODED_").map(str::to_owned).chain(std::iter::once(letters.collect())).collect()
}

/// Levels keep their names: info is informational, not a notice.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_as_the_journal_takes_it() {
        for (name, taken) in [
            ("message", "MESSAGE"),
            ("account", "POSMODED_ACCOUNT"),
            ("log.target", "POSMODED_LOG_TARGET"),
            ("r#type-é", "POSMODED_RTYPE"),
        ] {
            assert_eq!(field_name(name), taken);
        }
    }

    #[test]
    fn an_entry_is_fields_with_their_lengths() {
        let entry = String::from_utf8_lossy(&missing_entry(2)).replace('\0', "");
        let fields = "PRIORITY\n\u{1}4\nSYSLOG_IDENTIFIER\n\u{8}posmoded\nTARGET\n\u{16}posmoded::log::journal\nMESSAGE\n";
        assert!(entry.starts_with(fields), "{entry:?}");
        assert!(entry.ends_with("\nPOSMODED_DROPPED\n\u{1}2\n"), "{entry:?}");
    }
}
