//! Generated trap addresses. They look like personal addresses and end in a keyed watermark, which
//! shows to the holder of the key that the address was generated here and for which place it was
//! made.

use super::key::TrapHasher;
use crate::digest::Digest;
use crate::mail::Mailbox;

/// The digits of a watermark: Crockford's base 32, in which no two digits look alike.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Number of digits for the place, and for the proof.
const PLACE_DIGITS: usize = 2;
const PROOF_DIGITS: usize = 6;
const MARK_DIGITS: usize = PLACE_DIGITS + PROOF_DIGITS;
/// Number of places that the digits can express.
const PLACES_MAX: u16 = 1 << (5 * PLACE_DIGITS);

const FIRST_NAMES: [&str; 32] = [
    "adam", "alice", "anna", "ben", "carla", "clara", "daniel", "david", "elena", "emil", "eva", "frank",
    "greta", "hugo", "ines", "jan", "julia", "karl", "laura", "leo", "lena", "marc", "maria", "martin",
    "nina", "oskar", "paul", "petra", "rosa", "simon", "tom", "vera",
];
const LAST_NAMES: [&str; 32] = [
    "adler", "bauer", "beck", "berger", "brandt", "carter", "costa", "dietz", "ferrari", "fischer", "fuchs",
    "garcia", "graham", "hansen", "horvat", "jensen", "keller", "kowalski", "lang", "lindt", "marsh",
    "meyer", "novak", "olsen", "parker", "rossi", "santos", "sommer", "turner", "vogel", "weber", "winter",
];

impl TrapHasher {
    /// Generates an address from random octets for a place, such as the web page that it will be
    /// published on.
    ///
    /// # Errors
    /// When the domain is not a valid domain name, or `place` is too large.
    pub fn made_up(&self, random: [u8; 16], domain: &str, place: u16) -> Result<Mailbox, String> {
        if place >= PLACES_MAX {
            return Err(format!("place {place} is not below {PLACES_MAX}"));
        }
        let pick = |names: &[&'static str; 32], at: usize| names[usize::from(random[at]) % names.len()];
        let name = format!("{}.{}", pick(&FIRST_NAMES, 0), pick(&LAST_NAMES, 1));
        self.named(&format!("{name}@{domain}"))?;
        // First and last name alone would soon be generated twice.
        let name = format!("{name}{}", u16::from_be_bytes([random[2], random[3]]) % 100);
        let mark = self.mark(&name, &domain.to_lowercase(), place);
        Mailbox::parse(&format!("{name}-{mark}@{domain}"))
            .ok_or_else(|| format!("{domain:?} is not a domain"))
    }

    /// The place that an address was generated for; `None` if it was not generated here.
    pub fn place_of(&self, mailbox: &Mailbox) -> Option<u16> {
        let local = mailbox.local().to_ascii_lowercase();
        let (name, mark) = local.rsplit_once('-')?;
        if mark.len() != MARK_DIGITS || !mark.is_ascii() {
            return None;
        }
        let digit = |octet: u8| DIGITS.iter().position(|digit| *digit == octet);
        let place =
            mark.bytes().take(PLACE_DIGITS).try_fold(0, |place, octet| Some(place * 32 + digit(octet)?))?;
        let place = u16::try_from(place).ok()?;
        (self.mark(name, mailbox.domain(), place) == mark).then_some(place)
    }

    fn mark(&self, name: &str, domain: &str, place: u16) -> String {
        let digest = Digest::keyed(&self.0, format!("watermark {place} {name}@{domain}").as_bytes());
        let digits = |number: u64, count: usize| {
            (0..count).rev().map(move |nth| char::from(DIGITS[(number >> (5 * nth)) as usize % 32]))
        };
        digits(u64::from(place), PLACE_DIGITS).chain(digits(digest.short(), PROOF_DIGITS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_address_tells_its_place_to_us_alone() {
        let (ours, other) = (TrapHasher::new([1; 32]), TrapHasher::new([2; 32]));
        let mut made = std::collections::BTreeSet::new();
        for nth in 0..100_u8 {
            let random = *Digest::of(&[nth]).octets();
            let address = ours.made_up(random, "trap.example", u16::from(nth)).unwrap();
            assert_eq!(ours.place_of(&address), Some(u16::from(nth)), "{address}");
            assert_eq!(
                ours.place_of(&Mailbox::parse(&address.to_string().to_uppercase()).unwrap()),
                Some(u16::from(nth))
            );
            assert_eq!(other.place_of(&address), None);
            made.insert(address);
        }
        assert_eq!(made.len(), 100);
        for none in ["anna.keller@trap.example", "anna-00000000@trap.example", "a-é0000000@trap.example"] {
            assert_eq!(ours.place_of(&Mailbox::parse(none).unwrap()), None, "{none}");
        }
        assert!(ours.made_up([0; 16], "trap.example", PLACES_MAX).is_err());
        assert!(ours.made_up([0; 16], "trap", 1).is_err());
    }
}
