//! The page at `/`: one document with its style and its script in it, and the policy that lets a browser use these two and
//! nothing else.
//!
//! It holds no data. What it shows it asks of this address itself, and puts into the document as text, never as markup.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use strum::VariantArray as _;

use crate::protocol::Reason;

/// The page, put together at its first use.
pub(super) static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

/// A document and what a browser may do with it.
#[derive(Debug)]
pub(super) struct Page {
    /// In HTML.
    pub(super) document: String,
    /// Its `Content-Security-Policy`.
    pub(super) policy: String,
}

impl Page {
    fn new() -> Page {
        let (style, script) = (STYLE.to_owned(), reasons() + &SCRIPT.concat());
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            source(&style),
            source(&script)
        );
        let document = FRAME.replacen("/*style*/", &style, 1).replacen("/*script*/", &script, 1);
        Page { document, policy }
    }
}

/// The reasons in the order in which the first of them is shown, with what ends each, and what each asks of a human that wants one.
fn reasons() -> String {
    let table = |name: &str, told: fn(&Reason) -> String| {
        let all = Reason::VARIANTS.iter().map(|reason| format!("  {reason}: \"{}\",\n", told(reason)));
        format!("const {name} = {{\n{}}};\n", all.collect::<String>())
    };
    table("REASONS", |reason| reason.wants().to_string()) + &table("ASKS", |reason| reason.need().to_string())
}

/// What a policy calls exactly this text.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// Each uses those before it; together they are one module, so that their names are nobody else's.
const SCRIPT: [&str; 11] = [
    include_str!("page/words.js"),
    include_str!("page/triage.js"),
    include_str!("page/nodes.js"),
    include_str!("page/wants.js"),
    include_str!("page/matrix.js"),
    include_str!("page/facts.js"),
    include_str!("page/events.js"),
    include_str!("page/strip.js"),
    include_str!("page/detail.js"),
    include_str!("page/live.js"),
    include_str!("page/page.js"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use regex::Regex;

    use super::*;
    use crate::protocol::Wants;

    #[test]
    fn the_policy_names_the_very_texts_between_the_tags_of_the_document_and_nothing_from_elsewhere() {
        let Page { document, policy } = &*PAGE;
        let between = |open: &str, close: &str| {
            let (_, rest) = document.split_once(open).unwrap();
            assert!(!rest.contains(open), "one {open}");
            rest.split_once(close).unwrap().0
        };
        for (name, text) in [
            ("style-src", between("<style>", "</style>")),
            ("script-src", between("<script type=\"module\">", "</script>")),
        ] {
            assert!(text.len() > 1000 && policy.contains(&format!("{name} {};", source(text))), "{policy}");
        }
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        for elsewhere in ["http://", "https://", " style=", " onclick=", "src="] {
            // The namespace of its shapes is a name and is asked of nobody.
            let text = document.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn what_sentences_tell_to_type_are_programs_that_the_page_knows_so_that_it_offers_them() {
        let script = SCRIPT.concat();
        let (_, known) = script.split_once("const PROGRAMS = [").unwrap();
        let known: BTreeSet<&str> =
            known.split(']').next().unwrap().split(", ").map(|word| word.trim_matches('"')).collect();
        let span = Regex::new(r#"`([a-z]+) [^`"]+`"#).unwrap();
        let goes_on = Regex::new(r"\\\n *").unwrap();
        let is_comment = |line: &&str| line.trim_start().starts_with("//");
        let mut named = BTreeSet::new();
        for path in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code = code.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n");
            let code = goes_on.replace_all(&code, "");
            named.extend(span.captures_iter(&code).map(|found| found[1].to_owned()));
        }
        assert!(named.len() > 5, "{named:?}");
        let unknown: Vec<&String> = named.iter().filter(|name| !known.contains(name.as_str())).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "add to PROGRAMS of words.js what is a program");
    }

    /// Files that say something to operators.
    fn sources(of: &Path) -> Vec<PathBuf> {
        let is_aside = |path: &Path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            ["tests", "tables", "model", "fuzzing", "fixture"].contains(&name)
        };
        let paths = std::fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
        let mut found = Vec::new();
        for path in paths.filter(|path| !is_aside(path)) {
            match path.extension() {
                None => found.extend(sources(&path)),
                Some(kind) if kind == "rs" => found.push(path),
                Some(_) => {}
            }
        }
        found
    }

    #[test]
    fn the_page_has_words_for_what_each_reason_that_passes_by_itself_passes_with() {
        let script = SCRIPT.concat();
        let (_, words) = script.split_once("const PASSES_WITH = {").unwrap();
        let named = words.split('}').next().unwrap().lines().filter_map(|line| line.trim().split_once(": "));
        let named: BTreeSet<&str> = named.map(|(reason, _)| reason).collect();
        let passes = |reason: &&Reason| reason.wants() == Wants::Itself && **reason != Reason::Elsewhere;
        let reasons: BTreeSet<&str> =
            Reason::VARIANTS.iter().filter(passes).map(|reason| reason.as_str()).collect();
        assert_eq!(named, reasons);
    }

    #[test]
    fn no_text_that_comes_from_elsewhere_can_become_markup() {
        let script = SCRIPT.concat();
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!script.contains(way), "{way}");
        }
    }
}
