//! XCLIENT and XFORWARD: a trusted peer names the client whose mail it forwards (Postfix,
//! XCLIENT_README and XFORWARD_README).
//!
//! XCLIENT applies to the rest of the session, as for a proxy. XFORWARD applies to the next
//! transaction, which an MTA received from the named client.

use std::net::IpAddr;

use super::setup::Protocol;
use crate::mail::decode_xtext;
use crate::relay::Relay;

/// Attributes announced in the EHLO reply. Only ADDR and HELO are used; all others are ignored.
const ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO";
/// Maximum number of octets of a HELO name that are kept.
pub(super) const HELO_OCTETS_MAX: usize = 255;

/// The client that a peer named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientNaming {
    /// The last ADDR attribute: `Some(None)` if it was `[UNAVAILABLE]`, `None` if there was none.
    told: Option<Option<Relay>>,
    /// The HELO attribute: the name that the client gave to the peer.
    pub(super) helo: Option<String>,
}

impl ClientNaming {
    /// The client's address, if the peer named it.
    pub(super) fn relay(&self) -> Option<Relay> {
        self.told.flatten()
    }

    /// Adds the attributes of a further command. Later attributes replace earlier ones.
    pub(super) fn add(&mut self, more: ClientNaming) {
        self.told = more.told.or(self.told);
        self.helo = more.helo.or(self.helo.take());
    }
}

/// A parsed XCLIENT or XFORWARD command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NamingCommand {
    /// XCLIENT
    Client(ClientNaming),
    /// XFORWARD
    Forward(ClientNaming),
}

/// The EHLO or LHLO reply lines that announce XFORWARD and, in SMTP, XCLIENT. LMTP peers are not
/// offered XCLIENT, because they have accepted the message themselves.
pub(super) fn offers(protocol: Protocol) -> String {
    let xclient = match protocol {
        Protocol::Smtp => format!("250-XCLIENT {ATTRIBUTES}\r\n"),
        Protocol::Lmtp => String::new(),
    };
    format!("{xclient}250-XFORWARD {ATTRIBUTES}\r\n")
}

impl NamingCommand {
    /// Parses a command line. `None` if it is neither XCLIENT nor XFORWARD; `Some(Err(_))`, with
    /// the text of the reply, if the attributes are wrong.
    pub(super) fn parse(line: &[u8]) -> Option<Result<Self, &'static str>> {
        let line = std::str::from_utf8(line).ok()?;
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        if verb.eq_ignore_ascii_case("XCLIENT") {
            Some(attributes(rest).map(NamingCommand::Client))
        } else if verb.eq_ignore_ascii_case("XFORWARD") {
            Some(attributes(rest).map(NamingCommand::Forward))
        } else {
            None
        }
    }
}

fn attributes(text: &str) -> Result<ClientNaming, &'static str> {
    let mut named = ClientNaming::default();
    for attribute in text.split_ascii_whitespace() {
        let Some((name, value)) = attribute.split_once('=') else {
            return Err("Syntax: attributes must have the form NAME=value");
        };
        let value = decode_xtext(value);
        let unavailable =
            ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|word| value.eq_ignore_ascii_case(word));
        if unavailable && name.eq_ignore_ascii_case("ADDR") {
            named.told = Some(None);
        }
        if unavailable {
            continue;
        }
        match name.to_ascii_uppercase().as_str() {
            "ADDR" => named.told = Some(Some(address(&value).ok_or("Bad ADDR syntax: not an IP address")?)),
            "HELO" => {
                named.helo = Some(value[..value.floor_char_boundary(HELO_OCTETS_MAX)].to_owned());
            }
            _ => {}
        }
    }
    Ok(named)
}

fn address(text: &str) -> Option<Relay> {
    let bare = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).map_or(text, |_| &text[5..]);
    bare.parse::<IpAddr>().ok().map(Relay::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(text: &str) -> Option<Relay> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_peer_names_its_client_by_address_and_helo() {
        let named = |text: &str| match NamingCommand::parse(text.as_bytes()) {
            Some(Ok(NamingCommand::Client(named) | NamingCommand::Forward(named))) => named,
            other => panic!("{text}: {other:?}"),
        };
        let full =
            named("XCLIENT NAME=relay.example ADDR=198.18.0.25 PORT=4711 PROTO=ESMTP HELO=relay.example");
        assert_eq!((full.relay(), full.helo.as_deref()), (relay("198.18.0.25"), Some("relay.example")));
        assert_eq!(named("xforward addr=IPV6:2001:db8::25").relay(), relay("2001:db8::25"));
        assert_eq!(named("XFORWARD ADDR=2001:db8::25").relay(), relay("2001:db8::25"));
        assert_eq!(named("XFORWARD ADDR=[UNAVAILABLE] SOURCE=LOCAL").relay(), None);
        let mut both = named("XFORWARD ADDR=198.18.0.25");
        both.add(named("XFORWARD HELO=x"));
        assert_eq!(both.relay(), relay("198.18.0.25"));
        both.add(named("XFORWARD ADDR=[UNAVAILABLE]"));
        assert_eq!(both.relay(), None, "the last ADDR counts");
        assert_eq!(named("XCLIENT HELO=a+2Bb").helo.as_deref(), Some("a+b"));
        for wrong in ["XCLIENT ADDR=relay.example", "XCLIENT ADDR", "XFORWARD ADDR="] {
            assert!(matches!(NamingCommand::parse(wrong.as_bytes()), Some(Err(_))), "{wrong}");
        }
        assert_eq!(NamingCommand::parse(b"MAIL FROM:<>"), None);
    }
}
