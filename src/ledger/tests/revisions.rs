//! Revisions of several hosts in one ledger.

use super::*;
use crate::facts::Ancestry;

fn publication(host: &str, words: &str, commit: Option<&str>) -> Publication {
    let ancestry = commit.and_then(|_| Ancestry::read(&format!("2\n{}\n", "a".repeat(40))));
    let (sha256, commit) = (format!("sha of {words}"), commit.map(str::to_owned));
    Publication { sha256, commit, ancestry, host: host.to_owned(), bytes: words.as_bytes().to_vec() }
}

async fn newest(ledger: &Ledger) -> Revision {
    ledger.last_good().await.unwrap().unwrap()
}

#[tokio::test]
async fn of_two_hosts_that_publish_at_once_the_second_is_told_what_came_before_it() {
    for (ledger, dir) in each().await {
        let (ours, theirs) =
            (publication("trade-01", "one", None), publication("trade-02", "two", Some("c2")));
        let first = ledger.accept_revision(None, ours.clone()).await.unwrap();
        assert_eq!(first, Accepted::As(Generation(1)));
        // Both have read that nothing is in force, and both that the first is.
        let Accepted::OtherwiseInForce(Some(told)) =
            ledger.accept_revision(None, theirs.clone()).await.unwrap()
        else {
            panic!("it took the place of what it did not know");
        };
        assert_eq!(*told, newest(&ledger).await);
        assert_eq!((told.host.as_deref(), told.bytes.as_slice()), (Some("trade-01"), b"one".as_slice()));
        let second = ledger.accept_revision(Some(&told), theirs.clone()).await.unwrap();
        assert_eq!(second, Accepted::As(Generation(2)));
        let late = publication("trade-01", "three", None);
        let late = ledger.accept_revision(Some(&told), late).await.unwrap();
        assert!(matches!(late, Accepted::OtherwiseInForce(Some(_))), "{late:?}");
        // As after an answer that was lost: its own content is in force.
        let again = ledger.accept_revision(Some(&told), theirs).await.unwrap();
        assert!(matches!(again, Accepted::OtherwiseInForce(Some(told)) if told.bytes == b"two"));
        let ledger = restart(ledger, dir.as_ref()).await;
        let last = newest(&ledger).await;
        assert_eq!((last.generation, last.commit.as_deref()), (Generation(2), Some("c2")));
        assert!(last.ancestry.unwrap().names(&"a".repeat(40)));
        assert_eq!(kinds(&ledger), [EventKind::Revision; 2]);
    }
}

#[tokio::test]
async fn the_newest_commit_that_holds_the_content_in_force_is_remembered_and_no_other_is() {
    for (ledger, dir) in each().await {
        ledger.accept_revision(None, publication("trade-01", "one", Some("c1"))).await.unwrap();
        let first = newest(&ledger).await;
        assert_eq!(ledger.other_than(&first).await.unwrap(), None);
        let ancestry = Ancestry::read(&format!("3\n{}\n", "b".repeat(40)));
        assert!(ledger.moved_on(&first, "c2", ancestry.as_ref()).await.unwrap());
        let moved = ledger.other_than(&first).await.unwrap().unwrap();
        assert_eq!((moved.generation, moved.commit.as_deref()), (Generation(1), Some("c2")));
        assert_eq!(moved.ancestry, ancestry);
        // Somebody who has not heard of that.
        assert!(!ledger.moved_on(&first, "c0", None).await.unwrap());
        assert_eq!(newest(&ledger).await, moved);
        // Nor has it heard that what it is about to publish was taken back by a commit with the content of before.
        let taken_back = publication("trade-02", "two", Some("c1-2"));
        let late = ledger.accept_revision(Some(&first), taken_back).await.unwrap();
        assert_eq!(late, Accepted::OtherwiseInForce(Some(Box::new(moved.clone()))));
        assert_eq!(newest(&ledger).await, moved);
        ledger.accept_revision(Some(&moved), publication("trade-02", "two", Some("c3"))).await.unwrap();
        assert!(!ledger.moved_on(&moved, "c4", None).await.unwrap());
        let ledger = restart(ledger, dir.as_ref()).await;
        assert_eq!(ledger.other_than(&moved).await.unwrap(), Some(newest(&ledger).await));
        // A commit by each of its names, and content without one.
        for (sha256, commit, was) in [
            ("", Some("c1"), true),
            ("", Some("c2"), true),
            ("sha of one", Some("c3"), false),
            ("sha of one", Some("c4"), false),
            ("sha of one", None, true),
            ("sha of two", None, false),
        ] {
            assert_eq!(ledger.was_in_force(sha256, commit).await.unwrap(), was, "{sha256} {commit:?}");
        }
        assert_eq!(kinds(&ledger), [EventKind::Revision; 2]);
    }
}

#[tokio::test]
async fn a_revision_of_before_hosts_were_told_apart_goes_on_by_its_commit() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path()).await;
    accept(&ledger, "aa", b"one", Some("c1")).await.unwrap();
    drop(ledger);
    rusqlite::Connection::open(dir.path().join(DATABASE))
        .unwrap()
        .execute("UPDATE revisions SET head = NULL, host = NULL, ancestry = 'of a later format'", [])
        .unwrap();
    let ledger = open(dir.path()).await;
    let first = newest(&ledger).await;
    assert_eq!((&first.host, first.commit.as_deref(), &first.ancestry), (&None, Some("c1"), &None));
    assert_eq!(ledger.other_than(&first).await.unwrap(), None);
    assert!(ledger.moved_on(&first, "c2", None).await.unwrap());
    assert_eq!(newest(&ledger).await.commit.as_deref(), Some("c2"));
}
