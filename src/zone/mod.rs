//! Computes DNS answers from listings and from operators' lists.
//!
//! This module does no I/O. The `dns` module reads queries from the network and writes the answers.

mod answer;
mod apex;
mod config;
mod contents;
mod dataset;
mod entries;
mod ipv4;
mod judged;
mod list_zone;
mod name;
pub mod numbers;
mod query_name;
mod record;
mod served;
mod spec;
mod steps;
mod text;

pub use answer::{Answer, AnswerContent, AnswerRecords, ExtendedError, QueryType, Question, Rcode};
pub use apex::{Apex, Soa};
pub use config::{KEY_OCTETS_MIN, Sublist, Ttls, ZoneConfig as Config, ZoneTexts};
pub use contents::{ListedAnswer, ListedRange, ZoneContents, ZonePart};
pub use dataset::{Dataset, DatasetParts, ListReason, ReasonRef, RepeatedEntries};
pub use entries::{ListedCode, ListedCodes, ListedEntries};
pub use ipv4::MemorySpot;
pub use judged::{Freshness, JudgedZone};
pub use list_zone::ListZone;
pub use name::DomainName;
pub use query_name::{QueryLabels, QueryName, reversed};
pub use record::{RecordData, ResourceRecord, SoaData};
pub use served::{ListZones, ServedZones, Snapshot, ZoneMatch};
pub use spec::read;
pub use steps::{Position, Steps, ValueRange};
pub use text::{TXT_OCTETS_MAX, TextTemplate, TxtText, ZoneStatus};
