//! Turns the bytes of a file into what they declare.

use super::account::Desired;
use super::problem::{Place, Problems, Remark};
use super::{rules, tree};

/// Reads a whole file, or returns all its problems. Bytes that are not plain UTF-8 text, and YAML that cannot be parsed
/// to its end, are reported alone, except for a missing end mark: the rest would only follow from them.
pub fn read(bytes: &[u8]) -> Result<Desired, Problems> {
    if bytes.len() > LONGEST {
        return Err(Problems::untold(Remark::new(
            Place::START,
            format!("the file has {} bytes, more than {LONGEST}", bytes.len()),
            "declare fewer accounts in one file",
        )));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default())),
    };
    let (text, mark) = match text.strip_prefix('\u{feff}') {
        Some(text) => (text, Some(byte_order_mark())),
        None => (text, None),
    };
    if let Some(remark) = line_ends(text) {
        return Err(Problems::new(vec![remark], text, &[]));
    }
    let mut remarks: Vec<Remark> = mark.into_iter().chain(truncated(text)).collect();
    match tree::grow(text) {
        Ok(tree) => rules::apply(&tree, remarks).map_err(|(remarks, hidden)| {
            if tree.deep_remarks {
                Problems::without_tree(remarks, text)
            } else {
                Problems::new(remarks, text, &hidden)
            }
        }),
        Err(syntax) => {
            remarks.push(syntax);
            Err(Problems::without_tree(remarks, text))
        }
    }
}

fn not_utf8(good: &[u8]) -> Problems {
    let good = String::from_utf8_lossy(good);
    let line = good.matches('\n').count() + 1;
    let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Problems::untold(Remark::new(
        Place { line, column },
        "here is a byte that is not UTF-8",
        "save the file as UTF-8, without a byte order mark",
    ))
}

fn byte_order_mark() -> Remark {
    Remark::new(Place::START, "the file begins with a byte order mark", "save it as UTF-8 without one")
}

fn line_ends(text: &str) -> Option<Remark> {
    let (line, end) = text.split('\n').enumerate().find_map(|(line, all)| Some((line, all.find('\r')?)))?;
    let column = text.split('\n').nth(line)?.get(..end)?.chars().count() + 1;
    Some(Remark::new(
        Place { line: line + 1, column },
        "here is a carriage return: the file has the line ends of Windows",
        "save it with Unix line ends (LF), and have git keep them: `*.yaml text eol=lf` in .gitattributes",
    ))
}

/// The remark on a file that does not end with YAML's end mark on a line of its own, as one cut off anywhere does.
fn truncated(text: &str) -> Option<Remark> {
    if text == "...\n" || text.ends_with("\n...\n") {
        return None;
    }
    let last = text.strip_suffix('\n').unwrap_or(text);
    let line = last.matches('\n').count() + 1;
    let column = last.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Remark::new(
        Place { line, column },
        "the file does not end with the end mark: it may be truncated",
        "end it with a line of its own that is `...` and a newline, nothing after it",
    ))
}

/// The most bytes a file may have, enough for thousands of accounts. It bounds the cost of a bad one.
const LONGEST: usize = 1024 * 1024;
