//! What each kind of relay sends to a trap when mail in the trap's name reaches it.

use super::actors::{MadeReport, injector};
use super::kinds::Behaviour;
use super::messages::{self, Bounce, ReportStyle};
use super::scene::{OTHER_DOMAINS, Scene};

impl Scene<'_> {
    /// The relay's response by its behaviour; `None` if it sends nothing.
    pub(super) fn behave(mut self) -> Option<MadeReport> {
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
                // The internal host says why, and the relay's program repeats it.
                let message = Bounce { remote: Some(&inner), ..self.bounce(&failed) }.octets();
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
            Behaviour::CallsOut | Behaviour::ProbesNowAndThen => Some(self.without_message()),
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
        // Reports by Postfix and qmail name the target, those by Exim and Sendmail the alias.
        match self.actor.style {
            ReportStyle::Postfix | ReportStyle::Qmail => self.about(&format!("d{number}.example"), message),
            ReportStyle::Exim | ReportStyle::Sendmail | ReportStyle::Exchange => {
                let own = self.domain.clone();
                self.about(&own, message)
            }
        }
    }

    fn expired(self, failed: &str) -> MadeReport {
        let inner = format!("inner.{}", self.domain);
        let (status, diagnostic, remote) = match self.actor.style {
            ReportStyle::Postfix => ("4.4.1", "connect to inner[10.0.0.7]:25: Connection timed out", None),
            ReportStyle::Exchange => ("4.4.7", "550 4.4.7 QUEUE.Expired; message expired", None),
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
        let style = self.any_style();
        let message = Bounce { style, host: &host, ..self.bounce(&failed) }.octets();
        self.about(&other, message)
    }
}
