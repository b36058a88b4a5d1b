use super::*;
use crate::cli::command;
use crate::desired::{self, schema};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn text(line: &str) -> String {
    String::from_utf8(page(command(), &words(line)).unwrap()).unwrap()
}

#[test]
fn there_is_a_page_for_every_command_and_one_that_names_them_all() {
    let all = text("");
    let named = |of: &clap::Command| -> Vec<String> {
        of.get_subcommands().map(|command| command.get_name().to_owned()).collect()
    };
    let of_the_page = |line: &str| {
        let page = text(line);
        let name = title(&words(line));
        assert!(
            page.contains(&format!(".TH {name} 1 \"\" \"posmoded {}\" posmoded", env!("CARGO_PKG_VERSION"))),
            "{page}"
        );
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "EXIT STATUS",
            "ENVIRONMENT",
            "SEE ALSO",
        ] {
            let heading = if section.contains(' ') {
                format!(".SH \"{section}\"\n")
            } else {
                format!(".SH {section}\n")
            };
            assert_eq!(page.matches(&heading).count(), 1, "{line}: {section}\n{page}");
        }
        assert!(page.contains("posmoded\\-desired\\-state"), "{page}");
        page
    };
    of_the_page("");
    for command in command().get_subcommands() {
        let name = command.get_name();
        let written = name.replace('-', "\\-");
        assert!(all.contains(&format!("posmoded\\-{written}(1)")), "{name}: {all}");
        let page = of_the_page(name);
        for part in named(command) {
            assert!(page.contains(&format!("posmoded\\-{written}\\-{part}(1)")), "{name} {part}: {page}");
            of_the_page(&format!("{name} {part}"));
        }
    }
    let told = page(command(), &words("frobnicate")).unwrap_err().to_string();
    assert!(told.starts_with("There is no command \"frobnicate\". There are: run, "), "{told}");
}

#[test]
fn a_page_has_the_variable_of_every_option_that_it_shows_and_the_files_that_it_goes_by() {
    let all = text("");
    for option in command().get_arguments().filter(|arg| arg.is_global_set()) {
        let variable = option.get_env().unwrap().to_str().unwrap();
        assert!(all.contains(&format!("\\fB{variable}\\fR\n")), "{variable}: {all}");
    }
    assert!(all.contains("posmoded.sqlite") && all.contains("desired\\-state.yaml"), "{all}");
    let status = text("status");
    assert!(status.contains("POSMODED_STATE") && !status.contains("POSMODED_CREDENTIALS"), "{status}");
    assert!(!text("schema").contains(".SH FILES"));
}

#[test]
fn the_page_of_the_file_has_every_key_of_the_schema_with_its_default_and_an_example() {
    fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(|all| all.as_object()) {
            found.extend(properties.keys().cloned());
        }
        let inner: Vec<&serde_json::Value> = match (schema.as_object(), schema.as_array()) {
            (Some(all), _) => all.iter().filter(|(key, _)| *key != "anyOf").map(|(_, of)| of).collect(),
            (None, all) => all.into_iter().flatten().collect(),
        };
        for of in inner {
            keys(of, found);
        }
    }
    let page = text("desired-state");
    let mut found = Vec::new();
    keys(&schema(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for key in found {
        let key = key.replace('-', "\\-");
        let (_, rest) =
            page.split_once(&format!(".TP\n\\fB{key}\\fR\n")).unwrap_or_else(|| panic!("{key}: {page}"));
        let of_key = rest.split(".TP\n").next().unwrap();
        assert!(of_key.contains(&format!("\n{key}: ")), "no example of {key}: {of_key}");
    }
    assert!(page.contains("Default: 5m.") && page.contains("Default: false."), "{page}");
    assert!(desired::read(file::EXAMPLE.as_bytes()).is_ok());
}
