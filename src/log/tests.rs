//! A pipe, a reader who does or does not read, and what comes out of it.

use std::io::PipeReader;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::*;

/// Writes a line only when it is let through.
fn held_back() -> (Lines, Dropped, Sender<()>, Receiver<String>) {
    let ((let_through, wait), (tell, told)) = (channel(), channel());
    let dropped = Dropped::default();
    let write = move |line: &[u8]| {
        wait.recv().map_err(|_| io::Error::other("nobody"))?;
        tell.send(String::from_utf8_lossy(line).into_owned()).map_err(io::Error::other)
    };
    let lines = Lines::new(write, |lines| format!("{lines} missing").into_bytes(), dropped.clone()).unwrap();
    (lines, dropped, let_through, told)
}

#[test]
fn f72_what_does_not_fit_is_dropped_and_counted_and_said_where_it_is_missing() {
    let (lines, dropped, let_through, told) = held_back();
    let some = |name: &str| format!("{name} {}", "x".repeat(100_000));
    for number in 0..30 {
        lines.push(some(&format!("a{number}")).as_bytes());
    }
    let count = dropped.so_far();
    assert!((19..=21).contains(&count), "one is being written, and some ten fit: {count}");
    let mut all = Vec::new();
    let mut read = |lines: usize| {
        for _ in 0..lines {
            let_through.send(()).unwrap();
            all.push(told.recv().unwrap().split(' ').take(2).collect::<Vec<_>>().join(" "));
        }
    };
    read(2);
    lines.push(b"too early: half of it must be read first");
    read(usize::try_from(28 - count).unwrap());
    lines.push(b"again here");
    read(2);
    let said: Vec<String> = all.iter().map(|line| line.chars().take(12).collect()).collect();
    assert_eq!(dropped.so_far(), count + 1);
    // The note is written as soon as all is, whether or not a line follows.
    assert!(said.contains(&format!("{} missing", count + 1)), "{said:?}");
    assert_eq!(said.last().unwrap(), "again here", "{said:?}");
}

#[test]
fn what_cannot_be_written_counts_as_dropped_and_is_said_once_it_can() {
    let (tell, told) = channel();
    let dropped = Dropped::default();
    let mut tries = 0;
    let write = move |line: &[u8]| {
        tries += 1;
        if tries <= 3 {
            return Err(io::Error::other("no"));
        }
        tell.send(String::from_utf8_lossy(line).into_owned()).map_err(io::Error::other)
    };
    let lines = Lines::new(write, |lines| format!("{lines} missing").into_bytes(), dropped.clone()).unwrap();
    // What is tried: a; that it is missing, with b behind it; that both are missing, with c behind it.
    for line in ["a", "b", "c", "d"] {
        lines.push(line.as_bytes());
        lines.wait_until_written();
    }
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["3 missing", "d"]);
    assert_eq!(dropped.so_far(), 3);
}

#[test]
fn the_end_waits_for_who_reads_and_not_for_who_does_not() {
    let (lines, _, let_through, told) = held_back();
    lines.push(b"a");
    lines.wait_until_written();
    assert_eq!(told.try_recv().ok(), None, "it gave up");
    lines.push(b"b");
    let reader = thread::spawn(move || {
        for _ in 0..2 {
            let_through.send(()).unwrap();
        }
        told.iter().take(2).collect::<Vec<_>>()
    });
    lines.wait_until_written();
    assert_eq!(reader.join().unwrap(), ["a", "b"]);
}

#[test]
fn a_gap_is_said_in_the_form_of_the_lines_around_it() {
    let text = |form| String::from_utf8(missing_line(form, 3)).unwrap();
    let say = "3 lines of the log are missing here: nobody read them in time, and posmoded did not wait for that \
               (posmoded_log_lines_dropped_total counts them).";
    assert_eq!(text(Form::TextWithoutTime), format!(" WARN {say}\n"));
    let (time, rest) = text(Form::Text).split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(rest, format!(" WARN {say}\n"));
    let told: serde_json::Value = serde_json::from_str(&text(Form::Json)).unwrap();
    assert_eq!(
        (&told["message"], &told["dropped"], &told["level"]),
        (&say.into(), &3.into(), &"WARN".into())
    );
    assert!(say_missing(1).starts_with("1 line of the log is missing here: "));
}

/// In a process of its own, for a panic is the whole process's.
#[test]
fn the_line_of_a_panic_is_there_at_the_end_and_waits_for_nobody() {
    if std::env::var_os(IN_A_CHILD).is_some() {
        let log = Log::buffered(Form::Text).unwrap();
        log.print("before\n");
        let panicked =
            thread::Builder::new().name("keeper".to_owned()).spawn(|| panic!("as a test does")).unwrap();
        assert!(panicked.join().is_err());
        return;
    }
    let name = "log::tests::the_line_of_a_panic_is_there_at_the_end_and_waits_for_nobody";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(IN_A_CHILD, "1").env("RUST_BACKTRACE", "0");
    let told = child.stdout(Stdio::null()).output().unwrap();
    let (said, expected) =
        (String::from_utf8_lossy(&told.stderr), "before\nthread 'keeper' panicked at src/log/tests.rs:");
    assert!(
        told.status.success() && said.contains(expected) && said.contains(":\nas a test does\n"),
        "{said}"
    );
    // The same where a pipe is full: it ends all the same.
    let (reader, mut writer) = io::pipe().unwrap();
    fill(&mut writer);
    assert!(child.stderr(writer).status().unwrap().success());
    drop::<PipeReader>(reader);
}

/// Until nothing more goes in.
fn fill(pipe: &mut io::PipeWriter) {
    rustix::io::ioctl_fionbio(&*pipe, true).unwrap();
    while pipe.write(&[b'-'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&*pipe, false).unwrap();
}

const IN_A_CHILD: &str = "POSMODED_TEST_IN_A_CHILD";
