//! Operators' decisions, through the control socket or with a token through the API, and
//! self-service removals.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::addresses::{Problem, bad_address};
use super::clients::client_network;
use super::control::direct;
use super::{App, tokens};
use crate::audit::{self, AuditQuery};
use crate::digest::Digest;
use crate::evidence::{EvidenceSource, Order};
use crate::listing::ListingEnd;
use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};
use crate::trap::Donor;

/// Maximum number of audit records in one response.
const AUDIT_RECORDS_MAX: usize = 10_000;
/// The longest wait before a further removal is 2^5 days.
const LOCK_DOUBLINGS_MAX: u32 = 5;

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

/// The state of the whole list, for operators.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusJson {
    /// Nothing is added to any zone.
    pub frozen: bool,
    /// Zones with the number of new listings held until a release.
    pub held: Vec<(String, usize)>,
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

/// One public note.
#[derive(Debug, Serialize)]
pub(super) struct NoteLine {
    at: Timestamp,
    text: String,
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

/// `POST /control/v1/decisions`: makes a decision.
pub(super) async fn decide(State(app): State<Arc<App>>, Json(decision): Json<DecisionRequest>) -> Response {
    match decision.decided.order(&app) {
        Ok(order) => direct(&app, decision.by, decision.why, order).await,
        Err(problem) => bad_address(problem),
    }
}

/// `POST /api/v1/decisions`: makes a decision, with an operator's token in `Authorization: Bearer`.
pub(super) async fn decide_by_token(
    state: State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(mut decision): Json<DecisionRequest>,
) -> Response {
    let known = |digest: Digest| state.operators.iter().find(|(_, known)| *known == digest);
    match tokens::bearer(&state, peer.ip(), &headers, known) {
        Ok(operator) => decision.by.clone_from(&operator.0),
        Err(response) => return *response,
    }
    decide(state, Json(decision)).await
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
        shut_down: standing.shut_down.clone(),
        exemptions: exemptions.collect(),
        audit_records: standing.audit.number,
        audit_digest: standing.audit.digest.map(|digest| digest.to_string()),
    })
}

/// `GET /api/v1/notes`: public notes about errors of the list itself (RFC 6471 §3.9).
pub(super) async fn notes(State(app): State<Arc<App>>) -> Json<Vec<NoteLine>> {
    let standing = app.published.standing();
    Json(standing.notes.iter().map(|note| NoteLine { at: note.at, text: note.text.clone() }).collect())
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
pub(super) async fn audit(State(app): State<Arc<App>>, Query(wanted): Query<AuditRequest>) -> Response {
    let about: Option<Prefix> = match wanted.address.as_deref().map(str::parse).transpose() {
        Ok(about) => about,
        Err(problem) => return bad_address(problem),
    };
    let wanted = AuditQuery { about, after: wanted.after, records_max: AUDIT_RECORDS_MAX };
    let directory = app.audit_directory.clone();
    let read = tokio::task::spawn_blocking(move || audit::read(&directory, &wanted)).await;
    match read {
        Ok(Ok(records)) => Json(records).into_response(),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// A listing as the public sees it: without evidence, with times rounded to the hour.
#[derive(Debug, Serialize)]
pub(super) struct PublicListing {
    zone: String,
    code: u8,
    since: Timestamp,
    /// When it ended or will end.
    until: Timestamp,
    /// How it ended; `None` while it is current.
    ended: Option<&'static str>,
    policy: Option<String>,
}

/// `GET /api/v1/addresses/{address}/history`: current and past listings, oldest first.
pub(super) async fn history(State(app): State<Arc<App>>, Path(address): Path<String>) -> Response {
    let relay: Relay = match address.parse() {
        Ok(relay) => relay,
        Err(problem) => return bad_address(problem),
    };
    let mut listings = Vec::new();
    let record = app.published.relay(relay).unwrap_or_default();
    for ((zone, code), record) in &record.records {
        listings.extend(record.past.iter().map(|past| PublicListing {
            zone: zone.to_string(),
            code: *code,
            since: past.since.whole_hour(),
            until: past.ended.whole_hour(),
            ended: Some(past.how.name()),
            policy: None,
        }));
        listings.extend(record.current.iter().map(|listing| PublicListing {
            zone: zone.to_string(),
            code: *code,
            since: listing.since.whole_hour(),
            until: listing.until.whole_hour(),
            ended: None,
            policy: Some(listing.policy.to_string()),
        }));
    }
    listings.sort_by_key(|listing| listing.since);
    Json(listings).into_response()
}

fn failed(error: String) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, Json(Problem { error })).into_response()
}

/// `POST /api/v1/addresses/{address}/removal`: removes an address.
pub(super) async fn removal(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(address): Path<String>,
) -> Response {
    remove_oneself(&app, peer.ip(), &headers, &address).await
}

/// `POST /ip/{address}/removal`: the same from the address's page, with a redirect back to it.
pub(super) async fn removal_form(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(address): Path<String>,
) -> Response {
    let response = remove_oneself(&app, peer.ip(), &headers, &address).await;
    match address.parse::<Relay>() {
        Ok(relay) if response.status().is_success() => Redirect::to(&format!("/ip/{relay}")).into_response(),
        _ => response,
    }
}

/// Removes an address at once, without account, payment or conditions (RFC 6471 §2.2.4, §2.2.5).
/// The requester's own address may be listed (RFC 6471 §2.2.2). Only the number of requests of a
/// client network is limited.
async fn remove_oneself(app: &App, peer: IpAddr, headers: &HeaderMap, address: &str) -> Response {
    let relay: Relay = match address.parse() {
        Ok(relay) => relay,
        Err(problem) => return bad_address(problem),
    };
    let listed = app.published.relay(relay).is_some_and(|record| {
        record.records.values().any(|record| {
            record.current.as_ref().is_some_and(|listing| listing.prefix.contains(relay.address()))
        })
    });
    if !listed {
        let problem = Problem { error: format!("{relay} is not listed") };
        return (StatusCode::NOT_FOUND, Json(problem)).into_response();
    }
    let client = client_network(app, peer, headers);
    // The waiting time does not apply to requests from the relay's own network. Otherwise others
    // could use up its removals.
    let own = client.contains(relay.address());
    if let Some(until) = locked_until(app, relay).filter(|_| !own) {
        let problem =
            format!("{relay} was removed before and listed again; it can be removed again from {until}");
        let wait = until.since(app.clock.now()).seconds().to_string();
        return (
            StatusCode::TOO_MANY_REQUESTS,
            [(header::RETRY_AFTER, wait)],
            Json(Problem { error: problem }),
        )
            .into_response();
    }
    if !app.removals.admits(client, app.clock.now()) {
        let problem = Problem {
            error: "too many removals from your network within an hour; try again later".to_owned(),
        };
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "3600")], Json(problem))
            .into_response();
    }
    direct(app, format!("self-service from {client}"), "requested".to_owned(), Order::Remove { relay }).await
}

/// Until when a relay cannot be removed by self-service, if it cannot. The first removal is
/// immediate. After the second listing the wait is one day from the last removal, and it doubles
/// with each further removal, up to 32 days.
fn locked_until(app: &App, relay: Relay) -> Option<Timestamp> {
    let record = app.published.relay(relay)?;
    let removed = record
        .records
        .values()
        .flat_map(|record| &record.past)
        .filter(|past| past.how == ListingEnd::Removed);
    let ends: std::collections::BTreeSet<Timestamp> = removed.map(|past| past.ended).collect();
    let doublings = u32::try_from(ends.len().checked_sub(1)?).unwrap_or(u32::MAX).min(LOCK_DOUBLINGS_MAX);
    let until = ends.last()?.plus(Span::from_days(1 << doublings));
    (until > app.clock.now()).then_some(until)
}
