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

/// A command by which a peer names a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// XCLIENT
    Client,
    /// XFORWARD
    Forward,
}

impl Naming {
    /// The verb of the command.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Naming::Client => "XCLIENT",
            Naming::Forward => "XFORWARD",
        }
    }
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

impl ClientNaming {
    /// Parses the attributes of a command.
    ///
    /// # Errors
    /// When an attribute is wrong; the error is the text of the reply.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut named = ClientNaming::default();
        for attribute in text.split_ascii_whitespace() {
            let Some((name, value)) = attribute.split_once('=') else {
                return Err("Error: attribute=value expected");
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
                "ADDR" => {
                    named.told = Some(Some(address(&value).ok_or("Bad ADDR syntax: not an IP address")?))
                }
                "HELO" => {
                    named.helo = Some(value[..value.floor_char_boundary(HELO_OCTETS_MAX)].to_owned());
                }
                _ => {}
            }
        }
        Ok(named)
    }
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
        let named = |text: &str| ClientNaming::parse(text).unwrap();
        let full = named("NAME=relay.example ADDR=198.18.0.25 PORT=4711 PROTO=ESMTP HELO=relay.example");
        assert_eq!((full.relay(), full.helo.as_deref()), (relay("198.18.0.25"), Some("relay.example")));
        assert_eq!(named("addr=IPV6:2001:db8::25").relay(), relay("2001:db8::25"));
        assert_eq!(named("ADDR=2001:db8::25").relay(), relay("2001:db8::25"));
        assert_eq!(named("ADDR=[UNAVAILABLE] SOURCE=LOCAL").relay(), None);
        let mut both = named("ADDR=198.18.0.25");
        both.add(named("HELO=x"));
        assert_eq!(both.relay(), relay("198.18.0.25"));
        both.add(named("ADDR=[UNAVAILABLE]"));
        assert_eq!(both.relay(), None, "the last ADDR counts");
        assert_eq!(named("HELO=a+2Bb").helo.as_deref(), Some("a+b"));
        for wrong in ["ADDR=relay.example", "ADDR", "ADDR="] {
            assert!(ClientNaming::parse(wrong).is_err(), "{wrong}");
        }
    }
}
