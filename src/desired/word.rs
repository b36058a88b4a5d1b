//! Suggests the right word for a wrong one.
//!
//! Only suggests; a word is never accepted because it is similar.

use strum::VariantArray as _;

use crate::position_mode::{PositionMode, ProductType};

/// The word of the list that `word` is most similar to, if it is similar enough.
pub(super) fn meant<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let near = if word.chars().count() <= 4 { 1 } else { 2 };
    words
        .iter()
        .map(|known| (strsim::osa_distance(&word.to_lowercase().replace('-', "_"), known), *known))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, known)| known)
}

/// The mode meant by `word`: its name in other software, or a misspelling.
pub(super) fn meant_mode(word: &str) -> Option<PositionMode> {
    let plain = letters(word);
    let means = |other: &&str| near(&plain, other) || near(&plain, &format!("{other}mode"));
    if ONE_WAY.iter().any(means) {
        Some(PositionMode::OneWay)
    } else if HEDGE.iter().any(means) {
        Some(PositionMode::Hedge)
    } else {
        None
    }
}

/// The product type meant by `word`: its name in other software or in an older API version, or a misspelling.
pub(super) fn meant_product(word: &str) -> Option<ProductType> {
    let plain = letters(word);
    let mut all = ProductType::VARIANTS.iter().copied();
    let exactly = all.clone().find(|product| other_names(*product).contains(&plain.as_str()));
    let nearly = || all.find(|product| strsim::osa_distance(&plain, &letters(product.as_str())) <= 1);
    exactly.or_else(nearly)
}

/// The zone meant by `word`: its name in another case, a misspelling, or its city only.
pub(super) fn meant_zone<'a>(word: &str, zones: &'a [String]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let word = plain(word);
    let near = if word.chars().count() <= 4 { 0 } else { 2 };
    let distance = |zone: &str| {
        let city = zone.rsplit('/').next().unwrap_or(zone);
        let of_city = strsim::osa_distance(&word, &plain(city));
        strsim::osa_distance(&word, &plain(zone)).min(of_city)
    };
    let nearest = zones.iter().map(|zone| (distance(zone), zone.as_str())).min()?;
    (nearest.0 <= near).then_some(nearest.1)
}

/// A valid account name similar to `word`, if one can be made of it.
pub(super) fn meant_name(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    let parts = lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()));
    let plain = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let short: String = plain.chars().take(63).collect();
    (!short.is_empty()).then_some(short)
}

fn letters(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn near(word: &str, other: &str) -> bool {
    word == other || (other.len() >= 5 && strsim::osa_distance(word, other) <= 1)
}

const ONE_WAY: [&str; 5] = ["oneway", "single", "singlehold", "net", "merged"];
const HEDGE: [&str; 8] =
    ["hedge", "hedged", "hedging", "double", "doublehold", "dual", "dualside", "longshort"];

/// Its names in lower case, without punctuation.
fn other_names(product: ProductType) -> &'static [&'static str] {
    match product {
        ProductType::UsdtFutures => &["usdtfutures", "usdt", "umcbl", "usdtm", "linear"],
        ProductType::CoinFutures => &["coinfutures", "coin", "dmcbl", "coinm", "inverse"],
        ProductType::UsdcFutures => &["usdcfutures", "usdc", "cmcbl", "usdcm"],
        ProductType::SusdtFutures => &["susdtfutures", "susdt", "sumcbl"],
        ProductType::ScoinFutures => &["scoinfutures", "scoin", "sdmcbl"],
        ProductType::SusdcFutures => &["susdcfutures", "susdc", "scmcbl"],
    }
}
