//! Classifies corpora of real mail, which are not part of the repository. Without them the tests
//! are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use backscatterd::classify::{Kind, SessionFacts, Verdict, classify};
use backscatterd::mail::{
    FIELD_OCTETS_MAX, PARTS_MAX, ReversePath, TEXT_OCTETS_MAX, from_octets, read, to_octets,
};

/// The folder that `BACKSCATTERD_CORPORA` names, or a folder beside the checkout.
fn corpora() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("BACKSCATTERD_CORPORA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no corpora of real mail; set BACKSCATTERD_CORPORA to a folder of *.eml files");
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
    assert!(paths.len() > 500, "only {} messages", paths.len());
    let sessions = [
        SessionFacts::default(),
        SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() },
    ];
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
    println!("{} messages have the same verdict, full and reduced", paths.len());
}

/// Kinds that are right for a message with a bounce label.
const BOUNCES: [Kind; 6] = [
    Kind::DsnFailed,
    Kind::DsnDelayed,
    Kind::DsnSuccess,
    Kind::NonstandardNdr,
    Kind::MdnReject,
    Kind::ContentNotice,
];
/// Kinds that may count against a relay.
const SCORING: [Kind; 4] = [Kind::DsnFailed, Kind::NonstandardNdr, Kind::MdnReject, Kind::ContentNotice];

/// Messages that the index labels as bounces and that are none: two answers of a list robot, an
/// ordinary message, and a note of Postfix to its postmaster.
const NOT_BOUNCES: [&str; 4] =
    ["sisimai/0f75b99c.eml", "sisimai/6f73ea81.eml", "mail-auth/104376e7.eml", "sisimai/95c79aae.eml"];

struct Share {
    what: &'static str,
    right: usize,
    of: usize,
}

impl Share {
    fn new(what: &'static str) -> Self {
        Share { what, right: 0, of: 0 }
    }

    fn add(&mut self, right: bool) {
        self.right += usize::from(right);
        self.of += 1;
    }

    fn at_least(&self, thousandths: usize) {
        println!("{}: {} of {}", self.what, self.right, self.of);
        assert!(self.right * 1_000 >= self.of * thousandths, "{}: {} of {}", self.what, self.right, self.of);
    }
}

fn texts(value: &serde_json::Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_lowercase())).collect()
}

/// Whether the verdict has this original sender: as the envelope's sender or in the original's From
/// field. The index contains one or the other.
fn is_sender(verdict: &Verdict, want: &str) -> bool {
    let report = &verdict.report;
    [&report.original_sender, &report.original_from]
        .into_iter()
        .flatten()
        .any(|mailbox| mailbox.to_string().to_lowercase() == want.to_lowercase())
}

#[test]
fn every_label_of_the_corpora_is_judged_as_well_as_promised() {
    let Some(folder) = corpora() else { return };
    let real = folder.join("real");
    let index = fs::read_to_string(real.join("index.jsonl")).unwrap();
    let mut confusion: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let (mut bounces, mut nonstandard) = (Share::new("bounces"), Share::new("nonstandard bounces"));
    let (mut recipients, mut senders) = (Share::new("recipients"), Share::new("original senders"));
    let mut mute = 0;
    let (mut others, mut wrong) = (Share::new("automatic replies, challenges and notices"), Vec::new());
    for line in index.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (file, label) = (row["file"].as_str().unwrap(), row["label"].as_str().unwrap());
        let null = row["null_sender"] == true;
        let session =
            SessionFacts { reverse_path: null.then_some(ReversePath::Null), ..SessionFacts::default() };
        let label = if NOT_BOUNCES.contains(&file) { "other" } else { label };
        let verdict = classify(&read(&fs::read(real.join(file)).unwrap()), &session);
        *confusion.entry((label.to_owned(), verdict.kind.name())).or_default() += 1;
        match label {
            "dsn-failed" | "dsn-delayed" | "dsn-success" | "nonstandard-bounce" => {
                // A report by its type whose status part is missing is recognised, but says nothing.
                let is_mute = verdict.kind == Kind::Unknown && verdict.format == "rfc3464";
                let called = BOUNCES.contains(&verdict.kind) || is_mute;
                mute += usize::from(is_mute);
                if label == "dsn-delayed" || label == "dsn-success" {
                    assert!(
                        !SCORING.contains(&verdict.kind),
                        "{file} is a {label} and has a kind that scores"
                    );
                }
                bounces.add(called);
                if label == "nonstandard-bounce" {
                    nonstandard.add(called);
                }
                let known = [&row["expected_rcpts"], &row["final_recipients"]].map(texts);
                if let Some(want) = known.into_iter().find(|known| !known.is_empty()) {
                    let named =
                        verdict.report.recipients.iter().filter_map(|recipient| recipient.mailbox.as_ref());
                    // Mailboxes are compared as they are written, without regard to equivalent
                    // spellings.
                    let written = named.map(|mailbox| mailbox.to_string().to_lowercase());
                    recipients.add(written.collect::<BTreeSet<_>>() == want);
                }
                if let Some(want) = row["original_sender"].as_str() {
                    senders.add(is_sender(&verdict, want));
                }
            }
            "auto-reply" => others.add(verdict.kind == Kind::AutoReply),
            "challenge-response" => others.add(verdict.kind == Kind::Challenge),
            "av-notice" => others.add(verdict.kind == Kind::ContentNotice),
            _ if SCORING.contains(&verdict.kind) => wrong.push((file.to_owned(), label.to_owned())),
            _ => {}
        }
    }
    for ((label, kind), count) in &confusion {
        println!("{label:<20} {kind:<18} {count}");
    }
    bounces.at_least(990);
    println!("delivery reports without a status part: {mute}");
    assert!(mute * 80 <= bounces.of, "{mute} reports are taken for reports without a status part");
    nonstandard.at_least(980);
    recipients.at_least(990);
    senders.at_least(970);
    others.at_least(900);
    assert!(wrong.is_empty(), "other mail was given a kind that scores: {wrong:?}");
}

#[test]
fn mail_of_real_servers_in_a_laboratory_is_called_what_it_is() {
    let Some(folder) = corpora() else { return };
    let lab = folder.join("lab");
    let table = fs::read_to_string(lab.join("summary.tsv")).unwrap();
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = |name| head.iter().position(|cell| *cell == name).unwrap();
    let (instance, file, from, action) =
        (column("instance"), column("file"), column("mailfrom"), column("Action"));
    let mut judged = 0;
    for row in rows {
        let path = lab.join(row[instance]).join(row[file]);
        let session =
            SessionFacts { reverse_path: Some(ReversePath::parse(row[from])), ..SessionFacts::default() };
        let verdict = classify(&read(&fs::read(&path).unwrap()), &session);
        let want = match (row[instance], row[action]) {
            ("amavis", _) => Kind::ContentNotice,
            (_, "failed") => Kind::DsnFailed,
            (_, "delayed") => Kind::DsnDelayed,
            (_, "delivered") => Kind::DsnSuccess,
            ("qmail-bad", _) => Kind::NonstandardNdr,
            _ if row[from].contains("list+bounces") => Kind::ListResponse,
            _ => Kind::AutoReply,
        };
        assert_eq!(verdict.kind, want, "{}: {:?}", path.display(), verdict.reasons);
        if SCORING.contains(&want) {
            let report = &verdict.report;
            assert!(report.original_sender.is_some(), "{}", path.display());
            assert!(report.recipients.iter().all(|r| r.mailbox.is_some()) && !report.recipients.is_empty());
        }
        judged += 1;
    }
    assert!(judged > 100, "{judged}");
}
