//! A pooler (pgbouncer) in front of a database of the tests' cluster.

use std::fs;
use std::net::{TcpListener, TcpStream};
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
    /// `None`, and said so, where there is none.
    pub(super) fn before(cluster: &Cluster, database: &str) -> Option<Pooler> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.is_file() {
            skipped("there is no pooler here (pgbouncer)");
            return None;
        }
        let home = TempDir::new().unwrap();
        give(home.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| home.path().join(name).display().to_string();
        let settings = format!(
            "[databases]\n{database} = host={} port={} user=posmoded\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n\
             server_round_robin = 1\nlogfile = {}\n",
            cluster.home.display(),
            cluster.port,
            path("log")
        );
        fs::write(home.path().join("ini"), settings).unwrap();
        let mut process = as_nobody(program);
        process.arg("-q").arg(home.path().join("ini")).current_dir("/").stdin(Stdio::null());
        let process = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{:?}",
                fs::read_to_string(home.path().join("log"))
            );
        }
        let url = format!("postgres://posmoded@127.0.0.1:{port}/{database}");
        Some(Pooler { url, process, _home: home })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
