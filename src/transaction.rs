//! Mail transactions: their client, their recipients, and the relay that each is attributed to.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::mail::{self, Header, Mailbox, ReversePath};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::trap::Donor;

/// A mail transaction (RFC 5321 §3.3) that ended with a message or with the client's departure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// When the transaction took place.
    pub seen_at: Timestamp,
    /// Where the message came from.
    pub client: Client,
    /// The name that the client gave in HELO or EHLO.
    pub helo: String,
    /// The reverse-path.
    pub reverse_path: ReversePath,
    /// The recipients that are traps.
    pub traps: Vec<Mailbox>,
    /// The recipients that are the operator's addresses, such as postmaster.
    pub operators: Vec<Mailbox>,
    /// The donors whose forwarding address is a recipient; they forward reports as attachments.
    pub donors: Vec<Donor>,
    /// The message: whole for an operator or from a donor, otherwise at most
    /// `mail::MESSAGE_OCTETS_MAX`.
    pub message: Vec<u8>,
    /// The size of the whole message, in octets.
    pub octets: u64,
    /// The longest time that the client waited for a reply.
    pub waited: Span,
}

impl Transaction {
    /// A transaction as MAIL begins it: without recipients and without a message.
    pub fn new(seen_at: Timestamp, client: Client, helo: String, reverse_path: ReversePath) -> Self {
        Transaction {
            seen_at,
            client,
            helo,
            reverse_path,
            traps: Vec::new(),
            operators: Vec::new(),
            donors: Vec::new(),
            message: Vec::new(),
            octets: 0,
            waited: Span::ZERO,
        }
    }

    /// The number of recipients.
    pub fn recipients(&self) -> usize {
        self.traps.len() + self.operators.len() + self.donors.len()
    }
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The relay itself, directly or through a proxy.
    Relay(Relay),
    /// An MTA of the operator that accepted the message from a relay and added the topmost Received
    /// line. `named` is the relay if the MTA named it.
    Front { mta: Relay, named: Option<Relay> },
    /// A donor that submits the message. `named` is the relay that brought it to the donor's hosts,
    /// if the donor says so; otherwise the hosts' Received lines name it.
    Handed { named: Option<Relay> },
    /// A trusted peer that did not name its client. A proxy adds no Received line, so the topmost
    /// line is the client's own and proves nothing.
    Unnamed(Relay),
}

impl Client {
    /// The host at the other end of the connection, for logs and ids.
    pub fn peer(&self) -> Relay {
        match self {
            Client::Relay(relay) | Client::Front { mta: relay, .. } | Client::Unnamed(relay) => *relay,
            Client::Handed { named } => named.unwrap_or(Relay::new(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        }
    }

    /// The relay that the message is attributed to, and the number of Received lines that trusted
    /// hosts added.
    pub fn attributed(&self, header: &Header, trusted: &[IpNet]) -> Option<(Relay, usize)> {
        let is_trusted = |relay: Relay| trusted.iter().any(|network| network.contains(&relay.address()));
        match *self {
            Client::Relay(relay) => attribute(relay, header, trusted),
            Client::Unnamed(_) => None,
            Client::Handed { named } => {
                let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let walked = attribute(Relay::new(here), header, &[trusted, &[IpNet::from(here)]].concat());
                match named.filter(|relay| !is_trusted(*relay) && !relay.address().is_loopback()) {
                    // The donor's own Received lines are known only if they lead to the relay that
                    // it names.
                    Some(relay) => Some(walked.filter(|(found, _)| found == &relay).unwrap_or((relay, 0))),
                    None => walked,
                }
            }
            Client::Front { mta, named } => {
                let front = IpNet::from(mta.address());
                let walked = attribute(mta, header, &[trusted, &[front]].concat());
                // An MTA that lost the client's address names itself or a trusted host. Its
                // Received lines still show the client.
                let is_client =
                    |relay: &Relay| !is_trusted(*relay) && !relay.address().is_loopback() && *relay != mta;
                match named.filter(is_client) {
                    // The walk gives the number of trusted lines if it leads to the relay that the
                    // MTA names.
                    Some(relay) => Some(walked.filter(|(found, _)| *found == relay).unwrap_or((relay, 1))),
                    None => walked,
                }
            }
        }
    }
}

/// What the intake made of a transaction that brought a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeOutcome {
    /// The message is durable: it would survive a crash.
    Durable { id: String },
    /// The message could not be made durable. The client keeps the message and sends it again.
    Later,
}

/// The relay that a message is attributed to, and the number of Received lines that trusted hosts
/// added.
///
/// It is the client, unless the client is a trusted host. Behind trusted hosts it is the host that
/// handed the message to the first of them. An address in a Received line counts only when every
/// host on the way is trusted. If the lines of the trusted hosts don't show the relay, the message
/// is not attributed.
pub fn attribute(client: Relay, header: &Header, trusted: &[IpNet]) -> Option<(Relay, usize)> {
    let is_trusted = |address: IpAddr| {
        address.is_loopback() || trusted.iter().any(|net| net.contains(&Relay::new(address).address()))
    };
    if !trusted.iter().any(|net| net.contains(&client.address())) {
        return Some((client, 0));
    }
    for (nth, hop) in mail::hops(header).enumerate() {
        match hop.from_address {
            Some(address) if is_trusted(address) => {}
            Some(address) => return Some((Relay::new(address), nth + 1)),
            None if hop.is_qmail_note => {}
            None => return None,
        }
    }
    None
}
