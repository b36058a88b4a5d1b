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

/// The reasons in the order in which the first of them is shown, and what ends each.
fn reasons() -> String {
    let all = Reason::VARIANTS.iter().map(|reason| format!("  {reason}: \"{}\",\n", reason.wants()));
    format!("const REASONS = {{\n{}}};\n", all.collect::<String>())
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
    use super::*;

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
    fn no_text_that_comes_from_elsewhere_can_become_markup() {
        let script = SCRIPT.concat();
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!script.contains(way), "{way}");
        }
    }
}
