//! Traps: addresses that never send mail.
//!
//! Trap addresses are secret, so only keyed hashes of them are stored.

mod coverage;
mod donor;
pub mod feed;
mod key;
mod mail_route;
mod registered;
mod set;
mod table;
mod tag;
mod watermark;

pub use coverage::{NamedTrap, WIDER_MAX, named_domain};
pub use donor::{Contribution, DISCOUNT_MAX, DONOR_RELAYS_MAX, DONORS_MAX, Donor, DonorTerms};
pub use key::{TrapHasher, TrapKey};
pub use mail_route::{KnownMail, MailRoute, SealedName, TrapMail};
pub use registered::{Scope, Trap};
pub use set::{HASHING_DONORS_MAX, KnownTraps, TrapCount, TrapDomains, TrapSet};
pub use tag::strip_rewriting;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mailbox;
    use crate::time::Timestamp;

    #[test]
    fn an_address_is_a_trap_by_itself_or_through_its_domain() {
        let hasher = TrapHasher::new([1; 32]);
        let key = |text: &str| hasher.address(&Mailbox::parse(text).unwrap());
        let trap = |scope, domain| Trap {
            scope,
            domain: hasher.domain(domain),
            donor: Donor::parse("own").unwrap(),
            since: Timestamp::default(),
            retired: None,
            silent_since: Timestamp::default(),
            barred: false,
        };
        let mut traps = TrapSet::default();
        traps.insert(hasher.domain("dead.example"), trap(Scope::Domain, "dead.example"));
        traps.insert(key("bait@seeded.example"), trap(Scope::Address, "seeded.example"));
        let find = |traps: &TrapSet, text: &str| {
            let mailbox = Mailbox::parse(text).unwrap();
            traps.find(hasher.address(&mailbox), hasher.domain(mailbox.domain()), &[]).is_some()
        };
        assert!(find(&traps, "anyone@DEAD.example"));
        assert!(find(&traps, "Bait@seeded.example"));
        assert!(!find(&traps, "other@seeded.example"));
        assert!(traps.domains().contains(hasher.domain("seeded.example")));
        assert!(traps.retire(hasher.domain("dead.example"), Timestamp::default(), false));
        assert!(!traps.retire(hasher.domain("dead.example"), Timestamp::default(), false));
        assert!(!find(&traps, "anyone@dead.example"));
        assert!(!format!("{hasher:?}").contains('1'));
    }

    #[test]
    fn donors_have_plain_names() {
        assert!(Donor::parse("isp-2.example").is_ok());
        for wrong in ["", "Upper", "with space", &"x".repeat(65)] {
            assert!(Donor::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
