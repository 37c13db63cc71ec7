//! Decisions about the whole list: decisions, removals, the status, and the audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use crate::audit::{self, AuditQuery};
use crate::blocklist::{AuditRecord, HeldCounts};
use crate::evidence::Order;
use crate::http::api::{DecisionRequest, decide};
use crate::http::app::App;
use crate::http::directives::{DirectiveDone, direct};
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::relay::Prefix;
use crate::time::Timestamp;

/// Maximum number of audit records in one response.
const AUDIT_RECORDS_MAX: usize = 10_000;

/// A removal of an address from all zones.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemovalRequest {
    /// The address to remove.
    pub address: String,
    /// Who removed it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// The state of the whole list, for operators.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusJson {
    /// Nothing is added to any zone.
    pub frozen: bool,
    /// Zones with the numbers of new listings that are held.
    pub held: Vec<(String, HeldCounts)>,
    /// Zones with the numbers of complete cases that wait for the answer of the relay's side.
    #[serde(default)]
    pub unverified: Vec<(String, usize)>,
    /// Zones with the numbers of listings and changes of listings that wait for a slot.
    #[serde(default)]
    pub unpublished: Vec<(String, usize)>,
    /// Zones that are shut down.
    pub shut_down: Vec<String>,
    /// All exemptions.
    pub exemptions: Vec<ExemptionLine>,
    /// Number of audit records.
    pub audit_records: u64,
    /// The digest of the last audit record.
    pub audit_digest: Option<String>,
}

/// One exemption.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExemptionLine {
    /// The network that is never listed.
    pub network: String,
    /// When the exemption was made.
    pub since: Timestamp,
    /// When it should be reviewed.
    pub review_by: Timestamp,
    /// The operator that made it.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// `POST /control/v1/decisions`: makes a decision.
pub(super) async fn make_decision(
    State(app): State<Arc<App>>,
    RequestBody(Json(decision)): RequestBody<Json<DecisionRequest>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    decide(&app, decision).await
}

/// `POST /control/v1/removals`: removes an address from all zones.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    RequestBody(Json(removal)): RequestBody<Json<RemovalRequest>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let relay = removal.address.parse().map_err(ApiError::InvalidValue)?;
    direct(&app, removal.by, removal.why, Order::Remove { relay }).await
}

/// `GET /control/v1/standing`: the state of the whole list.
pub(super) async fn standing(State(app): State<Arc<App>>) -> Json<StatusJson> {
    let standing = app.published.standing();
    let exemptions = standing.exemptions.iter().map(|(prefix, exemption)| ExemptionLine {
        network: prefix.to_string(),
        since: exemption.since,
        review_by: exemption.review_by,
        by: exemption.by.clone(),
        why: exemption.why.clone(),
    });
    Json(StatusJson {
        frozen: standing.frozen,
        held: standing.held.clone().into_iter().collect(),
        unverified: standing.unverified.clone().into_iter().collect(),
        unpublished: standing.unpublished.clone().into_iter().collect(),
        shut_down: standing.shut_down.clone(),
        exemptions: exemptions.collect(),
        audit_records: standing.audit.number,
        audit_digest: standing.audit.digest.map(|digest| digest.to_string()),
    })
}

/// Query parameters that select audit records.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AuditRequest {
    /// Only records about addresses and networks that overlap this one.
    #[serde(default)]
    pub address: Option<String>,
    /// Only records with a number above this one.
    #[serde(default)]
    pub after: u64,
}

/// `GET /control/v1/audit?address=...&after=...`: audit records, oldest first.
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    RequestPart(Query(wanted)): RequestPart<Query<AuditRequest>>,
) -> Result<Json<Vec<AuditRecord>>, ApiError> {
    let about: Option<Prefix> =
        wanted.address.as_deref().map(str::parse).transpose().map_err(ApiError::InvalidValue)?;
    let wanted = AuditQuery { about, after: wanted.after, records_max: AUDIT_RECORDS_MAX };
    let directory = app.audit_directory.clone();
    let read = tokio::task::spawn_blocking(move || audit::read(&directory, &wanted)).await;
    match read {
        Ok(Ok(records)) => Ok(Json(records)),
        Ok(Err(error)) => Err(ApiError::Internal(error.to_string())),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}
