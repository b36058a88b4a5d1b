//! The JSON Schema against the reader: whatever the reader accepts, the schema accepts, as an editor would apply it.
//!
//! A validator of the keywords that the schema uses stands here; a keyword that it does not know fails the test.

use expect_test::{expect, expect_file};
use posmoded::desired::{read, schema};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

const EXAMPLE: &str = include_str!("../../desired-state.yaml");

/// Where an instance is not as the schema wants it, and why.
fn refusals(schema: &Value, instance: &Value, at: &str) -> Vec<String> {
    if *schema == Value::Bool(true) {
        return Vec::new();
    }
    let words = schema.as_object().expect("a schema is true or an object");
    words.iter().flat_map(|(word, wanted)| keyword(words, word, wanted, instance, at)).collect()
}

fn keyword(
    schema: &serde_json::Map<String, Value>,
    word: &str,
    wanted: &Value,
    instance: &Value,
    at: &str,
) -> Vec<String> {
    let (map, text) = (instance.as_object(), instance.as_str());
    let is = |good: bool| if good { Vec::new() } else { vec![format!("{at}: {word} {wanted}")] };
    let many = |count: Option<usize>| count.is_none_or(|count| count as u64 >= wanted.as_u64().unwrap());
    match word {
        "$schema" | "$comment" | "title" | "description" | "examples" | "default" => Vec::new(),
        "type" => is(match wanted.as_str().unwrap() {
            "object" => instance.is_object(),
            "string" => instance.is_string(),
            "boolean" => instance.is_boolean(),
            "array" => instance.is_array(),
            "integer" => instance.is_i64() || instance.is_u64(),
            other => panic!("type {other}"),
        }),
        "const" => is(instance == wanted),
        "enum" => is(wanted.as_array().unwrap().contains(instance)),
        "not" => is(!refusals(wanted, instance, at).is_empty()),
        "minimum" => is(instance.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap())),
        "maximum" => is(instance.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap())),
        "minLength" => is(many(text.map(|text| text.chars().count()))),
        "maxLength" => is(text.is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())),
        "pattern" => {
            let pattern = regex::Regex::new(wanted.as_str().unwrap()).unwrap();
            is(text.is_none_or(|text| pattern.is_match(text)))
        }
        "minItems" => is(many(instance.as_array().map(Vec::len))),
        "uniqueItems" => is(instance
            .as_array()
            .is_none_or(|items| items.iter().enumerate().all(|(at, item)| !items[..at].contains(item)))),
        "items" => {
            let items = instance.as_array().into_iter().flatten().enumerate();
            items.flat_map(|(place, item)| refusals(wanted, item, &format!("{at}/{place}"))).collect()
        }
        "maxProperties" => is(map.is_none_or(|map| map.len() as u64 <= wanted.as_u64().unwrap())),
        "minProperties" => is(many(map.map(serde_json::Map::len))),
        "required" => {
            let has = |key: &Value| map.is_none_or(|map| map.contains_key(key.as_str().unwrap()));
            is(wanted.as_array().unwrap().iter().all(has))
        }
        "propertyNames" => {
            let names = map.into_iter().flat_map(serde_json::Map::keys);
            names.flat_map(|name| refusals(wanted, &json!(name), &format!("{at}/{name}"))).collect()
        }
        "properties" => each(map, |key| wanted.get(key).cloned(), at),
        "additionalProperties" => {
            let known = schema.get("properties");
            let other = |key: &str| known.is_none_or(|known| known.get(key).is_none());
            let no = json!({ "not": true });
            let wanted = if *wanted == Value::Bool(false) { &no } else { wanted };
            each(map, |key| other(key).then(|| wanted.clone()), at)
        }
        "anyOf" => {
            let one = |schema: &Value| refusals(schema, instance, at).is_empty();
            is(wanted.as_array().unwrap().iter().any(one))
        }
        other => panic!("the validator does not know {other}"),
    }
}

fn each(
    map: Option<&serde_json::Map<String, Value>>,
    schema: impl Fn(&str) -> Option<Value>,
    at: &str,
) -> Vec<String> {
    let entries = map.into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some(refusals(&schema(key)?, value, &format!("{at}/{key}"))))
        .flatten()
        .collect()
}

/// What an editor would underline.
fn underlined(file: &str) -> Vec<String> {
    match serde_yaml::from_str(file) {
        Ok(instance) => refusals(&schema(), &instance, ""),
        Err(error) => vec![format!("no YAML: {error}")],
    }
}

/// A good file with every key, some of them more than once.
const GOOD: &str = "\
version: 1
max_changes: 3
defaults: { drift: correct, check_every: 1m, settle: 1h 30m }
suspend: maintenance
windows:
  weekend: { opens: 0 0 22 * * Fri, lasts: 48h, time_zone: Europe/London }
accounts:
  desk-main:
    uid: '0123456789'
    host: trade-01
    position_mode:
      USDT-FUTURES: hedge_mode
      COIN-FUTURES: one_way_mode
  desk-risk:
    drift: report
    check_every: 5s
    settle: 0s
    position_mode: one_way_mode
    suspend: 'not yet: é'
    windows: [weekend]
    require:
      - unit_inactive: strategy@arb.service
      - file_absent: /run/strategy.lock
  paper: { demo: true, position_mode: hedge_mode }
...
";

/// The file that the first line of the example leads editors to.
#[test]
fn the_shipped_schema_is_the_one_that_the_program_prints() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file!["../../deploy/desired-state.schema.json"].assert_eq(&text);
    let hint = EXAMPLE.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
    assert_eq!(hint, "deploy/desired-state.schema.json");
}

#[test]
fn the_shipped_file_and_one_with_every_key_are_accepted_by_both() {
    for file in [EXAMPLE, GOOD] {
        assert!(read(file.as_bytes()).is_ok());
        assert_eq!(underlined(file), Vec::<String>::new());
    }
}

#[test]
fn what_a_schema_can_say_it_says() {
    let wrong = [
        ("version: 1", "version: 2"),
        ("max_changes: 3\n", ""),
        ("max_changes: 3", "max_changes: 0"),
        ("max_changes: 3", "max_changes: three"),
        ("drift: correct, ", ""),
        ("drift: correct", "drift: fix"),
        ("settle: 0s", "settle: 0"),
        ("'0123456789'", "123456789"),
        ("trade-01", "'trade 01'"),
        ("hedge_mode\n", "hedge\n"),
        ("USDT-FUTURES", "usdt-futures"),
        ("desk-main", "Desk_Main"),
        ("demo: true", "demo: 'yes'"),
        ("demo: true", "colour: blue"),
        ("maintenance", "'no'"),
        ("'not yet: é'", "''"),
        ("0 0 22 * * Fri", "0 22 * * Fri"),
        (", time_zone: Europe/London", ""),
        ("lasts: 48h", "lasts: 48"),
        ("weekend:", "Weekend:"),
        ("[weekend]", "weekend"),
        ("[weekend]", "[]"),
        ("[weekend]", "[weekend, weekend]"),
        ("- unit_inactive", "- unit"),
        ("strategy@arb.service", "strategy*.service"),
        ("/run/strategy.lock", "run/strategy.lock"),
        ("      - file_absent", "        file_absent"),
    ];
    let told = wrong.map(|(from, to)| {
        assert!(GOOD.contains(from), "{from}");
        let file = GOOD.replacen(from, to, 1);
        assert!(read(file.as_bytes()).is_err(), "{to}");
        format!("{to:?}: {}\n", underlined(&file).join(", "))
    });
    expect![[r#"
        "version: 2": /version: const 1
        "": : required ["version","max_changes","accounts"]
        "max_changes: 0": /max_changes: minimum 1
        "max_changes: three": /max_changes: type "integer"
        "": : anyOf [{"description":"`drift` is under `defaults` ...","properties":{"defaults":{"required":["drift"]}},"required":["defaults"]},{"description":"... or in every account","properties":{"accounts":{"additionalProperties":{"required":["drift"]}}}}]
        "drift: fix": /defaults/drift: enum ["correct","report"]
        "settle: 0": /accounts/desk-risk/settle: type "string"
        "123456789": /accounts/desk-main/uid: type "string"
        "'trade 01'": /accounts/desk-main/host: pattern "^[a-zA-Z0-9_.-]{1,64}$"
        "hedge\n": /accounts/desk-main/position_mode: anyOf [{"enum":["one_way_mode","hedge_mode"]},{"additionalProperties":false,"minProperties":1,"properties":{"COIN-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"SCOIN-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"SUSDC-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"SUSDT-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"USDC-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"USDT-FUTURES":{"enum":["one_way_mode","hedge_mode"]}},"type":"object"}]
        "usdt-futures": /accounts/desk-main/position_mode: anyOf [{"enum":["one_way_mode","hedge_mode"]},{"additionalProperties":false,"minProperties":1,"properties":{"COIN-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"SCOIN-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"SUSDC-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"SUSDT-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"USDC-FUTURES":{"enum":["one_way_mode","hedge_mode"]},"USDT-FUTURES":{"enum":["one_way_mode","hedge_mode"]}},"type":"object"}]
        "Desk_Main": /accounts/Desk_Main: pattern "^[a-z0-9][a-z0-9-]{0,62}$"
        "demo: 'yes'": /accounts/paper/demo: type "boolean"
        "colour: blue": /accounts/paper/colour: not true
        "'no'": /suspend: not {"enum":["yes","no","on","off","y","n","true","false","none"]}
        "''": /accounts/desk-risk/suspend: minLength 1
        "0 22 * * Fri": /windows/weekend/opens: pattern "^\\s*(\\S+\\s+){5}\\S+\\s*$"
        "": /windows/weekend: required ["opens","lasts","time_zone"]
        "lasts: 48": /windows/weekend/lasts: type "string"
        "Weekend:": /windows/Weekend: pattern "^[a-z0-9][a-z0-9-]{0,62}$"
        "weekend": /accounts/desk-risk/windows: type "array"
        "[]": /accounts/desk-risk/windows: minItems 1
        "[weekend, weekend]": /accounts/desk-risk/windows: uniqueItems true
        "- unit": /accounts/desk-risk/require/0/unit: not true
        "strategy*.service": /accounts/desk-risk/require/0/unit_inactive: pattern "^[^-@./*?\\[][^/*?\\[ ]*\\.[a-z]+$"
        "run/strategy.lock": /accounts/desk-risk/require/1/file_absent: pattern "^/[^/]"
        "        file_absent": /accounts/desk-risk/require/0: maxProperties 1
    "#]].assert_eq(&told.concat());
}

#[test]
fn it_never_refuses_what_the_reader_accepts() {
    let pieces = prop::sample::select(vec![
        "",
        "\n",
        " ",
        "  ",
        ": ",
        "'",
        "\"",
        "{",
        "}",
        ",",
        "#",
        "0",
        "1",
        "+",
        "-",
        ".",
        "~",
        "null",
        "true",
        "True",
        "é",
        "s",
        "m",
        "h",
        "5",
        "drift: report\n",
        "demo: false\n",
        "uid: '7'\n",
        "host: a\n",
        "settle: 1h\n",
        "suspend: x\n",
        "0x",
        "1e1",
        "_",
        "yes",
        "desk",
    ]);
    let edit = (any::<prop::sample::Index>(), 0_usize..8, pieces);
    let accepted = std::cell::Cell::new(0_u32);
    let config = Config { cases: 6_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&prop::collection::vec(edit, 1..3), |edits| {
        let mut file = GOOD.to_owned();
        for (at, cut, piece) in edits {
            let at = boundary(&file, at.index(file.len() + 1));
            let end = boundary(&file, (at + cut).min(file.len()));
            file.replace_range(at..end.max(at), piece);
        }
        if read(file.as_bytes()).is_ok() {
            accepted.set(accepted.get() + 1);
            prop_assert_eq!(underlined(&file), Vec::<String>::new(), "{}", file);
        }
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
    assert!(accepted.get() > 100, "only {} of the mutations were accepted", accepted.get());
}

#[test]
fn it_never_refuses_a_file_put_together_at_random_from_good_parts() {
    let duration = prop::sample::select(vec!["5s", "60s", "1m", "5m 3s", "1h", "10 minutes", "1hr", "0.5h"]);
    let settings = (
        prop::option::of(prop::sample::select(vec!["correct", "report"])),
        prop::option::of(duration.clone()),
        prop::option::of(prop_oneof![duration, Just("0s")]),
    )
        .prop_map(|(drift, check_every, settle)| json!({ "drift": drift, "check_every": check_every, "settle": settle }));
    let mode = prop::sample::select(vec!["one_way_mode", "hedge_mode"]);
    let product = "S?(USDT|COIN|USDC)-FUTURES";
    let modes = prop_oneof![
        mode.clone().prop_map(|mode| json!(mode)),
        prop::collection::btree_map(product, mode, 1..4).prop_map(|modes| json!(modes)),
    ];
    let reason = || prop::option::of("[a-z:#'\"{}é✓,]{1,3} [ -~]{0,20}\\.");
    let rest = (
        prop::option::of("[0-9]{1,20}"),
        prop::option::of("[a-z][a-zA-Z0-9._-]{0,20}[a-z]"),
        any::<Option<bool>>(),
    );
    let account = (settings.clone(), modes, rest, reason()).prop_map(|(settings, modes, (uid, host, demo), suspend)| {
        let modes = if demo == Some(true) { ordinary(&modes) } else { modes };
        merged(&settings, &json!({ "position_mode": modes, "uid": uid, "host": host, "demo": demo, "suspend": suspend }))
    });
    let accounts = prop::collection::btree_map("d[a-z0-9-]{0,20}", account, 1..4);
    let file = (accounts, settings, 1..=u32::MAX, reason()).prop_map(
        |(accounts, defaults, max_changes, suspend)| {
            let drift = json!({ "drift": "correct" });
            let defaults = merged(&merged(&drift, &defaults), &json!({}));
            merged(
                &json!({ "version": 1, "max_changes": max_changes, "suspend": suspend }),
                &json!({ "defaults": defaults, "accounts": accounts }),
            )
        },
    );
    let config = Config { cases: 1_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&file, |file| {
        let text = serde_yaml::to_string(&file).unwrap() + "...\n";
        let told = read(text.as_bytes()).map(|_| ()).map_err(|problems| problems.to_string());
        prop_assert_eq!(told, Ok(()), "{}", text);
        prop_assert_eq!(underlined(&text), Vec::<String>::new(), "{}", text);
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
}

/// The same modes, for ordinary product types: a key made in demo mode has no others.
fn ordinary(modes: &Value) -> Value {
    let Some(modes) = modes.as_object() else { return modes.clone() };
    let ordinary = |product: &str| product.strip_prefix('S').unwrap_or(product).to_owned();
    modes
        .iter()
        .map(|(product, mode)| (ordinary(product), mode.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The nearest place at or before `at` where a character begins.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Both, without what is null.
fn merged(one: &Value, other: &Value) -> Value {
    let entries = [one, other].into_iter().flat_map(|value| value.as_object().unwrap());
    entries
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
