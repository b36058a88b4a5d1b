//! Answers that are not what they seem: something on the way repeats old ones, or a machine dates them by a clock of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use posmoded::exchange::bitget::{Method, Request, Response};
use posmoded::moment::Moment;
use serde_json::Value;

/// What happens to the answers to signed reads. Each newest one is kept, as a cache does.
#[derive(Debug, Default)]
pub(super) struct OddAnswers {
    repeats: Option<Calls>,
    dates: Option<(Calls, i64)>,
    kept: BTreeMap<String, (Moment, Response)>,
    count: OddCount,
}

/// How many answers were odd so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OddCount {
    /// Repeated ones.
    pub repeated: usize,
    /// Ones with the time of another clock.
    pub dated: usize,
}

/// So many calls, by the end of their path.
#[derive(Debug, Clone)]
struct Calls {
    path: &'static str,
    times: u32,
}

impl OddAnswers {
    /// From now on the next answers to these calls are old ones, repeated.
    pub(super) fn repeat(&mut self, path: &'static str, times: u32) {
        self.repeats = Some(Calls { path, times });
    }

    /// From now on the next answers to these calls are dated by a clock that is so far ahead.
    pub(super) fn date(&mut self, path: &'static str, times: u32, ahead_ms: i64) {
        self.dates = Some((Calls { path, times }, ahead_ms));
    }

    /// All answers are as they are again.
    pub(super) fn end(&mut self) {
        (self.repeats, self.dates) = (None, None);
    }

    /// The exchange's clock was moved: by their time, answers from before it may be from after it.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// How many were odd.
    pub(super) fn count(&self) -> OddCount {
        self.count
    }

    /// The old answer that is repeated instead of asking the exchange, if one is.
    pub(super) fn repeated(&mut self, now: Moment, request: &Request) -> Option<Response> {
        let calls = self.repeats.as_mut().filter(|calls| calls.hits(&request.path))?;
        let (asked, response) = self.kept.get(&question(request)?)?;
        if now.since(*asked) < OLD {
            return None;
        }
        calls.times -= 1;
        self.count.repeated += 1;
        Some(response.clone())
    }

    /// The answer to a request that left at `asked`, as it arrives.
    pub(super) fn pass(&mut self, asked: Moment, request: &Request, response: Response) -> Response {
        let Some(question) = question(request) else { return response };
        self.kept.insert(question, (asked, response.clone()));
        let Some((calls, ahead)) = self.dates.as_mut().filter(|(calls, _)| calls.hits(&request.path)) else {
            return response;
        };
        let Some(body) = dated(&response.body, *ahead) else { return response };
        calls.times -= 1;
        self.count.dated += 1;
        Response { body, ..response }
    }
}

impl Calls {
    fn hits(&self, path: &str) -> bool {
        self.times > 0 && path.ends_with(self.path)
    }
}

/// What a signed read asks, and for which key.
fn question(request: &Request) -> Option<String> {
    let Request { method, path, query, headers, body: _ } = request;
    let (_, key) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("access-key"))?;
    (*method == Method::Get).then(|| format!("{key} {path}?{query}"))
}

/// The same answer by a clock that is so many milliseconds ahead; `None` if it says no time.
fn dated(body: &[u8], ahead_ms: i64) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let at = body.get("requestTime")?.as_i64()?;
    body["requestTime"] = (at + ahead_ms).into();
    Some(body.to_string().into_bytes())
}

/// More than any doubt about the exchange's clock in these worlds, than a second beyond it, and than that clock is set back while
/// an answer is on its way.
const OLD: Duration = Duration::from_secs(10);
