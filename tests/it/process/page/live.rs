//! What happens shows while one looks, also that nothing is heard any more; with a real daemon.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use bitget_sim::PosMode;

use super::super::{Host, Venue, declared};
use super::browser::Browser;
use super::looks::picture;

/// Text that would be a picture and a script, if it were taken for markup.
const MARKUP: &str = "<img src=x onerror=alert(1)> <script>alert(2)</script>";
const BANNER: &str = "!document.getElementById('banner').hidden";

fn start(host: &mut Host, at: SocketAddr) {
    host.spawn(host.command(&["run", "--listen", &at.to_string()]));
    assert_eq!(host.address(), at);
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_change_shows_within_2_s_the_daemons_death_within_5_s_and_its_return_by_itself() {
    let Some(browser) = Browser::open() else { return };
    let venue = Venue::of_desks(2);
    let names = ["desk-1", "desk-2"];
    let mut host = Host::new(&venue, &names, &declared(&names.map(|name| (name, "one_way_mode"))));
    let at = free();
    start(&mut host, at);
    host.wait_for_all("in_sync -");
    let name = host.status()["host"].as_str().unwrap().to_owned();
    browser.go(&format!("http://{at}/"));
    browser.wait_for("that it is live", "document.getElementById('link').textContent === 'live'");
    assert_eq!(browser.text("document.getElementById('human-title').textContent"), "Nothing wants a human");
    assert_eq!(browser.text("document.title"), format!("posmoded on {name}: nothing wants a human"));

    assert_eq!(host.call(&["pause", "desk-2", "--reason", MARKUP]).0, 0);
    let shown = format!("document.querySelector('#human-causes .say')?.textContent.includes({MARKUP:?})");
    let took = browser.wait_for("the pause", &shown);
    assert!(took < Duration::from_secs(2), "{took:?}");
    browser.wait_for(
        "its event",
        &format!("document.getElementById('changes-rows').textContent.includes({MARKUP:?})"),
    );
    assert_eq!(browser.eval("document.querySelectorAll('main img, main script').length"), 0);
    assert_eq!(browser.text("document.querySelector('.command code').textContent"), "posmoded resume desk-2");
    venue.flip(2, PosMode::HedgeMode);
    host.wait_until("drift", || host.targets()["desk-2 USDT-FUTURES"].starts_with("drifted").then_some(()));
    let drifted =
        "document.querySelector('[data-target=\"desk-2/USDT-FUTURES\"] .state')?.textContent === 'drifted'";
    let took = browser.wait_for("the drift", drifted);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(browser.text("document.title"), format!("1 wants a human: posmoded on {name}"));
    browser.eval("document.querySelector('.cell [data-target=\"desk-2/USDT-FUTURES\"]').click()");
    browser.wait_for("its strips", "document.querySelectorAll('dialog .strip').length === 2");
    // One that is a second old has no length yet; it is asked for again.
    let out = "/: out of sync [0-9ms ]+ in 24 h, once; nobody looked for /.test(document.querySelector('.bars').ariaLabel)";
    browser.wait_for("since when, as the ledger has it", out);
    browser.wait_for("its history", "document.querySelector('dialog tbody')?.textContent.includes('drift')");
    browser.press("Escape");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    host.kill();
    let took = browser.wait_for("that nothing is heard", BANNER);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told = browser.text("document.getElementById('banner').textContent");
    assert!(
        told.starts_with("No word from posmoded since ") && told.ends_with(": what stands here is old."),
        "{told}"
    );
    browser.wait_for(
        "that all is dim",
        "Number(getComputedStyle(document.querySelector('main')).opacity) < 0.6",
    );
    assert_eq!(browser.text("document.title"), format!("no word: posmoded on {name}"));
    picture(&browser, "no-word");
    start(&mut host, at);
    browser.wait_for(
        "its return",
        &format!("!({BANNER}) && document.getElementById('link').textContent === 'live'"),
    );
    // Chromium itself tells that nobody answered; nothing else may be told.
    let others: Vec<String> =
        browser.complaints().into_iter().filter(|told| !told.starts_with("\"network\"")).collect();
    assert_eq!(others, Vec::<String>::new());
}

#[test]
fn a_daemon_that_stands_still_shows_within_5_s_too_and_the_ninth_listener_asks_instead() {
    let Some(browser) = Browser::open() else { return };
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    let at = host.start();
    host.wait_for_all("in_sync -");
    browser.go(&format!("http://{at}/"));
    browser.wait_for("that it is live", "document.getElementById('link').textContent === 'live'");
    host.signal("STOP");
    let took = browser.wait_for("that nothing is heard", BANNER);
    host.signal("CONT");
    assert!(took < Duration::from_secs(5), "{took:?}");
    browser.wait_for("its return", &format!("!({BANNER})"));

    let listen = || {
        let mut stream = std::net::TcpStream::connect(at).unwrap();
        std::io::Write::write_all(&mut stream, b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        // Who takes nothing is let go.
        let mut taken = stream.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut taken, &mut std::io::sink()));
        stream
    };
    browser.go("about:blank");
    let _others: Vec<_> = (0..9).map(|_| listen()).collect();
    browser.go(&format!("http://{at}/"));
    let asked = "document.getElementById('link').textContent === 'asked every 2 s'";
    browser.wait_for("that it asks", asked);
    assert_eq!(host.call(&["pause", "--reason", "lunch"]).0, 0);
    let began = Instant::now();
    browser.wait_for("the pause", "document.getElementById('human-causes').textContent.includes('lunch')");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    host.kill();
    let took = browser.wait_for("that nothing is heard", BANNER);
    assert!(took < Duration::from_secs(5), "{took:?}");
}
