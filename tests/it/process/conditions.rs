//! A change that waits for its window, then for the host, on a host whose `systemctl` is the story's own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use bitget_sim::PosMode;

use super::{Host, Venue, declared};

/// Says of any unit what stands in a file at home, with nothing but the shell.
const SYSTEMCTL: &str = "#!/bin/sh\nwhile read -r line; do echo \"$line\"; done < \"$HOME/unit\"\n";

#[test]
fn a_change_leaves_in_its_window_once_the_host_is_as_the_file_requires() {
    let venue = Venue::of_desks(1);
    let file = |window: &str| {
        let own = format!(
            "    windows: [{window}]\n    require:\n      - unit_inactive: arb.service\n      \
             - file_absent: /etc/posmoded-no-such-file\n...\n"
        );
        let windows = "windows:\n  leap: { opens: 0 0 0 29 2 *, lasts: 1s, time_zone: UTC }\n  \
                       always: { opens: 0 0 * * * *, lasts: 2h, time_zone: America/St_Johns }\naccounts:";
        declared(&[("desk-1", "hedge_mode")]).replace("...\n", &own).replace("accounts:", windows)
    };
    let mut host = Host::new(&venue, &["desk-1"], &file("leap"));
    let bin = host.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("systemctl"), SYSTEMCTL).unwrap();
    fs::set_permissions(bin.join("systemctl"), Permissions::from_mode(0o755)).unwrap();
    host.environment.push(("PATH", bin.into()));
    let unit = |host: &Host, state: &str| {
        fs::write(host.path("unit"), format!("LoadState=loaded\nActiveState={state}\n")).unwrap();
    };
    unit(&host, "active");
    host.start();
    host.wait_for_all("new window");
    host.declare(&file("always"));
    host.wait_for_all("new requirement");
    let (code, told, _) = host.call(&["plan", "--exit-code"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("This host is not as the file requires: arb.service is active."), "{told}");
    host.wait_out_its_quiet();
    assert_eq!(venue.sets(), []);
    unit(&host, "inactive");
    host.signal("HUP");
    host.wait_for_all("in_sync -");
    assert_eq!((venue.sets().len(), venue.mode(1)), (1, PosMode::HedgeMode));
    host.terminate();
}
