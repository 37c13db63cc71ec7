//! A zone's checked configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::apex::Apex;
use super::entries::{ListedCode, ListedCodes, ListedEntries};
use super::text::{TextTemplate, TxtText};
use crate::classify::Kind;
use crate::complaint::Complaints;
use crate::digest::Digest;
use crate::listing::{CodeBasis, GuardLimits, Listing, ListingTerms, PublicationSlots, ReturnCode};
use crate::relay::{Listable, Prefix};
use crate::score::{Policy, Quorum, VerificationMode};

/// Smallest number of octets of an access key in a query name. A label of this length is neither
/// part of an address nor a sublist's label.
pub const KEY_OCTETS_MIN: usize = 16;
/// The advice about a label of a sublist that is not usable.
pub(super) const NEW_LABEL: &str = "write two to fifteen lower-case letters (RFC 5782 §2.3)";

/// A zone's checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// The zone's origin and the records there.
    pub apex: Apex,
    /// The digest of the file. Every listing stores it as its policy.
    pub digest: Digest,
    /// Which addresses may be listed.
    pub listable: Listable,
    /// The first serial of the zone (RFC 1035 §3.3.13). Every change of the published zone raises it by
    /// one.
    pub serial_base: u32,
    /// When what was decided becomes public.
    pub slots: PublicationSlots,
    /// The TTLs of the zone's records.
    pub ttls: Ttls,
    /// The texts of the zone's TXT records.
    pub texts: ZoneTexts,
    /// The codes that a relay can be listed under.
    pub codes: Vec<ReturnCode>,
    /// The sublists: names below the origin that return some of the codes.
    pub sublists: Vec<Sublist>,
    /// The view that is queried directly below the origin.
    pub main: CodeView,
    /// The weights and rules by which evidence is scored.
    pub policy: Policy,
    /// How long listings last, and when they become longer.
    pub terms: ListingTerms,
    /// The limits on additions and endings per hour.
    pub guards: GuardLimits,
}

impl ZoneConfig {
    /// Checks rules that apply to a zone file only when it is adopted. Files that were adopted
    /// before a rule existed must remain readable, because the journal contains them.
    pub fn check_new(&self, complaints: &mut Complaints) {
        for (at, Sublist { label, .. }) in self.sublists.iter().enumerate() {
            let digit = label.starts_with(|letter: char| letter.is_ascii_digit());
            complaints.require(
                label.len() < KEY_OCTETS_MIN && !digit,
                &format!("sublists[{at}].label"),
                format!("{label:?} can be mistaken for a part of an address, or for an access key"),
                NEW_LABEL,
            );
        }
        for cause in self.policy.weights.causes.keys().filter(|cause| !cause.may_score()) {
            complaints.add(
                &format!("policy.weights.causes.{}", cause.name()),
                "well-run servers also return mail for this cause, so it may never score",
                "remove the line",
            );
        }
        for (at, code) in self.codes.iter().enumerate().filter(|(_, code)| code.main) {
            let CodeBasis::Kinds { kinds, .. } = &code.basis else { continue };
            for kind in kinds.iter().filter(|kind| !kind.can_be_verified()) {
                complaints.add(
                    &format!("codes[{at}].main"),
                    format!("the code is based on {kind}, and nobody can verify such a report by asking the relay about the recipient"),
                    "write main = false, and show the code in a sublist",
                );
            }
        }
        self.guards.check_new(complaints);
        for (at, code) in self.codes.iter().enumerate() {
            let CodeBasis::Kinds { quorum, .. } = &code.basis else { continue };
            complaints.require(
                quorum.direct_reports >= 1,
                &format!("codes[{at}]"),
                "its quorum asks for no report that the relay delivered itself, so donors alone could list a relay",
                "write direct_reports = 1 in the quorum of the code, or else in [policy.quorum]",
            );
        }
        let ZoneTexts { listed, test, url: _, shut_down } = &self.texts;
        for (key, text) in [("texts.listed", listed), ("texts.test", test), ("texts.shut_down", shut_down)] {
            complaints.require(
                is_printable(text),
                key,
                "it has more than one line, or a character that is not printable US-ASCII",
                "write one line of printable US-ASCII, because exported files contain it too",
            );
        }
    }

    /// The evidence kinds and the quorum of a code; `None` if the code does not exist or is not
    /// earned by evidence.
    pub fn quorum(&self, code: u8) -> Option<(&[Kind], &Quorum)> {
        self.codes.iter().find(|of| of.value == code).and_then(|of| match &of.basis {
            CodeBasis::Kinds { kinds, quorum } => Some((kinds.as_slice(), quorum)),
            _ => None,
        })
    }

    /// Whether a listing under a code waits for the answer of the relay's side. Only the main zone's codes
    /// are about failures that can be verified.
    pub fn verifies(&self, code: u8) -> bool {
        let is_main = self.codes.iter().any(|of| of.value == code && of.main);
        is_main && self.policy.verification != VerificationMode::Off
    }

    /// The codes that are returned with a listing under `code`. A code of the main zone goes only with
    /// other codes of the main zone. What sublists alone show cannot be verified, and never leads to an
    /// answer of the main zone.
    pub fn beside(&self, code: u8, listing: &Listing) -> impl Iterator<Item = &ReturnCode> {
        let is_main = self.codes.iter().any(|of| of.value == code && of.main);
        self.codes.iter().filter(move |of| (is_main || !of.main) && of.basis.goes_with(listing))
    }
}

/// The TTLs of a zone's records, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttls {
    /// The greatest TTL of a listed address's records.
    pub listed: u32,
    /// The TTL of a test entry's records.
    pub test: u32,
    /// The TTL of the records of a zone that was shut down.
    pub shut_down: u32,
}

/// A name below the zone's origin that returns some of the zone's codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sublist {
    /// The sublist's label, directly below the zone's origin.
    pub label: String,
    /// The codes that the sublist returns.
    pub view: CodeView,
}

/// The codes that are visible below one name, and how they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeView {
    /// The visible codes, as bits.
    pub mask: u8,
    /// What the returned address contains besides the codes.
    pub shows: CodeDisplay,
    /// One test entry for each value that the view can return (RFC 5782 §5).
    pub test_entries: ListedEntries,
}

/// What the returned address in 127.0.0.0/8 contains besides the codes in its last octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeDisplay {
    /// Nothing else: the second and third octet are 0.
    Codes,
    /// The confidence, from 0 to 100, in the third octet.
    Score,
}

/// The texts of a zone's TXT records, and the address of its web pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneTexts {
    /// A template in which `$` stands for the address. `test` is one too.
    pub(super) listed: String,
    pub(super) test: String,
    /// The address of a page, in which `{address}` stands for the address.
    pub(super) url: String,
    pub(super) shut_down: String,
}

impl ZoneTexts {
    /// The TXT record at the origin of a zone that was shut down.
    pub fn shut_down(&self) -> &str {
        &self.shut_down
    }

    /// The template of the TXT records of listed addresses, or of test entries.
    pub(super) fn template(&self, test: bool) -> TextTemplate<'_> {
        TextTemplate::new(if test { &self.test } else { &self.listed }.as_bytes())
    }

    /// The text of the TXT record of an address; `test` for a test entry.
    pub fn about(&self, address: IpAddr, test: bool) -> TxtText<'_> {
        self.template(test).about(address)
    }

    /// The URL of the page that explains an address.
    pub fn url(&self, address: IpAddr) -> String {
        self.url.replace("{address}", &address.to_string())
    }
}

impl CodeView {
    /// The view of some codes.
    pub(super) fn of(mask: u8, shows: CodeDisplay) -> Self {
        CodeView { mask, shows, test_entries: test_entries(mask) }
    }
}

/// Makes a test entry for each value that a view can return, for IPv4 and IPv6, and none for
/// 127.0.0.1 (RFC 5782 §5). A view that cannot return 127.0.0.2 has that entry too, with the view's
/// lowest value.
fn test_entries(mask: u8) -> ListedEntries {
    let mut entries = ListedEntries::default();
    let mut add = |last_octet: u8, code: u8| {
        let v4 = Ipv4Addr::new(127, 0, 0, last_octet);
        for address in [IpAddr::V4(v4), IpAddr::V6(Ipv6Addr::from(u128::from(v4.to_ipv6_mapped())))] {
            let codes = vec![ListedCode { code, confidence: 100, until: None }];
            entries.set(Prefix::around(address, u8::MAX), ListedCodes { codes });
        }
    };
    add(2, mask & mask.wrapping_neg());
    for value in (2..=126).step_by(2).filter(|value| value & !mask == 0) {
        add(value, value);
    }
    entries
}

/// Whether a text is a single line of printable US-ASCII, which every export format can hold.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, b' '..=b'~'))
}
