//! A message as the formats see it: what it shows of their signals, and what any report shows whatever its format.

use memchr::memchr3;

use super::formats::{FORMATS, Shown};
use super::original::Original;
use super::recipients::{self, Named};
use super::signal::{self, Common, Found};
use super::{Session, reply};
use crate::mail::{Header, Mailbox, Message, text_lines};

/// What formats judge.
pub struct Reading<'m> {
    pub(super) message: &'m Message,
    /// The report's own words, as they stand.
    pub(super) words: &'m str,
    /// The same with every run of white space as one space.
    pub(super) line: String,
    pub(super) from: Option<Mailbox>,
    pub(super) original: Option<Original<'m>>,
    /// Recipients that the words name.
    pub(super) named: Vec<Named>,
    pub(super) signs: Signs,
    shown: Found,
}

/// What reports have in common, whatever their format.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// Sent from the null reverse-path.
    pub null_path: bool,
    /// Written in the name of a mail system, or typed as only such a system types.
    pub mail_system: bool,
    /// Written in the name of a program that may be a mail system.
    pub program: bool,
    /// Written by what takes no mail, MAILER-DAEMON above all, and not by a postmaster, who may be a person.
    pub daemon: bool,
    /// An original is returned, or a copy of it is announced.
    pub copy: bool,
    /// A recipient stands apart in the words, as in a list of those that failed.
    pub recipients: bool,
    /// The words quote an SMTP reply or an enhanced status code.
    pub reply: bool,
    /// Posted to a mailing list, or sent to many.
    pub list_post: bool,
}

impl<'m> Reading<'m> {
    pub(super) fn new(message: &'m Message, session: &'m Session) -> Self {
        let words = message.words().find(|words| !words.trim_ascii().is_empty()).unwrap_or_default();
        let line = one_line(words);
        let header = &message.header;
        let subject = header.decoded("Subject").unwrap_or_default();
        let original = message.original().map(Original::read);
        let from = header.field("From").and_then(Mailbox::find);
        let shown = signal::show(header, &line, &subject);
        let named = recipients::in_words(words, original.as_ref(), session, from.as_ref());
        let signs = Signs {
            null_path: session.reverse_path.as_ref().is_some_and(|path| path.is_null()),
            mail_system: names_mail_system(header) || is_typed_report(message),
            program: from.as_ref().is_some_and(|from| {
                let local = from.local().to_ascii_lowercase();
                PROGRAM_LOCAL_PARTS.iter().any(|program| local.starts_with(program))
            }),
            daemon: is_typed_report(message)
                || header.field("From").is_some_and(|from| signal::contains(from, "daemon")),
            copy: original.is_some() || message.announces_copy(),
            recipients: named.iter().any(|named| named.apart),
            reply: reply::quoted(&line),
            list_post: is_list_post(header),
        };
        Reading { message, words, line, from, original, named, signs, shown }
    }

    pub(super) fn shown(&self, format: usize) -> Shown {
        Shown { signals: FORMATS[format].signals, bits: self.shown.of(format) }
    }

    pub(super) fn says(&self, common: Common) -> bool {
        self.shown.says(common)
    }

    pub(super) fn header(&self) -> &'m Header {
        &self.message.header
    }

    /// The rest of the line behind a phrase in the report's own words, up to white space.
    pub(super) fn word_behind(&self, phrase: &str) -> Option<&str> {
        let at = find(&self.line, phrase)?;
        self.line[at + phrase.len()..].split_whitespace().next()
    }

    /// A host's name that stands behind a phrase.
    pub(super) fn host_behind(&self, phrase: &str) -> Option<String> {
        let host = self.word_behind(phrase)?.trim_end_matches(['.', ',', ';', ':', ')']);
        let sound =
            host.contains('.') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        sound.then(|| host.to_ascii_lowercase())
    }
}

/// Where a phrase stands, whatever its case.
pub(super) fn find(text: &str, phrase: &str) -> Option<usize> {
    let phrase = phrase.as_bytes();
    text.as_bytes().windows(phrase.len()).position(|window| window.eq_ignore_ascii_case(phrase))
}

fn one_line(words: &str) -> String {
    let mut one = String::with_capacity(words.len());
    let mut add = |words: &str| {
        if !one.is_empty() && !words.is_empty() {
            one.push(' ');
        }
        one.push_str(words);
    };
    for line in text_lines(words) {
        let line = line.trim_ascii();
        // Most lines are so already, which is told sooner than their words are taken apart.
        if memchr3(b'\t', b'\r', b'\x0c', line.as_bytes()).is_none() && !line.contains("  ") {
            add(line);
        } else {
            line.split_ascii_whitespace().for_each(&mut add);
        }
    }
    one
}

/// Local parts in whose name mail systems write.
const SYSTEM_LOCAL_PARTS: [&str; 17] = [
    "mailer-daemon",
    "mailerdaemon",
    "postmaster",
    "mdaemon",
    "mail.delivery.system",
    "mail-daemon",
    "maildaemon",
    "mailer_daemon",
    "system administrator",
    "double-bounce",
    "microsoftexchange329e",
    "imss",
    "post_master",
    "poostmaster",
    "mmdf",
    "mail-router",
    "smtpgateway",
];
/// Local parts in whose name programs write, mail systems among them.
const PROGRAM_LOCAL_PARTS: [&str; 12] = [
    "administrator",
    "sysadmin",
    "root",
    "uucp",
    "mailer",
    "smtp",
    "noreply",
    "no-reply",
    "bounce",
    "admin",
    "router",
    "postoffice",
];
/// Names that mail systems give themselves.
const SYSTEM_NAMES: [&str; 12] = [
    "mail delivery system",
    "mail delivery subsystem",
    "mail delivery service",
    "mailer-daemon",
    "mailer daemon",
    "delivery subsystem",
    "system administrator",
    "systemadministrator",
    "mail administrator",
    "content-filter at ",
    "mail deliver system",
    "internet mail delivery",
];

fn is_list_post(header: &Header) -> bool {
    let named = ["List-Id", "List-Post", "List-Unsubscribe", "X-BeenThere", "X-Mailing-List"];
    let precedence = header.field("Precedence").is_some_and(|value| value.eq_ignore_ascii_case("list"));
    precedence || named.iter().any(|name| header.field(name).is_some())
}

/// Whether a message says by its type that it is a delivery report (RFC 6522 §3).
fn is_typed_report(message: &Message) -> bool {
    message.parts.first().is_some_and(|part| part.report_type.as_deref() == Some("delivery-status"))
}

fn names_mail_system(header: &Header) -> bool {
    let Some(from) = header.field("From") else { return false };
    let from = from.to_ascii_lowercase();
    // Nobody: as a null reverse-path, where it is written into the header.
    if from.trim() == "<>" {
        return true;
    }
    let local =
        from.rsplit(['<', ' ', '"']).find(|word| word.contains('@')).and_then(|word| word.split('@').next());
    let by_local = |local: &str| SYSTEM_LOCAL_PARTS.iter().any(|system| local.starts_with(system));
    local.is_some_and(by_local)
        || SYSTEM_NAMES.iter().any(|name| from.contains(name))
        || from.trim_matches(['<', '>']).starts_with("mailer-daemon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_white_space_is_one_space() {
        let words =
            ["", " ", "a", " a  b ", "a\r\n\r\nb c\n", "a\tb \x0cc\rd", "ä\n  ö  \nü\u{a0}x", "\n\n a\n"];
        for words in words {
            let expected = words.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(one_line(words), expected, "{words:?}");
        }
    }
}
