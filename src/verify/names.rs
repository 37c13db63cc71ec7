//! Made-up names that look like people's and belong to nobody.
//!
//! A name is a given name, two family names and two digits, such as `ilse.harper.moreau47`. Single
//! parts are common, so no host can tell the name from a customer's; the combination is one of some
//! ninety million, so no host has a customer of that name.

use super::conclusion::NAMES;
use crate::digest::{Digest, Digester};

#[rustfmt::skip]
const GIVEN: [&str; 64] = [
    "adam", "alice", "andrea", "anna", "anton", "arthur", "bella", "boris", "carla", "carlos", "celine", "clara",
    "daniel", "david", "diana", "elena", "elias", "emma", "erik", "eva", "felix", "fiona", "frank", "gerda",
    "hanna", "hugo", "ilse", "ingrid", "irene", "ivan", "jana", "jens", "julia", "karin", "kurt", "lars",
    "laura", "lena", "louis", "lucia", "marco", "maria", "marta", "martin", "milan", "monika", "nadia", "nils",
    "nora", "oscar", "paula", "peter", "petra", "rosa", "sara", "simon", "sofia", "stefan", "tania", "thomas",
    "vera", "victor", "walter", "yvonne",
];
#[rustfmt::skip]
const FAMILY: [&str; 128] = [
    "abbott", "adler", "albers", "almeida", "andersen", "arnaud", "barlow", "bauer", "becker", "bennett", "berger",
    "bianchi", "blanc", "boyer", "brandt", "burke", "carter", "castro", "cohen", "conti", "cooper", "costa",
    "cramer", "dawson", "decker", "dietz", "donovan", "dubois", "duarte", "eklund", "ellis", "engel", "esposito",
    "evans", "faber", "farkas", "ferrari", "fischer", "foster", "franke", "fuchs", "gallo", "garnier", "gibson",
    "graf", "greco", "griffin", "haas", "hagen", "hansen", "harper", "hartmann", "heller", "henriksen", "hoffman",
    "holm", "horvath", "hughes", "ivanov", "jacobs", "jansen", "jensen", "kaiser", "keller", "kovacs", "kramer",
    "krause", "lambert", "larsen", "lehmann", "leroy", "lindberg", "lombardi", "lopez", "lorenz", "lucas", "maier",
    "marino", "marsh", "martens", "mendes", "meyer", "moreau", "moretti", "murphy", "nagy", "neumann", "nielsen",
    "novak", "olsen", "ortega", "palmer", "parker", "peters", "petrov", "pohl", "porter", "ramos", "reed", "richter",
    "rivera", "robin", "romano", "rossi", "russo", "sanders", "santos", "schmidt", "schulz", "silva", "simmons",
    "sommer", "stein", "svensson", "szabo", "thomsen", "torres", "turner", "vargas", "vogel", "wagner", "walsh",
    "weber", "winkler", "wolf", "young", "zeller", "zimmer",
];
/// The least number at the end of a name, and how many numbers there are.
const NUMBERS: (u8, u8) = (11, 88);

/// The made-up names of a seed, all different.
pub fn made_up_names(seed: Digest) -> [String; NAMES] {
    let name = |round: u8| name(Digester::default().add(seed.octets()).add(&[round]).digest());
    let first = name(0);
    // The rounds end: a name is repeated once in millions of rounds.
    let second = (1..=u8::MAX).map(name).find(|other| *other != first).unwrap_or_default();
    [first, second]
}

fn name(chosen: Digest) -> String {
    let [given, one, other, number, ..] = *chosen.octets();
    let pick = |list: &[&'static str], at: u8| list[usize::from(at) % list.len()];
    let (least, numbers) = NUMBERS;
    let number = least + number % numbers;
    format!("{}.{}.{}{number}", pick(&GIVEN, given), pick(&FAMILY, one), pick(&FAMILY, other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_names_again_and_other_seeds_give_others() {
        let of = |nth: u32| made_up_names(Digest::of(&nth.to_be_bytes()));
        assert_eq!(of(1), of(1));
        let names: BTreeSet<String> = (0..5_000).flat_map(of).collect();
        assert!(names.len() > 9_990, "{} distinct names of 10,000", names.len());
        for name in names {
            let parts: Vec<&str> = name.split('.').collect();
            assert_eq!(parts.len(), 3, "{name}");
            assert!(name.len() <= 64, "RFC 5321 §4.5.3.1.1: {name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.'),
                "{name}"
            );
            assert_eq!(name.bytes().filter(u8::is_ascii_digit).count(), 2, "{name}");
        }
    }

    #[test]
    fn the_lists_repeat_nothing_and_divide_an_octet() {
        for list in [&GIVEN[..], &FAMILY[..]] {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
            assert_eq!(256 % list.len(), 0, "every part is equally likely");
        }
    }
}
