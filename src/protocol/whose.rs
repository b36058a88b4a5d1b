//! Compares the account that a key belongs to with the file, the ledger and the other names.

use crate::facts::Identity;
use crate::position_mode::{AccountName, Uid};

/// What else says which account the key belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// The uid in the file.
    pub file: Option<&'a Uid>,
    /// The uid in the ledger, recorded at the first look.
    pub pinned: Option<&'a Uid>,
    /// Whether another key than this one showed the pinned uid.
    pub is_another_key: bool,
    /// Another name whose key belongs to the same account.
    pub shared_with: Option<&'a AccountName>,
}

/// Why the key's account is not the one that `name` stands for, in one or two sentences; `None` if nothing
/// contradicts it. A key without the right to read its uid is no obstacle, unless the file gives a uid or the key is another
/// than the one that showed the pinned one.
pub fn wrong(name: &AccountName, identity: &Identity, claims: Claims<'_>) -> Option<String> {
    let Identity { uid, uid_right, kind: _, warnings: _, at: _ } = identity;
    let Claims { file, pinned, is_another_key, shared_with } = claims;
    match (uid.as_ref(), file) {
        (Some(uid), Some(file)) if uid != file => {
            return Some(format!(
                "The key belongs to account {uid}, and the file says that {name} is account {file}: nothing is changed. \
                 Put a key of {file} in place, or correct `uid` in the file."
            ));
        }
        (None, Some(file)) => {
            return Some(format!(
                "The file says that {name} is account {file}, and its key lacks the right to say whose it is: nothing is \
                 changed. Allow it \"{uid_right}\" at Bitget, or remove `uid` from the file."
            ));
        }
        (Some(_), Some(_)) | (Some(_) | None, None) => {}
    }
    if let (Some(uid), Some(was)) = (uid, pinned)
        && uid != was
    {
        return Some(format!(
            "The key belongs to account {uid}, and this name has belonged to account {was} so far: nothing is changed. \
             Put the right key in place, or give the other account a name of its own in the file."
        ));
    }
    if let (None, Some(was), true) = (uid, pinned, is_another_key) {
        return Some(format!(
            "This name has belonged to account {was} so far; its key is another one now, and lacks the right to say whose it \
             is: nothing is changed. Allow it \"{uid_right}\" at Bitget, put the former key back, or give the account a name of \
             its own in the file."
        ));
    }
    let (uid, with) = (uid.as_ref().or(pinned)?, shared_with?);
    Some(format!(
        "The key belongs to account {uid}, and so does that of {with}: nothing is changed. Two names for one account \
         would fight each other; remove one from the file, or put the right key in place."
    ))
}
