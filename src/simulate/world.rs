//! The file that describes a simulated world, as `simulate --world` reads it.

use serde::{Deserialize, Serialize};

use super::attackers::AttackersSpec;
use super::causes::{CausesSpec, WordingSpec};
use super::kinds::RelaysSpec;
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
    /// How often relays report each cause of a failure.
    #[serde(default)]
    pub causes: Vec<CausesSpec>,
    /// The words in which programs say the causes.
    #[serde(default)]
    pub wordings: Vec<WordingSpec>,
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

impl WorldSpec {
    /// The attackers of a world with this number of relays, one row for each `[[attackers]]` table.
    pub(super) fn scaled_attackers(&self, relays: u32) -> Vec<AttackersSpec> {
        self.attackers.iter().map(|spec| spec.scaled(relays)).collect()
    }

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
        for causes in &self.causes {
            complaints.require(
                causes.sum() == 1_000,
                "causes",
                format!("the shares of {:?} are {} thousandths", causes.name, causes.sum()),
                "the sum must be 1000",
            );
        }
        for name in self.relays.iter().filter_map(|relays| relays.causes.as_ref()) {
            complaints.require(
                self.causes.iter().any(|causes| causes.name == *name),
                "relays.causes",
                format!("there is no table of causes named {name:?}"),
                "write the name of a [[causes]] table",
            );
        }
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
