//! Tests with real mail servers in network namespaces: which of them get listed, what verification finds
//! out about them, and how they use the list.
//!
//! The tests need root, and mail servers and tools that `tests/run` installs. Without them they are
//! skipped with a message; under CI they fail.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot continue should panic, and may print what it measured"
)]

mod attacks;
mod exim;
mod lab;
#[path = "../support/mail_host.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod mail_host;
mod name_server;
mod network;
mod opensmtpd;
mod postfix;
mod replies;
mod sendmail;
#[path = "../support/smtp_client.rs"]
mod smtp_client;
mod unpacked;
mod verify;
#[path = "../support/wait.rs"]
mod wait;

use std::time::{Duration, Instant};

use lab::{ATTACKER, BAD, GOOD, Lab, TRAP_DOMAINS};
use mail_host::{MailHost, about_others};
use postfix::Role;

/// The longest time from the entry that completes a case to an answer of the DNS.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// The hours of laboratory time at which forged mail is sent.
const SCHEDULE: [i64; 7] = [0, 3, 8, 20, 26, 30, 49];
/// How often to offer a message to the consumer after a reload, until an old process no longer
/// answers.
const OFFERS_MAX: usize = 5;
/// The number of reports that the well-run server sends about a broken forward.
const FORWARDS: usize = 10;
const INJECTORS: [&str; 3] = ["192.0.2.44", "198.51.100.66", "203.0.113.9"];

/// Sends forged mail through the relay until it is listed, and checks each answer. Returns the
/// number of messages.
#[expect(clippy::disallowed_methods, reason = "the test measures wall time")]
fn forge_until_listed(lab: &Lab) -> usize {
    let mut hour = 0;
    for (nth, &at) in SCHEDULE.iter().enumerate() {
        assert_eq!(lab.dig(BAD, "A").status, "NXDOMAIN", "before message {nth}");
        lab.advance(at - hour);
        hour = at;
        let sender = format!("bait{nth}@{}", TRAP_DOMAINS[nth % TRAP_DOMAINS.len()]);
        let head = lab.journal_head();
        let reply =
            lab.forge(INJECTORS[nth % INJECTORS.len()], BAD, &sender, &format!("nosuch{nth}@relay.test"));
        assert!(reply.starts_with("250"), "the relay must accept mail that it cannot deliver: {reply}");
        // Two entries follow: the report and its observation. The observation makes the report
        // count.
        lab.wait_for_journal(head + 2);
        let arrived = Instant::now();
        lab.wait_for_fold(head + 2);
        // A complete case waits until the relay's side has answered.
        let waits = || lab.explain(BAD).contains("the relay's side is to be asked");
        while !lab.is_listed(BAD) && waits() {
            assert!(arrived.elapsed() < ANSWER_WITHIN, "the relay's side has not answered within a second");
        }
        if !lab.is_listed(BAD) {
            continue;
        }
        // This entry completed the case.
        while lab.dig(BAD, "A").status != "NOERROR" {
            assert!(arrived.elapsed() < ANSWER_WITHIN, "listed, but not in the DNS within a second");
        }
        let took = arrived.elapsed();
        assert!(took < ANSWER_WITHIN, "{took:?}");
        println!("answered {} ms after entry {} was durable", took.as_millis(), head + 2);
        return nth + 1;
    }
    panic!("not listed at the end of the schedule:\n{}", lab.explain(BAD));
}

#[test]
fn an_accept_then_bounce_postfix_is_listed_within_a_second_and_a_rejecting_one_never() {
    let Some(lab) = Lab::up("list", &[Role::Bad, Role::Good]) else { return };
    let refuses = || MailHost::answering(&format!("{ATTACKER}:25"), about_others("550 5.1.1 User unknown"));
    let _behind_the_forward = lab.network.within("outside", refuses);
    // The well-run server gets the same forged mail first. It has one broken forward.
    let mut refused = 0;
    for (nth, sender) in ["sales", "info", "jdoe", "bait"].iter().cycle().take(12).enumerate() {
        let sender = format!("{sender}{nth}@{}", TRAP_DOMAINS[nth % TRAP_DOMAINS.len()]);
        let reply =
            lab.forge(INJECTORS[nth % INJECTORS.len()], GOOD, &sender, &format!("nosuch{nth}@relay.test"));
        assert!(reply.starts_with("550"), "not refused in the session: {reply}");
        refused += 1;
    }
    // Mail to the broken forward bounces over enough days, injectors and traps for a case.
    for nth in 0..FORWARDS {
        let head = lab.journal_head();
        let sender = format!("sales{nth}@{}", TRAP_DOMAINS[nth % TRAP_DOMAINS.len()]);
        let reply = lab.forge(INJECTORS[nth % INJECTORS.len()], GOOD, &sender, "forward@relay.test");
        assert!(reply.starts_with("250"), "{reply}");
        // Two entries follow: the report and its observation.
        lab.wait_for_journal(head + 2);
        lab.advance(5);
    }

    let needed = forge_until_listed(&lab);
    assert!(needed >= 5, "{needed} reports are too few for the shipped policy");
    let answer = lab.dig(BAD, "A");
    assert!(answer.text.contains("127.0.0.34"), "{}", answer.text);
    let text = lab.dig(BAD, "TXT").text;
    assert!(text.contains(&format!("Backscatter source {BAD}")), "{text}");
    println!("{}", lab.explain(BAD));

    assert_eq!(lab.dig(GOOD, "A").status, "NXDOMAIN");
    let explained = lab.explain(GOOD);
    assert_eq!(explained.matches("relation refuted").count(), FORWARDS, "{explained}");
    println!(
        "{refused} forged messages refused in the session, {FORWARDS} reports about a forward: never listed"
    );
}

#[test]
fn the_shipped_postfix_files_refuse_a_listed_relays_reports_and_take_its_other_mail() {
    let Some(lab) = Lab::up("use", &[Role::Bad, Role::Consumer]) else { return };
    let null_before = lab.offer(BAD, "", "alice@consumer.test");
    assert!(null_before.starts_with("250"), "before the listing: {null_before}");
    forge_until_listed(&lab);
    // Each smtpd process caches earlier answers for as long as it lives.
    lab.reload();
    // A process that accepted the connection before the reload may still use its cached answer.
    let offered = || lab.offer(BAD, "", "alice@consumer.test");
    let refused = (0..OFFERS_MAX).map(|_| offered()).find(|reply| !reply.starts_with("250"));
    let refused = refused.unwrap_or_else(offered);
    assert!(refused.starts_with("554 5.7.1"), "{refused}");
    assert!(
        refused.contains(&format!("Backscatter source {BAD} (for MAIL FROM:<> only), see https://")),
        "{refused}"
    );
    for sender in ["postmaster@relay.test", "mailer-daemon@relay.test"] {
        let reply = lab.offer(BAD, sender, "alice@consumer.test");
        assert!(reply.starts_with("554 5.7.1"), "{sender}: {reply}");
    }
    let ordinary = lab.offer(BAD, "bob@relay.test", "alice@consumer.test");
    assert!(ordinary.starts_with("250"), "a listed relay's ordinary mail: {ordinary}");
    for sender in ["", "bob@elsewhere.test"] {
        let clean = lab.offer(lab::CLEAN, sender, "alice@consumer.test");
        assert!(clean.starts_with("250"), "another host's mail from <{sender}>: {clean}");
    }
}

#[test]
fn rfc5321_s1_ten_thousand_null_sender_messages_draw_no_connection_from_the_trap() {
    let Some(lab) = Lab::up("mute", &[]) else { return };
    assert_eq!(lab.network.connections_opened_by("trap"), 0);
    std::thread::scope(|scope| {
        for (client, injector) in INJECTORS.iter().chain([&lab::CLEAN]).enumerate() {
            let lab = &lab;
            scope.spawn(move || lab.pour(injector, client * 2_500, 2_500));
        }
    });
    let (_, metrics) = lab.metrics();
    assert!(metrics.contains("backscatterd_messages_total{outcome=\"durable\"} 10000"), "{metrics}");
    assert!(lab.network.connections_opened_by("outside") >= 20, "the connection counter does not work");
    assert_eq!(lab.network.connections_opened_by("trap"), 0, "the trap opened a connection");
}
