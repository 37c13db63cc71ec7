//! The circumstances in which a relay reports to a trap, and the parts of its report.

use std::net::IpAddr;

use super::actors::{Actor, Attack, MadeReport, MailOccasion, served_domain, trap_domain};
use super::causes::{SaidFailure, failure};
use super::kinds::{ConfirmedName, RelaysSpec};
use super::messages::{Bounce, ReportStyle, STYLES};
use super::random::SimulationRandom;
use super::world::WorldSpec;
use crate::observe::DnsAnswers;
use crate::time::Span;

/// The number of local parts in one trap domain.
const TRAP_LOCAL_PARTS: u64 = 500;
/// The number of domains that receive forwarded mail or belong to customers of smarthosts.
pub(super) const OTHER_DOMAINS: u64 = 5_000;
/// The address of a host that is no relay of the simulation.
const ANOTHER_HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(99, 9, 9, 9));

/// The circumstances of one occasion at one relay.
pub(super) struct Scene<'a> {
    pub world: &'a WorldSpec,
    pub spec: &'a RelaysSpec,
    pub actor: &'a Actor,
    pub occasion: &'a MailOccasion,
    pub random: SimulationRandom,
    /// The relay's name.
    pub host: String,
    /// The domain that the mail is for, which the relay serves.
    pub domain: String,
    pub trap: String,
    pub injector: String,
    /// What the report says of the failure.
    pub failure: SaidFailure<'a>,
}

impl<'a> Scene<'a> {
    /// The scene of an occasion.
    pub(super) fn new(world: &'a WorldSpec, seed: u64, actor: &'a Actor, occasion: &'a MailOccasion) -> Self {
        let mut random = SimulationRandom::new(seed, occasion.nth.wrapping_add(1 << 40));
        let spec = &world.relays[usize::from(actor.row)];
        let trap = format!("u{}@{}", random.below(TRAP_LOCAL_PARTS), trap_domain(occasion.trap_domain));
        let nth = u32::try_from(random.below(u64::from(spec.domains))).unwrap_or(0);
        let causes = spec.causes.as_ref().and_then(|name| world.causes.iter().find(|of| of.name == *name));
        let failure = failure(&world.wordings, causes, actor.style, &mut random);
        Scene {
            host: format!("mx.{}", served_domain(occasion.actor, 0)),
            domain: served_domain(occasion.actor, nth),
            injector: occasion.injector.to_string(),
            world,
            spec,
            actor,
            occasion,
            random,
            trap,
            failure,
        }
    }

    /// The attack that the occasion is a part of, with the attackers' row.
    pub(super) fn attack(&self) -> Option<Attack> {
        self.occasion.attack
    }

    /// The local part of the failed recipient, or of the user who replies.
    pub(super) fn failed_recipient(&mut self) -> String {
        let recipients = self.spec.failed_recipients.unwrap_or(self.world.mail.local_parts);
        format!("p{}", self.random.below(u64::from(recipients)))
    }

    /// A report of the relay about a recipient, in the style of its program.
    pub(super) fn bounce<'s>(&'s self, failed: &'s str) -> Bounce<'s> {
        Bounce {
            style: self.actor.style,
            host: &self.host,
            trap: &self.trap,
            failed,
            original: None,
            injector: &self.injector,
            action: "failed",
            status: self.failure.status,
            diagnostic: self.failure.text,
            remote: None,
            above: String::new(),
            filter: false,
            id: self.occasion.nth,
            at: self.occasion.at,
        }
    }

    /// Adds the DNS's answers about the relay and the failed recipient's domain to a message.
    pub(super) fn about(self, domain: &str, message: String) -> MadeReport {
        let own = domain == self.domain;
        let exchanger = if own && self.spec.exchanger { self.actor.address } else { ANOTHER_HOST };
        let spf = own && self.occasion.actor.is_multiple_of(2);
        self.with(message, vec![exchanger], spf)
    }

    /// Adds the DNS's answers to a message: the exchangers of the failed recipient's domain, and
    /// whether its SPF record permits the relay.
    pub(super) fn with(mut self, message: String, exchangers: Vec<IpAddr>, spf: bool) -> MadeReport {
        let forbidding = self.world.traps.forbidding_thousandths;
        let forbidden = u64::from(self.occasion.trap_domain) * 1_000
            < u64::from(self.world.traps.domains) * u64::from(forbidding);
        let answers = if self.random.happens(self.world.dns.unanswered_thousandths) {
            DnsAnswers::default()
        } else {
            DnsAnswers {
                names: Some(match self.spec.named {
                    ConfirmedName::Own => vec![self.host.clone()],
                    ConfirmedName::Provider => vec![format!("vps{}.provider.example", self.occasion.actor)],
                    ConfirmedName::Nobody => Vec::new(),
                }),
                exchangers: Some(exchangers),
                spf: Some(spf),
                forbidden: Some(forbidden),
            }
        };
        MadeReport { message: Some(message), answers, ..self.without_message() }
    }

    /// A session that ends before the message.
    pub(super) fn without_message(self) -> MadeReport {
        MadeReport {
            message: None,
            trap: self.trap,
            helo: self.host,
            reverse_path: None,
            donor: None,
            answers: DnsAnswers::default(),
            answers_after: Span::ZERO,
        }
    }

    /// A Received header field that the relay adds for the host that handed in a message.
    pub(super) fn handed_in(&self, from: &str, address: &str) -> String {
        let Scene { host, occasion, .. } = self;
        format!(
            "Received: from {from} ({from} [{address}])\n\tby {host} (Postfix) with ESMTP id {:X}; {}\n",
            occasion.nth, occasion.at
        )
    }

    /// A style, chosen anew.
    pub(super) fn any_style(&mut self) -> ReportStyle {
        *self.random.pick(&STYLES).unwrap_or(&ReportStyle::Postfix)
    }
}
