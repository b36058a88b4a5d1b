//! The rules for the conditions of a change: change windows, and requirements on the host.
//!
//! Does not decide whether they hold at a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::entries::{Entry, Given, Rules};
use crate::desired::keys::{REQUIREMENT, WINDOW};
use crate::desired::problem::{quoted, steers};
use crate::desired::scalar::{Bounds, Value};
use crate::desired::tree::Node;
use crate::desired::word;
use crate::facts::{Requirement, Requirements};
use crate::window::{BadPattern, Opens, Window, WindowName, Windows, Zone};

/// The windows that the file declares, by name; `None` for whatever has a remark.
pub(super) type DeclaredWindows<'t> = Option<BTreeMap<&'t str, Option<Window>>>;

impl Rules {
    pub(super) fn windows<'t>(&mut self, entry: Option<&Entry<'t>>) -> DeclaredWindows<'t> {
        let Some(Entry { name: _, key, value }) = entry.copied() else { return Some(BTreeMap::new()) };
        let entries = self.named("under `windows`", key.place, value)?;
        if matches!(Value::of(value), Value::Map([])) {
            self.remark(
                key.place,
                "`windows` is empty",
                "declare at least one window below it, or remove the key",
            );
            return None;
        }
        Some(entries.iter().map(|entry| (entry.name, self.window(entry))).collect())
    }

    fn window(&mut self, entry: &Entry<'_>) -> Option<Window> {
        let name: Option<WindowName> = entry.name.parse().ok();
        if name.is_none() {
            self.bad_name(entry, "window");
        }
        let entries = self.section(&WINDOW, entry.key.place, entry.value)?;
        for (key, example) in [
            ("opens", "opens: \"0 0 22 * * Fri\""),
            ("lasts", "lasts: 48h"),
            ("time_zone", "time_zone: Europe/London"),
        ] {
            if !entries.contains_key(key) {
                let what = format!("the window {} has no `{key}`", quoted(entry.name));
                self.remark(entry.key.place, what, format!("add for example `{example}`"));
            }
        }
        let opens = self.opens(entries.get("opens"));
        let lasts = self.duration(entries.get("lasts"), LASTS).if_given();
        let time_zone = self.time_zone(entries.get("time_zone"));
        Some(Window { name: name?, opens: opens?, lasts: lasts?, time_zone: time_zone? })
    }

    fn opens(&mut self, entry: Option<&Entry<'_>>) -> Option<Opens> {
        let Entry { name, key, value } = entry.copied()?;
        let given = Value::of(value);
        let Value::Text(text) = given else {
            let so = "opens: \"0 0 22 * * Fri\"";
            self.wrong_kind(name, (key.place, value.place), given, "a cron pattern in quotes", so);
            return None;
        };
        let fault = match Opens::read(text) {
            Ok(opens) => return Some(opens),
            Err(fault) => fault,
        };
        let remedy = match fault {
            BadPattern::Fields(5) if Opens::read(&format!("0 {text}")).is_ok() => {
                format!("write six fields, seconds first: `opens: \"0 {}\"`", text.trim())
            }
            BadPattern::Fields(_) | BadPattern::Cron => {
                "write six fields, seconds first (second, minute, hour, day of the month, month, weekday), such as \
                 `opens: \"0 0 22 * * Fri\"`"
                    .to_owned()
            }
            BadPattern::Never => "write a day that its month has".to_owned(),
        };
        self.remark(value.place, format!("{} {fault}", quoted(text)), remedy);
        None
    }

    fn time_zone(&mut self, entry: Option<&Entry<'_>>) -> Option<Zone> {
        let Entry { name, key, value } = entry.copied()?;
        let given = Value::of(value);
        let Value::Text(text) = given else {
            let so = "time_zone: Europe/London";
            self.wrong_kind(name, (key.place, value.place), given, "the name of a zone", so);
            return None;
        };
        let zone = Zone::named(text);
        if zone.is_none() {
            let remedy = match word::meant_zone(text, &Zone::names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write its name as in the IANA database, such as `Europe/London` or `UTC`".to_owned(),
            };
            self.remark(value.place, format!("{} is no time zone", quoted(text)), remedy);
        }
        zone
    }

    /// The windows that an account names.
    pub(super) fn windows_of(
        &mut self,
        entry: Option<&Entry<'_>>,
        declared: &DeclaredWindows<'_>,
    ) -> Given<Windows> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let given = Value::of(value);
        let Value::List(items) = given else {
            let so = "windows: [weekend]";
            self.wrong_kind(name, (key.place, value.place), given, "a list of the names of windows", so);
            return Given::Badly;
        };
        if items.is_empty() {
            let remedy =
                "name one, such as `windows: [weekend]`; without the key changes may leave at all times";
            self.remark(value.place, "`windows` names no window", remedy);
            return Given::Badly;
        }
        let mut named = BTreeSet::new();
        let windows: Vec<Option<Window>> =
            items.iter().map(|item| self.window_of(item, declared, &mut named)).collect();
        windows
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map_or(Given::Badly, |all| Given::As(Windows(all.into())))
    }

    fn window_of<'t>(
        &mut self,
        item: &'t Node,
        declared: &DeclaredWindows<'_>,
        named: &mut BTreeSet<&'t str>,
    ) -> Option<Window> {
        let given = Value::of(item);
        let Value::Text(name) = given else {
            self.wrong_kind(
                "windows",
                (item.place, item.place),
                given,
                "the name of a window",
                "windows: [weekend]",
            );
            return None;
        };
        if !named.insert(name) {
            self.remark(
                item.place,
                format!("{} stands twice in `windows`", quoted(name)),
                "keep one of the two",
            );
            return None;
        }
        let declared = declared.as_ref()?;
        if let Some(window) = declared.get(name) {
            return window.clone();
        }
        let good = |name: &&str| name.parse::<WindowName>().is_ok();
        let known: Vec<&str> = declared.keys().copied().filter(good).collect();
        let remedy = match word::meant(name, &known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "declare it under `windows:` at the top level".to_owned(),
        };
        self.remark(item.place, format!("{} is no window of this file", quoted(name)), remedy);
        None
    }

    /// What an account requires of the host.
    pub(super) fn requirements(&mut self, entry: Option<&Entry<'_>>) -> Given<Requirements> {
        let Some(Entry { name, key, value }) = entry.copied() else { return Given::Absent };
        let given = Value::of(value);
        let Value::List(items) = given else {
            let so = "require: [{ unit_inactive: strategy.service }]";
            self.wrong_kind(name, (key.place, value.place), given, "a list of requirements", so);
            return Given::Badly;
        };
        if items.is_empty() {
            let remedy = "write for example `- unit_inactive: strategy.service` below it, or remove the key";
            self.remark(key.place, "`require` requires nothing", remedy);
            return Given::Badly;
        }
        let all: Vec<Option<Requirement>> = items.iter().map(|item| self.requirement(item)).collect();
        all.into_iter()
            .collect::<Option<Vec<_>>>()
            .map_or(Given::Badly, |all| Given::As(Requirements(all.into())))
    }

    fn requirement(&mut self, item: &Node) -> Option<Requirement> {
        let remedy = "write `- unit_inactive: strategy.service` or `- file_absent: /run/strategy.lock`";
        match Value::of(item) {
            Value::Refused => return None,
            Value::Map([]) => {
                self.remark(item.place, "here is an empty requirement", remedy);
                return None;
            }
            Value::Map(_) => {}
            other
            @ (Value::Nothing | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_)) => {
                self.remark(
                    item.place,
                    format!("here is {} where a requirement belongs", other.name()),
                    remedy,
                );
                return None;
            }
        }
        let entries = self.section(&REQUIREMENT, item.place, item)?;
        match (entries.get("unit_inactive"), entries.get("file_absent")) {
            (Some(unit), None) => self.unit(*unit).map(Requirement::UnitInactive),
            (None, Some(path)) => self.path(*path).map(Requirement::FileAbsent),
            (Some(_), Some(second)) => {
                let remedy = "begin a new line with `- ` for each of the two";
                self.remark(second.key.place, "here are two requirements in one", remedy);
                None
            }
            (None, None) => None,
        }
    }

    fn unit(&mut self, Entry { name, key, value }: Entry<'_>) -> Option<String> {
        let given = Value::of(value);
        let so = "unit_inactive: strategy.service";
        let Value::Text(text) = given else {
            self.wrong_kind(name, (key.place, value.place), given, "the name of a unit", so);
            return None;
        };
        let (what, remedy) = match unit_fault(text) {
            None => return Some(text.to_owned()),
            Some(UnitFault::Suffix) => (
                "does not end in a kind of unit",
                format!("write all of the name, such as `unit_inactive: {}.service`", plain_unit(text)),
            ),
            Some(UnitFault::Template) => (
                "is a template, which never runs itself",
                "name an instance, such as `strategy@arb.service`".to_owned(),
            ),
            Some(UnitFault::Name) => {
                ("is no name of one unit", format!("write it as `systemctl` lists it, such as `{so}`"))
            }
        };
        self.remark(value.place, format!("{} {what}", quoted(text)), remedy);
        None
    }

    fn path(&mut self, Entry { name, key, value }: Entry<'_>) -> Option<String> {
        let given = Value::of(value);
        let so = "file_absent: /run/strategy.lock";
        let Value::Text(text) = given else {
            self.wrong_kind(name, (key.place, value.place), given, "a path", so);
            return None;
        };
        let (what, remedy) = if let Some(hidden) = HIDDEN.into_iter().find(|hidden| is_below(text, hidden)) {
            let what = format!(
                "{} is below {hidden}, which the daemon's unit hides from it: it would always seem absent",
                quoted(text)
            );
            (what, "keep the file elsewhere, such as below /run or /var/lib".to_owned())
        } else if is_plain_path(text) {
            return Some(text.to_owned());
        } else {
            let what = format!(
                "{} is no plain path: one begins with `/`, ends in a name, and has no empty, `.` or `..` part",
                quoted(text)
            );
            (what, format!("write all of it, such as `{so}`"))
        };
        self.remark(value.place, what, remedy);
        None
    }
}

enum UnitFault {
    Suffix,
    Template,
    Name,
}

/// What is wrong with a unit's name by systemd's rules; templates and the patterns of `systemctl` are refused, too.
fn unit_fault(text: &str) -> Option<UnitFault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let starts_well = !text.starts_with(['-', '@', '.']);
    if text.is_empty() || text.len() > LONGEST_UNIT || !starts_well || !text.chars().all(plain) {
        return Some(UnitFault::Name);
    }
    match text.rsplit_once('.') {
        Some((prefix, kind)) if UNITS.contains(&kind) && !prefix.is_empty() => {
            prefix.ends_with('@').then_some(UnitFault::Template)
        }
        Some(_) | None => Some(UnitFault::Suffix),
    }
}

fn plain_unit(text: &str) -> String {
    quoted(text).trim_matches('`').to_owned()
}

fn is_plain_path(text: &str) -> bool {
    let Some(below) = text.strip_prefix('/') else { return false };
    let good = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.len() <= LONGEST_PATH && below.split('/').all(good) && !text.contains(|c| c == '\t' || steers(c))
}

fn is_below(path: &str, hidden: &str) -> bool {
    path.strip_prefix(hidden).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Shorter: a set would not fit in. Longer: it would hardly ever close.
pub(in crate::desired) const LASTS: Bounds = Bounds {
    least: Duration::from_secs(1),
    most: Duration::from_secs(366 * 24 * 3600),
    such_as: "`30m`, `8h` or `48h`",
};
/// The kinds of unit that systemd has.
const UNITS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];
/// The longest unit name that systemd allows, in bytes.
const LONGEST_UNIT: usize = 255;
/// In bytes: a path has to fit into one line of a log.
const LONGEST_PATH: usize = 255;
/// Paths that a hardened unit sees differently (`PrivateTmp`, `ProtectHome`, `PrivateDevices`, `ProtectProc`).
const HIDDEN: [&str; 9] =
    ["/tmp", "/var/tmp", "/home", "/root", "/run/user", "/var/run/user", "/dev", "/proc", "/run/credentials"];
