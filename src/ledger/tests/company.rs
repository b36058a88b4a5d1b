//! Several hosts on one ledger in memory, as the simulation has them: as a server would tell them.

use super::*;

struct Hosts {
    clock: Clock,
    company: Company,
    one: Ledger,
    other: Ledger,
}

impl Hosts {
    fn new() -> Hosts {
        let clock = clock();
        let company = Company::new(clock.clone());
        let ledger = Ledger::in_memory(clock.clone()).unwrap();
        let host = |name| ledger.among(&company, name, clock.clone()).unwrap();
        let (one, other) = (host("trade-01"), host("trade-02"));
        Hosts { clock, company, one, other }
    }

    async fn pass(&self, span: Duration) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }

    async fn others(&self) -> Vec<String> {
        self.one.notice().await.unwrap();
        self.one.directives().borrow().others.iter().cloned().collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_lives_until_it_leaves_or_was_silent_for_as_long_as_a_server_lets_it() {
    let hosts = Hosts::new();
    assert_eq!(hosts.others().await, ["trade-02"]);
    hosts.pass(Duration::from_secs(SILENCE - 1)).await;
    assert_eq!(hosts.others().await, ["trade-02"]);
    hosts.pass(Duration::from_secs(1)).await;
    assert_eq!(hosts.others().await, [] as [String; 0]);
    hosts.other.notice().await.unwrap();
    assert_eq!(hosts.others().await, ["trade-02"]);
    hosts.other.leave().await;
    assert_eq!(hosts.others().await, [] as [String; 0]);
    assert!(hosts.one.is_shared() && !hosts.one.is_alone());
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_done_and_one_of_who_is_cut_off_is_not() {
    let hosts = Hosts::new();
    hosts.company.reaches("trade-01", Reach::EndsInACommit);
    let add = |text| hosts.one.event(Event::new(EventKind::Started, text));
    let error = add("lost").await.unwrap_err();
    assert!(matches!(error, LedgerError::Unknown { .. }), "{error}");
    let error = add("never").await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error}");
    let error = hosts.one.notice().await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error}");
    hosts.other.event(Event::new(EventKind::Started, "of the other")).await.unwrap();
    hosts.company.reaches("trade-01", Reach::Answers);
    add("again").await.unwrap();
    let texts: Vec<String> = all(&hosts.one).into_iter().map(|event| event.text).collect();
    assert_eq!(texts, ["lost", "of the other", "again"]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_starts_again_takes_its_own_sets_for_unclear_and_leaves_those_of_others_alone() {
    let hosts = Hosts::new();
    accept(&hosts.one, "1", b"", None).await.unwrap();
    for (ledger, words) in [(&hosts.one, "desk-a"), (&hosts.other, "desk-b")] {
        register_target(ledger, words, 1).await;
        noted(note(ledger, words, Cause::Pending, 1).await);
    }
    let again = hosts.one.restarted(hosts.clock.clone()).unwrap();
    let stages: Vec<Stage> =
        again.visitor().unwrap().intents().unwrap().into_iter().map(|intent| intent.stage).collect();
    assert_eq!(stages, [Stage::Unclear, Stage::Noted]);
}
