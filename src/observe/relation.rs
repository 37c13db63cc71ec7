//! Derives an observation about a relay from the answers of the DNS. It has no side effects.

use std::net::IpAddr;

use super::inquiry::Inquiry;
use crate::evidence::Observation;
use crate::relay::{Prefix, Relay, special_purpose};

/// What the DNS answered. `None` means that the question got no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsAnswers {
    /// The relay's forward-confirmed reverse names.
    pub names: Option<Vec<String>>,
    /// The addresses of the domain's mail exchangers.
    pub exchangers: Option<Vec<IpAddr>>,
    /// Whether the domain's SPF record permits the relay to send.
    pub spf: Option<bool>,
    /// Whether the trap's domain forbids mail from the injector.
    pub forbidden: Option<bool>,
}

/// The observation that follows from the answers.
pub fn observation(inquiry: &Inquiry, answers: &DnsAnswers) -> Observation {
    let relay = inquiry.relay.address();
    let domain = inquiry.domain.as_deref();
    let exchangers = answers.exchangers.as_ref().filter(|_| domain.is_some());
    let confirmed_name = answers.names.as_ref().and_then(|names| names.first().cloned());
    let own = |name: &String, domain: &str| !is_generic(name, relay) && same_organisation(name, domain);
    let elsewhere =
        |name: &String, domain: &str| !is_generic(name, relay) && !same_organisation(name, domain);
    let is_own = |domain: &&str| {
        answers.names.as_ref().is_some_and(|names| names.iter().any(|name| own(name, domain)))
    };
    let own_domain = domain.filter(is_own);
    Observation {
        mx_of_recipient: exchangers
            .map(|addresses| addresses.iter().any(|&address| Relay::new(address) == inquiry.relay)),
        spf_of_recipient: answers.spf.filter(|_| domain.is_some()),
        same_organisation: domain
            .zip(answers.names.as_ref())
            .map(|(domain, names)| names.iter().any(|name| own(name, domain))),
        refused_inside: inquiry.remote_mta.as_deref().map(|remote| inside(remote, relay, own_domain)),
        original_forbidden: answers.forbidden,
        named_elsewhere: domain
            .zip(answers.names.as_ref())
            .map(|(domain, names)| names.iter().any(|name| elsewhere(name, domain))),
        recipient_organisation: domain
            .map(|domain| organisation(Some(domain)))
            .filter(|name| !name.is_empty()),
        confirmed_name,
        organisation: answers.names.as_ref().and_then(|names| registered_domain(names)),
        ..Observation::unknown(inquiry.evidence)
    }
}

/// Whether the host that refused the recipient stands behind the relay: its address is private or in
/// the relay's network, or its name belongs to the organisation of the relay's own domain or has one
/// label only.
///
/// The owner of the recipient's domain chooses the names and the addresses of that domain's hosts. A
/// name therefore shows nothing unless the relay's confirmed name lies in the same organisation, and
/// `own_domain` is given. An address shows little, so the relation is then a claim at most.
fn inside(remote: &str, relay: IpAddr, own_domain: Option<&str>) -> bool {
    let bare = remote.trim_matches(['[', ']']);
    let bare = bare.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).map_or(bare, |_| &bare[5..]);
    match bare.parse::<IpAddr>() {
        Ok(address) => is_private(address) || Prefix::shared(relay).contains(address),
        // A name of one label is only used inside a network.
        Err(_) => own_domain.is_some_and(|domain| !remote.contains('.') || same_organisation(remote, domain)),
    }
}

fn is_private(address: IpAddr) -> bool {
    special_purpose(address).is_some_and(|purpose| {
        ["private", "loopback", "unique local", "link local", "shared"]
            .iter()
            .any(|private| purpose.what.starts_with(private))
    })
}

/// The registered domain of a name (by the Public Suffix List), in lower case; empty when there is
/// none.
pub fn organisation(name: Option<&str>) -> String {
    let registered = name.and_then(|name| psl::domain_str(name.trim_end_matches('.')));
    registered.unwrap_or_default().to_ascii_lowercase()
}

/// The first of the registered domains of some names in alphabetical order, so that the order of
/// the DNS's records does not matter.
fn registered_domain(names: &[String]) -> Option<String> {
    names.iter().map(|name| organisation(Some(name))).filter(|domain| !domain.is_empty()).min()
}

/// Whether two names have the same registered domain.
fn same_organisation(one: &str, other: &str) -> bool {
    let registered = organisation(Some(one));
    !registered.is_empty() && registered == organisation(Some(other))
}

/// Whether a name was generated from the address, as providers name their customers' lines: the
/// name contains three of the address's octets, the whole address in hexadecimal digits, or the end
/// of an IPv6 address.
fn is_generic(name: &str, address: IpAddr) -> bool {
    let host = name.split('.').next().unwrap_or_default();
    match address {
        IpAddr::V4(v4) => {
            let numbers: Vec<&str> = name.split(|c: char| !c.is_ascii_digit()).collect();
            // Each number in the name stands for one octet at most.
            let mut left = numbers.clone();
            let mut shown = 0;
            for octet in v4.octets() {
                if let Some(at) = left.iter().position(|number| *number == octet.to_string()) {
                    left.swap_remove(at);
                    shown += 1;
                }
            }
            let hexadecimal = format!("{:08x}", u32::from(v4));
            shown >= 3 || host.contains(&hexadecimal)
        }
        IpAddr::V6(v6) => {
            let low = format!("{:x}", u128::from(v6) as u64);
            low.len() >= 6 && host.replace(['-', ':'], "").contains(&low)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn inquiry(remote: Option<&str>) -> Inquiry {
        Inquiry {
            evidence: Digest::of(b"evidence"),
            relay: "9.9.8.25".parse().unwrap(),
            helo: "mx.relay.example".to_owned(),
            domain: Some("relay.example".to_owned()),
            remote_mta: remote.map(str::to_owned),
            injector: None,
            trap_domain: Some("trap.example".to_owned()),
        }
    }

    fn answers(names: &[&str], exchangers: &[&str]) -> DnsAnswers {
        DnsAnswers {
            names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            exchangers: Some(exchangers.iter().map(|address| address.parse().unwrap()).collect()),
            spf: Some(false),
            forbidden: None,
        }
    }

    #[test]
    fn an_exchanger_a_host_of_the_house_and_a_stranger() {
        let of = |answers: &DnsAnswers| {
            let seen = observation(&inquiry(None), answers);
            (seen.mx_of_recipient, seen.same_organisation)
        };
        assert_eq!(of(&answers(&[], &["9.9.8.25"])), (Some(true), Some(false)));
        assert_eq!(of(&answers(&[], &["9.9.8.7"])), (Some(false), Some(false)), "a neighbour's address");
        assert_eq!(of(&answers(&["out.relay.example"], &["1.1.1.1"])), (Some(false), Some(true)));
        assert_eq!(of(&answers(&["mx.other.example"], &[])), (Some(false), Some(false)));
        assert_eq!(of(&DnsAnswers::default()), (None, None));
    }

    #[test]
    fn the_organisation_does_not_depend_on_the_order_of_the_names() {
        let of = |names: &[&str]| observation(&inquiry(None), &answers(names, &[])).organisation;
        let both = Some("house.example".to_owned());
        assert_eq!(of(&["mx.Relay.example", "out.house.example"]), both);
        assert_eq!(of(&["out.house.example", "mx.Relay.example"]), both);
        assert_eq!(of(&["com"]), None, "a public suffix is no organisation");
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_name_made_from_the_address_belongs_to_nobody() {
        for generic in ["25.8.9.9.relay.example", "host-9-9-8-25.relay.example", "x09090819.relay.example"] {
            let seen = observation(&inquiry(None), &answers(&[generic], &[]));
            assert_eq!(seen.same_organisation, Some(false), "{generic}");
        }
        assert!(!is_generic("mx25.relay.example", "9.9.8.25".parse().unwrap()));
        assert!(is_generic("2a01-4f8--c0ffee25.relay.example", "2a01:4f8::c0ff:ee25".parse().unwrap()));
    }

    #[test]
    fn who_refused_stands_inside_or_outside() {
        for (remote, of_own_name, of_claim) in [
            ("inner.relay.example", true, false),
            ("exchange", true, false),
            ("[10.1.2.3]", true, true),
            ("9.9.8.102", true, true),
            ("[IPv6:fd00::1]", true, true),
            ("mx.big.example", false, false),
            ("[1.1.1.1]", false, false),
        ] {
            let own = observation(&inquiry(Some(remote)), &answers(&["mx.relay.example"], &[]));
            assert_eq!(own.refused_inside, Some(of_own_name), "{remote}");
            let claim = observation(&inquiry(Some(remote)), &answers(&["mx.other.example"], &["9.9.8.25"]));
            assert_eq!(claim.refused_inside, Some(of_claim), "{remote}");
        }
        assert_eq!(observation(&inquiry(None), &answers(&[], &[])).refused_inside, None);
    }
}
