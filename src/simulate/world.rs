//! What a world is made of: the file that `simulate --world` reads.

use serde::{Deserialize, Serialize};

use crate::complaint::{Complaint, Complaints};
use crate::time::{Span, Timestamp};

/// The world that is simulated where no file is named.
pub const SHIPPED: &str = include_str!("world.toml");

const VERSION: u32 = 1;
/// Most networks that spammers, and attackers, send from: each has a /16 of a part of the address space.
const NETWORKS_MAX: u32 = 4_800;
const HOSTS_MAX: u32 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSpec {
    pub version: u32,
    pub start: Timestamp,
    pub tick: Span,
    pub traps: TrapsSpec,
    pub dns: DnsSpec,
    pub injectors: InjectorsSpec,
    pub operator: OperatorSpec,
    pub mail: MailSpec,
    /// A source that is active for so long should be listed.
    pub persistent_after: Span,
    pub relays: Vec<RelaysSpec>,
    #[serde(default)]
    pub attackers: Vec<AttackersSpec>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrapsSpec {
    pub domains: u32,
    /// Of the domains, how many forbid mail in their names by SPF.
    pub forbidding_thousandths: u32,
    /// The donors take turns.
    pub donors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsSpec {
    /// Of the inquiries, how many nobody answers.
    pub unanswered_thousandths: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectorsSpec {
    /// Networks that spam is sent from, and hosts in each.
    pub networks: u32,
    pub hosts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSpec {
    /// How long what the guards hold waits for the operator, who lets it in.
    pub release_after: Span,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSpec {
    /// Of the reports, how many come a second time an hour later.
    pub repeated_thousandths: u32,
    /// Local parts that spammers try at one relay.
    pub local_parts: u32,
}

/// Relays of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaysSpec {
    pub name: String,
    pub behaviour: Behaviour,
    pub truth: Truth,
    /// Of all relays.
    pub share_millionths: u32,
    /// How many reports it sends to traps in a hundred days: each relay has one of these.
    #[serde(default)]
    pub reports_per_100_days: Vec<u32>,
    /// How many addresses fail, or users reply; none is as many as spammers try.
    #[serde(default)]
    pub parties: Option<u32>,
    /// How long it behaves so, once, at some time; none is from when it begins to the end.
    #[serde(default)]
    pub episode_hours: Vec<u32>,
    /// It begins at some time within this span from the start.
    #[serde(default)]
    pub begins_within: Span,
    /// Each stands in the /64 of a relay of that name.
    #[serde(default)]
    pub beside: Option<String>,
    #[serde(default)]
    pub ipv6: bool,
    /// Whether it is the mail exchanger of its own domain; else another host is.
    #[serde(default = "yes")]
    pub exchanger: bool,
    #[serde(default)]
    pub named: Named,
    /// Wanted mail that a donor had from each of them, told once a week.
    #[serde(default)]
    pub wanted_messages: u64,
}

fn yes() -> bool {
    true
}

/// Whose its confirmed reverse name is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// One in its own domain.
    #[default]
    Own,
    Provider,
    Nobody,
}

/// What a relay does with mail for, or in the name of, others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Accepts mail for names it doesn't know, and bounces it.
    BouncesUnknown,
    /// The same for a host behind it that refuses.
    RelaysUnknown,
    /// The same behind a content filter of its own, so that its reports don't tell the injector.
    BouncesBehindFilter,
    /// The same, but its reports go out by way of another host.
    BouncesThroughOther,
    /// Tells forged senders of viruses.
    SendsNotices,
    /// Asks every sender to prove himself.
    ChallengesAll,
    /// Verifies senders by calling out.
    CallsOut,
    /// Refuses in the session.
    Rejects,
    /// Has users who forward their mail to hosts that refuse it.
    Forwards,
    /// Has aliases that lead nowhere on the same host.
    HasBrokenAliases,
    /// Has users whose mailboxes are full.
    HasFullMailboxes,
    /// Is gateway to a host that is down: what it took for it expires.
    LosesHost,
    /// Confirms delivery, or tells of a delay, to whoever asks.
    ConfirmsDelivery,
    /// Has users who are away.
    HasVacationers,
    RunsLists,
    SendsReceipts,
    SendsAggregateReports,
    /// Is smarthost to customers whose servers bounce.
    CarriesReports,
    /// Has customers who hand in forged reports: by SMTP, or by a script on the same host.
    HostsForgers,
    /// Shares its address with a bot that imitates reports.
    SharesAddressWithBot,
    /// Is a bot that imitates reports.
    Imitates,
    /// Checks a sender now and then, when a user writes.
    ProbesNowAndThen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    Source,
    Good,
    /// Neither: nobody is wronged if it is listed, and nothing is missed if it isn't.
    Other,
}

/// Attackers with one budget: they mail relays in the names of traps that they know, so that the relays report to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackersSpec {
    pub name: String,
    pub count: u32,
    /// Networks that each sends from.
    pub networks: u32,
    /// Trap domains that each knows.
    pub trap_domains: u32,
    /// Trap domains that each gives as a donor, on top.
    #[serde(default)]
    pub given_domains: u32,
    /// Has accounts at the victims that forward to a domain of his, whose DNS names the victim as exchanger.
    #[serde(default)]
    pub own_domain: bool,
    pub days: u32,
    pub messages_per_day: u32,
    /// Relays that each attacks, of these kinds.
    pub victims: u32,
    pub victim_kinds: Vec<String>,
}

impl WorldSpec {
    /// Reads and checks a world's file; `place` names it in complaints.
    pub fn read(place: &str, text: &str) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Complaints::about(place);
        match toml::from_str::<WorldSpec>(text) {
            Ok(world) => {
                world.check(&mut complaints);
                complaints.or(world)
            }
            Err(error) => {
                let problem = error.to_string().trim_end().replace('\n', "\n    ");
                complaints.add("", problem, "\"backscatterd simulate --print-world\" shows every key");
                Err(complaints.into_vec())
            }
        }
    }

    fn check(&self, complaints: &mut Complaints) {
        complaints.require(
            self.version == VERSION,
            "version",
            format!("{} is not known", self.version),
            format!("this program reads version {VERSION}"),
        );
        let sum: u64 = self.relays.iter().map(|relays| u64::from(relays.share_millionths)).sum();
        complaints.require(
            sum <= 1_000_000,
            "relays",
            format!("the shares come to {sum} millionths"),
            "let them come to a million at most; what is missing are relays that never report",
        );
        complaints.require(
            self.injectors.networks <= NETWORKS_MAX && self.injectors.hosts <= HOSTS_MAX,
            "injectors.networks",
            format!("{} networks of {} hosts", self.injectors.networks, self.injectors.hosts),
            format!("write at most {NETWORKS_MAX} networks and {HOSTS_MAX} hosts"),
        );
        let attackers: u64 =
            self.attackers.iter().map(|spec| u64::from(spec.count) * u64::from(spec.networks)).sum();
        complaints.require(
            attackers <= u64::from(NETWORKS_MAX),
            "attackers.networks",
            format!("they have {attackers} in all"),
            format!("write at most {NETWORKS_MAX} together"),
        );
        complaints.require(self.traps.domains >= 1, "traps.domains", "none", "write 1 or more");
        complaints.require(
            !self.traps.donors.is_empty(),
            "traps.donors",
            "none",
            "name at least one, such as \"own\"",
        );
        complaints.require(
            (1..=3_600).contains(&self.tick.seconds()),
            "tick",
            format!("{} is not between 1s and 1h", self.tick),
            "write for instance \"10m\"",
        );
        complaints.require(
            self.injectors.networks >= 1 && self.injectors.hosts >= 1 && self.mail.local_parts >= 1,
            "injectors",
            "nobody sends spam",
            "write 1 or more networks, hosts and mail.local_parts",
        );
        let named = |name: &String| self.relays.iter().any(|relays| relays.name == *name);
        let names = self.attackers.iter().flat_map(|attackers| &attackers.victim_kinds);
        for name in names.chain(self.relays.iter().filter_map(|relays| relays.beside.as_ref())) {
            complaints.require(
                named(name),
                "attackers.victim_kinds, relays.beside",
                format!("no relays have the name {name:?}"),
                "write the name of a [[relays]] table",
            );
        }
    }
}
