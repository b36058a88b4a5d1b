//! What a credential file says: YAML text to its fields, or one sentence that tells what to write instead.
//!
//! Pure. A passphrase may be any characters, and without quotes YAML cuts, refuses or changes some of them: whatever is not
//! taken exactly as it stands is refused. Of a line only its key and the sign that YAML misreads are shown.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span, StrInput};

use super::signer::HOW_TO_WRITE_IT;

/// The fields as written; a secret in each.
pub(super) struct Written {
    pub(super) key: Option<String>,
    pub(super) passphrase: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) rsa_private_key: Option<String>,
}

/// Reads a file. The error goes on where "the credential file NAME" stands.
pub(super) fn read(text: &str) -> Result<Written, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = lines(text);
    let wrong_names: Vec<_> =
        entries.iter().filter_map(|(line, name, _)| Some((*line, *name, meant(name)?))).collect();
    if !wrong_names.is_empty() {
        return Err(say_names(&wrong_names));
    }
    for (line, name, rest) in &entries {
        if let Some(field) = Field::named(name)
            && let Some(trouble) = rest.map_or(Some(Trouble::NoColon), |value| at_first_sight(field, value))
        {
            return Err(trouble.say(field, *line));
        }
    }
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { lines: text.split('\n').collect(), parser, at: 1 };
    let mut found = reader.fields().map_err(|unfit| match unfit {
        Unfit::Told(say) => say,
        Unfit::Shape { line } => say_shape(line),
        Unfit::Syntax { line } => {
            let stands = entries.iter().rev().find(|(begins, ..)| *begins <= line);
            let field = stands.and_then(|(begins, name, _)| Some((*begins, Field::named(name)?)));
            field.map_or_else(|| say_shape(line), |(begins, field)| Trouble::Syntax.say(field, begins))
        }
    })?;
    Ok(Written {
        key: found.remove(&Field::Key),
        passphrase: found.remove(&Field::Passphrase),
        secret: found.remove(&Field::Secret),
        rsa_private_key: found.remove(&Field::RsaPrivateKey),
    })
}

/// What a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[derive(strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
enum Field {
    Key,
    Passphrase,
    Secret,
    RsaPrivateKey,
}

/// Why the value of a field is not taken as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Nothing but a comment follows.
    Comment,
    /// A comment begins within it.
    Cut,
    /// It begins with a character that has a meaning in YAML.
    Sign(char),
    /// YAML takes its beginning for a key.
    Colon,
    /// A word for "no value".
    Null,
    /// Nothing follows.
    Empty,
    /// White space at its end, which YAML drops.
    Trailing,
    /// Its further lines are joined to the first.
    Continued,
    /// Its quotes are not closed, or not around all of it.
    Quotes,
    /// In double quotes a backslash is not itself.
    Escape,
    /// The name is followed by something other than a colon and white space.
    NoColon,
    /// It is a list or a mapping.
    NotText,
    /// Here the text stops being YAML.
    Syntax,
}

/// What the reader stopped at.
enum Unfit {
    Told(String),
    Shape { line: usize },
    Syntax { line: usize },
}

/// The lines that begin with a word like a key: number, word, and what follows `word: `; `None` if that does not follow.
fn lines(text: &str) -> Vec<(usize, &str, Option<&str>)> {
    let mut entries = Vec::new();
    // The indentation of a line that begins a block, whose lines are indented deeper.
    let mut block = None;
    for (number, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let body = line.trim_start_matches([' ', '\t']);
        let indent = line.len() - body.len();
        if body.is_empty() || block.is_some_and(|begun| indent > begun) {
            continue;
        }
        block = None;
        let quote = body.chars().next().filter(|first| "\"'".contains(*first));
        let inner = quote.map_or(body, |quote| body.trim_start_matches(quote));
        let end = inner.find(|c| !is_of_a_name(c)).unwrap_or(inner.len());
        let (name, rest) = inner.split_at_checked(end).unwrap_or_default();
        let rest = quote.map_or(rest, |quote| rest.trim_start_matches(quote));
        if name.is_empty() || (quote.is_some() && Field::named(name).is_none() && meant(name).is_none()) {
            continue;
        }
        let value = rest.trim_start_matches([' ', '\t']).strip_prefix(':');
        let value =
            value.filter(|value| quote.is_some() || value.is_empty() || value.starts_with([' ', '\t']));
        if value.is_some_and(|value| is_block(value.trim())) {
            block = Some(indent);
        }
        entries.push((number + 1, name, value));
    }
    entries
}

/// Whether a value goes on in the lines below it, as they are: `|`, `>-` and their kin.
fn is_block(value: &str) -> bool {
    let indicators = value.split([' ', '\t']).next().unwrap_or_default();
    let rest = value.get(indicators.len()..).unwrap_or_default().trim_start();
    let mut characters = indicators.chars();
    characters.next().is_some_and(|first| "|>".contains(first))
        && characters.all(|c| "+-".contains(c) || c.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with('#'))
}

/// What is wrong with a value for all to see in its first line.
fn at_first_sight(field: Field, value: &str) -> Option<Trouble> {
    let from_start = value.trim_start_matches([' ', '\t']);
    let value = from_start.trim_end_matches([' ', '\t']);
    let first = value.chars().next()?;
    let spaced = |sign: char| {
        value.strip_prefix(sign).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    if is_block(value) || (field == Field::RsaPrivateKey && "\"'".contains(first)) {
        return None;
    }
    if first == '"' || first == '\'' {
        return match behind_quotes(value, first) {
            None => Some(Trouble::Quotes),
            Some((_, true)) => Some(Trouble::Escape),
            Some((rest, false)) => {
                (!rest.is_empty() && !rest.starts_with([' ', '\t', ',', '}'])).then_some(Trouble::Quotes)
            }
        };
    }
    if first == '#' {
        return Some(Trouble::Comment);
    }
    if SIGNS.contains(first) || spaced('-') || spaced('?') || spaced(':') {
        return Some(Trouble::Sign(first));
    }
    if value.contains(" #") || value.contains("\t#") {
        return Some(Trouble::Cut);
    }
    if value.contains(": ") || value.contains(":\t") || value.ends_with(':') {
        return Some(Trouble::Colon);
    }
    if NULLS.contains(&value) {
        return Some(Trouble::Null);
    }
    (value.len() < from_start.len() && field != Field::RsaPrivateKey).then_some(Trouble::Trailing)
}

/// What follows the closing quote, and whether there is an escape other than of a quote, a backslash or a slash before it;
/// `None` where the quote is not closed.
fn behind_quotes(value: &str, quote: char) -> Option<(&str, bool)> {
    let mut characters = value.char_indices().skip(1).peekable();
    let mut escapes = false;
    while let Some((at, c)) = characters.next() {
        if c == '\\' && quote == '"' {
            escapes |= characters.next().is_some_and(|(_, next)| !"\"\\/".contains(next));
        } else if c == quote && (quote == '"' || characters.next_if(|(_, next)| *next == quote).is_none()) {
            return Some((value.get(at + 1..)?, escapes));
        }
    }
    None
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_".contains(c)
}

/// The field that somebody means who calls it so; `None` for its own name, and where nothing is known.
fn meant(name: &str) -> Option<Field> {
    if name.len() > LONGEST_NAME || !name.chars().all(is_of_a_name) || Field::named(name).is_some() {
        return None;
    }
    let plain = plain(name);
    let of_whom = BEFORE.iter().filter_map(|whose| plain.strip_prefix(whose));
    let mut words = std::iter::once(plain.as_str()).chain(of_whom);
    words
        .find_map(|word| OTHER_NAMES.iter().find(|(_, names)| names.contains(&word)))
        .map(|(field, _)| *field)
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '_'], "")
}

/// What to do with a key that other programs have beside the fields or around them.
fn beside(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    BESIDE.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, remedy)| *remedy)
}

/// Whether a word is the name of a field, here or elsewhere, or a word of YAML for no value.
#[cfg(any(test, fuzzing))]
pub(super) fn is_known(word: &str) -> bool {
    Field::named(word).is_some() || meant(word).is_some() || beside(word).is_some() || NULLS.contains(&word)
}

fn say_names(wrong: &[(usize, &str, Field)]) -> String {
    let lines: Vec<String> = wrong.iter().map(|(line, ..)| line.to_string()).collect();
    let names: Vec<String> =
        wrong.iter().map(|(_, name, field)| format!("`{name}` is called `{field}` here")).collect();
    let s = if lines.len() == 1 { "" } else { "s" };
    format!("has other names in it (line{s} {}): {}", lines.join(", "), names.join(", and "))
}

fn say_shape(line: usize) -> String {
    format!(
        "is not a credential (line {line}): it must be YAML with exactly the keys key, passphrase, and secret or \
         rsa_private_key"
    )
}

impl Field {
    fn named(name: &str) -> Option<Field> {
        name.parse().ok()
    }
}

impl Trouble {
    fn say(self, field: Field, line: usize) -> String {
        let what = match self {
            Trouble::Comment => format!("YAML takes `{field}: #...` for a comment, with no value before it"),
            Trouble::Cut => {
                format!(
                    "of `{field}: ... #...` YAML takes the end for a comment, which would leave half of it"
                )
            }
            Trouble::Sign('`') => {
                format!("the value of `{field}` begins with a character that YAML keeps for itself")
            }
            Trouble::Sign(sign) => {
                format!("in `{field}: {sign}...` YAML takes the first character for a sign of its own")
            }
            Trouble::Colon => format!("in `{field}: ...: ...` YAML takes the second colon for that of a key"),
            Trouble::Null => {
                format!("the value of `{field}` is a word that YAML takes for none, as `~` and `null` are")
            }
            Trouble::Empty => format!("`{field}` has no value"),
            Trouble::Trailing => {
                format!("the value of `{field}` ends in white space, which YAML drops")
            }
            Trouble::Continued => {
                format!("the value of `{field}` has more than one line, which YAML joins")
            }
            Trouble::Quotes => {
                format!("the quotes of `{field}` must be around all of its value, in one line")
            }
            Trouble::Escape => {
                format!("in `{field}: \"...\\...\"` YAML takes the backslash for the beginning of an escape")
            }
            Trouble::NoColon => format!("a colon and a space must follow `{field}`"),
            Trouble::NotText => format!("the value of `{field}` is not one text"),
            Trouble::Syntax => format!("from `{field}` on it is not valid YAML"),
        };
        let remedy = match (field, self) {
            (Field::RsaPrivateKey, _) => HOW_TO_WRITE_IT.to_owned(),
            (_, Trouble::Escape) => format!("put it in single quotes, as in {}", example(field)),
            (_, Trouble::NoColon | Trouble::Empty) => format!("write it in quotes, as in {}", example(field)),
            (_, Trouble::Trailing) => format!("remove that, or put it in quotes, as in {}", example(field)),
            (_, Trouble::Quotes) => format!("put all of it in quotes, as in {}", example(field)),
            _ => format!("put it in quotes, as in {}", example(field)),
        };
        format!("cannot be taken as it stands (line {line}): {what}; {remedy}")
    }
}

fn example(field: Field) -> String {
    format!("`{field}: '...'` (a ' inside is written twice)")
}

struct Reader<'t> {
    lines: Vec<&'t str>,
    parser: Parser<'t, StrInput<'t>>,
    /// The last line of which something was read.
    at: usize,
}

impl<'t> Reader<'t> {
    /// The only document: a mapping of fields to texts, or nothing.
    fn fields(&mut self) -> Result<BTreeMap<Field, String>, Unfit> {
        let mut found = BTreeMap::new();
        let mut lines = BTreeMap::new();
        let mut documents = 0;
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(found),
                (Event::DocumentStart(..), _) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.unfit());
                    }
                }
                (Event::MappingStart(_, 0, None), _) => loop {
                    let (field, line) = match self.next()? {
                        (Event::MappingEnd, _) => break,
                        (Event::Scalar(name, _, 0, None), span) => (self.field(&name)?, span.start.line()),
                        _ => return Err(self.unfit()),
                    };
                    if let Some(before) = lines.insert(field, line) {
                        return Err(Unfit::Told(format!(
                            "is not clear (lines {before}, {line}): `{field}` stands twice, keep one of the two"
                        )));
                    }
                    let (event, span) = self.next()?;
                    found.insert(field, self.value(field, line, &event, span)?);
                },
                // The whole file is empty, or nothing but comments.
                (Event::Scalar(text, ScalarStyle::Plain, 0, None), _) if text.is_empty() || text == "~" => {}
                _ => return Err(self.unfit()),
            }
        }
    }

    fn field(&self, name: &str) -> Result<Field, Unfit> {
        match (Field::named(name), meant(name)) {
            (Some(field), _) => Ok(field),
            (None, Some(field)) => Err(Unfit::Told(say_names(&[(self.at, name, field)]))),
            (None, None) => Err(beside(name).map_or_else(
                || self.unfit(),
                |remedy| {
                    let line = self.at;
                    Unfit::Told(format!(
                        "has something in it that is not the key's (line {line}): `{name}`; {remedy}"
                    ))
                },
            )),
        }
    }

    /// The text of a value that YAML takes exactly as it stands.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of events is open")]
    fn value(&self, field: Field, line: usize, event: &Event<'t>, span: Span) -> Result<String, Unfit> {
        let refuse = |trouble: Trouble| Err(Unfit::Told(trouble.say(field, line)));
        match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => {
                match self.behind(text, span) {
                    // The library's word for no value.
                    None if text.is_empty() || text == "~" => refuse(Trouble::Empty),
                    None => refuse(Trouble::Continued),
                    Some(_) if NULLS.contains(&text.as_ref()) => refuse(Trouble::Null),
                    Some(rest) if rest.trim_start().starts_with('#') => refuse(Trouble::Cut),
                    Some(_) => Ok(text.to_string()),
                }
            }
            Event::Scalar(text, style, 0, None) => {
                let one_line = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => !text.contains('\n'),
                    _ => span.start.line() == span.end.line(),
                };
                if one_line || field == Field::RsaPrivateKey {
                    return Ok(text.to_string());
                }
                refuse(Trouble::Continued)
            }
            _ => refuse(Trouble::NotText),
        }
    }

    /// What follows an unquoted value in its line; `None` if it has more than one.
    fn behind(&self, text: &str, span: Span) -> Option<&'t str> {
        let line = self.lines.get(span.start.line().checked_sub(1)?)?;
        let from = line.char_indices().nth(span.start.col()).map(|(from, _)| from)?;
        line.get(from..)?.strip_prefix(text)
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Unfit> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.at = span.start.line().max(1);
                Ok((event, span))
            }
            Some(Err(error)) => Err(Unfit::Syntax { line: error.marker().line().max(1) }),
            None => Err(self.unfit()),
        }
    }

    fn unfit(&self) -> Unfit {
        Unfit::Shape { line: self.at }
    }
}

/// Characters that no text without quotes may begin with in YAML.
const SIGNS: &str = "&*!@`%|>[]{},";
/// What YAML takes for no value.
const NULLS: [&str; 4] = ["~", "null", "Null", "NULL"];
/// What other programs call the fields: in small letters, without `-`, `_` and the exchange's name before it.
const OTHER_NAMES: [(Field, &[&str]); 4] = [
    (Field::Key, &["key", "apikey", "accesskey", "accesskeyid", "apiaccesskey", "keyid", "apikeyid", "ak"]),
    (
        Field::Passphrase,
        &[
            "passphrase",
            "password",
            "pass",
            "passwd",
            "pwd",
            "phrase",
            "apiphrase",
            "apipassphrase",
            "apipassword",
            "apipass",
            "accesspassphrase",
            "keypassphrase",
            "apikeypassphrase",
        ],
    ),
    (
        Field::Secret,
        &[
            "secret",
            "secretkey",
            "apisecret",
            "apisecretkey",
            "accesssecret",
            "secretaccesskey",
            "accesssecretkey",
            "keysecret",
            "apikeysecret",
            "sk",
        ],
    ),
    (
        Field::RsaPrivateKey,
        &["rsaprivatekey", "privatekey", "rsakey", "rsa", "rsapem", "pem", "privatekeypem"],
    ),
];
/// What stands before such a name: the exchange's own, and what Hummingbot and Freqtrade put there.
const BEFORE: [&str; 5] = ["bitgetperpetual", "bitget", "bg", "freqtradeexchange", "exchange"];
/// What other programs write beside the fields, or around them.
const BESIDE: [(&[&str], &str); 3] = [
    (&["uid", "host", "demo"], "write it in the account, in desired-state.yaml, and remove it here"),
    (
        &["sandbox", "testnet", "paper", "papertrading", "paptrading"],
        "write `demo: true` in the account, in desired-state.yaml, and remove it here",
    ),
    (
        &["exchange", "bitget", "name", "account", "accounts", "credentials", "auth", "api", "type", "id"],
        "remove it, and let key, passphrase, and secret or rsa_private_key begin their lines, with nothing around them",
    ),
];
/// Longer words are no names.
const LONGEST_NAME: usize = 40;
