//! Which reports of a case may lead to a listing, by what the relay's side answered.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{CountedReport, Relation};

/// Which relations need the answer of the relay's side before a relay is listed in the main zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationMode {
    /// All of them.
    #[default]
    #[n(0)]
    Required,
    /// Those that are only claimed.
    #[n(1)]
    Claims,
    /// None: nobody is asked.
    #[n(2)]
    Off,
}

/// The domains in which the relay's side took made-up recipients, for the reports of one case.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifiedDomains {
    /// Which reports need an answer.
    #[n(0)]
    mode: VerificationMode,
    /// Short digests of the registered domains, in ascending order.
    #[n(1)]
    organisations: Vec<u32>,
    /// Short digests of registered domains about which the relay's side must not be asked, in ascending
    /// order.
    #[n(2)]
    #[cbor(default)]
    opted_out: Vec<u32>,
}

impl VerifiedDomains {
    /// The verified domains of a relay, and those about which its side must not be asked: short digests
    /// of registered domains.
    pub fn new(mode: VerificationMode, mut organisations: Vec<u32>, mut opted_out: Vec<u32>) -> Self {
        organisations.sort_unstable();
        opted_out.sort_unstable();
        VerifiedDomains { mode, organisations, opted_out }
    }

    /// Whether a report may lead to a listing.
    pub fn permits(&self, mark: &CountedReport) -> bool {
        let is_verified = || self.organisations.binary_search(&mark.organisation).is_ok();
        match self.mode {
            VerificationMode::Off => true,
            VerificationMode::Claims => mark.relation == Relation::Confirmed || is_verified(),
            VerificationMode::Required => {
                let must_not_ask = || self.opted_out.binary_search(&mark.organisation).is_ok();
                is_verified() || (mark.relation == Relation::Confirmed && must_not_ask())
            }
        }
    }

    /// The verified domains.
    pub fn organisations(&self) -> &[u32] {
        &self.organisations
    }
}
