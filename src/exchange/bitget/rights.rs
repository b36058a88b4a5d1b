//! What a key may do, as far as it matters, and what an operator should know of it.

use crate::position_mode::Kind;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// With futures.
    pub(super) futures: FuturesRight,
    /// Whether it may take money out, which nothing here needs.
    pub(super) withdraws: bool,
}

/// What a key may do with futures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FuturesRight {
    /// Nothing.
    Nothing,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// The right with which a key may say whose it is.
pub(super) fn to_say_whose(kind: Kind) -> &'static str {
    match kind {
        Kind::Classic => "spot, read",
        Kind::Unified => "UTA mgt., read",
    }
}

/// What an operator should know of the rights of a key, though nothing waits for it: one sentence each.
pub(super) fn warnings(kind: Kind, Rights { futures, withdraws }: Rights) -> Vec<String> {
    let lacking = match (kind, futures) {
        (Kind::Classic, FuturesRight::Nothing) => {
            Some("The key lacks the right to futures: allow it \"futures, read and write\" at Bitget.")
        }
        (Kind::Classic, FuturesRight::Read) => Some(
            "The key may read futures only, so a change would be refused: allow it \"futures, read and write\" at Bitget.",
        ),
        (Kind::Unified, FuturesRight::Nothing) => Some(
            "The key lacks the right to look at positions, or at the account's settings: allow it \"UTA mgt., read and \
             write\" and \"UTA trade, read\" at Bitget.",
        ),
        (Kind::Unified, FuturesRight::Read) => Some(
            "The key may read the account's settings only, so a change would be refused: allow it \"UTA mgt., read and \
             write\" at Bitget.",
        ),
        (Kind::Classic | Kind::Unified, FuturesRight::ReadWrite) => None,
    };
    let too_much = withdraws.then_some(
        "The key may withdraw, which nothing here needs: take that right from it at Bitget, or make a key without it.",
    );
    too_much.into_iter().chain(lacking).map(str::to_owned).collect()
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
        expect![[r#"The key may read futures only, so a change would be refused: allow it "futures, read and write" at Bitget."#]].assert_eq(&of(FuturesRight::Read, false));
        expect![[r#"
            The key may withdraw, which nothing here needs: take that right from it at Bitget, or make a key without it.
            The key lacks the right to futures: allow it "futures, read and write" at Bitget."#]].assert_eq(&of(FuturesRight::Nothing, true));
        assert_eq!(told(Kind::Unified, FuturesRight::ReadWrite, false), "");
        expect![[r#"The key may read the account's settings only, so a change would be refused: allow it "UTA mgt., read and write" at Bitget."#]].assert_eq(&told(Kind::Unified, FuturesRight::Read, false));
        expect![[r#"The key lacks the right to look at positions, or at the account's settings: allow it "UTA mgt., read and write" and "UTA trade, read" at Bitget."#]].assert_eq(&told(Kind::Unified, FuturesRight::Nothing, false));
    }
}
