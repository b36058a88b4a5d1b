//! The daemon and a command through a proxy, and what they say of one that the environment names.

use std::net::TcpListener;

use super::{Host, RUN, Venue, declared};
use crate::exchange::proxy::{Forward, Manner};

#[test]
fn f59_the_daemon_and_a_command_ask_through_the_proxy_and_its_password_is_nowhere() {
    let venue = Venue::of_desks(1);
    let place = venue.base.strip_prefix("https://").unwrap().parse().unwrap();
    let proxy = Forward::to(place, Manner::Knows("desk:hidden-word"));
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    // Nobody is there but for the proxy.
    host.exchange = "https://localhost:1".to_owned();
    host.environment.push(("POSMODED_PROXY", format!("http://desk:hidden-word@{}", proxy.address).into()));
    host.environment.push(("RUST_LOG", "trace".into()));
    host.start();
    host.wait_for_all("in_sync -");
    let ways = proxy.heads().len();
    assert!(ways > 0);
    let (code, out, err) = host.call(&["plan"]);
    assert!(code == 0 && proxy.heads().len() > ways, "{code} {out}{err}");
    host.terminate();
    let said = host.said() + &out + &err;
    assert!(said.contains("TRACE") && !said.contains("hidden-word"), "{said}");
    // Neither in the words of base64.
    assert!(!said.contains("ZGVzazpoaWRkZW4td29yZA"), "{said}");
}

#[test]
fn f59_a_proxy_that_cannot_be_used_is_refused_without_a_word_of_its_text() {
    let venue = Venue::of_desks(1);
    let host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    for words in [&["plan"][..], &RUN] {
        for proxy in
            ["socks5://desk:hidden@127.0.0.1:1", "desk:hidden@127.0.0.1:1", "http://desk:hid/den@127.0.0.1:1"]
        {
            let (code, out, err) = host.call(&[words, &["--proxy", proxy]].concat());
            assert!(code == 64 && err.contains("--proxy: the proxy"), "{code} {out}{err}");
            assert!(!err.contains("hid") && !err.contains("desk:"), "{err}");
        }
    }
}

#[test]
fn f59_a_proxy_of_the_environment_is_told_once_and_not_used() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.environment.push(("HTTPS_PROXY", format!("http://desk:hidden@{nobody}").into()));
    host.start();
    host.wait_for_all("in_sync -");
    host.terminate();
    assert!(!host.said().contains("HTTPS_PROXY"), "not on loopback: {}", host.said());

    // A label that is longer than a name server may be asked for: nobody is asked.
    host.exchange = format!("https://{}.example", "x".repeat(64));
    let says = format!("To ask through a proxy, type `--proxy http://USER:PASSWORD@{nobody}`");
    let (_, _, err) = host.call(&["plan"]);
    assert!(err.contains(&says) && !err.contains("hidden"), "{err}");
    let (_, _, err) = host.call(&["plan", "--proxy", &format!("http://{nobody}")]);
    assert!(!err.contains("HTTPS_PROXY"), "{err}");
    host.start();
    host.wait_until("it is looked for", || host.is_all("unknown unreachable").then_some(()));
    host.terminate();
    let said = host.said();
    let told: Vec<&str> = said.lines().filter(|line| line.contains(&says)).collect();
    assert!(told.len() == 1 && told[0].contains("WARN"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
}

#[test]
fn a_host_without_root_certificates_is_told_what_to_install() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    std::fs::write(host.path("none.pem"), "").unwrap();
    host.environment.push(("SSL_CERT_FILE", host.path("none.pem").into()));
    assert_eq!(host.call(&["plan"]).0, 0, "--ca is enough");
    host.ca = None;
    for (words, code) in [(&["plan"][..], 1), (&RUN, 78)] {
        let (ended, out, err) = host.call(words);
        assert_eq!(ended, code, "{out}{err}");
        assert!(
            err.contains(
                "install the package ca-certificates, or name a file with roots (PEM) with --ca FILE"
            ),
            "{err}"
        );
    }
}

#[test]
fn a_certificate_that_is_not_believed_is_told_in_the_status_and_is_no_line_of_the_log_at_each_try() {
    let venue = Venue::of_desks(1);
    let mut host = Host::new(&venue, &["desk-1"], &declared(&[("desk-1", "one_way_mode")]));
    host.ca = None;
    host.start();
    let told = || host.call(&["status"]).1.contains("name its root certificate with --ca FILE").then_some(());
    host.wait_until("the status says what to do", told);
    host.terminate();
    assert!(!host.said().contains("failed to verify"), "{}", host.said());
}
