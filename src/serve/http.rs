//! The status address: the page at `/`, `/api/status`, `/api/accounts/NAME`, `/api/history`, `/api/spans`, `/api/events`,
//! `/metrics`, `/livez`, `/readyz`, read-only, over HTTP/1.
//!
//! Its only input is the path, and the query of `/api/history` and `/api/spans`. It cannot change anything, requires no password and
//! reveals no secret. By default it answers on loopback only, and refuses a browser that came here by a foreign name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::position_mode::AccountName;
use crate::serve::bound::{Bound, Stream};
use crate::serve::connections::{Asked, Connections};
use crate::serve::events::{Deaf, Events};
use crate::serve::metrics::Metrics;
use crate::serve::page::PAGE;
use crate::serve::{Listen, Records, View, history, spans};

/// Answers at `listener` until `cancel`; then connections under way have `LAST_ANSWERS` to end.
pub async fn serve(listener: impl Into<Bound>, view: View, cancel: CancellationToken) {
    let listener = listener.into();
    let names = match listener.listen() {
        // A browser cannot reach a socket file.
        Some(Listen::Unix(_)) => Names::Any,
        Some(at) if at.is_exposed() => Names::Any,
        Some(Listen::At(_) | Listen::Nowhere) | None => Names::Loopback,
    };
    let clock = view.clock.clone();
    let service = router(view, names, cancel.clone());
    let http = http();
    let connections = TaskTracker::new();
    let accept = async {
        let mut open = Connections::default();
        for number in 1_u64.. {
            let stream = next(&listener, &clock).await;
            let (connection, asked) = connection(&http, stream, service.clone(), clock.clone());
            if open.make_room(CONNECTIONS) && number.is_multiple_of(IN_A_ROW) {
                // Else those that did ask would not be heard before they have to leave.
                tokio::task::yield_now().await;
            }
            open.add(connections.spawn(connection).abort_handle(), asked);
        }
    };
    cancel.run_until_cancelled(accept).await;
    drop(listener);
    connections.close();
    let _ = timeout(LAST_ANSWERS, connections.wait()).await;
}

/// One connection, and what its request has come to.
fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    http: &http1::Builder,
    stream: S,
    service: Router,
    clock: Clock,
) -> (impl Future<Output = ()> + use<S>, Asked) {
    let (service, asked) = (TowerToHyperService::new(service), Asked::default());
    let asking = asked.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        asking.set();
        request.extensions_mut().insert(asking.clone());
        service.call(request)
    });
    (bounded(http.serve_connection(TokioIo::new(stream), service), asked.clone(), clock), asked)
}

/// Serves a connection for `CONNECTION` at most; one that listens for as long as it takes what it is told.
async fn bounded(serving: impl Future, asked: Asked, clock: Clock) {
    tokio::pin!(serving);
    let mut until = clock.now() + CONNECTION;
    loop {
        tokio::select! {
            biased;
            _ = &mut serving => return,
            () = clock.sleep_until(until) => match asked.took().map(|took| took + CONNECTION) {
                Some(later) if later > until => until = later,
                Some(_) | None => return,
            }
        }
    }
}

/// HTTP within the bounds of a request.
fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .keep_alive(false)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER);
    http
}

async fn next(listener: &Bound, clock: &Clock) -> Box<dyn Stream> {
    loop {
        match listener.accept().await {
            Ok(stream) => return stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                clock.sleep_until(clock.now() + ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Which names the `Host` header of a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// `localhost` or an IP address: any other name means that a foreign web page had its own name resolve to us.
    Loopback,
    /// Any name: the operator has opened the address to other machines, or it is a socket file.
    Any,
}

#[derive(Debug)]
struct ServerState {
    view: View,
    histories: Arc<Semaphore>,
    metrics: Metrics,
    events: Arc<Events>,
}

/// Streams end with `ended`.
fn router(view: View, names: Names, ended: CancellationToken) -> Router {
    let metrics = Metrics::of(view.clone());
    let histories = Arc::new(Semaphore::new(HISTORIES));
    let events = Events::new(view.clone(), Arc::clone(&histories), ended);
    Router::new()
        .route("/", get(page))
        .route("/api/status", get(api_status))
        .route("/api/accounts/{name}", get(api_account))
        .route("/api/history", get(api_history))
        .route("/api/spans", get(api_spans))
        .route("/api/events", get(api_events))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(names, guard))
        .with_state(Arc::new(ServerState { view, histories, metrics, events }))
}

/// Answers one client that came to a loopback address.
#[cfg(any(test, fuzzing))]
pub(super) async fn answer(client: impl AsyncRead + AsyncWrite + Unpin, view: View) {
    // One request is answered whole, so nobody listens.
    let ended = CancellationToken::new();
    ended.cancel();
    let service = TowerToHyperService::new(router(view, Names::Loopback, ended));
    let _ = http().serve_connection(TokioIo::new(client), service).await;
}

/// The page for people, which asks the rest of this address itself.
async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE.policy.as_str()),
    ];
    (headers, PAGE.document.as_str()).into_response()
}

async fn api_status(State(server): State<Arc<ServerState>>) -> Response {
    axum::Json(server.view.of_all_hosts()).into_response()
}

/// One account: 200 while all of it is as the newest content of the file wants it.
async fn api_account(State(server): State<Arc<ServerState>>, uri: Uri) -> Response {
    let name = uri.path().strip_prefix(ACCOUNTS).and_then(|name| name.parse::<AccountName>().ok());
    let status = server.view.status();
    let status = match name {
        Some(name) if server.view.board.account(&name).is_some() => status.of_account(&name),
        Some(_) | None if status.config.is_newest() => {
            return sentence(StatusCode::NOT_FOUND, "The file names no such account: see /api/status.");
        }
        Some(_) | None => {
            let say = "The file in force names no such account, and its newest content is not in force: see /api/status.";
            return sentence(StatusCode::NOT_FOUND, say);
        }
    };
    let code = if status.is_confirmed() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, axum::Json(status)).into_response()
}

async fn api_history(State(server): State<Arc<ServerState>>, uri: Uri) -> Response {
    let filter = match history::parse(uri.query().unwrap_or_default(), server.view.clock.wall()) {
        Ok(filter) => filter,
        Err(refused) => return sentence(StatusCode::BAD_REQUEST, &refused.to_string()),
    };
    from_records(&server, move |records| history::page(records, &filter)).await
}

async fn api_spans(State(server): State<Arc<ServerState>>, uri: Uri) -> Response {
    let clock = &server.view.clock;
    let now = clock.exchange_time().map_or_else(|| clock.wall(), |now| now.0);
    match spans::parse(uri.query().unwrap_or_default(), now) {
        Ok(filter) => from_records(&server, move |records| spans::page(records, &filter, now)).await,
        Err(refused) => sentence(StatusCode::BAD_REQUEST, &refused.to_string()),
    }
}

/// Answers with what is read of the ledger, when its turn comes.
async fn from_records<P: Serialize + Send + 'static>(
    server: &ServerState,
    read: impl FnOnce(&dyn Records) -> Result<P, String> + Send + 'static,
) -> Response {
    let Ok(room) = Arc::clone(&server.histories).acquire_owned().await else {
        return sentence(StatusCode::SERVICE_UNAVAILABLE, ENDING);
    };
    let records = Arc::clone(&server.view.records);
    // It blocks on the disk.
    let page = tokio::task::spawn_blocking(move || {
        let page = read(&*records);
        drop(room);
        page
    });
    match page.await {
        Ok(Ok(page)) => axum::Json(page).into_response(),
        Ok(Err(say)) => sentence(StatusCode::SERVICE_UNAVAILABLE, &say),
        Err(failed) => sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("The ledger cannot be told of ({failed}): please report this as a fault of posmoded."),
        ),
    }
}

async fn api_events(State(server): State<Arc<ServerState>>, request: Request) -> Response {
    let asked = request.extensions().get::<Asked>().cloned().unwrap_or_default();
    match Arc::clone(&server.events).listen(asked) {
        Ok(stream) => stream,
        Err(Deaf::Ending) => sentence(StatusCode::SERVICE_UNAVAILABLE, ENDING),
        Err(Deaf::Full) => {
            let say = "There are as many listeners as posmoded has room for: close another page, or ask /api/status.";
            let mut full = sentence(StatusCode::SERVICE_UNAVAILABLE, say);
            full.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(LISTEN_AGAIN));
            full
        }
    }
}

async fn livez(State(server): State<Arc<ServerState>>) -> Response {
    health(server.view.stuck())
}

async fn readyz(State(server): State<Arc<ServerState>>) -> Response {
    health(server.view.unready())
}

async fn metrics_text(State(server): State<Arc<ServerState>>) -> Response {
    match server.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("The metrics cannot be written ({error}): please report this as a fault of posmoded."),
        ),
    }
}

async fn nothing_here() -> Response {
    sentence(
        StatusCode::NOT_FOUND,
        "Nothing here: see / (a page for people), /api/status, /api/accounts/NAME, /api/history, /api/spans, /api/events, /metrics, \
         /livez and /readyz.",
    )
}

fn health(trouble: Option<String>) -> Response {
    match trouble {
        None => sentence(StatusCode::OK, "ok"),
        Some(trouble) => sentence(StatusCode::SERVICE_UNAVAILABLE, &trouble),
    }
}

fn sentence(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

/// Checks the name, then the method, before a request is handled; adds the headers that restrict browsers.
async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let mut response = if names == Names::Loopback && !is_called_rightly(request.headers()) {
        let say = "This address answers to localhost and to addresses only, not to other names.";
        sentence(StatusCode::MISDIRECTED_REQUEST, say)
    } else if [Method::GET, Method::HEAD].contains(request.method()) {
        next.run(request).await
    } else {
        let say = "This address is read-only: pause, resume and approve are commands of posmoded.";
        let mut refused = sentence(StatusCode::METHOD_NOT_ALLOWED, say);
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        refused
    };
    for (name, value) in BROWSERS {
        // The page's own policy lets it use what is in it.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether `Host` is `localhost` or an IP address; a request without `Host` does not come from a browser.
fn is_called_rightly(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// No CORS header is among them: pages of other origins may not read the answers.
const BROWSERS: [(header::HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

const ENDING: &str = "posmoded is ending.";
/// When one for whom there was no room to listen may ask again, in seconds.
const LISTEN_AGAIN: &str = "30";
/// What stands before an account's name.
const ACCOUNTS: &str = "/api/accounts/";
/// Time for the head of a request, which fits into one packet: a slower client is stuck, or wants to block us.
const REQUEST: Duration = Duration::from_secs(5);
/// Time for a whole connection, which serves one request: a slower reader will not finish. One that listens is closed when it has
/// taken nothing for so long.
const CONNECTION: Duration = Duration::from_secs(30);
/// Connections at once: more than pages and scrapers need, few enough to do no harm. For one more, an idle one is closed.
const CONNECTIONS: usize = 256;
/// Connections that are accepted in a row while others have to leave for them.
const IN_A_ROW: u64 = 32;
/// Readers of the ledger at once, beside its writer, which has precedence on the disk.
const HISTORIES: usize = 2;
/// The most headers of a request; a browser sends some twenty.
const HEADERS: usize = 64;
/// The most of a request's head that is buffered, in bytes.
const BUFFER: usize = 16 * 1024;
/// The pause after a failed accept: a process out of descriptors gets one back when another connection ends.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// Time for the connections under way at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
