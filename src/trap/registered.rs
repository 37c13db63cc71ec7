//! A trap as it was registered.

use minicbor::{Decode, Encode};

use super::donor::Donor;
use super::key::TrapKey;
use crate::time::Timestamp;

/// A trap as it was registered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Trap {
    /// How much of the domain the trap covers.
    #[n(0)]
    pub scope: Scope,
    /// The key of the trap's domain. For a whole domain it is the trap's own key.
    #[n(1)]
    pub domain: TrapKey,
    /// The donor of the trap.
    #[n(2)]
    pub donor: Donor,
    /// When the trap was added.
    #[n(3)]
    pub since: Timestamp,
    /// When the trap was retired; `None` while it is active.
    #[n(4)]
    pub retired: Option<Timestamp>,
    /// Since when the trap has been known to send no mail and to expect none. Never later than the
    /// time at which it was added.
    #[n(5)]
    #[cbor(default)]
    pub silent_since: Timestamp,
    /// Whether the operator retired the trap for good, so that no donor can add it again.
    #[n(6)]
    #[cbor(default, skip_if = "is_not")]
    pub barred: bool,
}

/// How much of a domain a trap covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Every local part of the domain is a trap.
    #[n(0)]
    Domain,
    /// This address alone is a trap. Mail for the other local parts of its domain is accepted in
    /// the same way and does not count.
    #[n(1)]
    Address,
    /// Every local part of the domain and of all its subdomains is a trap.
    #[n(2)]
    Subdomains,
    /// The local parts that begin with a given prefix are traps. Mail for the others is accepted in
    /// the same way and does not count.
    #[n(3)]
    Pattern,
    /// An address or a domain that its donor named by a hash under the donor's own key.
    #[n(4)]
    Hashed,
}

impl Scope {
    /// The scope's name in texts and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Domain => "domain",
            Scope::Address => "address",
            Scope::Subdomains => "subdomains",
            Scope::Pattern => "pattern",
            Scope::Hashed => "hashed",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "minicbor hands out references")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}
