//! Real mail that lies outside of the project: where it is there, every message of it.

use std::fs;
use std::path::{Path, PathBuf};

use backscatterd::classify::{Session, classify};
use backscatterd::mail::{
    FIELD_OCTETS_MAX, PARTS_MAX, ReversePath, TEXT_OCTETS_MAX, from_octets, read, to_octets,
};

/// `BACKSCATTERD_CORPORA`, or the folder that lies beside some checkouts.
fn corpora() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("BACKSCATTERD_CORPORA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no corpora of real mail; name a folder of *.eml in BACKSCATTERD_CORPORA");
    None
}

fn messages(folder: &Path, found: &mut Vec<PathBuf>) {
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            messages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            found.push(path);
        }
    }
}

#[test]
fn judging_the_full_message_and_the_reduced_one_is_the_same_for_all_of_them() {
    let Some(folder) = corpora() else { return };
    let mut paths = Vec::new();
    messages(&folder, &mut paths);
    assert!(paths.len() > 500, "{} messages are no corpus", paths.len());
    let sessions =
        [Session::default(), Session { reverse_path: Some(ReversePath::Null), ..Session::default() }];
    for path in &paths {
        let full = read(&fs::read(path).unwrap());
        let octets = to_octets(&full);
        let reduced = from_octets(&octets).unwrap();
        for session in &sessions {
            assert_eq!(classify(&full, session), classify(&reduced, session), "{}", path.display());
        }
        assert!(full.parts.len() <= PARTS_MAX);
        assert!(full.words().map(str::len).sum::<usize>() <= TEXT_OCTETS_MAX);
        assert!(full.header.fields().iter().all(|field| field.value.len() <= FIELD_OCTETS_MAX));
    }
    println!("{} messages judged alike, full and reduced", paths.len());
}

/// The standard form is to be read in all its spellings; other forms are still `unknown`.
#[test]
fn no_ordinary_mail_is_called_a_report_and_reports_of_the_standard_form_are() {
    let Some(folder) = corpora() else { return };
    let real = folder.join("real");
    let index = fs::read_to_string(real.join("index.jsonl")).unwrap();
    let session = Session { reverse_path: Some(ReversePath::Null), ..Session::default() };
    let (mut failed, mut right, mut wrong) = (0, 0, Vec::new());
    for line in index.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = row["file"].as_str().unwrap();
        let kind = classify(&read(&fs::read(real.join(file)).unwrap()), &session).kind.name();
        match row["label"].as_str().unwrap() {
            "dsn-failed" => {
                failed += 1;
                right += usize::from(kind == "dsn-failed" || kind == "nonstandard-ndr");
            }
            "dsn-delayed" | "dsn-success" | "nonstandard-bounce" => {}
            label if kind == "dsn-failed" || kind == "nonstandard-ndr" => {
                wrong.push((file.to_owned(), label.to_owned()))
            }
            _ => {}
        }
    }
    println!("{right} of {failed} reports of failure in the standard form");
    assert!(wrong.is_empty(), "called a report of failure: {wrong:?}");
    assert!(right * 100 >= failed * 90, "{right} of {failed}");
}
