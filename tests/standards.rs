//! Checks docs/STANDARDS.md against the repository: its rows name tests that exist, and every id
//! that is used has a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How a file cites a row; the id follows.
const CITATION: &str = "docs/STANDARDS.md ";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository; binary files are read as far as they are text.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// Whether a word is an id: `D`, `O`, `S` or `N`, and a number.
fn is_id(word: &str) -> bool {
    word.strip_prefix(['D', 'O', 'S', 'N'])
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit()))
}

/// The holders of each row, by its id.
fn rows() -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in text(&root().join("docs/STANDARDS.md")).lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (Some(id), Some(held_by)) = (cells.first(), cells.get(3)) else { continue };
        if !is_id(id) {
            continue;
        }
        assert_eq!(cells.len(), 4, "{id} has {} cells", cells.len());
        let holders = held_by.split("; ").map(str::to_owned).collect();
        assert!(rows.insert((*id).to_owned(), holders).is_none(), "{id} has two rows");
    }
    assert!(rows.len() > 50, "only {} rows", rows.len());
    rows
}

/// Every file below a folder, without what a build or a fuzzer writes.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if !path.is_dir() {
            found.push(path);
        } else if !["target", "corpus", "artifacts"].iter().any(|written| path.ends_with(written)) {
            files(&path, found);
        }
    }
}

#[test]
fn every_test_that_holds_a_duty_exists() {
    for (id, holders) in rows() {
        for holder in holders.iter().filter(|holder| *holder != "not built") {
            let (file, function) = holder.split_once(": ").unwrap_or((holder, ""));
            let path = root().join(file);
            assert!(path.is_file(), "{id}: there is no file {file}");
            if function.is_empty() {
                assert!(file.ends_with(".scenario"), "{id}: {file} is no scenario; name a function of it");
            } else {
                assert!(text(&path).contains(&format!("fn {function}(")), "{id}: no {function} in {file}");
            }
        }
    }
}

#[test]
fn every_id_that_is_cited_has_a_row() {
    let rows = rows();
    let mut paths = Vec::new();
    for folder in ["src", "tests", "docs", "zones", "deploy"] {
        files(&root().join(folder), &mut paths);
    }
    let mut cited = BTreeSet::new();
    for path in paths {
        let text = text(&path);
        for (at, _) in text.match_indices(CITATION) {
            // One id, or several: "S4 and S8", "S6, S10".
            let words = text[at + CITATION.len()..].split_whitespace();
            let ids = words
                .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
                .take_while(|word| is_id(word) || *word == "and")
                .filter(|word| is_id(word));
            for id in ids {
                assert!(rows.contains_key(id), "{} cites {id}, which has no row", path.display());
                cited.insert(id.to_owned());
            }
        }
    }
    assert!(cited.len() > 5, "citations are found: {cited:?}");
}

#[test]
fn every_test_named_after_a_duty_stands_in_its_row() {
    let rows = rows();
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    files(&root().join("tests"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    for path in paths {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        for after in text(&path).split("#[test]").skip(1) {
            let name = after.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
            let Some((name, _)) = name else { continue };
            for id in name.split('_').map(str::to_uppercase).filter(|word| is_id(word)) {
                let row =
                    rows.get(&id).unwrap_or_else(|| panic!("{file}: {name} holds {id}, which has no row"));
                let holder = format!("{file}: {name}");
                assert!(row.contains(&holder), "the row of {id} does not name {holder}");
            }
        }
    }
}
