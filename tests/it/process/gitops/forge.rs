//! A git server over https on loopback, as a forge is one: git's own http-backend, and what goes wrong on the way.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, spawn};

use bitget_sim::Identity;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::PATIENCE;

/// What becomes of the answer to a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) enum Fault {
    Nothing,
    /// After the first half nothing more comes.
    Stalls,
    /// After the first half the connection is closed.
    DiesHalfWay,
}

/// Serves all repositories below a directory; ends with the value.
pub(in crate::process) struct Forge {
    address: SocketAddr,
    ca: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    root: PathBuf,
    config: Arc<ServerConfig>,
    fault: Mutex<Fault>,
    /// The length of each answer to a fetch.
    fetched: Mutex<Vec<usize>>,
    over: AtomicBool,
}

impl Forge {
    pub(in crate::process) fn of(root: &Path) -> Forge {
        let identity = Identity::new().unwrap().without_http2();
        let ca = root.join("ca.pem");
        fs::write(&ca, identity.ca_pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            config: identity.config(),
            fault: Mutex::new(Fault::Nothing),
            fetched: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Forge { address, ca, shared, accepting: Some(accepting) }
    }

    pub(in crate::process) fn url(&self, repository: &str) -> String {
        format!("https://{}/{repository}", self.address)
    }

    /// The authority to trust, in PEM.
    pub(in crate::process) fn ca(&self) -> &Path {
        &self.ca
    }

    pub(in crate::process) fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// How long each answer to a fetch was, since the last time this was asked.
    pub(in crate::process) fn take_fetched(&self) -> Vec<usize> {
        std::mem::take(&mut *self.shared.fetched.lock().unwrap())
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes what waits for a connection.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let shared = shared.clone();
        // A client that goes away is no failure.
        spawn(move || answer(stream, &shared).unwrap_or_default());
    }
}

/// One request on a connection, by the rules of CGI.
fn answer(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(shared.config.clone()).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut first = String::new();
    stream.read_line(&mut first)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut backend = Command::new("git");
    backend.arg("http-backend").env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    backend.env("GIT_PROJECT_ROOT", &shared.root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "content-type" => drop(backend.env("CONTENT_TYPE", value)),
            "content-encoding" => drop(backend.env("HTTP_CONTENT_ENCODING", value)),
            "git-protocol" => drop(backend.env("GIT_PROTOCOL", value)),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let mut backend = backend
        .env("CONTENT_LENGTH", length.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    backend.stdin.take().map(|mut stdin| stdin.write_all(&body)).transpose()?;
    let told = backend.wait_with_output()?.stdout;
    let told = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n".as_slice(), &told].concat();
    let mut part = told.as_slice();
    let mut fault = Fault::Nothing;
    if body.windows(FETCH.len()).any(|words| words == FETCH) {
        shared.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(told.len());
        fault = *shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
    }
    if fault != Fault::Nothing {
        part = told.split_at(told.len() / 2).0;
    }
    let stream = stream.get_mut();
    stream.write_all(part)?;
    stream.flush()?;
    match fault {
        Fault::Nothing => stream.conn.send_close_notify(),
        // Until the other side has had enough.
        Fault::Stalls => drop(stream.read(&mut [0])),
        Fault::DiesHalfWay => return stream.sock.shutdown(Shutdown::Both),
    }
    stream.flush()
}

/// What a request to fetch holds, in the protocol's second version.
const FETCH: &[u8] = b"command=fetch";
