//! Reads lists in rbldnsd's formats `ip4set`, `ip4trie`, `ip4tset`, `ip6trie` and `ip6tset`, and
//! lists of addresses and networks, one a line.
//!
//! This module does no I/O: it turns octets into a data set.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::time::{Span, Timestamp};
use crate::zone::{
    Dataset, DatasetParts, DomainName, ListReason, ReasonRef, RepeatedEntries, Soa, TXT_OCTETS_MAX,
    ValueRange,
};

/// Greatest number of problems that are logged for one data set. Further ones are only counted.
const PROBLEMS_MAX: usize = 20;
/// The TTL in seconds if the list gives none, as in rbldnsd.
const TTL: u32 = 2_100;

/// The variables that a list does not define, as they are written in its texts.
const UNTOLD: [&[u8]; 10] = [b"$0", b"$1", b"$2", b"$3", b"$4", b"$5", b"$6", b"$7", b"$8", b"$9"];

/// A list format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListKind {
    /// IPv4 addresses and ranges. The entry of the finest of the levels /8, /16, /24 and /32 takes
    /// precedence.
    Ip4Set,
    /// IPv4 networks. The smallest network takes precedence.
    Ip4Trie,
    /// Single IPv4 addresses that all have the same value.
    Ip4Tset,
    /// IPv6 networks. The smallest network takes precedence.
    Ip6Trie,
    /// IPv6 /64 networks that all have the same value.
    Ip6Tset,
    /// Addresses and networks of both families, one a line.
    Addresses,
}

/// All formats, by their names on the command line.
pub(super) const KINDS: [(&str, ListKind); 6] = [
    ("ip4set", ListKind::Ip4Set),
    ("ip4trie", ListKind::Ip4Trie),
    ("ip4tset", ListKind::Ip4Tset),
    ("ip6trie", ListKind::Ip6Trie),
    ("ip6tset", ListKind::Ip6Tset),
    ("addresses", ListKind::Addresses),
];

/// The properties of the zone that a data set contains (`$SOA`, `$NS`, `$TIMESTAMP`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListHead {
    /// The SOA record (`$SOA`).
    pub soa: Option<ListSoa>,
    /// The TTL of the NS records in seconds, and the name servers (`$NS`).
    pub ns: Option<(u32, Vec<DomainName>)>,
    /// When the newest file of the data set was made.
    pub made: Option<Timestamp>,
    /// When the first file of the data set becomes too old to be served.
    pub expires: Option<Timestamp>,
}

/// A SOA record as a list gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListSoa {
    /// The TTL of the record in seconds.
    pub ttl: u32,
    /// The serial number; zero for the modification time of the newest file.
    pub serial: u32,
    /// The other fields.
    pub soa: Soa,
}

/// An invalid line, which is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineProblem {
    /// The line's number in its file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The result of reading a data set.
#[derive(Debug)]
pub(super) struct ReadList {
    /// The entries.
    pub dataset: Dataset,
    /// The properties of the zone.
    pub head: ListHead,
    /// The first invalid lines.
    pub problems: Vec<LineProblem>,
    /// The number of all invalid lines.
    pub problem_count: usize,
}

/// The A value and the TXT text of a line. A line may leave each of them to the default.
#[derive(Default)]
struct Value<'l> {
    value: Option<Ipv4Addr>,
    text: Given<'l>,
}

#[derive(Default)]
enum Given<'l> {
    #[default]
    Default,
    Nothing,
    Text(&'l [u8]),
}

/// A value before its variables are replaced. Variables may be defined after their first use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RawValue {
    value: Ipv4Addr,
    text: Option<Vec<u8>>,
}

/// The default value of entries.
struct DefaultValue {
    value: Ipv4Addr,
    /// The text as it is written, with its variables.
    text: Option<Vec<u8>>,
}

impl Default for DefaultValue {
    fn default() -> Self {
        DefaultValue { value: Ipv4Addr::new(127, 0, 0, 2), text: None }
    }
}

/// Reads a data set file by file and line by line.
pub(super) struct ListReader {
    kind: ListKind,
    parts: DatasetParts,
    head: ListHead,
    default: DefaultValue,
    /// The reference to the default value, if it is already among the reasons.
    default_what: Option<ReasonRef>,
    known: HashMap<RawValue, ReasonRef>,
    /// The values in the order of their places.
    raw: Vec<RawValue>,
    /// The first definition of each variable.
    variables: [Option<Vec<u8>>; 10],
    /// The first base template.
    base: Option<Vec<u8>>,
    /// Whether a default was given.
    default_given: bool,
    /// Greatest number of addresses in an entry (`$MAXRANGE4`).
    range_max: u64,
    line: usize,
    problems: Vec<LineProblem>,
    problem_count: usize,
}

impl ListReader {
    /// A reader for a list of one format.
    pub(super) fn new(kind: ListKind) -> Self {
        let repeats = match kind {
            ListKind::Ip4Trie | ListKind::Ip6Trie => RepeatedEntries::First,
            ListKind::Ip4Set | ListKind::Ip4Tset | ListKind::Ip6Tset | ListKind::Addresses => {
                RepeatedEntries::All
            }
        };
        ListReader {
            kind,
            parts: DatasetParts { ttl: TTL, repeats, ..DatasetParts::default() },
            head: ListHead::default(),
            default: DefaultValue::default(),
            default_what: None,
            known: HashMap::new(),
            raw: Vec::new(),
            variables: Default::default(),
            base: None,
            default_given: false,
            range_max: u64::MAX,
            line: 0,
            problems: Vec::new(),
            problem_count: 0,
        }
    }

    /// Starts another file: line numbers start again, and the default is reset. A trivial set
    /// (`ip4tset`, `ip6tset`) has one default for all its files.
    pub(super) fn file(&mut self) {
        self.line = 0;
        if !self.is_trivial() {
            self.default = DefaultValue::default();
            self.default_what = None;
        }
    }

    /// Reads the next line, without its line end. An invalid line is recorded as a problem.
    pub(super) fn line(&mut self, line: &[u8]) {
        self.line += 1;
        let line = line.trim_ascii();
        let read = match line {
            [] => Ok(()),
            [b':', b':', ..] if self.has_ipv6() => self.entry(line),
            [b'$', rest @ ..] | [b'#' | b';' | b':', b'$', rest @ ..] => self.special(rest),
            [b'#' | b';', ..] => Ok(()),
            [b':', ..] => self.set_default(line),
            _ => self.entry(line),
        };
        if let Err(what) = read {
            self.problem_count += 1;
            if self.problems.len() < PROBLEMS_MAX {
                self.problems.push(LineProblem { line: self.line, what });
            }
        }
    }

    /// Ends reading and builds the data set.
    pub(super) fn end(mut self) -> ReadList {
        if self.is_trivial()
            && let Some(only) = self.raw.first_mut()
        {
            // The default of a trivial set applies to all entries, wherever it stands.
            *only = RawValue { value: self.default.value, text: self.default.text.clone() };
        }
        let reasons = std::mem::take(&mut self.raw).into_iter();
        self.parts.reasons = reasons.map(|raw| self.reason(raw)).collect();
        let ListReader { parts, head, problems, problem_count, .. } = self;
        ReadList { dataset: Dataset::of(parts), head, problems, problem_count }
    }

    /// Whether all entries have the same value.
    fn is_trivial(&self) -> bool {
        matches!(self.kind, ListKind::Ip4Tset | ListKind::Ip6Tset)
    }

    fn has_ipv6(&self) -> bool {
        matches!(self.kind, ListKind::Ip6Trie | ListKind::Ip6Tset | ListKind::Addresses)
    }

    fn set_default(&mut self, line: &[u8]) -> Result<(), &'static str> {
        // A trivial set has one value: the first default.
        if self.is_trivial() && self.default_given {
            return Ok(());
        }
        let given = read_value(line)?;
        let standard = DefaultValue::default();
        let text = match given.text {
            Given::Default | Given::Nothing => None,
            Given::Text(text) => Some(text.to_vec()),
        };
        self.default = DefaultValue { value: given.value.unwrap_or(standard.value), text };
        (self.default_given, self.default_what) = (true, None);
        Ok(())
    }

    fn raw(&self, given: &Value<'_>) -> RawValue {
        let text = match given.text {
            Given::Nothing => None,
            Given::Text(text) => Some(text.to_vec()),
            Given::Default => self.default.text.clone(),
        };
        RawValue { value: given.value.unwrap_or(self.default.value), text }
    }

    /// Applies the base template and the variables to a value. The base template also applies to
    /// entries without a text. `$` and `$$` remain as placeholders for the answer.
    fn reason(&self, RawValue { value, text }: RawValue) -> ListReason {
        let text = match (&self.base, text.as_deref()) {
            (_, Some([b'=', own @ ..])) => Some(own.to_vec()),
            (Some(base), own) => Some(in_base(base, own.unwrap_or_default())),
            (None, own) => own.map(<[u8]>::to_vec),
        };
        let text = text.map(|text| {
            let mut whole = replace(&text, &|name| {
                let nth = usize::from(name.checked_sub(b'0').filter(|nth| *nth < 10)?);
                // An undefined variable stays as it is written.
                Some(self.variables[nth].as_deref().unwrap_or(UNTOLD[nth]))
            });
            // The rest would not fit into a TXT record.
            whole.truncate(2 * TXT_OCTETS_MAX);
            whole.into()
        });
        ListReason { value, text }
    }

    fn what(&mut self, given: &Value<'_>) -> ReasonRef {
        if self.is_trivial() {
            if self.raw.is_empty() {
                self.raw.push(RawValue { value: self.default.value, text: None });
            }
            return ReasonRef::reason(0);
        }
        let plain = matches!(given, Value { value: None, text: Given::Default });
        if let (true, Some(what)) = (plain, self.default_what) {
            return what;
        }
        let what = *self.known.entry(self.raw(given)).or_insert_with_key(|raw| {
            self.raw.push(raw.clone());
            ReasonRef::reason(self.raw.len() - 1)
        });
        if plain {
            self.default_what = Some(what);
        }
        what
    }

    fn entry(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (excluded, line) = match line {
            [b'!', rest @ ..] => (true, rest.trim_ascii_start()),
            line => (false, line),
        };
        let (place, rest) = line.split_at(self.place_end(line));
        let rest = rest.trim_ascii_start();
        let given = match rest {
            [] | [b'#' | b';', ..] => Value::default(),
            // The value of an exclusion is ignored.
            _ if excluded || self.is_trivial() || self.kind == ListKind::Addresses => Value::default(),
            rest => read_value(rest)?,
        };
        let (v4, v6) = match self.kind {
            ListKind::Ip4Set => (Some(range(place)?), None),
            ListKind::Ip4Trie => (Some(cidr(place)?), None),
            ListKind::Ip4Tset => (Some(single(place)?), None),
            ListKind::Ip6Trie => (None, Some(cidr6(place)?)),
            ListKind::Ip6Tset => (None, Some(words6(place, excluded)?)),
            ListKind::Addresses if place.contains(&b':') => (None, Some(cidr6(place)?)),
            ListKind::Addresses => (Some(cidr(place)?), None),
        };
        if self.raw.len() >= ReasonRef::MAX {
            return Err("the list has too many different values");
        }
        let what = if excluded { ReasonRef::NOTHING } else { self.what(&given) };
        if let Some((first, last)) = v4 {
            if u64::from(last - first) >= self.range_max {
                return Err("the range is larger than $MAXRANGE4 allows");
            }
            self.add(first, last, what);
        }
        if let Some((first, last)) = v6 {
            self.parts.ipv6.push(ValueRange { first, last, value: what });
        }
        Ok(())
    }

    /// The end of an entry's address: at a blank, a comment or a value.
    fn place_end(&self, line: &[u8]) -> usize {
        let mut network = false;
        let ends = |octet: &u8| match octet {
            b' ' | b'\t' | b'#' | b';' => true,
            b'/' => {
                network = true;
                false
            }
            // An IPv6 address contains colons.
            b':' => !self.has_ipv6() || network,
            _ => false,
        };
        line.iter().position(ends).unwrap_or(line.len())
    }

    fn add(&mut self, first: u32, last: u32, what: ReasonRef) {
        if first == last {
            self.parts.addresses.push((first, what));
        } else if self.kind == ListKind::Ip4Set {
            self.add_levels(first, last, what);
        } else {
            self.parts.ipv4.push(ValueRange { first, last, value: what });
        }
    }

    /// Adds a range to an `ip4set`, which divides it into entries of the levels /8, /16, /24 and
    /// /32. The entry of the finest level takes precedence.
    fn add_levels(&mut self, first: u32, last: u32, what: ReasonRef) {
        let mut next = u64::from(first);
        while next <= u64::from(last) {
            let bits = [24u32, 16, 8, 0]
                .into_iter()
                .find(|bits| next.is_multiple_of(1 << bits) && next + (1 << bits) - 1 <= u64::from(last));
            let bits = bits.unwrap_or(0);
            let start = next as u32;
            if bits == 0 {
                self.parts.addresses.push((start, what));
            } else {
                self.parts.ipv4.push(ValueRange {
                    first: start,
                    last: start | ((1 << bits) - 1),
                    value: what,
                });
            }
            next += 1 << bits;
        }
    }

    fn special(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_ascii();
        let text = || std::str::from_utf8(rest).map_err(|_| "the text is not valid UTF-8");
        match keyword.to_ascii_uppercase().as_slice() {
            b"SOA" if self.head.soa.is_none() => self.head.soa = Some(self.soa(text()?)?),
            b"NS" | b"NAMESERVER" if self.head.ns.is_none() => self.head.ns = Some(self.ns(text()?)?),
            b"SOA" | b"NS" | b"NAMESERVER" => {}
            b"TTL" => {
                let ttl = seconds(text()?).ok_or("$TTL needs a time to live")?;
                self.parts.ttl = if ttl == 0 { TTL } else { ttl };
            }
            b"TIMESTAMP" => {
                let (made, expires) = timestamps(text()?)?;
                self.head.made = self.head.made.max(made);
                // The whole data set expires with its first file.
                self.head.expires = [self.head.expires, expires].into_iter().flatten().min();
            }
            b"MAXRANGE4" => self.set_range_max(text()?)?,
            b"=" if !rest.is_empty() => {
                self.base.get_or_insert_with(|| rest.to_vec());
            }
            b"=" => {}
            [digit @ b'0'..=b'9'] => {
                self.variables[usize::from(digit - b'0')].get_or_insert_with(|| rest.to_vec());
            }
            b"DATASET" => return Err("combined data sets are not supported"),
            _ => return Err("the $ keyword is unknown"),
        }
        Ok(())
    }

    fn soa(&self, text: &str) -> Result<ListSoa, &'static str> {
        const FORM: &str = "$SOA needs ttl, origin, person, serial, refresh, retry, expire and minimum";
        let [ttl, primary, mailbox, serial, refresh, retry, expire, minimum] =
            text.split_whitespace().collect::<Vec<_>>()[..]
        else {
            return Err(FORM);
        };
        let name = |text: &str| {
            DomainName::parse(&text.replace('@', ".")).map_err(|_| "$SOA has an invalid domain name")
        };
        let time = |text: &str| seconds(text).ok_or(FORM);
        let soa = Soa {
            primary: name(primary)?,
            mailbox: name(mailbox)?,
            refresh: time(refresh)?,
            retry: time(retry)?,
            expire: time(expire)?,
            minimum: time(minimum)?,
        };
        let ttl = time(ttl)?;
        Ok(ListSoa {
            ttl: if ttl == 0 { self.parts.ttl } else { ttl },
            serial: serial.parse().map_err(|_| FORM)?,
            soa,
        })
    }

    fn ns(&self, text: &str) -> Result<(u32, Vec<DomainName>), &'static str> {
        let mut words = text.split_whitespace();
        let ttl = words.next().and_then(seconds).ok_or("$NS needs a time to live and name servers")?;
        // A name server with a minus sign is commented out.
        let names =
            words.filter(|word| !word.starts_with('-')).map(DomainName::parse).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|_| "$NS has an invalid domain name")?;
        Ok((if ttl == 0 { self.parts.ttl } else { ttl }, names))
    }

    fn set_range_max(&mut self, text: &str) -> Result<(), &'static str> {
        let size = match text.strip_prefix('/') {
            Some(bits) => number(bits.as_bytes()).filter(|bits| *bits <= 32).map(|bits| 1 << (32 - bits)),
            None => number(text.as_bytes()).map(u64::from).filter(|size| *size > 0),
        };
        self.range_max =
            self.range_max.min(size.ok_or("$MAXRANGE4 needs a number of addresses or a prefix length")?);
        Ok(())
    }
}

/// Replaces `$` and the octet behind it by the variable of that name, if there is one. A dollar
/// sign in the variable's value becomes `$$`.
fn replace<'r>(text: &[u8], value: &dyn Fn(u8) -> Option<&'r [u8]>) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        match text[at..] {
            [b'$', b'$', ..] => {
                out.extend(b"$$");
                at += 2;
            }
            [b'$', name, ..] if value(name).is_some() => {
                for octet in value(name).unwrap_or_default() {
                    out.extend(if *octet == b'$' { &b"$$"[..] } else { std::slice::from_ref(octet) });
                }
                at += 2;
            }
            [octet, ..] => {
                out.push(octet);
                at += 1;
            }
            [] => break,
        }
    }
    out
}

/// A base template with `$=` replaced by the entry's text, or by its address if the text is empty.
fn in_base(base: &[u8], own: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(base.len() + own.len());
    let mut parts = base.split(|octet| *octet == b'$');
    out.extend(parts.next().unwrap_or_default());
    let mut escaped = false;
    for part in parts {
        match part {
            [b'=', rest @ ..] if !escaped => {
                if own.is_empty() {
                    out.push(b'$');
                }
                for octet in own {
                    out.extend(if *octet == b'$' { &b"$$"[..] } else { std::slice::from_ref(octet) });
                }
                out.extend(rest);
            }
            part => {
                out.push(b'$');
                out.extend(part);
            }
        }
        escaped = part.is_empty() && !escaped;
    }
    out
}

/// Reads a decimal number that consists of digits only.
fn number(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

fn read_value(text: &[u8]) -> Result<Value<'_>, &'static str> {
    let Some(rest) = text.strip_prefix(b":") else {
        return Ok(Value { value: None, text: Given::Text(text) });
    };
    let colon = rest.iter().position(|octet| *octet == b':');
    let (value, behind) = rest.split_at(colon.unwrap_or(rest.len()));
    let given = match behind.strip_prefix(b":").map(<[u8]>::trim_ascii_start) {
        None => Given::Default,
        Some([]) => Given::Nothing,
        Some(text) => Given::Text(text),
    };
    let (octets, count) = dotted(value.trim_ascii()).ok_or("the A value is invalid")?;
    let value = match (octets, count) {
        ([0, ..], 1) => return Err("0 is not a valid A value"),
        ([last, ..], 1) => Ipv4Addr::new(127, 0, 0, last),
        // The last number is always the last octet.
        ([first, last, ..], 2) => Ipv4Addr::new(first, 0, 0, last),
        ([first, second, last, _], 3) => Ipv4Addr::new(first, second, 0, last),
        (octets, _) => Ipv4Addr::from(octets),
    };
    if value.is_unspecified() {
        return Err("0.0.0.0 is not a valid A value");
    }
    Ok(Value { value: Some(value), text: given })
}

/// Reads one to four decimal octets separated by dots. Returns the octets and their number.
fn dotted(text: &[u8]) -> Option<([u8; 4], usize)> {
    let (mut octets, mut count, mut number, mut digits) = ([0u8; 4], 0, 0u16, 0);
    for octet in text {
        match octet {
            b'0'..=b'9' => {
                number = number * 10 + u16::from(octet - b'0');
                digits += 1;
                if number > 255 || digits > 3 {
                    return None;
                }
            }
            b'.' if digits > 0 && count < 3 => {
                octets[count] = number as u8;
                (count, number, digits) = (count + 1, 0, 0);
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    octets[count] = number as u8;
    Some((octets, count + 1))
}

const NO_ADDRESS: &str = "not an IPv4 address or range";

fn filled(mut octets: [u8; 4], count: usize, with: u8) -> u32 {
    octets[count..].fill(with);
    u32::from_be_bytes(octets)
}

fn network(octets: [u8; 4], count: usize, bits: &[u8]) -> Result<(u32, u32), &'static str> {
    let bits = number(bits).ok_or("invalid prefix length")?;
    let first = filled(octets, count, 0);
    let hosts = u32::MAX.unbounded_shr(bits);
    match bits {
        0..=32 if first & hosts == 0 => Ok((first, first | hosts)),
        0..=32 => Err("bits behind the prefix length are set"),
        _ => Err("invalid prefix length"),
    }
}

/// Reads an address, the first octets of one, a network, or a range (`ip4set`).
fn range(text: &[u8]) -> Result<(u32, u32), &'static str> {
    let Some(at) = text.iter().position(|octet| matches!(octet, b'/' | b'-')) else {
        // A single number is more likely a word of a comment than a network of 16 million
        // addresses.
        let (octets, count) = dotted(text).filter(|(_, count)| *count > 1).ok_or(NO_ADDRESS)?;
        return Ok((filled(octets, count, 0), filled(octets, count, 255)));
    };
    let (octets, count) = dotted(&text[..at]).ok_or(NO_ADDRESS)?;
    if text[at] == b'/' {
        return network(octets, count, &text[at + 1..]);
    }
    let (mut end, end_count) = dotted(&text[at + 1..]).ok_or(NO_ADDRESS)?;
    if end_count == 1 && count > 1 {
        // A single number replaces the last octet that was given.
        let last = end[0];
        end = octets;
        end[count - 1] = last;
    } else if end_count != count {
        return Err("the ends of the range have different numbers of octets");
    }
    let (first, last) = (filled(octets, count, 0), filled(end, count, 255));
    if first <= last { Ok((first, last)) } else { Err("the range ends before it begins") }
}

/// Reads an address, the first octets of one, or a network.
fn cidr(text: &[u8]) -> Result<(u32, u32), &'static str> {
    if text.contains(&b'-') { Err("ranges are not allowed here; write networks") } else { range(text) }
}

fn single(text: &[u8]) -> Result<(u32, u32), &'static str> {
    match dotted(text) {
        Some((octets, 4)) => Ok((u32::from_be_bytes(octets), u32::from_be_bytes(octets))),
        _ => Err("only whole IPv4 addresses are allowed here"),
    }
}

const NO_ADDRESS6: &str = "not an IPv6 address or network";

/// Reads an address, a network, or the first words of an address, which stand for a network.
fn cidr6(text: &[u8]) -> Result<(u128, u128), &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| NO_ADDRESS6)?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits.as_bytes()).ok_or("invalid prefix length")?)),
        None => (text, None),
    };
    let words = address.split(':').count();
    if words == 1 && bits.is_none() {
        return Err(NO_ADDRESS6);
    }
    let open = !address.contains("::") && words < 8;
    let whole: Ipv6Addr =
        if open { format!("{address}::") } else { address.to_owned() }.parse().map_err(|_| NO_ADDRESS6)?;
    let implied = if open { 16 * words as u32 } else { 128 };
    let (first, bits) = (u128::from(whole), bits.unwrap_or(implied));
    let hosts = u128::MAX.unbounded_shr(bits);
    match bits {
        0..=128 if first & hosts == 0 => Ok((first, first | hosts)),
        0..=128 => Err("bits behind the prefix length are set"),
        _ => Err("invalid prefix length"),
    }
}

/// Reads the four words of a /64 or, in an exclusion, an address (`ip6tset`).
fn words6(text: &[u8], excluded: bool) -> Result<(u128, u128), &'static str> {
    if text.contains(&b'/') {
        return Err("prefix lengths are not allowed here; every entry is a /64");
    }
    let (first, last) = cidr6(text)?;
    match last - first {
        0 if excluded => Ok((first, last)),
        hosts if hosts == u128::from(u64::MAX) && !excluded => Ok((first, last)),
        _ => Err("write the four words of a /64, or exclude a whole address"),
    }
}

/// Reads a time in seconds, or with a letter in minutes, hours, days or weeks.
fn seconds(text: &str) -> Option<u32> {
    let unit = match text.as_bytes().last()? {
        b's' | b'S' | b'0'..=b'9' => 1,
        b'm' | b'M' => 60,
        b'h' | b'H' => 3_600,
        b'd' | b'D' => 86_400,
        b'w' | b'W' => 604_800,
        _ => return None,
    };
    let digits = text.strip_suffix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text);
    // A TTL is less than 2^31 (RFC 2181 §8).
    number(digits.as_bytes())?.checked_mul(unit).filter(|seconds| i32::try_from(*seconds).is_ok())
}

/// Reads when the data was made, and when it becomes too old.
fn timestamps(text: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), &'static str> {
    const FORM: &str = "write the time as yyyy:mm:dd:hh:mm:ss";
    let mut words = text.split_whitespace();
    let made = words.next().map(moment).transpose().map_err(|()| FORM)?.flatten();
    let expires = match words.next() {
        Some(span) if span.starts_with('+') => {
            let span = seconds(&span[1..]).ok_or(FORM)?;
            made.map(|made| made.plus(Span::from_seconds(span.into())))
        }
        other => other.map(moment).transpose().map_err(|()| FORM)?.flatten(),
    };
    Ok((made, expires))
}

fn moment(text: &str) -> Result<Option<Timestamp>, ()> {
    if matches!(text, "0" | "-") {
        return Ok(None);
    }
    // Year, month and day, then hour, minute and second, which are zero if they are missing.
    let mut fields = [0, 0, 0, 0, 0, 0];
    let parts: Vec<&str> = text.split([':', '-']).collect();
    if !(3..=fields.len()).contains(&parts.len()) {
        return Err(());
    }
    for (field, part) in fields.iter_mut().zip(parts) {
        *field = number(part.as_bytes()).ok_or(())?;
    }
    let [year, month, day, hour, minute, second] = fields;
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    time.parse().map(Some).map_err(|_| ())
}
