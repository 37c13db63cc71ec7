//! What the zone answers to a question.

use std::net::{IpAddr, Ipv4Addr};

use super::entries::Found;
use super::{Entries, Name, Reversed, Zone};
use crate::time::Timestamp;

/// A question of class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub name: Name,
    pub query_type: QueryType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    A,
    Aaaa,
    Txt,
    Soa,
    Ns,
    Any,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub rcode: Rcode,
    pub authoritative: bool,
    /// All of them owned by the name that was asked for.
    pub answers: Vec<Record>,
    /// The zone's SOA and its owner, for a negative answer (RFC 2308 §3).
    pub negative: Option<(Name, Record)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    NoError,
    NameError,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Seconds.
    pub ttl: u32,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Address(IpAddr),
    Txt(String),
    Ns(Name),
    Soa(Soa),
    /// RFC 8482 §4.2.
    Hinfo(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    pub primary: Name,
    pub mailbox: Name,
    pub serial: u32,
    /// Seconds, as are the others.
    pub refresh: u32,
    pub retry: u32,
    pub expire: u32,
    pub minimum: u32,
}

/// An address that the zone has something to say about.
struct About {
    address: IpAddr,
    found: Found,
    test: bool,
}

impl Answer {
    pub fn refused() -> Self {
        Answer { rcode: Rcode::Refused, authoritative: false, answers: Vec::new(), negative: None }
    }
}

impl Zone {
    pub(super) fn answer(&self, question: &Question, now: Timestamp) -> Answer {
        let Some(labels) = question.name.under(&self.config.origin) else { return Answer::refused() };
        match labels.split_last() {
            // Whoever still asks must get no address for anything, the test entries included.
            Some(_) if self.shut_down => self.negative(Rcode::NameError),
            None => self.apex(question.query_type),
            Some((last, rest)) => match self.config.sublists.iter().find(|sublist| sublist.label == *last) {
                // Its test entries lie below it.
                Some(_) if rest.is_empty() => self.negative(Rcode::NoError),
                Some(sublist) => self.below(rest, sublist.mask, question.query_type, now),
                None => self.below(labels, self.config.main_mask, question.query_type, now),
            },
        }
    }

    fn apex(&self, query_type: QueryType) -> Answer {
        let config = &self.config;
        let addresses = |wanted: fn(&IpAddr) -> bool| {
            let of_family = config.web_addresses.iter().filter(move |address| wanted(address));
            of_family.map(|&address| Record { ttl: config.ttls.apex, data: Data::Address(address) }).collect()
        };
        match query_type {
            QueryType::Soa => {
                self.positive(vec![Record { ttl: config.ttls.apex, data: Data::Soa(self.soa()) }])
            }
            QueryType::Ns => self.positive(
                config
                    .ns
                    .iter()
                    .map(|ns| Record { ttl: config.ttls.apex, data: Data::Ns(ns.clone()) })
                    .collect(),
            ),
            QueryType::A => self.positive(addresses(IpAddr::is_ipv4)),
            QueryType::Aaaa => self.positive(addresses(IpAddr::is_ipv6)),
            QueryType::Any => self.positive(vec![minimal_any()]),
            QueryType::Txt if self.shut_down => {
                let data = Data::Txt(config.texts.shut_down().to_owned());
                self.positive(vec![Record { ttl: config.ttls.shut_down, data }])
            }
            QueryType::Txt | QueryType::Other => self.negative(Rcode::NoError),
        }
    }

    fn below(&self, labels: &[String], mask: u8, query_type: QueryType, now: Timestamp) -> Answer {
        let readings: Vec<Reversed> = Reversed::readings(labels).collect();
        let found = readings.iter().find_map(|reading| match *reading {
            Reversed::Address(address) => self.find(address, mask),
            _ => None,
        });
        match found {
            Some(about) => self.about(&about, query_type, now),
            None if readings.iter().any(|&start| self.any_below(start, mask)) => {
                self.negative(Rcode::NoError)
            }
            None => self.negative(Rcode::NameError),
        }
    }

    fn find(&self, address: IpAddr, mask: u8) -> Option<About> {
        let listed = self.entries.find(address, mask).map(|found| About { address, found, test: false });
        listed.or_else(|| {
            let found = self.test_entries(mask).find(address, u8::MAX)?;
            Some(About { address, found, test: true })
        })
    }

    fn any_below(&self, start: Reversed, mask: u8) -> bool {
        self.entries.any_below(start, mask) || self.test_entries(mask).any_below(start, u8::MAX)
    }

    fn test_entries(&self, mask: u8) -> &Entries {
        self.config.test_entries.get(&mask).expect("every view of a checked zone has its test entries")
    }

    fn about(&self, about: &About, query_type: QueryType, now: Timestamp) -> Answer {
        let config = &self.config;
        let most = if about.test { config.ttls.test } else { config.ttls.listed };
        let ttl = about.found.until.map_or(most, |until| {
            // RFC 5782 §4: what is about to go must not linger in caches.
            u32::try_from(until.since(now).seconds()).unwrap_or(most).min(most)
        });
        let data = match query_type {
            QueryType::A => Data::Address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, about.found.mask))),
            QueryType::Txt => Data::Txt(config.texts.about(about.address, about.test)),
            QueryType::Any => minimal_any().data,
            _ => return self.negative(Rcode::NoError),
        };
        self.positive(vec![Record { ttl, data }])
    }

    /// An answer without records is a negative one.
    fn positive(&self, answers: Vec<Record>) -> Answer {
        if answers.is_empty() {
            return self.negative(Rcode::NoError);
        }
        Answer { rcode: Rcode::NoError, authoritative: true, answers, negative: None }
    }

    /// RFC 2308 §3: the SOA, with the lesser of its own TTL and its minimum.
    fn negative(&self, rcode: Rcode) -> Answer {
        let soa = self.soa();
        let apex = if self.shut_down { self.config.ttls.shut_down } else { self.config.ttls.apex };
        let soa = Record { ttl: apex.min(soa.minimum), data: Data::Soa(soa) };
        Answer {
            rcode,
            authoritative: true,
            answers: Vec::new(),
            negative: Some((self.config.origin.clone(), soa)),
        }
    }

    fn soa(&self) -> Soa {
        let config = &self.config;
        let minimum = if self.shut_down { config.ttls.shut_down } else { config.soa.minimum };
        Soa { serial: self.serial, minimum, ..config.soa.clone() }
    }
}

fn minimal_any() -> Record {
    Record { ttl: 3_600, data: Data::Hinfo("RFC8482") }
}
