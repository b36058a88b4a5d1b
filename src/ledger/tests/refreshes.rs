//! Requests for looks: what the daemon reads, and when they are answered.

use super::*;
use crate::ledger::{CommandAnswer, RefreshRequest};

#[tokio::test]
async fn a_request_for_looks_is_acknowledged_at_once_and_stays_open_until_they_are_reported_done() {
    for (ledger, dir) in each().await {
        let visitor = ledger.visitor().unwrap();
        // A set that may be under way is no reason to wait.
        let (_noted, _) = noted(note(&ledger, "desk-a", Cause::New, 0).await);
        let RefreshRequest { taken, looked } = visitor.refresh(&[name("desk-a"), name("desk-b")]).unwrap();
        let all = visitor.refresh(&[]).unwrap();
        let pause = visitor.pause(&[], "lunch", None).unwrap();
        ledger.notice().await.unwrap();
        let answer = |request| ledger.visitor().unwrap().answer(&request).unwrap();
        assert_eq!(answer(taken), Some(CommandAnswer::Acknowledged));
        assert_eq!((answer(looked), answer(all.looked), answer(pause)), (None, None, None));
        let open = ledger.directives().borrow().refreshes.clone();
        let open: Vec<_> = open.into_iter().collect();
        assert_eq!(open[0], (looked.id(), vec![name("desk-a"), name("desk-b")]));
        assert_eq!(open[1], (all.looked.id(), Vec::new()));
        ledger.record_looked(looked.id()).await.unwrap();
        assert_eq!(answer(looked), Some(CommandAnswer::Acknowledged));
        // The next process takes the rest over.
        let ledger = restart(ledger, dir.as_ref()).await;
        ledger.notice().await.unwrap();
        let answer = |request| ledger.visitor().unwrap().answer(&request).unwrap();
        assert_eq!(ledger.directives().borrow().refreshes.keys().collect::<Vec<_>>(), [&all.looked.id()]);
        assert_eq!((answer(all.looked), answer(pause)), (None, Some(CommandAnswer::Acknowledged)));
        ledger.refuse(all.looked.id(), "Nobody.").await.unwrap();
        assert_eq!(answer(all.looked), Some(CommandAnswer::Refused("Nobody.".to_owned())));
        assert!(ledger.directives().borrow().refreshes.is_empty());
    }
}
