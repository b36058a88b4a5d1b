//! The identity of the account behind each name: the pinned UID and the kind last observed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::error::StoreError;
use super::event::{Event, EventKind};
use super::history;
use super::now::Now;
use super::trouble::DatabaseResult;
use super::tx::{Tx, params};
use crate::facts::Identity;
use crate::position_mode::{AccountName, KeyId, Kind, Uid};
use crate::protocol::Claims;

/// The UID pinned for each account name since its first look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins {
    by_name: BTreeMap<AccountName, Pin>,
    by_uid: BTreeMap<Uid, BTreeSet<AccountName>>,
}

/// The UID pinned for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The UID.
    pub uid: Uid,
    /// The key that last showed it; `None` if an older version pinned it.
    pub shown_by: Option<KeyId>,
}

impl Pins {
    /// The UIDs that are pinned for several names, with these.
    pub(super) fn shared(&self) -> Vec<(&Uid, &BTreeSet<AccountName>)> {
        self.by_uid.iter().filter(|(_, names)| names.len() > 1).collect()
    }

    /// The one of a name.
    pub(super) fn of(&self, account: &AccountName) -> Option<&Pin> {
        self.by_name.get(account)
    }

    /// From now on the name has this one, or none.
    pub(super) fn put(&mut self, account: &AccountName, pin: Option<Pin>) {
        if let Some(Pin { uid, .. }) = self.by_name.remove(account)
            && let Entry::Occupied(mut names) = self.by_uid.entry(uid)
        {
            names.get_mut().remove(account);
            if names.get().is_empty() {
                names.remove();
            }
        }
        if let Some(pin) = pin {
            self.by_uid.entry(pin.uid.clone()).or_default().insert(account.clone());
            self.by_name.insert(account.clone(), pin);
        }
    }

    /// Whether this key was the last that showed the pinned UID; `None` if none is pinned.
    pub fn was_shown_by(&self, account: &AccountName, key: Option<&KeyId>) -> Option<bool> {
        self.by_name.get(account).map(|pin| pin.shown_by.as_ref() == key)
    }

    /// What to compare `shown`, the identity of a key of `account`, with: the UID in the file (`file`), the pinned one,
    /// and another name of the same account.
    pub fn claims<'a>(
        &'a self,
        account: &AccountName,
        file: Option<&'a Uid>,
        shown: &Identity,
        key: Option<&KeyId>,
    ) -> Claims<'a> {
        let pin = self.by_name.get(account);
        let pinned = pin.map(|pin| &pin.uid);
        // An older version did not write down which key it was.
        let shown_by = pin.and_then(|pin| pin.shown_by.as_ref());
        let is_another_key = shown_by.is_some() && shown_by != key;
        let owners = shown.uid.as_ref().or(pinned).and_then(|uid| self.by_uid.get(uid));
        let shared_with = owners.and_then(|names| names.iter().find(|name| *name != account));
        Claims { file, pinned, is_another_key, shared_with }
    }
}

impl FromIterator<(AccountName, Pin)> for Pins {
    fn from_iter<I: IntoIterator<Item = (AccountName, Pin)>>(all: I) -> Pins {
        let mut pins = Pins::default();
        for (name, pin) in all {
            pins.put(&name, Some(pin));
        }
        pins
    }
}

/// How the UID of a key compares with the pinned one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinned {
    /// It is pinned now: it was seen for the first time, or the pinned one belongs to an older name.
    New,
    /// It is the pinned one.
    Same,
    /// Another one is pinned, and stays pinned.
    Changed {
        /// The pinned UID.
        was: Uid,
    },
}

/// Records the kind of an account, if it is new or has changed.
pub(super) fn observed(tx: &Tx<'_>, now: Now, account: &AccountName, kind: Kind) -> Result<(), StoreError> {
    let was = kind_of(tx, account)?;
    if was == Some(kind) {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO kinds (account, kind, seen_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (account) DO UPDATE SET kind = ?2, seen_at = ?3",
        params![account, kind, now.shown()],
    )?;
    if let Some(was) = was {
        let text = format!("It was a {was} account and is a {kind} one now: its modes are compared anew.");
        history::add(tx, now, &Event::new(EventKind::Converted, text).of_account(account))?;
    }
    Ok(())
}

/// The kind of an account when last observed.
pub(super) fn kind_of(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<Option<Kind>> {
    tx.query_opt("SELECT kind FROM kinds WHERE account = ?1", params![account], |row| row.get(0))
}

/// The kind of each account when last observed.
pub(super) fn kinds(tx: &Tx<'_>) -> DatabaseResult<BTreeMap<AccountName, Kind>> {
    tx.query("SELECT account, kind FROM kinds", params![], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Compares the UID that a key showed with the pinned one; the first look pins it. If an older name has the
/// same UID pinned, this name had the wrong key when it was pinned, and is pinned again.
pub(super) fn pin(
    tx: &Tx<'_>,
    now: Now,
    account: &AccountName,
    uid: &Uid,
    key: &KeyId,
) -> Result<Pinned, StoreError> {
    match pin_of(tx, account)? {
        Some(Pin { uid: was, shown_by }) if was == *uid => {
            if shown_by.as_ref() != Some(key) {
                tx.execute("UPDATE uids SET shown_by = ?2 WHERE account = ?1", params![account, key])?;
            }
            return Ok(Pinned::Same);
        }
        Some(Pin { uid: was, .. }) if !came_second(tx, account)? => return Ok(Pinned::Changed { was }),
        Some(_) | None => {}
    }
    tx.execute(
        "INSERT INTO uids (account, uid, pinned_at, shown_by) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account) DO UPDATE SET uid = ?2, pinned_at = ?3, shown_by = ?4",
        params![account, uid, now.shown(), key],
    )?;
    let text = format!("The key belongs to user id {uid}, and must from now on.");
    history::add(tx, now, &Event::new(EventKind::Pinned, text).of_account(account))?;
    Ok(Pinned::New)
}

/// The UID pinned for a name.
pub(super) fn uid(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<Option<Uid>> {
    tx.query_opt("SELECT uid FROM uids WHERE account = ?1", params![account], |row| row.get(0))
}

/// Whether another name has the UID that is pinned for this one.
pub(super) fn is_shared(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<bool> {
    tx.query_row("SELECT EXISTS (SELECT 1 FROM uids one JOIN uids other ON other.uid = one.uid AND other.account <> one.account
                        WHERE one.account = ?1)", params![account], |row| row.get(0))
}

/// What is pinned for a name since its first look.
pub(super) fn pin_of(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<Option<Pin>> {
    tx.query_opt("SELECT uid, shown_by FROM uids WHERE account = ?1", params![account], |row| {
        Ok(Pin { uid: row.get(0)?, shown_by: row.get(1)? })
    })
}

/// What is pinned for each name since its first look.
pub(super) fn pins(tx: &Tx<'_>) -> DatabaseResult<Pins> {
    tx.query("SELECT account, uid, shown_by FROM uids", params![], |row| {
        Ok((row.get(0)?, Pin { uid: row.get(1)?, shown_by: row.get(2)? }))
    })
}

/// Whether another name has the UID that is pinned for this one, and had it no later.
fn came_second(tx: &Tx<'_>, account: &AccountName) -> DatabaseResult<bool> {
    tx.query_row("SELECT EXISTS (SELECT 1 FROM uids one JOIN uids other ON other.uid = one.uid AND other.account <> one.account
                        WHERE one.account = ?1 AND other.pinned_at <= one.pinned_at)", params![account],
        |row| row.get(0))
}
