//! The puller's cache, and sources that do it no good.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::forge::{Fault, Forge};
use super::{FILE, Repository};
use crate::process::{Host, PATIENCE, RUN, Venue, declared, get, side_by_side};

#[test]
fn f76_the_puller_never_stands_still_for_ever_and_never_fills_the_disk() {
    if !super::tools_are_there() {
        return;
    }
    side_by_side(&[
        ("damaged", f76_a_cache_that_is_of_no_use_is_made_anew),
        ("left over", f76_what_killed_fetches_left_is_cleared_away),
        ("grown", f76_a_cache_that_has_grown_is_made_anew_and_a_history_that_does_not_fit_is_refused),
        ("large", f76_a_file_of_more_than_1_mib_is_not_fetched),
        ("without filters", f76_without_filters_a_fetch_is_bounded_all_the_same),
        ("shallow", f76_a_shallow_source_is_refused_by_name),
        ("sha256", f76_the_object_format_is_the_sources),
        ("stalls", f76_a_source_that_stalls_or_dies_half_way_changes_nothing),
        ("backup", f76_a_source_from_an_old_backup_or_rewritten_is_refused),
        ("note", f76_when_a_pull_last_succeeded_is_noted_and_the_daemon_shows_it),
    ]);
}

/// What power cuts, full disks and people do to a cache.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 14] = [
    ("an empty ref", |cache| fs::write(cache.join("refs/pulled"), "").unwrap()),
    ("a ref of zeros", |cache| fs::write(cache.join("refs/pulled"), [0; 41]).unwrap()),
    ("a ref to what is not there", |cache| {
        fs::write(cache.join("refs/pulled"), "1".repeat(40)).unwrap();
    }),
    ("no refs", |cache| fs::remove_dir_all(cache.join("refs")).unwrap()),
    ("no HEAD", |cache| fs::remove_file(cache.join("HEAD")).unwrap()),
    ("an empty HEAD", |cache| fs::write(cache.join("HEAD"), "").unwrap()),
    ("settings of zeros", |cache| fs::write(cache.join("config"), [0; 100]).unwrap()),
    ("packs of zeros", |cache| {
        each_pack(cache, "pack", |pack| fs::write(pack, vec![0; length(pack)]).unwrap());
    }),
    ("packs that are cut off", |cache| {
        each_pack(cache, "pack", |pack| {
            let text = fs::read(pack).unwrap();
            fs::write(pack, &text[..text.len() / 2]).unwrap();
        });
    }),
    ("no index", |cache| each_pack(cache, "idx", |index| fs::remove_file(index).unwrap())),
    ("no objects", |cache| fs::remove_dir_all(cache.join("objects")).unwrap()),
    ("history that is cut off", |cache| fs::write(cache.join("shallow"), "").unwrap()),
    ("a directory that is no repository", |cache| {
        fs::remove_dir_all(cache).unwrap();
        fs::create_dir_all(cache.join("lost+found")).unwrap();
    }),
    ("a symlink to nowhere", |cache| {
        fs::remove_dir_all(cache).unwrap();
        symlink("nowhere", cache).unwrap();
    }),
];

fn f76_a_cache_that_is_of_no_use_is_made_anew() {
    let repository = Repository::new();
    let cache = repository.cache();
    repository.commit("first");
    repository.succeeds(&[]);
    let mut anew = 0;
    for (number, (what, damage)) in DAMAGES.into_iter().enumerate() {
        // With something to bring, and without.
        let commit = repository.commit(&format!("{number}: {what}"));
        damage(&cache);
        let (code, told) = repository.pull(&[]);
        assert_eq!(code, Some(0), "{what}: {told}");
        assert_eq!(repository.in_place(), commit, "{what}: {told}");
        damage(&cache);
        let (code, told) = repository.pull(&[]);
        assert_eq!(code, Some(0), "{what}, nothing new: {told}");
        anew += u32::from(told.contains("made anew"));
        assert_eq!(fs::read_to_string(repository.current()).unwrap(), format!("{number}: {what}"));
    }
    assert!(anew > 8, "a fetch mends little: {anew}");
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "a file").unwrap();
    repository.succeeds(&[]);
    // A damaged cache is no reason to doubt what follows what.
    repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let other = repository.commit("another");
    repository.fails(&[], &format!("commit {other} does not follow"));
    fs::write(cache.join("refs/pulled"), "").unwrap();
    repository.fails(&[], &format!("commit {other} does not follow"));
}

fn each_pack(cache: &Path, extension: &str, act: fn(&Path)) {
    let packs = fs::read_dir(cache.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    for pack in packs.filter(|path| path.extension().is_some_and(|found| found == extension)) {
        fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
        act(&pack);
    }
}

fn length(path: &Path) -> usize {
    fs::metadata(path).unwrap().len().try_into().unwrap()
}

fn f76_what_killed_fetches_left_is_cleared_away() {
    let repository = Repository::new();
    repository.commit("first");
    repository.succeeds(&[]);
    // Where a version before this one had it, when it has a directory of its own now.
    let own = repository.home.path().join("cache");
    fs::create_dir(&own).unwrap();
    let settings = [("CACHE_DIRECTORY", own.to_str().unwrap())];
    repository.succeeds(&settings);
    assert!(!repository.cache().exists());
    let cache = own.join("repository.git");
    let left = [
        "HEAD.lock",
        "config.lock",
        "packed-refs.lock",
        "shallow.lock",
        "refs/pulled.lock",
        "objects/pack/tmp_pack_WwQ0ab",
        "objects/pack/tmp_idx_WwQ0ab",
        "objects/pack/pack-1234.pack",
        "objects/ab/tmp_obj_WwQ0ab",
        "objects/tmp_objdir-incoming-WwQ0ab/pack/tmp_pack_WwQ0ab",
        "../repository.git.new/objects/pack/tmp_pack_WwQ0ab",
    ];
    for name in left {
        let place = cache.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, vec![b'x'; 100_000]).unwrap();
    }
    let second = repository.commit("second");
    let (code, told) = repository.pull(&settings);
    assert_eq!((code, repository.in_place()), (Some(0), second), "{told}");
    assert!(!told.contains("made anew"), "{told}");
    for name in left {
        assert!(!cache.join(name).exists(), "{name}");
    }
    assert!(size(&own) < 200_000, "{}", size(&own));
}

fn f76_a_cache_that_has_grown_is_made_anew_and_a_history_that_does_not_fit_is_refused() {
    let repository = Repository::new();
    let forge = Forge::of(repository.home.path());
    let cache = repository.cache();
    repository.commit("first");
    repository.succeeds(&[]);
    for number in 0..50 {
        fs::write(cache.join(format!("objects/pack/pack-{number}.pack")), "").unwrap();
        fs::write(cache.join(format!("objects/pack/pack-{number}.idx")), "").unwrap();
    }
    repository.commit("second");
    repository.succeeds(&[]);
    let packs = fs::read_dir(cache.join("objects/pack")).unwrap();
    assert!(packs.count() < 10, "so many packs are a reason for a new cache");

    // 2 MiB stand for the bound.
    let limited = |settings: &[(&str, &str)]| bounded(&repository, "ulimit -f 2048", settings);
    fs::write(cache.join("something"), vec![b'x'; 3_000_000]).unwrap();
    let third = repository.commit("third");
    let (code, told) = limited(&[]);
    assert!(code == Some(0) && told.contains("made anew"), "{told}");
    assert!(size(&cache) < 200_000, "{}", size(&cache));

    // Each is small enough for itself.
    for (name, part) in ["a", "b", "c", "d"].into_iter().zip(noise(3_600_000).chunks(900_000)) {
        fs::write(repository.work.join(name), part).unwrap();
    }
    repository.commit("fourth");
    let url = forge.url("origin.git");
    let settings = [("REPOSITORY", url.as_str()), ("GIT_SSL_CAINFO", forge.ca().to_str().unwrap())];
    for fetches in [1, 0, 0] {
        let (code, told) = limited(&settings);
        let sentence =
            "history are larger than the 2 MiB that the cache may hold. posmoded goes on with commit";
        assert!(code == Some(1) && told.contains(sentence), "{told}");
        assert_eq!(forge.take_fetched().len(), fetches, "not again what does not fit");
        assert!(size(&cache) < 200_000, "{}", size(&cache));
    }
    assert_eq!(repository.in_place(), third);
    let fifth = repository.commit("fifth");
    assert_eq!(limited(&settings).0, Some(1));
    assert_eq!(forge.take_fetched().len(), 1, "the branch has moved");
    // Without that bound there is room.
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), fifth);
}

fn f76_a_file_of_more_than_1_mib_is_not_fetched() {
    let repository = Repository::new();
    let forge = Forge::of(repository.home.path());
    let url = forge.url("origin.git");
    let settings = [("REPOSITORY", url.as_str()), ("GIT_SSL_CAINFO", forge.ca().to_str().unwrap())];
    repository.commit("first");
    repository.succeeds(&settings);
    fs::write(repository.work.join(FILE), noise(20_000_000)).unwrap();
    let large = repository.commit_all();
    forge.take_fetched();
    for fetches in [2, 0, 0] {
        repository.fails(&settings, &format!("commit {large} holds {FILE} with more than 1 MiB"));
        let fetched = forge.take_fetched();
        assert_eq!(fetched.len(), fetches, "the second time into a new cache, to be sure");
        assert!(fetched.iter().sum::<usize>() < 100_000, "{fetched:?}");
    }
    assert!(size(&repository.cache()) < 200_000);
    let last = repository.commit("small");
    repository.succeeds(&settings);
    assert_eq!(repository.in_place(), last);
}

fn f76_without_filters_a_fetch_is_bounded_all_the_same() {
    let repository = Repository::new();
    repository.git(&["--git-dir=../origin.git", "config", "uploadpack.allowFilter", "false"]);
    let forge = Forge::of(repository.home.path());
    let url = forge.url("origin.git");
    let settings = [("REPOSITORY", url.as_str()), ("GIT_SSL_CAINFO", forge.ca().to_str().unwrap())];
    let first = repository.commit("first");
    repository.succeeds(&settings);
    fs::write(repository.work.join(FILE), noise(20_000_000)).unwrap();
    let large = repository.commit_all();
    let (code, told) = bounded(&repository, "ulimit -f 4096", &settings);
    assert!(code == Some(1) && told.contains("larger than the 4 MiB that the cache may hold"), "{told}");
    assert_eq!(repository.in_place(), first);
    assert!(size(&repository.cache()) < 200_000);
    // It fits, and is refused by its size. Little memory does for that.
    let (code, told) = bounded(&repository, "ulimit -v 400000", &settings);
    let sentence = format!("commit {large} holds {FILE} with more than 1 MiB");
    assert!(code == Some(1) && told.contains(&sentence), "{told}");
}

fn f76_a_shallow_source_is_refused_by_name() {
    let repository = Repository::new();
    let home = repository.home.path();
    let forge = Forge::of(home);
    for text in ["one", "two", "three"] {
        repository.commit(text);
    }
    let origin = format!("file://{}", home.join("origin.git").display());
    repository.git(&["clone", "--quiet", "--bare", "--depth=2", &origin, "../shallow.git"]);
    repository.git(&["--git-dir=../shallow.git", "config", "uploadpack.allowFilter", "true"]);
    let path = format!("file://{}", home.join("shallow.git").display());
    let url = forge.url("shallow.git");
    let ca = ("GIT_SSL_CAINFO", forge.ca().to_str().unwrap());
    let sentence = "the source is a shallow clone, without the beginning of its history";
    for source in [path.as_str(), url.as_str()] {
        let began = Instant::now();
        repository.fails(&[("REPOSITORY", source), ca], sentence);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        assert!(!repository.state.join("current").exists());
    }
    // A source that became shallow when there was a cache.
    repository.succeeds(&[]);
    let third = repository.in_place();
    repository.commit("four");
    repository.git(&["--git-dir=../shallow.git", "fetch", "--quiet", "--depth=1", "origin", "+main:main"]);
    for source in [path.as_str(), url.as_str()] {
        repository.fails(&[("REPOSITORY", source), ca], sentence);
        repository.fails(&[("REPOSITORY", source), ca], &format!("posmoded goes on with commit {third}"));
    }
    repository.git(&["--git-dir=../shallow.git", "fetch", "--quiet", "--unshallow", "origin", "+main:main"]);
    repository.succeeds(&[("REPOSITORY", &url), ca]);
    assert_ne!(repository.in_place(), third);
}

fn f76_the_object_format_is_the_sources() {
    let repository = Repository::new();
    let first = repository.commit("one");
    repository.succeeds(&[]);
    // The repository was converted: nothing in it follows what is in place.
    fs::remove_dir_all(repository.work.join(".git")).unwrap();
    fs::remove_dir_all(repository.home.path().join("origin.git")).unwrap();
    let format = "--object-format=sha256";
    repository.git(&["init", "--quiet", "--initial-branch=main", format]);
    repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", format, "../origin.git"]);
    let converted = repository.commit("two");
    assert_eq!(converted.len(), 64);
    repository.fails(&[], &format!("commit {converted} does not follow the one in place"));
    assert_eq!(repository.in_place(), first);
    repository.succeeds(&[("ALLOW_REWRITE", "yes")]);
    assert_eq!(repository.in_place(), converted);
    let next = repository.commit("three");
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), next);
    assert_eq!(fs::read_to_string(repository.current()).unwrap(), "three");
    for (what, damage) in [DAMAGES[0], DAMAGES[6], DAMAGES[7]] {
        damage(&repository.cache());
        let (code, told) = repository.pull(&[]);
        assert_eq!(code, Some(0), "{what}: {told}");
    }
}

fn f76_a_source_that_stalls_or_dies_half_way_changes_nothing() {
    let repository = Repository::new();
    let forge = Forge::of(repository.home.path());
    let (url, ca) = (forge.url("origin.git"), forge.ca().to_owned());
    let settings = [("REPOSITORY", url.as_str()), ("GIT_SSL_CAINFO", ca.to_str().unwrap())];
    let first = repository.commit("first");
    for (fault, sentence) in
        [(Fault::DiesHalfWay, "could not be fetched. Nothing is in place yet"), (Fault::Stalls, "stalled")]
    {
        forge.set(fault);
        repository.fails(&settings, sentence);
        assert!(!repository.state.join("current").exists());
    }
    forge.set(Fault::Nothing);
    repository.succeeds(&settings);
    fs::write(repository.work.join("more"), noise(500_000)).unwrap();
    let second = repository.commit("second");
    for (fault, sentence) in [(Fault::DiesHalfWay, "could not be fetched"), (Fault::Stalls, "stalled")] {
        forge.set(fault);
        repository.fails(&settings, sentence);
        assert_eq!(repository.in_place(), first);
        assert!(size(&repository.state) < 400_000, "{}", size(&repository.state));
    }
    forge.set(Fault::Nothing);
    repository.succeeds(&settings);
    assert_eq!(repository.in_place(), second);
    drop(forge);
    repository.fails(&settings, &format!("could not be fetched. posmoded goes on with commit {second}"));
    repository.fails(&[("BRANCH", "elsewhere")], "the source has no branch elsewhere");
}

fn f76_a_source_from_an_old_backup_or_rewritten_is_refused() {
    let repository = Repository::new();
    let first = repository.commit("first");
    let second = repository.commit("second");
    repository.succeeds(&[]);
    let noted = repository.last_success();
    let stays = format!("posmoded goes on with commit {second}");
    repository.git(&["reset", "--quiet", "--hard", &first]);
    repository.push();
    repository.fails(&[], &format!("commit {first} does not follow the one in place"));
    let other = repository.commit("another second");
    repository.fails(&[], &format!("commit {other} does not follow the one in place"));
    // Whatever the cache remembers, in a new one as well.
    fs::remove_dir_all(repository.cache()).unwrap();
    repository.fails(&[], &stays);
    repository.fails(&[], &stays);
    assert_eq!((repository.in_place(), repository.last_success()), (second.clone(), noted), "no success");
    // The backup is brought up to date.
    repository.git(&["reset", "--quiet", "--hard", &second]);
    let third = repository.commit("third");
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), third);
}

fn f76_when_a_pull_last_succeeded_is_noted_and_the_daemon_shows_it() {
    let repository = Repository::new();
    let file = declared(&[("desk-1", "one_way_mode")]);
    let first = repository.commit(&file);
    repository.succeeds(&[]);
    let (at, noted) = repository.last_success();
    assert_eq!(noted, first);
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &file);
    // Without a puller nothing is shown.
    host.start();
    assert_eq!(host.status()["source"], Value::Null);
    assert!(!get(host.address(), "/metrics").1.contains("posmoded_source_"));
    host.terminate();

    let config = repository.current();
    host.spawn(host.command(&[&RUN[..], &["--config", config.to_str().unwrap()]].concat()));
    host.wait_for_all("in_sync -");
    let shown = |host: &Host| host.status()["source"].clone();
    assert_eq!(shown(&host), serde_json::json!({ "last_success_at": at, "commit": first }));
    let (_, metrics) = get(host.address(), "/metrics");
    assert!(metrics.contains("\nposmoded_source_last_success_timestamp_seconds "), "{metrics}");
    let (code, out, err) = host.call(&["status"]);
    let sentence = format!("({}).", &first[..7]);
    let line = out.lines().find(|line| line.starts_with("The newest commit in git was last brought"));
    assert!(code == 0 && line.is_some_and(|line| line.contains(&sentence)), "{out}{err}");

    // The same commit, later: a success as well.
    std::thread::sleep(Duration::from_millis(1100));
    repository.succeeds(&[]);
    let (again, noted) = repository.last_success();
    assert!(again > at && noted == first, "{again} {noted}");
    host.wait_until("it is shown", || (shown(&host)["last_success_at"] == again.as_str()).then_some(()));
    // What is ours and has no file goes in, and is no success.
    repository.git(&["rm", "--quiet", FILE]);
    repository.git(&["commit", "--quiet", "--message", "gone"]);
    repository.push();
    repository.fails(&[], "holds no");
    assert_eq!(repository.last_success(), (again, first));
    host.terminate();
}

/// With which number a pull ends under a limit that the shell sets, and what it says.
fn bounded(repository: &Repository, limit: &str, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let script = repository.script(settings);
    let mut limited = repository.alone("/bin/bash");
    limited.args(["-c", &format!("{limit}; exec \"$0\"")]).arg(script.get_program());
    limited.envs(script.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Output { status, stdout: _, stderr } = limited.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Bytes that no compression makes fewer.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| byte()).collect()
}

/// What all files below a directory hold, in bytes.
fn size(directory: &Path) -> u64 {
    let told = Command::new("du").args(["-s", "-b"]).arg(directory).output().unwrap().stdout;
    String::from_utf8(told).unwrap().split_whitespace().next().map_or(0, |bytes| bytes.parse().unwrap())
}

impl Repository {
    fn cache(&self) -> PathBuf {
        self.state.join("repository.git")
    }

    /// When a pull last succeeded, and at which commit.
    #[track_caller]
    fn last_success(&self) -> (String, String) {
        let note = fs::read_to_string(self.state.join("last-success")).unwrap();
        let (at, commit) = note.trim_end().split_once(' ').unwrap();
        (at.to_owned(), commit.to_owned())
    }
}
