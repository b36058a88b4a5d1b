//! What manual pages are put together from: title, terms, lines as they are typed, and the pages to read next.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The title and the NAME of a page. Its date is that of the source, where whoever packages it says so.
pub(super) fn head(name: &str, section: &str, about: &str) -> Roff {
    let date = std::env::var(SOURCE_DATE).ok().and_then(|seconds| seconds.parse().ok());
    let date = date.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let date = date.map_or_else(|| "\"\"".to_owned(), |date| date.strftime("%Y-%m-%d").to_string());
    let mut roff = Roff::new();
    roff.control("TH", [name, section, date.as_str(), SOURCE, "posmoded"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    roff
}

pub(super) fn see_also(roff: &mut Roff, pages: &[(String, &str)]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut text: Vec<Inline> = Vec::new();
    for (at, (name, section)) in pages.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        text.extend([roman(separator), bold(name.clone()), roman(format!("({section})"))]);
    }
    roff.text(text);
}

/// A term with what it means.
pub(super) fn tagged(roff: &mut Roff, term: impl Into<Vec<Inline>>, paragraphs: &[&str]) {
    roff.control("TP", []);
    roff.text(term.into());
    for (at, paragraph) in paragraphs.iter().enumerate() {
        if at > 0 {
            roff.control("IP", []);
        }
        roff.text([roman(*paragraph)]);
    }
}

/// Lines as they are typed or written.
pub(super) fn lines(roff: &mut Roff, lines: &[&str]) {
    roff.control("RS", ["4"]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []);
    roff.control("RE", []);
}

/// Pieces that were written one after the other, as one page: each begins with the same preamble, and a line may not end in
/// white space.
pub(super) fn joined(pieces: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(pieces);
    let preamble = |line: &str| line.starts_with(".ie \\n(.g") || line.starts_with(".el .ds");
    let (head, body): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| preamble(line));
    let lines = head.into_iter().take(2).chain(body);
    lines
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect::<String>()
        .into()
}

/// The seconds since 1970 of what a package is made from (reproducible-builds.org).
const SOURCE_DATE: &str = "SOURCE_DATE_EPOCH";
const SOURCE: &str = concat!("posmoded ", env!("CARGO_PKG_VERSION"));
