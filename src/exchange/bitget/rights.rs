//! The rights of a key that matter here, and the warnings about them for the operator.

use crate::position_mode::Kind;

/// The rights of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) futures: FuturesRight,
    /// Whether it may withdraw, which nothing here needs.
    pub(super) withdraws: bool,
}

/// The right to futures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FuturesRight {
    /// None; for a unified account also when either management or trading is missing.
    Nothing,
    Read,
    ReadWrite,
}

/// The right that a key needs to read its account's UID.
pub(super) fn to_say_whose(kind: Kind) -> &'static str {
    match kind {
        Kind::Classic => "spot, read",
        Kind::Unified => "UTA mgt., read",
    }
}

/// Warnings for the operator about a key's rights, one sentence each; they block nothing.
pub(super) fn warnings(kind: Kind, Rights { futures, withdraws }: Rights) -> Vec<String> {
    let lacking = match (kind, futures) {
        (Kind::Classic, FuturesRight::Nothing) => {
            Some("The key lacks the right to futures: allow it \"futures, read and write\" at Bitget")
        }
        (Kind::Classic, FuturesRight::Read) => Some(
            "The key may read futures only, so a change would be refused: allow it \"futures, read and write\" at Bitget",
        ),
        (Kind::Unified, FuturesRight::Nothing) => Some(
            "The key lacks the right to look at positions, or at the account's settings: allow it \"UTA mgt., read and \
             write\" and \"UTA trade, read\" at Bitget",
        ),
        (Kind::Unified, FuturesRight::Read) => Some(
            "The key may read the account's settings only, so a change would be refused: allow it \"UTA mgt., read and \
             write\" at Bitget",
        ),
        (Kind::Classic | Kind::Unified, FuturesRight::ReadWrite) => None,
    };
    let too_much = withdraws.then_some(
        "The key may withdraw, which nothing here needs: take that right from it at Bitget, or make a key without it.",
    );
    // What a key may do is read again only when somebody says that it has changed.
    let lacking = lacking.map(|lacking| format!("{lacking}; then `systemctl reload posmoded`."));
    too_much.map(str::to_owned).into_iter().chain(lacking).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_right_too_many_and_a_right_too_few_are_named() {
        let told = |kind, futures, withdraws| warnings(kind, Rights { futures, withdraws }).join("\n");
        let of = |futures, withdraws| told(Kind::Classic, futures, withdraws);
        assert_eq!(of(FuturesRight::ReadWrite, false), "");
        expect!["The key may withdraw, which nothing here needs: take that right from it at Bitget, or make a key without it."].assert_eq(&of(FuturesRight::ReadWrite, true));
        expect![[r#"The key may read futures only, so a change would be refused: allow it "futures, read and write" at Bitget; then `systemctl reload posmoded`."#]].assert_eq(&of(FuturesRight::Read, false));
        expect![[r#"
            The key may withdraw, which nothing here needs: take that right from it at Bitget, or make a key without it.
            The key lacks the right to futures: allow it "futures, read and write" at Bitget; then `systemctl reload posmoded`."#]].assert_eq(&of(FuturesRight::Nothing, true));
        assert_eq!(told(Kind::Unified, FuturesRight::ReadWrite, false), "");
        expect![[r#"The key may read the account's settings only, so a change would be refused: allow it "UTA mgt., read and write" at Bitget; then `systemctl reload posmoded`."#]].assert_eq(&told(Kind::Unified, FuturesRight::Read, false));
        expect![[r#"The key lacks the right to look at positions, or at the account's settings: allow it "UTA mgt., read and write" and "UTA trade, read" at Bitget; then `systemctl reload posmoded`."#]].assert_eq(&told(Kind::Unified, FuturesRight::Nothing, false));
    }
}
