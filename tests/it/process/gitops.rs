//! The file from git: the shipped script on real repositories, and the daemon that follows what it brings.

mod cache;
pub(super) mod forge;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use bitget_sim::PosMode;
use serde_json::Value;
use tempfile::TempDir;

use super::{Host, PATIENCE, RUN, Venue, declared, get, side_by_side};

#[test]
fn the_file_comes_from_git_and_only_from_commits_that_are_ours() {
    if !tools_are_there() {
        return;
    }
    side_by_side(&[
        ("daemon", f9_f10_the_daemon_follows_the_commits_and_a_bad_one_brakes_until_it_is_reverted),
        ("no file", a_commit_without_a_plain_file_leaves_none_in_place_and_the_pull_fails),
        ("rewritten", a_branch_that_was_rewritten_is_refused_until_it_is_allowed),
        ("signed", a_commit_that_nobody_listed_has_signed_stays_out),
        ("killed", a_pull_that_is_killed_at_any_moment_leaves_a_whole_release_and_the_next_one_goes_on),
        ("full disk", f33_without_room_for_the_file_the_old_commit_stays_in_place),
        ("at once", four_pulls_at_once_bring_the_commit_once),
        ("ancestors", each_release_tells_what_its_commit_descends_from_by_any_parent),
    ]);
}

/// Whether there is what these tests run; says so, if not.
pub(super) fn tools_are_there() -> bool {
    for (program, package) in [("git", "git"), ("ssh-keygen", "openssh-client"), ("flock", "util-linux")] {
        if Command::new(program).arg("--help").stdin(Stdio::null()).output().is_err() {
            assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{program} ({package}) is needed");
            #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
            {
                eprintln!("skipped: there is no {program} ({package})");
            }
            return false;
        }
    }
    true
}

fn f9_f10_the_daemon_follows_the_commits_and_a_bad_one_brakes_until_it_is_reverted() {
    let repository = Repository::new();
    let (one_way, hedge) = (declared(&[("desk-1", "one_way_mode")]), declared(&[("desk-1", "hedge_mode")]));
    let first = repository.commit(&one_way);
    assert_eq!(repository.pull(&[]).0, Some(0));
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], "");
    let config = repository.current();
    host.spawn(host.command(&[&RUN[..], &["--config", config.to_str().unwrap()]].concat()));
    let shows = |host: &Host, commit: &str, generation: u64| {
        host.wait_until("the commit is shown", || {
            (host.status()["config"]["commit"] == commit).then_some(())
        });
        host.wait_for_all("in_sync -");
        let config = host.status()["config"].clone();
        assert_eq!((&config["generation"], &config["problem"]), (&generation.into(), &Value::Null));
    };
    let complains = |host: &Host, part: &str| {
        host.wait_until(part, || {
            let problem = host.status()["config"]["problem"].as_str().map(str::to_owned)?;
            problem.contains(part).then_some(())
        });
    };
    shows(&host, &first, 1);
    let (_, metrics) = get(host.address(), "/metrics");
    let info = metrics.lines().find(|line| line.starts_with("posmoded_config_info{")).unwrap();
    assert!(info.contains(&format!("commit=\"{first}\"")), "{info}");

    let second = repository.commit(&hedge);
    assert_eq!(repository.pull(&[]).0, Some(0));
    host.wait_until("it is changed", || (venue.sets().len() == 1).then_some(()));
    shows(&host, &second, 2);
    assert_eq!(venue.mode(1), PosMode::HedgeMode);

    // Something else in the repository.
    fs::write(repository.work.join("README"), "why").unwrap();
    let third = repository.commit(&hedge);
    assert_eq!(repository.pull(&[]).0, Some(0));
    shows(&host, &third, 2);

    let bad = repository.commit(&hedge.replace("hedge_mode", "hedge"));
    assert_eq!(repository.pull(&[]).0, Some(0), "what is ours goes in, good or bad");
    complains(&host, &format!("commit {}, line ", &bad[..7]));
    assert_eq!(host.status()["config"]["commit"], third, "that is in force");
    venue.flip(1, PosMode::OneWayMode);
    host.wait_for_all("drifted file");
    assert_eq!(venue.sets().len(), 1);
    repository.git(&["revert", "--no-edit", "HEAD"]);
    let reverted = repository.push();
    assert_eq!(repository.pull(&[]).0, Some(0));
    host.wait_until("it is corrected", || (venue.sets().len() == 2).then_some(()));
    shows(&host, &reverted, 2);
    assert_eq!(venue.mode(1), PosMode::HedgeMode);

    repository.git(&["rm", "--quiet", FILE]);
    repository.git(&["commit", "--quiet", "--message", "gone"]);
    repository.push();
    assert_eq!(repository.pull(&[]).0, Some(1));
    complains(&host, "is missing");
    let last = repository.commit(&hedge);
    assert_eq!(repository.pull(&[]).0, Some(0));
    shows(&host, &last, 2);
    host.terminate();
}

fn a_commit_without_a_plain_file_leaves_none_in_place_and_the_pull_fails() {
    let repository = Repository::new();
    let file = repository.work.join(FILE);
    repository.commit("one");
    repository.succeeds(&[]);
    fs::remove_file(&file).unwrap();
    symlink("/etc/hostname", &file).unwrap();
    let linked = repository.commit_all();
    // As long as it is the newest.
    for _ in 0..2 {
        repository.fails(
            &[],
            &format!("commit {linked} holds desired-state.yaml not as a plain file (mode 120000)"),
        );
        assert!(fs::symlink_metadata(repository.current()).is_err(), "not even as a symlink");
        assert_eq!(repository.in_place(), linked);
    }
    fs::remove_file(&file).unwrap();
    fs::write(repository.work.join("elsewhere"), "two").unwrap();
    let moved = repository.commit_all();
    repository.fails(&[], &format!("commit {moved} holds no desired-state.yaml"));
    // Another file of the same commit, and a directory that is a symlink.
    repository.succeeds(&[("FILE", "elsewhere")]);
    assert_eq!(fs::read_to_string(repository.current()).unwrap(), "two");
    symlink(".", repository.work.join("around")).unwrap();
    repository.commit_all();
    repository.fails(&[("FILE", "around/elsewhere")], "holds no around/elsewhere");
    for path in ["../elsewhere", "/elsewhere", "./elsewhere", "around//elsewhere", "elsewhere/"] {
        repository.fails(&[("FILE", path)], "FILE is not a path within the repository");
    }
    let large = "#".repeat(1024 * 1024 + 1);
    repository.commit(&large);
    repository.fails(&[], "with more than 1 MiB");
    repository.commit(&large[1..]);
    repository.succeeds(&[]);
    assert_eq!(fs::read_to_string(repository.current()).unwrap(), large[1..]);
}

fn a_branch_that_was_rewritten_is_refused_until_it_is_allowed() {
    let repository = Repository::new();
    let first = repository.commit("one");
    let second = repository.commit("two");
    repository.succeeds(&[]);
    // Back to the first, and on to another second.
    repository.git(&["reset", "--quiet", "--hard", &first]);
    repository.push();
    repository.fails(&[], &format!("posmoded goes on with commit {second}"));
    let other = repository.commit("another two");
    repository.fails(&[], &format!("commit {other} does not follow the one in place"));
    assert_eq!(fs::read_to_string(repository.current()).unwrap(), "two");
    // What is in place counts, not what the cache remembers.
    fs::remove_dir_all(repository.state.join("repository.git")).unwrap();
    repository.fails(&[("ALLOW_REWRITE", "no")], "does not follow");
    assert_eq!(repository.in_place(), second);
    repository.succeeds(&[("ALLOW_REWRITE", "yes")]);
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), other);
    repository.fails(&[("REPOSITORY", "/nowhere")], &format!("posmoded goes on with commit {other}"));
    repository.fails(&[("REPOSITORY", "ext::touch /tmp/no")], "could not be fetched");
    repository.fails(&[("BRANCH", "no..branch")], "BRANCH is not the name of a branch");
}

fn a_commit_that_nobody_listed_has_signed_stays_out() {
    let repository = Repository::new();
    let home = repository.home.path();
    for name in ["trader", "stranger"] {
        let words = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
        assert!(Command::new("ssh-keygen").args(words).arg(home.join(name)).status().unwrap().success());
    }
    let public = fs::read_to_string(home.join("trader.pub")).unwrap();
    let signers = home.join("allowed_signers");
    let signers = ("ALLOWED_SIGNERS", signers.to_str().unwrap());
    let sign = |with: &str, text: &str| {
        fs::write(repository.work.join(FILE), text).unwrap();
        repository.git(&["add", "--all"]);
        let key = format!("user.signingKey={}", home.join(with).display());
        repository.git(&[
            "-c",
            "gpg.format=ssh",
            "-c",
            &key,
            "commit",
            "--quiet",
            "-S",
            "--message",
            "signed",
        ]);
        repository.push()
    };
    let unsigned = repository.commit("unsigned");
    repository.fails(&[signers], "cannot be read");
    fs::write(signers.1, format!("trader {public}")).unwrap();
    repository.fails(&[signers], &format!("commit {unsigned} is not signed"));
    repository.fails(&[signers], "Nothing is in place yet");
    assert!(!repository.state.join("current").exists());
    let signed = sign("trader", "signed");
    repository.succeeds(&[signers]);
    for text in ["unsigned", "a stranger's"] {
        let out = if text == "unsigned" { repository.commit(text) } else { sign("stranger", text) };
        repository.fails(&[signers], &format!("commit {out} is not signed"));
        repository.fails(&[signers], &format!("posmoded goes on with commit {signed}"));
        assert_eq!(fs::read_to_string(repository.current()).unwrap(), "signed");
    }
    let signed = sign("trader", "signed again");
    repository.succeeds(&[signers]);
    assert_eq!(repository.in_place(), signed);
    // A key that is taken off the list counts no more.
    fs::write(signers.1, "").unwrap();
    repository.fails(&[signers], &format!("commit {signed} is not signed"));
}

fn a_pull_that_is_killed_at_any_moment_leaves_a_whole_release_and_the_next_one_goes_on() {
    let repository = Repository::new();
    let mut texts = BTreeMap::new();
    let mut killed = 0;
    for round in 0..12 {
        let text = format!("{round}\n").repeat(50_000);
        let commit = repository.commit(&text);
        texts.insert(commit.clone(), text);
        let mut pull = repository.script(&[]).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(round * 12));
        pull.kill().unwrap();
        killed += u32::from(!pull.wait().unwrap().success());
        if repository.state.join("current").exists() {
            let text = fs::read_to_string(repository.current()).unwrap();
            assert!(text == texts[&repository.in_place()], "round {round}: not what the commit holds");
        }
        if round % 3 == 2 {
            repository.succeeds(&[]);
            assert_eq!(repository.in_place(), commit);
        }
    }
    assert!(killed > 0, "each was faster than its end");
    let last = repository.commit("last");
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), last);
    let kept: Vec<_> = fs::read_dir(repository.state.join("releases")).unwrap().collect();
    assert_eq!(kept.len(), 5, "older releases are cleared away");
}

fn f33_without_room_for_the_file_the_old_commit_stays_in_place() {
    let repository = Repository::new();
    let first = repository.commit("one");
    repository.succeeds(&[]);
    // Git keeps it small; written out it is over the limit, which stands for the disk.
    let large = "two\n".repeat(100_000);
    let second = repository.commit(&large);
    let script = repository.script(&[]);
    let mut limited = repository.alone("/bin/bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\""]).arg(script.get_program());
    limited.envs(script.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Output { status, stdout: _, stderr } = limited.output().unwrap();
    assert!(!status.success(), "{}", String::from_utf8_lossy(&stderr));
    assert_eq!(repository.in_place(), first);
    assert_eq!(fs::read_to_string(repository.current()).unwrap(), "one");
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), second);
    assert_eq!(fs::read_to_string(repository.current()).unwrap(), large);
}

fn four_pulls_at_once_bring_the_commit_once() {
    let repository = Repository::new();
    for text in ["one", "two"] {
        let commit = repository.commit(text);
        let pulls: Vec<_> = (0..4)
            .map(|_| repository.script(&[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
            .collect();
        let mut told = String::new();
        for pull in pulls {
            let Output { status, stdout: _, stderr } = pull.wait_with_output().unwrap();
            assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
            told.push_str(&String::from_utf8_lossy(&stderr));
        }
        assert_eq!(told.matches("is in place").count(), 1, "{told}");
        assert_eq!(repository.in_place(), commit);
    }
}

#[test]
fn the_workflow_for_the_repository_with_the_file_fails_beside_the_line_that_is_bad() {
    let text = fs::read_to_string(shipped("github-check.yml")).unwrap();
    let workflow: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let steps = workflow["jobs"]["check"]["steps"].as_sequence().unwrap();
    let step = steps.last().unwrap()["run"].as_str().unwrap();
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("posmoded/usr/bin");
    fs::create_dir_all(&program).unwrap();
    symlink(env!("CARGO_BIN_EXE_posmoded"), program.join("posmoded")).unwrap();
    let run = |file: &str| {
        fs::write(home.path().join(FILE), file).unwrap();
        let mut command = Command::new("/bin/bash");
        command.args(["-e", "-c", step]).env("RUNNER_TEMP", home.path()).current_dir(home.path());
        let Output { status, stdout, stderr: _ } = command.stdin(Stdio::null()).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    };
    let good = declared(&[("desk-1", "hedge_mode")]);
    assert_eq!(run(&good).0, Some(0));
    let (code, told) = run(&good.replace("hedge_mode", "hedge"));
    assert_eq!(code, Some(1));
    assert!(told.starts_with("::error file=desired-state.yaml,line="), "{told}");
}

fn each_release_tells_what_its_commit_descends_from_by_any_parent() {
    let repository = Repository::new();
    let note = || {
        let text = fs::read_to_string(repository.state.join("current/ancestors")).unwrap();
        let (count, ancestors) = text.split_once('\n').unwrap();
        let ancestors: Vec<String> = ancestors.lines().map(str::to_owned).collect();
        (count.parse::<usize>().unwrap(), ancestors)
    };
    let first = repository.commit("one");
    repository.succeeds(&[]);
    assert_eq!(note(), (1, vec![]));
    let second = repository.commit("two");
    repository.succeeds(&[]);
    assert_eq!(note(), (2, vec![first.clone()]));
    // The branch was merged into a side branch, and moved on to that: what was in place is the second parent.
    repository.git(&["checkout", "--quiet", "-b", "side", &first]);
    fs::write(repository.work.join("README"), "why").unwrap();
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--message", "beside it"]);
    let side = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["merge", "--quiet", "--no-edit", "main"]);
    repository.git(&["branch", "--force", "main", "side"]);
    repository.git(&["checkout", "--quiet", "main"]);
    let merged = repository.push();
    repository.succeeds(&[]);
    assert_eq!(repository.in_place(), merged);
    let (count, ancestors) = note();
    assert_eq!(count, 4);
    assert_eq!(BTreeSet::from_iter(ancestors), BTreeSet::from([first, second, side]));
    // One of before this was told, and one that was cut off: the next pull makes it good.
    fs::rename(repository.state.join("current/ancestors"), repository.state.join("current/ancestors.new"))
        .unwrap();
    repository.succeeds(&[]);
    assert_eq!(note().0, 4);
    // A history that is longer than is told of.
    let more: String = (0..1100)
        .map(|number| {
            let from = if number == 0 { format!("from {merged}\n") } else { String::new() };
            format!(
                "commit refs/heads/main\ncommitter desk <desk@desk.test> {} +0000\ndata 0\n{from}\n",
                2_000_000_000 + number
            )
        })
        .collect();
    let mut import = repository.alone("git");
    let mut import = import
        .args(["fast-import", "--quiet", "--force"])
        .current_dir(&repository.work)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    import.stdin.take().unwrap().write_all(more.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    repository.git(&["reset", "--quiet", "--hard", "main"]);
    repository.push();
    repository.succeeds(&[]);
    let (count, ancestors) = note();
    assert_eq!((count, ancestors.len()), (1104, 1000));
    assert_eq!(ancestors[0], repository.git(&["rev-parse", "HEAD~1"]));
    assert_eq!(ancestors[999], repository.git(&["rev-parse", "HEAD~1000"]));
}

/// A repository that somebody pushes to, and a host that pulls from it.
pub(super) struct Repository {
    home: TempDir,
    work: PathBuf,
    state: PathBuf,
}

impl Repository {
    pub(super) fn new() -> Repository {
        let home = tempfile::tempdir().unwrap();
        let (work, state) = (home.path().join("work"), home.path().join("state"));
        fs::create_dir(&work).unwrap();
        fs::create_dir(&state).unwrap();
        let repository = Repository { home, work, state };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "../origin.git"]);
        // As the servers of forges do.
        repository.git(&["--git-dir=../origin.git", "config", "uploadpack.allowFilter", "true"]);
        repository
    }

    /// What git prints, as somebody who works in the tree.
    #[track_caller]
    fn git(&self, words: &[&str]) -> String {
        let mut command = self.alone("git");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "desk")
                .env(format!("GIT_{role}_EMAIL"), "desk@desk.test");
        }
        let Output { status, stdout, stderr } = command.args(words).current_dir(&self.work).output().unwrap();
        assert!(status.success(), "git {words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }

    /// Pushes this content of the file and returns its commit; a new one if the content is not.
    #[track_caller]
    pub(super) fn commit(&self, text: &str) -> String {
        let file = self.work.join(FILE);
        let _ = fs::remove_file(&file);
        fs::write(file, text).unwrap();
        self.commit_all()
    }

    #[track_caller]
    fn commit_all(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        self.push()
    }

    #[track_caller]
    fn push(&self) -> String {
        self.git(&["push", "--quiet", "--force", "../origin.git", "main"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The branch is what it was at a commit.
    #[track_caller]
    pub(super) fn rewind(&self, commit: &str) {
        self.git(&["reset", "--quiet", "--hard", commit]);
        self.push();
    }

    /// Where the repository that is pushed to lies, `origin.git`.
    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The shipped script, as the service manager starts it.
    fn script(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = self.alone(shipped("posmoded-pull").to_str().unwrap());
        let origin = format!("file://{}", self.home.path().join("origin.git").display());
        command.env("STATE_DIRECTORY", &self.state).env("REPOSITORY", origin);
        command.envs(settings.iter().copied());
        command
    }

    fn alone(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home.path());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
        command
    }

    /// With which number a pull ends, and what it says.
    fn pull(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.script(settings).output().unwrap();
        assert_eq!(String::from_utf8(stdout).unwrap(), "");
        (status.code(), String::from_utf8(stderr).unwrap())
    }

    #[track_caller]
    fn succeeds(&self, settings: &[(&str, &str)]) {
        let (code, told) = self.pull(settings);
        assert_eq!(code, Some(0), "{told}");
    }

    #[track_caller]
    fn fails(&self, settings: &[(&str, &str)], part: &str) {
        let (code, told) = self.pull(settings);
        assert!(code == Some(1) && told.contains(part), "{code:?}, not {part:?}: {told}");
    }

    /// The path that posmoded is told.
    fn current(&self) -> PathBuf {
        self.state.join("current").join(FILE)
    }

    /// The commit that is in place.
    #[track_caller]
    fn in_place(&self) -> String {
        let to = fs::read_link(self.state.join("current")).unwrap();
        to.file_name().unwrap().to_str().unwrap().to_owned()
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gitops").join(name)
}

const FILE: &str = "desired-state.yaml";
