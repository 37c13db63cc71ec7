//! Lists as rbldnsd has them written: `ip4set`, `ip4trie`, `ip4tset`, `ip6trie`, `ip6tset`; and lists of addresses and networks,
//! one a line. Pure: octets in, a data set out.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::time::{Span, Timestamp};
use crate::zone::{Block, Dataset, Name, Parts, Reason, Repeats, Soa, TXT_OCTETS_MAX, What};

/// Problems of one data set that are told; more are only counted.
const PROBLEMS_MAX: usize = 20;
/// Seconds, where nothing else is said: rbldnsd's.
const TTL: u32 = 2_100;

const UNTOLD: [&[u8]; 10] = [b"$0", b"$1", b"$2", b"$3", b"$4", b"$5", b"$6", b"$7", b"$8", b"$9"];

/// A way of writing a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Ip4Set,
    Ip4Trie,
    Ip4Tset,
    Ip6Trie,
    Ip6Tset,
    /// Addresses and networks of both families, one a line.
    Addresses,
}

/// All, by the names that they have on the command line.
pub(super) const KINDS: [(&str, Kind); 6] = [
    ("ip4set", Kind::Ip4Set),
    ("ip4trie", Kind::Ip4Trie),
    ("ip4tset", Kind::Ip4Tset),
    ("ip6trie", Kind::Ip6Trie),
    ("ip6tset", Kind::Ip6Tset),
    ("addresses", Kind::Addresses),
];

/// What a data set says of its zone (`$SOA`, `$NS`, `$TIMESTAMP`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub soa: Option<ListSoa>,
    /// Seconds, and the name servers.
    pub ns: Option<(u32, Vec<Name>)>,
    /// When the newest of the data was made.
    pub made: Option<Timestamp>,
    /// When the first of it is too old to be served.
    pub expires: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListSoa {
    /// Seconds.
    pub ttl: u32,
    /// Zero for the time of the newest file.
    pub serial: u32,
    pub soa: Soa,
}

/// A line that can't be read, which is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub line: usize,
    pub what: &'static str,
}

/// A data set as it was read.
#[derive(Debug)]
pub(super) struct Read {
    pub dataset: Dataset,
    pub head: Head,
    pub problems: Vec<Problem>,
    /// All of them, told or not.
    pub problem_count: usize,
}

/// A and TXT as a line gives them: each may be left to the default.
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

/// What is said, before variables are put in: they may be told behind their first use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Raw {
    value: Ipv4Addr,
    text: Option<Vec<u8>>,
}

/// What is said where a line says nothing.
struct Standard {
    value: Ipv4Addr,
    /// As it was written.
    text: Option<Vec<u8>>,
}

impl Default for Standard {
    fn default() -> Self {
        Standard { value: Ipv4Addr::new(127, 0, 0, 2), text: None }
    }
}

/// Reads a data set line by line, and file by file.
pub(super) struct Reader {
    kind: Kind,
    parts: Parts,
    head: Head,
    default: Standard,
    /// The default, once it is among the reasons.
    default_what: Option<What>,
    known: HashMap<Raw, What>,
    /// In the order of their places.
    raw: Vec<Raw>,
    /// The first that is said of each.
    variables: [Option<Vec<u8>>; 10],
    /// The first that is said.
    base: Option<Vec<u8>>,
    /// Whether a default was given at all.
    default_given: bool,
    /// Most addresses of an entry.
    range_max: u64,
    line: usize,
    problems: Vec<Problem>,
    problem_count: usize,
}

impl Reader {
    pub(super) fn new(kind: Kind) -> Self {
        let repeats = match kind {
            Kind::Ip4Trie | Kind::Ip6Trie => Repeats::First,
            Kind::Ip4Set | Kind::Ip4Tset | Kind::Ip6Tset | Kind::Addresses => Repeats::All,
        };
        Reader {
            kind,
            parts: Parts { ttl: TTL, repeats, ..Parts::default() },
            head: Head::default(),
            default: Standard::default(),
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

    /// Another file begins: its lines are counted anew, and it has no default yet. Trivial sets have one for all files.
    pub(super) fn file(&mut self) {
        self.line = 0;
        if !self.is_trivial() {
            self.default = Standard::default();
            self.default_what = None;
        }
    }

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
                self.problems.push(Problem { line: self.line, what });
            }
        }
    }

    /// All files were read.
    pub(super) fn end(mut self) -> Read {
        if self.is_trivial()
            && let Some(only) = self.raw.first_mut()
        {
            // Whichever line and file it stands in.
            *only = Raw { value: self.default.value, text: self.default.text.clone() };
        }
        let reasons = std::mem::take(&mut self.raw).into_iter();
        self.parts.reasons = reasons.map(|raw| self.reason(raw)).collect();
        let Reader { parts, head, problems, problem_count, .. } = self;
        Read { dataset: Dataset::of(parts), head, problems, problem_count }
    }

    /// All entries have one value.
    fn is_trivial(&self) -> bool {
        matches!(self.kind, Kind::Ip4Tset | Kind::Ip6Tset)
    }

    fn has_ipv6(&self) -> bool {
        matches!(self.kind, Kind::Ip6Trie | Kind::Ip6Tset | Kind::Addresses)
    }

    fn set_default(&mut self, line: &[u8]) -> Result<(), &'static str> {
        // Trivial sets have one value, the first that is given.
        if self.is_trivial() && self.default_given {
            return Ok(());
        }
        let given = read_value(line)?;
        let standard = Standard::default();
        let text = match given.text {
            Given::Default | Given::Nothing => None,
            Given::Text(text) => Some(text.to_vec()),
        };
        self.default = Standard { value: given.value.unwrap_or(standard.value), text };
        (self.default_given, self.default_what) = (true, None);
        Ok(())
    }

    fn raw(&self, given: &Value<'_>) -> Raw {
        let text = match given.text {
            Given::Nothing => None,
            Given::Text(text) => Some(text.to_vec()),
            Given::Default => self.default.text.clone(),
        };
        Raw { value: given.value.unwrap_or(self.default.value), text }
    }

    /// Puts variables and the base template in, which stands also where no text is given; `$` and `$$` stay for whoever answers.
    fn reason(&self, Raw { value, text }: Raw) -> Reason {
        let text = match (&self.base, text.as_deref()) {
            (_, Some([b'=', own @ ..])) => Some(own.to_vec()),
            (Some(base), own) => Some(in_base(base, own.unwrap_or_default())),
            (None, own) => own.map(<[u8]>::to_vec),
        };
        let text = text.map(|text| {
            let mut whole = replace(&text, &|name| {
                let nth = usize::from(name.checked_sub(b'0').filter(|nth| *nth < 10)?);
                // One that was never told stays as it was written.
                Some(self.variables[nth].as_deref().unwrap_or(UNTOLD[nth]))
            });
            // What is cut off anyway when an address is put in.
            whole.truncate(2 * TXT_OCTETS_MAX);
            whole.into()
        });
        Reason { value, text }
    }

    fn what(&mut self, given: &Value<'_>) -> What {
        if self.is_trivial() {
            if self.raw.is_empty() {
                self.raw.push(Raw { value: self.default.value, text: None });
            }
            return What::reason(0);
        }
        let plain = matches!(given, Value { value: None, text: Given::Default });
        if let (true, Some(what)) = (plain, self.default_what) {
            return what;
        }
        let what = *self.known.entry(self.raw(given)).or_insert_with_key(|raw| {
            self.raw.push(raw.clone());
            What::reason(self.raw.len() - 1)
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
            // What an exclusion is given means nothing.
            _ if excluded || self.is_trivial() || self.kind == Kind::Addresses => Value::default(),
            rest => read_value(rest)?,
        };
        let (v4, v6) = match self.kind {
            Kind::Ip4Set => (Some(range(place)?), None),
            Kind::Ip4Trie => (Some(cidr(place)?), None),
            Kind::Ip4Tset => (Some(single(place)?), None),
            Kind::Ip6Trie => (None, Some(cidr6(place)?)),
            Kind::Ip6Tset => (None, Some(words6(place, excluded)?)),
            Kind::Addresses if place.contains(&b':') => (None, Some(cidr6(place)?)),
            Kind::Addresses => (Some(cidr(place)?), None),
        };
        if self.raw.len() >= What::MAX {
            return Err("more different values than a list can have");
        }
        let what = if excluded { What::NOTHING } else { self.what(&given) };
        if let Some((first, last)) = v4 {
            if u64::from(last - first) >= self.range_max {
                return Err("a range larger than $MAXRANGE4");
            }
            self.add(first, last, what);
        }
        if let Some((first, last)) = v6 {
            self.parts.ipv6.push(Block { first, last, value: what });
        }
        Ok(())
    }

    /// Where what an entry is about ends: at a blank, a comment, or a value.
    fn place_end(&self, line: &[u8]) -> usize {
        let mut network = false;
        let ends = |octet: &u8| match octet {
            b' ' | b'\t' | b'#' | b';' => true,
            b'/' => {
                network = true;
                false
            }
            // An IPv6 address has colons of its own.
            b':' => !self.has_ipv6() || network,
            _ => false,
        };
        line.iter().position(ends).unwrap_or(line.len())
    }

    fn add(&mut self, first: u32, last: u32, what: What) {
        if first == last {
            self.parts.addresses.push((first, what));
        } else if self.kind == Kind::Ip4Set {
            self.add_levels(first, last, what);
        } else {
            self.parts.ipv4.push(Block { first, last, value: what });
        }
    }

    /// An `ip4set` knows /8, /16, /24 and addresses; the finest level that has an entry decides.
    fn add_levels(&mut self, first: u32, last: u32, what: What) {
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
                self.parts.ipv4.push(Block { first: start, last: start | ((1 << bits) - 1), value: what });
            }
            next += 1 << bits;
        }
    }

    fn special(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_ascii();
        let text = || std::str::from_utf8(rest).map_err(|_| "not US-ASCII");
        match keyword.to_ascii_uppercase().as_slice() {
            b"SOA" if self.head.soa.is_none() => self.head.soa = Some(self.soa(text()?)?),
            b"NS" | b"NAMESERVER" if self.head.ns.is_none() => self.head.ns = Some(self.ns(text()?)?),
            b"SOA" | b"NS" | b"NAMESERVER" => {}
            b"TTL" => {
                let ttl = seconds(text()?).ok_or("no time to live")?;
                self.parts.ttl = if ttl == 0 { TTL } else { ttl };
            }
            b"TIMESTAMP" => {
                let (made, expires) = timestamps(text()?)?;
                self.head.made = self.head.made.max(made);
                // The first that expires takes the others with it.
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
            b"DATASET" => return Err("combined data sets are not known here"),
            _ => return Err("an unknown $ keyword"),
        }
        Ok(())
    }

    fn soa(&self, text: &str) -> Result<ListSoa, &'static str> {
        const FORM: &str = "$SOA wants ttl, origin, person, serial, refresh, retry, expire and minimum";
        let [ttl, primary, mailbox, serial, refresh, retry, expire, minimum] =
            text.split_whitespace().collect::<Vec<_>>()[..]
        else {
            return Err(FORM);
        };
        let name = |text: &str| Name::parse(&text.replace('@', ".")).map_err(|_| "$SOA names no domain");
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

    fn ns(&self, text: &str) -> Result<(u32, Vec<Name>), &'static str> {
        let mut words = text.split_whitespace();
        let ttl = words.next().and_then(seconds).ok_or("$NS wants a time to live and name servers")?;
        // One with a minus sign is commented out.
        let names =
            words.filter(|word| !word.starts_with('-')).map(Name::parse).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|_| "$NS names no domain")?;
        Ok((if ttl == 0 { self.parts.ttl } else { ttl }, names))
    }

    fn set_range_max(&mut self, text: &str) -> Result<(), &'static str> {
        let size = match text.strip_prefix('/') {
            Some(bits) => number(bits.as_bytes()).filter(|bits| *bits <= 32).map(|bits| 1 << (32 - bits)),
            None => number(text.as_bytes()).map(u64::from).filter(|size| *size > 0),
        };
        self.range_max = self.range_max.min(size.ok_or("no size of a range")?);
        Ok(())
    }
}

/// Replaces `$` and a name of one octet, where there is something to put in its place; a dollar sign in that is one.
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

/// A base template with an entry's text, or its address, at `$=`.
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

/// A number, written in digits alone.
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
    let (octets, count) = dotted(value.trim_ascii()).ok_or("no A value")?;
    let value = match (octets, count) {
        ([0, ..], 1) => return Err("0 is no A value"),
        ([last, ..], 1) => Ipv4Addr::new(127, 0, 0, last),
        // The last number is the last octet.
        ([first, last, ..], 2) => Ipv4Addr::new(first, 0, 0, last),
        ([first, second, last, _], 3) => Ipv4Addr::new(first, second, 0, last),
        (octets, _) => Ipv4Addr::from(octets),
    };
    if value.is_unspecified() {
        return Err("0.0.0.0 is no A value");
    }
    Ok(Value { value: Some(value), text: given })
}

/// One to four decimal octets with dots between them.
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

const NO_ADDRESS: &str = "no IPv4 address or range";

fn filled(mut octets: [u8; 4], count: usize, with: u8) -> u32 {
    octets[count..].fill(with);
    u32::from_be_bytes(octets)
}

fn network(octets: [u8; 4], count: usize, bits: &[u8]) -> Result<(u32, u32), &'static str> {
    let bits = number(bits).ok_or("no prefix length")?;
    let first = filled(octets, count, 0);
    let hosts = u32::MAX.unbounded_shr(bits);
    match bits {
        0..=32 if first & hosts == 0 => Ok((first, first | hosts)),
        0..=32 => Err("bits are set behind the prefix length"),
        _ => Err("no prefix length"),
    }
}

/// As an `ip4set` has it: an address, the first octets of some, a network, or a range.
fn range(text: &[u8]) -> Result<(u32, u32), &'static str> {
    let Some(at) = text.iter().position(|octet| matches!(octet, b'/' | b'-')) else {
        // A number alone is rather a word of a sentence than a sixteenth of a million networks.
        let (octets, count) = dotted(text).filter(|(_, count)| *count > 1).ok_or(NO_ADDRESS)?;
        return Ok((filled(octets, count, 0), filled(octets, count, 255)));
    };
    let (octets, count) = dotted(&text[..at]).ok_or(NO_ADDRESS)?;
    if text[at] == b'/' {
        return network(octets, count, &text[at + 1..]);
    }
    let (mut end, end_count) = dotted(&text[at + 1..]).ok_or(NO_ADDRESS)?;
    if end_count == 1 && count > 1 {
        // One number alone is the last octet that was given.
        let last = end[0];
        end = octets;
        end[count - 1] = last;
    } else if end_count != count {
        return Err("a range whose ends have not as many octets");
    }
    let (first, last) = (filled(octets, count, 0), filled(end, count, 255));
    if first <= last { Ok((first, last)) } else { Err("a range that ends before it begins") }
}

/// An address, the first octets of some, or a network.
fn cidr(text: &[u8]) -> Result<(u32, u32), &'static str> {
    if text.contains(&b'-') { Err("only networks, no ranges") } else { range(text) }
}

fn single(text: &[u8]) -> Result<(u32, u32), &'static str> {
    match dotted(text) {
        Some((octets, 4)) => Ok((u32::from_be_bytes(octets), u32::from_be_bytes(octets))),
        _ => Err("only whole addresses"),
    }
}

const NO_ADDRESS6: &str = "no IPv6 address or network";

/// An address, a network, or the first words of an address, which are a network.
fn cidr6(text: &[u8]) -> Result<(u128, u128), &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| NO_ADDRESS6)?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits.as_bytes()).ok_or("no prefix length")?)),
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
        0..=128 => Err("bits are set behind the prefix length"),
        _ => Err("no prefix length"),
    }
}

/// As an `ip6tset` has it: the four words of a /64; or, to be excluded, an address.
fn words6(text: &[u8], excluded: bool) -> Result<(u128, u128), &'static str> {
    if text.contains(&b'/') {
        return Err("no prefix lengths: what is listed is a /64");
    }
    let (first, last) = cidr6(text)?;
    match last - first {
        0 if excluded => Ok((first, last)),
        hosts if hosts == u128::from(u64::MAX) && !excluded => Ok((first, last)),
        _ => Err("four words of a /64, or a whole address that is excluded"),
    }
}

/// Seconds, or with a letter minutes, hours, days, weeks.
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
    // RFC 2181 §8.
    number(digits.as_bytes())?.checked_mul(unit).filter(|seconds| i32::try_from(*seconds).is_ok())
}

/// When the data was made, and when it is too old.
fn timestamps(text: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), &'static str> {
    const FORM: &str = "a time is written yyyy:mm:dd:hh:mm:ss";
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
    // Year, month, day, and what follows is zero where it isn't told.
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
