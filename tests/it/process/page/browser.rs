//! A real Chromium without a window, over the pipe of its `DevTools` protocol: JSON, each message ended by a zero byte.

use std::cell::{Cell, RefCell};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{BROWSER, PATIENCE, wait_until};

/// One tab of a browser of its own.
pub(in super::super) struct Browser {
    process: Child,
    to: RefCell<ChildStdin>,
    from: Receiver<Value>,
    session: String,
    last: Cell<u64>,
    complaints: RefCell<Vec<String>>,
    _profile: TempDir,
    /// A browser takes much of a machine: there is one at a time.
    _turn: MutexGuard<'static, ()>,
}

/// Where a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Look {
    pub(in super::super) is_dark: bool,
    /// In CSS pixels.
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
}

pub(in super::super) const DESK: Look = Look { is_dark: false, width: 1280, height: 900 };
pub(in super::super) const NIGHT: Look = Look { is_dark: true, ..DESK };
pub(in super::super) const PHONE: Look = Look { is_dark: false, width: 360, height: 740 };
pub(in super::super) const PHONE_AT_NIGHT: Look = Look { is_dark: true, ..PHONE };

impl Browser {
    /// `None`, and why, where there is no Chromium.
    pub(in super::super) fn open() -> Option<Browser> {
        let there = Command::new("chromium").arg("--version").output();
        if !there.is_ok_and(|output| output.status.success()) {
            let why = "there is no chromium to show the page";
            assert!(std::env::var_os("POSMODED_NO_SKIP").is_none(), "{why} (Debian: chromium)");
            std::io::stderr().write_all(format!("\nskipped: {why} (chromium)\n").as_bytes()).unwrap();
            return None;
        }
        let turn = BROWSER.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().unwrap();
        // It reads from descriptor 3 and writes to 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "chromium"]);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display()));
        command.env("HOME", profile.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to = RefCell::new(process.stdin.take().unwrap());
        let mut told = BufReader::new(process.stdout.take().unwrap());
        let (hand_on, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while matches!(told.read_until(0, &mut message), Ok(1..)) {
                message.pop();
                let Ok(message) = serde_json::from_slice(&std::mem::take(&mut message)) else { break };
                if hand_on.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Browser {
            process,
            to,
            from,
            session: String::new(),
            last: Cell::new(0),
            complaints: RefCell::default(),
            _profile: profile,
            _turn: turn,
        };
        let tab = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": tab["targetId"], "flatten": true }));
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        for room in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{room}.enable"), json!({}));
        }
        browser.look(DESK);
        Some(browser)
    }

    pub(in super::super) fn look(&self, look: Look) {
        let Look { is_dark, width, height } = look;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    #[track_caller]
    pub(in super::super) fn go(&self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url }));
        assert!(gone.get("errorText").is_none(), "{url}: {gone}");
        self.wait_for("the document", "document.readyState === 'complete'");
    }

    /// What an expression of JavaScript comes to; a promise is waited for.
    #[track_caller]
    pub(in super::super) fn eval(&self, expression: &str) -> Value {
        let how = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut told = self.call("Runtime.evaluate", how);
        assert!(told.get("exceptionDetails").is_none(), "{expression}: {told}");
        told["result"]["value"].take()
    }

    #[track_caller]
    pub(in super::super) fn text(&self, expression: &str) -> String {
        self.eval(expression).as_str().unwrap_or_else(|| panic!("no text: {expression}")).to_owned()
    }

    /// Until an expression is true; how long that took.
    #[track_caller]
    pub(in super::super) fn wait_for(&self, what: &str, expression: &str) -> Duration {
        let began = Instant::now();
        let shown = || self.text("document.body?.innerText ?? ''");
        wait_until(what, PATIENCE, shown, || (self.eval(expression) == true).then_some(()));
        began.elapsed()
    }

    /// Presses a key, such as `Tab`, `Enter` or `/`.
    pub(in super::super) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            "Escape" => (27, None),
            "ArrowLeft" => (37, None),
            "ArrowUp" => (38, None),
            "ArrowRight" => (39, None),
            "ArrowDown" => (40, None),
            _ => (0, Some(key)),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = text.filter(|_| kind == "keyDown");
            let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code });
            if let Some(text) = text {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Moves the pointer there.
    pub(in super::super) fn point(&self, x: f64, y: f64) {
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    /// For how long its main thread has been busy, in time of a processor.
    pub(in super::super) fn busy(&self) -> Duration {
        self.call("Performance.enable", json!({ "timeDomain": "threadTicks" }));
        let told = self.call("Performance.getMetrics", json!({}));
        let mut metrics = told["metrics"].as_array().unwrap().iter();
        let busy = metrics.find(|metric| metric["name"] == "TaskDuration").unwrap();
        Duration::from_secs_f64(busy["value"].as_f64().unwrap())
    }

    /// A picture of what can be seen, in PNG.
    pub(in super::super) fn picture(&self) -> Vec<u8> {
        let taken = self.call("Page.captureScreenshot", json!({}));
        STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// All that the console, the policy and the network have complained of since the last call.
    pub(in super::super) fn complaints(&self) -> Vec<String> {
        self.eval("1");
        self.complaints.take()
    }

    #[track_caller]
    fn call(&self, method: &str, params: Value) -> Value {
        let id = self.last.get() + 1;
        self.last.set(id);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.to.borrow_mut().write_all(&bytes).unwrap();
        loop {
            let mut told = match self.from.recv_timeout(PATIENCE) {
                Ok(told) => told,
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser has ended"),
            };
            if told["id"] == id {
                assert!(told.get("error").is_none(), "{method}: {told}");
                return told["result"].take();
            }
            self.hear(&told);
        }
    }

    fn hear(&self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => params["exceptionDetails"].to_string(),
            Some("Runtime.consoleAPICalled") => params["args"].to_string(),
            Some("Log.entryAdded") => {
                let entry = &params["entry"];
                format!("{}: {} {}", entry["source"], entry["text"], entry["url"])
            }
            Some(_) | None => return,
        };
        self.complaints.borrow_mut().push(complaint);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A root of a container may not make a sandbox; it shows our own page only.
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--no-proxy-server",
    "--hide-scrollbars",
];
