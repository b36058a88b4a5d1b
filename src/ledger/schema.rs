//! The tables, as a list of migrations: one per format, each run once and never edited after a release.
//!
//! `user_version` holds the format. Apart from the migrations, nothing here reads or writes a row.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::copying::copy_into;
use super::error::{LedgerError, OpenError};
use super::files::{Part, beside, directory};

/// The format that this version reads and writes.
pub(super) const FORMAT: i64 = 9;

/// The format of an open ledger; 0 if the file has none yet.
pub(super) fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Converts an older ledger to the newest format in `migrations`. Each step is a transaction of its own, after a copy
/// of the ledger as it was to `*.before-N` beside it. The caller has checked that the ledger is not newer.
pub(super) fn migrate(
    connection: &mut Connection,
    place: &Path,
    migrations: &[&str],
) -> Result<(), OpenError> {
    let at = |error| LedgerError::of(place, error);
    let is_new = format(connection).map_err(at)? == 0;
    for (to, sql) in (1..).zip(migrations) {
        let found = format(connection).map_err(at)?;
        if found >= to {
            continue;
        }
        if !is_new {
            copy(connection, place, to)?;
        }
        step(connection, to, sql).map_err(at)?;
    }
    Ok(())
}

/// Converts a ledger to our format without a copy, for one that is a copy itself.
pub(super) fn convert(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = format(connection)?;
    for (to, sql) in (1..).zip(MIGRATIONS).filter(|(to, _)| *to > found) {
        step(connection, to, sql)?;
    }
    Ok(())
}

/// An empty ledger of this format, in memory.
pub(super) fn empty(format: i64) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    for (to, sql) in (1..=format).zip(MIGRATIONS) {
        step(&mut connection, to, sql)?;
    }
    Ok(connection)
}

fn step(connection: &mut Connection, to: i64, sql: &str) -> rusqlite::Result<()> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(sql)?;
    step.pragma_update(None, "user_version", to)?;
    step.commit()
}

/// Copies the whole ledger to one file, which is on the disk itself before it has its name; an older copy is replaced.
fn copy(connection: &Connection, place: &Path, to: i64) -> Result<(), OpenError> {
    let unusable = |source| OpenError::Io { dir: directory(place).to_owned(), source };
    let copy = beside(place, &format!(".before-{to}"));
    let part = beside(&copy, ".part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
        Ok(()) | Err(_) => {}
    }
    let part = Part::for_the_owner(part).map_err(unusable)?;
    copy_into(connection, &part).map_err(|error| LedgerError::of(place, error))?;
    part.replace(&copy).map_err(unusable)
}

/// All migrations, from the first format.
pub(super) const MIGRATIONS: [&str; 9] =
    [FIRST, KINDS, EXCHANGE_TIME, SHOWN_BY, CHANGES, OUT_OF_SYNC, WATCHED, PAUSE_OVER, HOSTS];

pub(super) const FIRST: &str = "
CREATE TABLE revisions (
    generation  INTEGER PRIMARY KEY,
    sha256      TEXT NOT NULL,
    git_commit  TEXT,
    accepted_at INTEGER NOT NULL,
    bytes       BLOB NOT NULL
) STRICT;

CREATE TABLE targets (
    account            TEXT NOT NULL,
    scope              TEXT NOT NULL,
    desired            TEXT,
    changed_in         INTEGER NOT NULL,
    applied_mode       TEXT,
    applied_how        TEXT,
    applied_at         INTEGER,
    applied_generation INTEGER,
    PRIMARY KEY (account, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE uids (
    account   TEXT PRIMARY KEY,
    uid       TEXT NOT NULL,
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uids_by_uid ON uids (uid);

-- What wanted to change and was held; a hash is recorded anew when another plan was held in between.
CREATE TABLE plans (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    hash        TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    approved_at INTEGER
) STRICT;

CREATE TABLE plan_entries (
    plan    INTEGER NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    account TEXT NOT NULL,
    scope   TEXT NOT NULL,
    live    TEXT NOT NULL,
    desired TEXT NOT NULL,
    cause   TEXT NOT NULL,
    PRIMARY KEY (plan, account, scope)
) STRICT, WITHOUT ROWID;

-- plan: the approved plan under which the set was made; such sets do not count for max_changes.
CREATE TABLE intents (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT NOT NULL,
    scope      TEXT NOT NULL,
    live       TEXT NOT NULL,
    desired    TEXT NOT NULL,
    cause      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    stamp      INTEGER NOT NULL,
    noted_at   INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('noted', 'accepted', 'unclear', 'withdrawn', 'refused', 'confirmed',
                                              'took_effect', 'no_effect', 'late')),
    plan       INTEGER REFERENCES plans (id)
) STRICT;
-- Never two unresolved sets for one target: the disk itself refuses the second.
CREATE UNIQUE INDEX one_unresolved ON intents (account, scope) WHERE state IN ('noted', 'accepted', 'unclear');
CREATE INDEX intents_by_target ON intents (account, scope, id);
CREATE INDEX intents_by_stamp ON intents (stamp);

CREATE TABLE pauses (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    account   TEXT,
    reason    TEXT NOT NULL,
    since     INTEGER NOT NULL,
    until     INTEGER,
    lifted_at INTEGER
) STRICT;

-- after_intent: the newest intent when it was asked for; drift corrected before that no longer counts.
CREATE TABLE resumes (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account      TEXT,
    after_intent INTEGER NOT NULL,
    at           INTEGER NOT NULL
) STRICT;

-- What commands asked for and the daemon has to acknowledge.
CREATE TABLE requests (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    what            TEXT NOT NULL,
    at              INTEGER NOT NULL,
    acknowledged_at INTEGER
) STRICT;
CREATE INDEX unacknowledged ON requests (id) WHERE acknowledged_at IS NULL;

CREATE TABLE cool_downs (
    lane  TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    account    TEXT,
    scope      TEXT,
    kind       TEXT NOT NULL,
    generation INTEGER,
    cause      TEXT,
    live       TEXT,
    desired    TEXT,
    how        TEXT,
    text       TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_by_account ON events (account, at);

CREATE VIEW unresolved AS SELECT * FROM intents WHERE state IN ('noted', 'accepted', 'unclear');

CREATE VIEW counted AS SELECT stamp FROM intents WHERE plan IS NULL AND state NOT IN ('withdrawn', 'refused');

CREATE VIEW unused_entries AS
SELECT e.plan, e.account, e.scope, e.live, e.desired, e.cause, p.approved_at
FROM plans p JOIN plan_entries e ON e.plan = p.id
WHERE p.approved_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM intents i
    WHERE i.plan = e.plan AND i.account = e.account AND i.scope = e.scope
      AND i.state IN ('confirmed', 'took_effect', 'late'));
";

/// Lets a restart know the targets of an account before its first look.
pub(super) const KINDS: &str = "
CREATE TABLE kinds (
    account TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Pauses, approvals and events go by the exchange's time, so that no wall clock ends a pause, deletes an event or
/// decides what came first. A pause that may still stand begins anew, because the error of the clock that set its end
/// is unknown.
pub(super) const EXCHANGE_TIME: &str = "
ALTER TABLE pauses ADD COLUMN lasts INTEGER;
UPDATE pauses SET lasts = max(until - since, 1), until = NULL
WHERE lifted_at IS NULL AND until > (SELECT coalesce(max(at), 0) FROM events);

-- plan: the plan that is to be approved; refused: why it was not.
ALTER TABLE requests ADD COLUMN plan INTEGER;
ALTER TABLE requests ADD COLUMN refused TEXT;

-- An event that was written before the exchange's time was known has our own time until then.
ALTER TABLE events ADD COLUMN dated INTEGER NOT NULL DEFAULT 1;
CREATE INDEX undated ON events (id) WHERE dated = 0;
";

/// The id of the key that last showed the pinned UID: as long as the key is the same, so is the account.
pub(super) const SHOWN_BY: &str = "
ALTER TABLE uids ADD COLUMN shown_by TEXT;
";

/// `max_changes` counts changed targets, not sets, and a set that shows late counts from then on. A conversion that is taken
/// back does not make what somebody did to the target count anew.
pub(super) const CHANGES: &str = "
CREATE TABLE former_targets (
    account    TEXT NOT NULL,
    scope      TEXT NOT NULL,
    desired    TEXT,
    changed_in INTEGER NOT NULL,
    PRIMARY KEY (account, scope)
) STRICT, WITHOUT ROWID;

ALTER TABLE intents ADD COLUMN late_at INTEGER;
DROP VIEW counted;
DROP INDEX intents_by_stamp;
CREATE INDEX intents_by_count ON intents (coalesce(late_at, stamp));
CREATE VIEW counted AS
SELECT account, scope, desired, coalesce(late_at, stamp) AS at FROM intents
WHERE plan IS NULL AND state NOT IN ('withdrawn', 'refused');
";

/// Since when each target is out of sync, and whether the drift that it is in has its event: neither begins anew with a
/// process.
pub(super) const OUT_OF_SYNC: &str = "
CREATE TABLE out_of_sync (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    scope   TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER
) STRICT;
CREATE UNIQUE INDEX out_of_sync_now ON out_of_sync (account, scope) WHERE until IS NULL;
CREATE INDEX out_of_sync_until ON out_of_sync (until);

-- Who asked for it, where somebody did.
ALTER TABLE events ADD COLUMN who TEXT;
ALTER TABLE requests ADD COLUMN who TEXT;

ALTER TABLE targets ADD COLUMN drift_noticed INTEGER NOT NULL DEFAULT 0;
UPDATE targets SET drift_noticed = 1 WHERE applied_mode = desired AND (
    SELECT e.kind FROM events e WHERE e.account = targets.account AND e.scope = targets.scope ORDER BY e.id DESC LIMIT 1
) IN ('drift', 'fighting');
";

/// When a daemon ran, when the state of a target was unknown all the same, and since when there is anything about it at all: what is
/// not known of the past is not taken for "in sync".
pub(super) const WATCHED: &str = "
CREATE TABLE watched (
    since INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX watched_until ON watched (until);

CREATE TABLE unknown (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    scope   TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER
) STRICT;
CREATE UNIQUE INDEX unknown_now ON unknown (account, scope) WHERE until IS NULL;
CREATE INDEX unknown_until ON unknown (until);

ALTER TABLE targets ADD COLUMN known_since INTEGER NOT NULL DEFAULT 0;
UPDATE targets SET known_since = coalesce(
    (SELECT min(at) FROM events e WHERE e.account = targets.account AND e.scope = targets.scope),
    (SELECT accepted_at FROM revisions WHERE generation = changed_in), 0);
";

/// Who paused it, and whether the end of a pause that runs out has its event. That it has ends no pause: the time by which it is
/// over may turn out to be wrong.
pub(super) const PAUSE_OVER: &str = "
ALTER TABLE pauses ADD COLUMN who TEXT;
ALTER TABLE pauses ADD COLUMN over_noticed INTEGER NOT NULL DEFAULT 0;
UPDATE pauses SET over_noticed = 1 WHERE until <= (SELECT coalesce(max(at), 0) FROM events);
";

/// Daemons of several hosts may work with one ledger, where it is on a server: whose set, held plan, event and span it is, who looks
/// after a target since when, and which of them have taken up a request. The set of an account under one name excludes that
/// under another. Here the name of the host is empty. Of a revision it is known from which of them it is, and what tells whether
/// another host's file is newer: the newest commit that is known to hold this content, and the ancestors of that.
pub(super) const HOSTS: &str = "
ALTER TABLE intents ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN uid TEXT;
CREATE UNIQUE INDEX one_unresolved_of_a_user ON intents (uid, scope) WHERE state IN ('noted', 'accepted', 'unclear');

ALTER TABLE plans ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN host TEXT;

ALTER TABLE revisions ADD COLUMN head TEXT;
ALTER TABLE revisions ADD COLUMN ancestry TEXT;
ALTER TABLE revisions ADD COLUMN host TEXT;

CREATE TABLE answers (
    request INTEGER NOT NULL,
    host    TEXT NOT NULL,
    PRIMARY KEY (request, host)
) STRICT;

CREATE TABLE keepers (
    account TEXT NOT NULL,
    since   INTEGER NOT NULL,
    host    TEXT NOT NULL,
    PRIMARY KEY (account, since)
) STRICT;
INSERT INTO keepers (account, since, host) SELECT account, min(known_since), '' FROM targets GROUP BY account;

ALTER TABLE watched RENAME TO watched_before;
DROP INDEX watched_until;
CREATE TABLE watched (
    host  TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (host, since)
) STRICT;
INSERT INTO watched (host, since, until) SELECT '', since, until FROM watched_before;
DROP TABLE watched_before;

-- host: whose address rests; empty where it is an account that does.
ALTER TABLE cool_downs RENAME TO cool_downs_before;
CREATE TABLE cool_downs (
    host  TEXT NOT NULL,
    lane  TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (host, lane)
) STRICT, WITHOUT ROWID;
INSERT INTO cool_downs (host, lane, until) SELECT '', lane, until FROM cool_downs_before;
DROP TABLE cool_downs_before;
CREATE INDEX watched_until ON watched (until);
";
