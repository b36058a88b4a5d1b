//! Who else may use a file or put files into a directory, by its owner, group and mode; and what to run so that nobody else may.
//!
//! *Others* are all but root, ourselves, and those in a group of ours or of root's. Changes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{getegid, geteuid, getgroups};

/// The user and the groups of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ourselves {
    /// Its effective user.
    pub user: u32,
    /// Its effective group.
    pub group: u32,
    /// Its other groups.
    pub groups: BTreeSet<u32>,
}

/// Owner, group and mode of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// The user that owns it.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// The bits of its mode, without those of its kind.
    pub mode: u32,
}

impl Ourselves {
    /// Those of this process. Groups that cannot be asked for count as not ours.
    pub fn of_the_process() -> Ourselves {
        let groups = getgroups().unwrap_or_default();
        Ourselves {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
            groups: groups.into_iter().map(rustix::process::Gid::as_raw).collect(),
        }
    }

    /// Whether it is ours or root's.
    pub fn trust_user(&self, user: u32) -> bool {
        user == ROOT || user == self.user
    }

    fn are_in(&self, group: u32) -> bool {
        group == self.group || self.groups.contains(&group)
    }

    fn trust_group(&self, group: u32) -> bool {
        group == ROOT || self.are_in(group)
    }

    /// Whether a `chmod` of ours would be allowed.
    fn may_change(&self, rights: &Rights) -> bool {
        self.user == ROOT || self.user == rights.user
    }
}

impl From<&Metadata> for Rights {
    fn from(about: &Metadata) -> Rights {
        Rights { user: about.uid(), group: about.gid(), mode: about.mode() & 0o7777 }
    }
}

impl Rights {
    /// Whether others may write it or, if it is a directory, put files there.
    pub fn others_may_write(&self, us: &Ourselves) -> bool {
        let by_group = self.mode & 0o020 != 0 && !us.trust_group(self.group);
        by_group || self.mode & 0o002 != 0
    }

    /// Whether others who may put files into this directory cannot remove or replace ours: it has the sticky bit, and its
    /// owner is trusted.
    pub fn keeps_files_apart(&self, us: &Ourselves) -> bool {
        self.mode & 0o1000 != 0 && us.trust_user(self.user)
    }

    /// Whether it is as private as a secret must be: for its owner alone, or root's, and a group of ours may read it. The
    /// latter is how Kubernetes mounts a Secret for a pod with `fsGroup` (kubernetes#57923).
    pub fn is_private(&self, us: &Ourselves) -> bool {
        match self.mode & 0o077 {
            0 => true,
            GROUP_READS => self.user == ROOT && us.are_in(self.group),
            _ => false,
        }
    }

    /// What to run so that others may not put files into this directory.
    pub fn mend_directory(&self, us: &Ourselves, path: &Path) -> String {
        let by_group = self.mode & 0o020 != 0 && !us.trust_group(self.group);
        let whose = match (by_group, self.mode & 0o002 != 0) {
            (true, true) => "go",
            (true, false) => "g",
            (false, _) => "o",
        };
        let by = if us.may_change(self) { "" } else { " as root" };
        format!("run `chmod {whose}-w {}`{by}", path.display())
    }

    /// What to do so that others may not use this file, and we may read it.
    pub fn mend_secret(&self, us: &Ourselves, path: &Path) -> String {
        let path = path.display();
        if us.may_change(self) {
            return format!("run `chmod 600 {path}`");
        }
        let group = us.group;
        format!(
            "run `chown root:{group} {path} && chmod 440 {path}` as root (of a Secret in Kubernetes: `defaultMode: 0440`, and \
             `fsGroup: {group}` of the pod)"
        )
    }
}

/// As the object of a sentence.
impl fmt::Display for Rights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rights { user, group, mode } = self;
        write!(out, "belongs to user {user} and group {group} and has mode {mode:04o}")
    }
}

/// The mode where of all others the group may read.
const GROUP_READS: u32 = 0o040;
/// The number of root's user and of its group.
const ROOT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn us(user: u32) -> Ourselves {
        Ourselves { user, group: user, groups: [500].into() }
    }

    fn rights(user: u32, group: u32, mode: u32) -> Rights {
        Rights { user, group, mode }
    }

    #[test]
    fn others_may_write_by_the_world_or_by_a_group_that_is_not_ours_or_roots() {
        #[rustfmt::skip] // A table.
        let cases = [
            (rights(0, 0, 0o755), 1000, false),
            (rights(0, 0, 0o775), 1000, false),
            (rights(1000, 1000, 0o2775), 1000, false),
            (rights(0, 500, 0o2775), 1000, false),
            (rights(0, 501, 0o2775), 1000, true),
            (rights(1000, 1000, 0o775), 0, true),
            (rights(1000, 501, 0o755), 0, false),
            (rights(1000, 1000, 0o707), 1000, true),
            (rights(0, 0, 0o1777), 1000, true),
        ];
        for (rights, user, others) in cases {
            assert_eq!(rights.others_may_write(&us(user)), others, "{rights}, user {user}");
        }
    }

    #[test]
    fn f77_a_secret_is_its_owners_alone_or_roots_and_of_our_group() {
        #[rustfmt::skip] // A table.
        let cases = [
            (rights(1000, 1000, 0o600), true),
            (rights(1000, 1000, 0o400), true),
            (rights(0, 500, 0o440), true),
            (rights(0, 1000, 0o640), true),
            (rights(0, 501, 0o440), false),
            (rights(0, 500, 0o460), false),
            (rights(0, 500, 0o444), false),
            (rights(1000, 500, 0o440), false),
            (rights(1001, 500, 0o440), false),
        ];
        for (rights, is_private) in cases {
            assert_eq!(rights.is_private(&us(1000)), is_private, "{rights}");
        }
        let as_root = Ourselves { user: 0, group: 0, groups: BTreeSet::new() };
        assert!(!rights(0, 500, 0o440).is_private(&as_root), "a group of others");
        assert!(rights(0, 0, 0o440).is_private(&as_root));
    }

    #[test]
    fn what_mends_it_can_be_run_by_who_is_named() {
        let mend = |rights: Rights, user: u32| rights.mend_directory(&us(user), Path::new("/keys"));
        assert_eq!(mend(rights(1000, 1000, 0o777), 1000), "run `chmod o-w /keys`");
        assert_eq!(mend(rights(1000, 501, 0o777), 1000), "run `chmod go-w /keys`");
        assert_eq!(mend(rights(1001, 501, 0o775), 0), "run `chmod g-w /keys`");
        assert_eq!(mend(rights(0, 0, 0o777), 1000), "run `chmod o-w /keys` as root");
        let mend = |rights: Rights| rights.mend_secret(&us(1000), Path::new("/keys/a"));
        assert_eq!(mend(rights(1000, 0, 0o644)), "run `chmod 600 /keys/a`");
        expect_test::expect!["run `chown root:1000 /keys/a && chmod 440 /keys/a` as root (of a Secret in Kubernetes: `defaultMode: 0440`, and `fsGroup: 1000` of the pod)"]
            .assert_eq(&mend(rights(0, 0, 0o644)));
    }
}
