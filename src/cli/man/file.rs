//! The manual page of the file, section 5: every key as the schema has it, the form, and what the schema cannot say.

use clap_mangen::roff::{Roff, bold, italic, roman};

use super::parts::{head, joined, lines, see_also, tagged};
use crate::desired::{self, Chapter, Key};

/// The page.
pub(super) fn page() -> Vec<u8> {
    let mut roff = head("posmoded-desired-state", "5", "the file that declares position modes");
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([italic("desired-state.yaml"), roman(", or what --config says")]);
    roff.control("SH", ["DESCRIPTION"]);
    for (at, paragraph) in DESCRIPTION.iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
    for chapter in desired::reference() {
        keys(&mut roff, &chapter);
    }
    roff.control("SH", ["WHAT ELSE HOLDS"]);
    for rule in desired::of_the_whole() {
        roff.control("IP", ["\\(bu", "2"]);
        roff.text([roman(rule)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.text([roman("Every account in hedge mode, but for one that is changed at weekends only:")]);
    lines(&mut roff, &EXAMPLE.lines().collect::<Vec<_>>());
    roff.control("SH", ["FILES"]);
    tagged(&mut roff, [italic("/etc/posmoded/desired-state.yaml")], &["The file of the service."]);
    tagged(
        &mut roff,
        [italic("/usr/share/doc/posmoded/examples/desired-state.yaml")],
        &["An example with every key and comments."],
    );
    tagged(
        &mut roff,
        [italic("/usr/share/posmoded/desired-state.schema.json")],
        &["The JSON Schema, for editors."],
    );
    let pages = ["posmoded", "posmoded-check", "posmoded-import", "posmoded-schema"];
    see_also(&mut roff, &pages.map(|name| (name.to_owned(), "1")));
    joined(roff.render().as_bytes())
}

fn keys(roff: &mut Roff, Chapter { place, keys }: &Chapter) {
    roff.control("SH", [format!("KEYS {}", place.to_uppercase().replace('`', "")).as_str()]);
    for Key { name, meaning, words, default, examples } in keys {
        let mut paragraphs = vec![meaning.clone()];
        if !words.is_empty() {
            paragraphs.push(format!("One of: {}.", words.join(", ")));
        }
        if let Some(default) = default {
            paragraphs.push(format!("Default: {default}."));
        }
        let paragraphs: Vec<&str> = paragraphs.iter().map(String::as_str).collect();
        tagged(roff, [bold(*name)], &paragraphs);
        lines(roff, &examples.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

const DESCRIPTION: &[&str] = &[
    "YAML. The file declares the position mode of each account; what it does not name is left alone. All of a file is taken or \
     nothing: `posmoded check` names every mistake with its line and what to write instead.",
    "A position mode is one_way_mode or hedge_mode. A classic account has one for each product type; a unified account has one \
     for all that it holds, so the file must speak for all of it: with one mode, or with one and the same for USDT-FUTURES, \
     COIN-FUTURES and USDC-FUTURES. One mode alone means these three on a classic account.",
    "A duration is written with its unit: 90s, 5m, 1h 30m. The name of an account or a window is 1 to 63 of a-z, 0-9 and `-`, the \
     first a letter or a digit.",
];

pub(super) const EXAMPLE: &str = "\
version: 1
max_changes: 3
defaults:
  drift: correct
windows:
  weekend: { opens: \"0 0 22 * * Fri\", lasts: 48h, time_zone: Europe/London }
accounts:
  desk-main:
    position_mode:
      USDT-FUTURES: hedge_mode
      COIN-FUTURES: one_way_mode
  desk-arb:
    position_mode: hedge_mode
    windows: [weekend]
    require:
      - unit_inactive: strategy-arb.service
  desk-manual:
    drift: report
    position_mode: hedge_mode
...
";
