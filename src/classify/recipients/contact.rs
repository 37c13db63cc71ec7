//! Tells the addresses that the reader may write to from failed recipients.
//!
//! Reports name such an address apart, as they name a failed recipient: `If you need help, write
//! to:` and the address on a line of its own. The sentence before the address tells them apart.

use std::collections::VecDeque;

use super::mention::AddressMention;
use super::phrases::LastPhrases;
use crate::classify::reply;
use crate::mail::Mailbox;

/// Number of lines before an address in which its sentence may begin.
const LINES_BEFORE_MAX: usize = 3;
/// Number of octets at the end of each of these lines that are read.
const LINE_OCTETS_MAX: usize = 200;
/// Local parts under which the staff of a mail system can be reached, in lower case (RFC 2142).
const ROLES: [&str; 9] = [
    "postmaster",
    "abuse",
    "support",
    "helpdesk",
    "mailer-daemon",
    "hostmaster",
    "webmaster",
    "noc",
    "security",
];

/// The lines before an address, of which the last sentence may be unfinished.
#[derive(Default)]
pub(super) struct LinesBefore<'w>(VecDeque<&'w str>);

impl<'w> LinesBefore<'w> {
    /// Adds a line that is not empty.
    pub(super) fn add(&mut self, line: &'w str) {
        if self.0.len() == LINES_BEFORE_MAX {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// Ends a paragraph. A sentence may go on behind an empty line to name an address, but not if it
    /// has named one.
    pub(super) fn end_paragraph(&mut self) {
        if self.0.back().is_some_and(|line| line.contains('@')) {
            self.0.clear();
        }
    }

    /// The sentence that the address belongs to, in lower case: the lines and the words before the
    /// address, from the last full stop on.
    fn sentence(&self, before: &str) -> String {
        let lines = self.0.iter().copied().chain([before]);
        let cut =
            lines.map(|line| &line[line.ceil_char_boundary(line.len().saturating_sub(LINE_OCTETS_MAX))..]);
        let text = cut.collect::<Vec<_>>().join(" ").to_lowercase();
        unfinished(&text).to_owned()
    }
}

/// The text behind the last sentence that is finished.
fn unfinished(text: &str) -> &str {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || "<[(\"'*-#>|".contains(c));
    let mut rest = text;
    let mut begin = 0;
    while let Some(at) = rest.find(['.', '!', '?', '。', '！', '？']) {
        let stop = rest[at..].chars().next().map_or(1, char::len_utf8);
        rest = &rest[at + stop..];
        // A full stop inside of a host name ends no sentence.
        if stop > 1 || rest.is_empty() || rest.starts_with(char::is_whitespace) {
            begin = text.len() - rest.len();
        }
    }
    &text[begin..]
}

/// The domains of the mail system that wrote the report.
pub(super) struct ReporterDomains(Vec<String>);

impl ReporterDomains {
    /// The domains of the report's writer and of the host that took the original.
    pub(super) fn new(from: Option<&Mailbox>, relay: Option<&str>) -> Self {
        let domains = from.map(Mailbox::domain).into_iter().chain(relay);
        ReporterDomains(domains.filter(|domain| domain.contains('.')).map(str::to_ascii_lowercase).collect())
    }

    /// Whether a domain is one of these, or above or below one of them.
    fn include(&self, domain: &str) -> bool {
        let below = |name: &str, of: &str| {
            of.contains('.')
                && name.strip_suffix(of).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.0.iter().any(|own| below(own, domain) || below(domain, own))
    }
}

/// Whether an address that a line names is one that the reader may write to.
pub(super) fn is_contact(
    mention: &AddressMention<'_>,
    line: &str,
    lines_before: &LinesBefore<'_>,
    reporters: &ReporterDomains,
) -> bool {
    if mention.is_explained() && mention.apart {
        return false;
    }
    let said = LastPhrases::find(&lines_before.sentence(mention.before));
    let local = mention.mailbox.local().to_ascii_lowercase();
    let is_role = ROLES.contains(&local.as_str());
    // "Contact the recipient's postmaster" speaks of a recipient and names a contact.
    if said.invitation.is_some() && (is_role || said.invitation > said.recipients) {
        return true;
    }
    if reply::quoted(line) {
        return false;
    }
    let own_staff = || is_role && said.recipients.is_none() && reporters.include(mention.mailbox.domain());
    LastPhrases::find(&mention.after.to_lowercase()).invitation.is_some() || own_staff()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_contact_in(text: &str) -> bool {
        let mut before = LinesBefore::default();
        let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
        let line = lines.pop().unwrap();
        for line in lines {
            if line.is_empty() { before.end_paragraph() } else { before.add(line) }
        }
        let mention = AddressMention::find(line).unwrap();
        let from = Mailbox::parse("mailer-daemon@mx.relay.example");
        is_contact(&mention, line, &before, &ReporterDomains::new(from.as_ref(), None))
    }

    #[test]
    fn the_sentence_before_an_address_tells_a_contact_in_every_language() {
        for before in [
            "If you need help, write to:",
            "Please contact your administrator, or",
            "Bei Fragen wenden Sie sich bitte an",
            "Veuillez contacter le support :",
            "Si necesita ayuda, póngase en contacto con:",
            "Se hai bisogno di aiuto, scrivi a:",
            "Se precisar de ajuda, escreva para:",
            "Neem contact op met",
            "W razie pytań prosimy o kontakt:",
            "Если нужна помощь, напишите по адресу",
            "お問い合わせ先：",
            "如需帮助，请联系：",
            "도움이 필요하면 문의하세요:",
            "Yardım için bize yazın:",
            "Vänligen kontakta:",
            "Har du brug for hjælp, så skriv til:",
            "Trenger du hjelp, ta kontakt med:",
        ] {
            assert!(is_contact_in(&format!("{before}\n\n  <desk@elsewhere.example>.")), "{before}");
        }
    }

    #[test]
    fn a_list_of_failed_recipients_names_no_contact() {
        for text in [
            "We were unable to contact the following recipients:\n<a@b.example>",
            "Please contact support. These recipients failed:\n  a@b.example",
            "If you need help, write to the postmaster.\n\n<postmaster@b.example>",
            "For assistance, please contact your administrator\n\n<a@b.example>: 550 unknown",
            "Your message could not be delivered to:\n<support@relay.example>",
            "Nachricht nicht zugestellt an:\n<abuse@mx.relay.example>",
            "The mail system\n\n<contact@relay.example>: unknown user",
            "Please contact desk@relay.example\n\na@b.example",
            "while talking to mx.b.example.:\n550 5.1.1 <postmaster@relay.example>... User unknown",
        ] {
            assert!(!is_contact_in(text), "{text}");
        }
    }

    #[test]
    fn the_staff_of_the_reporting_host_is_no_failed_recipient_unless_the_text_says_so() {
        for contact in
            ["<postmaster@mx.relay.example>.", "abuse@relay.example", "support@deep.mx.relay.example"]
        {
            assert!(is_contact_in(&format!("Sincerely,\n{contact}")), "{contact}");
        }
        for other in ["<postmaster@other.example>", "a@relay.example", "postmaster@xrelay.example"] {
            assert!(!is_contact_in(&format!("Sincerely,\n{other}")), "{other}");
        }
    }
}
