//! Decisions that an operator makes with a token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::evidence::{EvidenceSource, Order};
use crate::http::app::App;
use crate::http::directives::{DirectiveDone, direct};
use crate::http::error::ApiError;
use crate::http::extract::RequestBody;
use crate::http::tokens::KnownOperator;
use crate::time::Timestamp;
use crate::trap::Donor;

/// An operator's decision.
#[derive(Debug, Serialize, Deserialize)]
pub struct DecisionRequest {
    /// The operator. In the API it is the owner of the token; on the control socket it is the name
    /// that the request gives.
    #[serde(default)]
    pub by: String,
    /// The reason.
    pub why: String,
    /// What was decided.
    #[serde(flatten)]
    pub decided: RequestedDecision,
}

/// What an operator can decide.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum RequestedDecision {
    /// Remove an address from all zones. Reports received before no longer count.
    Remove {
        /// The address.
        address: String,
    },
    /// Never list a network.
    Exempt {
        /// The network or address.
        network: String,
        /// When the exemption should be reviewed.
        review_by: Timestamp,
    },
    /// End an exemption.
    EndExemption {
        /// The exempted network.
        network: String,
    },
    /// List an address or network without a case.
    List {
        /// The zone's origin.
        zone: String,
        /// The address or network.
        address: String,
        /// The code.
        code: u8,
        /// When the listing ends.
        until: Timestamp,
    },
    /// Suspend a donor, retire its traps, and void its evidence.
    VoidDonor {
        /// The donor.
        donor: String,
        /// Evidence since this time is void.
        since: Timestamp,
    },
    /// Retire a trap and void its evidence.
    VoidTrap {
        /// The trap or its key.
        trap: String,
        /// Evidence since this time is void.
        since: Timestamp,
    },
    /// Add nothing to any zone until a release.
    Freeze,
    /// End a freeze and release the listings that a guard holds.
    Release,
    /// Shut a zone down (RFC 6471 §3.4).
    ShutDown {
        /// The zone's origin.
        zone: String,
    },
    /// Reopen a zone that was shut down.
    Reopen {
        /// The zone's origin.
        zone: String,
    },
    /// Record good mail that a donor received from a relay.
    CountGoodMail {
        /// The relay's address.
        address: String,
        /// The donor.
        donor: String,
        /// Number of messages.
        messages: u64,
    },
}

impl RequestedDecision {
    fn order(&self, app: &App) -> Result<Order, String> {
        // The final dot of a name may be omitted.
        let zone = |zone: &String| crate::zone::DomainName::parse(zone).map(|name| name.to_string());
        Ok(match self {
            RequestedDecision::Remove { address } => Order::Remove { relay: address.parse()? },
            RequestedDecision::Exempt { network, review_by } => {
                Order::Exempt { prefix: network.parse()?, review_by: *review_by }
            }
            RequestedDecision::EndExemption { network } => Order::EndExemption { prefix: network.parse()? },
            RequestedDecision::List { zone: origin, address, code, until } => {
                Order::List { origin: zone(origin)?, prefix: address.parse()?, code: *code, until: *until }
            }
            RequestedDecision::VoidDonor { donor, since } => {
                Order::Void { source: EvidenceSource::Donor(Donor::parse(donor)?), since: *since }
            }
            RequestedDecision::VoidTrap { trap, since } => {
                let key = trap.parse().or_else(|_| app.keys.hasher().named(trap).map(|named| named.key))?;
                Order::Void { source: EvidenceSource::Trap(key), since: *since }
            }
            RequestedDecision::Freeze => Order::Freeze,
            RequestedDecision::Release => Order::Release,
            RequestedDecision::ShutDown { zone: origin } => Order::ShutDown { origin: zone(origin)? },
            RequestedDecision::Reopen { zone: origin } => Order::Reopen { origin: zone(origin)? },
            RequestedDecision::CountGoodMail { address, donor, messages } => Order::CountGoodMail {
                relay: address.parse()?,
                donor: Donor::parse(donor)?,
                messages: *messages,
            },
        })
    }
}

/// `POST /api/v1/decisions`: makes a decision, with an operator's token in `Authorization: Bearer`.
pub(super) async fn decide_by_token(
    State(app): State<Arc<App>>,
    KnownOperator(operator): KnownOperator,
    RequestBody(Json(decision)): RequestBody<Json<DecisionRequest>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    decide(&app, DecisionRequest { by: operator, ..decision }).await
}

/// Makes a decision.
///
/// # Errors
/// When a value of the decision is wrong, or the decision cannot be recorded or has no effect.
pub(in crate::http) async fn decide(
    app: &App,
    decision: DecisionRequest,
) -> Result<Json<DirectiveDone>, ApiError> {
    let order = decision.decided.order(app).map_err(ApiError::InvalidValue)?;
    direct(app, decision.by, decision.why, order).await
}
