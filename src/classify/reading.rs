//! What the formats read of a message: the signals of each format, and the signs that are common to
//! all reports.

use std::cell::OnceCell;

use memchr::memchr3;

use super::cause_signs::CauseSigns;
use super::cleaned_text::without_addresses;
use super::original::ReturnedOriginal;
use super::recipients::NamedRecipient;
use super::report::ReportFields;
use super::search::{FoundSignals, SignalSearch, contains};
use super::session::SessionFacts;
use super::signal::ShownSignals;
use super::statements::{Statement, Statements};
use super::subject_lines::quotes_subject;
use super::{recipients, reply};
use crate::mail::{Header, Mailbox, Message, ReceivedHop, hops, text_lines};

/// A message and what was found in it, as input for the formats.
pub struct MessageReading<'m> {
    /// The message itself.
    pub(super) message: &'m Message,
    /// The first text of the message that is not empty, without a copied original.
    pub(super) words: &'m str,
    /// The same text without lines that quote the original's subject, and with every run of white
    /// space replaced by one space.
    pub(super) line: String,
    /// The address in the From field.
    pub(super) from: Option<Mailbox>,
    /// The Received fields of the message, newest first, without those that trusted hosts wrote.
    pub(super) hops: Vec<ReceivedHop>,
    /// The address in RCPT TO, if it is known.
    pub(super) addressed: Option<&'m Mailbox>,
    /// The returned original, if there is one.
    pub(super) original: Option<ReturnedOriginal<'m>>,
    /// The recipients that the text names.
    pub(super) named: Vec<NamedRecipient>,
    /// The signs that are common to all reports.
    pub(super) signs: ReportSigns,
    shown: FoundSignals,
    /// What the text says. It is looked for when a format first asks, because reports with
    /// machine-readable fields seldom need it.
    said: OnceCell<Statements>,
    chosen: OnceCell<Statements>,
    search: &'m SignalSearch,
}

/// Signs of a report that do not depend on its format.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReportSigns {
    /// The message was sent from the null reverse-path.
    pub null_path: bool,
    /// The Content-Type is that of a delivery report.
    pub typed: bool,
    /// The From field names a mail system, or the Content-Type is that of a delivery report.
    pub mail_system: bool,
    /// The From field names a program that may be a mail system.
    pub program: bool,
    /// The From field names a daemon, such as MAILER-DAEMON, or the Content-Type is that of a
    /// delivery report. A postmaster is not one, because that may be a person.
    pub daemon: bool,
    /// The message returns the original, or announces a copy of it.
    pub copy: bool,
    /// The text names a recipient set apart, as in a list of failed recipients.
    pub recipients: bool,
    /// The text quotes an SMTP reply or an enhanced status code.
    pub reply: bool,
    /// The text quotes a permanent negative reply or a status code of class 5.
    pub refusal: bool,
    /// The message was posted to a mailing list.
    pub list_post: bool,
}

impl<'m> MessageReading<'m> {
    /// Reads a message that `session` brought, and looks for the signals of all formats.
    pub(super) fn new(message: &'m Message, session: &'m SessionFacts, search: &'m SignalSearch) -> Self {
        let words = message.words().find(|words| !words.trim_ascii().is_empty()).unwrap_or_default();
        let line = one_line(words);
        let header = &message.header;
        let subject = header.decoded("Subject").unwrap_or_default();
        let original = message.original().map(ReturnedOriginal::read);
        let from = header.field("From").and_then(Mailbox::find);
        let shown = search.show(header, &line, &subject);
        let named = recipients::in_words(words, original.as_ref(), session, from.as_ref());
        let signs = ReportSigns {
            null_path: session.reverse_path.as_ref().is_some_and(|path| path.is_null()),
            typed: is_typed_report(message),
            mail_system: names_mail_system(header) || is_typed_report(message),
            program: from.as_ref().is_some_and(|from| {
                let local = from.local().to_ascii_lowercase();
                PROGRAM_LOCAL_PARTS.iter().any(|program| local.starts_with(program))
            }),
            daemon: is_typed_report(message)
                || header.field("From").is_some_and(|from| contains(from, "daemon")),
            copy: original.is_some() || message.announces_copy(),
            recipients: named.iter().any(|named| named.apart),
            reply: reply::quoted(&line),
            refusal: reply::refused(&line),
            list_post: is_list_post(header),
        };
        let hops = hops(header).skip(session.trusted_hops).collect();
        MessageReading {
            message,
            words,
            line,
            from,
            hops,
            addressed: session.recipient.as_ref(),
            original,
            named,
            signs,
            shown,
            said: OnceCell::new(),
            chosen: OnceCell::new(),
            search,
        }
    }

    /// The signals that the message shows of the format at a position.
    pub(super) fn shown(&self, format: usize) -> ShownSignals {
        self.shown.of(format)
    }

    /// Whether the text says something.
    pub(super) fn says(&self, statement: Statement) -> bool {
        let said = || self.search.said(&without_addresses(&self.line)).without_charges(self.chosen());
        self.said.get_or_init(said).has(statement)
    }

    /// What a part of the text says about the cause of a failure.
    pub(super) fn cause_signs(&self, text: &str) -> CauseSigns {
        CauseSigns::of_text(text, self.search, self.chosen())
    }

    /// What the writer of the original says in the fields that reports quote. The report does not say
    /// the same where it quotes them.
    fn chosen(&self) -> Statements {
        *self.chosen.get_or_init(|| {
            let Some(original) = &self.original else { return Statements::default() };
            let fields = ["Subject", "From", "To", "Message-ID"];
            let quoted: Vec<String> =
                fields.iter().filter_map(|name| original.header.decoded(name)).collect();
            self.search.said(&without_addresses(&quoted.join(" / ")))
        })
    }

    /// The header of the message.
    pub(super) fn header(&self) -> &'m Header {
        &self.message.header
    }

    /// The fields of a report that come from the returned original.
    pub(super) fn returned(&self) -> ReportFields {
        let original = self.original.as_ref();
        ReportFields {
            original_sender: original.and_then(|original| original.sender.clone()),
            original_from: original.and_then(|original| original.from()),
            original_message_id: original.and_then(|original| original.message_id()),
            original_date: original.and_then(|original| original.date()),
            injector: original.and_then(|original| original.injector),
            handed_in: original.map(|original| original.handed_in).unwrap_or_default(),
            ..ReportFields::default()
        }
    }

    /// The word that follows a phrase in the text, up to white space.
    pub(super) fn word_behind(&self, phrase: &str) -> Option<&str> {
        let at = find(&self.line, phrase)?;
        self.line[at + phrase.len()..].split_whitespace().next()
    }

    /// The host name that follows a phrase in the text, in lower case.
    pub(super) fn host_behind(&self, phrase: &str) -> Option<String> {
        let host = self.word_behind(phrase)?.trim_end_matches(['.', ',', ';', ':', ')']);
        let sound =
            host.contains('.') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        sound.then(|| host.to_ascii_lowercase())
    }
}

/// The position of a phrase, compared without regard to ASCII case.
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
        if quotes_subject(line) {
            continue;
        }
        // Most lines need no change, and testing for that is faster than splitting them into words.
        if memchr3(b'\t', b'\r', b'\x0c', line.as_bytes()).is_none() && !line.contains("  ") {
            add(line);
        } else {
            line.split_ascii_whitespace().for_each(&mut add);
        }
    }
    one
}

/// Beginnings of local parts that mail systems write under, in lower case.
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
/// Beginnings of local parts that mail systems and other programs write under, in lower case.
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
/// Display names that mail systems use, in lower case.
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

/// Whether the Content-Type is that of a delivery report (RFC 6522 §3).
fn is_typed_report(message: &Message) -> bool {
    message.report_type().is_some_and(|kind| kind.ends_with("delivery-status"))
}

fn names_mail_system(header: &Header) -> bool {
    let Some(from) = header.field("From") else { return false };
    let from = from.to_ascii_lowercase();
    // Some mail systems write the null reverse-path into the From field.
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
