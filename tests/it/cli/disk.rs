//! The daemon as a process on disks and mounts that fail it: what it says, and that nothing is sent.
//!
//! Mounts are made in a mount namespace of the daemon's own. Where none may be made, the test says so and ends.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::PathBuf;

use bitget_sim::Executed;

use super::*;

const FIRST: (Uid, ProductType) = (Uid(1), ProductType::UsdtFutures);
const SECOND: (Uid, ProductType) = (Uid(2), ProductType::UsdtFutures);

/// A desk whose daemon is asked at its address, for its state may lie in a mount that only it sees.
struct Disk {
    desk: Desk,
    address: String,
}

impl Disk {
    fn new() -> Disk {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Disk { desk: Desk::new(super::GOOD), address }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.home.path().join(name)
    }

    /// Starts the daemon after shell commands in its home, in a mount namespace of its own if there are any.
    fn start(&mut self, script: &str) {
        let words = self.desk.words(&["run", "--listen", &self.address]);
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = if script.is_empty() {
            posmoded(self.desk.home.path(), &words.iter().map(String::as_str).collect::<Vec<_>>())
        } else {
            let mut command = Command::new("unshare");
            let script = format!("set -e; {script}; exec \"$0\" \"$@\"");
            command.args(namespace().unwrap()).args(["sh", "-c", &script, env!("CARGO_BIN_EXE_posmoded")]);
            command.args(words).current_dir(self.desk.home.path());
            command
        };
        self.desk.daemon = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// The daemon ends by itself, having said why.
    #[track_caller]
    fn ends(&mut self) -> (i32, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.desk.daemon.as_mut().unwrap().try_wait().unwrap() {
                self.desk.daemon = None;
                return (status.code().unwrap(), self.desk.log());
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{}", self.desk.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        self.desk.wait_for(&["status", "--listen", &self.address], |_, out| out.contains(text));
    }

    /// What the daemon answers at its address.
    fn asks(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[track_caller]
    fn is_in_sync(&self) {
        let two = |_, out: &str| out.matches("in_sync").count() == 2;
        self.desk.wait_for(&["status", "--listen", &self.address], two);
    }

    #[track_caller]
    fn wait_until(&self, what: &str, so: impl Fn(&Exchange) -> bool) {
        let began = Instant::now();
        while !self.desk.simulator.with(|exchange| so(exchange)) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: {}", self.desk.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until each account was looked at twice more; by then a set would have left.
    #[track_caller]
    fn two_more_looks(&self) {
        let looks = |exchange: &Exchange| {
            exchange.log().iter().filter(|entry| entry.path.ends_with("/account/account")).count()
        };
        let before = self.desk.simulator.with(|exchange| looks(exchange));
        self.wait_until("looked at", |exchange| looks(exchange) >= before + 4);
    }

    fn sets(&self) -> usize {
        let applied = |executed: &Executed| matches!(executed, Executed::Applied { .. });
        self.desk
            .simulator
            .with(|exchange| exchange.log().iter().filter(|entry| applied(&entry.executed)).count())
    }

    fn declare(&self, second: &str, comment: usize) {
        let file = GOOD.replace("one_way_mode", second);
        fs::write(self.path("new"), format!("# {}\n{file}", "x".repeat(comment))).unwrap();
    }
}

fn mode(exchange: &Exchange, (uid, product): (Uid, ProductType)) -> PosMode {
    exchange.mode(uid, product).unwrap()
}

/// How `unshare` makes a namespace in which something may be mounted; a denied privilege is told, not failed.
fn namespace() -> Option<[&'static str; 1]> {
    let dir = tempfile::tempdir().unwrap();
    let may_mount = |flag: &str| {
        let mount = ["sh", "-c", "mount -t tmpfs none ."];
        Command::new("unshare").arg(flag).args(mount).current_dir(dir.path()).output()
    };
    let granted =
        ["-m", "-rm"].into_iter().find(|flag| may_mount(flag).is_ok_and(|mounted| mounted.status.success()));
    if granted.is_none() {
        // Past the test harness, which keeps what a test prints that passes.
        let told = std::io::stderr()
            .write_all(b"\nskipped: denied: nothing may be mounted here (unshare --mount)\n");
        told.unwrap();
    }
    granted.map(|flag| [flag])
}

#[test]
fn f33_on_a_full_disk_a_new_file_waits_and_nothing_is_sent_until_there_is_room() {
    if namespace().is_none() {
        return;
    }
    let mut disk = Disk::new();
    fs::create_dir(disk.path("state")).unwrap();
    disk.start("mount -t tmpfs -o size=6m,mode=700 none state");
    disk.is_in_sync();
    let sets = disk.sets();
    let process = disk.desk.daemon.as_ref().unwrap().id();
    let inside = disk.path("state").strip_prefix("/").unwrap().to_owned();
    let filler = PathBuf::from(format!("/proc/{process}/root")).join(inside).join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);

    // More than the log has room for.
    disk.declare("hedge_mode", 600_000);
    fs::rename(disk.path("new"), disk.path("desired-state.yaml")).unwrap();
    disk.shows("is full: make room.");
    disk.two_more_looks();
    assert_eq!(disk.sets(), sets, "{}", disk.desk.log());

    fs::remove_file(filler).unwrap();
    disk.wait_until("set", |exchange| mode(exchange, SECOND) == PosMode::HedgeMode);
    disk.is_in_sync();
    assert_eq!((disk.desk.terminate(), disk.sets()), (0, sets + 1), "{}", disk.desk.log());
}

#[test]
fn f33_a_ledger_that_is_read_only_torn_or_newer_ends_the_start_with_78_and_nothing_is_asked() {
    let mut disk = Disk::new();
    disk.start("");
    disk.is_in_sync();
    assert_eq!(disk.desk.terminate(), 0, "{}", disk.desk.log());
    let asked = disk.desk.simulator.with(|exchange| exchange.log().len());

    if namespace().is_some() {
        disk.start("mount --bind state state; mount -o remount,bind,ro state");
        let (code, log) = disk.ends();
        assert!(code == 78 && log.contains("give posmoded a directory that it may write"), "{code}: {log}");
    }
    let ledger = disk.path("state/posmoded.sqlite");
    let whole = fs::read(&ledger).unwrap();
    fs::write(&ledger, &whole[..whole.len() / 2]).unwrap();
    disk.start("");
    let (code, log) = disk.ends();
    assert!(code == 78 && log.contains("is damaged, or not one of posmoded's"), "{code}: {log}");

    // The format is a number of four bytes at offset 60, as SQLite documents.
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&[0, 0, 0, 9]);
    fs::write(&ledger, newer).unwrap();
    disk.start("");
    let (code, log) = disk.ends();
    assert!(
        code == 78 && log.contains("has format 9") && log.contains("use the newer posmoded"),
        "{code}: {log}"
    );
    assert_eq!(disk.desk.simulator.with(|exchange| exchange.log().len()), asked);

    fs::write(&ledger, whole).unwrap();
    disk.start("");
    disk.is_in_sync();
    assert_eq!(disk.desk.terminate(), 0, "{}", disk.desk.log());
}

#[test]
fn f33_when_the_state_directory_is_removed_nothing_is_sent_until_the_next_start() {
    let mut disk = Disk::new();
    disk.start("");
    disk.is_in_sync();
    let sets = disk.sets();
    fs::remove_dir_all(disk.path("state")).unwrap();
    let (uid, product) = FIRST;
    disk.desk.simulator.with(|exchange| exchange.flip(uid, product, PosMode::OneWayMode)).unwrap();
    disk.shows("was removed, moved away or replaced while posmoded runs");
    let ready = disk.asks("/readyz");
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("put it back, or start posmoded again"),
        "{ready}"
    );
    disk.two_more_looks();
    assert_eq!(disk.sets(), sets, "{}", disk.desk.log());
    assert_eq!(disk.desk.terminate(), 0, "{}", disk.desk.log());
    disk.start("");
    disk.wait_until("set", |exchange| mode(exchange, FIRST) == PosMode::HedgeMode);
    assert_eq!((disk.desk.terminate(), disk.sets()), (0, sets + 1), "{}", disk.desk.log());
}

#[test]
fn f5_through_a_mount_of_the_single_file_a_change_in_place_is_seen_and_a_replacement_is_warned_of() {
    if namespace().is_none() {
        return;
    }
    let mut disk = Disk::new();
    fs::write(disk.path("outside.yaml"), GOOD).unwrap();
    disk.start("mount --bind outside.yaml desired-state.yaml");
    disk.is_in_sync();
    disk.declare("hedge_mode", 0);
    fs::copy(disk.path("new"), disk.path("outside.yaml")).unwrap();
    disk.wait_until("set", |exchange| mode(exchange, SECOND) == PosMode::HedgeMode);
    let sets = disk.sets();
    fs::write(disk.path("new"), GOOD).unwrap();
    fs::rename(disk.path("new"), disk.path("outside.yaml")).unwrap();
    disk.shows("mount its directory instead");
    disk.two_more_looks();
    assert_eq!(disk.sets(), sets, "what the mount still shows is not acted on");
    assert_eq!(disk.desk.terminate(), 0, "{}", disk.desk.log());
}
