//! No files may name each other in a circle: whoever reads one of them would have to know them all.
//!
//! A file names another where a path of it leads there. A name that is only handed on (`pub use`, and nowhere else in the
//! file) is no arrow of the file that hands it on: the arrow goes from the reader to where the name is made.

use std::collections::{BTreeMap, BTreeSet};

/// The files below `src` by their module path; that of the crate itself is empty.
pub(super) struct Files {
    texts: BTreeMap<String, String>,
    /// What is brought into a module under which name, as absolute paths.
    brought: BTreeMap<(String, String), String>,
}

impl Files {
    /// Of `files`: their names below `src`, and their texts without comments and tests.
    pub(super) fn new(files: impl IntoIterator<Item = (String, String)>) -> Files {
        let named = |name: &str| {
            let path = name.trim_end_matches(".rs").replace('/', "::");
            if path == "lib" { String::new() } else { path }
        };
        let texts: BTreeMap<String, String> =
            files.into_iter().map(|(name, text)| (named(&name), text)).collect();
        let mut all = Files { texts, brought: BTreeMap::new() };
        for (module, text) in &all.texts {
            for declared in text.split("use ").skip(1) {
                let declared = declared.split(';').next().unwrap();
                for path in all.named_by(module, declared) {
                    let name = path.rsplit("::").next().unwrap().to_owned();
                    all.brought.insert((module.clone(), name), path);
                }
            }
        }
        all
    }

    /// Every circle once, as the files on the way round.
    pub(super) fn circles(&self) -> Vec<String> {
        let arrows: BTreeMap<&str, BTreeSet<&str>> =
            self.texts.iter().map(|(module, text)| (module.as_str(), self.arrows(module, text))).collect();
        let mut found = BTreeSet::new();
        for start in arrows.keys() {
            if let Some(way) = shortest_way_back(&arrows, start) {
                let least = way.iter().enumerate().min_by_key(|(_, module)| **module).unwrap().0;
                let mut round = way.clone();
                round.rotate_left(least);
                found.insert(round.join(" -> "));
            }
        }
        found.into_iter().collect()
    }

    fn arrows(&self, module: &str, text: &str) -> BTreeSet<&str> {
        let is_declaration = |line: &str| line.contains("use ") || line.contains("mod ");
        let statements = text.split_inclusive(';').filter(|line| !is_declaration(line));
        let words: BTreeSet<&str> =
            statements.flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_'))).collect();
        let handed_on: BTreeSet<String> = text
            .split("pub use ")
            .skip(1)
            .flat_map(|declared| self.named_by(module, declared.split(';').next().unwrap()))
            .filter(|path| !words.contains(path.rsplit("::").next().unwrap()))
            .collect();
        let named = self.named_by(module, text).into_iter().filter(|path| !handed_on.contains(path));
        named.filter_map(|path| self.file_of(&path, 0)).filter(|file| *file != module).collect()
    }

    /// The absolute paths of all that the text names in this crate.
    fn named_by(&self, module: &str, text: &str) -> Vec<String> {
        let below = |base: &str, path: String| {
            if base.is_empty() { path } else { format!("{base}::{path}") }
        };
        let text = &text.replace("pub(in crate::", "pub(in ");
        let mut found = super::paths(text, "crate::");
        found.extend(super::paths(text, "self::").into_iter().map(|path| below(module, path)));
        for path in super::paths(text, "super::") {
            let mut base = parent(module);
            let mut rest = path.as_str();
            while let Some(further) = rest.strip_prefix("super::") {
                (base, rest) = (parent(base), further);
            }
            found.push(below(base, rest.to_owned()));
        }
        for child in self.texts.keys().filter(|other| !module.is_empty() && parent(other) == module) {
            let name = child.rsplit("::").next().unwrap();
            let paths = super::paths(text, &format!("{name}::"));
            found.extend(paths.into_iter().map(|path| format!("{child}::{path}")));
        }
        found
    }

    /// The file in which the thing at this absolute path is made.
    fn file_of(&self, path: &str, depth: usize) -> Option<&str> {
        let mut file = "";
        let mut rest: Vec<&str> = path.split("::").collect();
        while let Some(segment) = rest.first().copied() {
            let below = if file.is_empty() { segment.to_owned() } else { format!("{file}::{segment}") };
            if let Some((module, _)) = self.texts.get_key_value(&below) {
                file = module;
                rest.remove(0);
            } else if let Some(from) = self.brought.get(&(file.to_owned(), segment.to_owned()))
                && depth < 8
                && *from != path
            {
                rest[0] = from;
                return self.file_of(&rest.join("::"), depth + 1);
            } else {
                break;
            }
        }
        (!file.is_empty()).then_some(file)
    }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn shortest_way_back<'m>(
    arrows: &BTreeMap<&'m str, BTreeSet<&'m str>>,
    start: &'m str,
) -> Option<Vec<&'m str>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in arrows.get(way.last().unwrap()).into_iter().flatten() {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

#[test]
fn the_rule_can_be_broken() {
    let circles = |files: &[(&str, &str)]| {
        Files::new(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
            .circles()
            .join("; ")
    };
    #[rustfmt::skip] // A table.
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("a.rs", "use crate::b::f;"), ("b.rs", "fn g() { crate::a::h() }")], "a -> b"),
        (&[("a.rs", "mod b; use b::f;"), ("a/b.rs", "use super::g;")], "a -> a::b"),
        (&[("a.rs", "mod b; mod c; pub use b::F;"), ("a/b.rs", "use super::c::G;"), ("a/c.rs", "use super::F;")], "a::b -> a::c"),
        (&[("a.rs", "mod b; pub use b::F;"), ("a/b.rs", "use super::g;")], ""),
        (&[("a.rs", "mod b; pub use b::F; fn f(f: F) {}"), ("a/b.rs", "use super::g;")], "a -> a::b"),
        (&[("a.rs", "use crate::b::F;"), ("b.rs", "use crate::c::F;"), ("c.rs", "use super::a;")], "a -> c"),
        (&[("a.rs", "mod b;"), ("a/b.rs", "mod c; use c::f;"), ("a/b/c.rs", "use super::super::g;")], ""),
        (&[("a.rs", "use crate::b::f;"), ("b.rs", "use a_other::g;")], ""),
    ];
    for (files, found) in cases {
        assert_eq!(circles(files), found, "{files:?}");
    }
}
