//! The attackers of a simulated world, as its file describes them.

use serde::{Deserialize, Serialize};

use crate::score::VerificationMode;

/// The number of relays for which a world's file states the numbers of attackers. A smaller world
/// has fewer attackers, with fewer victims and less mail.
const FULL_WORLD_RELAYS: u32 = 20_000;
/// The minimum number of messages a day of an attacker in a small world.
const MESSAGES_PER_DAY_MIN: u32 = 20;
/// The minimum number of victims of an attacker in a small world.
const VICTIMS_MIN: u32 = 2;

/// An `[[attackers]]` table: attackers of one kind. They know traps, and make relays report to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackersSpec {
    /// The name of the kind.
    pub name: String,
    /// What the attackers can do.
    #[serde(default)]
    pub method: AttackMethod,
    /// The number of attackers.
    pub count: u32,
    /// The number of networks that each attacker sends from.
    pub networks: u32,
    /// The number of trap domains that each attacker knows.
    pub trap_domains: u32,
    /// The number of further trap domains that each attacker gives as a donor.
    #[serde(default)]
    pub given_domains: u32,
    /// The number of registered domains that each attacker owns, with the DNS records of his choice.
    #[serde(default = "one")]
    pub domains: u32,
    /// The duration of each attack in days.
    pub days: u32,
    /// The number of messages that each attacker sends per day.
    pub messages_per_day: u32,
    /// The number of relays that each attacker attacks.
    pub victims: u32,
    /// The kinds of relay that are attacked.
    pub victim_kinds: Vec<String>,
    /// The share of all other reports, in thousandths, for which the DNS answers come late or never
    /// while an attack lasts, because the attacker keeps the resolvers busy.
    #[serde(default)]
    pub starves_thousandths: u32,
    /// The settings of `verification` under which the main zone lists victims that are good relays.
    #[serde(default)]
    pub listed_under: Vec<VerificationMode>,
    /// Whether a sublist lists victims that are good relays. What sublists show cannot be verified.
    #[serde(default)]
    pub listed_in_sublists: bool,
}

fn one() -> u32 {
    1
}

/// What an attacker does to make a relay look like a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttackMethod {
    /// Sends mail in the names of traps. The victims do with it what their kind does with all mail.
    #[default]
    ForgedMail,
    /// Has accounts at the victim that forward to the attacker's domain, whose MX is the victim.
    ForwardsHome,
    /// Writes a perfect report in the victim's webmail.
    Webmail,
    /// Sends mail in a trap's name through the victim, as a customer with a password. The failed
    /// recipients are in the attacker's domain, whose MX is the victim.
    AuthenticatedCustomer,
    /// Does the same as a customer that the victim knows by an address of another network. The MX of
    /// the attacker's domain leads to a private address of the victim's network while the victim
    /// delivers, and later to the victim.
    LyingRecords,
    /// Submits a perfect report with a null reverse-path. The victim writes no Received field.
    StrippedSubmission,
    /// Like `StrippedSubmission`, with a filter's refusal as the cause.
    StrippedFilterReport,
    /// Is a customer of the victim, hosts domains there, takes all recipients, and refuses late.
    HostedCustomer,
    /// Has accounts at the victim that forward to the attacker's domains, whose MX is the victim
    /// later. The victim's reports show neither the recipient of the original nor another host.
    TracelessForward,
    /// Like `TracelessForward`, and refuses the messages as a filter does.
    TracelessFilterForward,
    /// Makes reports about domains whose name servers never answer.
    Starver,
    /// Hands on perfect reports of the victim, as a donor.
    ColludingDonor,
    /// Sends a perfect report to an address at the victim that forwards to a trap.
    ThroughForward,
    /// Posts a perfect report to a mailing list of the victim, of which a trap is a member.
    ThroughList,
    /// Makes the victim's automatic replies go to traps.
    ThroughReplies,
    /// Enters a perfect report and a trap's address in a contact form of the victim.
    ThroughForm,
}

impl AttackersSpec {
    /// The same attackers in a world with this number of relays.
    pub(super) fn scaled(&self, relays: u32) -> AttackersSpec {
        let share = |number: u32, least: u32| {
            let full = u64::from(FULL_WORLD_RELAYS);
            let scaled = (u64::from(number) * u64::from(relays.min(FULL_WORLD_RELAYS))).div_ceil(full);
            u32::try_from(scaled).unwrap_or(u32::MAX).max(least.min(number))
        };
        AttackersSpec {
            count: share(self.count, 1),
            messages_per_day: share(self.messages_per_day, MESSAGES_PER_DAY_MIN),
            victims: share(self.victims, VICTIMS_MIN),
            ..self.clone()
        }
    }
}
