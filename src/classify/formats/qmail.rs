//! qmail's plain form (QSBMF), which many programs imitate: `<address>:` paragraphs and a marked copy below.
//!
//! Installations alter the first line, so two signals have to agree: at least one `<address>:` paragraph, and the
//! line that announces the copy (or, where the copy was left out, the greeting).

use super::{injector, original_sender};
use crate::classify::{Claim, Kind, Recipient, Report};
use crate::mail::{Action, Mailbox, Message, Status};

const GREETING: &str = "Hi. This is the ";
const COPY_MARK: &str = "--- Below this line is a copy of the message.";
const NO_COPY_MARK: &str = "--- Enclosed are the original headers of the message.";

pub(super) fn claim(message: &Message) -> Option<Claim> {
    let words = message.words().next()?;
    let part = message.parts.first()?;
    if part.media_type != "text/plain" {
        return None;
    }
    let recipients = recipients(words);
    let greeting = words.trim_start().starts_with(GREETING);
    let mark = words.lines().any(|line| [COPY_MARK, NO_COPY_MARK].contains(&line.trim_end()));
    if recipients.is_empty() || !(greeting || mark) {
        return None;
    }
    let original = message.original();
    let reasons = [
        (greeting, "opens as qmail does"),
        (mark, "announces the copy of the message as qmail does"),
        (true, "names each failed recipient in a paragraph of its own"),
    ];
    Some(Claim {
        kind: Kind::NonstandardNdr,
        report: Report {
            reporting_mta: reporting_mta(words),
            original_envelope_id: None,
            original_sender: original.and_then(original_sender),
            injector: injector(original),
            recipients,
        },
        reasons: reasons.into_iter().filter(|(seen, _)| *seen).map(|(_, reason)| reason.to_owned()).collect(),
    })
}

/// `<address>:` alone on a line, the reasons on the lines below it up to an empty one.
fn recipients(words: &str) -> Vec<Recipient> {
    let mut found: Vec<Recipient> = Vec::new();
    let mut open = false;
    for line in words.lines().map(str::trim_end).take_while(|line| !line.starts_with("--- ")) {
        let mailbox =
            line.strip_prefix('<').and_then(|rest| rest.strip_suffix(">:")).and_then(Mailbox::parse);
        if mailbox.is_some() {
            found.push(Recipient { mailbox, action: Some(Action::Failed), status: None, remote_mta: None });
            open = true;
        } else if line.is_empty() {
            open = false;
        } else if open && let Some(recipient) = found.last_mut() {
            recipient.status = recipient.status.or_else(|| Status::find(line));
            let remote = line.split_once(" does not like recipient").map(|(host, _)| host.to_owned());
            recipient.remote_mta = recipient.remote_mta.take().or(remote);
        }
    }
    found
}

/// `Hi. This is the qmail-send program at relay.example.`
fn reporting_mta(words: &str) -> Option<String> {
    let first = words.trim_start().lines().next()?.trim_end().trim_end_matches('.');
    let (_, host) = first.rsplit_once(" at ")?;
    (!host.is_empty() && !host.contains(' ')).then(|| host.to_ascii_lowercase())
}
