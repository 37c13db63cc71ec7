//! Observation: what the DNS says about a relay after it brought evidence, above all whether the
//! relay serves the domain of the mail that it reports on.
//!
//! Observation never delays the SMTP reply. Evidence whose observation is missing counts as one
//! whose relation to the relay is unknown, and is asked about again later. Only relays that brought
//! evidence are looked up, and only the DNS is asked (RFC 6471 §3.6).

mod enrolment;
mod inquiry;
mod lookups;
mod mail_routes;
mod networks;
mod observer;
mod place;
mod recall;
mod relation;
mod schedule;
mod settings;
mod silence;
mod turns;
mod unanswered;

pub use enrolment::{DomainRecords, EnrolmentFault, MailHosts, faults};
pub use inquiry::{Inquiry, is_asked_about};
pub use lookups::{LaboratoryAnswer, LaboratoryHost, Lookups};
pub use mail_routes::MailRoutes;
pub use networks::{Networks, NetworksError};
pub use observer::Observer;
pub use recall::{Recall, Recalled};
pub use relation::{DnsAnswers, observation, organisation};
pub use settings::{ObserverLimits, ObserverSettings};

use std::time::Duration;

/// Pauses before an incompletely answered inquiry is repeated, each counted from the previous
/// attempt. Servers that are down for a moment are up again by then.
const TRY_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(240)];
/// The number of tries that are made before the evidence counts without an answer. Later tries have
/// higher numbers.
const TRIES_BEFORE_COUNTING: u16 = 1 + TRY_AGAIN_AFTER.len() as u16;
