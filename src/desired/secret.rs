//! What looks like a secret: a key by its name, a line by what it may hold.
//!
//! Errs on the side of hiding: a line hidden without need costs a look into the file, a line shown wrongly costs a key.

/// Whether a key is named like something that belongs in a credential file.
pub(super) fn is_named_so(key: &str) -> bool {
    let together: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let split = split_words(key);
    PARTS.iter().any(|part| together.contains(part))
        || split.iter().any(|word| WORDS.contains(&word.as_str()) || is_nearly_one(word))
}

/// Whether a line holds a key that is named like a secret or has escapes that may hide such a name, a piece of a private
/// key, or an address, which may hold a password or be a secret itself (a webhook's).
pub(super) fn may_stand_in(line: &str) -> bool {
    let named = |(end, _): (usize, &str)| {
        let before = line.get(..end).unwrap_or_default().trim_end_matches(['"', '\'', ' ', '\t']);
        let part_of_key = |c: char| c.is_alphanumeric() || "-_.\\".contains(c);
        let word = before.rsplit(|c: char| !part_of_key(c)).next().unwrap_or_default();
        is_named_so(word) || word.contains('\\')
    };
    let asked = line.trim_start().strip_prefix("? ").is_some_and(is_named_so);
    let has_address = line.contains("://") && !line.trim_start().starts_with('#');
    asked || has_address || line.contains("PRIVATE KEY") || line.match_indices([':', '=']).any(named)
}

/// `apiKey`, `api_key` and `API-KEY` are all `api`, `key`.
fn split_words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in key.chars() {
        let begins = c.is_uppercase() && lower_before;
        if !c.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    words
}

/// Whether a word is a misspelt name of a secret, such as `sercet` or `pasword`.
fn is_nearly_one(word: &str) -> bool {
    PARTS.iter().any(|part| {
        part.len() >= 6 && word.len().abs_diff(part.len()) <= 1 && strsim::osa_distance(word, part) == 1
    })
}

const WORDS: [&str; 9] = ["key", "keys", "pass", "pwd", "pem", "pin", "rsa", "hmac", "sk"];
const PARTS: [&str; 8] =
    ["secret", "passphrase", "password", "passwd", "token", "apikey", "privatekey", "credential"];
