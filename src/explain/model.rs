//! The parts of an explanation, as they are written in JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::evidence::Offset;
use crate::time::Timestamp;

/// The state of an address in every zone. The state is for operators only, because it shows
/// evidence.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The address.
    pub address: String,
    /// The prefix under which its evidence is stored.
    pub ledger: String,
    /// Why the address may never be listed, if that is the case.
    pub never_listed: Option<String>,
    /// The fold's time.
    pub time: Timestamp,
    /// The last entry that was applied.
    pub offset: Offset,
    /// What the relay's side answered when it was asked about made-up recipients.
    pub answers: Vec<AnswerExplanation>,
    /// One explanation for each published zone.
    pub zones: Vec<ZoneExplanation>,
}

/// The last answer of the relay's side about one registered domain.
#[derive(Debug, Serialize)]
pub struct AnswerExplanation {
    /// The domain of the made-up recipients.
    pub domain: String,
    /// The answer.
    pub answer: &'static str,
    /// The SMTP reply that decided.
    pub reply: String,
    /// When the answer was given.
    pub answered: Timestamp,
    /// When the relay's side was last asked.
    pub asked: Timestamp,
}

/// The state of an address in one zone.
#[derive(Debug, Serialize)]
pub struct ZoneExplanation {
    /// The zone's origin.
    pub zone: String,
    /// The answer of the main zone, such as `127.0.0.2`, or `None` if the address is not listed.
    pub answer: Option<String>,
    /// The digest of the zone's file.
    pub policy: String,
    /// One explanation for each code that is based on reports.
    pub codes: Vec<CodeExplanation>,
}

/// The state of an address under one code.
#[derive(Debug, Serialize)]
pub struct CodeExplanation {
    /// The value of the code.
    pub value: u8,
    /// The name of the code.
    pub name: String,
    /// One of: `clear` (no counted reports), `noted` (there are counted reports), `warned` (at
    /// least half of every requirement is satisfied), `unverified` (every rule is satisfied, and the
    /// relay's side has not answered yet), `met` (every rule is satisfied), `held` (the case was
    /// complete, and a guard or a freeze holds the listing), `decided` (the listing becomes public at the
    /// next slot), `listed`.
    pub standing: &'static str,
    /// What holds the listing, if it is held.
    pub held: Option<HoldExplanation>,
    /// The current listing.
    pub listing: Option<ListingExplanation>,
    /// The past listings, the oldest first.
    pub past: Vec<PastExplanation>,
    /// Counted reports start after this entry.
    pub floor: Offset,
    /// The result of each rule for the next listing or extension.
    pub rules: Vec<RuleExplanation>,
    /// How the points are computed.
    pub score: ScoreExplanation,
    /// Every stored report of the code's kinds.
    pub evidence: Vec<EvidenceExplanation>,
}

/// A listing that a guard or a freeze holds.
#[derive(Debug, Serialize)]
pub struct HoldExplanation {
    /// What holds it: `freeze`, `zone` (the limit on the zone's additions in an hour) or `site` (the
    /// share of the relay's site in them).
    pub guard: &'static str,
    /// The entry that completed the case.
    pub since_entry: Offset,
    /// Why it is held, in words.
    pub why: String,
    /// What ends the hold, in words.
    pub ends: String,
}

/// A current listing.
#[derive(Debug, Serialize)]
pub struct ListingExplanation {
    /// The published address or network.
    pub published: String,
    /// When the listing was decided or, once it is public, the slot at which it was published.
    pub since: Timestamp,
    /// When the listing ends.
    pub until: Timestamp,
    /// The slot at which the listing or its extension becomes public; `None` if all of it is public.
    pub next_slot: Option<Timestamp>,
    /// The number of listings within the repeat window, this one included.
    pub times: u32,
    /// The digest of the zone file whose policy was applied.
    pub policy: String,
    /// What the listing is based on: `case` or `decision`.
    pub criterion: &'static str,
    /// The entry that completed the case, or the entry of the decision.
    pub completed_by_entry: Offset,
    /// The counted reports of the case start after this entry.
    pub after_entry: Offset,
    /// When the case was completed.
    pub at: Timestamp,
    /// The points of the case.
    pub points: String,
    /// The number of distinct trap domains.
    pub trap_domains: u32,
    /// The number of distinct networks the forged mail came from.
    pub injector_networks: u32,
    /// The number of distinct failed recipients.
    pub failed_recipients: u32,
    /// The number of reports.
    pub reports: u32,
    /// These five figures in words, for the text form.
    #[serde(skip)]
    pub figures: String,
    /// The grounds: the first entries that contain the evidence, or the entry of the decision.
    pub evidence: Vec<Offset>,
    /// How the points were computed when the case was completed. Evidence beyond the horizon is
    /// missing.
    pub score: ScoreExplanation,
    /// The counted reports of the case. Evidence beyond the horizon is missing.
    pub case: Vec<EvidenceExplanation>,
}

/// A past listing.
#[derive(Debug, Serialize)]
pub struct PastExplanation {
    /// When the listing began.
    pub since: Timestamp,
    /// When the listing ended.
    pub ended: Timestamp,
    /// Why the listing ended.
    pub how: &'static str,
}

/// The result of one rule.
#[derive(Debug, Serialize)]
pub struct RuleExplanation {
    /// The name of the rule.
    pub rule: &'static str,
    /// What the rule counts or measures, for the text form.
    #[serde(skip)]
    pub term: &'static str,
    /// The value that the case has.
    pub has: String,
    /// The value that the quorum requires.
    pub needs: String,
    /// Whether the rule is satisfied.
    pub met: bool,
    /// The reason for the rule.
    pub why: &'static str,
}

/// How the points are computed.
#[derive(Debug, Serialize)]
pub struct ScoreExplanation {
    /// The half-life of a report's weight, in hours.
    pub half_life_hours: u32,
    /// The weight of the reports to each trap domain.
    pub trap_domains: Vec<TrapDomainExplanation>,
    /// The sum over the trap domains, before the limit for each donor and the division.
    pub sum: String,
    /// The number of wanted messages that donors received from the relay.
    pub wanted_mail: u64,
    /// log2(2 + wanted messages), rounded down.
    pub divisor: u32,
    /// The points.
    pub points: String,
}

/// The weight of the reports to one trap domain.
#[derive(Debug, Serialize)]
pub struct TrapDomainExplanation {
    /// A letter that stands for the domain.
    pub trap_domain: String,
    /// The donors of the traps in the domain.
    pub donors: Vec<String>,
    /// The number of distinct pairs of injector network and hour. The reports of each pair weigh as
    /// the heaviest of them.
    pub bursts: usize,
    /// The total weight, with four decimal places.
    pub weight: String,
    /// The square root of the weight.
    pub points: String,
}

/// One stored report of the ledger.
#[derive(Debug, Serialize)]
pub struct EvidenceExplanation {
    /// The entry that contains the evidence.
    pub entry: Offset,
    /// The entry from which the report counts: that of its observation, if the report waited for one
    /// or the observation came later.
    pub counts_from: Offset,
    /// When the trap node received it.
    pub seen_at: Timestamp,
    /// The kind of report.
    pub kind: &'static str,
    /// A letter that stands for the trap domain.
    pub trap_domain: String,
    /// A number that stands for the donor of the trap, as in `donor 1`.
    pub donor: String,
    /// A number that stands for the failed recipient or the responder, as in `failed recipient 1`.
    pub failed_recipient: Option<String>,
    /// The network the forged mail came from.
    pub injector_network: Option<String>,
    /// The sender of the original: `the trap`, `unknown` or `another`.
    pub original_sender: &'static str,
    /// The relation between the relay and the mail: `confirmed`, `claimed`,
    /// `unknown`, `refuted` or `not asked`.
    pub relation: &'static str,
    /// Why delivery failed; `None` for a kind that reports no failed delivery.
    pub cause: Option<&'static str>,
    /// Who wrote the report: `mail-system`, `user` or `unknown`.
    pub author: &'static str,
    /// Whether the SPF or DMARC record of the trap's domain forbade the original.
    pub forbidden: bool,
    /// The number of further reports of the same burst, which do not add weight.
    pub more: u32,
    /// The decay with age, 2^(-age / half-life), with four decimal places.
    pub decay: String,
    /// The value of each factor.
    pub factors: BTreeMap<&'static str, FactorExplanation>,
    /// The product of the decay and the factors, with four decimal places.
    pub weight: String,
    /// Whether the report counts for the rules of this case.
    pub counts: bool,
}

/// The value of one factor of a report's weight.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct FactorExplanation {
    /// The value, in thousandths.
    pub thousandths: u32,
    /// Why the value is not one, for the text form.
    #[serde(skip)]
    pub less: String,
}
