//! A pooler (pgbouncer) in front of a database of the tests' cluster.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cluster::{Cluster, as_nobody, give, skipped};

/// A pooler in front of a database, in transaction mode: two connections for all who come.
pub(super) struct Pooler {
    pub(super) url: String,
    process: Child,
    _home: TempDir,
}

impl Pooler {
    /// Whether there can be one; says so if not.
    pub(super) fn is_there() -> bool {
        let is_there = Path::new(PROGRAM).is_file();
        if !is_there {
            skipped("there is no pooler here (pgbouncer)");
        }
        is_there
    }

    /// `None`, and said so, where there is none.
    pub(super) fn before(cluster: &Cluster, database: &str) -> Option<Pooler> {
        if !Pooler::is_there() {
            return None;
        }
        let home = TempDir::new().unwrap();
        give(home.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| home.path().join(name).display().to_string();
        let listen = cluster.place.network.as_ref().map_or("127.0.0.1", |(at, _)| at);
        let settings = format!(
            "[databases]\n{database} = host={} port={} user=posmoded\n[pgbouncer]\nlisten_addr = {listen}\n\
             listen_port = {port}\nunix_socket_dir = {}\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 2\nserver_round_robin = 1\nlogfile = {}\n",
            cluster.home.display(),
            cluster.port,
            home.path().display(),
            path("log")
        );
        fs::write(home.path().join("ini"), settings).unwrap();
        let mut process = as_nobody(Path::new(PROGRAM));
        process.arg("-q").arg(home.path().join("ini"));
        let mut process = cluster.place.put_before(process);
        process.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = process.spawn().unwrap();
        let began = Instant::now();
        while UnixStream::connect(path(&format!(".s.PGSQL.{port}"))).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{:?}",
                fs::read_to_string(home.path().join("log"))
            );
        }
        let url = format!("postgres://posmoded@{listen}:{port}/{database}");
        Some(Pooler { url, process, _home: home })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PROGRAM: &str = "/usr/sbin/pgbouncer";
