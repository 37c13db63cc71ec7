//! Checks the sources against the rules of ARCHITECTURE.md: order of modules, no circles of files,
//! homes of crates, names of types, length of files, words. Checks that the documents name every
//! rule and factor.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use backscatterd::score::{FACTORS, RULES};

use crate::sources::{FileUses, Source, files, sources, tokens};

const ARCHITECTURE: &str = include_str!("../ARCHITECTURE.md");
const JUDGING: &str = include_str!("../docs/JUDGING.md");
const SHIPPED: &str = include_str!("../zones/backscatter.toml");
const MANIFEST: &str = include_str!("../Cargo.toml");
/// The greatest number of lines of a file without its tests.
const FILE_LINES_MAX: usize = 800;
/// Names of the standard library that the pure part must not use.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::io",
    "std::thread",
    "std::env",
    "std::process",
    "std::net::Tcp",
    "std::net::Udp",
    "std::sync::Mutex",
    "std::time::SystemTime::now",
];

/// Words in the place of which a plain sentence names its subject.
const RIDDLES: [&str; 4] = ["whoever", "whom", "manieth", "he who"];

/// The cells of every row of the table with this heading.
fn table(text: &str, head: &str) -> Vec<Vec<String>> {
    let after = text.split(head).nth(1).unwrap_or_else(|| panic!("there is no table {head:?}"));
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The modules that are pure.
fn pure_modules() -> Vec<String> {
    let rows = table(ARCHITECTURE, "| module | part | what it is |").into_iter();
    rows.filter(|row| row[1] == "pure").map(|row| row[0].clone()).collect()
}

/// The modules that a file names after `crate::`, also in braces.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(inside) => inside.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name = name.trim_start();
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            found.push(name[..end].to_owned());
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn modules_use_only_those_above_them() {
    let rows = table(ARCHITECTURE, "| module | part | what it is |");
    let rank: BTreeMap<&str, usize> =
        rows.iter().enumerate().map(|(at, row)| (row[0].as_str(), at)).collect();
    for source in sources() {
        let module = source.module();
        if module == "lib" || module == "main" {
            continue;
        }
        let own = *rank.get(module).unwrap_or_else(|| panic!("{module} has no row in ARCHITECTURE.md"));
        for used in uses(&source.text) {
            let Some(&other) = rank.get(used.as_str()) else {
                panic!("{}: no module {used}", source.path.display())
            };
            assert!(
                other <= own,
                "{} is part of `{module}` and uses `{used}`, which stands below it in ARCHITECTURE.md: move the shared code to a module above both",
                source.path.display()
            );
        }
    }
    for row in &rows {
        assert!(sources().iter().any(|source| source.module() == row[0]), "there is no module {}", row[0]);
    }
}

#[test]
fn every_file_is_compiled() {
    let sources = sources();
    for source in sources.iter().filter(|source| !matches!(source.module(), "lib" | "main")) {
        let declared = sources.iter().any(|parent| source.is_declared_by(parent));
        assert!(declared, "src/{} is not compiled: no `mod` declares it", source.path.display());
    }
}

#[test]
fn no_files_of_a_module_use_each_other() {
    let circles = FileUses::read(&sources()).circles();
    assert!(
        circles.is_empty(),
        "files use each other in a circle; move what they share to a file that uses none of them:\n{}",
        circles.join("\n")
    );
}

#[test]
fn circles_are_found_behind_re_exports_and_told_in_words() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
    let circles = FileUses::read(&[
        source("a/mod.rs", "mod b; mod c; mod d; pub use b::{B, help}; use self::c::C; pub struct M(C);"),
        // A re-export alone is no use: this file may use what a/mod.rs defines.
        source("a/b.rs", "use super::{M, d}; pub struct B(M, d::D); /* use super::c::C; */"),
        source("a/c.rs", "pub struct C; const TEXT: &str = r#\"use super::M\"#; const SIGN: char = '\"';"),
        source("a/d.rs", "use crate::a::B; pub(in crate::a) struct D(Option<B>);"),
        source("e.rs", "use crate::a::M as Other; pub struct E(Other);"),
    ])
    .circles();
    assert_eq!(circles, ["src/a/d.rs uses src/a/b.rs (B), and src/a/b.rs uses src/a/d.rs (D)"]);
}

#[test]
fn every_name_of_a_type_stands_once() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for Source { path, text } in sources() {
        for name in type_names(&tokens(&text)) {
            places.entry(name.to_owned()).or_default().push(path.clone());
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "two types have one name; a name says by itself what its type is: {places:?}");
}

/// The names of the types that a file declares for other files, also by a macro of its own, as in
/// `section!(Type { ... })`.
fn type_names<'t>(tokens: &[&'t str]) -> Vec<&'t str> {
    let is_type = |name: &str| name.starts_with(char::is_uppercase);
    let own_macros: Vec<&str> =
        tokens.windows(3).filter(|of| of[0] == "macro_rules").map(|of| of[2]).collect();
    let made = tokens
        .windows(5)
        .filter(|of| own_macros.contains(&of[0]) && of[1] == "!" && is_type(of[3]) && of[4] == "{")
        .map(|of| of[3]);
    let declared = tokens.windows(3).filter(|of| {
        // The sign before the kind ends `pub`, `pub(crate)` or `pub(super)`.
        ["pub", ")"].contains(&of[0])
            && ["struct", "enum", "trait", "type", "union"].contains(&of[1])
            && is_type(of[2])
    });
    declared.map(|of| of[2]).chain(made).collect()
}

#[test]
fn words_are_plain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        .map(|name| root.join(name))
        .into();
    files(&root.join("src"), "rs", &mut paths);
    files(&root.join("docs"), "md", &mut paths);
    for path in paths {
        let text = fs::read_to_string(&path).unwrap().to_lowercase();
        let words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let text = format!(" {} ", words.join(" "));
        for riddle in RIDDLES {
            assert!(
                !text.contains(&format!(" {riddle} ")),
                "{} says {riddle:?}; name the subject in a plain sentence",
                path.display()
            );
        }
    }
}

#[test]
fn every_crate_stays_at_home() {
    let homes: BTreeMap<String, String> = table(ARCHITECTURE, "| crate | homes |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let dependencies: Vec<&str> = MANIFEST
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .collect();
    let named: Vec<&str> = homes.keys().map(String::as_str).collect();
    assert_eq!(dependencies, named, "Cargo.toml and the table of crates in ARCHITECTURE.md differ");
    let pure = pure_modules();
    for source in sources() {
        for (name, homes) in &homes {
            let ident = name.replace('-', "_");
            let used = source.text.match_indices(&format!("{ident}::")).any(|(at, _)| {
                // The match must not be the end of a longer name.
                !source.text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            let at_home = homes == "any" || homes.split(", ").any(|home| home == source.module());
            assert!(!used || at_home, "{} uses {name}, whose homes are {homes}", source.path.display());
        }
        if pure.iter().any(|pure| pure == source.module()) {
            for word in IMPURE {
                let excused = source.module() == "time" && word.contains("SystemTime");
                assert!(
                    excused || !source.text.contains(word),
                    "{} is pure and names {word}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn the_smtp_session_uses_pure_modules_only() {
    let (pure, mut files) = (pure_modules(), 0);
    for Source { path, text } in
        sources().into_iter().filter(|source| source.path.starts_with("smtp/session"))
    {
        files += 1;
        for used in uses(&text) {
            assert!(used == "smtp" || pure.contains(&used), "{} uses {used}", path.display());
        }
        for word in IMPURE {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
    assert!(files > 0, "the session is in src/smtp/session");
}

#[test]
fn files_stay_readable() {
    for Source { path, text } in sources() {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines; split it", path.display());
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{} does not begin with a module doc (//!)", path.display());
        for word in ["todo!(", "unimplemented!(", "FIXME", "#[allow("] {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

/// The names of the files in a folder of sources, without `mod`, in alphabetical order.
fn files_of(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "mod")
        .collect();
    files.sort();
    files
}

#[test]
fn every_rule_and_factor_has_a_file_and_a_row() {
    let mut rules: Vec<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    rules.sort();
    assert_eq!(files_of("src/score/rules"), rules, "the files in src/score/rules and RULES differ");
    let mut factors: Vec<String> = FACTORS.iter().map(|factor| factor.name.replace(' ', "_")).collect();
    factors.sort();
    assert_eq!(files_of("src/score/factors"), factors, "the files in src/score/factors and FACTORS differ");
}

/// docs/JUDGING.md names every rule and every factor by its term, and a rule also by its name in
/// JSON.
#[test]
fn docs_name_every_rule_and_factor_by_its_term() {
    let mut documented: Vec<[String; 2]> = table(JUDGING, "| rule | name | shipped | what it needs |")
        .iter()
        .map(|row| [row[0].clone(), row[1].trim_matches('`').to_owned()])
        .collect();
    let mut rows: Vec<[String; 2]> =
        RULES.iter().map(|rule| [rule.term, rule.name].map(str::to_owned)).collect();
    documented.sort();
    rows.sort();
    assert_eq!(documented, rows, "the table of rules in docs/JUDGING.md and RULES differ");
    let mut documented: Vec<String> = table(JUDGING, "| factor | full weight | less, or nothing |")
        .iter()
        .map(|row| row[0].clone())
        .collect();
    let mut rows: Vec<&str> = FACTORS.iter().map(|factor| factor.term).collect();
    documented.sort();
    rows.sort_unstable();
    assert_eq!(documented, rows, "the table of factors in docs/JUDGING.md and FACTORS differ");
}

/// docs/JUDGING.md tells for every rule the number that the shipped zone asks for.
#[test]
fn docs_tell_the_shipped_number_of_every_rule() {
    let zone: toml::Table = SHIPPED.parse().unwrap();
    let quorum = &zone["policy"]["quorum"];
    for row in table(JUDGING, "| rule | name | shipped | what it needs |") {
        let name = row[1].trim_matches('`');
        let thousandths = quorum.get(format!("{name}_thousandths")).and_then(toml::Value::as_integer);
        let shipped = match (quorum.get(name), thousandths) {
            (Some(toml::Value::String(span)), _) => span.replace('h', " hours"),
            (Some(number), _) => number.to_string(),
            (None, Some(thousandths)) => (thousandths / 1_000).to_string(),
            (None, None) => panic!("[policy.quorum] in zones/backscatter.toml lacks {name}"),
        };
        assert_eq!(row[2], shipped, "docs/JUDGING.md and zones/backscatter.toml differ in {name}");
    }
}
