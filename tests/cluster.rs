//! A cluster of PostgreSQL for the tests of this process, or for the sandbox: made by the first that asks, with a database for
//! each, and ended with the process, however that ends.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

/// A running cluster.
pub(super) struct Cluster {
    pub(super) place: Place,
    pub(super) programs: PathBuf,
    /// Its directory, and what it is put into: all of it is removed at the end.
    pub(super) home: PathBuf,
    pub(super) port: u16,
    /// Ends the cluster, and removes what is left of it, when our end of its input is closed.
    keeper: Child,
}

/// Where a cluster runs.
#[derive(Clone, Default)]
pub(super) struct Place {
    /// The program that the server is started by, with its arguments, if it is not to be by this process itself.
    pub(super) through: Vec<String>,
    /// Where it listens and what may come from there without a password, if it is not loopback.
    pub(super) network: Option<(String, String)>,
}

/// What a user of TCP needs; the socket trusts whoever may open it.
pub(super) const PASSWORD: &str = "only-for-tests";

/// The cluster of this process; `None`, and said so, where there is no PostgreSQL.
pub(super) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match CLUSTER.get_or_init(Cluster::begin) {
        Ok(cluster) => Some(cluster),
        Err(why) => {
            skipped(why);
            None
        }
    }
}

impl Place {
    /// The command as it is started there.
    pub(super) fn put_before(&self, command: Command) -> Command {
        let Some((program, arguments)) = self.through.split_first() else { return command };
        let mut through = Command::new(program);
        through.args(arguments).args(parts(&command));
        through
    }
}

impl Cluster {
    /// A cluster of its own, for who stops it, or asks more of it.
    pub(super) fn begin() -> Result<Cluster, String> {
        Cluster::begin_at(Place::default())
    }

    /// The same in another place.
    pub(super) fn begin_at(place: Place) -> Result<Cluster, String> {
        Cluster::made(place, |programs, data| {
            let password = data.with_file_name("password");
            fs::write(&password, PASSWORD).unwrap();
            run(as_nobody(&programs.join("initdb"))
                .arg("-D")
                .arg(data)
                .arg(format!("--pwfile={}", password.display()))
                .args([
                    "--username=posmoded",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-sync",
                ]));
        })
    }

    /// A cluster whose data somebody makes.
    pub(super) fn made(place: Place, make: impl FnOnce(&Path, &Path)) -> Result<Cluster, String> {
        let programs = programs().ok_or("there is no PostgreSQL here (postgresql)")?;
        let of_it = TempDir::with_prefix("posmoded-").unwrap();
        let home = of_it.path().to_owned();
        give(&home);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = home.join("data");
        make(&programs, &data);
        let append = |name: &str, lines: String| {
            let mut file = fs::OpenOptions::new().append(true).open(data.join(name)).unwrap();
            file.write_all(lines.as_bytes()).unwrap();
        };
        let listen = place.network.as_ref().map_or("127.0.0.1", |(at, _)| at);
        append(
            "postgresql.auto.conf",
            format!(
                "listen_addresses = '{listen}'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = 200\n\
                 shared_buffers = 16MB\n",
                home.display()
            ),
        );
        if let Some((_, from)) = &place.network {
            append("pg_hba.conf", format!("host all all {from} trust\n"));
        }
        let keeper = Command::new("sh")
            .args(["-c", r#"cat >/dev/null; kill -CONT "$(head -n 1 "$HOME/data/postmaster.pid")"; "$0" "$@" >/dev/null 2>&1; rm -rf "$HOME""#])
            .args(parts(&as_nobody(&programs.join("pg_ctl"))))
            .arg("-D")
            .arg(&data)
            .args(["-m", "immediate", "stop"])
            .env("HOME", &home)
            // Ctrl-C ends those that are in the group of the terminal, and so would end it before us.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From here on it is the keeper's to remove.
        let _ = of_it.keep();
        let cluster = Cluster { place, programs, home, port, keeper };
        cluster.control(&["start", "-w", "-t", "60", "-l", &cluster.home.join("log").display().to_string()]);
        Ok(cluster)
    }

    /// `pg_ctl` on it.
    pub(super) fn control(&self, words: &[&str]) {
        let mut control = as_nobody(&self.programs.join("pg_ctl"));
        control.arg("-D").arg(self.home.join("data")).args(words);
        run(&mut self.place.put_before(control));
    }

    /// Ends the server and starts it again as a standby, which takes no writes.
    pub(super) fn become_standby(&self) {
        self.control(&["stop", "-w", "-m", "fast"]);
        fs::write(self.home.join("data/standby.signal"), "").unwrap();
        give(&self.home.join("data/standby.signal"));
        self.control(&["start", "-w", "-l", "/dev/null"]);
    }

    /// Makes the standby a server of its own: the same data on another timeline.
    pub(super) fn promote(&self) {
        self.control(&["promote", "-w"]);
    }

    /// Sends a signal to the server and all that it has started.
    pub(super) fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.home.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        // Its parts first: one of them that ends of itself would have the whole restart.
        run(Command::new("pkill").args([format!("-{name}").as_str(), "-P", pid]));
        run(Command::new("kill").args(["-s", name, pid]));
    }

    /// Runs statements as the superuser in a database.
    pub(super) fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "posmoded", "-h"]).arg(&self.home);
        run(psql.arg("-p").arg(self.port.to_string()).args(["-d", database, "-c", sql]))
    }

    /// A new database, by its name.
    pub(super) fn database(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Its address by the socket, which needs no password.
    pub(super) fn url(&self, database: &str) -> String {
        let socket = self.home.display().to_string().replace('/', "%2F");
        format!("postgres://posmoded@{socket}:{}/{database}", self.port)
    }
}

impl Drop for Cluster {
    /// Ends it, and waits until nothing is left of it.
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Says past the test harness why a test does nothing here.
pub(super) fn skipped(why: &str) {
    assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{why}");
    std::io::stderr().write_all(format!("\nskipped: {why}\n").as_bytes()).unwrap();
}

/// Gives a file to whom clusters run as.
pub(super) fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The newest of Debian's, else the one on the path.
fn programs() -> Option<PathBuf> {
    let has_it = |bin: &PathBuf| bin.join("initdb").is_file();
    let number = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let of_debian = versions.map(|version| version.unwrap().path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    of_debian.filter(has_it).max_by_key(number).or_else(|| std::env::split_paths(&path).find(has_it))
}

/// It runs for nobody who is root.
pub(super) fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={NOBODY}"))
        .arg(format!("--regid={NOBODY}"))
        .arg("--clear-groups")
        .arg(program);
    command
}

fn parts(command: &Command) -> Vec<PathBuf> {
    std::iter::once(command.get_program()).chain(command.get_args()).map(PathBuf::from).collect()
}

#[track_caller]
pub(super) fn run(command: &mut Command) -> String {
    // Not in a pipe: a server that was started would keep it open.
    let output = TempDir::new().unwrap();
    let said = fs::File::create(output.path().join("said")).unwrap();
    let status = command
        .current_dir("/")
        // What Ctrl-C is to end, we end.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = fs::read_to_string(output.path().join("said")).unwrap();
    assert!(status.success(), "{command:?}: {said}");
    said
}

const NOBODY: u32 = 65_534;
