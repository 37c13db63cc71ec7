//! The kinds of relay of a simulated world, as its file describes them.

use serde::{Deserialize, Serialize};

use super::messages::ReportStyle;
use crate::score::VerificationMode;
use crate::time::Span;

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
    /// `mail.local_parts`.
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
    /// The time from its beginning after which a relay is repaired: it then refuses unknown
    /// recipients, and reports nothing more. Without a value, it is never repaired.
    #[serde(default)]
    pub repaired_after: Option<Span>,
    /// The name of another kind. Each relay is in the /64 of a relay of that kind.
    #[serde(default)]
    pub beside: Option<String>,
    /// Whether the relays have IPv6 addresses.
    #[serde(default)]
    pub ipv6: bool,
    /// Whether all relays of the kind have addresses of one network: an IPv6 /48, or an IPv4 /24.
    #[serde(default)]
    pub one_network: bool,
    /// Whether each relay is the MX host of its own domains. If not, another host is.
    #[serde(default = "yes")]
    pub exchanger: bool,
    /// The confirmed reverse DNS name of each relay.
    #[serde(default)]
    pub named: ConfirmedName,
    /// The number of unrelated registered domains that each relay serves.
    #[serde(default = "one")]
    pub domains: u32,
    /// The name of a `[[causes]]` table: why deliveries to these relays' recipients fail.
    #[serde(default)]
    pub causes: Option<String>,
    /// The programs whose reports the relays send. Each relay has one of them. The default are
    /// Postfix, Exim, Sendmail and qmail.
    #[serde(default)]
    pub styles: Vec<ReportStyle>,
    /// What the mail exchangers of the relay's domains answer about made-up recipients. The relay
    /// itself gives this answer, too, unless `relay_answers` says otherwise.
    #[serde(default)]
    pub answers: SideAnswer,
    /// What the relay itself answers about made-up recipients of its domains.
    #[serde(default)]
    pub relay_answers: Option<SideAnswer>,
    /// The number of wanted messages that a donor receives from each relay. It is reported once a
    /// week.
    #[serde(default)]
    pub wanted_messages: u64,
    /// For sources: whether only sublists can list them, because nobody can verify what they do by a
    /// question about recipients.
    #[serde(default)]
    pub sublists_only: bool,
    /// For sources: why the main zone cannot name this kind under `verification = "required"`.
    #[serde(default)]
    pub lost: Option<String>,
    /// For good relays: the settings of `verification` under which the main zone lists relays of
    /// this kind, without any attack.
    #[serde(default)]
    pub listed_under: Vec<VerificationMode>,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
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

/// What a host answers when it is asked about made-up recipients of a domain that it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SideAnswer {
    /// It refuses unknown recipients.
    #[default]
    RefusesUnknown,
    /// It refuses all recipients, or denies relaying.
    RefusesAll,
    /// It takes all recipients.
    TakesAll,
    /// It refuses temporarily when it is asked for the first time, and then takes all recipients.
    Greylists,
    /// It does not answer.
    NoAnswer,
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
