//! The commands that name the sender, the recipients and the client of a message.

use std::borrow::Cow;

use smtp_proto::{MAIL_BODY_BINARYMIME, MailFrom, RcptTo};

use super::naming::{ClientNaming, NamingCommand};
use super::setup::Protocol;
use super::{Session, SessionEvent, replies};
use crate::mail::{Mailbox, ReversePath};
use crate::smtp::recipients::RecipientClass;
use crate::transaction::{Client, Transaction};

impl Session {
    /// Executes XCLIENT, which names the client of the session, or XFORWARD, which names that of
    /// the next transaction.
    pub(super) fn name_client(&mut self, command: Result<NamingCommand, &'static str>) {
        if !self.peer.names_clients {
            return self.refuse(replies::NOT_AUTHORIZED);
        }
        if self.transaction.is_some() {
            return self.refuse(replies::IN_TRANSACTION);
        }
        match command {
            Err(problem) => self.refuse(&replies::wrong_attributes(problem)),
            Ok(NamingCommand::Client(_)) if self.peer.protocol == Protocol::Lmtp => {
                self.refuse(replies::USE_XFORWARD);
            }
            Ok(NamingCommand::Client(named)) => {
                if let Some(relay) = named.relay() {
                    // From now on the commands are the client's, through the proxy. It may not name
                    // another client.
                    self.peer.relay = relay;
                    (self.peer.unnamed, self.peer.names_clients) = (false, false);
                }
                self.helo = named.helo;
                self.forwarded = None;
                self.greet();
            }
            Ok(NamingCommand::Forward(named)) => {
                self.forwarded.get_or_insert_default().add(named);
                self.reply(replies::OK);
            }
        }
    }

    /// Executes MAIL. `postmaster` says that the path is `<postmaster>`.
    pub(super) fn mail(&mut self, from: &MailFrom<Cow<'_, str>>, postmaster: bool) {
        let Some(helo) = self.helo.clone() else {
            return self.refuse(replies::GREET_FIRST);
        };
        if self.transaction.is_some() {
            return self.refuse(replies::IN_TRANSACTION);
        }
        // XFORWARD applies to one transaction only, even if that one is refused.
        let forwarded = self.forwarded.take();
        if self.messages >= self.limits.messages_max {
            return self.close(replies::TOO_MANY_MESSAGES);
        }
        if from.size > self.limits.message_octets_max {
            return self.refuse(&replies::too_large(self.limits.message_octets_max));
        }
        if from.flags & MAIL_BODY_BINARYMIME != 0 {
            return self.refuse(replies::NO_BINARY);
        }
        let (client, helo) = self.client(forwarded, helo);
        self.chunked = false;
        self.begun = self.now;
        let reverse_path = ReversePath::parse(if postmaster { "postmaster" } else { &from.address });
        self.transaction = Some(Transaction::new(self.now, client, helo, reverse_path));
        self.reply(replies::SENDER_OK);
    }

    /// The client of the transaction that begins, and its HELO name.
    fn client(&self, forwarded: Option<ClientNaming>, helo: String) -> (Client, String) {
        let mta = self.peer.relay;
        match (self.peer.protocol, forwarded) {
            (Protocol::Smtp, None) if self.peer.unnamed => (Client::Unnamed(mta), helo),
            (Protocol::Smtp, None) => (Client::Relay(mta), helo),
            (Protocol::Lmtp, None) => (Client::Front { mta, named: None }, helo),
            (protocol, Some(named)) => {
                let client = match (protocol, named.relay()) {
                    (Protocol::Smtp, None) => Client::Unnamed(mta),
                    (_, relay) => Client::Front { mta, named: relay },
                };
                (client, named.helo.unwrap_or(helo))
            }
        }
    }

    /// Executes RCPT. `postmaster` says that the path is `<postmaster>`.
    pub(super) fn rcpt(&mut self, to: &RcptTo<Cow<'_, str>>, postmaster: bool) {
        let own = || format!("postmaster@{}", self.hostname);
        // The parser has removed the quotes of a quoted local part.
        match Mailbox::unquoted(&if postmaster { own() } else { to.address.to_string() }) {
            Some(mailbox) => self.recipient(mailbox),
            None => self.refuse(replies::BAD_RECIPIENT),
        }
    }

    fn recipient(&mut self, mailbox: Mailbox) {
        let Some(transaction) = &mut self.transaction else {
            return self.refuse(replies::NEED_MAIL);
        };
        if self.chunked {
            return self.refuse(replies::IN_MESSAGE);
        }
        if transaction.recipients() >= self.limits.recipients_max {
            return self.reply(replies::TOO_MANY_RECIPIENTS);
        }
        match self.recipients.of(&mailbox) {
            RecipientClass::Trap => transaction.traps.push(mailbox),
            RecipientClass::Operator => transaction.operators.push(mailbox),
            RecipientClass::Donor(donor) => {
                if !transaction.donors.contains(&donor) {
                    transaction.donors.push(donor);
                }
            }
            RecipientClass::Unknown => return self.refuse(replies::RECIPIENT_REJECTED),
        }
        self.reply(replies::RECIPIENT_OK);
    }

    /// Ends a transaction without a message. If it named a trap and looks like a probe, it is
    /// recorded as a callout.
    pub(super) fn leave(&mut self) {
        let begun = std::mem::take(&mut self.chunked);
        if let Some(transaction) =
            self.transaction.take().filter(|open| !begun && !open.traps.is_empty() && probes(open))
        {
            // A callout adds an entry to the journal as a message does, so it counts as a message.
            self.messages += 1;
            self.tally.messages += 1;
            self.queued.push_back(SessionEvent::Left(Box::new(transaction)));
        }
    }
}

/// Whether a transaction could be a callout: its reverse-path is null, or an address that MTAs use
/// for probes.
fn probes(transaction: &Transaction) -> bool {
    match &transaction.reverse_path {
        ReversePath::Null => true,
        ReversePath::Address(address) => {
            let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
            matches!(local.as_str(), "double-bounce" | "postmaster" | "mailer-daemon")
        }
    }
}
