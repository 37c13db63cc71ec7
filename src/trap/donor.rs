//! Donors, who give traps and forward mail, and the terms on which they do so.

use std::fmt;

use minicbor::{Decode, Encode};

use super::key::{TrapHasher, TrapKey};
use crate::digest::Digest;
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;

/// Maximum number of donors.
pub const DONORS_MAX: usize = 10_000;
/// Maximum number of hosts and networks that one donor may declare as its own mail hosts.
pub const DONOR_RELAYS_MAX: usize = 1_000;
/// The weight of a whole report, in thousandths.
const WHOLE: u16 = 1_000;
/// The discount at which the evidence of a donor weighs nothing, in thousandths of a whole report.
pub const DISCOUNT_MAX: u16 = WHOLE;

/// The name of a donor: a short name that the operator chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Donor(#[n(0)] String);

impl Donor {
    /// Maximum length of a donor's name, in octets.
    pub const NAME_OCTETS_MAX: usize = 64;

    /// The operator, as the donor of its own traps.
    pub fn operator() -> Self {
        Donor("own".to_owned())
    }

    /// Reads a donor's name: 1 to [`Self::NAME_OCTETS_MAX`] of the characters a-z, 0-9, `-`, `_`
    /// and `.`.
    ///
    /// # Errors
    /// When the name is empty or too long, or holds another character.
    pub fn parse(name: &str) -> Result<Self, String> {
        let fits = (1..=Self::NAME_OCTETS_MAX).contains(&name.len());
        if fits && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)) {
            Ok(Donor(name.to_owned()))
        } else {
            let max = Self::NAME_OCTETS_MAX;
            Err(format!("donor {name:?}: write 1 to {max} of the characters a-z, 0-9, '-', '_' and '.'"))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A short digest that represents the name in a ledger.
    pub fn short(&self) -> u32 {
        (Digest::of(self.0.as_bytes()).short() >> 32) as u32
    }
}

impl fmt::Display for Donor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the operator allows a donor to do. The default applies to a donor that has no terms of its
/// own: the operator enters its traps.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DonorTerms {
    /// The digest of the token with which the donor authenticates to the API. Without a token the
    /// donor cannot use the API.
    #[n(0)]
    pub token: Option<Digest>,
    /// Maximum number of active traps.
    #[n(1)]
    pub traps_max: u64,
    /// Maximum number of forwarded messages and log lines within one day of the journal's time.
    #[n(2)]
    pub reports_per_day_max: u64,
    /// The weight of the donor's evidence, in thousandths of a whole report.
    #[n(3)]
    pub weight: u16,
    /// Whether the donor is suspended: nothing is accepted from it, and nothing that arrives at its
    /// traps counts.
    #[n(4)]
    pub suspended: bool,
    /// Whether the donor's statement of how long its traps have been silent is believed. Otherwise
    /// a trap counts as silent since it was given.
    #[n(5)]
    pub silence_believed: bool,
    /// The donor's own mail hosts. In mail that the donor forwards, the Received lines of these
    /// hosts name the relay that brought the message to them.
    #[n(6)]
    pub relays: Vec<Prefix>,
    /// Whether the donor may send hashes of addresses under its own key instead of addresses.
    #[n(7)]
    pub sends_hashes: bool,
    /// Whether the donor may give whole domains, domains with all subdomains, and patterns.
    #[n(8)]
    #[cbor(default)]
    pub gives_domains: bool,
}

impl Default for DonorTerms {
    fn default() -> Self {
        DonorTerms {
            token: None,
            traps_max: 1_000_000,
            reports_per_day_max: 10_000,
            weight: WHOLE,
            suspended: false,
            silence_believed: false,
            relays: Vec::new(),
            sends_hashes: false,
            gives_domains: false,
        }
    }
}

impl DonorTerms {
    /// How much less than a whole report the donor's evidence weighs, in thousandths.
    pub fn discount(&self) -> u16 {
        WHOLE.saturating_sub(self.weight)
    }

    /// Whether a relay is one of the donor's own mail hosts.
    pub fn has_relay(&self, relay: Relay) -> bool {
        self.relays.iter().any(|prefix| prefix.contains(relay.address()))
    }
}

/// What a donor has contributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Contribution {
    /// Evidence from this donor that counted against a relay, whatever its weight.
    #[n(0)]
    pub counted: u64,
    /// When evidence last counted.
    #[n(1)]
    pub last: Timestamp,
    /// When the donor last forwarded a message or log line.
    #[n(2)]
    pub forwarded_at: Timestamp,
    /// How many messages and log lines the donor forwarded on the day of `forwarded_at`.
    #[n(3)]
    pub forwarded: u64,
    /// How many of the messages and log lines that the donor forwarded are evidence, judged by
    /// themselves and by the donor's own traps. Unlike `counted`, this number does not depend on
    /// other donors, so the donor may see it.
    #[n(4)]
    #[cbor(default)]
    pub evidence: u64,
    /// When the donor last forwarded such a message or log line.
    #[n(5)]
    #[cbor(default)]
    pub evidence_at: Timestamp,
}

impl Contribution {
    /// How many messages and log lines were forwarded on the day of `now`.
    pub fn forwarded_on(&self, now: Timestamp) -> u64 {
        if self.forwarded_at.day() == now.day() { self.forwarded } else { 0 }
    }

    /// Counts one forwarded message or log line.
    pub fn forward(&mut self, now: Timestamp) {
        self.forwarded = self.forwarded_on(now) + 1;
        self.forwarded_at = now;
    }
}

/// Length of a digest in hexadecimal digits.
const DIGEST_DIGITS: usize = 32;
/// The prefix of the address to which a donor forwards mail.
const FORWARD: &str = "forward+";

impl TrapHasher {
    /// The secret key of a donor that sends hashes instead of addresses. The donor hashes with
    /// BLAKE3's keyed mode and sends the first 16 octets.
    pub fn donor_key(&self, donor: &Donor) -> [u8; 32] {
        Digest::secret(&self.0, format!("donor {donor}").as_bytes())
    }

    /// The stored key for a hash that a donor sent. The hash is hashed again together with the
    /// donor's name, so that a donor can neither choose the stored key nor produce one that belongs
    /// to another donor or to a plain address.
    pub fn of_hash(&self, donor: &Donor, given: TrapKey) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, format!("hashed {donor} {given}").as_bytes()))
    }

    /// The hasher that a donor uses on its own addresses.
    pub fn for_donor(&self, donor: &Donor) -> TrapHasher {
        TrapHasher(self.donor_key(donor))
    }

    /// The local part of the address to which a donor forwards reports as attachments. It proves
    /// the donor's identity and changes with the donor's token.
    pub fn forward_local(&self, donor: &Donor, terms: &DonorTerms) -> String {
        let token = terms.token.map(|token| token.to_string()).unwrap_or_default();
        let proof = Digest::keyed(&self.0, format!("forward {donor} {token}").as_bytes());
        format!("{FORWARD}{donor}+{:016x}", proof.short())
    }

    /// The receipt for a report that a donor handed on: the report's id, and a proof that the receipt
    /// was made for this donor.
    pub fn receipt(&self, donor: &Donor, report: Digest) -> String {
        let proof = Digest::keyed(&self.0, format!("receipt {donor} {report}").as_bytes());
        format!("{report}{:016x}", proof.short())
    }

    /// The report of a receipt that was made for this donor.
    pub fn report_of_receipt(&self, donor: &Donor, receipt: &str) -> Option<Digest> {
        let report: Digest = receipt.get(..DIGEST_DIGITS)?.parse().ok()?;
        (self.receipt(donor, report) == receipt).then_some(report)
    }

    /// The donor whose identity such a local part proves, unless the donor is unknown or suspended.
    pub fn forwarder(
        &self,
        local: &str,
        terms_of: impl FnOnce(&Donor) -> Option<DonorTerms>,
    ) -> Option<Donor> {
        let local = local.to_ascii_lowercase();
        let (name, _) = local.strip_prefix(FORWARD)?.rsplit_once('+')?;
        let donor = Donor::parse(name).ok()?;
        let terms = terms_of(&donor).filter(|terms| !terms.suspended)?;
        (self.forward_local(&donor, &terms) == local).then_some(donor)
    }
}
