//! What the returned original tells of itself, and of who handed it to the relay.

use std::net::IpAddr;

use super::injector;
use crate::mail::{Header, Mailbox};

/// The returned original, as far as its header goes.
pub(super) struct Original<'m> {
    pub(super) header: &'m Header,
    /// Its envelope sender, by trust: the Return-Path that the relay wrote, a note in its Received line, and last the
    /// From field, which whoever wrote the original chose.
    pub(super) sender: Option<Mailbox>,
    pub(super) injector: Option<IpAddr>,
}

impl<'m> Original<'m> {
    pub(super) fn read(header: &'m Header) -> Self {
        let mut received = header.all("Received");
        let noted = received.next().and_then(envelope_from);
        let sender = header
            .field("Return-Path")
            .and_then(Mailbox::find)
            .or(noted)
            .or_else(|| header.field("X-Envelope-From").and_then(Mailbox::find))
            .or_else(|| header.field("From").and_then(Mailbox::find))
            .or_else(|| header.field("Sender").and_then(Mailbox::find));
        Original { header, sender, injector: injector::injector(header) }
    }

    pub(super) fn from(&self) -> Option<Mailbox> {
        self.header.field("From").and_then(Mailbox::find)
    }

    pub(super) fn message_id(&self) -> Option<String> {
        self.header.field("Message-ID").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
    }

    pub(super) fn date(&self) -> Option<String> {
        self.header.field("Date").map(|date| date.trim().to_owned()).filter(|date| !date.is_empty())
    }
}

/// Exim, Sendmail and others note the envelope's sender in their Received line.
fn envelope_from(line: &str) -> Option<Mailbox> {
    let (_, rest) = line.split_once("envelope-from").or_else(|| line.split_once("envelope-sender"))?;
    Mailbox::parse(rest.trim_start_matches([' ', '=']).split([' ', ')', ';']).next()?)
}
