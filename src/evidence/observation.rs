//! What the DNS said about a relay after it brought evidence.

use minicbor::{Decode, Encode};

use super::Evidence;
use crate::digest::Digest;

/// The result of the DNS queries about a relay that brought evidence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Observation {
    /// The id of the evidence.
    #[n(0)]
    pub evidence: Digest,
    /// The forward-confirmed reverse DNS name.
    #[n(1)]
    pub confirmed_name: Option<String>,
    /// Whether the relay is an MX host of the failed recipient's domain. In this field and the
    /// following ones, `None` means that the answer is unknown, which never adds points.
    #[n(2)]
    pub mx_of_recipient: Option<bool>,
    /// Whether the SPF record of the failed recipient's domain authorises the relay (RFC 7208).
    #[n(3)]
    pub spf_of_recipient: Option<bool>,
    /// The number of the autonomous system that announces the relay's address.
    #[n(4)]
    pub network: Option<u32>,
    /// Whether the confirmed name belongs to the same organisation as the failed recipient's
    /// domain. A generic name that is derived from the address does not count.
    #[n(5)]
    pub same_organisation: Option<bool>,
    /// Whether the host that refused the recipient stands behind the relay. Its address is private or in
    /// the relay's network. If the relay's confirmed name belongs to the organisation of the
    /// recipient's domain, a name of that organisation will do, too.
    #[n(6)]
    pub refused_inside: Option<bool>,
    /// The number of the autonomous system that announces the injector's address.
    #[n(7)]
    pub injector_network: Option<u32>,
    /// Whether the SPF or DMARC record of the trap's domain forbade the original.
    #[n(8)]
    pub original_forbidden: Option<bool>,
    /// Whether the confirmed name belongs to another organisation than the failed recipient's
    /// domain. A generic name that is derived from the address does not count.
    #[n(9)]
    pub named_elsewhere: Option<bool>,
    /// The registered domain of the confirmed name, in lower case. If the relay has several names,
    /// the first of their registered domains in alphabetical order.
    #[n(10)]
    pub organisation: Option<String>,
    /// The registered domain of the failed recipient's domain (by the Public Suffix List).
    #[n(11)]
    pub recipient_organisation: Option<String>,
    /// The number of the try that gave the answers; the first is 0. It is part of the entry's id, so
    /// that a later and fuller observation of the same evidence is a new entry.
    #[n(12)]
    #[cbor(default, skip_if = "is_first_try")]
    pub attempt: u16,
    /// The evidence, as its own entry contains it, in an observation that may come after the
    /// evidence was counted. The fold does not keep evidence that it has counted.
    #[n(13)]
    pub counted: Option<Box<Evidence>>,
}

const fn is_first_try(attempt: &u16) -> bool {
    *attempt == 0
}

impl Observation {
    /// An observation in which every answer is unknown.
    pub fn unknown(evidence: Digest) -> Self {
        Observation {
            evidence,
            confirmed_name: None,
            mx_of_recipient: None,
            spf_of_recipient: None,
            network: None,
            same_organisation: None,
            refused_inside: None,
            injector_network: None,
            original_forbidden: None,
            named_elsewhere: None,
            organisation: None,
            recipient_organisation: None,
            attempt: 0,
            counted: None,
        }
    }

    /// Whether nothing about the relation is left to ask: every question got an answer, or the relay's
    /// own name belongs to the organisation of the domain.
    pub fn is_whole(&self) -> bool {
        let signs = [self.mx_of_recipient, self.spf_of_recipient, self.same_organisation];
        self.same_organisation == Some(true) || !signs.contains(&None)
    }
}
