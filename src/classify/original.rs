//! Reads the header of the returned original: its sender, its injector, and for which address the
//! relay accepted it.

use std::net::IpAddr;

use super::handed_in::HandedIn;
use super::injector::injector;
use crate::mail::{Header, Mailbox, ReceivedHop, SubmissionMark, newest_hop};

/// What the header of the returned original says.
pub(super) struct ReturnedOriginal<'m> {
    /// The header itself.
    pub(super) header: &'m Header,
    /// The reverse-path, from the most trustworthy field that gives it: Return-Path, which the
    /// relay wrote, the topmost Received field, X-Envelope-From, and last From or Sender, which the
    /// writer of the original chose.
    pub(super) sender: Option<Mailbox>,
    /// The host that wrote the newest Received field, which is the relay.
    pub(super) relay: Option<String>,
    /// The host that handed the original to the relay.
    pub(super) injector: Option<IpAddr>,
    /// What the newest Received field says about that host.
    pub(super) handed_in: HandedIn,
    /// The recipient for which the relay accepted the original, by the `for` clause of its Received
    /// field (RFC 5321 §4.4). MTAs write the clause only for a single recipient.
    pub(super) addressed: Option<Mailbox>,
    /// A program on the relay submitted the original again, as aliases and forwards do: the newest
    /// Received field names no client.
    pub(super) handed_in_again: bool,
}

impl<'m> ReturnedOriginal<'m> {
    /// Reads the header of an original.
    pub(super) fn read(header: &'m Header) -> Self {
        let newest = newest_hop(header);
        let noted = newest.as_ref().and_then(|hop| hop.reverse_path.clone());
        let sender = header
            .field("Return-Path")
            .and_then(Mailbox::find)
            .or(noted)
            .or_else(|| header.field("X-Envelope-From").and_then(Mailbox::find))
            .or_else(|| header.field("From").and_then(Mailbox::find))
            .or_else(|| header.field("Sender").and_then(Mailbox::find));
        let by_local_user = |hop: &ReceivedHop| hop.submission == Some(SubmissionMark::LocalUser);
        ReturnedOriginal {
            header,
            sender,
            relay: newest.as_ref().and_then(|hop| hop.by.clone()),
            injector: newest.as_ref().and_then(injector),
            handed_in: newest.as_ref().map(HandedIn::of).unwrap_or_default(),
            handed_in_again: newest.as_ref().is_some_and(|hop| by_local_user(hop) || !hop.names_client),
            addressed: newest.and_then(|hop| hop.recipient),
        }
    }

    /// The address in the From field.
    pub(super) fn from(&self) -> Option<Mailbox> {
        self.header.field("From").and_then(Mailbox::find)
    }

    /// The Message-ID field.
    pub(super) fn message_id(&self) -> Option<String> {
        self.header.field("Message-ID").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// The Date field, unparsed.
    pub(super) fn date(&self) -> Option<String> {
        self.header.field("Date").map(|date| date.trim().to_owned()).filter(|date| !date.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5321_the_relays_own_line_says_for_which_address_it_took_it() {
        let of = |received: &str| {
            let header = Header::parse(format!("Received: {received}\nFrom: a@b.example\n").as_bytes());
            ReturnedOriginal::read(&header).addressed.map(|mailbox| mailbox.to_string())
        };
        for line in [
            "from spam (unknown [192.0.2.44]) by mx.relay.example (Postfix) with ESMTP id 7\n\tfor <x@relay.example>; today",
            "from [192.0.2.44] (helo=spam) by mx.relay.example with esmtp (Exim 4.96) id 7 for x@relay.example; today",
            "from for (for [192.0.2.44]) by mx.relay.example (Postfix) with ESMTP id 7 for <x@relay.example>; today",
            "from spam by mx.relay.example (8.17) with ESMTP id 7 for <x@relay.example> (proto esmtp); today",
        ] {
            assert_eq!(of(line).as_deref(), Some("x@relay.example"), "{line}");
        }
        for line in [
            "from spam (unknown [192.0.2.44]) by mx.relay.example (Postfix) with ESMTP id 7; today",
            "from for by mx.relay.example for more than one; today",
            "",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn what_an_alias_or_a_forward_hands_in_again_names_no_client() {
        let of = |received: &str| {
            let header = Header::parse(format!("Received: {received}\nFrom: a@b.example\n").as_bytes());
            ReturnedOriginal::read(&header).handed_in_again
        };
        assert!(of("(qmail 9 invoked by uid 7790); today"));
        assert!(of("by mx.relay.example (Postfix)\n\tid 7; today"));
        assert!(of("by mx.relay.example (Postfix, from userid 33) id 7; today"));
        for client in [
            "(qmail 9 invoked from network); today",
            "from spam (unknown [192.0.2.44]) by mx.relay.example (Postfix) id 7; today",
            "from localhost (localhost [127.0.0.1]) by mx.relay.example (Postfix) id 7; today",
        ] {
            assert!(!of(client), "{client}");
        }
        assert!(
            !ReturnedOriginal::read(&Header::parse(b"From: a@b.example\n")).handed_in_again,
            "without a Received field nothing is known"
        );
    }
}
