//! The dialogue with one host: a state machine that takes replies and says what to do next.
//!
//! One command at a time, so that every reply belongs to the command before it. It says EHLO, HELO,
//! STARTTLS, MAIL, RCPT, RSET and QUIT, and nothing else. Each transaction has one recipient: many
//! servers refuse a second one from the null reverse-path, because a report has one recipient (RFC
//! 3464 §2), and that refusal would look like one of the name.

use super::conclusion::{HostReplies, NAMES};
use super::finding::Unanswered;
use super::names::made_up_names;
use super::reply::ServerReply;
use super::request::VerifyRequest;
use super::stance::RecipientStance;

/// Longest part of a reply that is kept, in octets.
const QUOTE_OCTETS_MAX: usize = 200;

/// What is said in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The name in EHLO and HELO.
    pub ehlo: String,
    /// The address that must exist (RFC 5321 §4.5.1).
    pub control: String,
    /// Addresses that do not exist.
    pub names: [String; NAMES],
}

/// Whether a session uses STARTTLS (RFC 3207).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// If the server offers it.
    IfOffered,
    /// Not, because a handshake with this server failed.
    Never,
}

/// What the session does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextAct {
    /// Sends this line, with its end, and reads one reply.
    Say(String),
    /// Begins TLS, then calls [`Dialogue::secured`].
    BeginTls,
    /// Closes the connection.
    Close,
}

/// The question to which the next reply belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// The transaction about this recipient.
    Mail(AskedRecipient),
    Recipient(AskedRecipient),
    Reset(AskedRecipient),
    Quit,
}

/// The recipient of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedRecipient {
    Control,
    Name(usize),
}

/// The dialogue with one host.
#[derive(Clone, Debug)]
pub struct Dialogue {
    script: Script,
    start_tls: StartTls,
    asked: Asked,
    replies: HostReplies,
    quotes: Vec<String>,
}

impl Script {
    /// The script for a request.
    pub fn new(ehlo: &str, request: &VerifyRequest) -> Self {
        let at = |local: &str| format!("{local}@{}", request.domain.as_str());
        Script {
            ehlo: ehlo.to_owned(),
            control: at("postmaster"),
            names: made_up_names(request.seed).map(|name| at(&name)),
        }
    }
}

impl Dialogue {
    /// A dialogue before the server's greeting.
    pub fn new(script: Script, start_tls: StartTls) -> Self {
        Dialogue {
            script,
            start_tls,
            asked: Asked::Greeting,
            replies: HostReplies::default(),
            quotes: Vec::new(),
        }
    }

    /// Takes the server's reply.
    pub fn reply(&mut self, reply: &ServerReply) -> NextAct {
        if reply.code == 421 && self.asked != Asked::Quit {
            return self.close(reply, Unanswered::Deferred);
        }
        match self.asked {
            Asked::Greeting => self.greeted(reply),
            Asked::Ehlo => self.said_hello(reply),
            Asked::Helo => match reply.code {
                250 => self.say_mail(),
                _ => self.give_up(reply),
            },
            Asked::StartTls => match reply.code {
                220 => NextAct::BeginTls,
                // The server cannot use TLS now (RFC 3207 §4).
                400..=599 => self.say_mail(),
                _ => self.give_up(reply),
            },
            Asked::Mail(recipient) => match reply.code {
                250 => self.say(Asked::Recipient(recipient)),
                _ => self.give_up(reply),
            },
            Asked::Recipient(recipient) => self.answered(recipient, reply),
            Asked::Reset(recipient) => self.was_reset(recipient, reply),
            Asked::Quit => NextAct::Close,
        }
    }

    /// Goes on after TLS has begun. The server forgot everything said before (RFC 3207 §4.2).
    pub fn secured(&mut self) -> NextAct {
        self.start_tls = StartTls::Never;
        self.say(Asked::Ehlo)
    }

    /// Ends the dialogue because of something that is not a reply. What was replied before counts.
    pub fn end(&mut self, why: Unanswered) {
        self.replies.ended.get_or_insert(why);
    }

    /// Ends the dialogue because the server sent something before it was asked. Then no reply can be
    /// told to belong to its command, so none counts.
    pub fn spoken_early(&mut self) {
        self.replies = HostReplies::none(Unanswered::Nonsense);
        self.quotes = vec!["the host sent something before it was asked".to_owned()];
    }

    /// The replies, and quotes of them for people.
    pub fn into_replies(self) -> (HostReplies, Vec<String>) {
        (self.replies, self.quotes)
    }

    fn greeted(&mut self, reply: &ServerReply) -> NextAct {
        match reply.code {
            220 => self.say(Asked::Ehlo),
            // The server does not want this client, or accepts no mail at all (RFC 7504).
            _ => self.give_up(reply),
        }
    }

    fn said_hello(&mut self, reply: &ServerReply) -> NextAct {
        match reply.code {
            250 if self.start_tls == StartTls::IfOffered && reply.offers("STARTTLS") => {
                self.say(Asked::StartTls)
            }
            250 => self.say_mail(),
            // RFC 5321 §3.2: a server without EHLO.
            500..=599 => self.say(Asked::Helo),
            _ => self.give_up(reply),
        }
    }

    fn answered(&mut self, recipient: AskedRecipient, reply: &ServerReply) -> NextAct {
        let stance = Some(RecipientStance::of(reply));
        match recipient {
            AskedRecipient::Control => self.replies.control = stance,
            AskedRecipient::Name(nth) => self.replies.names[nth] = stance,
        }
        self.quote(self.place(), reply);
        self.say(Asked::Reset(recipient))
    }

    /// Goes on with the next recipient, if the server still listens and there is one.
    fn was_reset(&mut self, recipient: AskedRecipient, reply: &ServerReply) -> NextAct {
        let next = match recipient {
            AskedRecipient::Control => 0,
            AskedRecipient::Name(nth) => nth + 1,
        };
        // A server that refuses this client says nothing about recipients.
        if next == NAMES || self.replies.control == Some(RecipientStance::AboutUs) {
            self.say(Asked::Quit)
        } else if reply.code == 250 {
            self.say(Asked::Mail(AskedRecipient::Name(next)))
        } else {
            self.give_up(reply)
        }
    }

    fn say_mail(&mut self) -> NextAct {
        self.say(Asked::Mail(AskedRecipient::Control))
    }

    fn say(&mut self, next: Asked) -> NextAct {
        self.asked = next;
        NextAct::Say(match next {
            Asked::Ehlo => format!("EHLO {}\r\n", self.script.ehlo),
            Asked::Helo => format!("HELO {}\r\n", self.script.ehlo),
            Asked::StartTls => "STARTTLS\r\n".to_owned(),
            Asked::Mail(_) => "MAIL FROM:<>\r\n".to_owned(),
            Asked::Recipient(AskedRecipient::Control) => format!("RCPT TO:<{}>\r\n", self.script.control),
            Asked::Recipient(AskedRecipient::Name(nth)) => {
                format!("RCPT TO:<{}>\r\n", self.script.names[nth])
            }
            Asked::Reset(_) => "RSET\r\n".to_owned(),
            // Nothing is said before the greeting.
            Asked::Greeting | Asked::Quit => "QUIT\r\n".to_owned(),
        })
    }

    /// Ends the dialogue in good order, because a reply allows no further question.
    fn give_up(&mut self, reply: &ServerReply) -> NextAct {
        let why = match reply.code {
            400..=499 => Unanswered::Deferred,
            500..=504 => Unanswered::Nonsense,
            505..=599 => Unanswered::AboutUs,
            _ => Unanswered::Nonsense,
        };
        self.end(why);
        self.quote(self.place(), reply);
        self.say(Asked::Quit)
    }

    /// Ends the dialogue because the server closes the connection.
    fn close(&mut self, reply: &ServerReply, why: Unanswered) -> NextAct {
        self.end(why);
        self.quote(self.place(), reply);
        NextAct::Close
    }

    /// What the next reply answers, for people.
    const fn place(&self) -> &'static str {
        match self.asked {
            Asked::Greeting => "the connection",
            Asked::Ehlo => "EHLO",
            Asked::Helo => "HELO",
            Asked::StartTls => "STARTTLS",
            Asked::Mail(_) => "MAIL FROM:<>",
            Asked::Recipient(AskedRecipient::Control) => "postmaster",
            Asked::Recipient(AskedRecipient::Name(_)) => "a made-up name",
            Asked::Reset(_) => "RSET",
            Asked::Quit => "QUIT",
        }
    }

    fn quote(&mut self, place: &str, reply: &ServerReply) {
        let text = reply.text();
        let text = &text[..text.floor_char_boundary(QUOTE_OCTETS_MAX)];
        self.quotes.push(format!("{place}: {} {text}", reply.code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::evidence::AskedSide;
    use crate::verify::finding::Finding;
    use crate::verify::request::AskedDomain;

    fn script() -> Script {
        let request = VerifyRequest {
            relay: "9.9.8.25".parse().unwrap(),
            domain: AskedDomain::parse("relay.example").unwrap(),
            side: AskedSide::Relay,
            seed: Digest::of(b"seed"),
        };
        Script::new("verify.example.org", &request)
    }

    fn reply(text: &str) -> ServerReply {
        let lines: Vec<&str> = text.split('|').collect();
        ServerReply {
            code: lines[0][..3].parse().unwrap(),
            lines: lines.iter().map(|line| line[4..].to_owned()).collect(),
        }
    }

    /// The verbs that the dialogue says to a server with these replies, and the finding.
    fn run(start_tls: StartTls, replies: &[&str]) -> (String, Finding) {
        let mut dialogue = Dialogue::new(script(), start_tls);
        let mut verbs = Vec::new();
        for text in replies {
            let mut act = dialogue.reply(&reply(text));
            if act == NextAct::BeginTls {
                verbs.push("(tls)".to_owned());
                act = dialogue.secured();
            }
            match act {
                NextAct::Say(line) => {
                    let line = line.strip_suffix("\r\n").expect("a line with its end");
                    assert!(!line.contains(['\r', '\n']), "{line:?}");
                    verbs.push(line.split(' ').next().unwrap_or_default().to_owned());
                }
                NextAct::Close => verbs.push("(close)".to_owned()),
                NextAct::BeginTls => unreachable!("TLS has begun"),
            }
        }
        (verbs.join(" "), dialogue.into_replies().0.finding())
    }

    /// The verbs about all recipients, and the end.
    const ALL_SAID: &str = "MAIL RCPT RSET MAIL RCPT RSET MAIL RCPT RSET QUIT (close)";

    /// Replies to the commands about all recipients, and to QUIT.
    fn about_all(control: &'static str, one: &'static str, other: &'static str) -> Vec<&'static str> {
        let replies = [control, one, other].into_iter().flat_map(|reply| ["250 x", reply, "250 x"]);
        replies.chain(["221 x"]).collect()
    }

    #[test]
    fn the_lines_of_a_whole_dialogue() {
        let mut dialogue = Dialogue::new(script(), StartTls::Never);
        let mut said = String::new();
        let start = ["220 hi", "250 hi"];
        for text in start.into_iter().chain(about_all("250 ok", "550 no", "550 no")) {
            if let NextAct::Say(line) = dialogue.reply(&reply(text)) {
                said.push_str(&line);
            }
        }
        let [one, other] = script().names;
        let recipients = ["postmaster@relay.example", &one, &other];
        let asked = recipients.map(|recipient| format!("MAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\nRSET\r\n"));
        assert_eq!(said, format!("EHLO verify.example.org\r\n{}QUIT\r\n", asked.concat()));
        assert!(one.ends_with("@relay.example") && one != other);
        let (_, quotes) = dialogue.into_replies();
        assert_eq!(quotes, ["postmaster: 250 ok", "a made-up name: 550 no", "a made-up name: 550 no"]);
    }

    #[test]
    fn the_table_of_recipients() {
        for (replies, expected) in [
            (about_all("250 x", "550 5.1.1 x", "550 5.1.1 x"), Finding::RefusesUnknown),
            (about_all("250 x", "250 x", "250 x"), Finding::TakesAll),
            (about_all("550 x", "550 x", "550 x"), Finding::Refuses),
            (about_all("450 x", "450 x", "450 x"), Finding::NoAnswer(Unanswered::Deferred)),
        ] {
            let all = [vec!["220 x", "250 x"], replies].concat();
            assert_eq!(run(StartTls::IfOffered, &all), (format!("EHLO {ALL_SAID}"), expected), "{all:?}");
            let old = [vec!["220 x", "502 x", "250 x"], all[2..].to_vec()].concat();
            assert_eq!(
                run(StartTls::IfOffered, &old),
                (format!("EHLO HELO {ALL_SAID}"), expected),
                "{old:?}"
            );
        }
    }

    #[test]
    fn the_table_of_dialogues_that_end_early() {
        let no = Finding::NoAnswer;
        for (replies, verbs, expected) in [
            (&["220 x", "550 x", "550 x", "221 x"][..], "EHLO HELO QUIT (close)", no(Unanswered::AboutUs)),
            (&["220 x", "500 x", "500 x", "221 x"], "EHLO HELO QUIT (close)", no(Unanswered::Nonsense)),
            (&["220 x", "450 x", "221 x"], "EHLO QUIT (close)", no(Unanswered::Deferred)),
            (&["554 no mail from you", "221 x"], "QUIT (close)", no(Unanswered::AboutUs)),
            (&["521 no mail", "221 x"], "QUIT (close)", no(Unanswered::AboutUs)),
            (&["450 x", "221 x"], "QUIT (close)", no(Unanswered::Deferred)),
            (&["421 x"], "(close)", no(Unanswered::Deferred)),
            (&["250 x", "221 x"], "QUIT (close)", no(Unanswered::Nonsense)),
            (&["220 x", "250 x", "550 x", "221 x"], "EHLO MAIL QUIT (close)", no(Unanswered::AboutUs)),
            (&["220 x", "250 x", "530 x", "221 x"], "EHLO MAIL QUIT (close)", no(Unanswered::AboutUs)),
            (&["220 x", "250 x", "354 x", "221 x"], "EHLO MAIL QUIT (close)", no(Unanswered::Nonsense)),
            (
                &["220 x", "250 x", "250 x", "530 x", "250 x", "221 x"],
                "EHLO MAIL RCPT RSET QUIT (close)",
                no(Unanswered::AboutUs),
            ),
            (
                &["220 x", "250 x", "250 x", "250 x", "500 x", "221 x"],
                "EHLO MAIL RCPT RSET QUIT (close)",
                no(Unanswered::Nonsense),
            ),
            (
                &["220 x", "250 x", "250 x", "250 x", "250 x", "450 too many", "221 x"],
                "EHLO MAIL RCPT RSET MAIL QUIT (close)",
                no(Unanswered::Deferred),
            ),
            (
                &["220 x", "250 x", "250 x", "250 x", "250 x", "250 x", "550 x", "421 too many errors"],
                "EHLO MAIL RCPT RSET MAIL RCPT RSET (close)",
                Finding::RefusesUnknown,
            ),
            (
                &["220 x", "250 x", "250 x", "250 x", "250 x", "250 x", "421 x"],
                "EHLO MAIL RCPT RSET MAIL RCPT (close)",
                no(Unanswered::Deferred),
            ),
        ] {
            assert_eq!(run(StartTls::IfOffered, replies), (verbs.to_owned(), expected), "{replies:?}");
        }
    }

    #[test]
    fn rfc3207_tls_is_used_once_if_it_is_offered() {
        let offer = "250-x|250 STARTTLS";
        let rest = about_all("250 x", "550 x", "550 x");
        for (start_tls, start, said) in [
            (StartTls::IfOffered, &["220 x", offer, "220 go", offer][..], "EHLO STARTTLS (tls) EHLO"),
            (StartTls::IfOffered, &["220 x", offer, "454 not now"], "EHLO STARTTLS"),
            (StartTls::IfOffered, &["220 x", "250 x"], "EHLO"),
            (StartTls::Never, &["220 x", offer], "EHLO"),
        ] {
            let (verbs, finding) = run(start_tls, &[start, &rest].concat());
            assert_eq!((verbs, finding), (format!("{said} {ALL_SAID}"), Finding::RefusesUnknown));
        }
    }

    #[test]
    fn a_server_that_speaks_early_has_said_nothing() {
        let mut dialogue = Dialogue::new(script(), StartTls::Never);
        for text in ["220 x", "250 x"].into_iter().chain(about_all("250 x", "550 x", "550 x")) {
            dialogue.reply(&reply(text));
        }
        dialogue.spoken_early();
        assert_eq!(dialogue.into_replies().0.finding(), Finding::NoAnswer(Unanswered::Nonsense));
    }

    #[test]
    fn a_long_reply_is_quoted_in_part() {
        let mut dialogue = Dialogue::new(script(), StartTls::Never);
        for text in ["220 x", "250 x", "250 x", &format!("550 {}", "ü".repeat(5_000))] {
            dialogue.reply(&reply(text));
        }
        let (_, quotes) = dialogue.into_replies();
        assert!(quotes.iter().all(|quote| quote.len() < 300), "{quotes:?}");
    }
}
