//! What other programs and other interfaces of the exchange call things, and what to write instead: one table each for keys,
//! modes and product types.
//!
//! Only suggests. The names of a credential file's fields are in `exchange::credential::written`.

use strum::VariantArray as _;

use super::keys::WINDOW;
use crate::position_mode::{PositionMode, ProductType};

/// What somebody means who writes a key of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// This key of the file.
    Key(&'static str),
    /// `position_mode`; `true` is this mode, where the key is a question.
    Mode(Option<PositionMode>),
    /// A product type, which is a key below `position_mode`.
    Product,
    /// An option of the daemon.
    Option(&'static str),
    /// Nothing that the file has: what to do instead.
    Not(&'static str),
}

/// The meaning of a key that no section has, in the section of this name.
pub(super) fn key(section: &str, word: &str) -> Option<Means> {
    let plain = letters(word);
    let of_windows = (section == WINDOW.name).then_some(WINDOW_KEYS).into_iter().flatten();
    of_windows.chain(KEYS).find(|(names, _)| names.contains(&plain.as_str())).map(|(_, means)| *means)
}

/// The mode meant by `word`: its name in other software, or a misspelling.
pub(super) fn mode(word: &str) -> Option<PositionMode> {
    let plain = letters(word);
    let means = |other: &&str| near(&plain, other) || near(&plain, &format!("{other}mode"));
    MODES.iter().find(|(names, _)| names.iter().any(means)).map(|(_, mode)| *mode)
}

/// Why it cannot be said which mode is meant by a word that other programs have.
pub(super) fn unclear_mode(word: &str) -> Option<&'static str> {
    let plain = letters(word);
    let plain = plain.strip_suffix("mode").unwrap_or(&plain);
    ["both", "bothside", "bothsides"].contains(&plain).then_some(
        "write the mode that is meant: on Binance BOTH is the side of a position in `one_way_mode`, on Bybit the two sides of \
         `hedge_mode`",
    )
}

/// The product type meant by `word`: its name in other software or in an older API version, or a misspelling.
pub(super) fn product(word: &str) -> Option<ProductType> {
    let plain = letters(word);
    let mut all = ProductType::VARIANTS.iter().copied();
    let exactly = all.clone().find(|product| other_names(*product).contains(&plain.as_str()));
    let nearly = || all.find(|product| strsim::osa_distance(&plain, &letters(product.as_str())) <= 1);
    exactly.or_else(nearly)
}

/// What to write instead of a word that is no product type, though other programs put it in such a place.
pub(super) fn no_product(word: &str) -> Option<String> {
    let plain = letters(word);
    let group = |names: &[&str]| names.contains(&plain.as_str());
    if group(&["linear", "linearfutures", "linearperpetual"]) {
        return Some(
            "write `USDT-FUTURES`, `USDC-FUTURES` or both: the exchange keeps them apart".to_owned(),
        );
    }
    if word == "*"
        || group(&["all", "any", "default", "everything", "futures", "swap", "mix", "perp", "perpetual"])
    {
        return Some(
            "for one mode everywhere write it behind the key, as in `position_mode: hedge_mode`".to_owned(),
        );
    }
    if group(&["spot", "margin", "isolatedmargin", "crossmargin", "option", "options"]) {
        return Some("remove it: only futures have a position mode".to_owned());
    }
    // `BTCUSDT`, `BTCUSDT_UMCBL`, `BTC/USDT:USDT`, `BTC-USD`, `BTCPERP`.
    let settled_in = [("umcbl", ProductType::UsdtFutures), ("cmcbl", ProductType::UsdcFutures)]
        .into_iter()
        .chain([("dmcbl", ProductType::CoinFutures), ("usdt", ProductType::UsdtFutures)])
        .chain([("usdc", ProductType::UsdcFutures), ("perp", ProductType::UsdcFutures)])
        .chain([("usd", ProductType::CoinFutures)]);
    let product = settled_in.into_iter().find(|(end, _)| plain.len() > end.len() && plain.ends_with(end))?.1;
    Some(format!("write `{product}`: one mode holds for all symbols of a product type"))
}

/// Its small letters and digits: `posMode`, `pos-mode` and `POS_MODE` are one word.
fn letters(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn near(word: &str, other: &str) -> bool {
    word == other || (other.len() >= 5 && strsim::osa_distance(word, other) <= 1)
}

const ONLY_THE_MODE: &str =
    "remove it: posmoded keeps the position mode alone, and touches neither leverage nor margin";
const NO_SYMBOLS: &str = "remove it: one mode holds for all symbols of a product type, each of which may have its own below `position_mode`";
const LOOK_ONLY: &str = "remove it: `posmoded plan` shows what would change and changes nothing, and \
                         `suspend: \"the reason\"` has the daemon change nothing";
const SUSPEND: &str = "remove it: what is not to be changed has `suspend: \"the reason\"`, and what posmoded is not to look \
                       at does not stand in the file";
const NAMED_BY_ITS_KEY: &str = "remove it: an account is named by the key that this stands below, and its credential file has the same name";
const BITGET: &str = "remove it: every account here is one of Bitget";
const OBSERVED: &str = "remove it: whether an account is a classic or a unified one is observed";
const NEVER_CLOSES: &str =
    "remove it: posmoded closes no position and cancels no order, it waits until the account is flat";
const RETRIES: &str =
    "remove it: when something is tried again, and how long is waited for an answer, is built in";
const TELLING: &str = "remove it: whom to tell stands in the credential file `_notify`";

/// Keys of other programs, as [`letters`] of them, and what they mean here.
#[rustfmt::skip] // A table.
const KEYS: &[(&[&str], Means)] = &[
    (&["mode", "posmode", "positionmode", "holdmode", "holdingmode", "positiontype", "tradingmode", "mixmode", "desiredmode", "positionside"], Means::Mode(None)),
    (&["hedge", "hedged", "hedging", "hedgemode", "hedgemodeenabled", "ishedged", "ishedgemode", "usehedgemode", "dualside", "dualsideposition",
       "indualmode", "dualmode", "longshortmode", "doublehold", "twoway", "twowaymode"], Means::Mode(Some(PositionMode::Hedge))),
    (&["oneway", "onewaymode", "isoneway", "net", "netmode", "singlehold", "singleside", "mergedsingle"], Means::Mode(Some(PositionMode::OneWay))),
    (&["producttype", "producttypes", "product", "products", "category", "insttype", "instrumenttype", "contracttype", "markettype", "defaulttype",
       "subtype", "defaultsubtype", "settlecoin"], Means::Product),
    (&["leverage", "longleverage", "shortleverage", "marginmode", "margintype", "margincoin", "margin", "isolated", "cross", "crossed", "crossmargin",
       "automargin", "assetmode", "collateral", "stakecurrency", "stpmode"], Means::Not(ONLY_THE_MODE)),
    (&["symbol", "symbols", "pair", "pairs", "market", "markets", "instid", "instrument", "instruments", "contract", "contracts", "coin", "coins",
       "pairwhitelist", "approvedcoins"], Means::Not(NO_SYMBOLS)),
    (&["dryrun", "dry", "simulate", "simulation", "noop", "readonly", "checkonly", "planonly", "watchonly", "whatif"], Means::Not(LOOK_ONLY)),
    (&["enabled", "enable", "disabled", "disable", "active", "skip", "ignore", "managed", "pause", "paused", "freeze", "frozen", "locked"], Means::Not(SUSPEND)),
    (&["name", "account", "accountname", "id", "alias", "label", "subaccount", "subaccountname", "nickname"], Means::Not(NAMED_BY_ITS_KEY)),
    (&["exchange", "exchanges", "exchangeid", "exchangename", "venue", "broker", "platform", "connector"], Means::Not(BITGET)),
    (&["type", "kind", "accounttype", "accountmode", "accountlevel", "unified", "unifiedaccount", "uta", "isuta", "classic", "portfoliomargin"], Means::Not(OBSERVED)),
    (&["force", "forceclose", "closepositions", "closeall", "cancelorders", "cancelall", "flatten"], Means::Not(NEVER_CLOSES)),
    (&["retry", "retries", "maxretries", "retrydelay", "backoff", "timeout", "timeouts"], Means::Not(RETRIES)),
    (&["notify", "notifications", "webhook", "webhooks", "slack", "telegram", "discord", "alerts", "alerting"], Means::Not(TELLING)),
    (&["sandbox", "sandboxmode", "testnet", "demomode", "demotrading", "isdemo", "paper", "papertrading", "paptrading", "simulated", "test"], Means::Key("demo")),
    (&["interval", "checkinterval", "pollinterval", "polling", "pollevery", "syncinterval", "refreshinterval", "reconcileinterval", "resync", "resyncperiod",
       "period", "every", "frequency", "check", "checkeach", "lookevery"], Means::Key("check_every")),
    (&["cooldown", "grace", "graceperiod", "quiet", "quietperiod", "quiettime", "settletime", "settlefor", "settledelay", "settling", "delay", "flatfor",
       "waitflat", "waittime", "debounce"], Means::Key("settle")),
    (&["ondrift", "driftpolicy", "driftmode", "autocorrect", "autofix", "correct", "enforce", "selfheal", "autosync", "remediate", "remediation", "syncpolicy"],
       Means::Key("drift")),
    (&["userid", "useruid", "bitgetuid", "accountid", "accountuid", "memberid"], Means::Key("uid")),
    (&["hostname", "server", "machine", "node", "runson"], Means::Key("host")),
    (&["suspended", "hold", "maintenance"], Means::Key("suspend")),
    (&["window", "schedule", "schedules", "changewindow", "changewindows", "maintenancewindow", "maintenancewindows", "tradinghours"], Means::Key("windows")),
    (&["requires", "requirements", "conditions", "preconditions", "guards", "onlyif", "when"], Means::Key("require")),
    (&["unit", "units", "systemdunit", "service", "unitstopped", "serviceinactive"], Means::Key("unit_inactive")),
    (&["lockfile", "lock", "file", "nofile", "filemissing", "pathabsent"], Means::Key("file_absent")),
    (&["maxchangesperhour", "changesperhour", "changelimit", "changebudget", "maxsets"], Means::Key("max_changes")),
    (&["global", "globals", "common", "settings", "general", "default"], Means::Key("defaults")),
    (&["bots", "users", "clients", "subaccounts", "strategies", "desks", "targets"], Means::Key("accounts")),
    (&["apiversion", "schemaversion", "schema", "fileversion"], Means::Key("version")),
    (&["baseurl", "apiurl", "endpoint", "resturl"], Means::Option("--base-url URL")),
    (&["proxy", "httpproxy", "httpsproxy", "proxies"], Means::Option("--proxy URL")),
    (&["state", "statedir", "statedirectory", "database", "db"], Means::Option("--state DIR")),
    (&["log", "logging", "loglevel", "logformat"], Means::Option("--log text|json|journald")),
    (&["listen", "port", "metrics", "metricsport", "listenaddress"], Means::Option("--listen ADDR")),
    (&["ratelimit", "enableratelimit", "requestspersecond", "rps"], Means::Option("--requests-per-second N")),
];

/// The same for the keys of a window alone.
const WINDOW_KEYS: &[(&[&str], Means)] = &[
    (
        &["cron", "schedule", "start", "starts", "open", "from", "begin", "begins", "at", "when"],
        Means::Key("opens"),
    ),
    (&["duration", "length", "for", "lasting", "window"], Means::Key("lasts")),
    (&["tz", "zone", "location"], Means::Key("time_zone")),
];

/// Modes of other programs, as [`letters`] of them, with or without `mode` behind.
const MODES: &[(&[&str], PositionMode)] = &[
    (
        &["oneway", "single", "singlehold", "singleside", "net", "merged", "mergedsingle"],
        PositionMode::OneWay,
    ),
    (
        &[
            "hedge",
            "hedged",
            "hedging",
            "double",
            "doublehold",
            "dual",
            "dualside",
            "longshort",
            "twoway",
            "bidirectional",
        ],
        PositionMode::Hedge,
    ),
];

/// Its names elsewhere, as [`letters`] of them.
fn other_names(product: ProductType) -> &'static [&'static str] {
    match product {
        ProductType::UsdtFutures => &["usdtfutures", "usdt", "umcbl", "usdtm", "usdtperpetual"],
        ProductType::CoinFutures => {
            &["coinfutures", "coin", "dmcbl", "coinm", "inverse", "inverseperpetual", "usdfutures"]
        }
        ProductType::UsdcFutures => &["usdcfutures", "usdc", "cmcbl", "usdcm", "usdcperpetual"],
        ProductType::SusdtFutures => &["susdtfutures", "susdt", "sumcbl"],
        ProductType::ScoinFutures => &["scoinfutures", "scoin", "sdmcbl"],
        ProductType::SusdcFutures => &["susdcfutures", "susdc", "scmcbl"],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::desired::keys::{ACCOUNT, DEFAULTS, FILE, REQUIREMENT};
    use crate::desired::secret;

    #[test]
    fn each_foreign_key_stands_once_as_its_letters_and_means_a_key_that_there_is() {
        let known: BTreeSet<&str> = [FILE, DEFAULTS, ACCOUNT, WINDOW, REQUIREMENT]
            .iter()
            .flat_map(|section| section.keys.iter().copied())
            .collect();
        for table in [KEYS, WINDOW_KEYS] {
            let mut seen = BTreeSet::new();
            for (names, means) in table {
                for name in *names {
                    assert_eq!(letters(name), *name, "is looked up by its letters");
                    assert!(seen.insert(name), "{name} stands twice");
                    assert!(!known.contains(name), "{name} is a key here");
                    assert!(!secret::is_named_so(name), "{name} is refused as a secret before");
                }
                if let Means::Key(key) = means {
                    assert!(known.contains(key), "{key}");
                }
            }
        }
    }
}
