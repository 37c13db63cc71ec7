//! What the DNS says: listings and lists in, answers out. Pure; the edges only put it on the wire.

mod answer;
mod apex;
mod asked;
mod contents;
mod dataset;
mod entries;
mod ipv4;
mod judged;
mod name;
mod spec;
mod steps;
mod text;

use std::sync::Arc;

pub use answer::{
    Answer, Content, Data, ExtendedError, QueryType, Question, Rcode, Record, Records, SoaData,
};
pub use apex::{Apex, Soa};
pub use asked::{Asked, Labels, reversed};
pub use contents::{Contents, Listed, Part, Said};
pub use dataset::{Dataset, ListZone, Parts, Reason, Repeats, What};
pub use entries::{Entries, Entry, Standing};
pub use ipv4::Spot;
pub use judged::Zone;
pub use name::Name;
pub use spec::{KEY_OCTETS_MIN, Sublist, Texts, Ttls, Zone as Config, read};
pub use steps::{Block, Position, Steps};
pub use text::{Status, TXT_OCTETS_MAX, Template, Text};

use crate::time::{Span, Timestamp};

/// All judged zones at one moment of the fold. Replaced whole, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    zones: Vec<Zone>,
    /// The fold's time: how fresh the data is.
    pub time: Timestamp,
}

/// All zones of operators' lists. Replaced whole, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    zones: Vec<Arc<ListZone>>,
}

/// Everything there is to answer from.
#[derive(Clone, Copy, Debug)]
pub struct Zones<'z> {
    pub judged: &'z Snapshot,
    pub lists: &'z Lists,
}

/// How old what is answered may be.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// When the data was known to be up to date.
    pub time: Timestamp,
    pub age_max: Span,
}

/// The zone that a name lies in.
#[derive(Clone, Copy, Debug)]
pub enum Within<'z> {
    Judged(&'z Zone),
    List(&'z ListZone),
}

impl Snapshot {
    pub fn new(mut zones: Vec<Zone>, time: Timestamp) -> Self {
        // The most specific origin first, so that a zone below another one is found.
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.config.apex.origin.labels().len()));
        Snapshot { zones, time }
    }

    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// The answer to a question at a time, which shortens the TTL of what is about to end.
    pub fn answer(&self, question: &Question<'_>, now: Timestamp) -> Answer<'_> {
        const NO_LISTS: &Lists = &Lists { zones: Vec::new() };
        // Whoever asks a snapshot itself asks about its own time.
        let fresh = Freshness { time: now, age_max: Span::ZERO };
        let zones = Zones { judged: self, lists: NO_LISTS };
        match zones.find(question.name) {
            Some((zone, labels)) => zone.answer(&labels, question.query_type, now, fresh),
            None => Answer::failed(Rcode::Refused, ExtendedError::NotAuthoritative),
        }
    }
}

impl Lists {
    pub fn new(mut zones: Vec<Arc<ListZone>>) -> Self {
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.apex.origin.labels().len()));
        Lists { zones }
    }

    pub fn zones(&self) -> &[Arc<ListZone>] {
        &self.zones
    }
}

impl<'z> Zones<'z> {
    /// The zone that a name lies in, the most specific one, and the labels left of its origin.
    pub fn find<'q>(&self, name: Asked<'q>) -> Option<(Within<'z>, Labels<'q>)> {
        let judged = self.judged.zones.iter().find_map(|zone| {
            let labels = name.under(zone.config.apex.origin_wire())?;
            Some((Within::Judged(zone), labels))
        });
        let list = self.lists.zones.iter().find_map(|zone| {
            let labels = name.under(zone.apex.origin_wire())?;
            Some((Within::List(zone), labels))
        });
        match (judged, list) {
            (Some(judged), Some(list)) => {
                let longer = judged.0.apex().origin_wire().len() > list.0.apex().origin_wire().len();
                Some(if longer { judged } else { list })
            }
            (judged, list) => judged.or(list),
        }
    }
}

impl<'z> Within<'z> {
    pub fn apex(self) -> &'z Apex {
        match self {
            Within::Judged(zone) => &zone.config.apex,
            Within::List(zone) => &zone.apex,
        }
    }

    /// That nothing is there, whatever is asked for below the zone's name.
    pub fn nothing(self) -> Answer<'z> {
        match self {
            Within::Judged(zone) => zone.config.apex.negative(Rcode::NameError, zone.serial),
            Within::List(zone) => zone.apex.negative(Rcode::NameError, zone.serial),
        }
    }

    /// That nothing stands at a name which exists.
    pub fn no_data(self) -> Answer<'z> {
        match self {
            Within::Judged(zone) => zone.config.apex.negative(Rcode::NoError, zone.serial),
            Within::List(zone) => zone.apex.negative(Rcode::NoError, zone.serial),
        }
    }

    /// Where the address that the labels stand for would be in memory; of use only ahead of the question itself.
    pub fn spot(self, labels: &Labels<'_>) -> Spot<'z> {
        match self {
            Within::Judged(zone) => zone.spot(labels),
            Within::List(zone) => labels
                .ipv4()
                .and_then(|start| start.whole())
                .map_or(Spot::default(), |address| zone.spot(address)),
        }
    }

    /// What the zone says of a name, given as the labels left of its origin.
    pub fn answer(
        self,
        labels: &Labels<'_>,
        query_type: QueryType,
        now: Timestamp,
        fresh: Freshness,
    ) -> Answer<'z> {
        match self {
            Within::Judged(zone) => zone.answer(labels, query_type, now, fresh),
            Within::List(zone) => zone.answer(labels, query_type, now),
        }
    }
}
