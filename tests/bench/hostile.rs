//! Measures what hostile messages cost beside a plain one of the same size.
//!
//! `cargo bench --profile dist --bench hostile` makes messages of 4 MiB, takes their digest, reads and
//! classifies them as the intake does, and prints the CPU time of each as a multiple of the plain
//! one's. The families are the shapes that cost readers of MIME the most.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints results, reads the clock, and panics where it cannot continue"
)]

use std::time::{Duration, Instant};

use backscatterd::classify::{SessionFacts, classify};
use backscatterd::digest::Digest;
use backscatterd::mail::{MESSAGE_OCTETS_MAX, ReversePath, read};

/// Number of times that each message is judged. The quickest counts.
const RUNS: usize = 9;

/// The head of a message with a multipart body.
const MULTIPART: &str = "From: MAILER-DAEMON@relay.example\nContent-Type: multipart/mixed; boundary=b\n\n";

/// A message of the size limit: a head, and a piece that is repeated.
fn filled(head: &str, piece: &str) -> Vec<u8> {
    let mut message = head.as_bytes().to_vec();
    let times = (MESSAGE_OCTETS_MAX - message.len()) / piece.len();
    message.extend(piece.as_bytes().repeat(times));
    message
}

fn families() -> Vec<(&'static str, Vec<u8>)> {
    let from = "From: MAILER-DAEMON@relay.example\n";
    let typed = |kind: &str| format!("{from}Content-Type: {kind}\n\n");
    let encoded = |encoding: &str| format!("{from}Content-Transfer-Encoding: {encoding}\n\n");
    let diagnostic = typed("message/delivery-status")
        + "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 ";
    let parameters: String = (0..400).map(|nth| format!(" a*{nth}=x;")).collect();
    let nested: String =
        (0..9).map(|nth| format!("Content-Type: multipart/mixed; boundary=b{nth}\n\n--b{nth}\n")).collect();
    vec![
        ("plain text", filled(&format!("{from}\n"), "undeliverable mail to you and to nobody else\n")),
        ("header fields", filled(from, "X-Field: a value\n")),
        ("a folded header field", filled(&format!("{from}Subject: x\n"), " folded once more\n")),
        ("lines that are no fields", filled(from, "this is no field\n")),
        (
            "one parameter in many sections",
            filled(&format!("{from}Content-Type: text/plain;"), " a*0=x; a*1=y;"),
        ),
        (
            "sections in every part",
            filled(MULTIPART, &format!("--b\nContent-Type: text/plain;{parameters}\n\nx\n")),
        ),
        ("many parts", filled(MULTIPART, "--b\n\nx\n")),
        ("lines like boundaries", filled(MULTIPART, "--bbbbbbbbbbbbbbbbbbbbbbbbb\n")),
        ("lines of hyphens", filled(MULTIPART, "-\n")),
        ("open multiparts, then hyphens", filled(&format!("{from}{nested}"), "--\n")),
        ("messages in messages", filled(from, "Content-Type: message/rfc822\n\n")),
        ("lines of one letter", filled(&format!("{from}\n"), "x\n")),
        ("empty lines", filled(&format!("{from}\n"), "\n")),
        ("empty lines before the header", filled("", "\n")),
        ("base64 that is none", filled(&encoded("base64"), "!!!!")),
        ("quoted-printable of signs", filled(&encoded("quoted-printable"), "=")),
        ("HTML of brackets", filled(&typed("text/html"), "<")),
        ("HTML of entities", filled(&typed("text/html"), "&#1;")),
        ("UTF-7", filled(&typed("text/plain; charset=utf-7"), "+AGE-")),
        (
            "status groups",
            filled(&typed("message/delivery-status"), "Final-Recipient: rfc822; a@b.example\n\n"),
        ),
        ("addresses", filled(&format!("{from}\n"), "<a@b.example>: 550 5.1.1 user unknown\n")),
        ("at signs", filled(&format!("{from}\n"), "@ ")),
        ("at signs without spaces", filled(&format!("{from}\n"), "@")),
        ("local parts without spaces", filled(&format!("{from}\n"), "a@")),
        ("at signs in a diagnostic", filled(&diagnostic, "@")),
        ("quoted local parts", filled(&format!("{from}\n"), "\"user unknown\"@")),
        ("header-like lines", filled(&format!("{from}\n"), "From: a\nTo: b\n\n")),
        ("Received fields", filled(from, "Received: from a by b (c [192.0.2.1]) by d by e; f\n")),
        ("letters that fold", filled(&format!("{from}\n"), "İŞÄÖ ")),
    ]
}

/// The shortest CPU time in which a message was judged. One thread runs, and it never waits.
fn cost(message: &[u8], session: &SessionFacts) -> Duration {
    let once = || {
        let began = Instant::now();
        let digest = Digest::of(message);
        let verdict = classify(&read(message), session);
        std::hint::black_box((digest, verdict));
        began.elapsed()
    };
    (0..RUNS).map(|_| once()).min().unwrap()
}

fn main() {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    let families = families();
    let plain = cost(&families[0].1, &session);
    for (name, message) in &families {
        let cost = cost(message, &session);
        let times = cost.as_secs_f64() / plain.as_secs_f64();
        println!("{name:<32} {:>8.2} ms  {times:>5.2} times plain", cost.as_secs_f64() * 1e3);
    }
}
