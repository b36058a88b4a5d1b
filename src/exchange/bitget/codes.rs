//! The class of each of the exchange's codes, and its sentence for the operator.
//!
//! The table is our own: several of the codes are in no published one. The message beside a code is never read.

use super::endpoint::Endpoint;
use crate::facts::{Class, Refusals};

/// Success.
pub(super) const DONE: &str = "00000";
/// Refusal of a private v2 call made with the key of a unified account.
const UNIFIED: &str = "40085";
/// Refusal of a v2 call for something that a unified account does not have.
const NOT_ON_UNIFIED: &str = "40128";
/// Refusal of a parameter.
const BAD_PARAMETER: &str = "40034";
/// The operator's sentence for an account that is being converted from one kind to the other.
pub(super) const CONVERTING: &str = "Bitget is converting the account; it is asked again every minute";
/// The operator's sentence for a unified account whose key may not read the settings.
pub(super) const BLIND: &str = "the account is a unified one and the key lacks a right, so that its settings cannot be read: allow it \"UTA mgt., read and write\" and \"UTA trade, read\" at Bitget";

/// Groups of codes that share a sentence; a class may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    NotFlat,
    LeadsCopies,
    Isolated,
    MarketMaker,
    Bonus,
    Refused,
    IsUnified,
    IsClassic,
    Converting,
    Demo,
    UnknownKey,
    BadSignature,
    BadPassphrase,
    Credential,
    Permission,
    Whitelist,
    AccountStatus,
    Clock,
    OurFault,
    SymbolGone,
    RateLimited,
    TryAgain,
}

/// The class of a code; `UnknownCode` if the table lacks it.
pub(super) fn class(code: &str) -> Class {
    group(code).map_or(Class::UnknownCode, Group::class)
}

/// Whether the code says that the key lacks a right, rather than that its IP whitelist lacks our address.
pub(super) fn lacks_a_right(code: &str) -> bool {
    group(code) == Some(Group::Permission)
}

/// Whether the code says, to a v3 call, that the account is a classic one.
pub(super) fn is_classic(code: &str) -> bool {
    group(code) == Some(Group::IsClassic)
}

/// Whether the code says, to a v2 call, that the account is a unified one.
pub(super) fn is_unified(code: &str) -> bool {
    group(code) == Some(Group::IsUnified)
}

/// Whether another contract may be served where the one in the call was not: one that was removed, or that is none of the
/// account's own universe, such as that of demo trading.
pub(super) fn is_about_the_symbol(code: &str) -> bool {
    group(code) == Some(Group::SymbolGone) || code == BAD_PARAMETER
}

/// What a refusal of such a code means at an endpoint, and what to do.
pub(super) fn sentence(code: &str, endpoint: Endpoint) -> String {
    match group(code) {
        None => "a code that this version does not know".to_owned(),
        // A set leaves only once every list was empty.
        Some(Group::NotFlat) if matches!(endpoint, Endpoint::SetPositionMode | Endpoint::SetHoldMode) => {
            format!("something is open that no list showed: {}", Refusals::REMEDY)
        }
        Some(group) => group.sentence().replace("{right}", right(endpoint)),
    }
}

impl Group {
    fn class(self) -> Class {
        match self {
            Group::NotFlat => Class::NotFlat,
            Group::LeadsCopies => Class::LeadsCopies,
            Group::Isolated | Group::MarketMaker | Group::Bonus | Group::Refused => Class::Refused,
            Group::IsUnified | Group::IsClassic => Class::WrongKind,
            Group::Converting => Class::Converting,
            Group::Demo
            | Group::UnknownKey
            | Group::BadSignature
            | Group::BadPassphrase
            | Group::Credential => Class::Credential,
            Group::Permission | Group::Whitelist => Class::Denied,
            Group::AccountStatus => Class::AccountStatus,
            Group::Clock => Class::Clock,
            Group::OurFault | Group::SymbolGone => Class::OurFault,
            Group::RateLimited => Class::RateLimited,
            Group::TryAgain => Class::TryAgain,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Group::NotFlat => "there are still positions or orders; the mode waits until they are gone",
            // What to do depends on what the file says, which is not known here.
            Group::LeadsCopies => "the account leads copy trading, which locks its position mode",
            Group::Isolated => {
                "the account's margin mode forbids the change: look at its isolated margin settings at Bitget"
            }
            Group::MarketMaker => {
                "the account is a market maker's, whose mode Bitget fixes: ask Bitget, or suspend it in the file"
            }
            Group::Bonus => {
                "a bonus or coupon on the account forbids the change: let it be used up or end it at Bitget, or suspend the account in the file"
            }
            Group::Refused => {
                "Bitget does not allow this account to change its mode: look at the account at Bitget, or suspend it in the file"
            }
            Group::IsUnified => "the account is a unified one; its kind is looked at again",
            Group::IsClassic => "the account is a classic one; its kind is looked at again",
            Group::Converting => CONVERTING,
            Group::Demo => {
                "key and file disagree about demo trading: a key made in demo mode needs `demo: true` in the file, any other key must not have it"
            }
            Group::UnknownKey => "Bitget does not know the key: put a valid one into the credential file",
            Group::BadSignature => {
                "the signature does not fit the key: put the key's own secret into the credential file"
            }
            Group::BadPassphrase => {
                "the passphrase does not fit the key: put the one chosen with the key into the credential file"
            }
            Group::Credential => {
                "Bitget does not accept the credential: put a valid one into the credential file"
            }
            Group::Permission => "the key lacks a right: allow it \"{right}\" at Bitget",
            Group::Whitelist => {
                "this host's address is not on the key's IP whitelist: add it there at Bitget, or use a key made for this host"
            }
            Group::AccountStatus => {
                "the account or its key is restricted: see at Bitget what the account needs"
            }
            Group::Clock => "Bitget does not accept the timestamp; its clock is measured again",
            Group::OurFault => {
                "Bitget does not accept the request as posmoded writes it: check --base-url, and look for a newer version"
            }
            Group::SymbolGone => {
                "none of the contracts that were tried, one after the other, is there: see whether Bitget still offers this product type"
            }
            Group::RateLimited => {
                "too many requests: the account's limit for it is used up, which its strategies share, and it rests"
            }
            Group::TryAgain => "Bitget cannot serve the request now",
        }
    }
}

/// The right that an endpoint needs, as Bitget's page of API keys names it.
fn right(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::SetPositionMode => "futures, read and write",
        Endpoint::SetHoldMode => "UTA mgt., read and write",
        Endpoint::Settings | Endpoint::UnifiedAccountInfo => "UTA mgt., read",
        Endpoint::CurrentPosition | Endpoint::UnfilledOrders | Endpoint::UnfilledStrategyOrders => {
            "UTA trade, read"
        }
        Endpoint::AccountInfo
        | Endpoint::Account
        | Endpoint::Positions
        | Endpoint::Orders
        | Endpoint::PlanOrders
        | Endpoint::Time
        | Endpoint::Contracts => "futures, read",
    }
}

fn group(code: &str) -> Option<Group> {
    TABLE.iter().find(|(_, codes)| codes.contains(&code)).map(|(group, _)| *group)
}

const TABLE: &[(Group, &[&str])] = &[
    (Group::NotFlat, &["40920", "25107", "25570", "25270", "40872", "40729", "45117", "25113", "25114"]),
    (Group::LeadsCopies, &["40731", "40854", "40728", "40866"]),
    (Group::Isolated, &["40884", "40885", "45100", "45101"]),
    (Group::MarketMaker, &["40775"]),
    (Group::Bonus, &["22026", "40747", "40827"]),
    (Group::Refused, &["45098", "45009", "49003", "49030", "40863", "25009", "25010"]),
    (Group::IsUnified, &[UNIFIED, NOT_ON_UNIFIED]),
    (Group::IsClassic, &["40084", "25245"]),
    (Group::Converting, &["40115"]),
    (Group::Demo, &["40099"]),
    (Group::UnknownKey, &["40006", "40037"]),
    (Group::BadSignature, &["40009"]),
    (Group::BadPassphrase, &["40012", "40036"]),
    (Group::Credential, &["40001", "40002", "40003", "40011", "40041"]),
    (Group::Permission, &["40014", "40025", "40040", "40301", "25620", "40061", "40068", "25013"]),
    (Group::Whitelist, &["40018", "40038", "22010"]),
    (
        Group::AccountStatus,
        &[
            "40013", "40016", "40021", "40022", "40023", "40024", "40026", "40031", "40035", "40042",
            "40100", "40101", "40103", "40104", "40111", "40000", "40199", "40710", "40752", "40753",
            "40760", "40916", "25005", "25006", "25007", "25008", "25012", "95001",
        ],
    ),
    (Group::Clock, &["40004", "40005", "40008", "40911", "40078"]),
    (
        Group::OurFault,
        &[
            "40007", "40017", "40019", "40020", "40034", "40064", "40072", "40079", "40102", "400171",
            "400172", "40404", "40806", "41002", "41101", "25200", "30032",
        ],
    ),
    (Group::SymbolGone, &["40309", "40845"]),
    (Group::RateLimited, &["429", "25004", "70228", "40047", "30006", "30007"]),
    (
        Group::TryAgain,
        &[
            "40010", "40910", "25001", "40015", "40725", "45001", "40200", "25000", "80002", "40308",
            "40808", "40908", "25003", "40842", "40844", "40846", "43059", "45043", "25106",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn every_code_has_one_class_and_one_sentence() {
        let mut seen = BTreeSet::new();
        let mut told = String::new();
        for (group, codes) in TABLE {
            for code in *codes {
                assert!(seen.insert(code), "{code} is in the table twice");
                assert_eq!(class(code), group.class(), "{code}");
            }
            let sentence = sentence(codes[0], Endpoint::SetPositionMode);
            writeln!(told, "{:?} {}: {sentence}", group.class(), codes.join(" ")).unwrap();
        }
        expect_test::expect![[r#"
            NotFlat 40920 25107 25570 25270 40872 40729 45117 25113 25114: something is open that no list showed: look for bots, TWAP and copy orders
            LeadsCopies 40731 40854 40728 40866: the account leads copy trading, which locks its position mode
            Refused 40884 40885 45100 45101: the account's margin mode forbids the change: look at its isolated margin settings at Bitget
            Refused 40775: the account is a market maker's, whose mode Bitget fixes: ask Bitget, or suspend it in the file
            Refused 22026 40747 40827: a bonus or coupon on the account forbids the change: let it be used up or end it at Bitget, or suspend the account in the file
            Refused 45098 45009 49003 49030 40863 25009 25010: Bitget does not allow this account to change its mode: look at the account at Bitget, or suspend it in the file
            WrongKind 40085 40128: the account is a unified one; its kind is looked at again
            WrongKind 40084 25245: the account is a classic one; its kind is looked at again
            Converting 40115: Bitget is converting the account; it is asked again every minute
            Credential 40099: key and file disagree about demo trading: a key made in demo mode needs `demo: true` in the file, any other key must not have it
            Credential 40006 40037: Bitget does not know the key: put a valid one into the credential file
            Credential 40009: the signature does not fit the key: put the key's own secret into the credential file
            Credential 40012 40036: the passphrase does not fit the key: put the one chosen with the key into the credential file
            Credential 40001 40002 40003 40011 40041: Bitget does not accept the credential: put a valid one into the credential file
            Denied 40014 40025 40040 40301 25620 40061 40068 25013: the key lacks a right: allow it "futures, read and write" at Bitget
            Denied 40018 40038 22010: this host's address is not on the key's IP whitelist: add it there at Bitget, or use a key made for this host
            AccountStatus 40013 40016 40021 40022 40023 40024 40026 40031 40035 40042 40100 40101 40103 40104 40111 40000 40199 40710 40752 40753 40760 40916 25005 25006 25007 25008 25012 95001: the account or its key is restricted: see at Bitget what the account needs
            Clock 40004 40005 40008 40911 40078: Bitget does not accept the timestamp; its clock is measured again
            OurFault 40007 40017 40019 40020 40034 40064 40072 40079 40102 400171 400172 40404 40806 41002 41101 25200 30032: Bitget does not accept the request as posmoded writes it: check --base-url, and look for a newer version
            OurFault 40309 40845: none of the contracts that were tried, one after the other, is there: see whether Bitget still offers this product type
            RateLimited 429 25004 70228 40047 30006 30007: too many requests: the account's limit for it is used up, which its strategies share, and it rests
            TryAgain 40010 40910 25001 40015 40725 45001 40200 25000 80002 40308 40808 40908 25003 40842 40844 40846 43059 45043 25106: Bitget cannot serve the request now
        "#]].assert_eq(&told);
    }

    #[test]
    fn a_code_that_is_in_no_table_is_unknown_and_success_is_no_refusal() {
        for code in ["", "0", "99999", "4008", "40085 ", DONE] {
            assert_eq!(class(code), Class::UnknownCode, "{code}");
        }
    }

    #[test]
    fn a_missing_right_is_named_by_what_was_asked() {
        let told = |endpoint| sentence("40014", endpoint);
        assert_eq!(told(Endpoint::Account), r#"the key lacks a right: allow it "futures, read" at Bitget"#);
        assert_eq!(
            told(Endpoint::SetPositionMode),
            r#"the key lacks a right: allow it "futures, read and write" at Bitget"#
        );
        let rights: Vec<String> =
            Endpoint::VARIANTS.iter().map(|endpoint| format!("{endpoint}: {}", right(*endpoint))).collect();
        expect_test::expect![[r#"
            time: futures, read
            contracts: futures, read
            account-info: futures, read
            account: futures, read
            all-position: futures, read
            orders-pending: futures, read
            orders-plan-pending: futures, read
            set-position-mode: futures, read and write
            settings: UTA mgt., read
            unified-account-info: UTA mgt., read
            current-position: UTA trade, read
            unfilled-orders: UTA trade, read
            unfilled-strategy-orders: UTA trade, read
            set-hold-mode: UTA mgt., read and write"#]]
        .assert_eq(&rights.join("\n"));
    }

    #[test]
    fn only_two_codes_say_that_an_account_is_a_classic_one() {
        let says_so: Vec<&str> =
            TABLE.iter().flat_map(|(_, codes)| *codes).copied().filter(|code| is_classic(code)).collect();
        assert_eq!(says_so, ["40084", "25245"]);
        for code in [UNIFIED, "40115", "40014", "99999", "", DONE] {
            assert!(!is_classic(code), "{code}");
        }
    }
}
