//! A zone's file: as written (`zones/*.toml`) and as checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::apex::{Apex, Soa};
use super::text::{TXT_OCTETS_MAX, Template, Text};
use super::{Entries, Entry, Name, Standing};
use crate::classify::Kind;
use crate::complaint::{Complaint, Complaints};
use crate::digest::Digest;
use crate::listing::{Basis, Code, CodeSpec, Guards, Terms, TermsSpec};
use crate::relay::{Listable, Prefix};
use crate::score::{Policy, PolicySpec, Quorum};
use crate::time::Span;

/// The version of the file's form that this program reads.
const VERSION: u32 = 1;
/// Fewest octets of a key in a name: a label so long is no part of an address, and no sublist.
pub const KEY_OCTETS_MIN: usize = 16;
/// Most octets of a zone's file: it is an entry of the journal.
const FILE_OCTETS_MAX: usize = 256 << 10;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneSpec {
    version: u32,
    origin: String,
    ns: Vec<String>,
    #[serde(default)]
    web_addresses: Vec<IpAddr>,
    #[serde(default)]
    laboratory_networks: Vec<IpNet>,
    #[serde(default = "serial_base")]
    serial_base: u32,
    soa: SoaSpec,
    ttl: TtlSpec,
    texts: TextsSpec,
    codes: Vec<CodeSpec>,
    #[serde(default)]
    sublists: Vec<SublistSpec>,
    policy: PolicySpec,
    listing: TermsSpec,
    guards: Guards,
}

fn serial_base() -> u32 {
    1
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SoaSpec {
    primary: String,
    mailbox: String,
    refresh: Span,
    retry: Span,
    expire: Span,
    minimum: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TtlSpec {
    apex: Span,
    listed: Span,
    test: Span,
    shut_down: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextsSpec {
    listed: String,
    test: String,
    url: String,
    shut_down: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SublistSpec {
    label: String,
    codes: Vec<u8>,
    /// Whether the third octet tells how sure the list is, of 100.
    #[serde(default)]
    score: bool,
}

/// A zone as checked: it can't be wrong any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    pub apex: Apex,
    /// The digest of the file, which every listing stores as its policy.
    pub digest: Digest,
    pub listable: Listable,
    pub serial_base: u32,
    pub ttls: Ttls,
    pub texts: Texts,
    pub codes: Vec<Code>,
    pub sublists: Vec<Sublist>,
    /// What is asked for at the zone's own name.
    pub main: View,
    pub policy: Policy,
    pub terms: Terms,
    pub guards: Guards,
}

const NEW_LABEL: &str = "write two to fifteen lower-case letters (RFC 5782 §2.3)";

impl Zone {
    /// What a zone must not have that is written from now on; those that were adopted before must read for ever.
    pub fn check_new(&self, complaints: &mut Complaints) {
        for (at, Sublist { label, .. }) in self.sublists.iter().enumerate() {
            let digit = label.starts_with(|letter: char| letter.is_ascii_digit());
            complaints.require(
                label.len() < KEY_OCTETS_MIN && !digit,
                &format!("sublists[{at}].label"),
                format!("{label:?} can't be told from a part of an address, or from a key"),
                NEW_LABEL,
            );
        }
        let Texts { listed, test, url: _, shut_down } = &self.texts;
        for (key, text) in [("texts.listed", listed), ("texts.test", test), ("texts.shut_down", shut_down)] {
            complaints.require(
                is_printable(text),
                key,
                "it has more than one line, or a control character",
                "write one line: other programs' files hold it too",
            );
        }
    }

    /// The kinds and the quorum of a code that evidence earns.
    pub fn quorum(&self, code: u8) -> Option<(&[Kind], &Quorum)> {
        self.codes.iter().find(|of| of.value == code).and_then(|of| match &of.basis {
            Basis::Kinds { kinds, quorum } => Some((kinds.as_slice(), quorum)),
            _ => None,
        })
    }
}

/// Seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttls {
    pub listed: u32,
    pub test: u32,
    pub shut_down: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sublist {
    pub label: String,
    pub view: View,
}

/// Some of the codes, as one name shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The codes, as bits.
    pub mask: u8,
    pub shows: Shows,
    /// For each value that it can return (RFC 5782 §5).
    pub test_entries: Entries,
}

/// What an address in 127/8 tells besides the codes in its last octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    Codes,
    /// In the third octet, how sure the list is, of 100.
    Score,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// As templates, which have their addresses at `$`.
    listed: String,
    test: String,
    url: String,
    shut_down: String,
}

impl Texts {
    /// What the apex of a zone says that was emptied for good.
    pub fn shut_down(&self) -> &str {
        &self.shut_down
    }

    /// The TXT record about any address.
    pub(super) fn template(&self, test: bool) -> Template<'_> {
        Template::new(if test { &self.test } else { &self.listed }.as_bytes())
    }

    /// The TXT record about an address.
    pub fn about(&self, address: IpAddr, test: bool) -> Text<'_> {
        self.template(test).about(address)
    }

    /// Where an address is explained.
    pub fn url(&self, address: IpAddr) -> String {
        self.url.replace("{address}", &address.to_string())
    }
}

/// Reads and checks a zone's file; `place` names it in complaints.
pub fn read(place: &str, text: &str) -> Result<Zone, Vec<Complaint>> {
    let mut complaints = Complaints::about(place);
    if text.len() > FILE_OCTETS_MAX {
        complaints.add("", format!("{} octets long", text.len()), format!("keep it below {FILE_OCTETS_MAX}"));
        return Err(complaints.into_vec());
    }
    match toml::from_str::<ZoneSpec>(text) {
        Ok(spec) => spec.check(Digest::of(text.as_bytes()), complaints),
        Err(error) => {
            let problem = error.to_string().trim_end().replace('\n', "\n    ");
            complaints.add("", problem, "zones/backscatter.toml shows every key");
            Err(complaints.into_vec())
        }
    }
}

impl ZoneSpec {
    fn check(&self, digest: Digest, mut complaints: Complaints) -> Result<Zone, Vec<Complaint>> {
        complaints.require(
            self.version == VERSION,
            "version",
            format!("{} is not known", self.version),
            format!("this program reads version {VERSION}"),
        );
        let origin = name("origin", &self.origin, &mut complaints);
        complaints.require(
            origin.as_ref().is_none_or(|origin| origin.labels().len() >= 2),
            "origin",
            format!("{:?} is a top-level domain", self.origin),
            "delegate a name of your own, such as bl.example.org (RFC 6471 §3.1)",
        );
        complaints.require(!self.ns.is_empty(), "ns", "no name server", "name at least one, better two");
        let ns: Vec<Name> = self.ns.iter().filter_map(|ns| name("ns", ns, &mut complaints)).collect();
        let soa = self.soa.check(&mut complaints);
        let ttls = self.ttl.check(&mut complaints);
        let texts = self.texts.check(&mut complaints);
        let policy = self.policy.check(&mut complaints);
        let terms = self.listing.check(&mut complaints);
        self.guards.check(&mut complaints);
        let codes = self.check_codes(&policy, &mut complaints);
        let mask = |wanted: &dyn Fn(&Code) -> bool| {
            codes.iter().filter(|code| wanted(code)).fold(0, |mask, code| mask | code.value)
        };
        let main = View::of(mask(&|code| code.main), Shows::Codes);
        complaints.require(
            codes.iter().any(|code| code.main && code.value == 2),
            "codes",
            "no code of value 2 in the main zone",
            "127.0.0.2 is the test entry that every list must have (RFC 5782 §5)",
        );
        let sublists = self.check_sublists(mask(&|_| true), &mut complaints);
        let (Some(origin), Some(soa)) = (origin, soa) else { return Err(complaints.into_vec()) };
        complaints.require(
            ns.iter().all(|ns| !ns.is_under(&origin)),
            "ns",
            "a name server's name lies in the zone itself, which has no address for it",
            "name servers by names outside of the list's zone",
        );
        let apex_ttl = seconds("ttl.apex", self.ttl.apex, &mut complaints);
        complaints.or(Zone {
            apex: Apex::new(origin, ns, self.web_addresses.clone(), soa, apex_ttl),
            digest,
            listable: Listable { laboratory_networks: self.laboratory_networks.clone() },
            serial_base: self.serial_base,
            ttls,
            texts,
            codes,
            sublists,
            main,
            policy,
            terms,
            guards: self.guards.clone(),
        })
    }

    fn check_codes(&self, policy: &Policy, complaints: &mut Complaints) -> Vec<Code> {
        let mut codes: Vec<Code> = Vec::new();
        for (at, spec) in self.codes.iter().enumerate() {
            let Some(code) = spec.check(&format!("codes[{at}]"), policy, complaints) else {
                continue;
            };
            let kinds = |code: &Code| match &code.basis {
                Basis::Kinds { kinds, .. } => kinds.clone(),
                Basis::Repeated { .. } | Basis::Forbidden { .. } => Vec::new(),
            };
            let taken = codes.iter().any(|other| {
                other.value == code.value || kinds(other).iter().any(|kind| kinds(&code).contains(kind))
            });
            complaints.require(
                !taken,
                &format!("codes[{at}]"),
                "its value or one of its kinds belongs to an earlier code",
                "one code, one value; one kind, one code",
            );
            codes.push(code);
        }
        codes
    }

    fn check_sublists(&self, all: u8, complaints: &mut Complaints) -> Vec<Sublist> {
        let mut sublists: Vec<Sublist> = Vec::new();
        for (at, SublistSpec { label, codes, score }) in self.sublists.iter().enumerate() {
            let key = format!("sublists[{at}]");
            let digits = label.bytes().all(|letter| letter.is_ascii_digit());
            complaints.require(
                label.len() >= 2
                    && !digits
                    && Name::parse(label).is_ok_and(|name| name.labels() == [label.clone()]),
                &format!("{key}.label"),
                format!("{label:?} can't be told from a part of an address, or is no label"),
                NEW_LABEL,
            );
            let mask = codes.iter().fold(0, |mask, code| mask | code);
            complaints.require(
                mask != 0 && mask & !all == 0,
                &format!("{key}.codes"),
                "names no code, or one that [[codes]] doesn't define",
                "write values of [[codes]]",
            );
            complaints.require(
                sublists.iter().all(|other| other.label != *label),
                &format!("{key}.label"),
                format!("{label:?} is there already"),
                "give every sublist a label of its own",
            );
            let shows = if *score { Shows::Score } else { Shows::Codes };
            sublists.push(Sublist { label: label.clone(), view: View::of(mask, shows) });
        }
        sublists
    }
}

impl View {
    fn of(mask: u8, shows: Shows) -> Self {
        View { mask, shows, test_entries: test_entries(mask) }
    }
}

/// An entry for each value that a view can return, for IPv4 and IPv6, and none for 127.0.0.1 (RFC 5782 §5). A view
/// that can't return 127.0.0.2 still has that entry, with its lowest value.
fn test_entries(mask: u8) -> Entries {
    let mut entries = Entries::default();
    let mut add = |last_octet: u8, code: u8| {
        let v4 = Ipv4Addr::new(127, 0, 0, last_octet);
        for address in [IpAddr::V4(v4), IpAddr::V6(Ipv6Addr::from(u128::from(v4.to_ipv6_mapped())))] {
            let codes = vec![Standing { code, confidence: 100, until: None }];
            entries.set(Prefix::around(address, u8::MAX), Entry { codes });
        }
    };
    add(2, mask & mask.wrapping_neg());
    for value in (2..=126).step_by(2).filter(|value| value & !mask == 0) {
        add(value, value);
    }
    entries
}

fn name(key: &str, text: &str, complaints: &mut Complaints) -> Option<Name> {
    Name::parse(text)
        .map_err(|problem| complaints.add(key, problem, "write a name such as bl.example.org"))
        .ok()
}

/// RFC 2181 §8: a TTL is below 2^31.
fn seconds(key: &str, span: Span, complaints: &mut Complaints) -> u32 {
    let fits = i32::try_from(span.seconds()).ok().filter(|&seconds| seconds >= 1);
    complaints.require(fits.is_some(), key, format!("{span} is no TTL"), "write at least \"1s\"");
    fits.map_or(0, i32::cast_unsigned)
}

impl SoaSpec {
    fn check(&self, complaints: &mut Complaints) -> Option<Soa> {
        let primary = name("soa.primary", &self.primary, complaints);
        let mailbox = name("soa.mailbox", &self.mailbox.replace('@', "."), complaints);
        complaints.require(
            self.refresh < self.expire && self.retry < self.expire,
            "soa.expire",
            format!("{} is not longer than refresh and retry", self.expire),
            "a secondary must try several times before it gives the data up",
        );
        Some(Soa {
            refresh: seconds("soa.refresh", self.refresh, complaints),
            retry: seconds("soa.retry", self.retry, complaints),
            expire: seconds("soa.expire", self.expire, complaints),
            minimum: seconds("soa.minimum", self.minimum, complaints),
            primary: primary?,
            mailbox: mailbox?,
        })
    }
}

impl TtlSpec {
    fn check(&self, complaints: &mut Complaints) -> Ttls {
        Ttls {
            listed: seconds("ttl.listed", self.listed, complaints),
            test: seconds("ttl.test", self.test, complaints),
            shut_down: seconds("ttl.shut_down", self.shut_down, complaints),
        }
    }
}

/// Whether a text is one line in every form that a zone is written in.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, b' '..=b'~'))
}

impl TextsSpec {
    fn check(&self, complaints: &mut Complaints) -> Texts {
        let template =
            |text: &str| text.replace("{url}", &self.url).replace('$', "$$").replace("{address}", "$");
        let texts = Texts {
            listed: template(&self.listed),
            test: template(&self.test),
            url: self.url.clone(),
            shut_down: self.shut_down.clone(),
        };
        complaints.require(
            self.shut_down.len() <= TXT_OCTETS_MAX && self.shut_down.is_ascii(),
            "texts.shut_down",
            format!("{} octets, or not US-ASCII", self.shut_down.len()),
            format!("keep it within {TXT_OCTETS_MAX} octets of US-ASCII"),
        );
        let longest = IpAddr::V6(Ipv6Addr::from(u128::MAX));
        for (key, text) in [("texts.listed", &self.listed), ("texts.test", &self.test)] {
            let octets =
                text.replace("{url}", &texts.url(longest)).replace("{address}", &longest.to_string()).len();
            complaints.require(
                octets <= TXT_OCTETS_MAX && text.is_ascii(),
                key,
                format!("{octets} octets with the longest address, or not US-ASCII"),
                format!("MTAs quote it in a reply: keep it within {TXT_OCTETS_MAX} octets of US-ASCII"),
            );
        }
        complaints.require(
            self.url.contains("{address}") && self.url.starts_with("http"),
            "texts.url",
            format!("{:?} doesn't lead to an address's page", self.url),
            "write for instance https://bl-info.example.org/ip/{address}",
        );
        texts
    }
}
