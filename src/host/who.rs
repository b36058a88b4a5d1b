//! Who runs this process, as the audit trail names them: a command writes it down with what it asks for.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::name::HostName;

/// The user, who they were before `sudo`, and the terminal or the unit, on which host: `alice as root (uid 0) on pts/3 of
/// trade-01`.
pub fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    let before = std::env::var_os("SUDO_USER").map(|name| printable(&name));
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let unit = fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| unit_of(&groups));
    let place = terminal().map(|terminal| format!("on {terminal}")).or(unit.map(|unit| format!("in {unit}")));
    spelled(uid, name_of(uid, &users), before.as_deref(), place.as_deref(), &HostName::Kernel.now())
}

fn spelled(uid: u32, name: Option<&str>, before: Option<&str>, place: Option<&str>, host: &str) -> String {
    let user = name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"));
    let user = before.map_or_else(|| user.clone(), |before| format!("{before} as {user}"));
    place.map_or_else(|| format!("{user} at {host}"), |place| format!("{user} {place} of {host}"))
}

/// The name of a user in the text of `/etc/passwd`.
fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// The service in the text of `/proc/self/cgroup`; a login's scope tells nothing that its terminal does not.
fn unit_of(groups: &str) -> Option<String> {
    let last =
        groups.lines().filter_map(|line| line.rsplit('/').next()).find(|unit| unit.ends_with(".service"));
    last.map(|unit| unit.chars().filter(|c| !c.is_control()).collect())
}

/// The terminal that the command was typed at, if it was.
fn terminal() -> Option<String> {
    let ours = |of: &str| fs::read_link(Path::new("/proc/self/fd").join(of)).ok();
    let device = ["0", "1", "2"].into_iter().filter_map(ours).find_map(|path| {
        let name = path.strip_prefix("/dev").ok()?.to_owned();
        (name.starts_with("pts") || name.as_os_str().as_bytes().starts_with(b"tty")).then_some(name)
    })?;
    Some(printable(&device.into_os_string()))
}

fn printable(text: &OsString) -> String {
    text.to_string_lossy().chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_it_was_is_told_in_one_line() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n:x:7::::\nalice:x:1000:1000::/home/alice:/bin/sh\nbroken\n";
        assert_eq!(name_of(1000, users), Some("alice"));
        assert_eq!((name_of(7, users), name_of(8, users)), (None, None));
        let told = [
            spelled(0, name_of(0, users), Some("alice"), Some("on pts/3"), "trade-01"),
            spelled(1000, name_of(1000, users), None, None, "trade-01"),
            spelled(8, None, None, Some("in backup.service"), "trade-01"),
        ];
        assert_eq!(
            told,
            [
                "alice as root (uid 0) on pts/3 of trade-01",
                "alice (uid 1000) at trade-01",
                "uid 8 in backup.service of trade-01"
            ]
        );
        let line = who();
        assert!(line.contains("uid ") && !line.contains('\n'), "{line}");
    }

    #[test]
    fn a_service_is_named_and_a_login_is_not() {
        assert_eq!(unit_of("0::/system.slice/backup.service\n").as_deref(), Some("backup.service"));
        assert_eq!(unit_of("0::/user.slice/user-0.slice/session-3.scope\n"), None);
        assert_eq!(unit_of(""), None);
    }
}
