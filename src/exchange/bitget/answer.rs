//! What an answer means: for a look, its data or a failure; for a set, accepted, refused for good, or unclear.
//!
//! Pure. Decides by the status first, then by the code, never by the message beside it.
//!
//! An answer is as old as its own time says: one from before its question may be another's, so a look that gets it
//! fails, and a refusal in it settles no set.

use std::time::Duration;

use serde_json::Value;

use super::codes;
use super::endpoint::Endpoint;
use super::pace::Word;
use super::requests::Outcome;
use super::wire::{Broken, Envelope};
use crate::constants::MESSAGE_SHOWN;
use crate::exchange::credential::Credential;
use crate::facts::{Class, Failure, SetAnswer};
use crate::moment::{Moment, ServerTime, spell};

/// A whole answer to one request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) endpoint: Endpoint,
    pub(super) asked: Moment,
    pub(super) answered: Moment,
    pub(super) status: u16,
    pub(super) remaining: Option<u32>,
    pub(super) envelope: Result<Envelope, Broken>,
    /// How much older than its question it is by its own time, if that is certain.
    pub(super) older: Option<Duration>,
    pub(super) body: Body,
    /// Text to add where the operator must replace the key.
    pub(super) key_hint: &'static str,
}

/// What is told of a body that is no envelope, and what must not be told of a message in one.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: usize,
    /// Its media type, if it is a well-known one.
    pub(super) media: Option<&'static str>,
    pub(super) credential: Option<Credential>,
}

/// The time and data of a successful look.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Payload {
    pub(super) server: ServerTime,
    pub(super) data: Value,
}

/// The class of an HTTP status.
enum StatusClass {
    /// 2xx
    Good,
    /// 4xx other than 429: the exchange refuses by code.
    Refusal,
    TooMany,
    /// 5xx, 3xx and any other.
    Unwell,
}

impl Reply {
    /// Interprets the reply to a look.
    pub(super) fn look(&self) -> Result<Payload, Failure> {
        let envelope = match (self.kind_of_status(), &self.envelope) {
            (StatusClass::TooMany, _) => return Err(self.too_many()),
            (StatusClass::Unwell, _) => return Err(self.unwell()),
            (StatusClass::Good | StatusClass::Refusal, Err(broken)) => return Err(self.broken(broken)),
            (StatusClass::Refusal, Ok(envelope)) if envelope.code == codes::DONE => return Err(self.unwell()),
            (StatusClass::Good | StatusClass::Refusal, Ok(envelope)) => envelope,
        };
        if envelope.code != codes::DONE {
            return Err(self.refused_in_time(&envelope.code).unwrap_or_else(|stale| stale));
        }
        match envelope {
            Envelope { server: Some(server), data: Some(data), code: _, said: _ } => match self.older {
                Some(by) => Err(self.stale(by)),
                None => Ok(Payload { server: *server, data: data.clone() }),
            },
            Envelope { server: None, .. } => Err(self.broken(&Broken("no requestTime".to_owned()))),
            Envelope { data: None, .. } => Err(self.broken(&Broken("no data".to_owned()))),
        }
    }

    /// Interprets the reply to a set. The outcome is definite only where the exchange's answer is unambiguous.
    pub(super) fn set(&self) -> SetAnswer {
        match (self.kind_of_status(), &self.envelope) {
            // One that is repeated says nothing of this set.
            (StatusClass::TooMany, _) => match self.older {
                Some(by) => SetAnswer::Unclear(Failure { class: Class::TryAgain, ..self.stale(by) }),
                None => SetAnswer::Refused(self.too_many()),
            },
            // Whoever's success it is: a read has to confirm it.
            (StatusClass::Good, Ok(Envelope { code, server: Some(_), .. })) if code == codes::DONE => {
                SetAnswer::Accepted
            }
            (StatusClass::Good | StatusClass::Refusal, Ok(Envelope { code, server: Some(_), .. }))
                if self.may_refuse_for_good() && codes::class(code).row().definite =>
            {
                match self.refused_in_time(code) {
                    Ok(refusal) => SetAnswer::Refused(refusal),
                    Err(stale) => SetAnswer::Unclear(Failure { class: Class::TryAgain, ..stale }),
                }
            }
            (StatusClass::Good | StatusClass::Refusal, Err(broken)) => {
                SetAnswer::Unclear(self.broken(broken))
            }
            (StatusClass::Good | StatusClass::Refusal, Ok(envelope)) if envelope.code != codes::DONE => {
                SetAnswer::Unclear(self.indefinite(&envelope.code))
            }
            (StatusClass::Unwell, _) | (StatusClass::Good | StatusClass::Refusal, Ok(_)) => {
                SetAnswer::Unclear(self.unwell())
            }
        }
    }

    /// The exchange's code, if there was one.
    pub(super) fn code(&self) -> Option<&str> {
        self.envelope.as_ref().ok().map(|envelope| envelope.code.as_str())
    }

    /// The exchange's time, if the answer carries it and is not older than its question.
    pub(super) fn server(&self) -> Option<ServerTime> {
        let server = self.envelope.as_ref().ok().and_then(|envelope| envelope.server);
        server.filter(|_| self.older.is_none())
    }

    /// What the reply means for the limits.
    pub(super) fn word(&self) -> Word {
        match self.outcome() {
            Outcome::RateLimited => Word::TooMany,
            Outcome::Ok | Outcome::Refused | Outcome::Broken | Outcome::Unanswered | Outcome::NotSent => {
                Word::Served { remaining: self.remaining }
            }
        }
    }

    /// The outcome that the metrics count.
    pub(super) fn outcome(&self) -> Outcome {
        match (self.kind_of_status(), self.code()) {
            (StatusClass::TooMany, _) => Outcome::RateLimited,
            (StatusClass::Unwell, _) | (_, None) => Outcome::Broken,
            (StatusClass::Good, Some(codes::DONE)) => Outcome::Ok,
            (StatusClass::Good | StatusClass::Refusal, Some(code))
                if codes::class(code) == Class::RateLimited =>
            {
                Outcome::RateLimited
            }
            (StatusClass::Good | StatusClass::Refusal, Some(_)) => Outcome::Refused,
        }
    }

    /// The failure for a malformed answer.
    pub(super) fn broken(&self, broken: &Broken) -> Failure {
        let hint = match self.status {
            403 => "; Bitget or something on the way to it may block this host's address",
            404 => "; check --base-url",
            _ => "",
        };
        self.failure(Class::TryAgain, None, &format!("{broken} (HTTP {}){hint}", self.status), Show::Answer)
    }

    /// The failure for an answer that was written before its question was asked.
    fn stale(&self, by: Duration) -> Failure {
        // To the nearest second: when exactly it was written is not known.
        let by = spell(by + Duration::from_millis(500));
        let what = format!(
            "an answer that is {by} older than its question by Bitget's own clock, so it is not believed; if that stays so, \
             something on the way repeats old answers, or what answers this call has a clock of its own, {by} behind"
        );
        self.failure(Class::Stale, None, &what, Show::Nothing)
    }

    fn too_many(&self) -> Failure {
        self.failure(
            Class::RateLimited,
            self.code(),
            "too many requests (HTTP 429): the account's limit for it is used up, which its strategies share, and it rests",
            Show::Nothing,
        )
    }

    fn unwell(&self) -> Failure {
        let what = match self.status {
            300..=399 => {
                format!("HTTP {}, a redirect, which is never followed; check --base-url", self.status)
            }
            _ => format!("HTTP {}", self.status),
        };
        self.failure(Class::TryAgain, self.code(), &what, Show::Answer)
    }

    fn refusal(&self, code: &str) -> Failure {
        let class = codes::class(code);
        let show = if class.row().quotes_answer { Show::Answer } else { Show::Nothing };
        let hint = if class == Class::Credential { self.key_hint } else { "" };
        let what = format!("{code}, {}{hint}", codes::sentence(code, self.endpoint));
        self.failure(class, Some(code), &what, show)
    }

    /// The failure for a refusal; the error is that for one that is older than its question. A refusal of the timestamp
    /// says itself that the clocks are apart.
    fn refused_in_time(&self, code: &str) -> Result<Failure, Failure> {
        match self.older {
            Some(by) if codes::class(code) != Class::Clock => Err(self.stale(by)),
            Some(_) | None => Ok(self.refusal(code)),
        }
    }

    /// A refusal of a set that may have taken effect all the same, whatever its code would mean elsewhere.
    fn indefinite(&self, code: &str) -> Failure {
        let failure = self.refusal(code);
        let class = if failure.class == Class::UnknownCode { Class::UnknownCode } else { Class::TryAgain };
        Failure { class, ..failure }
    }

    fn failure(&self, class: Class, code: Option<&str>, what: &str, show: Show) -> Failure {
        let answer = match show {
            Show::Answer => self.told(),
            Show::Nothing => String::new(),
        };
        let say = format!("Bitget answered the call {}: {what}{answer}", self.endpoint);
        Failure { class, code: code.map(str::to_owned), say }
    }

    /// What an operator is shown of the answer: of an envelope its code and its message, of anything else how much it
    /// is.
    fn told(&self) -> String {
        let Body { bytes, media, credential } = &self.body;
        match &self.envelope {
            Ok(Envelope { code, said, .. }) => {
                let said = said.as_ref().map(|said| cleaned(&said.0, credential.as_ref()));
                match said.filter(|said| !said.is_empty()) {
                    Some(said) => format!(". The answer: code {code}, \"{said}\""),
                    None => format!(". The answer: code {code}, without a message"),
                }
            }
            Err(_) if *bytes == 0 => String::new(),
            Err(_) => {
                let of = media.map(|media| format!(" of {media}")).unwrap_or_default();
                format!(". The answer: {bytes} bytes{of}")
            }
        }
    }

    fn kind_of_status(&self) -> StatusClass {
        match self.status {
            200..=299 => StatusClass::Good,
            429 => StatusClass::TooMany,
            400..=499 => StatusClass::Refusal,
            _ => StatusClass::Unwell,
        }
    }

    fn may_refuse_for_good(&self) -> bool {
        matches!(self.status, 200 | 400..=402 | 404..=499)
    }
}

#[derive(Clone, Copy)]
enum Show {
    Answer,
    Nothing,
}

/// A message of the exchange as an operator may see it: one line of printable letters, none of the key's secrets,
/// nothing so long in one piece that it could be one in another spelling, and not too much of it.
pub(super) fn cleaned(said: &str, credential: Option<&Credential>) -> String {
    let printable: String = said
        .chars()
        .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
        .filter(|letter| is_printable(*letter))
        .collect();
    let text = credential.map_or_else(|| printable.clone(), |credential| credential.redact(&printable));
    let text = without_runs(text.trim());
    match text.char_indices().nth(MESSAGE_SHOWN) {
        None => text,
        Some(_) => text.chars().take(MESSAGE_SHOWN - CUT.len()).chain(CUT.chars()).collect(),
    }
}

/// The text with each run of letters, digits and what else base64 is written with replaced that could hold a secret.
fn without_runs(text: &str) -> String {
    let is_of_a_run = |letter: char| letter.is_alphanumeric() || "+/=_-".contains(letter);
    let mut clean = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let end = rest.find(|other| is_of_a_run(other) != is_of_a_run(letter)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let is_long = is_of_a_run(letter) && part.chars().count() >= RUN;
        clean.push_str(if is_long { "[...]" } else { part });
        rest = after;
    }
    clean
}

/// Neither a control character nor one that is invisible or turns the line round: what a debugger would escape.
fn is_printable(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '\\') || letter.escape_debug().len() == 1
}

/// No shorter run is taken for a secret: words are seldom longer.
pub(super) const RUN: usize = 16;
const CUT: &str = " [cut]";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::exchange::credential::KeptBy;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            endpoint: Endpoint::SetPositionMode,
            asked: Moment(0),
            answered: Moment(50),
            status,
            remaining: None,
            envelope: Envelope::parse(body.as_bytes()),
            older: None,
            body: Body { bytes: body.len(), media: None, credential: None },
            key_hint: "",
        }
    }

    #[test]
    fn where_systemd_keeps_the_key_a_refusal_of_it_says_that_a_restart_is_needed() {
        let systemd = Reply { key_hint: KeptBy::Systemd.hint(), ..reply(400, &envelope("40037")) };
        let told = systemd.look().unwrap_err().say;
        assert!(
            told.ends_with(
                "; systemd copied the file when the service started, so restart posmoded after changing it"
            ),
            "{told}"
        );
        let other = Reply { key_hint: KeptBy::Systemd.hint(), ..reply(400, &envelope("40920")) };
        assert!(!other.look().unwrap_err().say.contains("systemd"));
    }

    fn envelope(code: &str) -> String {
        format!(r#"{{"code":"{code}","msg":"whatever","requestTime":1700000000000,"data":{{}}}}"#)
    }

    #[test]
    fn f31_an_outcome_is_definite_only_where_the_exchange_was_clear() {
        let untimed = r#"{"code":"40920","msg":"","data":null}"#.to_owned();
        let bodies = [
            ("done", envelope("00000")),
            ("not flat", envelope("40920")),
            ("lead", envelope("40731")),
            ("try again", envelope("40725")),
            ("too many", envelope("25004")),
            ("unknown", envelope("12345")),
            ("no requestTime", untimed),
            ("half", envelope("00000").split_at(30).0.to_owned()),
            ("html", "<html>no</html>".to_owned()),
            ("empty", String::new()),
        ];
        let mut told = format!("{:14}", "");
        let statuses = [200, 201, 302, 400, 401, 403, 404, 429, 500, 503];
        for status in statuses {
            write!(told, "{status:>9}").unwrap();
        }
        for (name, body) in &bodies {
            write!(told, "\n{name:14}").unwrap();
            for status in statuses {
                let word = match reply(status, body).set() {
                    SetAnswer::Accepted => "accepted",
                    SetAnswer::Refused(_) => "refused",
                    SetAnswer::NotSent(_) => panic!("an answer is the proof that it was sent"),
                    SetAnswer::Unclear(_) => "unclear",
                };
                write!(told, "{word:>9}").unwrap();
            }
        }
        expect_test::expect![[r"
                                200      201      302      400      401      403      404      429      500      503
            done           accepted accepted  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear
            not flat        refused  unclear  unclear  refused  refused  unclear  refused  refused  unclear  unclear
            lead            refused  unclear  unclear  refused  refused  unclear  refused  refused  unclear  unclear
            try again       unclear  unclear  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear
            too many        refused  unclear  unclear  refused  refused  unclear  refused  refused  unclear  unclear
            unknown         unclear  unclear  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear
            no requestTime  unclear  unclear  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear
            half            unclear  unclear  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear
            html            unclear  unclear  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear
            empty           unclear  unclear  unclear  unclear  unclear  unclear  unclear  refused  unclear  unclear"]]
        .assert_eq(&told);
    }

    #[test]
    fn f34_a_look_brings_data_or_says_in_one_sentence_what_is_wrong() {
        let no_data = r#"{"code":"00000","requestTime":1700000000000,"data":null}"#;
        let no_time = r#"{"code":"00000","data":{}}"#;
        let cases = [
            (200, envelope("00000")),
            (200, no_data.to_owned()),
            (200, no_time.to_owned()),
            (200, String::new()),
            (200, envelope("00000").split_at(30).0.to_owned()),
            (400, envelope("00000")),
            (200, envelope("40731")),
            (400, envelope("40085")),
            (400, envelope("40014")),
            (403, envelope("40018")),
            (403, "<html>\n<b>Forbidden\u{1b}[31m</b></html>".to_owned()),
            (404, "not here".to_owned()),
            (302, String::new()),
            (502, "<html>bad gateway</html>".to_owned()),
            (500, envelope("40014")),
            (429, "slow down".to_owned()),
            (400, envelope("30007")),
            (400, envelope("40034")),
            (400, envelope("12345")),
            (400, envelope("40008")),
        ];
        let mut told = String::new();
        for (status, body) in cases {
            match reply(status, &body).look() {
                Ok(brought) => writeln!(told, "{status} ok {}", brought.data).unwrap(),
                Err(Failure { class, code, say }) => {
                    writeln!(told, "{status} {class:?} {}: {say}", code.unwrap_or_default()).unwrap();
                }
            }
        }
        expect_test::expect![[r#"
            200 ok {}
            200 TryAgain : Bitget answered the call set-position-mode: no data (HTTP 200). The answer: code 00000, without a message
            200 TryAgain : Bitget answered the call set-position-mode: no requestTime (HTTP 200). The answer: code 00000, without a message
            200 TryAgain : Bitget answered the call set-position-mode: an empty body (HTTP 200)
            200 TryAgain : Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 200). The answer: 30 bytes
            400 TryAgain 00000: Bitget answered the call set-position-mode: HTTP 400. The answer: code 00000, "whatever"
            200 LeadsCopies 40731: Bitget answered the call set-position-mode: 40731, the account leads copy trading, which locks its position mode
            400 WrongKind 40085: Bitget answered the call set-position-mode: 40085, the account is a unified one; its kind is looked at again
            400 Denied 40014: Bitget answered the call set-position-mode: 40014, the key lacks a right: allow it "futures, read and write" at Bitget
            403 Denied 40018: Bitget answered the call set-position-mode: 40018, this host's address is not on the key's IP whitelist: add it there at Bitget, or use a key made for this host
            403 TryAgain : Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 403); Bitget or something on the way to it may block this host's address. The answer: 35 bytes
            404 TryAgain : Bitget answered the call set-position-mode: a body that is no complete answer (HTTP 404); check --base-url. The answer: 8 bytes
            302 TryAgain : Bitget answered the call set-position-mode: HTTP 302, a redirect, which is never followed; check --base-url
            502 TryAgain : Bitget answered the call set-position-mode: HTTP 502. The answer: 24 bytes
            500 TryAgain 40014: Bitget answered the call set-position-mode: HTTP 500. The answer: code 40014, "whatever"
            429 RateLimited : Bitget answered the call set-position-mode: too many requests (HTTP 429): the account's limit for it is used up, which its strategies share, and it rests
            400 RateLimited 30007: Bitget answered the call set-position-mode: 30007, too many requests: the account's limit for it is used up, which its strategies share, and it rests
            400 OurFault 40034: Bitget answered the call set-position-mode: 40034, Bitget does not accept the request as posmoded writes it: check --base-url, and look for a newer version. The answer: code 40034, "whatever"
            400 UnknownCode 12345: Bitget answered the call set-position-mode: 12345, a code that this version does not know. The answer: code 12345, "whatever"
            400 Clock 40008: Bitget answered the call set-position-mode: 40008, Bitget does not accept the timestamp; its clock is measured again
        "#]].assert_eq(&told);
    }

    #[test]
    fn a_limit_is_told_by_status_or_by_code() {
        let words = [(429, "<html>".to_owned()), (400, envelope("30007")), (200, envelope("429"))];
        for (status, body) in words {
            assert_eq!(reply(status, &body).word(), Word::TooMany, "{status} {body}");
        }
        for (status, body) in [(200, envelope("00000")), (500, envelope("30007")), (400, envelope("40920"))] {
            assert_eq!(reply(status, &body).word(), Word::Served { remaining: None }, "{status} {body}");
        }
    }

    #[test]
    fn i11_what_is_shown_of_a_message_is_short_and_holds_no_secret_however_it_is_written() {
        let credential =
            Credential::new("test-key".into(), "test-secret".into(), "test-pass".into()).unwrap();
        let shown = |said: &str| cleaned(said, Some(&credential));
        let echo = "key test-key secret test-sec\u{7}ret\npass test\u{200b}-pass";
        assert_eq!(shown(echo), "key [redacted] secret [redacted] pass [redacted]");
        for (said, expected) in [
            ("sign dGVzdC1zZWNyZXQ= not 746573742d73656372657421", "sign [...] not [...]"),
            ("123456789012345 1234567890123456", "123456789012345 [...]"),
            ("a=123456789012/3_b+c", "[...]"),
            ("ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰ", "[...]"),
            ("  \u{202e}turned\u{2028}round  ", "turned round"),
            ("a \"word\", it's a \\ b", "a \"word\", it's a \\ b"),
            ("", ""),
        ] {
            assert_eq!(shown(said), expected, "{said:?}");
        }
        // A secret that straddles the cut is removed as well.
        for length in [MESSAGE_SHOWN - 20, MESSAGE_SHOWN - 5, MESSAGE_SHOWN, 3 * MESSAGE_SHOWN] {
            let told = shown(&format!("{}test-secret", "ä ".repeat(length / 2)));
            assert!(!told.contains("test") && told.chars().count() <= MESSAGE_SHOWN, "{told}");
        }
    }

    #[test]
    fn f61_an_old_answer_is_no_look_and_its_refusal_settles_no_set() {
        let old =
            |status, code| Reply { older: Some(Duration::from_secs(20)), ..reply(status, &envelope(code)) };
        let mut told = String::new();
        for (status, code) in
            [(200, "00000"), (400, "40920"), (400, "40084"), (400, "40008"), (429, "429"), (500, "00000")]
        {
            let look = old(status, code).look().unwrap_err();
            let set = match old(status, code).set() {
                SetAnswer::Accepted => "accepted".to_owned(),
                SetAnswer::Refused(Failure { class, .. }) => format!("refused, {class:?}"),
                SetAnswer::Unclear(Failure { class, .. }) => format!("unclear, {class:?}"),
                SetAnswer::NotSent(_) => panic!("it was answered"),
            };
            writeln!(told, "{status} {code}: {:?} {:?}; {set}", look.class, look.code).unwrap();
        }
        expect_test::expect![[r#"
            200 00000: Stale None; accepted
            400 40920: Stale None; unclear, TryAgain
            400 40084: Stale None; unclear, TryAgain
            400 40008: Clock Some("40008"); refused, Clock
            429 429: RateLimited Some("429"); unclear, TryAgain
            500 00000: TryAgain Some("00000"); unclear, TryAgain
        "#]]
        .assert_eq(&told);
        assert_eq!(old(200, "00000").server(), None, "nor is the clock measured by it");
        expect_test::expect!["Bitget answered the call set-position-mode: an answer that is 20s older than its question by Bitget's own clock, so it is not believed; if that stays so, something on the way repeats old answers, or what answers this call has a clock of its own, 20s behind"].assert_eq(&old(200, "00000").look().unwrap_err().say);
    }
}
