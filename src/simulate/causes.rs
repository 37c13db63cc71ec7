//! Why deliveries fail in a simulated world, and in which words the programs say so.

use serde::{Deserialize, Serialize};

use super::messages::ReportStyle;
use super::random::SimulationRandom;

/// A `[[causes]]` table: how often a kind of relay reports each cause. The shares are in thousandths
/// of its reports, and their sum is 1000.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CausesSpec {
    /// The name of the table.
    pub name: String,
    /// The address does not exist.
    #[serde(default)]
    pub address: u32,
    /// The mailbox is full or disabled.
    #[serde(default)]
    pub mailbox: u32,
    /// The time was over, or a host could not be reached.
    #[serde(default)]
    pub expired: u32,
    /// A filter or a policy refused the message.
    #[serde(default)]
    pub policy: u32,
    /// A fault of the mail system.
    #[serde(default)]
    pub system: u32,
    /// The report does not say the cause.
    #[serde(default)]
    pub not_said: u32,
    /// The address does not exist, and the report says so in another language than English.
    #[serde(default)]
    pub other_language: u32,
}

/// A `[[wordings]]` table: words in which programs say a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordingSpec {
    /// The cause.
    pub cause: SaidCause,
    /// The programs that use the words.
    pub styles: Vec<ReportStyle>,
    /// The status code (RFC 3463).
    pub status: String,
    /// The words.
    pub text: String,
}

/// A cause, or the lack of one, as a report says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaidCause {
    /// The address does not exist.
    Address,
    /// The mailbox is full or disabled.
    Mailbox,
    /// The time was over, or a host could not be reached.
    Expired,
    /// A filter or a policy refused the message.
    Policy,
    /// A fault of the mail system.
    System,
    /// The report does not say the cause.
    NotSaid,
    /// The address does not exist, said in another language than English.
    OtherLanguage,
}

/// What a report says of a failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct SaidFailure<'a> {
    /// The status code (RFC 3463).
    pub status: &'a str,
    /// The words.
    pub text: &'a str,
}

/// The failure if the world's file has no words for it.
const ADDRESS: SaidFailure<'static> = SaidFailure { status: "5.1.1", text: "unknown user" };

impl CausesSpec {
    /// The shares, in thousandths.
    fn shares(&self) -> [(SaidCause, u32); 7] {
        [
            (SaidCause::Address, self.address),
            (SaidCause::Mailbox, self.mailbox),
            (SaidCause::Expired, self.expired),
            (SaidCause::Policy, self.policy),
            (SaidCause::System, self.system),
            (SaidCause::NotSaid, self.not_said),
            (SaidCause::OtherLanguage, self.other_language),
        ]
    }

    /// The sum of the shares, in thousandths.
    pub(super) fn sum(&self) -> u32 {
        self.shares().iter().fold(0, |sum, (_, share)| sum.saturating_add(*share))
    }

    fn pick(&self, random: &mut SimulationRandom) -> SaidCause {
        let mut left = random.below(1_000);
        for (cause, share) in self.shares() {
            match left.checked_sub(u64::from(share)) {
                Some(rest) => left = rest,
                None => return cause,
            }
        }
        SaidCause::Address
    }
}

/// What a program says about the next failure of a relay. `causes` is the relay's table; without one,
/// the address does not exist.
pub(super) fn failure<'a>(
    wordings: &'a [WordingSpec],
    causes: Option<&CausesSpec>,
    style: ReportStyle,
    random: &mut SimulationRandom,
) -> SaidFailure<'a> {
    let cause = causes.map_or(SaidCause::Address, |causes| causes.pick(random));
    said(wordings, cause, style, random)
}

/// How a program says a cause.
pub(super) fn said<'a>(
    wordings: &'a [WordingSpec],
    cause: SaidCause,
    style: ReportStyle,
    random: &mut SimulationRandom,
) -> SaidFailure<'a> {
    let of = wordings.iter().filter(|words| words.cause == cause && words.styles.contains(&style));
    let possible: Vec<&WordingSpec> = of.collect();
    random.pick(&possible).map_or(ADDRESS, |words| SaidFailure { status: &words.status, text: &words.text })
}
