//! The simulated relays, and the reports that each sends to a trap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::messages::{self, Bounce, ReportStyle, STYLES};
use super::random::SimulationRandom;
use super::world::{Behaviour, ConfirmedName, RelaysSpec, WorldSpec};
use crate::observe::DnsAnswers;
use crate::time::Timestamp;

/// One relay.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    /// The index of its kind in the world's `[[relays]]` tables.
    pub row: u16,
    /// The address of the relay.
    pub address: IpAddr,
    /// The mail server that its reports imitate.
    pub style: ReportStyle,
    /// When its activity begins, in milliseconds from the start of the simulation.
    pub begins: u64,
    /// When its activity ends, in milliseconds from the start of the simulation.
    pub ends: u64,
    /// The mean time between two reports, in milliseconds. `None` if it reports only when attacked.
    pub gap: Option<u64>,
}

/// An occasion: forged mail in a trap's name reaches a relay.
#[derive(Clone, Copy, Debug)]
pub(super) struct MailOccasion {
    /// The number of the occasion.
    pub nth: u64,
    /// When it happens.
    pub at: Timestamp,
    /// The number of the relay.
    pub actor: u32,
    /// The number of the trap domain.
    pub trap_domain: u32,
    /// The host that hands the forged mail to the relay.
    pub injector: Ipv4Addr,
    /// Whether the relay forwards the mail to a domain of the attacker, who controls its DNS.
    pub own_domain: bool,
    /// Whether the same report is sent a second time.
    pub again: bool,
}

/// What a relay sends to a trap on an occasion.
pub(super) struct MadeReport {
    /// The message. `None` for a session that ends before the message.
    pub message: Option<String>,
    /// The trap's address.
    pub trap: String,
    /// The relay's HELO name.
    pub helo: String,
    /// The answers of the DNS about the relay.
    pub answers: DnsAnswers,
}

/// The number of local parts in one trap domain.
const TRAP_LOCAL_PARTS: u64 = 500;
/// The number of domains that receive forwarded mail or belong to customers of smarthosts.
const OTHER_DOMAINS: u64 = 5_000;

/// The name of a trap domain.
pub(super) fn trap_domain(number: u32) -> String {
    format!("t{number}.example")
}

/// The address of a relay, distinct for every number below 2^24 and never special-purpose. `ipv6`
/// is the number of the relay whose /64 it is in.
pub(super) fn relay_address(number: u32, ipv6: Option<u32>) -> IpAddr {
    match ipv6 {
        // The second relay of a pair is in the /64 of the first.
        Some(network) => {
            // Each relay or pair has a /48 of its own.
            let high = (0x2a00_u128 << 112) | (u128::from(network) << 80);
            IpAddr::V6(Ipv6Addr::from(high | 0x25 | (u128::from(number) << 16)))
        }
        None => {
            let low = (number.wrapping_mul(8_191)) & 0x00ff_ffff;
            IpAddr::V4(Ipv4Addr::from((23 << 24) | low))
        }
    }
}

/// The address of an injector in a network of the botnets or of an attacker.
pub(super) fn injector(network: u32, host: u64, attackers: bool) -> Ipv4Addr {
    let base: u32 = if attackers { 80 << 24 } else { 61 << 24 };
    let low = u32::try_from(host % 65_000).unwrap_or(0) + 10;
    Ipv4Addr::from(base.wrapping_add(network << 16) | low)
}

impl Actor {
    /// Whether the relay is active at this time from the start of the simulation.
    pub(super) fn is_active(&self, milliseconds: u64) -> bool {
        (self.begins..self.ends).contains(&milliseconds)
    }
}

/// The circumstances of one occasion at one relay.
struct Scene<'a> {
    world: &'a WorldSpec,
    spec: &'a RelaysSpec,
    actor: &'a Actor,
    occasion: &'a MailOccasion,
    random: SimulationRandom,
    host: String,
    domain: String,
    trap: String,
    injector: String,
}

/// The relay's response to an occasion; `None` if it sends nothing.
pub(super) fn respond(
    world: &WorldSpec,
    seed: u64,
    actor: &Actor,
    occasion: &MailOccasion,
) -> Option<MadeReport> {
    let mut random = SimulationRandom::new(seed, occasion.nth.wrapping_add(1 << 40));
    let spec = &world.relays[usize::from(actor.row)];
    let domain = format!("r{}.example", occasion.actor);
    let trap = format!("u{}@{}", random.below(TRAP_LOCAL_PARTS), trap_domain(occasion.trap_domain));
    let scene = Scene {
        host: format!("mx.{domain}"),
        injector: occasion.injector.to_string(),
        world,
        spec,
        actor,
        occasion,
        random,
        domain,
        trap,
    };
    scene.made()
}

impl Scene<'_> {
    fn made(mut self) -> Option<MadeReport> {
        let own = self.domain.clone();
        let recipient = self.failed_recipient();
        let failed = format!("{recipient}@{own}");
        match self.spec.behaviour {
            Behaviour::BouncesUnknown => {
                let message = self.bounce(&failed).octets();
                Some(self.about(&own, message))
            }
            Behaviour::HasBrokenAliases => {
                let gone = format!("gone-{failed}");
                let message = Bounce { original: Some(&failed), ..self.bounce(&gone) }.octets();
                Some(self.about(&own, message))
            }
            Behaviour::RelaysUnknown => {
                let inner = if self.random.happens(500) {
                    format!("inner.{own}")
                } else {
                    format!("[10.0.{}.7]", recipient.len())
                };
                let bounce = Bounce {
                    diagnostic: "550 5.1.1 Recipient address rejected: User unknown",
                    remote: Some(&inner),
                    ..self.bounce(&failed)
                };
                let message = bounce.octets();
                Some(self.about(&own, message))
            }
            Behaviour::BouncesBehindFilter => {
                let message =
                    Bounce { style: ReportStyle::Postfix, filter: true, ..self.bounce(&failed) }.octets();
                Some(self.about(&own, message))
            }
            Behaviour::BouncesThroughOther => {
                let above = self.handed_in(&format!("inner.{own}"), "93.1.2.3");
                let message = Bounce { above, ..self.bounce(&failed) }.octets();
                Some(self.about(&own, message))
            }
            Behaviour::SendsNotices => {
                let id = self.occasion.nth;
                let message = messages::notice(&self.host, &own, &failed, &self.trap, &self.injector, id);
                Some(self.about(&own, message))
            }
            Behaviour::ChallengesAll => {
                let message = messages::challenge(&failed, &self.trap, self.occasion.nth);
                Some(self.about(&own, message))
            }
            Behaviour::HasVacationers => {
                let message = messages::reply(&failed, &self.trap, self.occasion.nth);
                Some(self.about(&own, message))
            }
            Behaviour::CallsOut | Behaviour::ProbesNowAndThen => Some(MadeReport {
                message: None,
                trap: self.trap,
                helo: self.host,
                answers: DnsAnswers::default(),
            }),
            Behaviour::Rejects => None,
            Behaviour::Forwards => Some(self.forward(&failed)),
            Behaviour::HasFullMailboxes => {
                let bounce =
                    Bounce { status: "5.2.2", diagnostic: "552 5.2.2 mailbox full", ..self.bounce(&failed) };
                let message = bounce.octets();
                Some(self.about(&own, message))
            }
            Behaviour::LosesHost => Some(self.expired(&failed)),
            Behaviour::ConfirmsDelivery => {
                let (action, status) =
                    if self.random.happens(500) { ("delivered", "2.0.0") } else { ("delayed", "4.4.1") };
                let bounce = Bounce {
                    action,
                    status,
                    diagnostic: "450 4.4.1 try again later",
                    ..self.bounce(&failed)
                };
                let message = bounce.octets();
                Some(self.about(&own, message))
            }
            Behaviour::RunsLists => {
                let message = messages::list_response(&own, &self.trap, self.occasion.nth);
                Some(self.about(&own, message))
            }
            Behaviour::SendsReceipts => {
                let message = messages::receipt(&failed, &self.trap, self.occasion.nth);
                Some(self.about(&own, message))
            }
            Behaviour::SendsAggregateReports => {
                let message = messages::aggregate_report(&self.host, &own, &self.trap, self.occasion.nth);
                Some(self.about(&own, message))
            }
            Behaviour::CarriesReports => Some(self.carried(&recipient)),
            Behaviour::HostsForgers => Some(self.handed_in_by_customer(&failed)),
            Behaviour::SharesAddressWithBot | Behaviour::Imitates => Some(self.imitation(&recipient)),
        }
    }

    /// The local part of the failed recipient, or of the user who replies.
    fn failed_recipient(&mut self) -> String {
        let recipients = self.spec.failed_recipients.unwrap_or(self.world.mail.local_parts);
        format!("p{}", self.random.below(u64::from(recipients)))
    }

    fn bounce<'s>(&'s self, failed: &'s str) -> Bounce<'s> {
        Bounce {
            style: self.actor.style,
            host: &self.host,
            trap: &self.trap,
            failed,
            original: None,
            injector: &self.injector,
            action: "failed",
            status: "5.1.1",
            diagnostic: "unknown user",
            remote: None,
            above: String::new(),
            filter: false,
            id: self.occasion.nth,
            at: self.occasion.at,
        }
    }

    /// Adds the DNS's answers about the relay and the failed recipient's domain to a message.
    fn about(self, domain: &str, message: String) -> MadeReport {
        let own = domain == self.domain;
        let exchanger =
            if own && self.spec.exchanger { self.actor.address } else { IpAddr::from([99, 9, 9, 9]) };
        let spf = own && self.occasion.actor.is_multiple_of(2);
        self.with(message, vec![exchanger], spf)
    }

    fn with(mut self, message: String, exchangers: Vec<IpAddr>, spf: bool) -> MadeReport {
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
        MadeReport { message: Some(message), trap: self.trap, helo: self.host, answers }
    }

    /// A Received header field that the relay adds for the host that handed in a message.
    fn handed_in(&self, from: &str, address: &str) -> String {
        let Scene { host, occasion, .. } = self;
        format!(
            "Received: from {from} ({from} [{address}])\n\tby {host} (Postfix) with ESMTP id {:X}; {}\n",
            occasion.nth, occasion.at
        )
    }

    /// A report about an alias that forwards to an address on another host, which refuses the mail.
    fn forward(mut self, alias: &str) -> MadeReport {
        let number = self.random.below(OTHER_DOMAINS);
        let (target, remote) = (format!("x{number}@d{number}.example"), format!("mx.d{number}.example"));
        let diagnostic = if self.random.happens(500) {
            "550 5.7.1 Message refused as spam"
        } else {
            "550 5.1.1 no such user here"
        };
        let status = &diagnostic[4..9];
        let message = Bounce {
            original: Some(alias),
            diagnostic,
            status,
            remote: Some(&remote),
            ..self.bounce(&target)
        }
        .octets();
        if self.occasion.own_domain {
            let exchanger = self.actor.address;
            return self.with(message, vec![exchanger], true);
        }
        // Reports by Postfix and qmail name the target, those by Exim and Sendmail the alias.
        match self.actor.style {
            ReportStyle::Postfix | ReportStyle::Qmail => self.about(&format!("d{number}.example"), message),
            ReportStyle::Exim | ReportStyle::Sendmail => {
                let own = self.domain.clone();
                self.about(&own, message)
            }
        }
    }

    fn expired(self, failed: &str) -> MadeReport {
        let inner = format!("inner.{}", self.domain);
        let (status, diagnostic, remote) = match self.actor.style {
            ReportStyle::Postfix => ("4.4.1", "connect to inner[10.0.0.7]:25: Connection timed out", None),
            ReportStyle::Exim => (
                "5.0.0",
                "all hosts have been failing for a long time and were last tried after this message arrived",
                None,
            ),
            ReportStyle::Sendmail => ("4.4.7", "451 4.4.1 timeout waiting for input", Some(inner.as_str())),
            ReportStyle::Qmail => (
                "4.4.1",
                "Sorry, I wasn't able to establish an SMTP connection.\nI'm not going to try again; this message has been in the queue too long.",
                None,
            ),
        };
        let message = Bounce { status, diagnostic, remote, ..self.bounce(failed) }.octets();
        let own = self.domain.clone();
        self.about(&own, message)
    }

    /// A report by a customer's server that is sent through this relay, which is also an MX host of
    /// some customers.
    fn carried(mut self, recipient: &str) -> MadeReport {
        let customer = format!("c{}.example", self.random.below(OTHER_DOMAINS));
        let (host, failed) = (format!("mail.{customer}"), format!("{recipient}@{customer}"));
        let above = self.handed_in(&host, "93.4.5.6");
        let message = Bounce { host: &host, above, ..self.bounce(&failed) }.octets();
        let exchangers =
            if self.random.happens(500) { vec![self.actor.address] } else { vec![[93, 4, 5, 6].into()] };
        self.with(message, exchangers, true)
    }

    /// A forged report about the host's own domain with any injector, written by a customer of the
    /// host.
    fn handed_in_by_customer(mut self, failed: &str) -> MadeReport {
        let above = match self.random.below(3) {
            0 => format!(
                "Received: by {} (Postfix, from userid 33)\n\tid {:X}; today\n",
                self.host, self.occasion.nth
            ),
            1 => format!(
                "Received: from www-data by {} with local (Exim 4.96)\n\tid {}; today\n",
                self.host, self.occasion.nth
            ),
            _ => self.handed_in("customer", "93.7.8.9"),
        };
        let forged =
            injector(u32::try_from(self.random.below(2_000)).unwrap_or(0), self.random.below(60_000), false)
                .to_string();
        let message = Bounce { above, injector: &forged, ..self.bounce(failed) }.octets();
        let own = self.domain.clone();
        self.about(&own, message)
    }

    /// A report by a bot in the name of an unrelated host.
    fn imitation(mut self, recipient: &str) -> MadeReport {
        let other = format!("v{}.example", self.random.below(OTHER_DOMAINS));
        let (host, failed) = (format!("mail.{other}"), format!("{recipient}@{other}"));
        let style = *self.random.pick(&STYLES).unwrap_or(&ReportStyle::Postfix);
        let message = Bounce { style, host: &host, ..self.bounce(&failed) }.octets();
        self.about(&other, message)
    }
}
