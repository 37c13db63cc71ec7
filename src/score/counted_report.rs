//! The compact form in which a counted report is stored: only what the rules need.

use minicbor::{Decode, Encode};

use super::{Relation, short_domain, short_organisation};
use crate::classify::{Author, Cause, Kind};
use crate::evidence::{Channel, Evidence, Observation, Offset, OriginalSender};
use crate::relay::InjectorNetwork;
use crate::time::Timestamp;
use crate::trap::{DISCOUNT_MAX, TrapKey};

/// One counted report, or a session without one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CountedReport {
    /// The entry that contains the evidence.
    #[n(0)]
    pub offset: Offset,
    /// When the trap node received it, after the fold's check of that time.
    #[n(1)]
    pub seen_at: Timestamp,
    /// Short digest of the report, so that a repeated report counts once.
    #[n(2)]
    pub report: u64,
    /// Short digest of the failed recipient or the responder; zero if the report names none.
    #[n(3)]
    pub failed_recipient: u64,
    /// Short digest of the trap domain.
    #[n(4)]
    pub trap_domain: u32,
    /// Short digest of the trap.
    #[n(5)]
    pub trap: u32,
    /// The donor that gave the trap, as [`Donor::short`](crate::trap::Donor::short).
    #[n(6)]
    pub donor: u32,
    /// The kind that the report counts as: see [`EvidenceFacts::counted_kind`](crate::evidence::EvidenceFacts::counted_kind).
    #[n(7)]
    pub kind: Kind,
    /// The network of the injector, if the report shows it.
    #[n(8)]
    pub injector: Option<InjectorNetwork>,
    /// The sender of the returned original.
    #[n(9)]
    pub sender: OriginalSender,
    /// Whether the relay is responsible for the mail that it reports on.
    #[n(10)]
    pub relation: Relation,
    /// Why delivery failed; `None` for a kind that reports no failed delivery.
    #[n(11)]
    pub cause: Option<Cause>,
    /// Whether the SPF or DMARC record of the trap's domain forbade the original.
    #[n(12)]
    pub forbidden: bool,
    /// The number of further reports of the same burst that were merged into this one.
    #[n(13)]
    pub more: u32,
    /// Whether it is an automatic reply that complies with RFC 3834.
    #[n(14)]
    pub follows_rfc3834: bool,
    /// The channel by which the evidence arrived.
    #[n(15)]
    #[cbor(default)]
    pub channel: Channel,
    /// By how much the donor's terms reduce the weight, in thousandths.
    #[n(16)]
    #[cbor(default)]
    pub discount: u16,
    /// Who wrote the message.
    #[n(17)]
    #[cbor(default)]
    pub author: Author,
    /// Short digest of the registered domain of the failed recipient's domain; zero if it is not
    /// known.
    #[n(18)]
    #[cbor(default)]
    pub organisation: u32,
    /// The relay's confirmed name lies in the failed recipient's domain.
    #[n(19)]
    #[cbor(default)]
    pub is_of_own_name: bool,
    /// The entry by which everything about the report was known that counts: its observation, or the
    /// tick that ended the wait for one. The start if that is the entry that contains the evidence.
    #[n(20)]
    #[cbor(default)]
    pub known_at: Offset,
    /// Whether the DNS still owes an answer that could make the report count.
    #[n(21)]
    #[cbor(default)]
    pub unanswered: bool,
    /// Short digest of the failed recipient's domain; zero if it is not known. Answers of the relay's
    /// side are about whole domains.
    #[n(22)]
    #[cbor(default)]
    pub domain: u64,
}

/// The origin of a piece of evidence, as the fold knows it.
#[derive(Clone, Copy, Debug)]
pub struct ReportSource {
    /// The key that the trap was registered by.
    pub trap: TrapKey,
    /// The domain that counts as the trap domain.
    pub domain: TrapKey,
    /// The donor that gave the trap, as [`Donor::short`](crate::trap::Donor::short).
    pub donor: u32,
    /// By how much the donor's terms reduce the weight, in thousandths.
    pub discount: u16,
}

impl CountedReport {
    /// Builds the counted report for a piece of evidence. `seen_at` is the time of receipt after
    /// the fold's check.
    pub fn of(
        evidence: &Evidence,
        observation: Option<&Observation>,
        injector: Option<InjectorNetwork>,
        source: ReportSource,
        seen_at: Timestamp,
        offset: Offset,
    ) -> Self {
        let facts = &evidence.facts;
        let relation = Relation::of(evidence, observation, injector);
        CountedReport {
            offset,
            seen_at,
            // A session without a message has no digest; its id takes the place.
            report: evidence.report.unwrap_or(evidence.id).short(),
            failed_recipient: facts.failed_recipient().map_or(0, |recipient| recipient.address.short()),
            trap_domain: source.domain.short(),
            // If a whole domain is registered, each address in it is a trap of its own. Otherwise
            // the registered key is the trap.
            trap: if source.trap == source.domain { evidence.trap.short() } else { source.trap.short() },
            donor: source.donor,
            kind: facts.counted_kind(),
            injector,
            sender: facts.sender,
            relation,
            cause: facts.cause(),
            forbidden: observation.and_then(|seen| seen.original_forbidden).unwrap_or(false),
            more: 0,
            follows_rfc3834: facts.follows_rfc3834,
            channel: evidence.channel,
            discount: source.discount,
            author: facts.author,
            organisation: observation.map_or(0, recipient_organisation),
            is_of_own_name: observation.is_some_and(is_of_own_name),
            domain: facts
                .failed_recipient()
                .and_then(|recipient| recipient.domain)
                .map_or(0, |domain| short_domain(&domain)),
            known_at: Offset::START,
            unanswered: relation == Relation::Unknown
                && !observation.is_some_and(Observation::is_whole)
                && facts.failed_recipient().is_some_and(|recipient| recipient.domain.is_some()),
        }
    }

    /// The report after a later observation, which the entry `at` contains. Answers that were known
    /// stay as they were.
    pub fn after(
        &self,
        evidence: &Evidence,
        observation: &Observation,
        injector: Option<InjectorNetwork>,
        at: Offset,
    ) -> Self {
        let relation = Relation::of(evidence, Some(observation), injector);
        CountedReport {
            relation,
            injector: injector.filter(|_| self.injector.is_some()).or(self.injector),
            forbidden: self.forbidden || observation.original_forbidden == Some(true),
            known_at: at,
            organisation: recipient_organisation(observation),
            is_of_own_name: is_of_own_name(observation),
            unanswered: relation == Relation::Unknown && !observation.is_whole(),
            ..self.clone()
        }
    }

    /// The entry from which the report counts.
    pub fn counts_from(&self) -> Offset {
        self.offset.max(self.known_at)
    }

    /// The burst that the report belongs to: kind, trap domain, injector network and hour. The
    /// reports of one burst weigh as one.
    pub fn burst(&self) -> (Kind, u32, Option<InjectorNetwork>, u32) {
        (self.kind, self.trap_domain, self.injector, self.seen_at.hour())
    }

    /// Whether the report weighs nothing because of the donor that handed it on. Such a report must
    /// not take the place of another one, which may weigh something now or after a late observation.
    pub fn is_outranked(&self) -> bool {
        self.discount >= DISCOUNT_MAX
    }

    /// Whether `key` is the trap that received it, or the trap's domain.
    pub fn came_to(&self, key: TrapKey) -> bool {
        [self.trap, self.trap_domain].contains(&key.short())
    }
}

/// Whether the relay's own name lies in the failed recipient's domain.
fn is_of_own_name(observation: &Observation) -> bool {
    observation.same_organisation == Some(true) && observation.named_within == Some(true)
}

/// The short digest of the registered domain of the failed recipient's domain; zero if it is not known.
fn recipient_organisation(observation: &Observation) -> u32 {
    observation.recipient_organisation.as_ref().map_or(0, |name| short_organisation(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_report_is_small() {
        // A full list has millions of them in memory.
        assert!(size_of::<CountedReport>() <= 96, "{} octets", size_of::<CountedReport>());
    }
}
