//! The file that describes a simulated world, as `simulate --world` reads it.

use serde::{Deserialize, Serialize};

use crate::complaint::{Complaint, Complaints};
use crate::time::{Span, Timestamp};

/// The shipped world file, used if no other is named.
pub const SHIPPED: &str = include_str!("world.toml");

/// The version of the file format.
const VERSION: u32 = 1;
/// The maximum number of networks of spam senders, and of attackers. Each network is a /16.
const NETWORKS_MAX: u32 = 4_800;
/// The maximum number of hosts in one network.
const HOSTS_MAX: u32 = 60_000;

/// A simulated world, as written in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSpec {
    /// The version of the file format.
    pub version: u32,
    /// The time at which the simulation starts.
    pub start: Timestamp,
    /// The time between two ticks, from one second to one hour.
    pub tick: Span,
    /// The traps.
    pub traps: TrapsSpec,
    /// The DNS.
    pub dns: DnsSpec,
    /// The hosts that send forged mail.
    pub injectors: InjectorsSpec,
    /// The operator.
    pub operator: SimulatedOperatorSpec,
    /// The mail.
    pub mail: MailSpec,
    /// The time after which an active source should be listed.
    pub persistent_after: Span,
    /// The kinds of relay.
    pub relays: Vec<RelaysSpec>,
    /// The kinds of attacker.
    #[serde(default)]
    pub attackers: Vec<AttackersSpec>,
}

/// The `[traps]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrapsSpec {
    /// The number of trap domains.
    pub domains: u32,
    /// The share of the domains whose SPF record forbids mail in their names, in thousandths.
    pub forbidding_thousandths: u32,
    /// The donors. The domains are assigned to them in turn.
    pub donors: Vec<String>,
}

/// The `[dns]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsSpec {
    /// The share of queries about relays that get no answer, in thousandths.
    pub unanswered_thousandths: u32,
}

/// The `[injectors]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectorsSpec {
    /// The number of networks that send spam.
    pub networks: u32,
    /// The number of hosts in each network.
    pub hosts: u32,
}

/// The `[operator]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedOperatorSpec {
    /// How long the guards hold listings before the operator releases them.
    pub release_after: Span,
}

/// The `[mail]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSpec {
    /// The share of reports that are sent a second time one hour later, in thousandths.
    pub repeated_thousandths: u32,
    /// The number of local parts to which spam is sent at one relay.
    pub local_parts: u32,
}

/// A `[[relays]]` table: relays of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaysSpec {
    /// The name of the kind.
    pub name: String,
    /// What these relays do.
    pub behaviour: Behaviour,
    /// Whether these relays should be listed.
    pub truth: Truth,
    /// The share of all relays, in millionths.
    pub share_millionths: u32,
    /// Numbers of reports to traps within 100 days. Each relay has one of these rates.
    #[serde(default)]
    pub reports_per_100_days: Vec<u32>,
    /// The number of distinct failed recipients, or of users who reply. The default is
    /// [`MailSpec::local_parts`].
    #[serde(default)]
    #[serde(alias = "parties")]
    pub failed_recipients: Option<u32>,
    /// Durations of a single period of activity, in hours. Each relay has one of them, at a random
    /// time. Without a value, a relay is active from its beginning to the end of the simulation.
    #[serde(default)]
    pub episode_hours: Vec<u32>,
    /// The time from the start within which each relay begins.
    #[serde(default)]
    pub begins_within: Span,
    /// The name of another kind. Each relay is in the /64 of a relay of that kind.
    #[serde(default)]
    pub beside: Option<String>,
    /// Whether the relays have IPv6 addresses.
    #[serde(default)]
    pub ipv6: bool,
    /// Whether each relay is the MX host of its own domain. If not, another host is.
    #[serde(default = "yes")]
    pub exchanger: bool,
    /// The confirmed reverse DNS name of each relay.
    #[serde(default)]
    pub named: ConfirmedName,
    /// The number of wanted messages that a donor receives from each relay. It is reported once a
    /// week.
    #[serde(default)]
    pub wanted_messages: u64,
}

fn yes() -> bool {
    true
}

/// The confirmed reverse DNS name of a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmedName {
    /// A name in its own domain.
    #[default]
    Own,
    /// A name in the domain of a hosting provider.
    Provider,
    /// No name.
    Nobody,
}

/// What a relay does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Accepts mail for unknown recipients and bounces it.
    BouncesUnknown,
    /// Accepts mail for unknown recipients of an internal host, which refuses it, and bounces it.
    RelaysUnknown,
    /// Accepts and bounces mail like `BouncesUnknown`, behind a content filter on the same host, so
    /// that its reports do not show the injector.
    BouncesBehindFilter,
    /// Accepts and bounces mail like `BouncesUnknown`, but sends its reports through another host.
    BouncesThroughOther,
    /// Sends virus notices to forged senders.
    SendsNotices,
    /// Sends a challenge to every sender.
    ChallengesAll,
    /// Verifies senders by callouts.
    CallsOut,
    /// Refuses mail for unknown recipients in the SMTP session.
    Rejects,
    /// Forwards users' mail to hosts that refuse it.
    Forwards,
    /// Has aliases that lead to addresses that no longer exist on the same host.
    HasBrokenAliases,
    /// Has full mailboxes.
    HasFullMailboxes,
    /// Is the gateway of a host that is down, so that accepted mail expires.
    LosesHost,
    /// Reports deliveries and delays.
    ConfirmsDelivery,
    /// Sends vacation replies that comply with RFC 3834.
    HasVacationers,
    /// Runs mailing lists, which request confirmations.
    RunsLists,
    /// Sends disposition notifications.
    SendsReceipts,
    /// Sends DMARC aggregate reports.
    SendsAggregateReports,
    /// Is the smarthost of customers whose servers bounce.
    CarriesReports,
    /// Has customers who send forged reports through it, by SMTP or by a script on the same host.
    HostsForgers,
    /// Shares its address with a bot that imitates reports.
    SharesAddressWithBot,
    /// Is a bot that imitates reports.
    Imitates,
    /// Occasionally verifies a sender by a callout.
    ProbesNowAndThen,
}

/// Whether a relay should be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// A backscatter source: it should be listed.
    Source,
    /// A well-run relay: it must not be listed.
    Good,
    /// Neither: it does not matter whether it is listed.
    Other,
}

/// An `[[attackers]]` table: attackers of one kind. They send mail to relays in the names of traps
/// that they know, so that the relays report to the traps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackersSpec {
    /// The name of the kind.
    pub name: String,
    /// The number of attackers.
    pub count: u32,
    /// The number of networks that each attacker sends from.
    pub networks: u32,
    /// The number of trap domains that each attacker knows.
    pub trap_domains: u32,
    /// The number of further trap domains that each attacker gives as a donor.
    #[serde(default)]
    pub given_domains: u32,
    /// Whether the attacker has accounts at the victims that forward to the attacker's own domain,
    /// whose DNS names the victim as MX host.
    #[serde(default)]
    pub own_domain: bool,
    /// The duration of each attack in days.
    pub days: u32,
    /// The number of messages that each attacker sends per day.
    pub messages_per_day: u32,
    /// The number of relays that each attacker attacks.
    pub victims: u32,
    /// The kinds of relay that are attacked.
    pub victim_kinds: Vec<String>,
}

impl WorldSpec {
    /// Reads and checks a world file. `place` is its name in complaints.
    ///
    /// # Errors
    ///
    /// Fails with every problem found, if the text is not valid TOML or a value is not valid.
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
            format!("version {} is not supported", self.version),
            format!("this program reads version {VERSION}"),
        );
        let sum: u64 = self.relays.iter().map(|relays| u64::from(relays.share_millionths)).sum();
        complaints.require(
            sum <= 1_000_000,
            "relays",
            format!("the sum of the shares is {sum} millionths"),
            "the sum must not exceed 1000000; the rest are relays that never report",
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
            format!("{attackers} networks in total"),
            format!("the total must not exceed {NETWORKS_MAX}"),
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
            "write for example \"10m\"",
        );
        complaints.require(
            self.injectors.networks >= 1 && self.injectors.hosts >= 1 && self.mail.local_parts >= 1,
            "injectors",
            "there is no source of spam",
            "networks, hosts and mail.local_parts must be 1 or more",
        );
        let named = |name: &String| self.relays.iter().any(|relays| relays.name == *name);
        let names = self.attackers.iter().flat_map(|attackers| &attackers.victim_kinds);
        for name in names.chain(self.relays.iter().filter_map(|relays| relays.beside.as_ref())) {
            complaints.require(
                named(name),
                "attackers.victim_kinds, relays.beside",
                format!("there is no kind of relay named {name:?}"),
                "write the name of a [[relays]] table",
            );
        }
    }
}
