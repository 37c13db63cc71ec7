//! Tests of donors: trap lists, submitted reports, forwarded mail, log lines, and what a donor must
//! not learn.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::messages::report;
use crate::support::server::Installation;
use crate::support::{PROGRAM, happens_within};

/// How long `submit --watch` may take to move a message.
const WATCH_LIMIT: Duration = Duration::from_secs(30);
const SILENT: &str = "2025-01-01T00:00:00Z";

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

impl Installation {
    fn feed(&self, method: &str, token: &str, media_type: &str, list: &str) -> (u16, Value) {
        let headers = [("Authorization", &*bearer(token)), ("Content-Type", media_type)];
        let (status, body) = self.request(&format!("{method} /api/v1/traps"), &headers, list.as_bytes());
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status}: {body}")))
    }

    fn own_traps(&self, token: &str) -> Vec<Value> {
        let (status, body) = self.request("GET /api/v1/traps", &[("Authorization", &bearer(token))], b"");
        assert_eq!(status, 200, "{body}");
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn as_donor(&self, token: &str) -> (u16, Value) {
        let (status, body) = self.request("GET /api/v1/donor", &[("Authorization", &bearer(token))], b"");
        (status, serde_json::from_str(&body).unwrap())
    }

    fn hand_on(&self, token: &str, query: &str, key: Option<&str>, message: &str) -> (u16, Value) {
        let authorization = bearer(token);
        let mut headers = vec![("Authorization", authorization.as_str()), ("Content-Type", "message/rfc822")];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        let (status, body) =
            self.request(&format!("POST /api/v1/reports{query}"), &headers, message.as_bytes());
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status}: {body}")))
    }

    fn receipt(&self, token: &str, id: &str) -> (u16, Value) {
        let head = format!("GET /api/v1/donor/reports/{id}");
        let (status, body) = self.request(&head, &[("Authorization", &bearer(token))], b"");
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status}: {body}")))
    }

    /// All octets of the answer to a request of a donor, without the time of day.
    fn answer(&self, token: &str, head: &str, headers: &[(&str, &str)], octets: &[u8]) -> String {
        let mut stream = std::net::TcpStream::connect(self.http_address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut text = format!(
            "{head} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
        );
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{text}Content-Length: {}\r\n\r\n", octets.len()).as_bytes()).unwrap();
        stream.write_all(octets).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_inclusive('\n').filter(|line| !line.starts_with("date: ")).collect()
    }

    /// Whether the server accepts an address as a recipient.
    fn takes(&self, address: &str) -> bool {
        let mut smtp = self.smtp_from("198.18.0.99").unwrap();
        smtp.say("EHLO relay.example").unwrap();
        smtp.say("MAIL FROM:<user@relay.example>").unwrap();
        smtp.say(&format!("RCPT TO:<{address}>")).unwrap().starts_with("250")
    }

    /// Whether the server accepts an address, once the mail of its domain was looked up.
    fn comes_to_take(&self, address: &str) -> bool {
        happens_within(Duration::from_secs(20), || self.takes(address))
    }

    /// The number of reports against an address, and whether their relation is confirmed.
    fn counted(&self, address: &str) -> (usize, bool) {
        let told = self.ok(&["explain", address]);
        let is_related = ["relation confirmed", "relation claimed"].iter().any(|words| told.contains(words));
        (told.matches(" to trap domain ").count(), is_related)
    }
}

#[test]
fn a_donor_feeds_lists_changes_and_takes_back_its_traps_and_nobody_elses() {
    let installation = Installation::new();
    // Looking again and again whether a domain is taken is guessing.
    installation.configure("[smtp]\n", "[smtp]\nrefused_recipients_per_hour = 0\n");
    let server = installation.start();
    let (isp, other) = (
        installation.donor("isp", &["--traps-max", "6", "--gives-domains", "true"]),
        installation.donor("other", &["--gives-domains", "true"]),
    );

    let (status, told) = installation.feed(
        "POST",
        &isp,
        "text/plain",
        "# mine\na@one.example\nA@ONE.example\nbait-*@one.example\n*.two.example\n\nnonsense\nthree.example\n",
    );
    assert_eq!(status, 200);
    assert_eq!(
        (&told["lines"], &told["taken"], &told["known"], &told["rejected"]),
        (&8.into(), &4.into(), &1.into(), &1.into())
    );
    assert_eq!(
        told["problems"],
        serde_json::json!([{"line": 7, "problem": "the line names no address, pattern or domain"}])
    );
    for (address, taken) in [
        ("anyone@one.example", true),
        ("x@deep.below.two.example", true),
        ("x@three.example", true),
        ("x@below.three.example", false),
        ("x@four.example", false),
    ] {
        let takes = if taken { Installation::comes_to_take } else { Installation::takes };
        assert_eq!(takes(&installation, address), taken, "{address}");
    }
    let traps = installation.own_traps(&isp);
    assert_eq!(traps.len(), 4);
    assert!(traps.iter().all(|trap| trap["donor"] == "isp" && trap["retired"].is_null()));
    assert!(installation.own_traps(&other).is_empty(), "a donor sees another donor's traps");

    // A trap that another donor already gave is accepted, counted and shown like a new one, so that
    // no donor learns of it.
    let (_, told) =
        installation.feed("POST", &other, "text/csv", "trap,silent_since\nthree.example,\nnew.example\n");
    assert_eq!((&told["taken"], &told["known"]), (&2.into(), &0.into()));
    assert_eq!(installation.own_traps(&other).len(), 2);
    assert_eq!(installation.as_donor(&other).1["traps_active"], 2);
    let (_, told) = installation.feed("DELETE", &other, "text/plain", "three.example\na@one.example\n");
    assert_eq!((&told["taken"], &told["known"]), (&1.into(), &1.into()));
    assert!(installation.takes("x@three.example"), "the trap of the first donor must stay");
    // The second donor gives the trap again: it will remain when the first donor takes it back.
    installation.feed("POST", &other, "text/plain", "three.example");

    // Lines beyond the quota are reported.
    let (_, told) = installation.feed(
        "POST",
        &isp,
        "application/x-ndjson",
        "{\"trap\":\"b@one.example\"}\n{\"trap\":\"c@one.example\"}\n{\"trap\":\"d@one.example\"}\n",
    );
    assert_eq!((&told["taken"], &told["problems"][0]["line"]), (&2.into(), &3.into()));
    assert_eq!(told["problems"][0]["problem"], "the trap quota is used up");

    // PUT replaces the whole list. If a line is wrong, no trap is retired.
    let (_, told) = installation.feed("PUT", &isp, "text/plain", "a@one.example\nnonsense\n");
    assert_eq!((&told["retired"], told["kept"].is_string()), (&0.into(), true));
    let (_, told) = installation.feed(
        "PUT",
        &isp,
        "application/json",
        "[{\"trap\": \"a@one.example\"},\n {\"trap\": \"three.example\"}]",
    );
    assert_eq!((&told["retired"], &told["known"]), (&4.into(), &2.into()), "{told}");
    assert!(!installation.takes("x@deep.below.two.example") && installation.takes("x@three.example"));

    let (_, told) = installation.feed("DELETE", &isp, "text/plain", "three.example\n");
    assert_eq!(told["taken"], 1);
    assert!(installation.takes("x@three.example"));
    installation.feed("DELETE", &other, "text/plain", "three.example\n");
    assert!(!installation.takes("x@three.example"));
    // A donor cannot add a trap again that the operator retired.
    installation.feed("POST", &isp, "text/plain", "real.example");
    installation.ok(&["trap", "retire", "real.example", "--why", "a real user"]);
    installation.feed("POST", &isp, "text/plain", "real.example");
    installation.feed("POST", &other, "text/plain", "real.example");
    assert!(!installation.takes("x@real.example"));
    installation.feed("DELETE", &isp, "text/plain", "real.example");
    let (status, view) = installation.as_donor(&isp);
    assert_eq!(
        (status, &view["traps_active"], &view["traps_retired"], &view["traps_max"]),
        (200, &1.into(), &6.into(), &6.into())
    );

    for (media_type, status) in [("text/html", 415), ("", 415)] {
        assert_eq!(installation.feed("POST", &isp, media_type, "x.example").0, status);
    }
    // Suspension and resumption.
    installation.ok(&["donor", "suspend", "isp", "--why", "a test"]);
    assert_eq!(installation.as_donor(&isp).0, 403);
    assert_eq!(installation.feed("POST", &isp, "text/plain", "five.example").0, 403);
    installation.ok(&["donor", "resume", "isp", "--why", "a test"]);
    assert_eq!(installation.as_donor(&isp).0, 200);
    assert!(installation.ok(&["donor", "list"]).contains("isp\n  traps 1 active of 6, 6 retired"));
    server.stop();
    // Everything is in the journal, so a restarted daemon knows it.
    let server = installation.start();
    assert_eq!(installation.as_donor(&isp).1["traps_active"], 1);
    server.stop();
    let store = std::fs::read(installation.store()).unwrap();
    for secret in ["one.example", "two.example", "three.example", "real.example", isp.as_str()] {
        assert!(
            !store.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "the store contains {secret}"
        );
    }
}

#[test]
fn a_large_list_is_read_as_it_comes_and_every_wrong_line_is_told() {
    let installation = Installation::new();
    let server = installation.start();
    let token = installation.donor("isp", &[]);
    let wrong = |nth: usize| nth % 997 == 13;
    let lines: Vec<String> = (0..60_000)
        .map(|nth| {
            if wrong(nth) { format!("broken {nth} line") } else { format!("t{nth}@trap{}.example", nth % 50) }
        })
        .collect();
    let (status, told) = installation.feed("POST", &token, "text/plain", &lines.join("\n"));
    assert_eq!(status, 200);
    let expected: Vec<u64> = (0..60_000).filter(|nth| wrong(*nth)).map(|nth| nth as u64 + 1).collect();
    let found: Vec<u64> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["line"].as_u64().unwrap())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(told["taken"], 60_000 - expected.len());
    assert_eq!(installation.as_donor(&token).1["traps_active"], 60_000 - expected.len());
    // The same list again changes nothing.
    let (_, told) = installation.feed("POST", &token, "text/plain", &lines.join("\r\n"));
    assert_eq!((&told["taken"], &told["known"]), (&0.into(), &(60_000 - expected.len()).into()));
    // An overlong line is rejected, and the next one is read.
    let (_, told) = installation.feed(
        "POST",
        &token,
        "text/plain",
        &format!("{}\nlast@trap1.example", "x".repeat(3 << 20)),
    );
    assert_eq!((&told["rejected"], &told["taken"]), (&1.into(), &1.into()));
    assert!(server.resident_octets() < 400 << 20);
    server.stop();
}

#[test]
fn a_donor_sends_hashes_and_its_traps_are_found_by_them() {
    let installation = Installation::new();
    let server = installation.start();
    let token = installation
        .donor("isp", &["--sends-hashes", "true", "--gives-domains", "true", "--silence-believed", "true"]);
    let key = installation.ok(&["donor", "key", "isp"]);
    let key: [u8; 32] = {
        let hex = key.trim();
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    };
    let hash = |text: &str| {
        let hash = blake3::keyed_hash(&key, text.as_bytes()).to_hex().to_string();
        hash[..32].to_owned()
    };
    let list = format!(
        "blake3:{}@{} {SILENT}\nblake3:@{} {SILENT}\n",
        hash("a@hidden.example"),
        hash("@hidden.example"),
        hash("@dead.example")
    );
    let (_, told) = installation.feed("POST", &token, "text/plain", &list);
    assert_eq!(told["taken"], 2, "{told}");
    assert!(
        !installation.takes("x@hidden.example"),
        "the domain's name is not known, so it is not looked up"
    );
    let keys = installation.ok(&["trap", "list"]);
    for key in keys.lines().filter_map(|line| line.split(' ').next()) {
        let told = installation.ok(&["trap", "mail", key, "here"]);
        assert!(told.contains("mail for the domain comes here"), "{told}");
    }
    assert!(installation.takes("x@hidden.example") && installation.takes("x@dead.example"));
    assert!(!installation.takes("x@elsewhere.example"));
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    for (nth, trap) in ["a@hidden.example", "b@hidden.example", "c@dead.example"].into_iter().enumerate() {
        let message = report(trap, &format!("u{nth}@relay.example"), "192.0.2.44", nth as u64);
        assert!(smtp.deliver("", trap, &message).unwrap().starts_with("250"));
    }
    installation.ok(&["advance", "1h"]);
    assert!(
        installation
            .ok(&["donor", "list"])
            .contains("isp\n  traps 2 active of 1000000, 0 retired\n  reports 2 counted")
    );
    assert_eq!(
        installation.as_donor(&token).1["evidence"],
        "0",
        "what relays bring to the server itself would tell who gave a trap first"
    );
    // What the donor hands on is found by the hashes too.
    for (nth, trap) in ["a@hidden.example", "x@dead.example"].into_iter().enumerate() {
        let message = report(trap, &format!("v{nth}@relay.example"), "192.0.2.44", 10 + nth as u64);
        let query = format!("?recipient={trap}&client=198.18.0.25&reverse_path=%3C%3E");
        assert_eq!(installation.hand_on(&token, &query, None, &message).0, 202);
    }
    installation.ok(&["advance", "1h"]);
    assert_eq!(installation.as_donor(&token).1["evidence"], "1 to 9");
    server.stop();
}

/// A report that passed through two hosts of the donor.
fn forwarded(relay: &str, nth: u64) -> String {
    format!(
        "Return-Path: <>\nDelivered-To: a@given.example\n\
         Received: from mx.isp.example (mx.isp.example [192.0.2.10]) by store.isp.example; Thu, 1 Jan 2026 00:00:00 +0000\n\
         Received: from relay.example (relay.example [{relay}]) by mx.isp.example; Thu, 1 Jan 2026 00:00:00 +0000\n\
         {}",
        report("a@given.example", &format!("u{nth}@relay.example"), "203.0.113.9", nth)
    )
}

#[test]
fn what_a_donor_hands_on_is_evidence_against_whoever_brought_it_to_the_donor() {
    let installation = Installation::new();
    let server = installation.start();
    let token = installation.donor(
        "isp",
        &[
            "--relay",
            "192.0.2.0/28",
            "--silence-believed",
            "true",
            "--gives-domains",
            "true",
            "--reports-per-day-max",
            "6",
        ],
    );
    installation.feed("POST", &token, "text/plain", &format!("given.example {SILENT}"));
    let (status, first) = installation.hand_on(&token, "", Some("one"), &forwarded("198.18.0.25", 1));
    assert_eq!(status, 202, "{first}");
    let (status, again) = installation.hand_on(&token, "", Some("one"), &forwarded("198.18.0.25", 1));
    assert_eq!(
        (status, &again["id"]),
        (202, &first["id"]),
        "the same idempotency key must return the same message"
    );
    installation.hand_on(&token, "", None, &forwarded("198.18.0.25", 2));
    installation.hand_on(&token, "", None, &forwarded("198.18.0.25", 2));
    // Where the client is given in the query, the Received lines are not read.
    let query = "?client=198.18.0.77&recipient=b%40given.example&reverse_path=%3C%3E";
    let direct = report("b@given.example", "u3@relay.example", "203.0.113.9", 3);
    assert_eq!(installation.hand_on(&token, query, None, &direct).0, 202);
    installation.ok(&["advance", "1h"]);
    assert_eq!(installation.counted("198.18.0.25"), (2, true));
    assert_eq!(installation.counted("198.18.0.77"), (1, true));
    for innocent in ["192.0.2.10", "203.0.113.9"] {
        assert_eq!(installation.counted(innocent), (0, false), "{innocent}");
    }
    // A donor gets the same response for another donor's trap and for an address that is no trap.
    installation.ok(&["trap", "add", "operators.example", "--silent-since", SILENT]);
    let others = ["x@elsewhere.example", "x@operators.example"].map(|recipient| {
        installation.hand_on(&token, &format!("?client=198.18.0.77&recipient={recipient}"), None, &direct)
    });
    assert_eq!((others[0].0, &others[0]), (422, &others[1]));
    let old = forwarded("198.18.0.25", 8).replace("Thu, 1 Jan 2026", "Wed, 1 Jan 2025");
    let (status, told) = installation.hand_on(&token, "", None, &old);
    assert!(status == 422 && told["error"].as_str().unwrap().contains("older than 12 hours"), "{told}");
    let other = installation.donor("other", &["--gives-domains", "true"]);
    installation.feed("POST", &other, "text/plain", "others.example");
    let (status, told) = installation.hand_on(&other, "?recipient=x@others.example", None, &direct);
    assert!(
        status == 422
            && told["error"].as_str().unwrap().contains("the relay that delivered the message is unknown"),
        "{told}"
    );
    let (status, _) = installation.hand_on(&token, "?recipient=nonsense", None, &direct);
    assert_eq!(status, 400);
    for nth in 4..7 {
        installation.hand_on(&token, "", None, &forwarded("198.18.0.25", nth));
        installation.ok(&["advance", "1m"]);
    }
    let (status, told) = installation.hand_on(&token, "", None, &forwarded("198.18.0.25", 9));
    assert_eq!(status, 429, "{told}");
    server.stop();
}

#[test]
fn a_donor_forwards_reports_as_attachments_to_an_address_of_its_own() {
    let installation = Installation::new();
    let server = installation.start();
    installation.donor("isp", &["--relay", "192.0.2.0/28"]);
    installation.ok(&["trap", "add", "given.example", "--donor", "isp", "--silent-since", SILENT]);
    let address = installation.ok(&["donor", "address", "isp"]).trim().to_owned();
    let attached =
        |nth: u64| format!("--X\nContent-Type: message/rfc822\n\n{}\n", forwarded("198.18.0.25", nth));
    let mail = format!(
        "From: staff@isp.example\nTo: {address}\nSubject: Fwd: two bounces\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"X\"\n\n--X\n\nsee below\n{}{}--X--\n",
        attached(1),
        attached(2)
    );
    let mut smtp = installation.smtp_from("203.0.113.25").unwrap();
    smtp.say("EHLO mail.isp.example").unwrap();
    for _ in 0..2 {
        assert!(smtp.deliver("staff@isp.example", &address, &mail).unwrap().starts_with("250"));
    }
    let wrong = address.replace("forward+isp+", "forward+isp+0");
    assert!(smtp.deliver("staff@isp.example", &wrong, &mail).unwrap().starts_with("550"));
    installation.ok(&["advance", "1h"]);
    assert_eq!(
        installation.counted("198.18.0.25"),
        (2, true),
        "each report counts once, although it was forwarded twice"
    );
    assert_eq!(installation.counted("203.0.113.25"), (0, false));
    // A new token makes a new forwarding address.
    installation.donor("isp", &[]);
    smtp.say("RSET").unwrap();
    let mut smtp = installation.smtp_from("203.0.113.25").unwrap();
    smtp.say("EHLO mail.isp.example").unwrap();
    assert!(smtp.deliver("staff@isp.example", &address, &mail).unwrap().starts_with("550"));
    server.stop();
}

#[test]
fn guessing_tokens_is_slowed_down_and_counted() {
    let installation = Installation::new();
    let server = installation.start();
    let token = installation.donor("isp", &[]);
    assert_eq!(installation.as_donor(&token).0, 200);
    let statuses: Vec<u16> = (0..200).map(|nth| installation.as_donor(&format!("guess{nth}")).0).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 30);
    assert!(statuses[30..].iter().all(|status| *status == 429), "{statuses:?}");
    assert_eq!(
        installation.as_donor(&token).0,
        200,
        "a client with a valid token is admitted while others guess"
    );
    let metrics = installation.metrics();
    assert!(metrics.contains("backscatterd_http_unauthorized_total 200\n"), "{metrics}");
    installation.ok(&["advance", "61m"]);
    assert_eq!(installation.as_donor(&token).0, 200);
    server.stop();
}

fn submit(installation: &Installation, arguments: &[&str], message: &str) -> std::process::Output {
    let mut child = Command::new(PROGRAM)
        .arg("--config")
        .arg(installation.config())
        .arg("submit")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that rejects its arguments may end before it has read the message.
    let _ = child.stdin.take().unwrap().write_all(message.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn submit_takes_a_message_from_a_pipe_files_folders_and_mbox_and_never_makes_an_mta_bounce() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "given.example", "--silent-since", SILENT]);
    let message = report("a@given.example", "u1@relay.example", "203.0.113.9", 1);
    let piped = submit(&installation, &["--client", "198.18.0.25", "--reverse-path", "<>"], &message);
    assert!(piped.status.success(), "{piped:?}");
    // A message that is no evidence is accepted and dropped.
    let none = submit(&installation, &[], "From: a@b.example\nTo: c@d.example\n\nhello\n");
    assert!(none.status.success(), "{none:?}");

    let maildir = installation.path().join("maildir");
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    std::fs::write(maildir.join("new/1.a.b"), forwarded("198.18.0.26", 2)).unwrap();
    let separator = "From MAILER-DAEMON Mon Nov 23 20:24:01 2026\n";
    let mbox = [3, 4].map(|nth| format!("{separator}{}\n", forwarded("198.18.0.26", nth))).concat();
    std::fs::write(installation.path().join("box.mbox"), &mbox).unwrap();
    let path = |name: &str| installation.path().join(name).display().to_string();
    installation.ok(&["donor", "set", "own", "--relay", "192.0.2.0/28"]);
    let told = installation.ok(&["submit", &path("maildir/new"), &path("box.mbox")]);
    assert!(told.contains("3 taken, 0 are not evidence"), "{told}");
    let told = installation.ok(&["submit", &path("box.mbox")]);
    assert!(told.contains("2 taken"), "{told}");
    installation.ok(&["advance", "1h"]);
    assert!(installation.counted("198.18.0.25") == (1, true));
    assert_eq!(installation.counted("198.18.0.26"), (3, true));

    let mut watching = Command::new(PROGRAM)
        .arg("--config")
        .arg(installation.config())
        .args(["submit", "--watch", &path("maildir")])
        .spawn()
        .unwrap();
    std::fs::write(maildir.join("tmp/2.a.b"), forwarded("198.18.0.27", 5)).unwrap();
    std::fs::rename(maildir.join("tmp/2.a.b"), maildir.join("new/2.a.b")).unwrap();
    // The watching program must end also where the test fails.
    let moved = happens_within(WATCH_LIMIT, || maildir.join("cur/2.a.b:2,S").exists());
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert!(moved, "the recorded message was not moved to cur");
    installation.ok(&["advance", "1h"]);
    assert!(installation.counted("198.18.0.27") == (1, true));
    server.stop();
    // Without a daemon the exit code is 75 (EX_TEMPFAIL), so that the MTA keeps the message.
    let later = submit(&installation, &[], &forwarded("198.18.0.1", 6));
    assert_eq!(later.status.code(), Some(75), "{later:?}");
    // The same holds for every mistake in the command of the pipe.
    for wrong in [
        &["--bogus"][..],
        &["--donor"],
        &["--donor", "no such donor"],
        &["--client", "nonsense"],
        &["--config", "/nonexistent"],
        &["--bogus=1", "--config"],
    ] {
        let wrong = submit(&installation, wrong, &forwarded("198.18.0.1", 7));
        assert_eq!(wrong.status.code(), Some(75), "{wrong:?}");
    }
    let wrong = installation.run(&["--confg", "/etc/backscatterd.toml", "submit"]);
    assert_eq!(wrong.status.code(), Some(75), "{wrong:?}");
    // Other verbs tell a person about the mistake.
    assert_eq!(installation.run(&["lookup", "submit", "--bogus"]).status.code(), Some(2));
}

#[test]
fn a_log_is_read_for_null_senders_that_were_turned_away_from_traps() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "given.example", "--silent-since", SILENT]);
    let line = |relay: &str, to: &str, from: &str| {
        format!(
            "Nov 25 12:00:00 mx postfix/smtpd[411]: NOQUEUE: reject: RCPT from r[{relay}]: 550 5.1.1 <{to}>: Recipient address rejected; from=<{from}> to=<{to}> proto=ESMTP helo=<r>"
        )
    };
    let lines = [
        line("198.18.0.25", "dead@given.example", ""),
        line("198.18.0.25", "dead@given.example", ""),
        line("198.18.0.25", "dead@elsewhere.example", ""),
        line("198.18.0.26", "dead@given.example", "user@relay.example"),
        "something else entirely".to_owned(),
        "2026-11-25 12:00:00 H=r (r) [198.18.0.27] F=<> rejected RCPT <gone@given.example>: Unrouteable address".to_owned(),
    ];
    let file = installation.path().join("mail.log");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let told = installation.ok(&["read-log", file.to_str().unwrap()]);
    assert!(told.contains("3 taken, 1 about addresses that are not traps"), "{told}");
    installation.ok(&["advance", "1h"]);
    let told = installation.ok(&["explain", "198.18.0.25"]);
    assert_eq!(told.matches("null-rejected").count(), 1, "a repeated log line counts once: {told}");
    assert!(installation.ok(&["explain", "198.18.0.27"]).contains("null-rejected"));
    assert!(!installation.ok(&["explain", "198.18.0.26"]).contains("null-rejected"));
    server.stop();
}

#[test]
fn traps_are_made_up_imported_and_known_again() {
    let installation = Installation::new();
    let server = installation.start();
    let made = installation.ok(&["trap", "generate", "seeded.example", "--count", "20", "--place", "7"]);
    assert_eq!(made.lines().count(), 20);
    let file = installation.path().join("list.txt");
    std::fs::write(&file, &made).unwrap();
    let told = installation.ok(&["trap", "import", file.to_str().unwrap()]);
    assert!(told.starts_with("20 lines: 20 traps added, 0 already known, 0 lines wrong"), "{told}");
    let one = made.lines().next().unwrap();
    assert!(installation.comes_to_take(one));
    assert!(installation.ok(&["trap", "place", one]).contains("place 7"));
    assert!(!installation.run(&["trap", "place", "anna.keller@seeded.example"]).status.success());
    std::fs::write(&file, format!("{one}\nbroken\n")).unwrap();
    let wrong = installation.run(&["trap", "import", "--form", "csv", file.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(65));
    assert!(
        String::from_utf8_lossy(&wrong.stdout).contains("line 2: the line names no address"),
        "{wrong:?}"
    );
    assert_eq!(installation.ok(&["trap", "list"]).lines().count(), 20);
    server.stop();
}

/// The paths, methods and response statuses in the OpenAPI description.
fn described(api: &Value) -> Vec<(String, String, Vec<String>)> {
    let mut found = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys().cloned().collect();
            found.push((path.clone(), method.to_uppercase(), statuses));
        }
    }
    found
}

fn properties(api: &Value, schema: &str) -> Vec<String> {
    let mut keys: Vec<String> =
        api["components"]["schemas"][schema]["properties"].as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[test]
fn the_description_of_the_api_is_what_is_served() {
    let installation = Installation::new();
    let server = installation.start();
    let (_, text) = installation.get("/api/v1/openapi.json").unwrap();
    let api: Value = serde_json::from_str(&text).unwrap();
    let described = described(&api);
    // Every route is described, and every described operation answers with a described status.
    let source = include_str!("../src/http/api/mod.rs");
    let routes: Vec<&str> = source.split('"').filter(|text| text.starts_with("/api/v1/")).collect();
    assert!(routes.len() >= 10, "{routes:?}");
    for route in routes {
        assert!(described.iter().any(|(path, ..)| path == route), "{route} is not described");
    }
    for (path, method, statuses) in &described {
        let path = path.replace("{address}", "198.18.0.25").replace("{id}", "0123");
        for (headers, body) in [
            (vec![], ""),
            (vec![("Authorization", "Bearer wrong"), ("Content-Type", "application/json")], "{}"),
        ] {
            let (status, answer) =
                installation.request(&format!("{method} {path}"), &headers, body.as_bytes());
            assert!(
                statuses.contains(&status.to_string()),
                "{method} {path}: {status} {answer}, of {statuses:?}"
            );
        }
        let (status, _) = installation.request(&format!("PATCH {path}"), &[], b"");
        assert_eq!(status, 405, "{path}");
    }
    // Every code is described, and every described code exists.
    let source = include_str!("../src/http/error.rs");
    let table = source.split("fn status_and_code").nth(1).unwrap().split("fn into_response").next().unwrap();
    let is_code =
        |text: &&str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let codes: BTreeSet<&str> = table.split('"').skip(1).step_by(2).filter(is_code).collect();
    let enumerated =
        api["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    assert_eq!(codes, enumerated.iter().map(|code| code.as_str().unwrap()).collect());
    let token = installation.donor("isp", &[]);
    let (_, told) = installation.feed("POST", &token, "text/plain", "a@given.example");
    assert_eq!(keys(&told), properties(&api, "FeedReport"));
    assert_eq!(keys(&installation.own_traps(&token)[0]), properties(&api, "Trap"));
    assert_eq!(keys(&installation.as_donor(&token).1), properties(&api, "Donor"));
    let (status, taken) =
        installation.hand_on(&token, "?client=198.18.0.25", None, &forwarded("198.18.0.25", 1));
    assert_eq!((status, keys(&taken)), (202, properties(&api, "Taken")));
    let (status, receipt) = installation.receipt(&token, taken["id"].as_str().unwrap());
    assert_eq!((status, keys(&receipt)), (200, properties(&api, "Receipt")));
    server.stop();
}

/// A donor in the test of what donors learn of each other: its name, its token, and what it was
/// answered, in which its name and its receipts are replaced.
struct Player {
    name: &'static str,
    token: String,
    receipts: Vec<String>,
    answers: Vec<String>,
}

impl Player {
    /// Sends a request and keeps the answer. The receipt in an answer is kept apart.
    fn play(&mut self, installation: &Installation, head: &str, headers: &[(&str, &str)], body: &str) {
        let answer = installation.answer(&self.token, head, headers, body.as_bytes());
        let receipt = answer.split("{\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let receipt = receipt.filter(|_| answer.starts_with("HTTP/1.1 202")).map(str::to_owned);
        self.receipts.extend(receipt.clone());
        self.keep(head, &answer);
    }

    /// Keeps an answer, and who asked what.
    fn keep(&mut self, asked: &str, answer: &str) {
        let mut text = format!("{asked}\n{answer}");
        for receipt in &self.receipts {
            text = text.replace(receipt, "RECEIPT");
        }
        self.answers.push(text.replace(self.name, "DONOR"));
    }
}

const MAIL: (&str, &str) = ("Content-Type", "message/rfc822");
const LINES: (&str, &str) = ("Content-Type", "text/plain");

/// Every path that a donor has, once. `nth` makes the messages of a round distinct.
fn play_every_path(installation: &Installation, player: &mut Player, traps: &[&str], nth: u64) {
    let list = traps.iter().map(|trap| format!("{trap} {SILENT}\n")).collect::<String>();
    player.play(installation, "POST /api/v1/traps", &[LINES], &list);
    player.play(installation, "POST /api/v1/traps", &[LINES], &format!("{list}nonsense\n"));
    player.play(installation, "GET /api/v1/traps", &[], "");
    player.play(installation, "GET /api/v1/donor", &[], "");
    let reported = [
        "bait@one.example",
        "pat-7@two.example",
        "any@three.example",
        "x@deep.four.example",
        "bait+tag@one.example",
    ];
    for (at, recipient) in reported.into_iter().enumerate() {
        let number = 100 * nth + at as u64;
        let message = report(recipient, &format!("u{number}@relay.example"), "192.0.2.44", number);
        let query = format!(
            "POST /api/v1/reports?client=198.18.0.{}&reverse_path=%3C%3E&recipient={}",
            30 + at,
            recipient.replace('+', "%2B")
        );
        player.play(installation, &query, &[MAIL], &message);
        player.play(installation, &query, &[MAIL, ("Idempotency-Key", "again")], &message);
        player.play(installation, &query, &[MAIL, ("Idempotency-Key", "again")], &message);
    }
    // Faults: no trap of the donor, too old, no relay, no address.
    let message = report("bait@one.example", "u@relay.example", "192.0.2.44", 7);
    for query in [
        "?recipient=no@trap.example&client=198.18.0.30",
        "?recipient=nonsense",
        "?recipient=bait@one.example",
    ] {
        player.play(installation, &format!("POST /api/v1/reports{query}"), &[MAIL], &message);
    }
    let old = format!("Received: from a by b; Wed, 1 Jan 2025 00:00:00 +0000\n{message}");
    player.play(installation, "POST /api/v1/reports?recipient=bait@one.example", &[MAIL], &old);
    player.play(
        installation,
        "POST /api/v1/reports?recipient=bait@one.example&client=198.18.0.30",
        &[MAIL],
        "hello\n",
    );
    // Forwarded mail.
    let forward = installation.ok(&["donor", "address", player.name]).trim().to_owned();
    let mail = format!(
        "From: staff@isp.example\nTo: {forward}\nSubject: Fwd\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"X\"\n\n--X\nContent-Type: message/rfc822\n\n{}\n--X--\n",
        forwarded("198.18.0.40", nth).replace("a@given.example", "bait@one.example")
    );
    let mut smtp = installation.smtp_from("203.0.113.25").unwrap();
    smtp.say("EHLO mail.isp.example").unwrap();
    for _ in 0..2 {
        let reply = smtp.deliver("staff@isp.example", &forward, &mail).unwrap();
        // The reply contains the id of the message, which is another one every time.
        player.keep("forwarded", &reply[..reply.len().min(4)]);
    }
    installation.ok(&["advance", "1h"]);
    player.play(installation, "GET /api/v1/donor", &[], "");
    for receipt in player.receipts.clone() {
        player.play(installation, &format!("GET /api/v1/donor/reports/{receipt}"), &[], "");
    }
}

#[test]
fn a_donor_cannot_tell_whether_another_donor_gave_a_trap_before() {
    let installation = Installation::new();
    let server = installation.start();
    let traps = ["bait@one.example", "b@one.example", "pat-*@two.example", "three.example", "*.four.example"];
    let terms = ["--relay", "192.0.2.0/28", "--silence-believed", "true", "--gives-domains", "true"];
    let player = |name: &'static str| {
        let token = installation.donor(name, &terms);
        Player { name, token, receipts: Vec::new(), answers: Vec::new() }
    };
    // The first gives the traps before the second. What the third gives lies around the second's.
    let (mut first, mut second, mut third) = (player("isp-a"), player("isp-b"), player("isp-c"));
    let around = ["one.example", "*.two.example", "deep.four.example"];
    installation.ok(&["advance", "1h"]);

    for round in 0..3_u64 {
        play_every_path(&installation, &mut first, &traps, round);
        if round == 0 {
            third.play(&installation, "POST /api/v1/traps", &[LINES], &around.join("\n"));
        }
        play_every_path(&installation, &mut second, &traps, round);
        for player in [&mut first, &mut second] {
            // Mail that comes to the server itself counts for the first donor, and neither sees it.
            let mut smtp = installation.smtp_from("198.18.0.50").unwrap();
            smtp.say("EHLO relay.example").unwrap();
            let direct = report("bait@one.example", "d@relay.example", "192.0.2.44", 1_000 + round);
            assert!(smtp.deliver("", "bait@one.example", &direct).unwrap().starts_with("250"));
            player.play(&installation, "GET /api/v1/donor", &[], "");
        }
        installation.ok(&["advance", "13h"]);
        for player in [&mut first, &mut second] {
            player.play(&installation, "GET /api/v1/donor", &[], "");
            let head = if round == 0 { "DELETE /api/v1/traps" } else { "PUT /api/v1/traps" };
            player.play(&installation, head, &[LINES], "b@one.example\nbait@one.example\n");
            player.play(&installation, "GET /api/v1/traps", &[], "");
        }
    }
    installation.ok(&["advance", "48h"]);
    for player in [&mut first, &mut second] {
        for receipt in player.receipts.clone() {
            player.play(&installation, &format!("GET /api/v1/donor/reports/{receipt}"), &[], "");
        }
    }
    let states: BTreeSet<&str> = first
        .answers
        .iter()
        .filter_map(|answer| answer.split("\"state\":\"").nth(1)?.split('"').next())
        .collect();
    assert_eq!(states, BTreeSet::from(["evidence", "not-evidence", "taken"]));
    // A receipt of another donor, a made-up one and no receipt at all are answered alike.
    let (of_first, of_second) = (first.receipts[0].clone(), second.receipts[0].clone());
    let strange = |player: &mut Player, others: &str| {
        let id = others.split_at(32).0.to_owned();
        for wrong in [
            others.to_owned(),
            format!("{id}0123456789abcdef"),
            "0".repeat(48),
            id,
            "x".into(),
            "%C3%A4".into(),
        ] {
            let answer =
                installation.answer(&player.token, &format!("GET /api/v1/donor/reports/{wrong}"), &[], b"");
            player.keep("a wrong receipt", &answer);
        }
    };
    strange(&mut first, &of_second);
    strange(&mut second, &of_first);
    strange(&mut third, &of_first);
    let wrong: BTreeSet<&String> =
        third.answers.iter().filter(|answer| answer.starts_with("a wrong receipt")).collect();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert!(wrong.iter().all(|answer| answer.contains("HTTP/1.1 404") && answer.contains("unknown_report")));

    assert!(first.receipts.len() >= 3 * 15, "{:?}", first.receipts);
    assert_eq!(first.answers.len(), second.answers.len());
    for (nth, (one, other)) in first.answers.iter().zip(&second.answers).enumerate() {
        // The two play their rounds one hour after the other.
        let hour = |text: &str| without_hours(text);
        assert_eq!(hour(one), hour(other), "answer {nth}");
    }
    // The judge counts what the first handed on, and gives what the second handed on no weight.
    let told = installation.ok(&["explain", "--json", "198.18.0.30"]);
    assert!(told.contains("\"donor\""), "{told}");
    server.stop();
}

/// A text in which every time of day is left out.
fn without_hours(text: &str) -> String {
    let mut parts = text.split('T');
    let mut without = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_time = part.len() > 9 && part.as_bytes()[2] == b':' && part.as_bytes()[5] == b':';
        without.push('T');
        without += if is_time { &part[8..] } else { part };
    }
    without
}

#[test]
fn wrong_recipients_cost_a_budget_and_are_told_to_the_operator() {
    let installation = Installation::new();
    let server = installation.start();
    let token = installation.donor("isp", &["--gives-domains", "true"]);
    installation.feed("POST", &token, "text/plain", "mine.example");
    let message = report("x@mine.example", "u@relay.example", "192.0.2.44", 1);
    let hand_on = |recipient: &str| {
        let query = format!("?recipient={recipient}&client=198.18.0.25");
        let (status, told) = installation.hand_on(&token, &query, None, &message);
        (status, told["code"].as_str().unwrap_or_default().to_owned())
    };
    for nth in 0..100 {
        assert_eq!(hand_on(&format!("guess{nth}@others.example")), (422, "not_a_trap".to_owned()));
    }
    assert_eq!(hand_on("guess@others.example"), (429, "too_many_wrong_recipients".to_owned()));
    assert_eq!(hand_on("x@mine.example").0, 202, "mail to the donor's own traps is still taken");
    // The operator has no such budget: the MTA behind a pipe must not keep what is no evidence.
    let piped = submit(&installation, &["--donor", "isp", "--recipient", "guess@others.example"], &message);
    assert!(piped.status.success(), "{piped:?}");
    let metrics = installation.metrics();
    assert!(metrics.contains("backscatterd_wrong_recipients_total 101\n"), "{metrics}");
    let log = server.log();
    assert_eq!(log.matches("whose recipients are not traps of the donor").count(), 1, "{log}");
    assert!(!log.contains("others.example") && !log.contains("mine.example"), "{log}");
    installation.ok(&["advance", "24h"]);
    assert_eq!(hand_on("guess@others.example").0, 422, "a new day has a new budget");
    server.stop();
}

#[test]
fn a_donor_leaves_by_itself_or_by_the_operator() {
    let installation = Installation::new();
    let server = installation.start();
    let terms = ["--gives-domains", "true", "--silence-believed", "true"];
    let (isp, other) = (installation.donor("isp", &terms), installation.donor("other", &terms));
    installation.feed("POST", &isp, "text/plain", &format!("mine.example {SILENT}\nshared.example {SILENT}"));
    installation.feed("POST", &other, "text/plain", &format!("shared.example {SILENT}"));
    let query = "?recipient=x@mine.example&client=198.18.0.25&reverse_path=%3C%3E";
    let message = report("x@mine.example", "u@relay.example", "192.0.2.44", 1);
    let (status, taken) = installation.hand_on(&isp, query, None, &message);
    assert_eq!(status, 202, "{taken}");
    installation.ok(&["advance", "1h"]);
    assert_eq!(installation.counted("198.18.0.25").0, 1);

    let leave = |token: &str, query: &str| {
        let head = format!("DELETE /api/v1/donor{query}");
        installation.request(&head, &[("Authorization", &bearer(token))], b"").0
    };
    for unconfirmed in ["", "?confirm=", "?confirm=other", "?confirm=yes"] {
        assert_eq!(leave(&isp, unconfirmed), 400, "{unconfirmed}");
    }
    assert_eq!(installation.as_donor(&isp).0, 200);
    assert_eq!(leave(&isp, "?confirm=isp"), 204);
    assert_eq!(installation.as_donor(&isp).0, 401, "the token is gone");
    assert_eq!(leave(&isp, "?confirm=isp"), 401);
    assert!(!installation.takes("x@mine.example") && installation.takes("x@shared.example"));
    assert!(!installation.ok(&["donor", "list"]).contains("isp"));
    assert_eq!(installation.counted("198.18.0.25").0, 0);
    // The name comes back with nothing of the old donor: no evidence, and no receipt.
    installation.ok(&["advance", "1h"]);
    let isp = installation.donor("isp", &terms);
    let (_, told) = installation.as_donor(&isp);
    assert_eq!(
        (&told["traps_active"], &told["reports_today"], &told["evidence"]),
        (&0.into(), &0.into(), &"0".into())
    );
    assert_eq!(installation.receipt(&isp, taken["id"].as_str().unwrap()).0, 404);
    assert!(installation.own_traps(&isp).is_empty());

    let told = installation.ok(&["donor", "leave", "isp", "--why", "a test"]);
    assert!(told.starts_with("done: journal entry"), "{told}");
    assert_eq!(installation.as_donor(&isp).0, 401);
    for wrong in ["isp", "own", "nobody"] {
        let failed = installation.run(&["donor", "leave", wrong, "--why", "a test"]);
        assert!(!failed.status.success(), "{wrong}: {failed:?}");
    }
    assert_eq!(installation.own_traps(&other).len(), 1);
    server.stop();
    let server = installation.start();
    assert_eq!(installation.as_donor(&isp).0, 401);
    assert!(installation.takes("x@shared.example"));
    server.stop();
}
