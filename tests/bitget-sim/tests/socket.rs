//! The simulator over real sockets: plain and TLS, dropping and hanging, the control API, and the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bitget_sim::{
    ApiKey, Exchange, Fault, FaultKind, Identity, NewAccount, PosMode, ProductType, Request, ServeError,
    Simulator, Uid, UnixMs, serve,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const ME: Uid = Uid(1001);
const BOUND: Duration = Duration::from_secs(10);

/// A simulator that is served until this is dropped.
struct Served {
    simulator: Simulator,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn served(identity: Option<Identity>) -> Served {
    let mut exchange = Exchange::new();
    exchange.add_account(NewAccount::classic(ME, "alpha"));
    let simulator = Simulator::new(exchange);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = simulator.clone();
    let task = tokio::spawn(async move {
        serve(listener, shared, identity.as_ref()).await.expect("it is loopback");
    });
    Served { simulator, address, task }
}

impl Served {
    /// What comes back on a fresh connection until it is closed, byte for byte.
    async fn raw(&self, request: &Request) -> String {
        raw(self.address, request).await
    }

    async fn ask(&self, request: &Request) -> (u16, Value) {
        parsed(&self.raw(request).await)
    }

    async fn control(&self, command: &str, body: Value) -> (u16, Value) {
        self.ask(&Request::post(format!("/control/{command}"), body.to_string())).await
    }

    async fn state(&self) -> Value {
        self.ask(&Request::get("/control/state", "")).await.1
    }

    fn signed(&self, request: Request) -> Request {
        ApiKey::named("alpha").sign(request, self.simulator.now())
    }
}

/// What comes back on a fresh connection until it is closed, byte for byte.
async fn raw(address: SocketAddr, request: &Request) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    timeout(BOUND, exchange_bytes(stream, request)).await.expect("the connection is closed in time")
}

async fn exchange_bytes(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &Request) -> String {
    let Request { method, path, query, headers, body, from: _ } = request;
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path}{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
        body.len(),
        headers.concat(),
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn parsed(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn set() -> Request {
    let body = r#"{ "posMode": "one_way_mode", "productType": "usdt-futures" }"#;
    Request::post("/api/v2/mix/account/set-position-mode", body)
}

#[tokio::test]
async fn a_signed_set_over_http_reaches_the_exchange_byte_for_byte() {
    let served = served(None);
    let (status, body) = served.ask(&served.signed(set())).await;
    assert_eq!((status, &body["data"]), (200, &json!({ "posMode": "one_way_mode" })));
    let query = "productType=USDT%2DFUTURES&&x=a+b";
    let list = served.signed(Request::get("/api/v2/mix/position/all-position", query));
    assert_eq!(
        served.ask(&list).await,
        (
            200,
            json!({ "code": "00000", "msg": "success",
        "requestTime": served.simulator.with(|exchange| exchange.log()[1].at.0), "data": [] })
        )
    );
    assert_eq!(served.simulator.with(|exchange| exchange.log()[1].query.clone()), query);
}

#[tokio::test]
async fn a_dropped_request_ends_the_connection_without_a_single_byte() {
    let served = served(None);
    for (what, mode) in
        [(FaultKind::DropRequest, PosMode::HedgeMode), (FaultKind::DropReply, PosMode::OneWayMode)]
    {
        served.simulator.with(|exchange| exchange.inject(Fault::once(what)));
        assert_eq!(served.raw(&served.signed(set())).await, "");
        assert_eq!(served.simulator.with(|exchange| exchange.mode(ME, ProductType::UsdtFutures)), Ok(mode));
    }
}

#[tokio::test]
async fn a_hanging_request_is_not_answered_and_holds_nothing_else_up() {
    let served = served(None);
    served.simulator.with(|exchange| exchange.inject(Fault::once(FaultKind::Hang)));
    let hanging = served.signed(set());
    let mut hanging = Box::pin(served.raw(&hanging));
    assert!(timeout(Duration::from_millis(200), &mut hanging).await.is_err());
    assert_eq!(served.ask(&Request::get("/api/v2/public/time", "")).await.0, 200);
}

#[tokio::test]
async fn a_delayed_answer_comes_late() {
    let served = served(None);
    let after = Duration::from_millis(150);
    served.simulator.with(|exchange| exchange.inject(Fault::once(FaultKind::Delay { after })));
    let asked = std::time::Instant::now();
    assert_eq!(served.ask(&Request::get("/api/v2/public/time", "")).await.0, 200);
    assert!(asked.elapsed() >= after);
}

#[tokio::test]
async fn https_is_trusted_through_the_authority_that_was_written() {
    let identity = Identity::new().unwrap();
    let connector = trusting(&identity, &[]);
    let served = served(Some(identity));
    for name in ["localhost", "127.0.0.1"] {
        let tcp = TcpStream::connect(served.address).await.unwrap();
        let stream = connector.connect(ServerName::try_from(name).unwrap(), tcp).await.unwrap();
        let request =
            served.signed(Request::get("/api/v2/mix/position/all-position", "productType=USDT-FUTURES"));
        assert_eq!(parsed(&exchange_bytes(stream, &request).await).0, 200);
    }
}

fn trusting(identity: &Identity, speaking: &[&[u8]]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(identity.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = speaking.iter().map(|version| version.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn the_client_chooses_between_the_versions_of_http_unless_there_is_only_one() {
    let (one, two): (&[u8], &[u8]) = (b"http/1.1", b"h2");
    let both = || Identity::new().unwrap();
    for (identity, speaking, agreed) in [
        (both(), [two, one].as_slice(), two),
        (both(), &[one], one),
        (both().without_http2(), &[two, one], one),
    ] {
        let connector = trusting(&identity, speaking);
        let served = served(Some(identity));
        let tcp = TcpStream::connect(served.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed));
        if agreed == one {
            let time = Request::get("/api/v2/public/time", "");
            assert_eq!(parsed(&exchange_bytes(stream, &time).await).0, 200);
        } else {
            // The connection's preface and empty settings, which are answered with settings: RFC 9113, section 3.4.
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            let mut head = [0; 9];
            timeout(BOUND, stream.read_exact(&mut head)).await.unwrap().unwrap();
            assert_eq!(head[3], 4, "{head:?}");
        }
    }
}

#[tokio::test]
async fn a_listener_that_is_open_to_others_is_refused() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let error = serve(listener, Simulator::default(), None).await.unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback(_)), "{error}");
}

#[tokio::test]
async fn a_trader_opens_and_closes_over_the_control_api() {
    let served = served(None);
    let on_usdt = async |command: &str, fields: Value| {
        let mut body = json!({ "uid": 1001, "productType": "USDT-FUTURES" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        served.control(command, body).await
    };
    let account = async || served.state().await["accounts"][0]["products"]["USDT-FUTURES"].clone();
    let ok = (200, json!({}));

    let position = json!({ "symbol": "BTCUSDT", "holdSide": "long", "total": "0.5" });
    assert_eq!(on_usdt("position/open", position).await, ok);
    let order = json!({ "symbol": "BTCUSDT", "status": "partially_filled", "ageMs": 1 });
    let (_, order) = on_usdt("order/place", order).await;
    let plan = json!({ "symbol": "BTCUSDT", "planType": "track_plan" });
    let (_, plan) = on_usdt("plan-order/place", plan).await;
    let shown = account().await;
    assert_eq!(shown["positions"], json!([["BTCUSDT", "long", "0.5"]]));
    assert_eq!(shown["orders"][0]["id"], order["orderId"]);
    assert_eq!(shown["planOrders"][0]["id"], plan["orderId"]);

    let position = json!({ "symbol": "BTCUSDT", "holdSide": "long" });
    assert_eq!(on_usdt("position/close", position).await, ok);
    assert_eq!(on_usdt("order/cancel", order).await, ok);
    assert_eq!(on_usdt("plan-order/cancel", plan).await, ok);
    assert_eq!(on_usdt("hidden-blocker", json!({ "blocker": "running" })).await, ok);
    assert_eq!(on_usdt("flip", json!({ "posMode": "one_way_mode" })).await, ok);
    let expected = json!({ "mode": "one_way_mode", "positions": [], "orders": [], "planOrders": [],
        "hiddenBlocker": true });
    assert_eq!(account().await, expected);
    assert_eq!(served.state().await["modeChanges"][0]["by"], "hand");
}

#[tokio::test]
async fn accounts_and_keys_are_made_and_changed_over_the_control_api() {
    let served = served(None);
    let ok = (200, json!({}));
    let (_, made) = served.control("account", json!({ "uid": 2, "kind": "unified", "apiKey": "beta" })).await;
    assert_eq!(made["apiKey"]["secret"], "test-secret-beta");
    let upgrading = json!({ "uid": 2, "accountMode": "upgrading" });
    assert_eq!(served.control("account-mode", upgrading).await, ok);
    let (_, changed) = served.control("settings", json!({ "uid": 2, "accountLevel": "basic" })).await;
    assert_eq!(changed, json!({ "accountLevel": "basic", "assetMode": "multi_assets", "stpMode": "none" }));
    let settings =
        ApiKey::named("beta").sign(Request::get("/api/v3/account/settings", ""), served.simulator.now());
    assert_eq!(served.ask(&settings).await.1["data"]["accountMode"], "upgrading");
    assert_eq!(served.control("kind", json!({ "uid": 2, "kind": "classic" })).await, ok);
    assert_eq!(served.ask(&settings).await.1["code"], "40084");
    let (_, key) = served.control("key", json!({ "uid": 2, "apiKey": "gamma" })).await;
    assert_eq!(key["apiKey"]["key"], "key-gamma");
    assert_eq!(served.state().await["accounts"][0]["keys"], json!(["key-beta", "key-gamma"]));
    assert_eq!(served.control("key/remove", json!({ "key": "key-gamma" })).await, ok);
    assert_eq!(served.control("refuse-sets", json!({ "uid": 1001, "code": "40731" })).await, ok);
    assert_eq!(served.ask(&served.signed(set())).await.1["code"], "40731");
    let once = json!({ "uid": 1001, "code": "59107", "times": 1 });
    assert_eq!(served.control("refuse-sets", once).await, ok);
    for expected in ["59107", "00000"] {
        assert_eq!(served.ask(&served.signed(set())).await.1["code"], expected);
    }
}

/// What a unified account is asked for over HTTP: the mode, and everything that is listed.
async fn unified(served: &Served) -> (Value, Value) {
    let ask = async |path: &str, query: &str| {
        let request = served.signed(Request::get(path, query));
        served.ask(&request).await.1["data"].clone()
    };
    let settings = ask("/api/v3/account/settings", "").await;
    let category = "category=COIN-FUTURES";
    let listed = json!([
        ask("/api/v3/position/current-position", category).await["list"].as_array().map(Vec::len),
        ask("/api/v3/trade/unfilled-orders", category).await["list"].as_array().map(Vec::len),
        ask("/api/v3/trade/unfilled-strategy-orders", category).await.as_array().map(Vec::len),
        ask("/api/v3/trade/unfilled-orders", "category=SPOT").await["list"].as_array().map(Vec::len),
    ]);
    (settings["holdMode"].clone(), listed)
}

#[tokio::test]
async fn an_account_is_converted_over_the_control_api_and_trades_on() {
    let served = served(None);
    let ok = (200, json!({}));
    let me = json!({ "uid": 1001 });
    let hold = || Request::post("/api/v3/account/set-hold-mode", r#"{"holdMode":"one_way_mode"}"#);
    assert_eq!(served.control("conversion/finish", me.clone()).await.0, 404);
    assert_eq!(served.control("conversion/begin", me.clone()).await, ok);
    assert_eq!(served.state().await["accounts"][0]["accountMode"], "upgrading");
    assert_eq!(served.ask(&served.signed(hold())).await.1["code"], "40115");
    let refused = json!({ "settingsWhileConverting": "refused" });
    assert_eq!(served.control("switches", refused).await.0, 200);
    let settings = served.signed(Request::get("/api/v3/account/settings", ""));
    assert_eq!(served.ask(&settings).await.1["code"], "40115");
    assert_eq!(served.control("conversion/finish", me.clone()).await, ok);
    assert_eq!(served.state().await["accounts"][0]["kind"], "unified");
    assert_eq!(unified(&served).await, (json!("hedge_mode"), json!([null, null, 0, null])));

    let coin = json!({ "uid": 1001, "productType": "COIN-FUTURES", "symbol": "BTCUSD" });
    let with = |more: Value| {
        let mut body = coin.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let position = with(json!({ "holdSide": "long", "total": "1" }));
    assert_eq!(served.control("position/open", position).await, ok);
    assert_eq!(served.control("order/place", with(json!({ "status": "new" }))).await.0, 200);
    let plan = with(json!({ "planType": "profit_loss" }));
    assert_eq!(served.control("plan-order/place", plan).await.0, 200);
    let spot = json!({ "uid": 1001, "symbol": "BTCUSDT" });
    let (_, spot) = served.control("spot-order/place", spot).await;
    assert_eq!(unified(&served).await, (json!("hedge_mode"), json!([1, 1, 1, 1])));
    assert_eq!(served.ask(&served.signed(hold())).await.1["code"], "25107");
    let cancel = json!({ "uid": 1001, "orderId": spot["orderId"] });
    assert_eq!(served.control("spot-order/cancel", cancel).await, ok);
    assert_eq!(served.state().await["accounts"][0]["spotOrders"], json!([]));
    assert_eq!(served.control("switches", json!({ "notFlat": "accepted" })).await.0, 200);
    let (status, body) = served.ask(&served.signed(hold())).await;
    assert_eq!((status, &body["data"]), (200, &json!("success")));
    assert_eq!(served.state().await["modeChanges"][0]["product"], Value::Null);

    assert_eq!(served.control("conversion/begin", me.clone()).await, ok);
    assert_eq!(served.state().await["accounts"][0]["accountMode"], "switching");
    assert_eq!(served.control("conversion/finish", me).await, ok);
    let products = served.state().await["accounts"][0]["products"].clone();
    assert_eq!(products["USDC-FUTURES"]["mode"], "one_way_mode");
    assert_eq!(products["COIN-FUTURES"]["positions"], json!([["BTCUSD", "long", "1"]]));
}

#[tokio::test]
async fn a_key_of_a_unified_account_has_rights_by_name_over_the_control_api() {
    let served = served(None);
    let key = json!({ "key": "key-alpha", "secret": "test-secret-alpha", "passphrase": "test-passphrase-alpha",
        "utaMgt": "nothing", "utaTrade": "read", "demo": true });
    let account = json!({ "uid": 1001, "kind": "unified", "apiKey": key });
    assert_eq!(served.control("account", account).await.0, 200);
    let demo =
        |path: &str, query: &str| served.signed(Request::get(path, query)).with_header("paptrading", "1");
    assert_eq!(served.ask(&demo("/api/v3/account/settings", "")).await.1["code"], "40014");
    let positions = demo("/api/v3/position/current-position", "category=USDT-FUTURES");
    assert_eq!(served.ask(&positions).await.1["data"], json!({ "list": null }));
    let plain = Request { headers: served.signed(Request::default()).headers, ..positions };
    assert_eq!(served.ask(&plain).await.1["code"], "40099");
}

#[tokio::test]
async fn switches_faults_and_the_clock_are_set_over_the_control_api() {
    let served = served(None);
    let ok = (200, json!({}));
    let (_, switches) = served.control("switches", json!({ "readLagMs": 5 })).await;
    assert_eq!((&switches["readLagMs"], &switches["notFlatCode"]), (&json!(5), &json!("40920")));
    let fault =
        json!({ "path": "/time", "times": 2, "what": { "status": { "status": 502, "body": "<html>" } } });
    assert_eq!(served.control("fault", fault).await, ok);
    assert_eq!(served.ask(&Request::get("/api/v2/public/time", "")).await.0, 502);
    assert_eq!(served.state().await["faults"][0]["times"], 1);
    let load = json!({ "uid": ME, "path": "/all-position", "perSecond": 5 });
    assert_eq!(served.control("load", load).await, ok);
    assert_eq!(
        served.state().await["accounts"][0]["load"],
        json!({ "/api/v2/mix/position/all-position": 5 })
    );
    let positions = Request::get("/api/v2/mix/position/all-position", "productType=USDT-FUTURES");
    assert_eq!(served.ask(&served.signed(positions)).await.0, 429);
    let off = json!({ "productType": "USDT-FUTURES", "symbol": "BTCUSDT", "symbolStatus": "off" });
    let listing = json!({ "symbolStatus": "off", "inDemo": true });
    assert_eq!(served.control("contract", off).await, (200, listing));
    let clear = Request { method: "DELETE".to_owned(), ..Request::get("/control/fault", "") };
    assert_eq!(served.ask(&clear).await, ok);
    assert_eq!(served.ask(&Request::get("/api/v2/public/time", "")).await.0, 200);
    let before = served.simulator.now().0;
    let (_, skew) = served.control("skew", json!({ "ms": 3_600_000 })).await;
    assert!(skew["now"].as_i64().unwrap() >= before + 3_600_000);
    let (_, log) = served.ask(&Request::get("/control/log", "from=2")).await;
    assert_eq!((&log["next"], &log["entries"][0]["status"]), (&json!(3), &json!(200)));
}

#[tokio::test]
async fn a_mistaken_control_request_says_what_is_wrong() {
    let served = served(None);
    let cases = [
        (Request::post("/control/flip", "{"), 400, "EOF"),
        (
            Request::post("/control/flip", r#"{"uid":1,"productType":"X","posMode":"hedge_mode"}"#),
            400,
            "no such product type: X",
        ),
        (
            Request::post(
                "/control/flip",
                r#"{"uid":1,"productType":"usdt-futures","posMode":"hedge_mode"}"#,
            ),
            404,
            "no such account: 1",
        ),
        (Request::post("/control/switches", r#"{"readLag":1}"#), 400, "unknown field `readLag`"),
        (Request::post("/control/settings", r#"{"uid":1001,"level":1}"#), 400, "unknown field `level`"),
        (
            Request::post("/control/load", r#"{"uid":1001,"path":"/time","perSecond":1}"#),
            404,
            "no such private endpoint: /time",
        ),
        (Request::get("/control/nothing", ""), 404, "no such command: GET /control/nothing"),
    ];
    for (request, status, expected) in cases {
        let (told, body) = served.ask(&request).await;
        let error = body["error"].as_str().unwrap().to_owned();
        assert_eq!(told, status, "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_program_prints_where_it_is_and_its_keys_and_ends_when_told() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bitget-sim"))
        .args(["--listen", "127.0.0.1:0", "--for", "3s", "--skew=-40s"])
        .args(["--account", "alpha:classic", "--account", "beta:unified"])
        .args(["--account", "gamma:hybrid:basic:single", "--account", "delta:demo"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().strip_prefix("listening on http://").unwrap().parse().unwrap();
    let expected =
        "account 1001 (Classic): key key-alpha secret test-secret-alpha passphrase test-passphrase-alpha";
    assert_eq!(lines.next().unwrap(), expected);
    assert!(lines.next().unwrap().starts_with("account 1002 (Unified): key key-beta"));
    let (status, body) = parsed(&raw(address, &Request::get("/api/v2/public/time", "")).await);
    assert_eq!(status, 200);
    let behind = Simulator::default().now().0 - body["requestTime"].as_i64().unwrap();
    assert!((39_000..50_000).contains(&behind), "{behind} ms behind");
    let request = Request::get("/api/v2/mix/position/all-position", "productType=USDT-FUTURES");
    let demo = ApiKey::named("delta").sign(request, UnixMs(body["requestTime"].as_i64().unwrap()));
    assert_eq!(parsed(&raw(address, &demo).await).1["code"], "40099");
    assert_eq!(parsed(&raw(address, &demo.with_header("paptrading", "1")).await).0, 200);
    let (_, state) = parsed(&raw(address, &Request::get("/control/state", "")).await);
    let last = &state["accounts"][2];
    let settings = json!({ "accountLevel": "basic", "assetMode": "single", "stpMode": "none" });
    assert_eq!(
        (&last["kind"], &last["accountMode"], &last["settings"]),
        (&json!("unified"), &json!("hybrid"), &settings)
    );
    assert!(program.wait().unwrap().success());
}

#[test]
fn the_program_says_which_words_an_account_can_have() {
    for (account, expected) in
        [("alpha", "NAME:classic"), ("alpha:hybrid:big", "\"big\" is no kind of account")]
    {
        let program =
            Command::new(env!("CARGO_BIN_EXE_bitget-sim")).args(["--account", account]).output().unwrap();
        assert!(String::from_utf8_lossy(&program.stderr).contains(expected), "{account}");
    }
}

#[test]
fn the_program_refuses_to_listen_for_others() {
    let told =
        Command::new(env!("CARGO_BIN_EXE_bitget-sim")).args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stderr).contains("only loopback"));
}
