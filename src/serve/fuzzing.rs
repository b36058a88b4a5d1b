//! What holds of every request to the status address, and of every query of the history.

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixture::{BEGAN, view};
use super::{history, http};
use crate::ledger::HistoryFilter;

/// What a client sends before it falls silent: it is answered once or not at all, only a read is answered with
/// anything, and no answer without what restricts browsers.
pub fn request(bytes: &[u8]) {
    let answer = answered(bytes);
    if answer.is_empty() {
        return;
    }
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map(|end| answer.split_at(end + 4));
    let Some((head, body)) = head else { panic!("an answer without a head") };
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.get("http/1.1 ".len()..).and_then(|rest| rest.get(..3)).unwrap_or_default();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let is_head = bytes.trim_ascii_start().starts_with(b"HEAD ");
    let length = if is_head { Some("0") } else { length };
    assert_eq!(length, Some(body.len().to_string().as_str()), "{head}");
    match status {
        "200" => assert!(is_head || bytes.trim_ascii_start().starts_with(b"GET "), "{head}"),
        "400" | "404" | "405" | "421" | "503" => {}
        // hyper's own, before anything of ours sees the request.
        "414" | "431" => return,
        _ => panic!("{head}"),
    }
    // A 400 without a body is hyper's.
    if status != "400" || !body.is_empty() {
        assert!(head.contains("\r\ncontent-security-policy: default-src 'none'"), "{head}");
        assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
    }
    assert!(!head.contains("\r\naccess-control-"), "{head}");
}

/// What a query asks for, if it is understood; then the same is understood from how it is written anew.
pub fn history(query: &str) -> Option<HistoryFilter> {
    let filter = match history::parse(query, BEGAN) {
        Ok(filter) => filter,
        Err(refused) => {
            assert!(!refused.to_string().contains(char::is_control), "{refused}");
            return None;
        }
    };
    let HistoryFilter { accounts, since_wall, until_wall, limit } = &filter;
    assert!((1..=1000).contains(limit));
    let accounts = accounts.iter().map(|account| format!("account={account}&"));
    let since = since_wall.map(Timestamp::from_millisecond).transpose();
    let until = until_wall.map(Timestamp::from_millisecond).transpose();
    // What is out of the calendar cannot be written.
    if let (Ok(since), Ok(until)) = (since, until) {
        let since = since.map(|since| format!("since={since}&")).unwrap_or_default();
        let until = until.map(|until| format!("until={until}&")).unwrap_or_default();
        let written = format!("{}{since}{until}limit={limit}", accounts.collect::<String>());
        assert_eq!(history::parse(&written, BEGAN), Ok(filter.clone()), "{written}");
    }
    Some(filter)
}

fn answered(bytes: &[u8]) -> Vec<u8> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let (mut read, mut write) = tokio::io::split(ours);
    let mut answer = Vec::new();
    let talk = async {
        let serving = http::answer(theirs, view().0);
        let sending = async {
            // Whoever is refused early does not read the rest.
            let _ = write.write_all(bytes).await;
            let _ = write.shutdown().await;
        };
        let ((), (), read) = tokio::join!(serving, sending, read.read_to_end(&mut answer));
        assert!(read.is_ok());
    };
    RUNTIME.with(|runtime| runtime.block_on(talk));
    answer
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
}

/// More than a request or an answer has.
const PIPE: usize = 1024 * 1024;
