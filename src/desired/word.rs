//! Suggests the right word for a misspelt one.
//!
//! Only suggests; a word is never accepted because it is similar. Other programs' words are in `foreign`.

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
