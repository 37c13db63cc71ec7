//! The relation between a relay and the mail that it reports on: a table of what the DNS, the relay
//! and its report say, and what follows from it.
//!
//! The owner of the failed recipient's domain writes that domain's DNS records, and may be the
//! attacker. So these records alone are a *claim*. The relay's side writes the relay's confirmed name,
//! and the Received field on top of the returned original.

use minicbor::{Decode, Encode};

use crate::classify::HandedIn;
use crate::evidence::{Evidence, Observation};
use crate::relay::InjectorNetwork;

/// Whether the relay is responsible for the mail that it reports on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Relation {
    /// No: the DNS does not lead to the relay, the relay only transported the report, a user
    /// submitted the original, another host refused the recipient, or an alias or a forward led to
    /// the failed recipient.
    #[n(0)]
    Refuted,
    /// The DNS gave no answer, or what is known proves nothing.
    #[n(1)]
    Unknown,
    /// Yes: the relay's confirmed name belongs to the organisation of the failed recipient's domain,
    /// and the relay itself says that a stranger brought the original for this recipient.
    #[n(2)]
    Confirmed,
    /// The DNS was not asked, because a session without a message names no failed recipient.
    #[n(3)]
    NotAsked,
    /// Perhaps: only what an attacker could have written says so, or the relay does not say who
    /// brought the original.
    #[n(4)]
    Claimed,
}

/// What the DNS says about the relay and the failed recipient's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsRelation {
    /// The relay's confirmed name, which was not made from its address, belongs to the organisation of
    /// the domain.
    OwnName,
    /// Only records of the domain lead to the relay: MX or SPF.
    Claim,
    /// Neither.
    Neither,
    /// The DNS gave no answer that decides.
    Unknown,
}

/// Where delivery to the failed recipient failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedAt {
    /// At the relay itself.
    Relay,
    /// At a host behind the relay: see [`Observation::refused_inside`].
    Inside,
    /// At another host.
    Elsewhere,
}

impl DnsRelation {
    /// Reads an observation.
    fn of(seen: &Observation) -> Self {
        // The SPF record of a domain that sends through a provider authorises hosts that the
        // provider's other customers use too. SPF therefore counts only if the host's name does not
        // belong to another organisation.
        let by_spf = match (seen.spf_of_recipient, seen.named_elsewhere) {
            (Some(true), Some(true) | None) => None,
            (by_spf, _) => by_spf,
        };
        let claims = [seen.mx_of_recipient, by_spf];
        match seen.same_organisation {
            Some(true) => DnsRelation::OwnName,
            _ if claims.contains(&Some(true)) => DnsRelation::Claim,
            Some(false) if !claims.contains(&None) => DnsRelation::Neither,
            _ => DnsRelation::Unknown,
        }
    }
}

/// The table: the relation by what the DNS says, by the client that handed the original to the relay,
/// and by the place where delivery failed. docs/JUDGING.md prints it.
pub const fn relation_of(dns: DnsRelation, handed_in: HandedIn, failed_at: FailedAt) -> Relation {
    match (dns, handed_in, failed_at) {
        (_, HandedIn::Submitted, _) | (_, _, FailedAt::Elsewhere) | (DnsRelation::Neither, _, _) => {
            Relation::Refuted
        }
        (DnsRelation::Unknown, _, _) => Relation::Unknown,
        (DnsRelation::OwnName, HandedIn::Stranger, _) => Relation::Confirmed,
        (DnsRelation::OwnName, HandedIn::Inside | HandedIn::Unknown, _) => Relation::Claimed,
        (DnsRelation::Claim, HandedIn::Stranger, _) => Relation::Claimed,
        (DnsRelation::Claim, HandedIn::Unknown, FailedAt::Relay) => Relation::Claimed,
        (DnsRelation::Claim, HandedIn::Inside | HandedIn::Unknown, _) => Relation::Unknown,
    }
}

impl Relation {
    /// The relation between the relay and the mail that a piece of evidence reports on. `injector` is
    /// the network of the host that handed in the original, if the report shows it.
    pub fn of(
        evidence: &Evidence,
        observation: Option<&Observation>,
        injector: Option<InjectorNetwork>,
    ) -> Self {
        let facts = &evidence.facts;
        if facts.kind.is_without_message() {
            return Relation::NotAsked;
        }
        let failure = facts.leading_failure();
        // The relay knows an address that it forwards, so it did not accept mail for an unknown one.
        // The owner of the forward also chooses the domain whose DNS would be asked.
        if facts.carried || failure.is_some_and(|failure| failure.expanded) {
            return Relation::Refuted;
        }
        let failed_at = match (failure.is_some_and(|failure| failure.remote), observation) {
            (false, _) => FailedAt::Relay,
            (true, Some(Observation { refused_inside: Some(true), .. })) => FailedAt::Inside,
            (true, Some(Observation { refused_inside: Some(false), .. })) => FailedAt::Elsewhere,
            // Which host refused the recipient is not known.
            (true, _) => return Relation::Unknown,
        };
        let dns = observation.map_or(DnsRelation::Unknown, DnsRelation::of);
        relation_of(dns, client(evidence, observation, injector), failed_at)
    }
}

/// The client that handed in the original. A client of the relay's own network is no stranger.
fn client(
    evidence: &Evidence,
    observation: Option<&Observation>,
    injector: Option<InjectorNetwork>,
) -> HandedIn {
    let handed_in = evidence.facts.handed_in;
    let network = match (observation.and_then(|seen| seen.network), injector) {
        (Some(number), Some(InjectorNetwork::System(_))) => InjectorNetwork::System(number),
        _ => evidence.relay.network(),
    };
    match injector {
        Some(injector) if injector != network => handed_in,
        _ if handed_in == HandedIn::Stranger => HandedIn::Unknown,
        _ => handed_in,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document that prints the table.
    const JUDGING: &str = include_str!("../../docs/JUDGING.md");

    #[test]
    fn every_row_of_the_published_table_is_true_and_none_is_missing() {
        let dns = [
            ("own name", DnsRelation::OwnName),
            ("claim", DnsRelation::Claim),
            ("neither", DnsRelation::Neither),
            ("no answer", DnsRelation::Unknown),
        ];
        let clients = [
            ("a stranger", HandedIn::Stranger),
            ("a program on the relay", HandedIn::Inside),
            ("not said", HandedIn::Unknown),
            ("a user", HandedIn::Submitted),
        ];
        let places = [
            ("the relay", FailedAt::Relay),
            ("a host behind it", FailedAt::Inside),
            ("another host", FailedAt::Elsewhere),
        ];
        let mut rows = 0;
        for (name, dns) in dns {
            for (client, handed_in) in clients {
                for (place, failed_at) in places {
                    let relation = match relation_of(dns, handed_in, failed_at) {
                        Relation::Confirmed => "confirmed",
                        Relation::Claimed => "claimed",
                        Relation::Unknown => "unknown",
                        Relation::Refuted => "refuted",
                        Relation::NotAsked => "not asked",
                    };
                    let row = format!("| {name} | {client} | {place} | {relation} |");
                    assert!(JUDGING.lines().any(|line| line == row), "docs/JUDGING.md lacks {row}");
                    rows += 1;
                }
            }
        }
        let begins = |line: &&str| dns.iter().any(|(name, _)| line.starts_with(&format!("| {name} | ")));
        assert_eq!(JUDGING.lines().filter(begins).count(), rows);
    }

    #[test]
    fn what_an_attacker_can_write_never_confirms() {
        for handed_in in [HandedIn::Stranger, HandedIn::Inside, HandedIn::Unknown, HandedIn::Submitted] {
            for failed_at in [FailedAt::Relay, FailedAt::Inside, FailedAt::Elsewhere] {
                for dns in [DnsRelation::Claim, DnsRelation::Neither, DnsRelation::Unknown] {
                    assert_ne!(relation_of(dns, handed_in, failed_at), Relation::Confirmed);
                }
                let submitted = relation_of(DnsRelation::OwnName, HandedIn::Submitted, failed_at);
                assert_eq!(submitted, Relation::Refuted);
            }
        }
    }
}
