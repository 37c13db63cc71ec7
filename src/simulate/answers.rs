//! What the relays' sides answer when they are asked about made-up recipients.

use super::world::Behaviour;
use crate::evidence::{AskedSide, VerificationAnswer};

/// The answer by what a relay does with mail.
pub(super) fn answer(behaviour: Behaviour, side: AskedSide) -> VerificationAnswer {
    match behaviour {
        Behaviour::BouncesUnknown
        | Behaviour::RelaysUnknown
        | Behaviour::BouncesBehindFilter
        | Behaviour::BouncesThroughOther
        | Behaviour::SendsNotices
        | Behaviour::ChallengesAll
        | Behaviour::LosesHost => VerificationAnswer::TakesAll,
        Behaviour::CallsOut
        | Behaviour::Rejects
        | Behaviour::Forwards
        | Behaviour::HasBrokenAliases
        | Behaviour::HasFullMailboxes
        | Behaviour::ConfirmsDelivery
        | Behaviour::HasVacationers
        | Behaviour::RunsLists
        | Behaviour::SendsReceipts
        | Behaviour::SendsAggregateReports
        | Behaviour::HostsForgers
        | Behaviour::SharesAddressWithBot
        | Behaviour::ProbesNowAndThen => VerificationAnswer::RefusesUnknown,
        // A smarthost relays for its customers alone.
        Behaviour::CarriesReports => match side {
            AskedSide::Relay => VerificationAnswer::RefusesAll,
            AskedSide::Exchangers => VerificationAnswer::RefusesUnknown,
        },
        Behaviour::Imitates => VerificationAnswer::NoAnswer,
    }
}
