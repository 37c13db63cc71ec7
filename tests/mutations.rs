//! Takes one sign after the other from every sample, and damages it: a header field, a line, a part.
//!
//! Whatever remains, a message whose kind counts for nothing must not begin to count, and the failure
//! of no recipient may get the cause `address`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use backscatterd::classify::{Author, Cause, Kind, SessionFacts, Verdict, classify};
use backscatterd::mail::{ReversePath, read};

fn folders() -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let samples = std::fs::read_dir(tests.join("samples")).unwrap().map(|entry| entry.unwrap().path());
    samples.chain([tests.join("others")]).collect()
}

/// Every sample, and every message in `tests/others`.
fn messages() -> Vec<(String, String)> {
    let files = folders().into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    let messages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    messages
        .map(|path| {
            let octets = std::fs::read(&path).unwrap();
            (path.display().to_string(), String::from_utf8_lossy(&octets).into_owned())
        })
        .collect()
}

fn judged(message: &str) -> Verdict {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    classify(&read(message.as_bytes()), &session)
}

/// Whether a message with this verdict can count against a relay, under any code.
fn counts(verdict: &Verdict) -> bool {
    let causes = verdict.report.recipients.iter().map(|recipient| recipient.cause);
    let is_failure = matches!(verdict.kind, Kind::DsnFailed | Kind::NonstandardNdr);
    verdict.kind.may_score()
        && verdict.report.author == Author::MailSystem
        && (!is_failure || causes.into_iter().any(Cause::may_score))
        && !(verdict.kind == Kind::AutoReply && verdict.report.follows_rfc3834)
}

/// The recipients that do not exist, according to the report.
fn unknown_recipients(verdict: &Verdict) -> BTreeSet<String> {
    let failed = verdict.report.recipients.iter().filter(|recipient| recipient.cause == Cause::Address);
    failed.filter_map(|recipient| Some(recipient.mailbox.as_ref()?.folded())).collect()
}

/// The message with one line after the other removed, emptied of its letters, or cut in half.
fn damaged(message: &str) -> impl Iterator<Item = (usize, String)> {
    let lines: Vec<&str> = message.split_inclusive('\n').collect();
    let count = lines.len();
    (0..count).flat_map(move |at| {
        let line = lines[at];
        let half = line.floor_char_boundary(line.len() / 2);
        let replaced = [
            String::new(),
            "\n".to_owned(),
            line.replace(|c: char| c.is_alphanumeric(), "x"),
            line[..half].to_owned() + "\n",
        ];
        let around = (lines[..at].concat(), lines[at + 1..].concat());
        replaced.into_iter().map(move |line| (at + 1, [&around.0, line.as_str(), &around.1].concat()))
    })
}

#[test]
fn a_message_that_lost_a_sign_counts_no_more_than_before() {
    let mut wrong = Vec::new();
    let mut judged_messages = 0;
    for (name, message) in messages() {
        let whole = judged(&message);
        // An imitation that lost its suspicious attachment is a report like any other.
        if whole.kind == Kind::FakeNdr {
            continue;
        }
        let unknown = unknown_recipients(&whole);
        for (line, message) in damaged(&message) {
            let verdict = judged(&message);
            judged_messages += 1;
            if counts(&verdict) && !whole.kind.may_score() {
                wrong.push(format!("{name}:{line}: {} became {}, which counts", whole.kind, verdict.kind));
            }
            let is_known = |recipient: &&String| {
                whole.report.recipients.iter().any(|known| {
                    known.mailbox.as_ref().is_some_and(|mailbox| &mailbox.folded() == *recipient)
                })
            };
            let now = unknown_recipients(&verdict);
            if let Some(recipient) = now.difference(&unknown).find(is_known) {
                wrong.push(format!("{name}:{line}: the cause of {recipient} became address"));
            }
        }
    }
    assert!(judged_messages > 5_000, "{judged_messages}");
    assert!(wrong.is_empty(), "{} of {judged_messages} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
