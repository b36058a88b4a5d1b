//! Text that is no YAML, no UTF-8, not whole, or means something else than it shows.

use expect_test::expect;

use super::*;

#[test]
fn yaml_that_means_something_else_than_it_shows_is_refused() {
    changed(
        "hedge_mode\n",
        "&mode hedge_mode\n",
        expect![[r#"
        line 7, column 27: YAML anchors (`&name`) are refused, as are the aliases that use them; remove the anchor and write each value out where it belongs
    "#]],
    );
    changed(
        "mode: one_way_mode",
        "mode: *mode",
        expect![[r#"
        line 13, column 20: YAML aliases (`*name`) are refused: a change in one place would be one in many; write the value out here
    "#]],
    );
    changed(
        "  paper: {",
        "  paper: { <<: { demo: false },",
        expect![[r#"
        line 15, column 12: YAML merge keys (`<<`) are refused; write the keys out here, or put what all accounts share under `defaults`
    "#]],
    );
    changed(
        "max_changes: 3",
        "max_changes: !!int '3'",
        expect![[r#"
            line 2, column 20: YAML tags (`!name`) are refused; remove the tag; quote the value if it is to be text
        "#]],
    );
    changed(
        "version: 1",
        "%YAML 1.1\n---\nversion: 1",
        expect![[r#"
        line 1, column 1: not valid YAML: YAML directives are disallowed; remove the line that begins with `%`
    "#]],
    );
    changed(
        "...\n",
        "---\nversion: 1\n...\n",
        expect![[r#"
        line 16, column 1: here begins a second document; keep one document in the file: everything between its beginning and the one `...` at its end
    "#]],
    );
    changed(
        "accounts:",
        "suspend: [[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]\naccounts:",
        expect![[r#"
        line 4, column 26: here something is nested more than 16 deep; write only the keys that the example file shows
    "#]],
    );
}

#[test]
fn a_syntax_error_comes_alone_with_the_way_to_mend_it() {
    changed(
        "max_changes: 3",
        "max_changes: 0\n\tsettle: 5m",
        expect![[r#"
            line 3, column 1: not valid YAML: while scanning a plain scalar, found a tab; indent with spaces, not with tabs
        "#]],
    );
    changed(
        "suspend: 'not yet: é'",
        "suspend: 'not yet: é",
        expect![[r#"
        line 15, column 3: not valid YAML: invalid indentation in multiline quoted scalar; close the quote on the line where it begins
    "#]],
    );
    changed(
        "{ demo: true,",
        "{ demo: true ",
        expect![[r#"
        line 15, column 37: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'; close the bracket, with a comma between its entries
    "#]],
    );
    changed(
        "accounts:",
        "accounts",
        expect![[r#"
        line 4, column 1: not valid YAML: simple key expected ':'; write `key: value`, indented with spaces like the lines beside it
    "#]],
    );
    changed(
        "    drift: report",
        "   drift: report",
        expect![[r#"
            line 11, column 16: not valid YAML: mapping values are not allowed in this context; write `key: value`, indented with spaces like the lines beside it
        "#]],
    );
    changed(
        "demo: true",
        "demo: true]",
        expect![[r#"
        line 15, column 10: not valid YAML: mismatched bracket '{' closed by ']'; close the bracket, with a comma between its entries
    "#]],
    );
}

#[test]
fn f6_a_file_without_its_end_mark_is_refused_along_with_whatever_else_is_wrong() {
    changed(
        "...\n",
        "",
        expect![[r#"
        line 15, column 51: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    changed(
        "...\n",
        "...",
        expect![[r#"
        line 16, column 4: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    changed(
        "...\n",
        "...\n\n",
        expect![[r#"
        line 17, column 1: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    changed(
        "...\n",
        "# and so on...\n",
        expect![[r#"
        line 16, column 15: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
    told(
        b"",
        expect![[r#"
        line 1, column 1: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
        line 1, column 1: the file declares nothing; begin it with `version: 1`
    "#]],
    );
    told(
        b"...\n",
        expect![[r#"
        line 1, column 1: the file declares nothing; begin it with `version: 1`
    "#]],
    );
    told(
        b"version: 1\nmax_changes: 0\ndefaults: { drift: report }\naccounts:\n",
        expect![[r#"
        line 2, column 14: `max_changes` is 0; to change nothing anywhere write `suspend: "the reason"` at the top level
        line 4, column 1: there is nothing under `accounts`; write its keys below it, indented by two spaces
        line 4, column 10: the file does not end with the end mark: it may be truncated; end it with a line of its own that is `...` and a newline, nothing after it
    "#]],
    );
}

#[test]
fn a_file_that_is_not_plain_utf_8_text_is_refused_with_the_way_to_save_it() {
    told(
        GOOD.replace('\n', "\r\n").as_bytes(),
        expect![[r#"
        line 1, column 11: here is a carriage return: the file has the line ends of Windows; save it with Unix line ends (LF), and have git keep them: `*.yaml text eol=lf` in .gitattributes
    "#]],
    );
    told(
        format!("\u{feff}{GOOD}").as_bytes(),
        expect![[r#"
        line 1, column 1: the file begins with a byte order mark; save it as UTF-8 without one
    "#]],
    );
    told(
        b"version: 1\n# caf\xe9\n...\n",
        expect![[r#"
        line 2, column 6: here is a byte that is not UTF-8; save the file as UTF-8, without a byte order mark
    "#]],
    );
    told(
        "#".repeat(2_000_000).as_bytes(),
        expect![[r#"
        line 1, column 1: the file has 2000000 bytes, more than 1048576; declare fewer accounts in one file
    "#]],
    );
}

#[test]
fn every_byte_prefix_of_the_example_is_refused() {
    for end in 0..EXAMPLE.len() {
        assert!(read(&EXAMPLE.as_bytes()[..end]).is_err(), "{end}");
    }
    let Desired { max_changes, accounts } = read(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(max_changes, 12);
    assert!(accounts.len() >= 5, "several accounts");
}
