//! What the relays' sides answer when they are asked about made-up recipients.

use super::actors::{Actor, owner_of, serves};
use super::attackers::AttackMethod;
use super::kinds::{RelaysSpec, SideAnswer};
use crate::evidence::{AskedSide, VerificationAnswer};

/// A question about made-up recipients, as it reaches a relay's side.
pub(super) struct SideQuestion<'a> {
    /// The number of the relay.
    pub number: u32,
    /// The relay.
    pub actor: &'a Actor,
    /// Its kind.
    pub spec: &'a RelaysSpec,
    /// The domain of the made-up recipients.
    pub domain: &'a str,
    /// The hosts that are asked.
    pub side: AskedSide,
    /// Whether they were asked before.
    pub is_repeated: bool,
    /// The time from the start of the simulation, in milliseconds.
    pub at: u64,
}

/// The answer to a question. `method_of` tells what an attacker does, by his number.
pub(super) fn answer(
    question: &SideQuestion<'_>,
    method_of: impl Fn(u32) -> Option<AttackMethod>,
) -> VerificationAnswer {
    let SideQuestion { number, actor, spec, domain, side, .. } = question;
    if !serves(*number, domain) {
        // The relay takes mail for domains that it does not serve from its customers only.
        let is_hosted = owner_of(domain).and_then(method_of) == Some(AttackMethod::HostedCustomer);
        return match side {
            AskedSide::Relay if is_hosted => VerificationAnswer::TakesAll,
            AskedSide::Relay => VerificationAnswer::RefusesAll,
            AskedSide::Exchangers => VerificationAnswer::RefusesUnknown,
        };
    }
    if actor.is_repaired && question.at >= actor.ends {
        return VerificationAnswer::RefusesUnknown;
    }
    let answers = match side {
        AskedSide::Relay => spec.relay_answers.unwrap_or(spec.answers),
        AskedSide::Exchangers => spec.answers,
    };
    match answers {
        SideAnswer::RefusesUnknown => VerificationAnswer::RefusesUnknown,
        SideAnswer::RefusesAll => VerificationAnswer::RefusesAll,
        SideAnswer::TakesAll => VerificationAnswer::TakesAll,
        SideAnswer::Greylists if question.is_repeated => VerificationAnswer::TakesAll,
        SideAnswer::Greylists | SideAnswer::NoAnswer => VerificationAnswer::NoAnswer,
    }
}
