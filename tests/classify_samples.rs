//! Classifies the samples in `tests/samples/<format>/` and compares the verdicts with the expected
//! ones beside them.
//!
//! The samples were written by real MTAs in a laboratory, or by hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use backscatterd::classify::{FORMATS, Kind, SessionFacts, VERSION, claims, classify};
use backscatterd::digest::Digest;
use backscatterd::mail::{ReversePath, from_octets, read, to_octets};
use serde_json::Value;

/// The classifier's version, and the digest of its verdicts on all samples.
const VERDICTS: (u32, &str) = (5, "6f7219875825947ef288d06e4d72597b");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// The format and the path of every sample.
fn samples() -> Vec<(String, PathBuf)> {
    let mut samples = Vec::new();
    for format in fs::read_dir(folder()).unwrap() {
        let format = format.unwrap().path();
        let name = format.file_name().unwrap().to_str().unwrap().to_owned();
        let eml = fs::read_dir(&format).unwrap().map(|file| file.unwrap().path());
        samples.extend(
            eml.filter(|path| path.extension().is_some_and(|e| e == "eml")).map(|path| (name.clone(), path)),
        );
    }
    samples.sort();
    samples
}

#[test]
fn every_format_has_samples_and_every_sample_a_format() {
    let rows: BTreeSet<String> = FORMATS.iter().map(|format| format.name.to_owned()).collect();
    let folders: BTreeSet<String> = samples().into_iter().map(|(format, _)| format).collect();
    assert_eq!(rows, folders, "the rows of FORMATS and the folders of tests/samples differ");
}

#[test]
fn one_format_of_a_layer_claims_a_sample_and_no_other() {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    for (format, path) in samples() {
        let claims = claims(&read(&fs::read(&path).unwrap()), &session);
        let layer = claims.first().unwrap_or_else(|| panic!("no format claims {}", path.display())).0;
        let of_layer: Vec<_> = claims.iter().filter(|(of, _)| *of == layer).map(|(_, name)| *name).collect();
        assert_eq!(of_layer, [format.as_str()], "{}", path.display());
    }
}

#[test]
fn every_sample_draws_the_verdict_beside_it() {
    let program = env!("CARGO_BIN_EXE_backscatterd");
    let output = Command::new(program)
        .args(["classify", "--json", "--reverse-path", "<>"])
        .args(samples().into_iter().map(|(_, path)| path))
        .output()
        .unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), samples().len());
    for (line, (format, path)) in lines.lines().zip(samples()) {
        let verdict: Value = serde_json::from_str(line).unwrap();
        let beside = path.with_extension("verdict");
        let expected = fs::read(&beside).unwrap_or_else(|error| panic!("{}: {error}", beside.display()));
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&verdict[field], value, "{field} of {}", path.display());
        }
        assert_eq!(verdict["format"], format.as_str());
        assert!(!verdict["reasons"].as_array().unwrap().is_empty());
    }
}

/// The journal stores the classifier's version with every verdict, so that stored mail can be judged
/// again when verdicts change.
#[test]
fn the_version_of_the_classifier_stands_for_its_verdicts() {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    let mut verdicts = String::new();
    for (_, path) in samples() {
        let verdict = classify(&read(&fs::read(&path).unwrap()), &session);
        let recipients = verdict.report.recipients.iter().map(|recipient| {
            let mailbox = recipient.mailbox.as_ref().map_or_else(String::new, ToString::to_string);
            format!(" {mailbox} {}", recipient.cause.name())
        });
        verdicts += &format!("{} {}{}\n", verdict.kind, verdict.format, recipients.collect::<String>());
    }
    let now = (VERSION, Digest::of(verdicts.as_bytes()).to_string());
    assert_eq!(
        (now.0, now.1.as_str()),
        VERDICTS,
        "the verdicts on the samples changed: unless samples alone were added, stored mail is judged differently too, \
         so raise VERSION in src/classify/mod.rs; then put the new version and digest into VERDICTS"
    );
}

#[test]
fn the_reduced_report_draws_the_same_verdict_and_keeps_no_body_of_the_original() {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    for (_, path) in samples() {
        let octets = fs::read(&path).unwrap();
        let full = read(&octets);
        let kept = to_octets(&full);
        assert_eq!(
            classify(&from_octets(&kept).unwrap(), &session),
            classify(&full, &session),
            "{}",
            path.display()
        );
        for body in ["pills.spam.example", "belongs to whoever wrote it", "find the invoice attached"] {
            let there = |octets: &[u8]| octets.windows(body.len()).any(|window| window == body.as_bytes());
            assert!(!there(&kept), "{body:?} of {}", path.display());
        }
    }
}

#[test]
fn who_wrote_a_report_is_told_from_who_carried_it() {
    let report = |received: &str| {
        format!(
            "{received}From: MAILER-DAEMON@inner.example\nContent-Type: message/delivery-status\n\n\
             Reporting-MTA: dns; inner.example\n\nFinal-Recipient: rfc822; a@inner.example\nAction: failed\n\
             Remote-MTA: dns; mx.other.example\n"
        )
    };
    let session = SessionFacts { client: Some([198, 18, 0, 25].into()), ..SessionFacts::default() };
    let handed_on = "Received: from inner.example (inner.example [192.0.2.7]) by out.example (Postfix); today\n\
                     Received: by inner.example (Postfix) id 1; today\n";
    let own = "Received: by out.example (Postfix) id 2; today\n";
    let filtered = "Received: from localhost (localhost [127.0.0.1]) by out.example (Postfix) id 3; today\n";
    let from_client = "Received: from out.example (out.example [198.18.0.25]) by trap.example; today\n";
    for (received, generator, carried) in [
        (handed_on, Some("inner.example"), true),
        (own, Some("out.example"), false),
        (filtered, Some("out.example"), false),
        (from_client, Some("trap.example"), false),
        ("", None, false),
    ] {
        let verdict = classify(&read(report(received).as_bytes()), &session);
        assert_eq!(verdict.kind, Kind::DsnFailed);
        assert_eq!(
            (verdict.report.generator.as_deref(), verdict.report.carried),
            (generator, carried),
            "{received}"
        );
        assert!(verdict.report.recipients[0].remote, "the host in Remote-MTA refused the message");
    }
}

/// Hand-written mail of people, mailing lists, shops, robots and spam senders that mentions
/// bounces, holidays or viruses.
#[test]
fn mail_that_only_speaks_of_failures_counts_for_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/others");
    let mut judged = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let kind = classify(&read(&fs::read(&path).unwrap()), &SessionFacts::default()).kind;
        let harmless = [
            Kind::Ordinary,
            Kind::Unknown,
            Kind::ListResponse,
            Kind::DsnDelayed,
            Kind::DsnSuccess,
            Kind::FakeNdr,
        ];
        assert!(harmless.contains(&kind), "{} was classified as {kind}", path.display());
        judged += 1;
    }
    assert!(judged > 40, "{judged}");
}

/// Samples with octets changed, removed, inserted and copied are classified without a panic and
/// within the limits, and the reduced message gets the same verdict as the full one. The seed is
/// fixed, so that a failure can be repeated.
#[test]
fn mutated_samples_are_judged_in_peace() {
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        // xorshift64 (Marsaglia 2003).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below.max(1) as u64).unwrap()
    };
    let pieces: [&[u8]; 10] = [
        b"\n\n",
        b"\r\n.\r\n",
        b"--",
        b"\0",
        b"\xff\xfe",
        b"=?utf-8?q?=",
        b"@",
        b"<>",
        b"Content-Type: message/rfc822\n\n",
        b"550 5.",
    ];
    for (_, path) in samples() {
        let original = fs::read(&path).unwrap();
        for _ in 0..60 {
            let mut octets = original.clone();
            for _ in 0..=random(6) {
                let (at, length) = (random(octets.len()), random(200));
                let end = (at + length).min(octets.len());
                match random(4) {
                    0 => drop(octets.drain(at..end)),
                    1 => octets[at..end].fill(u8::try_from(random(256)).unwrap()),
                    2 => drop(octets.splice(at..at, pieces[random(pieces.len())].iter().copied())),
                    _ => {
                        let copy = octets[at..end].to_vec();
                        let to = random(octets.len());
                        octets.splice(to..to, copy);
                    }
                }
                if octets.is_empty() {
                    break;
                }
            }
            let full = read(&octets);
            let reduced = from_octets(&to_octets(&full)).unwrap();
            assert_eq!(classify(&full, &session), classify(&reduced, &session), "{}", path.display());
            assert!(full.parts.len() <= backscatterd::mail::PARTS_MAX);
        }
    }
}

/// Messages with extreme nesting or very many parts are read within the limit on parts
/// (docs/STANDARDS.md S14).
#[test]
fn s14_hostile_nesting_is_cut() {
    let nested = "Content-Type: message/rfc822\n\n".repeat(50_000);
    let parts = "--b\nContent-Type: multipart/mixed; boundary=zz\n\nx\n".repeat(40_000);
    let quadratic = format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}");
    let digest =
        format!("Content-Type: multipart/digest; boundary=b\n\n{}", "--b\n\nSubject: x\n\n".repeat(50_000));
    let spaced = " Content -Type: message/rfc822\n\n".repeat(50_000);
    let behind_colon = ":\tcontent-type: multipart/mixed; boundary=zz\n\n".repeat(50_000);
    let encoded = |encoding: &str, inside: &str| {
        format!("Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n{inside}")
    };
    let in_quoted = encoded("quoted-printable", &nested.replace('=', "=3D"));
    // "Content-Type: message/rfc822\n\n" three times, so that the base64 text has no padding.
    let thrice = "Q29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMgoKQ29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMgoK\
                  Q29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMgoK";
    let in_base64 = encoded("base64", &format!("{thrice}\n").repeat(17_000));
    for octets in [nested, quadratic, digest, spaced, behind_colon, in_quoted, in_base64] {
        let message = read(octets.as_bytes());
        assert!(message.parts.len() <= backscatterd::mail::PARTS_MAX);
        assert_eq!(classify(&message, &SessionFacts::default()).kind.name(), "unknown");
    }
}

/// Long headers, many fields, a huge body, broken base64 and NUL octets are read within the limits
/// (docs/STANDARDS.md S14).
#[test]
fn s14_hostile_mime_is_read_within_bounds() {
    use backscatterd::mail::{FIELD_OCTETS_MAX, HEADER_FIELDS_MAX, TEXT_OCTETS_MAX};
    let long_header = format!("Subject: {}\nX: {}\n\nx\n", "a".repeat(200_000), "b\n ".repeat(100_000));
    let many_fields = "X-Field: y\n".repeat(100_000) + "\nx\n";
    let huge = format!("From: a@b.example\n\n{}", "undeliverable mail to you\n".repeat(2_100_000));
    assert!(huge.len() > 50 << 20);
    let bad_base64 =
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!not base64!!!\n=====\n".to_owned();
    let odd =
        "From: \0\u{ff}\u{fe}@b.example\nSubject: \u{e9}\0\nContent-Type: \0/\0; boundary=\0\n\n\0\n--\0\n"
            .to_owned();
    for text in [long_header, many_fields, huge, bad_base64, odd] {
        let message = read(text.as_bytes());
        assert!(message.header.fields().len() <= HEADER_FIELDS_MAX);
        assert!(message.header.fields().iter().all(|field| field.value.len() <= FIELD_OCTETS_MAX));
        assert!(message.words().map(str::len).sum::<usize>() <= TEXT_OCTETS_MAX);
        let reduced = from_octets(&to_octets(&message)).unwrap();
        assert_eq!(
            classify(&message, &SessionFacts::default()),
            classify(&reduced, &SessionFacts::default())
        );
    }
    // Octets in a header that are not UTF-8.
    let message = read(b"From: \xff\xfe <a@b.example>\nSubject: \x80\n\nx\n");
    assert_eq!(message.header.field("Subject"), Some("\u{fffd}"));
}
