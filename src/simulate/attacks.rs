//! What a relay sends to a trap when an attacker uses the relay in another way than by forged mail.

use super::actors::{MadeReport, attackers_domain, attacking_donor};
use super::attackers::{AttackMethod, AttackersSpec};
use super::causes::{SaidCause, said};
use super::hostile_mail;
use super::messages::{Bounce, ReportStyle};
use super::scene::Scene;
use crate::time::Span;

/// How late the answers of a starved DNS come, in minutes: after the end of the wait for them.
const STARVED_MINUTES: [i64; 4] = [20, 60, 300, 20_160];
/// The number of recipients whose names an attacker makes up.
const MADE_UP_RECIPIENTS: u64 = 400;

impl Scene<'_> {
    /// What the relay sends because of an attack by `attackers`.
    pub(super) fn attacked(mut self, attackers: &AttackersSpec) -> Option<MadeReport> {
        let attacker = self.attack()?.attacker;
        let recipient = format!("q{}", self.random.below(MADE_UP_RECIPIENTS));
        let theirs = attackers_domain(attacker, self.random.below(u64::from(attackers.domains)));
        let (inside, outside) = (format!("{recipient}@{}", self.domain), format!("{recipient}@{theirs}"));
        match attackers.method {
            AttackMethod::ForgedMail => self.behave(),
            AttackMethod::ForwardsHome => Some(self.forwarded_home(&inside, &outside)),
            AttackMethod::Webmail => {
                let report = self.perfect(&inside, SaidCause::Address);
                Some(self.written_by_user(&report))
            }
            AttackMethod::AuthenticatedCustomer => Some(self.refused_for_customer(&outside)),
            AttackMethod::LyingRecords => Some(self.refused_inside(&outside)),
            AttackMethod::StrippedSubmission => {
                let report = self.perfect(&inside, SaidCause::Address);
                Some(self.in_own_name(report))
            }
            AttackMethod::StrippedFilterReport => {
                let report = self.perfect(&inside, SaidCause::Policy);
                Some(self.in_own_name(report))
            }
            AttackMethod::HostedCustomer => {
                let report = self.perfect(&outside, SaidCause::Address);
                Some(self.claimed(report))
            }
            AttackMethod::TracelessForward => {
                Some(self.forwarded_without_trace(&outside, SaidCause::Address))
            }
            AttackMethod::TracelessFilterForward => {
                Some(self.forwarded_without_trace(&outside, SaidCause::Policy))
            }
            AttackMethod::Starver => Some(self.starved(&outside)),
            AttackMethod::ColludingDonor => {
                let report = self.perfect(&inside, SaidCause::Address);
                let donor = Some(attacking_donor(attacker));
                Some(MadeReport { donor, ..self.in_own_name(report) })
            }
            AttackMethod::ThroughForward => {
                let above = self.handed_in("attacker.example", "80.9.9.9");
                let report = above + &self.perfect(&inside, SaidCause::Address);
                Some(self.in_own_name(report))
            }
            AttackMethod::ThroughList => {
                let report = self.perfect(&inside, SaidCause::Address);
                let post = hostile_mail::list_post(&self.domain, &report);
                Some(self.in_own_name(post))
            }
            AttackMethod::ThroughReplies => self.behave(),
            AttackMethod::ThroughForm => {
                let report = self.perfect(&inside, SaidCause::Address);
                Some(self.by_contact_form(&report))
            }
        }
    }

    /// A report as the relay itself would write it about a stranger's mail, with a cause.
    fn perfect(&mut self, failed: &str, cause: SaidCause) -> String {
        let failure = said(&self.world.wordings, cause, self.actor.style, &mut self.random);
        Bounce { status: failure.status, diagnostic: failure.text, ..self.bounce(failed) }.octets()
    }

    /// With the answers of the DNS about the relay's own domain.
    fn in_own_name(self, message: String) -> MadeReport {
        let own = self.domain.clone();
        self.about(&own, message)
    }

    /// With answers of the DNS by which the relay is the exchanger of the attacker's domain, and may
    /// send for it.
    fn claimed(self, message: String) -> MadeReport {
        let exchanger = self.actor.address;
        self.with(message, vec![exchanger], true)
    }

    /// An account forwards to the attacker's domain, whose host refuses the mail.
    fn forwarded_home(self, alias: &str, target: &str) -> MadeReport {
        let remote = format!("mx.{}", target.rsplit('@').next().unwrap_or_default());
        let bounce = Bounce { original: Some(alias), remote: Some(&remote), ..self.bounce(target) };
        let message =
            Bounce { diagnostic: "550 5.1.1 no such user here", status: "5.1.1", ..bounce }.octets();
        self.claimed(message)
    }

    /// The same through a program that shows neither the alias nor the host that refused.
    fn forwarded_without_trace(mut self, target: &str, cause: SaidCause) -> MadeReport {
        let style = ReportStyle::Exchange;
        let failure = said(&self.world.wordings, cause, style, &mut self.random);
        let message =
            Bounce { style, status: failure.status, diagnostic: failure.text, ..self.bounce(target) }
                .octets();
        self.claimed(message)
    }

    /// A webmail user writes the report, from an ordinary address or with the mark of the webmail.
    fn written_by_user(mut self, report: &str) -> MadeReport {
        let is_marked = self.random.happens(500);
        let user = format!("user@{}", self.domain);
        let message = if is_marked {
            let form = if self.random.happens(500) { "with HTTP" } else { "with ESMTPSA" };
            let host = &self.host;
            format!(
                "Received: from [80.9.9.9] by {host} {form}; {}\nX-Originating-IP: [80.9.9.9]\n{report}",
                self.occasion.at
            )
        } else {
            report.to_owned()
        };
        // Some webmail programs submit with a null reverse-path when they are asked to.
        let reverse_path = (!is_marked || self.random.happens(500)).then_some(user);
        MadeReport { reverse_path, ..self.in_own_name(message) }
    }

    /// A customer with a password sent the original. The MX of the attacker's domain refuses it.
    fn refused_for_customer(mut self, failed: &str) -> MadeReport {
        let domain = failed.rsplit('@').next().unwrap_or_default();
        let remote = match self.random.below(3) {
            0 => None,
            1 => Some("[10.0.0.7]".to_owned()),
            _ => Some(format!("mx.{domain}")),
        };
        let report = Bounce { remote: remote.as_deref(), ..self.perfect_bounce(failed) }.octets();
        let message = hostile_mail::with_login(&report, &self.injector);
        self.claimed(message)
    }

    /// A customer without a password sent the original, from another network. The MX of the
    /// attacker's domain leads to a host in the relay's own network.
    fn refused_inside(self, failed: &str) -> MadeReport {
        let style = match self.actor.style {
            ReportStyle::Qmail | ReportStyle::Exchange => ReportStyle::Postfix,
            style => style,
        };
        let message = Bounce { style, remote: Some("[10.0.0.7]"), ..self.perfect_bounce(failed) }.octets();
        self.claimed(message)
    }

    fn perfect_bounce<'s>(&'s self, failed: &'s str) -> Bounce<'s> {
        Bounce { status: "5.1.1", diagnostic: "550 5.1.1 User unknown", ..self.bounce(failed) }
    }

    /// A report about a domain whose name servers never answer.
    fn starved(mut self, failed: &str) -> MadeReport {
        let report = self.perfect(failed, SaidCause::Address);
        let mut made = self.claimed(report);
        (made.answers.exchangers, made.answers.spf) = (None, None);
        made.answers_after = Span::from_seconds(60 * STARVED_MINUTES[0]);
        made
    }

    /// A contact form sends what was entered to the trap, which was entered as the visitor's address.
    fn by_contact_form(mut self, report: &str) -> MadeReport {
        let is_marked = self.random.happens(700);
        let message = hostile_mail::contact_form(&self.domain, &self.trap, report, is_marked);
        let user = self.random.happens(500).then(|| format!("www-data@{}", self.domain));
        MadeReport { reverse_path: user, ..self.in_own_name(message) }
    }
}

/// How late the answers about a relay come if an attacker keeps the resolvers busy; `pick` is any
/// number.
pub(super) fn starved_for(pick: u64) -> Span {
    let nth = usize::try_from(pick).unwrap_or(0) % STARVED_MINUTES.len();
    Span::from_seconds(60 * STARVED_MINUTES[nth])
}
