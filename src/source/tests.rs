//! Real files in real directories. Tests of the poll pause tokio's clock and leave out inotify.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::DropGuard;

use super::*;

mod in_place;

/// Shorter than a poll, so that only inotify can report what arrives within it.
const SOON: Duration = Duration::from_secs(5);

struct Watched {
    source: Source,
    words: watch::Receiver<FileState>,
    path: PathBuf,
    cancel: DropGuard,
}

impl Watched {
    async fn on(path: PathBuf, notice: Notice) -> Watched {
        let cancel = CancellationToken::new();
        let source = Source::start(path.clone(), None, Clock::machine(), cancel.clone(), notice);
        let mut words = source.subscribe();
        words
            .wait_for(|word| matches!(word, FileState::Content(_) | FileState::Unreadable(_)))
            .await
            .unwrap();
        Watched { source, words, path, cancel: cancel.drop_guard() }
    }

    /// A file in a new directory that holds `text`.
    async fn holding(text: &str, notice: Notice) -> (TempDir, Watched) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("desired-state.yaml");
        fs::write(&path, text).unwrap();
        let watched = Watched::on(path, notice).await;
        (directory, watched)
    }

    #[track_caller]
    fn says_within(&mut self, bound: Duration, text: &str) -> impl Future<Output = ()> {
        self.word_within(bound, format!("content {text:?}"), {
            let text = text.to_owned();
            move |word| content(word) == Some(&text)
        })
    }

    #[track_caller]
    fn complains_within(&mut self, bound: Duration, part: &str) -> impl Future<Output = ()> {
        self.word_within(bound, format!("a complaint: {part:?}"), {
            let part = part.to_owned();
            move |word| matches!(word, FileState::Unreadable(sentence) if sentence.contains(&part))
        })
    }

    async fn word_within(&mut self, bound: Duration, what: String, is_it: impl FnMut(&FileState) -> bool) {
        let in_time = timeout(bound, self.words.wait_for(is_it)).await.is_ok();
        assert!(in_time, "no {what} within {bound:?}, but {:?}", *self.words.borrow());
    }

    /// Replaces the file atomically, by a rename.
    fn replace(&self, text: &str) {
        let new = self.path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.path).unwrap();
    }
}

fn content(word: &FileState) -> Option<&str> {
    match word {
        FileState::Content(content) => Some(std::str::from_utf8(&content.bytes).unwrap()),
        FileState::NotReadYet
        | FileState::Changing
        | FileState::StillWritten { .. }
        | FileState::Unreadable(_) => None,
    }
}

/// Writes update number 0 to 3 of the file below a directory.
type Way = fn(&Path, usize, &str);

const NINE_WAYS: [(&str, &str, Way); 9] = [
    ("in place", "file", |at, _, text| fs::write(at.join("file"), text).unwrap()),
    ("renamed over", "file", |at, _, text| {
        fs::write(at.join("file.new"), text).unwrap();
        fs::rename(at.join("file.new"), at.join("file")).unwrap();
    }),
    ("vim with a backup", "file", |at, update, text| {
        if update > 0 {
            fs::rename(at.join("file"), at.join("file~")).unwrap();
        }
        fs::write(at.join("file"), text).unwrap();
        let _ = fs::remove_file(at.join("file~"));
    }),
    ("deleted and created", "file", |at, _, text| {
        let _ = fs::remove_file(at.join("file"));
        fs::write(at.join("file"), text).unwrap();
    }),
    ("modification time kept", "file", |at, _, text| {
        fs::write(at.join("file"), text).unwrap();
        fs::File::options()
            .append(true)
            .open(at.join("file"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
    }),
    ("symlink swapped", "file", |at, update, text| {
        fs::write(at.join(format!("v{update}")), text).unwrap();
        swap(at, &format!("v{update}"), "file");
    }),
    ("ConfigMap", "file", |at, update, text| {
        tree(at, &format!("..{update}"), text);
        swap(at, &format!("..{update}"), "..data");
        if update == 0 {
            symlink("..data/file", at.join("file")).unwrap();
        } else {
            fs::remove_dir_all(at.join(format!("..{}", update - 1))).unwrap();
        }
    }),
    ("git-sync, old tree kept", "current/file", |at, update, text| {
        tree(at, &format!(".worktrees/{update}"), text);
        swap(at, &format!(".worktrees/{update}"), "current");
    }),
    ("git-sync, old tree removed", "current/file", |at, update, text| {
        tree(at, &format!(".worktrees/{update}"), text);
        swap(at, &format!(".worktrees/{update}"), "current");
        if update > 0 {
            fs::remove_dir_all(at.join(format!(".worktrees/{}", update - 1))).unwrap();
        }
    }),
];

fn tree(at: &Path, name: &str, text: &str) {
    fs::create_dir_all(at.join(name)).unwrap();
    fs::write(at.join(name).join("file"), text).unwrap();
}

fn swap(at: &Path, target: &str, link: &str) {
    symlink(target, at.join("link.new")).unwrap();
    fs::rename(at.join("link.new"), at.join(link)).unwrap();
}

/// The directory for temporary files, and /dev/shm if that is another file system.
fn file_systems() -> Vec<PathBuf> {
    let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
    let (temporary, memory) = (std::env::temp_dir(), PathBuf::from("/dev/shm"));
    let is_other = device(&memory).is_some() && device(&memory) != device(&temporary);
    if is_other && tempfile::tempdir_in(&memory).is_ok() {
        vec![temporary, memory]
    } else {
        assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "/dev/shm is no second file system");
        tell("skipped: /dev/shm is no second file system that may be written\n");
        vec![temporary]
    }
}

/// Writes past the test harness, which hides what a passing test prints.
fn tell(text: &str) {
    std::io::stderr().write_all(format!("\n{text}").as_bytes()).unwrap();
}

#[tokio::test]
async fn f1_each_of_the_nine_ways_of_replacing_the_file_is_seen_three_times() {
    let mut ways = JoinSet::new();
    for (above, (name, path, way)) in
        file_systems().into_iter().flat_map(|above| NINE_WAYS.map(|way| (above.clone(), way)))
    {
        ways.spawn(async move {
            let directory = tempfile::tempdir_in(&above).unwrap();
            way(directory.path(), 0, "revision 0");
            let mut watched = Watched::on(directory.path().join(path), Notice::Inotify).await;
            let mut took = Vec::new();
            for update in 1..=3 {
                let text = format!("revision {update}");
                let began = Instant::now();
                way(directory.path(), update, &text);
                watched
                    .word_within(SOON, format!("update {update}, {name}, {}", above.display()), |word| {
                        content(word) == Some(&text)
                    })
                    .await;
                took.push(began.elapsed().as_millis());
            }
            took.sort_unstable();
            format!("{:10} {name:27} median {:4} ms, max {:4} ms\n", above.display(), took[1], took[2])
        });
    }
    let mut told = ways.join_all().await;
    told.sort_unstable();
    tell(&told.concat());
}

#[tokio::test]
async fn f3_ten_swaps_of_an_ancestor_are_each_seen_within_two_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    tree(at, "trees/0/etc", "revision 0");
    swap(at, "trees/0", "current");
    let mut watched = Watched::on(at.join("current/etc/file"), Notice::Inotify).await;
    for update in 1..=10 {
        tree(at, &format!("trees/{update}/etc"), &format!("revision {update}"));
        swap(at, &format!("trees/{update}"), "current");
        watched.says_within(Duration::from_secs(2), &format!("revision {update}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f5_without_inotify_the_poll_finds_the_change() {
    let (_directory, mut watched) = Watched::holding("before", Notice::PollOnly).await;
    for text in ["one", "two", "three"] {
        watched.replace(text);
        watched.says_within(FILE_POLL + FILE_SETTLE + FILE_SETTLE, text).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f5_a_file_that_was_replaced_out_of_our_sight_is_complained_about() {
    // As with a mount of the single file, the path leads to the old inode for ever.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "old").unwrap();
    let pinned = fs::File::open(&path).unwrap();
    let here = PathBuf::from(format!("/proc/self/fd/{}", pinned.as_raw_fd()));
    let mut watched = Watched::on(here, Notice::PollOnly).await;
    assert_eq!(content(&watched.words.borrow()), Some("old"));
    fs::write(directory.path().join("new"), "new").unwrap();
    fs::rename(directory.path().join("new"), &path).unwrap();
    watched.complains_within(FILE_POLL * 2, "mount its directory instead").await;
}

#[tokio::test]
async fn f7_one_change_is_one_load_and_few_opens_whatever_is_written_beside_it() {
    let (directory, mut watched) = Watched::holding("before", Notice::Inotify).await;
    let mut words = watched.source.subscribe();
    words.mark_unchanged();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        while words.changed().await.is_ok() {
            heard.push(words.borrow_and_update().clone());
        }
        heard
    });
    let reads = watched.source.reads();
    fs::write(&watched.path, "after").unwrap();
    watched.says_within(SOON, "after").await;
    // Long enough to show a loop of reads and the events that they cause; the next poll is later.
    for line in 0..100 {
        fs::write(directory.path().join("ledger"), line.to_string()).unwrap();
        fs::read(&watched.path).unwrap();
        sleep(FILE_SETTLE / 10).await;
    }
    assert!(watched.source.reads() - reads <= 3, "{} opens", watched.source.reads() - reads);
    drop(watched);
    let heard = heard.await.unwrap();
    assert_eq!(heard.iter().filter_map(content).collect::<Vec<_>>(), ["after"]);
}

#[tokio::test]
async fn f8_twenty_thousand_files_beside_it_hide_no_change() {
    let (directory, mut watched) = Watched::holding("before", Notice::Inotify).await;
    let beside = directory.path().to_owned();
    let writing = tokio::task::spawn_blocking(move || {
        for file in 0..20_000 {
            fs::write(beside.join(file.to_string()), "").unwrap();
        }
    });
    watched.replace("after");
    watched.says_within(FILE_POLL + SOON, "after").await;
    writing.await.unwrap();
    watched.replace("last");
    watched.says_within(FILE_POLL + SOON, "last").await;
}

#[tokio::test]
async fn f9_touch_chmod_and_the_same_bytes_are_no_news() {
    let (_directory, watched) = Watched::holding("same", Notice::Inotify).await;
    let mut words = watched.source.subscribe();
    words.mark_unchanged();
    let undone: [fn(&Watched); 4] = [
        |watched| {
            let file = fs::File::options().append(true).open(&watched.path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        },
        |watched| fs::set_permissions(&watched.path, Permissions::from_mode(0o640)).unwrap(),
        |watched| watched.replace("same"),
        |watched| {
            let mut file = fs::File::options().write(true).open(&watched.path).unwrap();
            file.write_all(b"same").unwrap();
        },
    ];
    for change_nothing in undone {
        let reads = watched.source.reads();
        change_nothing(&watched);
        watched.source.read_again().await;
        assert!(watched.source.reads() > reads);
        assert!(!words.has_changed().unwrap(), "{:?}", *words.borrow());
    }
}

#[tokio::test]
async fn f9_each_swap_to_another_commit_is_told_even_with_the_same_content() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let commits = ["a", "b", "c"].map(|digit| digit.repeat(40));
    let turn_to = |commit: &str, text: &str| {
        tree(at, &format!(".worktrees/{commit}"), text);
        swap(at, &format!(".worktrees/{commit}"), "current");
    };
    turn_to(&commits[0], "before");
    let mut watched = Watched::on(at.join("current/file"), Notice::Inotify).await;
    let holds = |text: &str, commit: &str| {
        let (text, commit) = (text.to_owned(), commit.to_owned());
        move |word: &FileState| {
            content(word) == Some(&text)
                && matches!(word, FileState::Content(content) if content.commit.as_ref() == Some(&commit))
        }
    };
    watched.word_within(SOON, "the first commit".into(), holds("before", &commits[0])).await;
    let mut words = watched.source.subscribe();
    words.mark_unchanged();
    turn_to(&commits[1], "before");
    words.changed().await.unwrap();
    assert!(
        holds("before", &commits[1])(&words.borrow_and_update()),
        "no word in between says that it changes"
    );
    turn_to(&commits[2], "after");
    watched.word_within(SOON, "the third commit".into(), holds("after", &commits[2])).await;
    fs::remove_file(at.join("current")).unwrap();
    tree(at, "current", "after");
    let is_unknown =
        |word: &FileState| matches!(word, FileState::Content(content) if content.commit.is_none());
    watched.word_within(SOON, "no commit".into(), is_unknown).await;
}

#[tokio::test]
async fn f13_what_is_no_file_at_all_is_said_and_a_file_in_its_place_is_seen_again() {
    let (directory, mut watched) = Watched::holding("good", Notice::Inotify).await;
    fs::remove_file(&watched.path).unwrap();
    watched.complains_within(SOON, "is missing").await;
    fs::write(&watched.path, "restored").unwrap();
    watched.says_within(SOON, "restored").await;

    fs::remove_file(&watched.path).unwrap();
    fs::create_dir(&watched.path).unwrap();
    watched.complains_within(SOON, "is a directory").await;
    fs::remove_dir(&watched.path).unwrap();
    fs::write(&watched.path, "again").unwrap();
    watched.says_within(SOON, "again").await;

    let large = directory.path().join("large");
    fs::write(&large, vec![b' '; 1024 * 1024 + 1]).unwrap();
    fs::rename(large, &watched.path).unwrap();
    watched.complains_within(SOON, "larger than 1 MiB").await;
    watched.replace("and again");
    watched.says_within(SOON, "and again").await;
}

#[tokio::test]
async fn f14_a_second_change_soon_after_the_first_wins() {
    let (_directory, mut watched) = Watched::holding("before", Notice::Inotify).await;
    watched.replace("first");
    sleep(Duration::from_millis(50)).await;
    watched.replace("second");
    watched.says_within(Duration::from_secs(2), "second").await;
}

#[tokio::test]
async fn f15_the_same_new_bytes_again_and_again_are_believed_within_two_seconds() {
    let (_directory, mut watched) = Watched::holding("before", Notice::Inotify).await;
    let mut again = tokio::time::interval(Duration::from_millis(100));
    let mut words = watched.source.subscribe();
    let written = async {
        loop {
            again.tick().await;
            watched.replace("after");
        }
    };
    let believed = words.wait_for(|word| content(word) == Some("after"));
    tokio::select! {
        () = written => unreachable!("it is written for ever"),
        believed = timeout(Duration::from_secs(2), believed) => drop(believed.unwrap().unwrap()),
    }
    watched.says_within(SOON, "after").await;
}

#[tokio::test(start_paused = true)]
async fn f15_a_stream_of_different_bytes_is_changing_within_a_poll_and_never_believed() {
    let (_directory, mut watched) = Watched::holding("before", Notice::PollOnly).await;
    let began = Instant::now();
    let mut writes = 0;
    while began.elapsed() < FILE_POLL * 6 {
        writes += 1;
        watched.replace(&format!("revision {writes}"));
        sleep(Duration::from_millis(100)).await;
        let word = watched.words.borrow_and_update().clone();
        let still = matches!(word, FileState::StillWritten { .. });
        if began.elapsed() > FILE_POLL + Duration::from_millis(100) {
            assert!(word == FileState::Changing || still, "{word:?}");
            // Which write the poll saw first is not known to more than its interval.
            assert!(!still || began.elapsed() + Duration::from_millis(100) > FILE_WRITTEN, "{word:?}");
            assert!(still || began.elapsed() < FILE_POLL + FILE_WRITTEN + FILE_SETTLE, "{word:?}");
        } else {
            assert!(word == FileState::Changing || content(&word) == Some("before"), "{word:?}");
        }
    }
    watched.says_within(Duration::from_secs(2), &format!("revision {writes}")).await;
}

#[tokio::test]
async fn f17_a_directory_removed_and_made_again_three_times_is_watched_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("etc/posmoded/file");
    tree(directory.path(), "etc/posmoded", "revision 0");
    let mut watched = Watched::on(path, Notice::Inotify).await;
    for time in 1..=3 {
        fs::remove_dir_all(directory.path().join("etc")).unwrap();
        watched.complains_within(SOON, "is missing").await;
        tree(directory.path(), "etc/posmoded", &format!("revision {time}"));
        watched.says_within(SOON, &format!("revision {time}")).await;
        fs::write(&watched.path, format!("revision {time}, edited")).unwrap();
        watched.says_within(SOON, &format!("revision {time}, edited")).await;

        fs::rename(directory.path().join("etc/posmoded"), directory.path().join("etc/old")).unwrap();
        tree(directory.path(), "etc/posmoded", &format!("revision {time}, moved in"));
        watched.says_within(SOON, &format!("revision {time}, moved in")).await;
        fs::remove_dir_all(directory.path().join("etc/old")).unwrap();
        fs::write(&watched.path, format!("revision {time}, edited again")).unwrap();
        watched.says_within(SOON, &format!("revision {time}, edited again")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_times_what_was_written_before_the_question_is_judged_when_it_is_answered() {
    let (_directory, watched) = Watched::holding("before", Notice::PollOnly).await;
    for time in 0..100 {
        if time % 3 == 2 {
            fs::remove_file(&watched.path).unwrap();
            watched.source.read_again().await;
            assert!(matches!(*watched.source.subscribe().borrow(), FileState::Unreadable(_)));
        } else {
            watched.replace(&format!("revision {time}"));
            watched.source.read_again().await;
            assert_eq!(
                content(&watched.source.subscribe().borrow()),
                Some(format!("revision {time}").as_str())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_question_is_answered_while_the_file_is_changing_and_after_the_end() {
    let (_directory, watched) = Watched::holding("before", Notice::PollOnly).await;
    let stream = async {
        for write in 0.. {
            watched.replace(&format!("revision {write}"));
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        biased;
        () = stream => unreachable!("it is written for ever"),
        () = watched.source.read_again() => {}
    }
    assert_eq!(*watched.source.subscribe().borrow(), FileState::Changing);
    let Watched { source, words: _, path: _, cancel } = watched;
    drop(cancel);
    source.read_again().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_be_good_is_believed_at_its_first_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "abc").unwrap();
    // The test vector of FIPS 180-2 for "abc".
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let cancel = CancellationToken::new();
    let source = Source::start(path, Some(known.into()), Clock::machine(), cancel.clone(), Notice::PollOnly);
    let mut words = source.subscribe();
    words.changed().await.unwrap();
    assert_eq!(
        *words.borrow(),
        FileState::Content(Content {
            bytes: b"abc".as_slice().into(),
            sha256: known.into(),
            commit: None,
            ancestry: None
        })
    );
    assert_eq!(source.reads(), 1);
    cancel.cancel();
}

#[tokio::test]
async fn a_whole_file_that_is_renamed_into_place_is_believed_at_its_first_read() {
    let (_directory, mut watched) = Watched::holding("before\n...\n", Notice::Inotify).await;
    for (text, states) in [("renamed\n...\n", 1), ("no end mark", 2)] {
        watched.words.borrow_and_update();
        watched.replace(text);
        let mut seen = 0;
        while content(&watched.words.borrow().clone()) != Some(text) {
            timeout(Duration::from_secs(5), watched.words.changed()).await.unwrap().unwrap();
            seen += 1;
        }
        assert_eq!(seen, states, "{text}");
    }
    // Written to where it lies, it may be half of two.
    fs::write(&watched.path, "in place\n...\n").unwrap();
    watched.words.changed().await.unwrap();
    assert_eq!(*watched.words.borrow(), FileState::Changing);
}

#[tokio::test(start_paused = true)]
async fn what_was_good_at_the_start_is_read_twice_once_something_else_is_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "abc").unwrap();
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let cancel = CancellationToken::new();
    let source =
        Source::start(path.clone(), Some(known.into()), Clock::machine(), cancel.clone(), Notice::PollOnly);
    let mut states = source.subscribe();
    states.wait_for(|state| content(state) == Some("abc")).await.unwrap();
    fs::write(&path, "newer").unwrap();
    states.wait_for(|state| content(state) == Some("newer")).await.unwrap();
    fs::write(&path, "abc").unwrap();
    states.changed().await.unwrap();
    assert_eq!(*states.borrow(), FileState::Changing);
    cancel.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_file_system_that_does_not_answer_is_complained_about_and_asked_once() {
    let cancel = CancellationToken::new();
    let path = PathBuf::from("/mnt/desired-state.yaml");
    let (mut watcher, source) = Source::prepare(path, None, Clock::machine(), Notice::PollOnly);
    let (answer, answered) = oneshot::channel();
    watcher.under_way = Some(tokio::spawn(async { answered.await.unwrap() }));
    tokio::spawn(cancel.clone().run_until_cancelled_owned(watcher.run()));
    let mut words = source.subscribe();
    let silent =
        |word: &FileState| matches!(word, FileState::Unreadable(told) if told.contains("does not answer"));
    timeout(FILE_POLL * 3, words.wait_for(silent)).await.unwrap().unwrap();
    source.read_again().await;
    assert_eq!(source.reads(), 0);
    let late = Content { bytes: Arc::from([]), sha256: "9f".into(), commit: None, ancestry: None };
    let reading = FileReading::Content(late, None);
    let done = Done { reading, last_pull: None, watch: None, complaint: None };
    assert!(answer.send(done).is_ok());
    timeout(FILE_POLL * 3, words.wait_for(|word| !silent(word))).await.unwrap().unwrap();
    cancel.cancel();
}
