//! Tests that read the samples of all forms, with names that a hostile client chose.

use std::net::IpAddr;

use super::{RECEIVED_FORMS, ReceivedHop, read};

/// The client's address.
const PEER: &str = "198.51.100.66";
/// The address that a hostile client wants to be read.
const VICTIM: &str = "203.0.113.9";

/// HELO names and reverse names that hostile clients choose. No real reverse name has spaces,
/// parentheses or brackets.
const HOSTILE: [&str; 40] = [
    "203.0.113.9",
    "203.0.113.9.",
    "[203.0.113.9]",
    "[203.0.113.9",
    "203.0.113.9]",
    "(203.0.113.9)",
    "([203.0.113.9])",
    "([203.0.113.9]",
    "(x [203.0.113.9]",
    "[203.0.113.9])",
    "x [203.0.113.9]",
    "x ([203.0.113.9])",
    "x ([203.0.113.9]) (",
    "x) ([203.0.113.9]) (y",
    "x) ([203.0.113.9]) by y (",
    "x ([203.0.113.9]) by y",
    "x ([203.0.113.9]) by y (Postfix) with ESMTP id 7; date",
    "x ([203.0.113.9]) by y (",
    "[203.0.113.9] by y",
    "[203.0.113.9] by y with SMTP",
    "[203.0.113.9] (helo=x)",
    "x (203.0.113.9) by y with SMTP; date",
    "x (203.0.113.9) by y with Microsoft SMTP Server (",
    "unknown (HELO x) (203.0.113.9)",
    "x (HELO y) ([203.0.113.9])",
    "by",
    "by 203.0.113.9",
    "from",
    "from [203.0.113.9]",
    "for",
    "helo",
    "helo=203.0.113.9",
    "helo=[203.0.113.9]",
    "ident=[203.0.113.9] helo=x",
    "203.0.113.9 [203.0.113.9]",
    "user@203.0.113.9",
    "x)",
    "(x",
    "[",
    "ü\u{a0}[203.0.113.9]\u{a0}ü",
];

/// Reverse names that the DNS can hold.
const REVERSE: [&str; 8] =
    ["203.0.113.9", "203.0.113.9.", "203-0-113-9.dyn.example", "by", "from", "for", "with", "unknown"];

fn samples() -> impl Iterator<Item = &'static str> {
    RECEIVED_FORMS.iter().flat_map(|form| form.samples.iter().copied())
}

fn filled(sample: &str, helo: &str, name: &str) -> ReceivedHop {
    read(&line(sample, helo, name))
}

fn line(sample: &str, helo: &str, name: &str) -> String {
    sample.replace("{peer}", PEER).replace("{helo}", helo).replace("{name}", name)
}

/// The client's address, if the sample has it.
fn peer_of(sample: &str) -> Option<IpAddr> {
    sample.contains("{peer}").then(|| PEER.parse().unwrap())
}

#[test]
fn every_form_gives_the_address_of_its_client() {
    for sample in samples() {
        for (helo, name) in
            [("client.example", "host.client.example"), ("client", "client"), ("10.1.2.3", "unknown")]
        {
            assert_eq!(filled(sample, helo, name).from_address, peer_of(sample), "{sample}");
        }
    }
}

#[test]
fn a_reverse_name_is_a_name_whatever_it_looks_like() {
    for sample in samples() {
        for name in REVERSE {
            assert_eq!(
                filled(sample, "client.example", name).from_address,
                peer_of(sample),
                "{}",
                line(sample, "client.example", name)
            );
        }
    }
}

#[test]
fn a_helo_name_without_parentheses_and_spaces_hides_no_address_in_a_comment() {
    for sample in samples().filter(|sample| sample.contains("{name} [{peer}]")) {
        for helo in HOSTILE.into_iter().filter(|helo| !helo.contains([' ', '(', ')'])) {
            let line = line(sample, helo, "host.client.example");
            assert_eq!(read(&line).from_address, peer_of(sample), "{line}");
        }
    }
}

#[test]
fn no_helo_name_and_no_reverse_name_makes_a_form_give_another_address() {
    let long = "203.0.113.9 ".repeat(300);
    let long_by = "x ([203.0.113.9]) by y ".repeat(200);
    let hostile = || HOSTILE.into_iter().chain([long.as_str(), long_by.as_str()]);
    for sample in samples() {
        let names = ["host.client.example", VICTIM, "[203.0.113.9])", "x ([203.0.113.9])", "helo", "x)"];
        for (helo, name) in hostile().flat_map(|helo| names.map(|name| (helo, name))).chain(
            hostile().flat_map(|name| ["client.example", "[203.0.113.9]", "(x"].map(|helo| (helo, name))),
        ) {
            let address = filled(sample, helo, name).from_address;
            assert!(
                address.is_none() || address == peer_of(sample),
                "{address:?} in {}",
                line(sample, helo, name)
            );
            assert_ne!(address, VICTIM.parse().ok());
        }
    }
}

#[test]
fn a_recipient_or_a_sender_cannot_make_a_field_look_like_another_form() {
    let texts = [
        "(exim 4",
        "(communigate pro ",
        "(ecelerity ",
        "with microsoft smtp server",
        "(powermta",
        "with [xmail ",
        "(qpsmtpd/",
        "(smtpd32-",
        "(mdaemon",
        "(content technologies smtprs",
        "by x with smtp",
    ];
    for sample in samples().filter(|sample| !sample.contains("(chasquid) with ESMTPSA")) {
        for text in texts {
            for helo in HOSTILE.into_iter().filter(|helo| helo.contains("[203.0.113.9]")) {
                let line = line(sample, helo, VICTIM);
                let line = line.replace("; date", &format!(" for <\"{text}\"@relay.example>; date"));
                let address = read(&line).from_address;
                assert!(address.is_none() || address == peer_of(sample), "{address:?} in {line}");
            }
        }
    }
}

#[test]
fn every_mta_has_one_row_and_every_row_a_sample() {
    let mut names: Vec<&str> = RECEIVED_FORMS.iter().map(|form| form.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RECEIVED_FORMS.len());
    assert!(RECEIVED_FORMS.iter().all(|form| !form.samples.is_empty()));
}
