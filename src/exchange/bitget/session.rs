//! The requests of one key: signed with the exchange's own time, sent within its limits, and answered or not.
//!
//! Each request is one attempt. What is requested, and what an answer means for an account, is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::answer::{Payload, Reply};
use super::client::{Bitget, Turn, unanswered};
use super::endpoint::Endpoint;
use super::http::{Request, Transport, TransportError};
use super::pace::LaneName;
use super::sign::{Trading, sign};
use super::wire::{Broken, Time, shape};
use crate::constants::PAGES;
use crate::exchange::credential::{Credential, Fingerprint};
use crate::facts::{AccountSettings, Answer, Class, Failure, Lag, ServerClock, SetAnswer};
use crate::moment::{ServerTime, spell};
use crate::position_mode::{AccountName, KeyId, Scope, Target, Uid};
use crate::schedule::Purpose;

/// One key, and the client that sends its requests.
pub(super) struct Session<T> {
    pub(super) client: Bitget<T>,
    account: AccountName,
    key: KeyId,
    credential: Credential,
    trading: Trading,
    /// Reads that were sent so far.
    sent: AtomicU64,
    /// The settings of a unified account as they were last read, apart from its mode.
    settings: Mutex<Option<AccountSettings>>,
    /// The UID that its settings named.
    owner: Mutex<Option<Uid>>,
    /// The calls that the mode is read with and whose last answer was older than its question.
    lags: Mutex<BTreeMap<Endpoint, Lag>>,
}

/// The right to send one set now: a permit of the setter's own limit, and a turn among all requests.
#[derive(Debug)]
#[must_use = "it is free again when dropped"]
pub struct SetPermit {
    turn: Turn,
    endpoint: Endpoint,
}

/// Who asks for a request, and what for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) scope: Scope,
    pub(super) purpose: Purpose,
}

impl Ask {
    /// For a request that one before it makes necessary. What can wait goes on as something that can wait.
    pub(super) fn goes_on(self) -> Ask {
        let purpose = match self.purpose {
            Purpose::ForAll | Purpose::Begun { .. } | Purpose::Begin { .. } => Purpose::Begun { to_go: 1 },
            Purpose::New | Purpose::Mode(_) | Purpose::Wait(_) => self.purpose,
        };
        Ask { purpose, ..self }
    }
}

/// A set ready to send: its endpoint, and its body as it is signed.
#[derive(Debug)]
pub(super) struct Setter {
    pub(super) endpoint: Endpoint,
    pub(super) body: serde_json::Result<String>,
}

/// A reply with its data parsed into the shape that it must have.
pub(super) struct Parsed<D> {
    pub(super) data: D,
    pub(super) reply: Reply,
    pub(super) server: ServerTime,
}

impl<T: Transport> Session<T> {
    pub(super) fn new(
        client: Bitget<T>,
        account: AccountName,
        credential: Credential,
        trading: Trading,
    ) -> Session<T> {
        let (key, sent) = (credential.key_id(), AtomicU64::new(0));
        let (settings, owner, lags) = (Mutex::default(), Mutex::default(), Mutex::default());
        Session { client, account, key, credential, trading, sent, settings, owner, lags }
    }

    pub(super) fn target(&self, scope: Scope) -> Target {
        Target { account: self.account.clone(), scope }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.credential.fingerprint()
    }

    pub(super) fn key_id(&self) -> &KeyId {
        &self.key
    }

    /// Records that the key belongs to this UID, whose limits it shares from now on.
    pub(super) fn belongs_to(&self, uid: &Uid) {
        self.client.shared.pace.lock().belongs(&self.key, uid);
    }

    /// Real money, or the exchange's demo trading.
    pub(super) fn trading(&self) -> Trading {
        self.trading
    }

    /// The settings as they were last read; `None` before that, and of a classic account.
    pub(super) fn settings(&self) -> Option<AccountSettings> {
        self.settings.lock().clone()
    }

    /// Whether a word of the exchange may be shown: nothing of the credential is in it.
    pub(super) fn may_show(&self, word: &str) -> bool {
        self.credential.redact(word) == word
    }

    /// Keeps what the settings said.
    pub(super) fn remember(&self, settings: Option<AccountSettings>) {
        *self.settings.lock() = settings;
    }

    /// Whether settings with this UID are this account's, as far as earlier ones tell: the first UID that they name is
    /// the account's, and from then on they name it every time.
    pub(super) fn owns(&self, named: Option<&Uid>) -> bool {
        let mut owner = self.owner.lock();
        if owner.is_none() {
            *owner = named.cloned();
        }
        owner.as_ref() == named
    }

    /// Two calls agree that the account is this one, whatever its settings named before.
    pub(super) fn belongs_after_all_to(&self, uid: &Uid) {
        *self.owner.lock() = Some(uid.clone());
    }

    pub(super) fn queued_for(&self) -> Option<Duration> {
        self.client.queued_for()
    }

    /// How many reads were sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Reads the exchange's time, unsigned. Accounts that want it at once share one request.
    pub(super) async fn time(&self) -> Result<Answer<()>, Failure> {
        let came = self.client.now();
        let mut last = self.client.shared.asking_for_time.lock().await;
        if let Some((at, answer)) = &*last
            && *at > came
        {
            return answer.clone();
        }
        let answer = self.ask_time().await;
        *last = Some((self.client.now(), answer.clone()));
        answer
    }

    async fn ask_time(&self) -> Result<Answer<()>, Failure> {
        let parsed: Parsed<Time> = Parsed::of(self.ask_public(Endpoint::Time, String::new()).await?)?;
        parsed.data.server_time().map_err(|broken| parsed.reply.broken(&broken))?;
        Ok(parsed.answer(()))
    }

    /// Sends a read, signed with the exchange's own time.
    pub(super) async fn ask(
        &self,
        endpoint: Endpoint,
        query: String,
        Ask { scope, purpose }: Ask,
    ) -> Result<Reply, Failure> {
        self.client.server_now()?;
        let caller = Some(self.target(scope));
        let turn = self.client.turn(caller, self.lane(endpoint), purpose).await?;
        let stamp = self.client.server_now()?;
        let mut request = Request::get(endpoint.path(), sorted(&query));
        sign(&mut request, &self.credential, self.trading, stamp);
        let now = self.client.now();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let sent = self.client.send(endpoint, request, turn, now, Some(&self.credential)).await;
        let reply = sent.map_err(|error| unanswered(endpoint, &error))?;
        Ok(self.unless_it_lags(reply))
    }

    /// Takes the mode from a machine whose clock is behind the others': its answers are no old ones. Those to other calls
    /// stay old, as there is no harm in asking for a list again.
    fn unless_it_lags(&self, reply: Reply) -> Reply {
        if !matches!(reply.endpoint, Endpoint::Account | Endpoint::Settings) {
            return reply;
        }
        let Some(server) = reply.envelope.as_ref().ok().and_then(|envelope| envelope.server) else {
            return reply;
        };
        let mut lags = self.lags.lock();
        let before = lags.remove(&reply.endpoint);
        let Some(by) = reply.older else { return reply };
        let reading = ServerClock::measured(reply.asked, reply.answered, server);
        let lag = Lag::after(before, reply.asked, reading, by);
        lags.insert(reply.endpoint, lag);
        Reply { older: reply.older.filter(|_| !lag.is_steady), ..reply }
    }

    /// What contradicts the exchange's clock, as long as it does: no set is signed meanwhile.
    pub(super) fn clock_contradicted(&self) -> Option<String> {
        let behind = self.lags.lock().iter().find(|(_, lag)| lag.is_steady).map(|(endpoint, lag)| {
            format!(
                "What answers the call {endpoint} at Bitget has a clock of its own, {} behind Bitget's, and goes on with it. The \
                 mode is looked at as usual; no change is signed until its answers are in time again.",
                spell(lag.by + Duration::from_millis(500))
            )
        });
        behind.or_else(|| self.client.unconfirmed_jump())
    }

    /// Sends a public read, unsigned.
    pub(super) async fn ask_public(&self, endpoint: Endpoint, query: String) -> Result<Reply, Failure> {
        let turn = self.client.turn(None, LaneName::Public(endpoint), Purpose::ForAll).await?;
        let request = Request::get(endpoint.path(), sorted(&query));
        self.sent.fetch_add(1, Ordering::Relaxed);
        let sent = self.client.send(endpoint, request, turn, self.client.now(), None).await;
        sent.map_err(|error| unanswered(endpoint, &error))
    }

    /// Reads a list page by page up to `PAGES`; the answer spans the first request to the last answer. `take` consumes a page
    /// and returns how many rows it had, and what to add to the query for the page that may come next.
    pub(super) async fn read<D: DeserializeOwned + Send>(
        &self,
        endpoint: Endpoint,
        list: String,
        ask: Ask,
        mut take: impl FnMut(D) -> Result<(usize, Option<String>), Broken> + Send,
    ) -> Result<Answer<()>, Failure> {
        let mut whole: Option<Answer<()>> = None;
        let mut query = list.clone();
        let mut followed = BTreeSet::new();
        let mut found = false;
        for page in 1..=PAGES {
            let ask = if whole.is_some() { ask.goes_on() } else { ask };
            let Parsed { data, reply, server } = Parsed::of(self.ask(endpoint, query, ask).await?)?;
            let (rows, next) = take(data).map_err(|broken| reply.broken(&broken))?;
            let began = whole.map_or(reply.asked, |whole| whole.asked);
            whole = Some(Answer { value: (), asked: began, answered: reply.answered, server });
            // Where rows were found, an empty page is the end, whatever it names: nothing could come that matters.
            let Some(next) = next.filter(|_| rows > 0 || !found) else { break };
            found |= rows > 0;
            if page == PAGES && !found {
                return Err(reply.broken(&Broken("a list of empty pages that goes on and on".to_owned())));
            }
            query = format!("{list}&{next}");
            if !followed.insert(next) {
                return Err(reply.broken(&Broken("a page that leads back to one before it".to_owned())));
            }
        }
        whole.ok_or_else(|| our_fault("no list was asked for"))
    }

    /// Waits for the right to send one set to this endpoint.
    pub(super) async fn permit(&self, endpoint: Endpoint, scope: Scope) -> Result<SetPermit, Failure> {
        let purpose = Purpose::Begun { to_go: 2 };
        let turn = self.client.turn(Some(self.target(scope)), self.lane(endpoint), purpose).await?;
        Ok(SetPermit { turn, endpoint })
    }

    /// Sends a set, signed for `stamp`. The only place that writes to the exchange.
    pub(super) async fn send_set(
        &self,
        Setter { endpoint, body }: Setter,
        stamp: ServerTime,
        SetPermit { turn, endpoint: permitted }: SetPermit,
    ) -> (SetAnswer, Option<Answer<()>>) {
        let lane = self.lane(endpoint);
        if let Some(until) = self.client.stopped_until(&lane) {
            return (SetAnswer::NotSent(self.client.busy(&lane, until)), None);
        }
        let body = match body {
            Ok(body) if endpoint == permitted => body,
            Ok(_) => {
                let other = our_fault("a set was asked with the permit of another; nothing was sent");
                return (SetAnswer::NotSent(other), None);
            }
            Err(_) => {
                return (SetAnswer::NotSent(our_fault("a set cannot be written; nothing was sent")), None);
            }
        };
        let mut request = Request::post(endpoint.path(), body);
        sign(&mut request, &self.credential, self.trading, stamp);
        let now = self.client.now();
        let stamped = self.client.server_clock().map_or(now, |clock| clock.moment(stamp));
        match self.client.send(endpoint, request, turn, stamped, Some(&self.credential)).await {
            Ok(reply) => {
                let answer = reply.server().map(|server| Answer {
                    value: (),
                    asked: reply.asked,
                    answered: reply.answered,
                    server,
                });
                (reply.set(), answer)
            }
            Err(error) => {
                let failure = unanswered(endpoint, &error);
                let answer = match error {
                    TransportError::NotSent(_) => SetAnswer::NotSent(failure),
                    TransportError::Unanswered(_) => SetAnswer::Unclear(failure),
                };
                (answer, None)
            }
        }
    }

    fn lane(&self, endpoint: Endpoint) -> LaneName {
        LaneName::Account(self.key.clone(), endpoint)
    }
}

impl<T> Drop for Session<T> {
    fn drop(&mut self) {
        self.client.gone(&self.account);
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Session {
            client: _,
            account: _,
            key: _,
            credential,
            trading,
            sent: _,
            settings: _,
            owner: _,
            lags: _,
        } = self;
        out.debug_struct("Session")
            .field("credential", credential)
            .field("trading", trading)
            .finish_non_exhaustive()
    }
}

impl<D> Parsed<D> {
    pub(super) fn of(reply: Reply) -> Result<Parsed<D>, Failure>
    where
        D: DeserializeOwned,
    {
        let Payload { server, data } = reply.look()?;
        let data = shape(data).map_err(|broken| reply.broken(&broken))?;
        Ok(Parsed { data, reply, server })
    }

    pub(super) fn answer<V>(&self, value: V) -> Answer<V> {
        Answer { value, asked: self.reply.asked, answered: self.reply.answered, server: self.server }
    }
}

/// A fault of the program: nothing was sent.
pub(super) fn our_fault(say: &str) -> Failure {
    Failure { class: Class::OurFault, code: None, say: say.to_owned() }
}

/// Sorted by name, as every client in daily use signs its queries.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}
