//! A log that nobody reads: a pipe that is full, a journal that hangs. The daemon goes on; a command waits and loses nothing.

use std::io::{PipeReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitget_sim::PosMode;

use super::disks::{namespace, start_after};
use super::{Host, RUN, Venue, declared, get, listen_to, side_by_side, wait_until};

#[test]
fn f72_a_log_that_nobody_reads_stops_nothing_and_loses_nothing_in_silence() {
    side_by_side(&[
        ("pipe", f72_a_full_pipe_stops_neither_keepers_nor_status_nor_signals_and_what_is_dropped_is_said),
        ("start", f72_a_daemon_that_cannot_start_ends_though_nobody_reads_why),
        ("journal", f72_a_journal_that_hangs_stops_nothing_either),
        ("command", a_command_that_ends_by_itself_waits_for_its_reader_and_loses_no_line),
    ]);
}

fn f72_a_full_pipe_stops_neither_keepers_nor_status_nor_signals_and_what_is_dropped_is_said() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.environment.push(("RUST_LOG", "trace".into()));
    let unread = launch(&mut host);
    until_lines_are_dropped(&host);
    works(&host, &venue);
    ends(&mut host);
    assert!(all_of(unread).contains("posmoded 0.1.0 started"), "the first lines fitted");

    let unread = launch(&mut host);
    until_lines_are_dropped(&host);
    let said = Arc::new(Mutex::new(String::new()));
    listen_to(unread, said.clone());
    let said = || said.lock().unwrap().clone();
    // The last note may still be on its way.
    let all = || format!("{} of {}", missing(&said()), dropped(&host));
    wait_until("each dropped line is said to be", super::PATIENCE, all, || {
        (missing(&said()) == dropped(&host)).then_some(())
    });
    ends(&mut host);
    wait_until("the last line is there", super::PATIENCE, said, || {
        said().contains("stopping: no new set").then_some(())
    });
}

fn f72_a_daemon_that_cannot_start_ends_though_nobody_reads_why() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], "version: 1\n");
    let (reader, mut writer) = std::io::pipe().unwrap();
    fill(&mut writer);
    let mut command = host.command(&RUN);
    command.stdout(Stdio::null()).stderr(writer);
    host.daemon = Some(command.spawn().unwrap());
    assert_eq!(host.ended().0, Some(78));
    drop(reader);
}

fn f72_a_journal_that_hangs_stops_nothing_either() {
    let Some(namespace) = namespace() else { return };
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.environment.push(("RUST_LOG", "trace".into()));
    host.environment.push(("POSMODED_LOG", "journald".into()));
    let journal = UnixDatagram::bind(host.path("journal")).unwrap();
    let before = UnixDatagram::unbound().unwrap();
    before.set_nonblocking(true).unwrap();
    while before.send_to(b"MESSAGE=before\n", host.path("journal")).is_ok() {}
    let place = "mount -t tmpfs none /run; mkdir -p /run/systemd/journal";
    let link = format!("{place}; ln -s {} /run/systemd/journal/socket", host.path("journal").display());
    start_after(&link, namespace, &mut host);
    until_lines_are_dropped(&host);
    works(&host, &venue);

    let entries = Arc::new(Mutex::new(String::new()));
    let keep = entries.clone();
    let reading = std::thread::spawn(move || {
        let mut entry = vec![0; 256 * 1024];
        journal.set_read_timeout(Some(super::PATIENCE)).unwrap();
        while let Ok(length) = journal.recv(&mut entry) {
            let entry = String::from_utf8_lossy(&entry[..length]);
            keep.lock().unwrap().push_str(&entry);
            if entry.contains("stopping: no new set") {
                break;
            }
        }
    });
    let entries = || entries.lock().unwrap().clone();
    let all = || format!("{} of {}", missing(&entries()), dropped(&host));
    wait_until("each dropped entry is said to be", super::PATIENCE, all, || {
        (missing(&entries()) == dropped(&host)).then_some(())
    });
    assert!(entries().contains("POSMODED_ACCOUNT\n\u{6}\0\0\0\0\0\0\0desk-1\n"), "{}", entries());
    ends(&mut host);
    reading.join().unwrap();
    assert!(entries().contains("stopping: no new set"));
}

fn a_command_that_ends_by_itself_waits_for_its_reader_and_loses_no_line() {
    let venue = Venue::of_desks(4);
    let names = ["desk-1", "desk-2", "desk-3", "desk-4"];
    let mut host = Host::new(&venue, &names, &declared(&names.map(|name| (name, "one_way_mode"))));
    host.environment.push(("RUST_LOG", "trace".into()));
    for words in [["plan"], ["apply"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = host.command(&words);
        let mut running = command.stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
        drop(command);
        wait_until("the pipe is full", super::PATIENCE, String::new, || {
            (rustix::io::ioctl_fionread(&reader).unwrap() > 60_000).then_some(())
        });
        assert!(!ends_within(&mut running, Duration::from_secs(3)), "{words:?}: it did not wait");
        let said = all_of(reader);
        let mut out = String::new();
        running.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(0), "{words:?}: {out}{said}");
        assert_eq!(missing(&said), 0);
        assert!(out.contains("4 targets in sync"), "{out}");
    }
}

/// The daemon, whose log goes into a pipe that nobody reads.
fn launch(host: &mut Host) -> PipeReader {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = host.command(&RUN);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    host.daemon = Some(command.spawn().unwrap());
    reader
}

/// Each question makes some lines.
#[track_caller]
fn until_lines_are_dropped(host: &Host) {
    let at = host.address();
    host.wait_for_all("in_sync -");
    host.wait_until("lines are dropped", || {
        for _ in 0..100 {
            assert_eq!(get(at, "/livez").0, 200);
        }
        (dropped(host) > 0).then_some(())
    });
}

#[track_caller]
fn works(host: &Host, venue: &Venue) {
    host.wait_for_all("in_sync -");
    let before = venue.sets().len();
    venue.flip(1, PosMode::HedgeMode);
    host.wait_until("it is corrected", || (venue.sets().len() == before + 1).then_some(()));
    host.wait_for_all("in_sync -");
    assert_eq!(get(host.address(), "/livez").0, 200);
    let (code, out, err) = host.call(&["status"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[track_caller]
fn ends(host: &mut Host) {
    host.signal("TERM");
    let (code, took) = host.ended();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

fn dropped(host: &Host) -> u64 {
    let (_, metrics) = get(host.address(), "/metrics");
    let count = metrics.lines().find_map(|line| line.strip_prefix("posmoded_log_lines_dropped_total "));
    count.unwrap().parse().unwrap()
}

/// How many lines the notes in a log say to be missing.
fn missing(log: &str) -> u64 {
    let notes = log.match_indices(" of the log ").filter(|(at, _)| log[*at..].contains(" missing here: "));
    let count = |(at, _): (usize, &str)| {
        let lines = log[..at].trim_end_matches(char::is_alphabetic).trim_end();
        let number = lines.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap();
        number.parse::<u64>().unwrap_or_else(|_| panic!("{lines}"))
    };
    notes.map(count).sum()
}

fn all_of(mut reader: PipeReader) -> String {
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

/// Whether it ends within a time in which it is not to.
fn ends_within(running: &mut Child, time: Duration) -> bool {
    let began = std::time::Instant::now();
    while began.elapsed() < time {
        if running.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Until nothing more goes in.
fn fill(pipe: &mut std::io::PipeWriter) {
    use std::io::Write as _;

    rustix::io::ioctl_fionbio(&*pipe, true).unwrap();
    while pipe.write(&[b'-'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&*pipe, false).unwrap();
}
