//! A zone's configuration file (`zones/*.toml`): what may be written, and how it is checked.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::apex::{Apex, Soa};
use super::config::{CodeDisplay, CodeView, NEW_LABEL, Sublist, Ttls, ZoneConfig, ZoneTexts};
use super::name::DomainName;
use super::text::TXT_OCTETS_MAX;

use crate::complaint::{Complaint, Complaints};
use crate::digest::Digest;
use crate::listing::{
    CodeBasis, GuardLimits, ListingTermsSpec, PublicationSlots, ReturnCode, ReturnCodeSpec,
};
use crate::relay::Listable;
use crate::score::{Policy, PolicySpec};
use crate::time::Span;

/// The version of the file format that this program reads.
const VERSION: u32 = 1;
/// Greatest number of octets of a zone's configuration file, which is stored as one journal entry.
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
    #[serde(default = "publish_every")]
    publish_every: Span,
    soa: SoaSpec,
    ttl: TtlSpec,
    texts: TextsSpec,
    codes: Vec<ReturnCodeSpec>,
    #[serde(default)]
    sublists: Vec<SublistSpec>,
    policy: PolicySpec,
    listing: ListingTermsSpec,
    guards: GuardLimits,
}

fn serial_base() -> u32 {
    1
}

fn publish_every() -> Span {
    Span::from_seconds(900)
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
    /// Whether the third octet of the answer is the confidence, from 0 to 100.
    #[serde(default)]
    score: bool,
}

/// Reads and checks a zone's configuration file. `place` is the file's name in complaints.
///
/// # Errors
/// If the file is too long, is not valid TOML, has an unknown key or lacks one, or if a value
/// breaks a rule. All broken rules are reported at once.
pub fn read(place: &str, text: &str) -> Result<ZoneConfig, Vec<Complaint>> {
    let mut complaints = Complaints::about(place);
    if text.len() > FILE_OCTETS_MAX {
        complaints.add(
            "",
            format!("the file has {} octets", text.len()),
            format!("keep it within {FILE_OCTETS_MAX}"),
        );
        return Err(complaints.into_vec());
    }
    match toml::from_str::<ZoneSpec>(text) {
        Ok(spec) => spec.check(Digest::of(text.as_bytes()), complaints),
        Err(error) => {
            let problem = error.to_string().trim_end().replace('\n', "\n    ");
            complaints.add("", problem, "see zones/backscatter.toml for all keys");
            Err(complaints.into_vec())
        }
    }
}

impl ZoneSpec {
    fn check(&self, digest: Digest, mut complaints: Complaints) -> Result<ZoneConfig, Vec<Complaint>> {
        complaints.require(
            self.version == VERSION,
            "version",
            format!("{} is not supported", self.version),
            format!("this program reads version {VERSION}"),
        );
        let origin = name("origin", &self.origin, &mut complaints);
        complaints.require(
            origin.as_ref().is_none_or(|origin| origin.labels().len() >= 2),
            "origin",
            format!("{:?} is a top-level domain", self.origin),
            "use a domain name that you control, such as bl.example.org (RFC 6471 §3.1)",
        );
        complaints.require(
            !self.ns.is_empty(),
            "ns",
            "no name server is given",
            "give at least one name server, preferably two",
        );
        let ns: Vec<DomainName> = self.ns.iter().filter_map(|ns| name("ns", ns, &mut complaints)).collect();
        let soa = self.soa.check(&mut complaints);
        let ttls = self.ttl.check(&mut complaints);
        let texts = self.texts.check(&mut complaints);
        let policy = self.policy.check(&mut complaints);
        let terms = self.listing.check(&mut complaints);
        let slots = PublicationSlots::check(self.publish_every, &mut complaints);
        self.guards.check(&mut complaints);
        let codes = self.check_codes(&policy, &mut complaints);
        let mask = |wanted: &dyn Fn(&ReturnCode) -> bool| {
            codes.iter().filter(|code| wanted(code)).fold(0, |mask, code| mask | code.value)
        };
        let main = CodeView::of(mask(&|code| code.main), CodeDisplay::Codes);
        complaints.require(
            codes.iter().any(|code| code.main && code.value == 2),
            "codes",
            "the main zone has no code of value 2",
            "add one, because every DNSBL must have the test entry 127.0.0.2 (RFC 5782 §5)",
        );
        let sublists = self.check_sublists(mask(&|_| true), &mut complaints);
        let (Some(origin), Some(soa)) = (origin, soa) else { return Err(complaints.into_vec()) };
        complaints.require(
            ns.iter().all(|ns| !ns.is_under(&origin)),
            "ns",
            "the name of a name server lies in the zone, which holds no address records for it",
            "use name servers whose names lie outside of the zone",
        );
        let apex_ttl = seconds("ttl.apex", self.ttl.apex, &mut complaints);
        complaints.or(ZoneConfig {
            apex: Apex::new(origin, ns, self.web_addresses.clone(), soa, apex_ttl),
            digest,
            listable: Listable { laboratory_networks: self.laboratory_networks.clone() },
            serial_base: self.serial_base,
            slots,
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

    fn check_codes(&self, policy: &Policy, complaints: &mut Complaints) -> Vec<ReturnCode> {
        let mut codes: Vec<ReturnCode> = Vec::new();
        for (at, spec) in self.codes.iter().enumerate() {
            let Some(code) = spec.check(&format!("codes[{at}]"), policy, complaints) else {
                continue;
            };
            let kinds = |code: &ReturnCode| match &code.basis {
                CodeBasis::Kinds { kinds, .. } => kinds.clone(),
                CodeBasis::Repeated { .. } | CodeBasis::Forbidden { .. } => Vec::new(),
            };
            let taken = codes.iter().any(|other| {
                other.value == code.value || kinds(other).iter().any(|kind| kinds(&code).contains(kind))
            });
            complaints.require(
                !taken,
                &format!("codes[{at}]"),
                "its value or one of its kinds is already used by an earlier code",
                "give every code its own value, and assign every kind to one code only",
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
                    && DomainName::parse(label).is_ok_and(|name| name.labels() == [label.clone()]),
                &format!("{key}.label"),
                format!("{label:?} is not a valid label, or can be mistaken for a part of an address"),
                NEW_LABEL,
            );
            let mask = codes.iter().fold(0, |mask, code| mask | code);
            complaints.require(
                mask != 0 && mask & !all == 0,
                &format!("{key}.codes"),
                "it is empty, or has a code that [[codes]] does not define",
                "list the values of codes that [[codes]] defines",
            );
            complaints.require(
                sublists.iter().all(|other| other.label != *label),
                &format!("{key}.label"),
                format!("{label:?} is used by an earlier sublist"),
                "give every sublist its own label",
            );
            let shows = if *score { CodeDisplay::Score } else { CodeDisplay::Codes };
            sublists.push(Sublist { label: label.clone(), view: CodeView::of(mask, shows) });
        }
        sublists
    }
}

fn name(key: &str, text: &str, complaints: &mut Complaints) -> Option<DomainName> {
    DomainName::parse(text)
        .map_err(|problem| complaints.add(key, problem, "write a name such as bl.example.org"))
        .ok()
}

/// Checks that a time span is a valid TTL: from 1 to 2^31 - 1 seconds (RFC 2181 §8).
fn seconds(key: &str, span: Span, complaints: &mut Complaints) -> u32 {
    let fits = i32::try_from(span.seconds()).ok().filter(|&seconds| seconds >= 1);
    complaints.require(
        fits.is_some(),
        key,
        format!("{span} is not a valid TTL"),
        "write a time from \"1s\" to 2147483647 seconds",
    );
    fits.map_or(0, i32::cast_unsigned)
}

impl SoaSpec {
    fn check(&self, complaints: &mut Complaints) -> Option<Soa> {
        let primary = name("soa.primary", &self.primary, complaints);
        let mailbox = name("soa.mailbox", &self.mailbox.replace('@', "."), complaints);
        complaints.require(
            self.refresh < self.expire && self.retry < self.expire,
            "soa.expire",
            format!("{} is not longer than both refresh and retry", self.expire),
            "make it longer, so that a secondary tries several times before it discards the data",
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

impl TextsSpec {
    fn check(&self, complaints: &mut Complaints) -> ZoneTexts {
        let template =
            |text: &str| text.replace("{url}", &self.url).replace('$', "$$").replace("{address}", "$");
        let texts = ZoneTexts {
            listed: template(&self.listed),
            test: template(&self.test),
            url: self.url.clone(),
            shut_down: self.shut_down.clone(),
        };
        complaints.require(
            self.shut_down.len() <= TXT_OCTETS_MAX && self.shut_down.is_ascii(),
            "texts.shut_down",
            format!("it has {} octets, or is not US-ASCII", self.shut_down.len()),
            format!("keep it within {TXT_OCTETS_MAX} octets of US-ASCII"),
        );
        let longest = IpAddr::V6(Ipv6Addr::from(u128::MAX));
        for (key, text) in [("texts.listed", &self.listed), ("texts.test", &self.test)] {
            let octets =
                text.replace("{url}", &texts.url(longest)).replace("{address}", &longest.to_string()).len();
            complaints.require(
                octets <= TXT_OCTETS_MAX && text.is_ascii(),
                key,
                format!("it has {octets} octets with the longest address, or is not US-ASCII"),
                format!(
                    "keep it within {TXT_OCTETS_MAX} octets of US-ASCII, because MTAs quote it in replies"
                ),
            );
        }
        complaints.require(
            self.url.contains("{address}") && self.url.starts_with("http"),
            "texts.url",
            format!("{:?} is not a URL that contains {{address}}", self.url),
            "write for example https://bl-info.example.org/ip/{address}",
        );
        texts
    }
}
