//! The replies of the trap beside those of a real Postfix: a client must not learn that the host is a trap.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::lab::{CLEAN, Lab, TRAP};
use crate::postfix::{LIKE, Role};

/// Sessions that the same client has with both hosts. Each line is sent with CR LF behind it and gets one
/// reply. `@OWN` stands for the host's own name.
const DIALOGS: [(&str, &[&str]); 18] = [
    (
        "a report",
        &[
            "EHLO relay.test",
            "MAIL FROM:<> SIZE=1000 BODY=8BITMIME",
            "RCPT TO:<anything@trap-one.test>",
            "DATA",
            "Subject: failure\r\n\r\ntext\r\n.",
            "QUIT",
        ],
    ),
    (
        "before a greeting",
        &["MAIL FROM:<>", "RCPT TO:<a@trap-one.test>", "DATA", "NOOP", "RSET", "VRFY a", "QUIT now"],
    ),
    ("greetings", &["HELO", "EHLO", "HELO relay.test", "EHLO [192.0.2.1]", "ehlo x", "LHLO x", "HELO a b"]),
    (
        "unknown commands",
        &[
            "FROBNICATE",
            "HELP",
            "HELP MAIL",
            "EXPN staff",
            "SEND FROM:<>",
            "TURN",
            "XYZ",
            "BURL x",
            "ATRN x",
            "XADR",
        ],
    ),
    (
        "known and not for all",
        &[
            "EHLO relay.test",
            "VRFY postmaster",
            "VRFY",
            "AUTH PLAIN",
            "AUTH",
            "ETRN other.test",
            "ETRN",
            "STARTTLS",
            "STARTTLS x",
        ],
    ),
    (
        "arguments",
        &[
            "EHLO relay.test",
            "RSET x",
            "DATA x",
            "NOOP x",
            "MAIL FROM:<>",
            "RCPT TO:<a@trap-one.test>",
            "DATA x",
            "QUIT x",
        ],
    ),
    (
        "the form of MAIL",
        &[
            "EHLO relay.test",
            "MAIL",
            "MAIL FROM",
            "MAIL TO:<>",
            "MAIL FROM:a@b.test",
            "MAIL FROM:<a@b.test",
            "MAIL FROM:<a b@c.test>",
            "MAIL FROM:<a@b.test>SIZE=1",
            "MAIL FROM:<> RET=HDRS",
            "MAIL FROM:<> FOO=bar",
            "MAIL FROM:<> SIZE=x",
        ],
    ),
    (
        "more forms of MAIL",
        &[
            "EHLO relay.test",
            "MAIL FROM:<> SIZE=99999999999",
            "RSET",
            "MAIL FROM:<> BODY=BINARYMIME",
            "MAIL FROM:<nobody>",
            "RSET",
            "MAIL FROM: <a@b.test> AUTH=<>",
            "RSET",
            "MAIL FROM:<a@@b.test>",
            "RSET",
            "MAIL FROM:<a@b> SMTPUTF8",
        ],
    ),
    (
        "the form of RCPT",
        &[
            "EHLO relay.test",
            "MAIL FROM:<>",
            "RCPT",
            "RCPT TO",
            "RCPT FROM:<a@b.test>",
            "RCPT TO:<>",
            "RCPT TO:<a@@b.test>",
            "RCPT TO:<a@trap-one.test> FOO=bar",
            "RCPT TO:a@trap-one.test",
            "RCPT TO:<a@>",
            "RCPT TO:<a b@stranger.test>",
        ],
    ),
    (
        "more forms of RCPT",
        &[
            "EHLO relay.test",
            "MAIL FROM:<>",
            "RCPT TO:<a@[192.0.2.77]>",
            "RCPT TO:<@x.test:a@stranger.test>",
            "RCPT TO:<a@trap-one.test> NOTIFY=NEVER",
            "RCPT  TO: <a@trap-one.test>",
            "RCPT TO:<A@Trap-One.Test.>",
            "RCPT TO:<\"a b\"@trap-one.test>",
            "rcpt to:<a\u{1}@trap-one.test>",
        ],
    ),
    (
        "recipients that are refused",
        &[
            "EHLO relay.test",
            "MAIL FROM:<>",
            "RCPT TO:<a@stranger.test>",
            "RCPT TO:<postmaster@stranger.test>",
            "RCPT TO:<nosuch@@OWN>",
            "RCPT TO:<nosuch>",
            "DATA",
            "RSET",
            "MAIL FROM:<>",
            "RCPT TO:<postmaster>",
        ],
    ),
    (
        "wrong order",
        &[
            "EHLO relay.test",
            "RCPT TO:<a@trap-one.test>",
            "DATA",
            "BDAT 0 LAST",
            "MAIL FROM:<>",
            "MAIL FROM:<>",
            "XCLIENT ADDR=192.0.2.1",
        ],
    ),
    (
        "chunks",
        &[
            "EHLO relay.test",
            "MAIL FROM:<>",
            "RCPT TO:<a@trap-one.test>",
            "BDAT 3\r\na",
            "RCPT TO:<b@trap-one.test>",
            "DATA",
            "MAIL FROM:<>",
            "BDAT 5 LAST\r\nabc",
            "BDAT x",
        ],
    ),
    (
        "chunks that are refused",
        &[
            "EHLO relay.test",
            "MAIL FROM:<>",
            "RCPT TO:<a@stranger.test>",
            "BDAT 3\r\na",
            "BDAT 3 LAST\r\na",
            "RSET",
            "NOOP",
        ],
    ),
    ("not SMTP", &["GET / HTTP/1.0"]),
    ("no command", &["\u{7f}x"]),
    (
        "no words",
        &[
            "",
            "   ",
            "noop",
            "  NOOP",
            "NOOP \u{1}",
            "HELO a\u{1}b",
            "XCLIENT",
            "XCLIENT ADDR=192.0.2.1",
            "*",
        ],
    ),
    ("before a greeting again", &["AUTH PLAIN", "ETRN x", "XFORWARD ADDR=192.0.2.1", "STARTTLS"]),
];

/// The commands whose replies differ: the dialogue and the command. docs/TAKING-IN.md names them.
const DIFFERENT: [(&str, &str); 0] = [];

/// How long a host may take for a reply.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// The next whole reply, with what differs between any two hosts replaced.
fn reply(stream: &mut BufReader<TcpStream>, own: &str) -> String {
    let mut whole = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return whole + "(closed)";
        }
        whole += &line;
        if line.as_bytes().get(3) != Some(&b'-') {
            break;
        }
    }
    let whole = whole.replace(own, "@OWN");
    match whole.split_once("queued as ") {
        Some((before, id)) => {
            let id = id.trim_end();
            let is_short = (10..=12).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
            format!("{before}queued as {}", if is_short { "ID" } else { id })
        }
        None => whole,
    }
}

/// Plays a dialogue. Returns the greeting and the reply to each command.
fn play(lab: &Lab, address: &str, own: &str, commands: &[&str]) -> Vec<String> {
    let stream = lab.network.connect("outside", CLEAN, address).expect("the host listens");
    stream.set_read_timeout(Some(REPLY_LIMIT)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut replies = vec![reply(&mut stream, own)];
    for command in commands {
        let line = command.replace("@OWN", own) + "\r\n";
        // A host that has closed the connection takes no more.
        let _ = stream.get_mut().write_all(line.as_bytes());
        replies.push(reply(&mut stream, own));
    }
    replies
}

#[test]
fn the_replies_are_those_of_postfix() {
    let Some(lab) = Lab::up("like", &[Role::LikeTrap]) else { return };
    let mut different = Vec::new();
    for (name, commands) in DIALOGS {
        let own = play(&lab, TRAP, "trap.backscatter.example", commands);
        let other = play(&lab, LIKE, "mx.like.test", commands);
        let said = ["(greeting)"].iter().chain(commands);
        for ((said, own), other) in said.zip(own).zip(other) {
            println!("{name}: {said:?} -> {:?}", other.trim_end());
            if own.trim_end() != other.trim_end() {
                println!("    but the trap: {:?}", own.trim_end());
                different.push((name, *said));
            }
        }
        // The trap counts refused recipients by networks.
        lab.advance(3);
    }
    // A line of 5,000 octets is executed by its beginning.
    let long = format!("NOOP {}", "x".repeat(5_000));
    let own = play(&lab, TRAP, "trap.backscatter.example", &[&long, "NOOP"]);
    assert_eq!(own, play(&lab, LIKE, "mx.like.test", &[&long, "NOOP"]));
    assert_eq!(different, DIFFERENT, "the differences in the replies");
}
