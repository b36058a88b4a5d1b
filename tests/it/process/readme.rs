//! The README's first start, followed word by word: only the key, the exchange and the editor are the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use bitget_sim::{ApiKey, Exchange, Kind, NewAccount, PosMode, ProductType, Uid};

use super::{PATIENCE, Venue, wait_until};

const README: &str = include_str!("../../../README.md");

/// The shell commands of a section.
fn commands(section: &str) -> Vec<String> {
    let (_, after) = README.split_once(&format!("## {section}\n")).unwrap();
    let (_, block) = after.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.lines().map(str::to_owned).collect()
}

#[test]
fn whoever_follows_the_readme_and_changes_a_mode_on_the_way_ends_in_sync() {
    for kind in [Kind::Classic, Kind::Unified] {
        follow(kind);
    }
}

fn follow(kind: Kind) {
    let mut exchange = Exchange::new();
    exchange.add_account(NewAccount { kind, ..NewAccount::classic(Uid(1), "desk-main") });
    let venue = Venue::open(exchange);
    let home = tempfile::tempdir().unwrap();
    let (editor, ca) = (home.path().join("editor"), home.path().join("ca.pem"));
    fs::write(&ca, venue.ca.as_ref().unwrap()).unwrap();
    // The other mode, and a shorter wait, for a test.
    let edits = "s/position_mode: hedge_mode/position_mode: one_way_mode/; s/settle: 5m/settle: 0s/";
    fs::write(&editor, format!("#!/bin/sh\nexec sed -i '{edits}' \"$1\"\n")).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();

    let ApiKey { key, secret, passphrase, .. } = ApiKey::named("desk-main");
    let mut lines: Vec<String> = commands("A real start")
        .into_iter()
        .map(|line| {
            line.replace("your-api-key", &key)
                .replace("your-api-secret", &secret.0)
                .replace("your-passphrase", &passphrase.0)
        })
        .collect();
    assert!(lines.remove(0).starts_with("cargo install --path . --locked "), "this is that very program");
    let run = lines.iter().position(|line| line.starts_with("posmoded run ")).unwrap();
    let (first, other) = lines.split_at(run);
    let other = &other[1..];
    let variables = first.iter().find(|line| line.starts_with("export ")).unwrap();

    let shell = |script: String| {
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_posmoded")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-e", "-c", &script]).env_clear().env("PATH", path).env("HOME", home.path());
        command.env("EDITOR", &editor).env("POSMODED_BASE_URL", &venue.base).env("POSMODED_CA", &ca);
        // Another daemon may have the usual port on a machine that runs tests.
        command.env(
            "POSMODED_LISTEN",
            home.path().join("socket").to_str().map(|at| format!("unix:{at}")).unwrap(),
        );
        command.stdin(Stdio::null());
        command
    };
    let before = shell(first.join("\n")).output().unwrap();
    let told =
        String::from_utf8_lossy(&before.stdout).into_owned() + &String::from_utf8_lossy(&before.stderr);
    assert!(before.status.success() && told.contains("reported"), "{told}");

    let in_the_directory = format!("cd ~/posmoded\n{variables}\n");
    let mut daemon = shell(format!("{in_the_directory}exec posmoded run"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // In the other terminal, as soon as there is something to approve.
    let call = |line: &str| {
        let done = shell(format!("{in_the_directory}unset POSMODED_LISTEN\n{line}")).output().unwrap();
        let out = String::from_utf8(done.stdout).unwrap();
        (done.status.code(), out, String::from_utf8(done.stderr).unwrap())
    };
    let status = other[0].clone();
    let hash = wait_until("a hash to approve", PATIENCE, String::new, || {
        let (_, out, _) = call(&status);
        let (_, after) = out.split_once("`posmoded approve ")?;
        Some(after.split_once('`')?.0.to_owned())
    });
    let approve = other.iter().find(|line| line.starts_with("posmoded approve HASH")).unwrap();
    let (code, out, err) = call(&approve.replace("HASH", &hash));
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until("in sync", PATIENCE, || call(&status).1, || (call(&status).0 == Some(0)).then_some(()));
    for product in ProductType::ALL.into_iter().take(3) {
        let mode = venue.simulator.with(|exchange| exchange.mode(Uid(1), product).unwrap());
        assert_eq!(mode, PosMode::OneWayMode, "{product:?}");
    }
    let _ = daemon.kill();
    let _ = daemon.wait();
}
