//! Reports in every language that the classifier reads.
//!
//! `tests/languages/sentences.tsv` has sentences as mail systems write them: the language, what the
//! sentence says, and the sentence. `finalities.tsv` has sentences that say a failure and deny what
//! a delay or a delivery would say. Each sentence stands in reports of two forms.

use std::collections::BTreeMap;

use backscatterd::classify::{Author, Cause, Kind, LANGUAGES, SessionFacts, Verdict, classify};
use backscatterd::mail::{ReversePath, read};

/// What a sentence can say, and the cause that a report with it has.
const CAUSES: [(&str, Cause); 6] = [
    ("address", Cause::Address),
    ("mailbox", Cause::Mailbox),
    ("expired", Cause::Expired),
    ("policy", Cause::Policy),
    ("system", Cause::System),
    ("relay", Cause::Unknown),
];

struct Sentence {
    tag: String,
    says: String,
    text: String,
}

fn sentences(file: &str) -> Vec<Sentence> {
    let path = format!("{}/tests/languages/{file}", env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(path).unwrap();
    let rows = table.lines().skip(1).map(|line| {
        let (tag, rest) = line.split_once('\t').unwrap_or_else(|| panic!("{file}: {line:?} has no tab"));
        let (says, text) = rest.split_once('\t').unwrap_or(("final", rest));
        Sentence { tag: tag.to_owned(), says: says.to_owned(), text: text.to_owned() }
    });
    rows.collect()
}

fn judged(message: &str) -> Verdict {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    classify(&read(message.as_bytes()), &session)
}

/// The original that every report returns.
const ORIGINAL: &str = "Return-Path: <bait@trap.example>\nReceived: from spam (unknown [192.0.2.44]) by mx.relay.example \
                        (Postfix) id 7; today\nFrom: bait@trap.example\nTo: anne@relay.example\nSubject: offer\n\nx\n";

/// A report whose fields say that delivery failed and give the sentence as the only reason.
fn by_fields(sentence: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.relay.example\nTo: bait@trap.example\nSubject: report\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=B\n\n--B\n\nSee below.\n--B\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.relay.example\n\n\
         Final-Recipient: rfc822; anne@relay.example\nAction: failed\nStatus: 5.0.0\n\
         Diagnostic-Code: smtp; 550 {sentence}\n\n--B\nContent-Type: message/rfc822\n\n{ORIGINAL}--B--\n"
    )
}

/// A report in plain text.
fn in_words(opening: &str, sentence: &str) -> String {
    format!(
        "From: Mail Delivery System <MAILER-DAEMON@mx.relay.example>\nTo: bait@trap.example\nSubject: report\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\
         Content-Type: text/plain; charset=utf-8\n\n{opening}\n\n<anne@relay.example>:\n{sentence}\n\n--B\n\
         Content-Type: text/rfc822-headers\n\n{ORIGINAL}--B--\n"
    )
}

/// The sentence of each language that says a failure and nothing about its reason.
fn openings(all: &[Sentence]) -> BTreeMap<&str, &str> {
    let failed = all.iter().filter(|sentence| sentence.says == "failed");
    failed.map(|sentence| (sentence.tag.as_str(), sentence.text.as_str())).collect()
}

#[test]
fn every_language_has_sentences_of_every_meaning() {
    let all = sentences("sentences.tsv");
    for language in LANGUAGES {
        for says in
            ["address", "mailbox", "expired", "policy", "system", "relay", "delayed", "delivered", "failed"]
        {
            let needs = if says == "failed" { 1 } else { 2 };
            let of = |sentence: &&Sentence| sentence.tag == language.tag && sentence.says == says;
            assert!(all.iter().filter(of).count() >= needs, "{} {says}", language.tag);
        }
    }
}

#[test]
fn a_cause_is_read_in_every_language() {
    let all = sentences("sentences.tsv");
    let openings = openings(&all);
    let mut wrong = Vec::new();
    for Sentence { tag, says, text } in &all {
        let Some((_, expected)) = CAUSES.iter().find(|(meaning, _)| meaning == says) else { continue };
        for (form, message) in
            [("fields", by_fields(text)), ("words", in_words(openings[tag.as_str()], text))]
        {
            let verdict = judged(&message);
            assert_eq!(verdict.report.author, Author::MailSystem);
            let is_failure = matches!(verdict.kind, Kind::DsnFailed | Kind::NonstandardNdr);
            let cause = verdict.report.recipients.first().map(|recipient| recipient.cause);
            if !is_failure || cause != Some(*expected) {
                wrong.push(format!("{tag} {says} in {form}: {} {cause:?}: {text}", verdict.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_delay_or_a_delivery_in_words_is_never_a_failure() {
    let all = sentences("sentences.tsv");
    let mut wrong = Vec::new();
    for Sentence { tag, says, text } in &all {
        let expected = match says.as_str() {
            "delayed" => Kind::DsnDelayed,
            "delivered" => Kind::DsnSuccess,
            _ => continue,
        };
        let kind = judged(&in_words(text, "")).kind;
        if kind != expected {
            wrong.push(format!("{tag} {says}: {kind}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_failure_without_a_reason_has_an_unknown_cause_in_every_language() {
    let all = sentences("sentences.tsv");
    for (tag, opening) in openings(&all) {
        let verdict = judged(&in_words(opening, ""));
        assert_eq!(verdict.kind, Kind::NonstandardNdr, "{tag}: {opening}");
        assert_eq!(verdict.report.recipients[0].cause, Cause::Unknown, "{tag}: {opening}");
    }
}

#[test]
fn a_denied_delay_is_a_failure() {
    for Sentence { tag, text, .. } in sentences("finalities.tsv") {
        let verdict = judged(&in_words(&text, ""));
        assert_eq!(verdict.kind, Kind::NonstandardNdr, "{tag}: {text}");
        let cause = verdict.report.recipients[0].cause;
        assert_ne!(cause, Cause::Address, "{tag}: {text}");
    }
}
