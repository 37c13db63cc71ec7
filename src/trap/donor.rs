//! Who gives traps and forwards mail, on which terms.

use std::fmt;

use minicbor::{Decode, Encode};

use super::TrapHasher;
use crate::digest::Digest;
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;

/// Most donors that there may be.
pub const DONORS_MAX: usize = 10_000;
/// Most hosts and networks that one donor may declare.
pub const DONOR_RELAYS_MAX: usize = 1_000;
/// What a whole report weighs.
const WHOLE: u16 = 1_000;

/// Who gave a trap; a short name that the operator chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Donor(#[n(0)] String);

impl Donor {
    pub const NAME_OCTETS_MAX: usize = 64;

    pub fn parse(name: &str) -> Result<Self, String> {
        let fits = (1..=Self::NAME_OCTETS_MAX).contains(&name.len());
        if fits && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)) {
            Ok(Donor(name.to_owned()))
        } else {
            let max = Self::NAME_OCTETS_MAX;
            Err(format!("donor {name:?} is not 1 to {max} of the characters a-z, 0-9, '-', '_' and '.'"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for the name in a ledger.
    pub fn short(&self) -> u32 {
        (Digest::of(self.0.as_bytes()).short() >> 32) as u32
    }
}

impl fmt::Display for Donor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the operator lets a donor do. A donor of whom nothing was said has the default: the operator's own hand gives its traps.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DonorTerms {
    /// The digest of the token that the API knows the donor by; none, and the API doesn't.
    #[n(0)]
    pub token: Option<Digest>,
    /// Active traps.
    #[n(1)]
    pub traps_max: u64,
    /// Forwarded messages and log lines within a day of the journal's time.
    #[n(2)]
    pub reports_per_day_max: u64,
    /// What its evidence weighs, in thousandths.
    #[n(3)]
    pub weight: u16,
    /// Nothing is taken from it, and nothing that comes to its traps counts.
    #[n(4)]
    pub suspended: bool,
    /// Whether it is believed how long its traps have been silent; else they are silent since they were given.
    #[n(5)]
    pub silence_believed: bool,
    /// Its own mail hosts: of what it forwards, their Received lines tell who brought the message to them.
    #[n(6)]
    pub relays: Vec<Prefix>,
    /// It sends hashes of addresses under its own key instead of addresses.
    #[n(7)]
    pub sends_hashes: bool,
    /// It may give whole domains, domains with all below them, and patterns.
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
    /// What its evidence weighs less than a whole report, in thousandths.
    pub fn discount(&self) -> u16 {
        WHOLE.saturating_sub(self.weight)
    }

    pub fn has_relay(&self, relay: Relay) -> bool {
        self.relays.iter().any(|prefix| prefix.contains(relay.address()))
    }
}

/// What came of a donor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Contribution {
    /// Evidence that was counted against a relay, of any weight.
    #[n(0)]
    pub counted: u64,
    /// When something was counted last.
    #[n(1)]
    pub last: Timestamp,
    /// When something was forwarded last, and how many messages and log lines on that day.
    #[n(2)]
    pub forwarded_at: Timestamp,
    #[n(3)]
    pub forwarded: u64,
}

impl Contribution {
    /// How much was forwarded on the day of a moment.
    pub fn forwarded_on(&self, now: Timestamp) -> u64 {
        if self.forwarded_at.day() == now.day() { self.forwarded } else { 0 }
    }

    pub fn forward(&mut self, now: Timestamp) {
        self.forwarded = self.forwarded_on(now) + 1;
        self.forwarded_at = now;
    }
}

/// How the address begins to which a donor forwards mail.
const FORWARD: &str = "forward+";

impl TrapHasher {
    /// The local part of the address to which a donor forwards reports as attachments: it proves who sends them, and changes with the
    /// donor's token.
    pub fn forward_local(&self, donor: &Donor, terms: &DonorTerms) -> String {
        let token = terms.token.map(|token| token.to_string()).unwrap_or_default();
        let proof = Digest::keyed(&self.0, format!("forward {donor} {token}").as_bytes());
        format!("{FORWARD}{donor}+{:016x}", proof.short())
    }

    /// The donor who is proved by such a local part.
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
