//! The commands that name the sender, the recipients and the client of a message.

use smtp_proto::{Error, MAIL_BODY_BINARYMIME, MailFrom, Request};

use super::naming::{ClientNaming, Naming};
use super::setup::Protocol;
use super::{Session, SessionEvent, replies};
use crate::mail::{Mailbox, ReversePath};
use crate::smtp::recipients::{MailSource, RecipientClass};
use crate::transaction::{Client, Transaction};

impl Session {
    /// Executes XCLIENT, which names the client of the session, or XFORWARD, which names that of
    /// the next transaction. `rest` holds the attributes.
    pub(super) fn name_client(&mut self, naming: Naming, rest: &str) {
        if self.transaction.is_some() {
            return self.refuse(replies::IN_TRANSACTION);
        }
        if rest.is_empty() {
            return self.refuse(&replies::naming_syntax(naming.verb()));
        }
        if !self.peer.names_clients {
            return self.refuse(replies::NOT_AUTHORIZED);
        }
        match (naming, ClientNaming::parse(rest)) {
            (_, Err(problem)) => self.refuse(&replies::wrong_attributes(problem)),
            (Naming::Client, Ok(_)) if self.peer.protocol == Protocol::Lmtp => {
                self.refuse(replies::OTHER_PROTOCOL);
            }
            (Naming::Client, Ok(named)) => {
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
            (Naming::Forward, Ok(named)) => {
                self.forwarded.get_or_insert_default().add(named);
                self.reply(replies::OK);
            }
        }
    }

    /// Executes MAIL. `rest` is what follows the verb.
    pub(super) fn mail(&mut self, rest: &str) {
        let Some(helo) = self.helo.clone() else {
            return self.refuse(match self.peer.protocol {
                Protocol::Smtp => replies::GREET_FIRST,
                Protocol::Lmtp => replies::GREET_FIRST_LMTP,
            });
        };
        if self.transaction.is_some() {
            return self.refuse(replies::NESTED_MAIL);
        }
        // XFORWARD applies to one transaction only, even if that one is refused.
        let forwarded = self.forwarded.take();
        if self.messages >= self.limits.messages_max {
            let ended = replies::too_many_connections(&self.texts.hostname, self.peer.relay);
            return self.close(&ended);
        }
        let Some(path) = EnvelopePath::of(rest, "FROM:") else {
            return self.refuse(replies::MAIL_SYNTAX);
        };
        let line = format!("MAIL {}\r\n", path.completed(rest, &self.texts.hostname));
        let from = match Request::parse(&mut line.as_bytes().iter()) {
            _ if path.is_bare(rest) => return self.refuse(replies::BAD_SENDER),
            _ if path.asks_for_dsn() => return self.refuse(replies::NO_DSN),
            Ok(Request::Mail { from }) => from,
            Err(Error::InvalidParameter { param: "SIZE" }) => return self.refuse(replies::BAD_SIZE),
            Err(_) if path.is_odd() => {
                MailFrom { address: path.inside.unwrap_or_default().into(), ..MailFrom::default() }
            }
            Err(error) => return self.refuse_parameter(&error, rest, replies::BAD_SENDER),
            Ok(_) => return self.refuse(replies::BAD_SENDER),
        };
        if from.size > self.limits.message_octets_max {
            return self.refuse(replies::SIZE_TOO_LARGE);
        }
        if from.flags & MAIL_BODY_BINARYMIME != 0 {
            return self.refuse(&replies::unsupported_option("BODY=BINARYMIME"));
        }
        let (client, helo) = self.client(forwarded, helo);
        self.chunked = false;
        self.begun = self.now;
        let reverse_path = ReversePath::parse(path.local().unwrap_or(&from.address));
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

    /// Executes RCPT. `rest` is what follows the verb.
    pub(super) fn rcpt(&mut self, rest: &str) {
        if self.transaction.is_none() {
            return self.refuse(replies::NEED_MAIL);
        }
        if self.chunked {
            return self.refuse(replies::RCPT_AFTER_BDAT);
        }
        let Some(path) = EnvelopePath::of(rest, "TO:") else {
            return self.refuse(replies::RCPT_SYNTAX);
        };
        let line = format!("RCPT {}\r\n", path.completed(rest, &self.texts.hostname));
        let to = match Request::parse(&mut line.as_bytes().iter()) {
            _ if path.is_bare(rest) => return self.refuse(replies::BAD_RECIPIENT),
            _ if path.asks_for_dsn() => return self.refuse(replies::NO_DSN),
            Ok(Request::Rcpt { to }) => to.address.to_string(),
            Err(_) if path.is_odd() => path.inside.unwrap_or_default().to_owned(),
            Err(error) => return self.refuse_parameter(&error, rest, replies::BAD_RECIPIENT),
            Ok(_) => return self.refuse(replies::BAD_RECIPIENT),
        };
        // The parser has removed the quotes of a quoted local part.
        match Mailbox::unquoted(to.trim_end_matches('.')) {
            Some(mailbox) => self.recipient(Some(mailbox), path.local().unwrap_or(&to)),
            None if path.is_odd() => self.recipient(None, &to),
            None => self.refuse(replies::BAD_RECIPIENT),
        }
    }

    /// Refuses MAIL or RCPT for a parameter, or with the text about its syntax.
    fn refuse_parameter(&mut self, error: &Error, rest: &str, syntax: &str) {
        let parameter = match error {
            Error::UnsupportedParameter { param } => param.split('=').next().unwrap_or_default(),
            Error::InvalidParameter { param } => param,
            _ => return self.refuse(syntax),
        };
        // As the client wrote it, with its value.
        let is_it =
            |word: &&str| word.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(parameter));
        let written = rest.split_ascii_whitespace().find(is_it).unwrap_or(parameter);
        self.refuse(&replies::unsupported_option(written));
    }

    /// Takes or refuses a recipient. `written` is the address as the client wrote it; without a mailbox it
    /// is none that this server could have.
    fn recipient(&mut self, mailbox: Option<Mailbox>, written: &str) {
        let is_handed_over = self.is_handed_over();
        let client = (!is_handed_over && !self.peer.unnamed).then_some(self.peer.relay);
        let Some(transaction) = &mut self.transaction else { return };
        if transaction.recipients() >= self.limits.recipients_max {
            return self.reply(replies::TOO_MANY_RECIPIENTS);
        }
        let source = if is_handed_over { MailSource::Handover } else { MailSource::Public };
        let class =
            mailbox.as_ref().map_or(RecipientClass::Stranger, |mailbox| self.recipients.of(mailbox, source));
        let taken = !matches!(class, RecipientClass::UnknownUser | RecipientClass::Stranger);
        self.queued.push_back(SessionEvent::Recipient { client, taken });
        match class {
            RecipientClass::Trap => transaction.traps.extend(mailbox),
            RecipientClass::Operator => transaction.operators.extend(mailbox),
            RecipientClass::Donor(donor) => {
                if !transaction.donors.contains(&donor) {
                    transaction.donors.push(donor);
                }
            }
            RecipientClass::UnknownUser => return self.refuse(&replies::unknown_user(written)),
            RecipientClass::Stranger => {
                return self.refuse(&replies::refused_recipient(&self.texts, written));
            }
        }
        self.reply(replies::RECIPIENT_OK);
    }

    /// Whether the mail comes from a host that hands over only what is meant for this server: an MTA in
    /// front, or a trusted relay.
    fn is_handed_over(&self) -> bool {
        self.peer.protocol == Protocol::Lmtp
            || self.peer.names_clients
            || self.recipients.are_handed_over_by(self.peer.relay)
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

/// The parameters of DSN (RFC 3461 §4).
const DSN_PARAMETERS: [&str; 4] = ["NOTIFY", "ORCPT", "RET", "ENVID"];

/// The path in the argument of MAIL or RCPT, and what stands behind it.
struct EnvelopePath<'a> {
    /// What stands in angle brackets.
    inside: Option<&'a str>,
    /// What stands behind them.
    behind: &'a str,
}

impl<'a> EnvelopePath<'a> {
    /// Reads the path of an argument such as `TO:<postmaster>`. `None` if the argument does not begin with
    /// `keyword`.
    fn of(rest: &'a str, keyword: &str) -> Option<Self> {
        let (named, path) = rest.split_at_checked(keyword.len())?;
        let path = named.eq_ignore_ascii_case(keyword).then(|| path.trim_start())?;
        let split = path.strip_prefix('<').and_then(|path| path.split_once('>'));
        Some(match split {
            Some((inside, behind)) if behind.is_empty() || behind.starts_with([' ', '\t']) => {
                EnvelopePath { inside: Some(inside), behind }
            }
            _ => EnvelopePath { inside: None, behind: "" },
        })
    }

    /// Whether the address is not in angle brackets of its own. A bracket may stand in quotes, which the
    /// parser reads.
    fn is_bare(&self, rest: &str) -> bool {
        self.inside.is_none() && !rest.contains('"')
    }

    /// The local part of an address without a domain, which is one of this host's own (RFC 5321
    /// §4.1.1.3 for postmaster).
    fn local(&self) -> Option<&'a str> {
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_+".contains(&octet);
        self.inside.filter(|path| !path.is_empty() && path.bytes().all(is_plain))
    }

    /// Whether an address that the parser refuses may be taken for one of a stranger: it has a domain, and
    /// nothing that separates words.
    fn is_odd(&self) -> bool {
        let separates = |c: char| c.is_whitespace() || matches!(c, '<' | '"' | ',' | '(' | ')');
        let is_address = |path: &str| path.contains('@') && !path.ends_with('@') && !path.contains(separates);
        self.behind.is_empty() && self.inside.is_some_and(is_address)
    }

    /// Whether a parameter is one of DSN.
    fn asks_for_dsn(&self) -> bool {
        let mut names = self.behind.split_ascii_whitespace().filter_map(|word| word.split('=').next());
        names.any(|name| DSN_PARAMETERS.iter().any(|dsn| name.eq_ignore_ascii_case(dsn)))
    }

    /// The argument with the host's own domain in an address that has none. The parser takes no such
    /// address.
    fn completed(&self, rest: &str, hostname: &str) -> String {
        match self.local() {
            Some(local) => rest.replacen(&format!("<{local}>"), &format!("<{local}@{hostname}>"), 1),
            None => rest.to_owned(),
        }
    }
}
