//! Units that would wait for themselves: a `posmoded wait` in a unit that its account requires to be inactive.
//!
//! Reads the file and units as far as it may. What it cannot see it does not warn of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Common;
use crate::clock::Clock;
use crate::desired::{self, Desired};
use crate::facts::Requirement;
use crate::ledger::Visitor;
use crate::position_mode::AccountName;

/// A warning for each of the accounts that requires the unit to be inactive that this process is a part of.
pub(super) fn around_this_process<'a>(
    common: &Common,
    accounts: impl Iterator<Item = &'a AccountName>,
) -> Vec<String> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let ours = units_of(&cgroup);
    let Some(desired) = Some(&ours).filter(|ours| !ours.is_empty()).and_then(|_| declared(common)) else {
        return Vec::new();
    };
    let accounts: BTreeSet<&AccountName> = accounts.collect();
    let required = accounts
        .iter()
        .flat_map(|account| required(&desired, account).into_iter().map(move |unit| (*account, unit)));
    let mine = required.filter(|(_, unit)| ours.contains(unit.as_str()));
    mine.map(|(account, unit)| waits_for_itself("This wait", account, &unit)).collect()
}

/// A warning for each unit of this host that waits for an account that requires it to be inactive.
pub(super) fn on_this_host(desired: &Desired, accounts: &BTreeSet<AccountName>) -> Vec<String> {
    let places: Vec<&Path> = PLACES.iter().map(Path::new).collect();
    below(&places, desired, accounts)
}

fn below(places: &[&Path], desired: &Desired, accounts: &BTreeSet<AccountName>) -> Vec<String> {
    let mut warnings = Vec::new();
    for account in accounts {
        for unit in required(desired, account) {
            if commands(places, &unit).iter().any(|command| waits_for(command, account)) {
                warnings.push(waits_for_itself("A `posmoded wait`", account, &unit));
            }
        }
    }
    warnings
}

fn waits_for_itself(what: &str, account: &AccountName, unit: &str) -> String {
    format!(
        "{what} is part of {unit}, which {account} requires to be inactive before it is changed (require: unit_inactive): the \
         change would wait for {unit}, and {unit} for the change. Take it out there, and write below [Unit] of {unit}: \
         Requires=posmoded-wait@{account}.service and After=posmoded-wait@{account}.service."
    )
}

/// The file as this process finds it: where the flag says, where the service has it, or as the ledger keeps it.
fn declared(common: &Common) -> Option<Desired> {
    let read = |path: &Path| desired::read(&fs::read(path).ok()?).ok();
    let in_the_ledger = || {
        let visitor = Visitor::open(common.ledger().ok()?, Clock::machine()).ok()?;
        desired::read(&visitor.last_good().ok()??.bytes).ok()
    };
    read(&common.config).or_else(|| read(Path::new(SYSTEM_CONFIG))).or_else(in_the_ledger)
}

/// The units that an account requires to be inactive.
fn required(desired: &Desired, account: &AccountName) -> Vec<String> {
    let of = desired.accounts.get(account);
    let all = of.into_iter().flat_map(|account| account.policy.require.0.iter());
    all.filter_map(|requirement| match requirement {
        Requirement::UnitInactive(unit) => Some(unit.clone()),
        Requirement::FileAbsent(_) => None,
    })
    .collect()
}

/// The units in the paths of `/proc/self/cgroup`, outer ones included.
fn units_of(cgroup: &str) -> BTreeSet<&str> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).filter(|part| part.contains('.')).collect()
}

/// The command lines of a unit's start, as written in its file and in its drop-ins; the instance in place of `%i`.
fn commands(places: &[&Path], unit: &str) -> Vec<String> {
    let instance = unit.split_once('@').and_then(|(name, rest)| Some((name, rest.rsplit_once('.')?)));
    let template = instance.map(|(name, (_, kind))| format!("{name}@.{kind}"));
    let names: Vec<&str> = std::iter::once(unit).chain(template.as_deref()).collect();
    let fragments = names.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    let fragment = fragments.into_iter().find(|path| path.exists());
    let drop_ins = names
        .iter()
        .flat_map(|name| places.iter().flat_map(move |place| inside(&place.join(format!("{name}.d")))));
    let texts = fragment.into_iter().chain(drop_ins).filter_map(|path| fs::read_to_string(path).ok());
    let lines = texts.flat_map(|text| {
        let text = text.replace("\\\n", " ");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let of_start = lines.filter_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        STARTS.contains(&key.trim_end()).then(|| value.to_owned())
    });
    let (_, (instance, _)) = instance.unwrap_or_default();
    of_start.map(|value| value.replace("%i", instance)).collect()
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect()
}

/// Whether a command line calls `posmoded wait` for the account or a target of it.
fn waits_for(command: &str, account: &AccountName) -> bool {
    let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || "'\";".contains(c)).collect();
    let is_it = |word: &&str| word.split('/').next_back() == Some("posmoded");
    let Some(after) = words.iter().position(is_it).and_then(|at| words.get(at..)) else { return false };
    let names = |word: &&str| word.split('/').next() == Some(account.as_str());
    after.contains(&"wait") && after.iter().any(names)
}

/// Where the unit of the service has the file.
pub(super) const SYSTEM_CONFIG: &str = "/etc/posmoded/desired-state.yaml";
/// Where units are, in the order of precedence (systemd.unit(5)).
const PLACES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// What runs while a unit starts.
const STARTS: [&str; 3] = ["ExecCondition", "ExecStartPre", "ExecStart"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_around_a_process_are_the_parts_of_its_cgroups_path() {
        for (cgroup, units) in [
            ("0::/system.slice/strategy-arb.service\n", "strategy-arb.service system.slice"),
            (
                "0::/system.slice/system-arb.slice/arb@1.service/inner\n",
                "arb@1.service system-arb.slice system.slice",
            ),
            ("2:cpu:/\n1:name=systemd:/system.slice/arb.service\n0::/\n", "arb.service system.slice"),
            ("0::/\n", ""),
            ("", ""),
        ] {
            assert_eq!(units_of(cgroup).into_iter().collect::<Vec<_>>().join(" "), units, "{cgroup}");
        }
    }

    #[test]
    fn a_wait_in_a_unit_that_must_be_inactive_is_found_in_its_file_its_template_and_its_drop_ins() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("etc"), home.path().join("usr"));
        let put = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            second.join("a.service"),
            "[Service]\nExecStartPre=-/usr/bin/posmoded --log text \\\n  wait desk-a\n",
        );
        // The first place hides the second.
        put(first.join("b.service"), "[Service]\nExecStart=/bin/true\n");
        put(second.join("b.service"), "[Service]\nExecStartPre=/usr/bin/posmoded wait desk-b\n");
        put(
            second.join("c@.service"),
            "[Service]\nExecStartPre = sh -c 'posmoded wait %i/USDT-FUTURES; true'\n",
        );
        put(first.join("d.service.d/gate.conf"), "[Service]\nExecStartPre=posmoded wait desk-x desk-d\n");
        put(
            first.join("e.service"),
            "[Service]\nExecStartPre=posmoded wait desk-ee\n#ExecStartPre=posmoded wait desk-e\n",
        );
        put(
            first.join("f.service"),
            "[Unit]\nRequires=posmoded-wait@desk-f.service\n[Service]\nExecStopPost=posmoded wait desk-f\n",
        );
        let file = "version: 1\nmax_changes: 3\ndefaults: { drift: correct }\naccounts:\n";
        let units =
            [("a", "a"), ("b", "b"), ("c", "c@desk-c"), ("d", "d"), ("e", "e"), ("f", "f"), ("g", "none")];
        let account = |(desk, unit): (&str, &str)| {
            let require = format!("require: [{{ unit_inactive: {unit}.service }}]");
            format!("  desk-{desk}: {{ position_mode: hedge_mode, {require} }}\n")
        };
        let accounts: String = units.into_iter().map(account).collect();
        let desired = desired::read(format!("{file}{accounts}...\n").as_bytes()).unwrap();
        let all = desired.accounts_of("here");
        let told = below(&[&first, &second], &desired, &all).join("\n");
        let found: Vec<&str> =
            told.lines().filter_map(|line| line.split("part of ").nth(1)?.split(',').next()).collect();
        assert_eq!(found, ["a.service", "c@desk-c.service", "d.service"], "{told}");
        assert!(told.contains("Requires=posmoded-wait@desk-a.service"), "{told}");
    }
}
