//! What is asked of the DNS about one piece of evidence.

use crate::classify::{Author, Cause};
use crate::digest::Digest;
use crate::evidence::Evidence;
use crate::relay::Relay;

/// What is asked about one piece of evidence.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The id of the evidence.
    pub evidence: Digest,
    /// The relay.
    pub relay: Relay,
    /// The name that the relay gave in HELO or EHLO.
    pub helo: String,
    /// The domain for which the relay handled mail.
    pub domain: Option<String>,
    /// The host that refused the recipient, as named in the report.
    pub remote_mta: Option<String>,
    /// The host that handed the forged original to the relay, if known.
    pub injector: Option<Relay>,
    /// The trap's domain in clear text. It is used for the inquiry and not stored.
    pub trap_domain: Option<String>,
}

/// Whether any answer of the DNS could make evidence count.
pub fn is_asked_about(evidence: &Evidence) -> bool {
    let facts = &evidence.facts;
    facts.kind.may_score()
        && facts.author == Author::MailSystem
        && facts.cause().is_none_or(Cause::may_score)
        && !facts.carried
        && evidence.recipients == 1
}

impl Inquiry {
    /// The inquiry about a piece of evidence.
    pub fn about(evidence: &Evidence, trap_domain: Option<&str>) -> Self {
        let facts = &evidence.facts;
        Inquiry {
            evidence: evidence.id,
            relay: evidence.relay,
            helo: evidence.helo.clone(),
            domain: facts.failed_recipient().and_then(|recipient| recipient.domain),
            remote_mta: facts.leading_failure().and_then(|failure| failure.remote_mta.clone()),
            injector: facts.injector.map(Relay::new),
            trap_domain: trap_domain.map(str::to_owned),
        }
    }
}
