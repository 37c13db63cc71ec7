//! Reads a data set line by line.

use super::directives::{self, ListHead};
use super::entry::{ListEntry, ListPlace};
use super::kind::ListKind;
use super::numbers::number;
use super::values::ListValues;
use crate::zone::{Dataset, DatasetParts, ReasonRef, ValueRange};

/// Greatest number of problems that are logged for one data set. Further ones are only counted.
const PROBLEMS_MAX: usize = 20;
/// The TTL in seconds if the list gives none, as in rbldnsd.
const TTL: u32 = 2_100;

/// Reads a data set file by file and line by line.
pub(in crate::lists) struct ListReader {
    kind: ListKind,
    parts: DatasetParts,
    head: ListHead,
    values: ListValues,
    /// Greatest number of addresses in an entry (`$MAXRANGE4`).
    range_max: u64,
    line: usize,
    problems: Vec<LineProblem>,
    problem_count: usize,
}

/// The result of reading a data set.
#[derive(Debug)]
pub(in crate::lists) struct ReadList {
    /// The entries.
    pub dataset: Dataset,
    /// The properties of the zone.
    pub head: ListHead,
    /// The first invalid lines.
    pub problems: Vec<LineProblem>,
    /// The number of all invalid lines.
    pub problem_count: usize,
}

/// An invalid line, which is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lists) struct LineProblem {
    /// The line's number in its file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl ListReader {
    /// A reader for a list of one format.
    pub(in crate::lists) fn new(kind: ListKind) -> Self {
        ListReader {
            kind,
            parts: DatasetParts { ttl: TTL, repeats: kind.repeats(), ..DatasetParts::default() },
            head: ListHead::default(),
            values: ListValues::new(kind.is_trivial()),
            range_max: u64::MAX,
            line: 0,
            problems: Vec::new(),
            problem_count: 0,
        }
    }

    /// Starts another file: line numbers start again, and the default is reset. A trivial set
    /// (`ip4tset`, `ip6tset`) has one default for all its files.
    pub(in crate::lists) fn file(&mut self) {
        self.line = 0;
        self.values.file();
    }

    /// Reads the next line, without its line end. An invalid line is recorded as a problem.
    pub(in crate::lists) fn line(&mut self, line: &[u8]) {
        self.line += 1;
        let line = line.trim_ascii();
        let read = match line {
            [] => Ok(()),
            [b':', b':', ..] if self.kind.has_ipv6() => self.entry(line),
            [b'$', rest @ ..] | [b'#' | b';' | b':', b'$', rest @ ..] => self.directive(rest),
            [b'#' | b';', ..] => Ok(()),
            [b':', ..] => self.values.set_default(line),
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
    pub(in crate::lists) fn end(self) -> ReadList {
        let ListReader { mut parts, head, values, problems, problem_count, .. } = self;
        parts.reasons = values.reasons();
        ReadList { dataset: Dataset::of(parts), head, problems, problem_count }
    }

    fn entry(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let ListEntry { place, value } = ListEntry::read(self.kind, line)?;
        if self.values.is_full() {
            return Err("the list has too many different values");
        }
        let what = value.map_or(ReasonRef::NOTHING, |given| self.values.reference(&given));
        match place {
            ListPlace::Ipv4(first, last) if u64::from(last - first) >= self.range_max => {
                return Err("the range is larger than $MAXRANGE4 allows");
            }
            ListPlace::Ipv4(first, last) => self.add(first, last, what),
            ListPlace::Ipv6(first, last) => self.parts.ipv6.push(ValueRange { first, last, value: what }),
        }
        Ok(())
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

    fn directive(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let rest = rest.trim_ascii();
        let text = || std::str::from_utf8(rest).map_err(|_| "the text is not valid UTF-8");
        match keyword.to_ascii_uppercase().as_slice() {
            b"SOA" if self.head.soa.is_none() => {
                self.head.soa = Some(directives::soa(text()?, self.parts.ttl)?)
            }
            b"NS" | b"NAMESERVER" if self.head.ns.is_none() => {
                self.head.ns = Some(directives::ns(text()?, self.parts.ttl)?)
            }
            b"SOA" | b"NS" | b"NAMESERVER" => {}
            b"TTL" => {
                let ttl = directives::seconds(text()?).ok_or("$TTL needs a time to live")?;
                self.parts.ttl = if ttl == 0 { TTL } else { ttl };
            }
            b"TIMESTAMP" => self.head.add_timestamp(text()?)?,
            b"MAXRANGE4" => self.set_range_max(text()?)?,
            b"=" => self.values.set_base(rest),
            [digit @ b'0'..=b'9'] => self.values.define(*digit, rest),
            b"DATASET" => return Err("combined data sets are not supported"),
            _ => return Err("the $ keyword is unknown"),
        }
        Ok(())
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
