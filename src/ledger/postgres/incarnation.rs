//! Which database it is: the same one after a restart, another one after a promotion, a restore, or where it was set back.
//!
//! What was committed last may be lost then. The row `fleet` says which one it was when a daemon last wrote.

use super::session::Session;
use crate::ledger::trouble::{DatabaseResult, Trouble};
use crate::ledger::tx::{Engine as _, Loss, Tx, params};

/// The system's own number and the timeline, which is another one after each promotion and each recovery to a point in time.
pub(super) fn read(session: &Session) -> DatabaseResult<String> {
    let tx = Tx::new(session);
    let asked: DatabaseResult<String> = tx.query_row(
        "SELECT system_identifier::text || ' ' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
         FROM pg_control_system()",
        params![],
        |row| row.get(0),
    );
    match asked {
        // Not everybody may ask that; the time of its start changes at least as often.
        Err(error) if error.trouble() == Trouble::Other => {
            tx.query_row("SELECT pg_postmaster_start_time()::text", params![], |row| row.get(0))
        }
        asked => asked,
    }
}

/// What it may have lost since a daemon last wrote, or since this one saw the version `seen`. Writes down which one it is, in
/// the transaction under way.
pub(super) fn compare(session: &Session, version: i64, seen: i64) -> DatabaseResult<Option<Loss>> {
    let now = read(session)?;
    let (before, was_synchronous, is_synchronous) = Tx::new(session).query_row(
        "SELECT incarnation, synchronous, current_setting('synchronous_standby_names') <> '' AS now FROM fleet",
        params![],
        |row| Ok((row.get::<String>(0)?, row.get::<bool>(1)?, row.get::<bool>(2)?)),
    )?;
    if before != now || was_synchronous != is_synchronous {
        let set = "UPDATE fleet SET incarnation = ?1, synchronous = (?2 = 1)";
        session.execute(set, params![now, i64::from(is_synchronous)])?;
    }
    let loss = loss((&before, &now), was_synchronous, version < seen);
    if loss == Some(Loss::Anything) {
        // Whoever still knows of a set by a number that was lost must not take another set for it.
        let skip = "SELECT setval(pg_get_serial_sequence('intents', 'id'),
                                  nextval(pg_get_serial_sequence('intents', 'id')) + 1000)";
        Tx::new(session).query_row(skip, params![], |row| row.get::<i64>(0))?;
    }
    Ok(loss)
}

fn loss((before, now): (&str, &str), was_synchronous: bool, is_set_back: bool) -> Option<Loss> {
    let system = |incarnation: &str| incarnation.split(' ').next().map(str::to_owned);
    match before {
        _ if is_set_back => Some(Loss::Anything),
        "" => None,
        same if same == now => None,
        _ if was_synchronous && system(before) == system(now) => Some(Loss::Unacknowledged),
        _ => Some(Loss::Anything),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_that_had_all_loses_what_nobody_was_told_and_any_other_database_anything() {
        let first = "7301 00000001";
        assert_eq!(loss(("", first), false, false), None);
        assert_eq!(loss((first, first), false, false), None);
        assert_eq!(loss((first, "7301 00000002"), true, false), Some(Loss::Unacknowledged));
        assert_eq!(loss((first, "7301 00000002"), false, false), Some(Loss::Anything));
        assert_eq!(loss((first, "7302 00000001"), true, false), Some(Loss::Anything));
        assert_eq!(loss((first, first), true, true), Some(Loss::Anything), "set back to a copy of its disk");
    }
}
