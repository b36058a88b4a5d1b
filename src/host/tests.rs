//! Real files, and a `systemctl` that the test provides.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// A directory with this script as its `systemctl`.
fn systemctl(script: &str) -> (TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("systemctl");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let host = Host::with_programs_in(dir.path());
    (dir, host)
}

fn units(names: &[&str]) -> Requirements {
    Requirements(names.iter().map(|name| Requirement::UnitInactive((*name).to_owned())).collect())
}

fn files(paths: &[&std::path::Path]) -> Requirements {
    let absent = |path: &&std::path::Path| Requirement::FileAbsent(path.to_str().unwrap().to_owned());
    Requirements(paths.iter().map(absent).collect())
}

#[tokio::test]
async fn a_unit_that_does_not_run_is_as_required_and_any_other_is_told_with_its_state() {
    for (load, active, unmet) in [
        ("loaded", "inactive", None),
        ("loaded", "failed", None),
        ("masked", "inactive", None),
        ("loaded", "active", Some("arb.service is active")),
        ("loaded", "activating", Some("arb.service is activating")),
        ("loaded", "deactivating", Some("arb.service is deactivating")),
        ("loaded", "reloading", Some("arb.service is reloading")),
        ("loaded", "whatever", Some("arb.service is whatever")),
        ("masked", "active", Some("arb.service is active")),
        (
            "not-found",
            "inactive",
            Some("whether arb.service is as required cannot be seen (systemd says that it is not-found)"),
        ),
        (
            "bad-setting",
            "inactive",
            Some("whether arb.service is as required cannot be seen (systemd says that it is bad-setting)"),
        ),
        (
            "loaded",
            "",
            Some("whether arb.service is as required cannot be seen (systemd says that it is loaded)"),
        ),
    ] {
        let shown = match unit_shown(&format!("LoadState={load}\nActiveState={active}\n")) {
            Shown::AsRequired => None,
            Shown::Otherwise(what) => Some(format!("arb.service {what}")),
            Shown::Doubt(why) => Some(format!("whether arb.service is as required cannot be seen ({why})")),
        };
        assert_eq!(shown.as_deref(), unmet, "{load} {active}");
    }
}

#[tokio::test]
async fn systemctl_is_asked_for_each_unit_by_its_name() {
    let (_dir, host) = systemctl(
        r#"[ "$1 $2 $3" = "show --property=LoadState,ActiveState --" ] || exit 9
        case $4 in
            still.service) echo LoadState=loaded; echo ActiveState=inactive ;;
            busy.service) echo LoadState=loaded; echo ActiveState=active ;;
            *) echo LoadState=not-found; echo ActiveState=inactive ;;
        esac"#,
    );
    assert_eq!(host.unmet(&units(&["still.service"])).await, Vec::<String>::new());
    let unmet = host.unmet(&units(&["lost.service", "still.service", "busy.service"])).await;
    assert_eq!(
        unmet,
        [
            "whether lost.service is as required cannot be seen (systemd says that it is not-found)",
            "busy.service is active",
        ]
    );
}

#[tokio::test]
async fn a_systemctl_that_is_missing_fails_says_nothing_or_hangs_is_a_doubt() {
    let unmet = async |host: &Host| host.unmet(&units(&["arb.service"])).await.join("; ");
    let empty = tempfile::tempdir().unwrap();
    let missing = Host::with_programs_in(empty.path());
    assert_eq!(
        unmet(&missing).await,
        "whether arb.service is as required cannot be seen (there is no systemctl here)"
    );
    let (_dir, failing) = systemctl("echo 'Failed to connect to bus.' >&2; exit 1");
    assert_eq!(
        unmet(&failing).await,
        "whether arb.service is as required cannot be seen (systemctl failed, exit status: 1: Failed to connect to bus)"
    );
    let (_dir, silent) = systemctl("exit 0");
    assert_eq!(
        unmet(&silent).await,
        "whether arb.service is as required cannot be seen (systemctl says nothing of it)"
    );
    let (_dir, hanging) = systemctl("exec /bin/sleep 20");
    assert_eq!(
        unmet(&hanging).await,
        "whether arb.service is as required cannot be seen (no answer within 2s)"
    );
}

#[tokio::test]
async fn a_file_is_absent_only_where_the_host_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (lock, link) = (dir.path().join("lock"), dir.path().join("link"));
    let host = Host::default();
    let all = files(&[&lock, &link, &lock.join("below")]);
    assert_eq!(host.unmet(&all).await, Vec::<String>::new());
    fs::write(&lock, "").unwrap();
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    let shown = |path: &std::path::Path| path.display().to_string();
    let expected = [
        format!("{} is there", shown(&lock)),
        format!("{} is there", shown(&link)),
        format!(
            "whether {} is as required cannot be seen (Not a directory (os error 20))",
            shown(&lock.join("below"))
        ),
    ];
    assert_eq!(host.unmet(&all).await, expected);
}

#[tokio::test]
async fn a_file_whose_look_hangs_is_a_doubt_and_holds_one_thread_until_it_is_back() {
    use std::sync::atomic::AtomicU32;
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    fn hangs(_: &str) -> Shown {
        LOOKS.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(HOST_LOOK + HOST_LOOK / 2);
        Shown::AsRequired
    }
    let host = Host::default();
    let doubt = |why: &str| Shown::Doubt(why.to_owned());
    assert_eq!(host.file("/run/lock", hangs).await, doubt("no answer within 2s"));
    for _ in 0..5 {
        assert_eq!(host.file("/run/lock", hangs).await, doubt("an earlier look has not come back yet"));
    }
    assert_eq!(LOOKS.load(Ordering::Relaxed), 1);
    assert_eq!(host.file("/run/other", |_| Shown::AsRequired).await, Shown::AsRequired);
    while hung(&host.hung).contains("/run/lock") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(host.file("/run/lock", |_| Shown::AsRequired).await, Shown::AsRequired);
}
