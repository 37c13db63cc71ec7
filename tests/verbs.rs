//! Tests of the command line, with a running daemon and without one.

use std::fs;

use serde_json::Value;

use crate::support::server::Installation;

#[test]
fn the_verbs_do_the_same_with_a_daemon_and_without() {
    let with = Installation::new();
    let without = Installation::new();
    let server = with.start();
    for installation in [&with, &without] {
        assert!(
            installation
                .ok(&[
                    "trap",
                    "add",
                    "trap.example",
                    "--silent-since",
                    "2025-01-01T00:00:00Z",
                    "--donor",
                    "isp-1"
                ])
                .starts_with("done: journal entry ")
        );
        installation.ok(&["trap", "add", "bait@other.example", "--silent-since", "2025-01-01T00:00:00Z"]);
        let list = installation.ok(&["trap", "list"]);
        assert_eq!(list.lines().count(), 2, "{list}");
        assert!(list.contains("isp-1") && list.contains("domain ") && list.contains("address"));
        assert!(!list.contains("trap.example") && !list.contains("bait"), "the list reveals a trap: {list}");

        assert!(installation.ok(&["trap", "retire", "trap.example"]).starts_with("done"));
        let again = installation.run(&["trap", "retire", "trap.example"]);
        assert_eq!(again.status.code(), Some(66), "the trap is already retired");
        let key = list
            .lines()
            .find(|line| line.contains("address"))
            .and_then(|line| line.split(' ').next())
            .unwrap();
        installation.ok(&["trap", "retire", key]);
        assert_eq!(installation.ok(&["trap", "list"]).matches("retired").count(), 2);

        for wrong in ["nodots", "a b@trap.example", "@trap.example", "tr@p@"] {
            assert_eq!(
                installation
                    .run(&["trap", "add", wrong, "--silent-since", "2025-01-01T00:00:00Z"])
                    .status
                    .code(),
                Some(65),
                "{wrong}"
            );
        }
        assert!(installation.ok(&["lookup", "9.9.9.9"]).starts_with("9.9.9.9 is not listed\n"));
        assert!(installation.ok(&["lookup", "127.0.0.2"]).contains("special-purpose: loopback"));
        assert_eq!(installation.run(&["lookup", "nonsense"]).status.code(), Some(65));
        let unknown = installation.ok(&["explain", "9.9.9.9"]);
        assert!(unknown.contains("no evidence and no listing within the horizon"), "{unknown}");
        assert!(installation.ok(&["remove", "9.9.9.9"]).starts_with("done"));
    }
    let beside = with.ok(&["replay"]);
    assert!(
        beside.contains("bl.backscatter.example. serial "),
        "the daemon did not replay its journal: {beside}"
    );
    assert_eq!(beside.lines().last(), with.ok(&["replay", "--from-checkpoint"]).lines().last());
    server.stop();
    assert_eq!(with.ok(&["replay"]), beside, "the replay differs without the daemon");
    let empty = Installation::new();
    for verb in [&["replay"][..], &["lookup", "9.9.9.9"], &["explain", "9.9.9.9"], &["trap", "list"]] {
        assert_eq!(
            empty.run(verb).status.code(),
            Some(66),
            "a verb that reads must not create a journal: {verb:?}"
        );
    }
    assert!(!empty.path().join("journal").exists());
}

#[test]
fn an_error_shows_what_was_typed() {
    let installation = Installation::new();
    let server = installation.start();
    for typed in ["foo", "a/b?c=%41&d", "münster #1", "::g", ".."] {
        let shown = format!("{typed:?}");
        for verb in [
            &["explain", typed][..],
            &["lookup", typed],
            &["notice", typed, "--from", "a@b.example", "--to", "a@c.example"],
            &["remove", typed],
            &["audit", typed],
        ] {
            let wrong = installation.run(verb);
            assert_eq!(wrong.status.code(), Some(65), "{verb:?}: {wrong:?}");
            let told = String::from_utf8(wrong.stderr).unwrap();
            assert!(told.contains(&shown), "{verb:?}: {told}");
        }
    }
    server.stop();
}

#[test]
fn explain_tells_the_whole_way_by_rule() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.ok(&["trap", "add", "trap-two.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.make_case("198.18.0.25");
    let text = installation.ok(&["explain", "198.18.0.25"]);
    for part in [
        "answers: 127.0.0.34",
        "completed the case",
        "2 trap domains",
        "3 networks the forged mail came from",
        "does not count",
        "policy ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("trap-one") && !text.contains("trap-two"));
    let json: Value = serde_json::from_str(&installation.ok(&["explain", "--json", "198.18.0.25"])).unwrap();
    let code = &json["zones"][0]["codes"][0];
    assert_eq!(code["rules"].as_array().unwrap().len(), backscatterd::score::RULES.len());
    assert!(!code["listing"]["evidence"].as_array().unwrap().is_empty());
    assert_eq!(code["evidence"].as_array().unwrap().len(), 6);
    assert!(installation.ok(&["lookup", "198.18.0.25"]).contains("is listed"));
    server.stop();
    // The explanation without the daemon has as many lines.
    assert_eq!(installation.ok(&["explain", "198.18.0.25"]).lines().count(), text.lines().count());
}

#[test]
fn rfc5321_s2_operator_mail_goes_to_the_maildir_and_never_scores() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    for to in ["postmaster@trap-one.example", "abuse@trap-one.example", "postmaster"] {
        assert!(
            smtp.deliver("someone@example.org", to, "Subject: hello\n\nto the operator")
                .unwrap()
                .starts_with("250")
        );
    }
    let new = installation.path().join("operator/new");
    let mail: Vec<_> =
        fs::read_dir(new).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert_eq!(mail.len(), 3);
    assert!(mail.iter().all(|mail| mail.contains("to the operator")));
    let explained = installation.ok(&["explain", "198.18.0.25"]);
    assert!(explained.contains("no evidence and no listing"), "{explained}");
    server.stop();
}

#[test]
fn a_closed_connection_at_every_point_costs_nothing() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    let dialogue =
        "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap-one.example>\r\nDATA\r\nSubject: x\r\n\r\ntext\r\n.\r\n";
    for cut in 0..dialogue.len() {
        let mut smtp = installation.smtp().unwrap();
        smtp.send(&dialogue.as_bytes()[..cut]).unwrap();
    }
    let mut smtp = installation.smtp().unwrap();
    smtp.say("EHLO a").unwrap();
    assert!(smtp.deliver("", "a@trap-one.example", "still here").unwrap().starts_with("250"));
    let metrics = installation.metrics();
    assert!(
        metrics.contains("backscatterd_messages_total{outcome=\"durable\"} 1"),
        "only the complete message counts: {metrics}"
    );
    server.stop();
}

#[test]
fn a_proxy_header_counts_only_on_its_own_port_and_must_be_whole() {
    let installation = Installation::new();
    let server = installation.start();
    use std::io::{Read, Write};
    for garbage in [&b"EHLO early\r\n"[..], b"PROXY TCP4 1.2.3.4 nobody 1 2\r\n", &[0x0d; 12], &[0xff; 2_000]]
    {
        let mut stream = std::net::TcpStream::connect(installation.smtp_proxy_address()).unwrap();
        stream.write_all(garbage).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let mut heard = Vec::new();
        // The server closes the connection without a reply, or resets it because octets are unread.
        let _ = stream.read_to_end(&mut heard);
        assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    }
    let mut smtp = installation.smtp_from("2001:db8::25").unwrap();
    assert!(smtp.say("EHLO a").unwrap().starts_with("250"));
    // A header of version 1, with the client's first commands in the same write.
    let mut stream = std::net::TcpStream::connect(installation.smtp_proxy_address()).unwrap();
    stream.write_all(b"PROXY TCP4 198.18.0.25 192.0.2.1 4711 25\r\nEHLO a\r\nQUIT\r\n").unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.starts_with("220 ") && heard.contains("\r\n221 "), "{heard}");
    server.stop();
}

#[test]
fn classify_reads_files_folders_and_mbox() {
    let installation = Installation::new();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
    let one = fs::read(format!("{samples}/qmail/handwritten-network.eml")).unwrap();
    let two = fs::read(format!("{samples}/rfc3464/exim-4.96-success.eml")).unwrap();
    let separator = b"From MAILER-DAEMON Mon Nov 23 20:24:01 2026\n".to_vec();
    let mbox = [&separator[..], &one, b"\n", &separator, &two].concat();
    fs::write(installation.path().join("mbox"), mbox).unwrap();
    let mbox = installation.path().join("mbox");
    let lines = installation.ok(&["classify", "--json", mbox.to_str().unwrap(), samples]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&lines[0]["kind"], &lines[1]["kind"]),
        (&Value::from("nonstandard-ndr"), &Value::from("dsn-success"))
    );
    assert!(lines[1]["path"].as_str().unwrap().ends_with("mbox#2"));
    assert!(lines.len() > 30, "the folder of samples was not read");
    for field in [
        "path",
        "kind",
        "format",
        "original_sender",
        "final_recipients",
        "reporting_mta",
        "action",
        "status",
        "injector",
        "reasons",
    ] {
        assert!(lines.iter().all(|line| line.get(field).is_some()), "{field}");
    }
    assert_eq!(installation.run(&["classify", "/nowhere"]).status.code(), Some(66));
    let text = installation.ok(&[
        "classify",
        "--reverse-path",
        "<>",
        "--trap",
        "sales@trap.example",
        &format!("{samples}/rfc3464/postfix-3.7-trap-bernd.eml"),
    ]);
    assert!(text.contains("the original's sender is the address that received the report"), "{text}");
}

#[test]
fn a_verb_without_a_daemon_leaves_the_zones_as_they_are() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.ok(&["trap", "add", "trap-two.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.make_case("198.18.0.25");
    server.stop();
    let zone = installation.path().join("zones/backscatter.toml");
    let other = fs::read_to_string(&zone).unwrap().replace("origin = \"bl.", "origin = \"bl2.");
    fs::write(&zone, other).unwrap();
    assert!(
        installation.ok(&["lookup", "198.18.0.25"]).contains("is listed"),
        "a verb changed the zones; only serve adopts and withdraws them"
    );
}

#[test]
fn s11_a_notice_is_a_feedback_report_without_a_trap() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.ok(&["trap", "add", "trap-two.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    let arguments = ["notice", "198.18.0.25", "--from", "desk@list.example", "--to", "abuse@relay.example"];
    assert_eq!(
        installation.run(&arguments).status.code(),
        Some(66),
        "there is no notice for an address that is not listed"
    );
    installation.make_case("198.18.0.25");
    let notice = installation.ok(&arguments);
    let once =
        |field: &str| assert_eq!(notice.matches(&format!("\n{field}: ")).count(), 1, "{field}: {notice}");
    ["Feedback-Type", "User-Agent", "Version", "Source-IP", "Arrival-Date", "Auto-Submitted"]
        .into_iter()
        .for_each(once);
    assert!(
        notice.contains("report-type=feedback-report") && notice.contains("\nSource-IP: 198.18.0.25\n"),
        "{notice}"
    );
    assert!(
        notice.contains("Auto-Submitted: auto-generated") && notice.starts_with("From: desk@list.example\n")
    );
    for secret in ["trap-one", "trap-two", "u1@", "192.0.2.44"] {
        assert!(!notice.contains(secret), "{secret} in {notice}");
    }
    // The classifier recognises the notice.
    let file = installation.path().join("notice.eml");
    fs::write(&file, &notice).unwrap();
    assert!(installation.ok(&["classify", file.to_str().unwrap()]).contains("feedback-report"));
    server.stop();
}
