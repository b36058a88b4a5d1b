//! YAML text to a tree that keeps every key, also a repeated one, and the place of everything.
//!
//! The only module that uses the YAML library. It refuses syntax that makes a file mean something other than it shows
//! (anchors, aliases, tags, a second document) and does not judge the content.

use serde_saphyr::granit_parser::{
    self, ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput,
};

use super::problem::{Place, Remark};

/// A file's only document.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its root; `None` if there is no document at all.
    pub(super) root: Option<Node>,
    /// What was refused while reading.
    pub(super) remarks: Vec<Remark>,
    /// Whether some of them are on values that the rules may never reach.
    pub(super) deep_remarks: bool,
}

/// A value and where it is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) last_line: usize,
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    /// A scalar, and whether it was written without quotes.
    Scalar { text: String, plain: bool },
    /// A list's items.
    List(Vec<Node>),
    /// A mapping's entries as they stand.
    Map(Vec<(Node, Node)>),
    /// Something that already has its remark.
    Refused,
}

/// Reads the tree; the error is where the text stops being YAML.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of events is open")]
pub(super) fn grow(text: &str) -> Result<Tree, Remark> {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut grower = Grower { text, parser, remarks: Vec::new() };
    let mut root = None;
    let mut deep_remarks = false;
    while let Some((event, span)) = grower.next()? {
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            Event::DocumentStart(..) if root.is_some() => {
                grower.remarks.push(Remark::new(
                    place(&span.start),
                    "here begins a second document",
                    "keep one document in the file: everything between its beginning and the one `...` at its end",
                ));
                break;
            }
            Event::DocumentStart(..) => {
                let (event, span) = grower.expect()?;
                root = Some(grower.node(event, span, 0)?);
                deep_remarks = !grower.remarks.is_empty();
            }
            event => return Err(out_of_order(&event, span)),
        }
    }
    let Grower { text: _, parser: _, remarks } = grower;
    Ok(Tree { root, remarks, deep_remarks })
}

struct Grower<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    remarks: Vec<Remark>,
}

impl<'t> Grower<'t> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of events is open")]
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Remark> {
        let place = place(&span.start);
        if depth > DEEPEST {
            return Err(Remark::new(
                place,
                format!("here something is nested more than {DEEPEST} deep"),
                "write only the keys that the example file shows",
            ));
        }
        let mut last_line = span.end.line().max(place.line);
        let mut tagged = false;
        let content = match event {
            Event::Scalar(text, style, anchor, tag) => {
                tagged = tag.is_some();
                self.refuse_extras(place, anchor, tagged);
                Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(_, anchor, tag) => {
                tagged = tag.is_some();
                self.refuse_extras(place, anchor, tagged);
                let mut items = Vec::new();
                while let Some((event, span)) = self.unless(&Event::SequenceEnd, &mut last_line)? {
                    items.push(self.node(event, span, depth + 1)?);
                }
                Content::List(items)
            }
            Event::MappingStart(_, anchor, tag) => {
                tagged = tag.is_some();
                self.refuse_extras(place, anchor, tagged);
                let mut entries = Vec::new();
                while let Some((event, span)) = self.unless(&Event::MappingEnd, &mut last_line)? {
                    let key = self.node(event, span, depth + 1)?;
                    let (event, span) = self.expect()?;
                    let value = self.node(event, span, depth + 1)?;
                    entries.push((key, value));
                }
                Content::Map(entries)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.remarks.push(Remark::new(
                    place,
                    "YAML aliases (`*name`) are refused: a change in one place would be one in many",
                    "write the value out here",
                ));
                Content::Refused
            }
            event => return Err(out_of_order(&event, span)),
        };
        Ok(Node { place, last_line, content: if tagged { Content::Refused } else { content } })
    }

    fn refuse_extras(&mut self, place: Place, anchor: usize, tagged: bool) {
        if anchor != 0 {
            let what = "YAML anchors (`&name`) are refused, as are the aliases that use them";
            self.remarks.push(Remark::new(
                place,
                what,
                "remove the anchor and write each value out where it belongs",
            ));
        }
        if tagged {
            let what = "YAML tags (`!name`) are refused";
            self.remarks.push(Remark::new(
                place,
                what,
                "remove the tag; quote the value if it is to be text",
            ));
        }
    }

    /// The next event, or `None` if it is `end`; `last_line` is then raised to its line.
    fn unless(
        &mut self,
        end: &Event<'t>,
        last_line: &mut usize,
    ) -> Result<Option<(Event<'t>, Span)>, Remark> {
        let (event, span) = self.expect()?;
        if event == *end {
            *last_line = (*last_line).max(span.end.line());
            return Ok(None);
        }
        Ok(Some((event, span)))
    }

    fn expect(&mut self) -> Result<(Event<'t>, Span), Remark> {
        self.next()?.ok_or_else(|| {
            Remark::new(
                Place::START,
                "not valid YAML: it ends too early",
                "look for an open bracket or quote",
            )
        })
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Remark> {
        self.parser.next_event().transpose().map_err(|error| syntax(&error, self.text))
    }
}

fn place(mark: &Marker) -> Place {
    Place { line: mark.line().max(1), column: mark.col() + 1 }
}

fn out_of_order(event: &Event<'_>, span: Span) -> Remark {
    let named = if event.is_node() { "a value" } else { "something" };
    Remark::new(
        place(&span.start),
        format!("not valid YAML: {named} that cannot stand here"),
        "write `key: value`, indented like the lines beside it",
    )
}

fn syntax(error: &ScanError, text: &str) -> Remark {
    let place = place(error.marker());
    let at_tab = if error.kind() == &ErrorKind::TabInPlainScalar { tab_indent(text, place) } else { None };
    Remark::new(at_tab.unwrap_or(place), format!("not valid YAML: {}", error.kind()), cure(error.kind()))
}

/// The place of the tab: the library reports the value before the line that begins with it.
fn tab_indent(text: &str, Place { line: from, column: _ }: Place) -> Option<Place> {
    text.split('\n').enumerate().skip(from).find_map(|(before, line)| {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let tab = line.get(..indent)?.find('\t')?;
        Some(Place { line: before + 1, column: tab + 1 })
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of faults is long and open")]
fn cure(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => "indent with spaces, not with tabs",
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::DocumentIndicatorInQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent => "close the quote on the line where it begins",
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "put nothing after the closing quote, or quote all of it"
        }
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MisplacedFlowCollectionEnd
        | ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            "close the bracket, with a comma between its entries"
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidIndentation
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey => "write `key: value`, indented with spaces like the lines beside it",
        ErrorKind::MissingAnchorOrAliasName => {
            "put text that begins with `*` or `&` in quotes, such as a cron pattern"
        }
        ErrorKind::DirectiveDisallowed => "remove the line that begins with `%`",
        ErrorKind::InvalidDocumentEnd => "let `...` stand alone on the last line",
        ErrorKind::BomInsideDocument => "remove the invisible byte order mark here",
        _ => "mend it here or in the line above; the example file shows how each line is written",
    }
}

/// The deepest nesting allowed; the file needs four levels. Reading and dropping the tree are recursive.
const DEEPEST: usize = 16;
