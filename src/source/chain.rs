//! The directories in which a change can alter the content at the path, and inotify on them.
//!
//! The poll finds whatever it misses. It reads no file and decides nothing.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::witness::{Happened, Place, Witness};

/// Where a path leads: the directory of the file and of every symlink on the way, and their names in them. No directory
/// is listed through a symlink, so none is listed twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chain {
    directories: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
    /// Where the file itself is, or would be.
    file: PathBuf,
}

impl Chain {
    /// Follows an absolute path as the kernel would. If the path ends early, the last directory that exists is listed
    /// with the name that is missing there, so that its creation is noticed.
    pub(super) fn walk(path: &Path) -> Chain {
        let mut chain = Chain::default();
        let mut at = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = parts(path).collect();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            let here = at.join(&part);
            if part == ".." {
                at.pop();
            } else if let Ok(target) = std::fs::read_link(&here) {
                chain.add(&at, part);
                links += 1;
                if links > MOST_LINKS {
                    break;
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for part in parts(&target).rev() {
                    ahead.push_front(part);
                }
            } else if ahead.is_empty() || !here.is_dir() {
                chain.add(&at, part);
                break;
            } else {
                at = here;
            }
        }
        chain
    }

    fn add(&mut self, directory: &Path, name: OsString) {
        self.file = directory.join(&name);
        self.directories.insert(directory.to_owned());
        self.names.insert(name);
    }

    /// The file's path without symlinks, and the identity of its directory: of another one at the same path, too.
    fn place(&self) -> Place {
        let directory = self.file.parent().and_then(|directory| std::fs::metadata(directory).ok());
        (self.file.clone(), directory.map(|directory| (directory.dev(), directory.ino())))
    }

    /// Whether an event may mean new content. Reading the file does not count, or each of our reads would trigger the
    /// next.
    fn concerns(&self, event: &Event) -> bool {
        let telling = match &event.kind {
            EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
            EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Remove(_)
            | EventKind::Other => true,
        };
        event.need_rescan()
            || (telling && (event.paths.is_empty() || event.paths.iter().any(|path| self.is_on_it(path))))
    }

    fn is_on_it(&self, path: &Path) -> bool {
        self.directories.contains(path) || path.file_name().is_some_and(|name| self.names.contains(name))
    }

    /// What an event that concerns the chain tells of how the file came to its content; `None` if nothing.
    fn happened(&self, event: &Event) -> Option<Happened> {
        let at_the_file = event.paths.contains(&self.file);
        let here = event.paths.iter().any(|path| self.is_on_it(path));
        if event.need_rescan() {
            return Some(Happened::Unknown);
        }
        match &event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => at_the_file.then_some(Happened::Written),
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                at_the_file.then_some(Happened::Closed)
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => here.then_some(Happened::PutInPlace),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
                here.then_some(Happened::TakenAway)
            }
            EventKind::Any
            | EventKind::Access(_)
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Other => None,
        }
    }
}

/// Inotify on a chain, created anew for each read: a watch on a directory that was removed or moved away goes dead
/// silently.
#[derive(Debug)]
pub(super) struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches every directory that can be watched for `witness`, and returns the last error, if any.
    pub(super) fn arm(chain: Chain, witness: &Arc<Witness>) -> (Option<Watch>, Option<String>) {
        let directories = chain.directories.clone();
        let number = witness.watches(chain.place());
        let witness = Arc::clone(witness);
        let heard = move |event: notify::Result<Event>| match event {
            Ok(event) if chain.concerns(&event) => witness.hears(number, chain.happened(&event)),
            Ok(_) => {}
            // An error may hide a change, so it counts as one.
            Err(_) => witness.hears(number, Some(Happened::Unknown)),
        };
        let mut watcher = match notify::recommended_watcher(heard) {
            Ok(watcher) => watcher,
            Err(error) => return (None, Some(error.to_string())),
        };
        let mut complaint = None;
        for directory in &directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                complaint = Some(error.to_string());
            }
        }
        (Some(Watch { _watcher: watcher }), complaint)
    }
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

/// The kernel follows at most this many symlinks.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

    use super::*;

    #[track_caller]
    fn check(path: &str, directories: &[&str], names: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(at.join("trees/1/etc")).unwrap();
        std::fs::write(at.join("trees/1/etc/file"), "").unwrap();
        symlink("trees/1", at.join("current")).unwrap();
        symlink(at.join("current/../1/etc/file"), at.join("file")).unwrap();
        symlink("loop", at.join("loop")).unwrap();
        let Chain { directories: walked, names: met, file: _ } = Chain::walk(&at.join(path));
        let below = |walked: &PathBuf| walked.strip_prefix(&at).unwrap().to_str().unwrap().to_owned();
        assert_eq!(walked.iter().map(below).collect::<Vec<_>>(), directories, "directories of {path}");
        assert_eq!(met.iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>(), names, "in {path}");
    }

    #[test]
    fn f3_the_directory_of_the_file_and_of_every_symlink_on_the_way_is_walked() {
        check("trees/1/etc/file", &["trees/1/etc"], &["file"]);
        check("current/etc/file", &["", "trees/1/etc"], &["current", "file"]);
        check("file", &["", "trees/1/etc"], &["current", "file"]);
        check("current/./../1/etc/file", &["", "trees/1/etc"], &["current", "file"]);
    }

    #[test]
    fn f17_where_the_path_ends_early_the_name_that_is_missing_is_waited_for() {
        check("trees/2/etc/file", &["trees"], &["2"]);
        check("current/usr/file", &["", "trees/1"], &["current", "usr"]);
        check("loop/file", &[""], &["loop"]);
    }

    #[test]
    fn f7_f8_what_concerns_the_chain_is_every_change_and_every_doubt_but_no_reading() {
        let chain = of_one_file();
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let access = |access| Event::new(EventKind::Access(access)).add_path("/etc/f".into());
        for (event, concerns) in [
            (Event::new(data).add_path("/etc/f".into()), true),
            (Event::new(data).add_path("/etc/g".into()), false),
            (Event::new(EventKind::Remove(RemoveKind::Folder)).add_path("/etc".into()), true),
            (Event::new(EventKind::Other).set_flag(Flag::Rescan), true),
            (Event::new(EventKind::Any), true),
            (access(AccessKind::Close(AccessMode::Write)), true),
            (access(AccessKind::Close(AccessMode::Read)), false),
            (access(AccessKind::Open(AccessMode::Any)), false),
            (access(AccessKind::Read), false),
        ] {
            assert_eq!(chain.concerns(&event), concerns, "{event:?}");
        }
    }

    #[test]
    fn f6_f15_an_event_tells_whether_the_file_is_being_written_was_closed_or_was_put_in_its_place() {
        let chain = of_one_file();
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let named = |mode| EventKind::Modify(ModifyKind::Name(mode));
        for (kind, path, happened) in [
            (data, "/etc/f", Some(Happened::Written)),
            (data, "/etc", None),
            (closed, "/etc/f", Some(Happened::Closed)),
            (closed, "/usr/f", None),
            (named(RenameMode::To), "/etc/f", Some(Happened::PutInPlace)),
            (named(RenameMode::To), "/etc/g", None),
            (named(RenameMode::From), "/etc/f", Some(Happened::TakenAway)),
            (EventKind::Remove(RemoveKind::File), "/etc/f", Some(Happened::TakenAway)),
            (EventKind::Remove(RemoveKind::Folder), "/etc", Some(Happened::TakenAway)),
            (EventKind::Create(CreateKind::File), "/etc/f", None),
        ] {
            assert_eq!(chain.happened(&Event::new(kind).add_path(path.into())), happened, "{kind:?} {path}");
        }
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(chain.happened(&overflow), Some(Happened::Unknown));
    }

    fn of_one_file() -> Chain {
        Chain {
            directories: BTreeSet::from(["/etc".into()]),
            names: BTreeSet::from(["f".into()]),
            file: "/etc/f".into(),
        }
    }
}
