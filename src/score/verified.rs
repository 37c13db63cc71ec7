//! Which reports of a case may lead to a listing, by what the relay's side answered.

use minicbor::{Decode, Encode};

use super::{Case, CountedReport, Relation, VerificationMode};

/// The domains in which the relay's side took made-up recipients, for the reports of one case.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifiedDomains {
    /// Which reports need an answer.
    #[n(0)]
    mode: VerificationMode,
    /// Short digests of the domains, in ascending order.
    #[n(1)]
    domains: Vec<u64>,
    /// Short digests of domains about which the relay's side must not be asked, in ascending
    /// order.
    #[n(2)]
    #[cbor(default)]
    opted_out: Vec<u64>,
}

impl VerifiedDomains {
    /// The verified domains of a relay, and those about which its side must not be asked: short digests of
    /// domains.
    pub fn new(mode: VerificationMode, mut domains: Vec<u64>, mut opted_out: Vec<u64>) -> Self {
        domains.sort_unstable();
        opted_out.sort_unstable();
        VerifiedDomains { mode, domains, opted_out }
    }

    /// Whether a report may lead to a listing.
    pub fn permits(&self, mark: &CountedReport) -> bool {
        let is_verified = || self.domains.binary_search(&mark.domain).is_ok();
        match self.mode {
            VerificationMode::Off => true,
            VerificationMode::Claims => mark.relation == Relation::Confirmed || is_verified(),
            VerificationMode::Required => {
                let must_not_ask = || self.opted_out.binary_search(&mark.domain).is_ok();
                is_verified() || (mark.relation == Relation::Confirmed && must_not_ask())
            }
        }
    }

    /// These answers, without those about domains that no report of a case is about.
    pub fn of_case(self, case: &Case<'_>) -> Self {
        let is_of_case = |domain: &u64| case.marks().iter().any(|mark| mark.domain == *domain);
        let VerifiedDomains { mode, domains, opted_out } = self;
        let keep = |list: Vec<u64>| list.into_iter().filter(is_of_case).collect();
        VerifiedDomains { mode, domains: keep(domains), opted_out: keep(opted_out) }
    }

    /// The verified domains.
    pub fn domains(&self) -> &[u64] {
        &self.domains
    }
}
